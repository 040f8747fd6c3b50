//! What a comparison with upstream came to.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

use serde::{Deserialize, Serialize};

/// Names a file to which outcomes are added, one a line, as JSON. The program `conformance` sets it.
pub const OUTCOMES: &str = "SCALETWIN_OUTCOMES";

/// A part of the model against a version of upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was compared.
    pub part: String,
    /// With which release.
    pub version: String,
    /// How many cases.
    pub cases: usize,
    /// Cases that differ and should not.
    pub differences: Vec<String>,
    /// Cases that differ for a known reason: upstream's own chance, or a deliberate limit.
    pub explained: Vec<String>,
}

impl Outcome {
    /// A part with nothing explained away.
    #[must_use]
    pub fn new(part: &str, version: &str, cases: usize, differences: Vec<String>) -> Self {
        Outcome {
            part: part.to_owned(),
            version: version.to_owned(),
            cases,
            differences,
            explained: Vec::new(),
        }
    }

    /// How many cases agree.
    #[must_use]
    pub fn agree(&self) -> usize {
        self.cases - self.differences.len().min(self.cases) - self.explained.len()
    }

    /// The first case that differs, for whatever reason.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.differences
            .iter()
            .chain(&self.explained)
            .map(String::as_str)
            .next()
    }

    /// Writes the outcome down, and fails if something differs that should not. A set of vectors that lacks the
    /// part says nothing.
    ///
    /// # Panics
    ///
    /// When there are differences, or more than one case in two hundred is explained away.
    pub fn settle(&self) {
        let Outcome {
            part,
            version,
            cases,
            differences,
            explained,
        } = self;
        if *cases == 0 {
            return;
        }
        eprintln!("{part} {version}: {} of {cases} agree", self.agree());
        if let Some(file) = env::var_os(OUTCOMES) {
            let mut line = serde_json::to_string(self).expect("an outcome is plain data");
            line.push('\n');
            let file = OpenOptions::new().append(true).create(true).open(file);
            file.and_then(|mut file| file.write_all(line.as_bytes()))
                .expect("outcomes can be written");
        }
        let shown = differences
            .iter()
            .take(10)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            differences.is_empty(),
            "{part} {version}: {} of {cases} differ, the first:\n{shown}",
            differences.len()
        );
        assert!(
            200 * explained.len() <= *cases,
            "{part} {version}: too much is explained away:\n{}",
            explained.join("\n")
        );
    }
}
