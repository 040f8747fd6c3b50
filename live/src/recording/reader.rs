//! Reading a recording.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sim::SortedMap;

use super::entry::{Change, Entry, Gap, Header, Line, VERSION};
use super::{FILE, SCENARIO};

/// Why a recording could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("cannot {doing} {path}: {error}", path = path.display())]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// There is a recording in the directory already.
    #[error("{path} is there already: a recording is never overwritten", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The directory holds no recording.
    #[error("{path} is no recording: it holds no {FILE}", path = path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("{path} is empty: the recorder was stopped before it had heard anything", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is of another version of the format.
    #[error("{path} is of version {found} of the format, this scaletwin reads version {VERSION}", path = path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// Lines are wrong.
    #[error("{}", lines.join("\n"))]
    Lines {
        /// Each as `FILE:LINE: what is wrong`.
        lines: Vec<String>,
    },
}

impl Error {
    pub(super) fn io(doing: &'static str, path: &Path, error: io::Error) -> Self {
        Error::Io {
            doing,
            path: path.to_owned(),
            error,
        }
    }
}

/// More wrong lines than these say nothing new.
const MOST_PROBLEMS: usize = 10;

/// A recording, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Its directory.
    pub dir: PathBuf,
    /// What is recorded.
    pub header: Header,
    /// Everything else, in the order in which it was heard. Objects have their specs.
    pub lines: Vec<Line>,
    /// The line number of a last line that was torn and is left out.
    pub torn: Option<usize>,
    /// Whether the recorder ended as it should.
    pub ended: bool,
}

impl Recording {
    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// When there is no recording, it is of another version, it is empty, or a line is wrong. A torn line at the end
    /// is none of these: [`Recording::torn`] tells it.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let fail = |error: io::Error| Error::io("read", &path, error);
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if dir.is_dir() => Error::Missing { path: dir.to_owned() },
            _ => fail(error),
        })?;
        let mut reading = Reading::default();
        let mut reader = BufReader::new(file);
        let mut text = Vec::new();
        for number in 1.. {
            text.clear();
            if reader.read_until(b'\n', &mut text).map_err(fail)? == 0 {
                break;
            }
            reading.line(&path, number, &text)?;
        }
        reading.finish(dir, &path)
    }

    /// The directory of the copy of the scenario, if there is one.
    #[must_use]
    pub fn scenario(&self) -> Option<PathBuf> {
        Some(self.dir.join(SCENARIO)).filter(|path| path.is_dir())
    }

    /// When the last thing was heard, seconds since the epoch.
    #[must_use]
    pub fn end(&self) -> f64 {
        self.lines.iter().map(|line| line.t).fold(0.0, f64::max)
    }

    /// The gaps, each once: with its end, or without if it never closed.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = Vec::new();
        for line in &self.lines {
            let Entry::Gap(gap) = &line.entry else { continue };
            let same =
                |known: &&mut Gap| known.source == gap.source && known.from == gap.from && known.to.is_none();
            match gaps.iter_mut().find(same) {
                Some(known) => *known = gap.clone(),
                None => gaps.push(gap.clone()),
            }
        }
        gaps
    }
}

#[derive(Default)]
struct Reading {
    header: Option<Header>,
    lines: Vec<Line>,
    /// The last line, if it could not be read: its number and what is wrong.
    broken: Option<(usize, String)>,
    problems: Vec<String>,
    specs: SortedMap<(String, String), Value>,
    ended: bool,
}

impl Reading {
    fn line(&mut self, path: &Path, number: usize, text: &[u8]) -> Result<(), Error> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        if number == 1 {
            check_version(path, text)?;
        }
        let parsed = serde_json::from_slice::<Line>(text);
        let resumes = matches!(
            &parsed,
            Ok(Line {
                entry: Entry::Resumed { .. },
                ..
            })
        );
        if let Some((broken, problem)) = self.broken.take()
            && (!resumes || self.header.is_none())
        {
            self.problem(path, broken, &problem);
        }
        match parsed {
            Err(error) => self.broken = Some((number, plain(&error))),
            Ok(line) if !line.t.is_finite() => self.problem(path, number, "expected seconds in t"),
            Ok(line) => self.keep(path, number, line),
        }
        Ok(())
    }

    fn problem(&mut self, path: &Path, number: usize, problem: &str) {
        match self.problems.len() {
            n if n < MOST_PROBLEMS => self
                .problems
                .push(format!("{}:{number}: {problem}", path.display())),
            MOST_PROBLEMS => self.problems.push(format!("{}: more such lines", path.display())),
            _ => {}
        }
    }

    fn keep(&mut self, path: &Path, number: usize, mut line: Line) {
        match &mut line.entry {
            Entry::Header(header) => match self.header {
                None if self.lines.is_empty() => self.header = Some(header.clone()),
                _ => self.problem(path, number, "a header that is not the first line"),
            },
            _ if self.header.is_none() => self.problem(path, number, "expected the header first"),
            Entry::Object(object) => {
                let key = (object.kind.clone(), object.uid.clone());
                match object.object.as_object_mut() {
                    None => return self.problem(path, number, "object: expected an object of the API"),
                    Some(fields) => match (fields.get("spec"), self.specs.get(&key)) {
                        (Some(spec), _) => drop(self.specs.insert(key.clone(), spec.clone())),
                        (None, Some(known)) => drop(fields.insert("spec".to_owned(), known.clone())),
                        (None, None) => {}
                    },
                }
                if object.change == Change::Deleted {
                    self.specs.remove(&key);
                }
                self.lines.push(line);
            }
            entry => {
                self.ended = matches!(entry, Entry::End(_));
                self.lines.push(line);
            }
        }
    }

    fn finish(self, dir: &Path, path: &Path) -> Result<Recording, Error> {
        let Some(header) = self.header else {
            if self.problems.is_empty() {
                return Err(Error::Empty {
                    path: path.to_owned(),
                });
            }
            return Err(Error::Lines { lines: self.problems });
        };
        if !self.problems.is_empty() {
            return Err(Error::Lines { lines: self.problems });
        }
        Ok(Recording {
            dir: dir.to_owned(),
            header,
            lines: self.lines,
            torn: self.broken.map(|(number, _)| number),
            ended: self.ended,
        })
    }
}

/// Looks at nothing but the version: another version's header may have other fields.
fn check_version(path: &Path, text: &[u8]) -> Result<(), Error> {
    let Ok(value) = serde_json::from_slice::<Value>(text) else {
        return Ok(());
    };
    match value.get("version").and_then(Value::as_u64) {
        Some(found) if found != u64::from(VERSION) => Err(Error::Version {
            path: path.to_owned(),
            found,
        }),
        _ => Ok(()),
    }
}

/// The message without a place: a line's number is said in front of it.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}
