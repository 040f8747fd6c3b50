//! Reading what a user names.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use model::scenario::{Files, Source};

use crate::failure::Failure;

/// No manifest or trace that anybody wrote is bigger; a bigger file is a mistake, and reading it whole would
/// be another.
const LARGEST: u64 = 64 << 20;

/// What makes a directory a scenario.
const SCENARIO: &str = "scenario.toml";

/// Reads `scenario.toml`, all manifests as `kubectl apply -f manifests` takes them (YAML or JSON), and the CSV
/// traces beside them.
pub(crate) fn read_scenario(dir: &Path) -> Result<Files, Failure> {
    if !dir.is_dir() {
        let missing = if dir.exists() {
            "is not a directory"
        } else {
            "does not exist"
        };
        return Err(
            Failure::new(format!("the scenario directory {} {missing}", dir.display())).hint(
                "a scenario is a directory with a scenario.toml and manifests/, YAML or JSON; see scenarios/",
            ),
        );
    }
    let toml = dir.join(SCENARIO);
    if !toml.exists() {
        return Err(
            Failure::new(format!("there is no {}", toml.display())).hint(
                "begin with an empty one: `scaletwin check` says what must stand in it; is this the right directory?",
            ),
        );
    }
    let all = |sub, endings: &[&str]| -> Result<Vec<Source>, Failure> {
        listed(dir, sub, endings)?
            .iter()
            .map(|path| source(dir, path))
            .collect()
    };
    Ok(Files {
        scenario: source(dir, Path::new(SCENARIO))?,
        manifests: all("manifests", &["yaml", "yml", "json"])?,
        traces: all("traces", &["csv"])?,
    })
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

fn source(dir: &Path, path: &Path) -> Result<Source, Failure> {
    Ok(Source {
        path: path.display().to_string(),
        text: read_text(&dir.join(path))?,
    })
}

/// Reads a text file of a size that makes sense.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let fail = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let too_large = || {
        Failure::new(format!("{} is larger than {} MiB", path.display(), LARGEST >> 20))
            .hint("manifests, traces and results are smaller; is this the right file?")
    };
    let file = fs::File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(Failure::new(format!(
            "cannot read {}: it is a directory",
            path.display()
        )));
    }
    if metadata.len() > LARGEST {
        return Err(too_large());
    }
    // What has no size, such as a pipe, may still never end.
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        Failure::new(format!(
            "{}:{line}: expected UTF-8 text, found something else at byte {at}",
            path.display()
        ))
        .hint("save the file as UTF-8")
    })
}
