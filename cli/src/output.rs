//! Output directories: nothing half-written.
//!
//! Every file is written beside its final name and renamed when it is complete, so that a reader, a crash or
//! a full disk never leaves half a file under a name somebody trusts.

use std::fs;
use std::io;
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
        let probe = path.join(".scaletwin.tmp");
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(fail)?;
        Ok(OutputDir { path: path.to_owned() })
    }

    /// Writes one file whole, or not at all.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let target = self.path.join(name);
        let partial = self.path.join(format!("{name}.tmp"));
        let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, &target));
        written.map_err(|error| {
            let _ = fs::remove_file(&partial);
            Failure::new(format!("cannot write {}: {error}", target.display()))
        })?;
        Ok(target)
    }
}
