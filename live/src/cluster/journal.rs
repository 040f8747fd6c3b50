//! The journal: what a run has made, on disk before anything else happens, so that it can be taken away after
//! whatever becomes of the run.
//!
//! `journal.jsonl` in the run's directory: first the run and its cluster, then a line for each object made. It
//! is written before it is needed; a line that was torn by a kill is no loss, since the label knows as well.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::apply::Applied;
use super::error::{Error, Result};

/// The file's name.
pub const JOURNAL: &str = "journal.jsonl";

/// Whose run it is, and where: the journal's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The run's name.
    pub run: String,
    /// The kubeconfig's context.
    pub context: String,
    /// The API server's address.
    pub server: String,
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    made: Vec<Applied>,
}

impl Journal {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// When there is one in the directory, or it cannot be written.
    pub fn begin(dir: &Path, run: &Run) -> Result<Self> {
        let path = dir.join(JOURNAL);
        let fail = |error| Error::file(format!("write {}", path.display()), error);
        std::fs::create_dir_all(dir).map_err(fail)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(fail)?;
        let mut journal = Journal {
            file,
            path: path.clone(),
            made: Vec::new(),
        };
        journal.line(run)?;
        Ok(journal)
    }

    /// Writes down what was made.
    ///
    /// # Errors
    ///
    /// When the disk says no.
    pub fn made(&mut self, applied: Applied) -> Result<()> {
        let written = self.line(&applied);
        self.made.push(applied);
        written
    }

    /// All that was made.
    #[must_use]
    pub fn all(&self) -> &[Applied] {
        &self.made
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(value).expect("a line of texts");
        text.push(b'\n');
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::file(format!("write {}", self.path.display()), error))
    }
}

/// Reads a journal as far as it goes.
///
/// # Errors
///
/// When there is none, or its first line does not say whose it is.
pub fn read(dir: &Path) -> Result<(Run, Vec<Applied>)> {
    let path = dir.join(JOURNAL);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::file(format!("read {}", path.display()), error))?;
    let mut lines = text.lines();
    let run = lines
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .ok_or_else(|| Error::Input(format!("{}: expected a run in the first line", path.display())))?;
    let made = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ok((run, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_no_loss() {
        let dir = std::env::temp_dir().join(format!("scaletwin-journal-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let run = Run {
            run: "r1".to_owned(),
            context: "test".to_owned(),
            server: "https://api".to_owned(),
        };
        let applied = |uid: &str| Applied {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            namespace: "web".to_owned(),
            name: "web".to_owned(),
            uid: uid.to_owned(),
        };
        let mut journal = Journal::begin(&dir, &run).unwrap();
        journal.made(applied("u1")).unwrap();
        journal.made(applied("u2")).unwrap();
        assert!(Journal::begin(&dir, &run).is_err());
        let path = dir.join(JOURNAL);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 10]).unwrap();
        assert_eq!(read(&dir).unwrap(), (run, vec![applied("u1")]));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
