//! The repository as code: what a reviewer would otherwise have to look for.

mod citations;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file longer than this has a second room in it.
const LONGEST_FILE: usize = 700;
/// Nothing bigger belongs in the repository.
const LARGEST_FILE: u64 = 2_000_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the repository")
        .to_owned()
}

/// The files that git tracks.
fn tracked() -> Vec<PathBuf> {
    let root = root();
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(&root)
        .output()
        .expect("git runs in a checkout");
    let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let files: Vec<PathBuf> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| root.join(name))
        .collect();
    assert!(files.len() > 20, "git lists the repository's files");
    files.into_iter().filter(|file| file.exists()).collect()
}

fn texts() -> Vec<(PathBuf, String)> {
    let text = |file: PathBuf| fs::read_to_string(&file).ok().map(|text| (file, text));
    tracked().into_iter().filter_map(text).collect()
}

fn ends_with(file: &Path, ending: &str) -> bool {
    file.extension().is_some_and(|extension| extension == ending)
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn files_are_small() {
    let long = |(file, text): &(PathBuf, String)| {
        let lines = text.lines().count();
        (ends_with(file, "rs") && lines > LONGEST_FILE).then(|| format!("{}: {lines} lines", file.display()))
    };
    let mut problems: Vec<String> = texts().iter().filter_map(long).collect();
    let large = |file: &PathBuf| {
        let size = fs::metadata(file).map_or(0, |metadata| metadata.len());
        (size > LARGEST_FILE).then(|| format!("{}: {size} bytes", file.display()))
    };
    problems.extend(tracked().iter().filter_map(large));
    report(&problems);
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file does not name what it forbids.
    let banned = [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["FIX", "ME"],
        ["X", "XX"],
        ["#[ig", "nore]"],
    ];
    let banned: Vec<String> = banned.iter().map(|parts| parts.concat()).collect();
    let mut problems = Vec::new();
    for (file, text) in texts().iter().filter(|(file, _)| ends_with(file, "rs")) {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = banned.iter().find(|word| line.contains(word.as_str())) {
                problems.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    report(&problems);
}

/// A code in a message is one that `check --explain` knows.
#[test]
fn codes_of_diagnostics_are_explained() {
    let is_code = |word: &&str| {
        word.strip_prefix(|first: char| first.is_ascii_uppercase())
            .is_some_and(|rest| rest.len() == 3 && rest.chars().all(|digit| digit.is_ascii_digit()))
    };
    let mut problems = Vec::new();
    for (file, text) in texts() {
        let tests = file.ends_with("codes.rs") || file.ends_with("tests.rs");
        if tests || !file.starts_with(root().join("model/src")) || !ends_with(&file, "rs") {
            continue;
        }
        let unknown = text
            .split('"')
            .filter(is_code)
            .filter(|code| model::scenario::explain(code).is_none())
            .map(|code| format!("{}: {code} has no explanation", file.display()));
        problems.extend(unknown);
    }
    report(&problems);
}

/// Results must not depend on where or when they were computed.
#[test]
fn the_kernel_and_the_model_ask_nobody() {
    let forbidden = [
        "std::time::Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "std::fs",
        "std::net",
        "std::env",
    ];
    let mut problems = Vec::new();
    for (file, text) in texts() {
        let relative = file.strip_prefix(root()).unwrap_or(&file).to_owned();
        let inside = relative.starts_with("sim/src") || relative.starts_with("model/src");
        // A measurement, run by hand, is about real time.
        let measures = relative.ends_with("bench.rs");
        if !inside || measures || !ends_with(&file, "rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if let Some(word) = forbidden.iter().find(|word| code.contains(*word)) {
                problems.push(format!("{}:{}: {word}", relative.display(), number + 1));
            }
        }
    }
    report(&problems);
}

#[test]
fn text_files_end_with_one_newline_and_hold_no_machine_paths() {
    let private = [["/ro", "ot/"], ["/wo", "rk/"], ["/ho", "me/"]].map(|parts| parts.concat());
    let mut problems = Vec::new();
    for (file, text) in texts() {
        let kept = file
            .components()
            .any(|part| part.as_os_str() == "golden" || part.as_os_str() == "data");
        if kept || ends_with(&file, "svg") {
            continue;
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            problems.push(format!("{}: does not end with one newline", file.display()));
        }
        if private.iter().any(|path| text.contains(path.as_str())) {
            problems.push(format!("{}: names a path of somebody's machine", file.display()));
        }
    }
    report(&problems);
}
