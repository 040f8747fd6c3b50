//! Reading what a user names.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use model::scenario::{Diagnostic, Files, Report, Severity, Source};

use crate::failure::Failure;

/// No manifest or trace that anybody wrote is bigger; a bigger file is a mistake, and reading it whole would
/// be another.
const LARGEST: u64 = 64 << 20;

/// How the names of manifests end, as kubectl has it.
const MANIFESTS: [&str; 3] = ["yaml", "yml", "json"];

/// What makes a directory a scenario.
const SCENARIO: &str = "scenario.toml";

/// Reads `scenario.toml`, all manifests as `kubectl apply -f manifests` takes them (YAML or JSON), and the CSV
/// traces beside them.
pub(crate) fn read_scenario(dir: &Path) -> Result<Files, Failure> {
    match read_readable(dir)? {
        (files, unreadable) if unreadable.is_empty() => Ok(files),
        (_, unreadable) => Err(Failure::reported(
            Report::new(unreadable),
            &dir.display().to_string(),
        )),
    }
}

/// The same without the manifests and traces that cannot be read, and what is wrong with those.
pub(crate) fn read_readable(dir: &Path) -> Result<(Files, Vec<Diagnostic>), Failure> {
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
    let mut unreadable = Vec::new();
    let mut all = |sub, endings: &[&str]| -> Result<Vec<Source>, Failure> {
        let mut sources = Vec::new();
        for path in listed(dir, sub, endings)? {
            match text_of_file(&dir.join(&path)) {
                Ok(text) => sources.push(source(&path, text)),
                Err(problem) => unreadable.push(problem.of(&path)),
            }
        }
        Ok(sources)
    };
    let (manifests, traces) = (all("manifests", &MANIFESTS)?, all("traces", &["csv"])?);
    let files = Files {
        scenario: source(Path::new(SCENARIO), read_text(&toml)?),
        manifests,
        traces,
    };
    Ok((files, unreadable))
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

fn source(path: &Path, text: String) -> Source {
    Source {
        path: path.display().to_string(),
        text,
    }
}

/// Why a file is no text that can be read.
struct Unreadable {
    message: String,
    hint: &'static str,
    /// Where it ceases to be text; 0 if it is all of it.
    line: u32,
}

impl Unreadable {
    fn new(message: impl Into<String>, hint: &'static str) -> Self {
        Unreadable {
            message: message.into(),
            hint,
            line: 0,
        }
    }

    fn of(self, path: &Path) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "E001",
            file: path.display().to_string(),
            line: self.line,
            column: u32::from(self.line > 0),
            field: String::new(),
            message: self.message,
            hint: self.hint.to_owned(),
        }
    }
}

/// Reads a text file of a size that makes sense.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    text_of(path).map_err(|problem| {
        let line = match problem.line {
            0 => String::new(),
            line => format!(":{line}"),
        };
        let failure = Failure::new(format!("{}{line}: {}", path.display(), problem.message));
        match problem.hint {
            "" => failure,
            hint => failure.hint(hint),
        }
    })
}

/// The same of a file that a scenario has: opening a pipe would wait for somebody who writes, perhaps for ever.
fn text_of_file(path: &Path) -> Result<String, Unreadable> {
    let metadata =
        fs::metadata(path).map_err(|error| Unreadable::new(format!("cannot be read: {error}"), ""))?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(Unreadable::new(
            "cannot be read: it is no regular file",
            "a pipe, socket or device may never end: write what it has into a file",
        ));
    }
    text_of(path)
}

/// What lies in manifests/ and is not read: `kubectl apply -f manifests` passes it over too.
pub(crate) fn passed_over(dir: &Path) -> Vec<Diagnostic> {
    let Ok(entries) = fs::read_dir(dir.join("manifests")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (message, hint) = if path.is_dir() {
            (
                "a directory in manifests/ is not read",
                "move its files up: subdirectories are passed over",
            )
        } else if MANIFESTS.contains(&ending) || name.starts_with('.') || ending.eq_ignore_ascii_case("md") {
            continue;
        } else {
            (
                "a file in manifests/ is not read: its name does not end in .yaml, .yml or .json",
                "rename it, or move it elsewhere",
            )
        };
        found.push(Diagnostic {
            severity: Severity::Warning,
            code: "W009",
            file: format!("manifests/{name}"),
            line: 0,
            column: 0,
            field: String::new(),
            message: message.to_owned(),
            hint: hint.to_owned(),
        });
    }
    found
}

fn text_of(path: &Path) -> Result<String, Unreadable> {
    let fail = |error| Unreadable::new(format!("cannot be read: {error}"), "");
    let too_large = || {
        Unreadable::new(
            format!("larger than {} MiB", LARGEST >> 20),
            "manifests, traces and results are smaller; is this the right file?",
        )
    };
    let file = fs::File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(Unreadable::new("cannot be read: it is a directory", ""));
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
        let before = &error.as_bytes()[..at];
        let lines = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Unreadable {
            line: u32::try_from(lines).unwrap_or(u32::MAX),
            ..Unreadable::new(
                format!("expected UTF-8 text, found something else at byte {at}"),
                "save the file as UTF-8",
            )
        }
    })
}
