//! The journal: every run as soon as it is done, one line each.
//!
//! A sweep may be killed at any moment. A line is written with one call, so that what is lost is what was being
//! run, and at most the last line is torn; it is cut off when the journal is opened again. Each line ends with a
//! checksum, because a torn line may look whole. Numbers are written so that they are read back exactly.
//!
//! The first line says which sweep it is: a fingerprint of all that decides what a run's number means.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sim::SortedMap;

/// The name of a journal in a sweep's directory.
pub const JOURNAL: &str = "journal.txt";

const MAGIC: &str = "scaletwin-sweep 1";

/// What can be wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system says no.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It belongs to a sweep of other files or settings.
    #[error("{} is of another sweep", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// It is no journal.
    #[error("{}:{line}: expected a line of a sweep's journal", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Another process writes to it.
    #[error("another sweep is writing to {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
}

/// A configuration's number and a seed's.
pub type Key = (u32, u32);

/// What was read: all runs, by configuration and seed.
pub type Known = SortedMap<Key, Box<[f64]>>;

/// A journal that is written to.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal of a directory, and reads what it knows; a new one if there is none. `width` is the number
    /// of numbers of a run.
    ///
    /// # Errors
    ///
    /// When it is of another sweep, damaged before its end, in use, or cannot be written.
    pub fn open(dir: &Path, fingerprint: u64, width: usize) -> Result<(Self, Known), Error> {
        let path = dir.join(JOURNAL);
        let fail = |what: &'static str, source: io::Error| Error::Io {
            what,
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| fail("open", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path }),
            // Some network file systems have no locks: nothing is wrong with a sweep alone there.
            Err(TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| fail("read", error))?;
        let (known, whole) = parse(&path, &bytes, fingerprint, width)?;
        file.set_len(whole as u64)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|error| fail("repair", error))?;
        if whole == 0 {
            let head = sealed(format!("{MAGIC} {fingerprint:016x} {width}"));
            file.write_all(head.as_bytes())
                .map_err(|error| fail("write", error))?;
        }
        let file = Mutex::new(file);
        Ok((Journal { path, file }, known))
    }

    /// A journal in a file that is open already.
    #[cfg(test)]
    pub(crate) fn on(path: PathBuf, file: File) -> Self {
        Journal {
            path,
            file: Mutex::new(file),
        }
    }

    /// Keeps a run.
    ///
    /// # Errors
    ///
    /// When it cannot be written, as on a full disk. What was kept before stays; a part of this line is cut off.
    pub fn keep(&self, key: Key, values: &[f64]) -> Result<(), Error> {
        let mut line = format!("run {} {}", key.0, key.1);
        for value in values {
            let _ = write!(line, " {value}");
        }
        let line = sealed(line);
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let start = file.stream_position();
        file.write_all(line.as_bytes()).map_err(|source| {
            if let Ok(start) = start {
                let _ = file
                    .set_len(start)
                    .and_then(|()| file.seek(SeekFrom::Start(start)));
            }
            Error::Io {
                what: "write",
                path: self.path.clone(),
                source,
            }
        })
    }
}

/// Reads a journal that nobody writes to, as of a shard.
///
/// # Errors
///
/// When it cannot be read, is of another sweep or damaged before its end.
pub fn read(dir: &Path, fingerprint: u64, width: usize) -> Result<Known, Error> {
    let path = dir.join(JOURNAL);
    let bytes = std::fs::read(&path).map_err(|source| Error::Io {
        what: "read",
        path: path.clone(),
        source,
    })?;
    Ok(parse(&path, &bytes, fingerprint, width)?.0)
}

/// The line with its checksum and end.
fn sealed(line: String) -> String {
    let sum = checksum(&line);
    format!("{line} #{sum:08x}\n")
}

/// FNV-1a.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn checksum(line: &str) -> u32 {
    let hash = hash(line.as_bytes());
    (hash ^ (hash >> 32)) as u32
}

/// The content of a line, if its checksum is right.
fn unsealed(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (content, sum) = line.rsplit_once(" #")?;
    (u32::from_str_radix(sum, 16).ok()? == checksum(content)).then_some(content)
}

/// The runs, and the length of what is whole.
fn parse(path: &Path, bytes: &[u8], fingerprint: u64, width: usize) -> Result<(Known, usize), Error> {
    let mut known = Known::new();
    let mut whole = 0;
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for (number, line) in lines.iter().enumerate() {
        let content = line.strip_suffix(b"\n").and_then(unsealed);
        let read = content.map(|content| match number {
            0 => head(content, fingerprint, width),
            _ => run(content, width).map(|(key, values)| {
                known.insert(key, values);
                true
            }),
        });
        match read.flatten() {
            Some(true) => whole += line.len(),
            Some(false) => {
                return Err(Error::Other {
                    path: path.to_owned(),
                });
            }
            // Only the last line can have been torn.
            None if number + 1 == lines.len() && (number > 0 || is_torn_head(line)) => break,
            None => {
                return Err(Error::Damaged {
                    path: path.to_owned(),
                    line: number + 1,
                });
            }
        }
    }
    Ok((known, whole))
}

/// Whether a first line is the beginning of a journal's: the sweep was killed as it began.
fn is_torn_head(line: &[u8]) -> bool {
    let shared = line.len().min(MAGIC.len());
    line[..shared] == MAGIC.as_bytes()[..shared]
}

fn head(content: &str, fingerprint: u64, width: usize) -> Option<bool> {
    let own = content.strip_prefix(MAGIC)?;
    Some(own == format!(" {fingerprint:016x} {width}"))
}

fn run(content: &str, width: usize) -> Option<(Key, Box<[f64]>)> {
    let mut words = content.strip_prefix("run ")?.split(' ');
    let key = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let values: Option<Box<[f64]>> = words.map(|word| word.parse().ok()).collect();
    values
        .filter(|values| values.len() == width)
        .map(|values| (key, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Dir;

    const VALUES: [f64; 3] = [0.1 + 0.2, f64::NAN, -1e-17];

    fn written(dir: &Dir) -> Vec<u8> {
        let (journal, known) = Journal::open(&dir.0, 7, 3).expect("opens");
        assert!(known.is_empty());
        journal.keep((0, 0), &VALUES).expect("writes");
        journal.keep((4, 2), &[1.0, 2.0, 3.0]).expect("writes");
        drop(journal);
        std::fs::read(dir.0.join(JOURNAL)).expect("reads")
    }

    #[test]
    fn numbers_come_back_exactly() {
        let dir = Dir::new("exact");
        written(&dir);
        let known = read(&dir.0, 7, 3).expect("reads");
        assert_eq!(known.len(), 2);
        let back = &known[&(0, 0)];
        assert_eq!(
            (back[0].to_bits(), back[2].to_bits()),
            (VALUES[0].to_bits(), VALUES[2].to_bits())
        );
        assert!(back[1].is_nan());
    }

    #[test]
    fn a_journal_cut_anywhere_loses_at_most_its_last_line() {
        let dir = Dir::new("torn");
        let whole = written(&dir);
        let path = dir.0.join(JOURNAL);
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let (journal, known) = Journal::open(&dir.0, 7, 3).expect("opens whatever was cut");
            assert_eq!(known.len(), lines.saturating_sub(1), "cut at {cut}");
            journal.keep((9, 9), &VALUES).expect("writes");
            drop(journal);
            assert_eq!(
                read(&dir.0, 7, 3).expect("is whole again").len(),
                lines.saturating_sub(1) + 1
            );
        }
    }

    #[test]
    fn other_sweeps_and_other_files_are_told() {
        let dir = Dir::new("other");
        let whole = written(&dir);
        assert!(matches!(Journal::open(&dir.0, 8, 3), Err(Error::Other { .. })));
        assert!(matches!(read(&dir.0, 7, 4), Err(Error::Other { .. })));
        let path = dir.0.join(JOURNAL);
        let mut changed = whole.clone();
        let digit = whole.iter().position(|byte| *byte == b'\n').expect("has lines") + 8;
        changed[digit] ^= 1;
        std::fs::write(&path, &changed).expect("writes");
        assert!(matches!(read(&dir.0, 7, 3), Err(Error::Damaged { line: 2, .. })));
        std::fs::write(&path, "name,value\n").expect("writes");
        assert!(matches!(read(&dir.0, 7, 3), Err(Error::Damaged { line: 1, .. })));
        std::fs::write(&path, "name").expect("writes");
        assert!(matches!(
            Journal::open(&dir.0, 7, 3),
            Err(Error::Damaged { line: 1, .. })
        ));
    }

    #[test]
    fn one_process_writes_at_a_time() {
        let dir = Dir::new("busy");
        let (_first, _) = Journal::open(&dir.0, 1, 1).expect("opens");
        assert!(matches!(Journal::open(&dir.0, 1, 1), Err(Error::Busy { .. })));
    }
}
