//! Writing a recording, so that whatever happens to the recorder, what was heard is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sim::SortedMap;

use super::entry::{Change, Entry, Header, Line, Object, VERSION};
use super::reader::{Error, Recording};
use super::{FILE, trimmed};

/// When the disk must have what was written. A recorder that is killed loses nothing either way: each line is the
/// operating system's at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After each line.
    EachLine,
    /// Once within this time: what a loss of power can cost at most.
    Within(Duration),
    /// At the end only.
    AtEnd,
}

/// A recording that is being made.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    durability: Durability,
    synced: Instant,
    /// The spec last written of each object, by kind and uid.
    specs: SortedMap<(String, String), Value>,
}

impl Writer {
    /// Begins a recording in a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When there is a recording already, or the file system says no.
    pub fn create(dir: &Path, header: Header, durability: Durability) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let fail = |error| Error::io("write", &path, error);
        fs::create_dir_all(dir).map_err(fail)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Error::Exists { path: path.clone() },
                _ => fail(error),
            })?;
        let mut writer = Writer::new(file, path, durability);
        let header = Header {
            version: VERSION,
            ..header
        };
        writer.write(0.0, Entry::Header(header))?;
        writer.sync()?;
        if let Ok(dir) = File::open(dir) {
            // The name of a new file is its directory's content.
            drop(dir.sync_all());
        }
        Ok(writer)
    }

    /// Takes up a recording that was broken off, `t` seconds after its epoch.
    ///
    /// # Errors
    ///
    /// When there is none, it cannot be read, or the file system says no.
    pub fn resume(dir: &Path, t: f64, reason: &str, durability: Durability) -> Result<Self, Error> {
        Recording::read(dir)?;
        let path = dir.join(FILE);
        let fail = |error| Error::io("write", &path, error);
        let open = OpenOptions::new().read(true).append(true).open(&path);
        let mut file = open.map_err(fail)?;
        let mut last = [0];
        file.seek(SeekFrom::End(-1))
            .and_then(|_| file.read_exact(&mut last))
            .map_err(fail)?;
        let mut writer = Writer::new(file, path, durability);
        if last != *b"\n" {
            writer.put(b"\n")?;
        }
        let reason = reason.to_owned();
        writer.write(t, Entry::Resumed { reason })?;
        Ok(writer)
    }

    fn new(file: File, path: PathBuf, durability: Durability) -> Self {
        Writer {
            file,
            path,
            durability,
            synced: Instant::now(),
            specs: SortedMap::new(),
        }
    }

    /// Writes what was heard `t` seconds after the epoch. An object is [`trimmed`], and its spec left out if the
    /// last change said the same.
    ///
    /// # Errors
    ///
    /// When the file system says no.
    pub fn write(&mut self, t: f64, mut entry: Entry) -> Result<(), Error> {
        if let Entry::Object(object) = &mut entry {
            object.object = trimmed(std::mem::take(&mut object.object));
            self.leave_out_spec(object);
        }
        let t = (t * 1000.0).round() / 1000.0;
        let mut text =
            serde_json::to_vec(&Line { t, entry }).expect("a line has text keys and finite numbers");
        text.push(b'\n');
        self.put(&text)?;
        match self.durability {
            Durability::EachLine => self.sync(),
            Durability::Within(time) if self.synced.elapsed() >= time => self.sync(),
            Durability::Within(_) | Durability::AtEnd => Ok(()),
        }
    }

    /// Hands everything to the disk.
    ///
    /// # Errors
    ///
    /// When the file system says no.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.synced = Instant::now();
        let synced = self.file.sync_data();
        synced.map_err(|error| Error::io("write", &self.path, error))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        // One call for the whole line: there is no buffer of ours that a kill could take.
        let written = self.file.write_all(bytes);
        written.map_err(|error| Error::io("write", &self.path, error))
    }

    fn leave_out_spec(&mut self, object: &mut Object) {
        let key = (object.kind.clone(), object.uid.clone());
        if object.change == Change::Deleted {
            if let (Some(known), Some(fields)) = (self.specs.remove(&key), object.object.as_object_mut())
                && fields.get("spec") == Some(&known)
            {
                fields.remove("spec");
            }
            return;
        }
        let Some(fields) = object.object.as_object_mut() else {
            return;
        };
        let Some(spec) = fields.get("spec") else {
            return;
        };
        if self.specs.get(&key) == Some(spec) {
            fields.remove("spec");
        } else {
            self.specs.insert(key, spec.clone());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.sync());
    }
}
