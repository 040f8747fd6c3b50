//! The scenario's files, and what it leaves out.

use std::fs;
use std::path::Path;

use super::draft::Draft;
use crate::failure::Failure;

/// Writes a scenario under another name first: it is there whole, or not at all.
pub(super) fn write(out: &Path, draft: &Draft) -> Result<(), Failure> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let partial = out.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_into(&partial, draft).and_then(|()| {
        fs::rename(&partial, out)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", out.display())))
    });
    if written.is_err() {
        drop(fs::remove_dir_all(&partial));
    }
    written
}

fn write_into(dir: &Path, draft: &Draft) -> Result<(), Failure> {
    let files = draft.files()?;
    let mut all: Vec<(String, String)> = vec![
        ("scenario.toml".to_owned(), files.scenario.text),
        ("IMPORT.md".to_owned(), notes(draft)),
    ];
    let sources = files.manifests.into_iter().chain(files.traces);
    all.extend(sources.map(|source| (source.path, source.text)));
    for (path, text) in all {
        let target = dir.join(&path);
        let parent = target.parent().unwrap_or(dir);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&target, text))
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", target.display())))?;
    }
    Ok(())
}

/// IMPORT.md
fn notes(draft: &Draft) -> String {
    let mut text = "# What could not be taken along\n\n".to_owned();
    for one in &draft.left_out {
        text.push_str(&format!("- {one}\n"));
    }
    text
}
