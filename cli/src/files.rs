//! Reading a scenario's directory.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// No manifest anybody wrote is bigger; a bigger file is a mistake, and reading it whole would be another.
const LARGEST: u64 = 8 << 20;

/// A file of a scenario: its path relative to the directory, and its text.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Reads `scenario.toml`, all of `manifests/*.yaml`, and the CSV traces beside them.
pub(crate) fn read_scenario(dir: &Path) -> Result<Vec<SourceFile>, Failure> {
    if !dir.is_dir() {
        let missing = if dir.exists() { "is not a directory" } else { "does not exist" };
        return Err(Failure::new(format!("the scenario directory {} {missing}", dir.display()))
            .hint("a scenario is a directory with a scenario.toml and manifests/*.yaml; see scenarios/"));
    }
    let mut paths = vec![PathBuf::from("scenario.toml")];
    paths.extend(listed(dir, "manifests", &["yaml", "yml"])?);
    paths.extend(listed(dir, "traces", &["csv"])?);
    paths.iter().map(|path| read(dir, path)).collect()
}

/// The files of a subdirectory with one of the endings, by name; none if there is no such directory.
fn listed(dir: &Path, sub: &str, endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let folder = dir.join(sub);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let fail = |error| Failure::new(format!("cannot list {}: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).map_err(fail)? {
        let name = PathBuf::from(entry.map_err(fail)?.file_name());
        let ending = name.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        if endings.contains(&ending) {
            paths.push(Path::new(sub).join(name));
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(dir: &Path, path: &Path) -> Result<SourceFile, Failure> {
    let full = dir.join(path);
    let fail = |error| Failure::new(format!("cannot read {}: {error}", full.display()));
    let file = fs::File::open(&full).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::new(format!("{} is larger than {} MiB", full.display(), LARGEST >> 20))
            .hint("a scenario's files are manifests and traces; split what is larger"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(format!("{}: expected UTF-8 text, found something else at byte {at}", full.display()))
    })?;
    Ok(SourceFile { path: path.display().to_string(), text })
}
