//! Output: directories in which nothing is ever half-written, and a stdout that may be closed.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A directory that results go to.
#[derive(Debug)]
pub(crate) struct OutputDir {
    path: PathBuf,
}

impl OutputDir {
    /// Makes the directory and proves that files can be written there, before any work is done.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let fail = |error: io::Error| {
            Failure::new(format!("cannot write to {}: {error}", path.display()))
                .hint("choose another directory with --out")
        };
        fs::create_dir_all(path).map_err(fail)?;
        let probe = path.join(format!(".scaletwin-{}.tmp", std::process::id()));
        fs::write(&probe, b"")
            .and_then(|()| fs::remove_file(&probe))
            .map_err(fail)?;
        Ok(OutputDir {
            path: path.to_owned(),
        })
    }

    /// Writes files that belong together. Each is written whole under another name first; only when all are
    /// there they get their own names, so that a full disk leaves what was there before. Files of `stale`,
    /// which an earlier run may have left and this one does not write, are removed.
    pub(crate) fn write(
        &self,
        files: &[(impl AsRef<str>, Vec<u8>)],
        stale: &[&str],
    ) -> Result<Vec<PathBuf>, Failure> {
        let partial = |name: &str| self.path.join(format!(".{name}.{}.tmp", std::process::id()));
        let fail = |name: &str, error: &io::Error| {
            files
                .iter()
                .for_each(|(name, _)| drop(fs::remove_file(partial(name.as_ref()))));
            Failure::new(format!(
                "cannot write {}: {error}",
                self.path.join(name).display()
            ))
        };
        for (name, bytes) in files {
            let name = name.as_ref();
            fs::write(partial(name), bytes).map_err(|error| fail(name, &error))?;
        }
        let mut written = Vec::new();
        for (name, _) in files {
            let name = name.as_ref();
            let target = self.path.join(name);
            fs::rename(partial(name), &target).map_err(|error| fail(name, &error))?;
            written.push(target);
        }
        for name in stale {
            match fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(name, &error)),
                _ => {}
            }
        }
        Ok(written)
    }
}

/// Prints data. A reader that has seen enough, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
            "cannot write to the standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Prints one line of JSON: a type, and data.
pub(crate) fn print_json(kind: &str, data: serde_json::Value) -> Result<(), Failure> {
    print(&format!(
        "{}\n",
        serde_json::json!({ "type": kind, "data": data })
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_together_or_not_at_all() {
        let path = std::env::temp_dir().join(format!("scaletwin-output-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let out = OutputDir::open(&path).unwrap();
        fs::write(path.join("old.png"), b"old").unwrap();
        out.write(
            &[("a.csv", b"1".to_vec()), ("b.csv", b"2".to_vec())],
            &["old.png", "older.png"],
        )
        .unwrap();
        let listed = || {
            let mut names: Vec<String> = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(listed(), ["a.csv", "b.csv"]);
        // The second cannot be written: the first stays as it was.
        let failed = out.write(&[("a.csv", b"3".to_vec()), ("no/such", b"4".to_vec())], &[]);
        assert!(failed.unwrap_err().to_string().contains("cannot write"));
        assert_eq!(listed(), ["a.csv", "b.csv"]);
        assert_eq!(fs::read(path.join("a.csv")).unwrap(), b"1");
        fs::remove_dir_all(&path).unwrap();
    }
}
