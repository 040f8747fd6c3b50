//! What several test binaries share.

mod outcome;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;

pub use outcome::{OUTCOMES, Outcome};

/// The directory of golden vectors: `SCALETWIN_GOLDEN`, or the committed set.
#[must_use]
pub fn golden_dir() -> PathBuf {
    match std::env::var_os("SCALETWIN_GOLDEN") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden"),
    }
}

/// The lines of a golden file, each parsed. `hpa/behavior.jsonl` is read from that file or from
/// `hpa/behavior.jsonl.gz`, whichever the set has; empty if it has neither.
///
/// # Panics
///
/// When a line cannot be read or parsed: a vector that is not understood is a failure, not a skip.
#[must_use]
pub fn golden<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let path = golden_dir().join(file);
    let plain = File::open(&path).map(|file| Box::new(file) as Box<dyn Read>);
    let packed =
        || File::open(path.with_extension("jsonl.gz")).map(|file| Box::new(GzDecoder::new(file)) as _);
    let Ok(reader) = plain.or_else(|_| packed()) else {
        eprintln!("{} is not in this set of golden vectors", path.display());
        return Vec::new();
    };
    let parse = |(number, line): (usize, Result<String, std::io::Error>)| {
        let line = line.expect("a golden file is readable");
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), number + 1))
    };
    BufReader::new(reader).lines().enumerate().map(parse).collect()
}
