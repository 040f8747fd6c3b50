//! What a comparison with upstream came to.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::golden;

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
}

impl Outcome {
    /// So many cases of a part, and those of them that differ.
    #[must_use]
    pub fn new(part: &str, version: &str, cases: usize, differences: Vec<String>) -> Self {
        Outcome {
            part: part.to_owned(),
            version: version.to_owned(),
            cases,
            differences,
        }
    }

    /// All cases of a golden file, each of which says what is wrong with the model's answer.
    pub fn of_golden<C: DeserializeOwned>(
        file: &str,
        version: &str,
        check: impl FnMut(&C) -> Option<String>,
    ) -> Self {
        let cases: Vec<C> = golden(file);
        let wrong = cases.iter().filter_map(check).collect();
        Outcome::new(file, version, cases.len(), wrong)
    }

    /// How many cases agree.
    #[must_use]
    pub fn agree(&self) -> usize {
        self.cases.saturating_sub(self.differences.len())
    }

    /// The first case that differs.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.differences.first().map(String::as_str)
    }

    /// Writes the outcome down, and fails if something differs. A set of vectors that lacks the part says nothing.
    ///
    /// # Panics
    ///
    /// When there are differences.
    pub fn settle(&self) {
        Outcome::settle_all(std::slice::from_ref(self));
    }

    /// The same for several: all are written down before one can fail.
    ///
    /// # Panics
    ///
    /// When there are differences.
    pub fn settle_all(outcomes: &[Outcome]) {
        let heard = || outcomes.iter().filter(|outcome| outcome.cases > 0);
        heard().for_each(Outcome::record);
        heard().for_each(Outcome::check);
    }

    fn record(&self) {
        let Outcome {
            part, version, cases, ..
        } = self;
        eprintln!("{part} {version}: {} of {cases} agree", self.agree());
        if let Some(file) = env::var_os(OUTCOMES) {
            let mut line = serde_json::to_string(self).expect("an outcome is plain data");
            line.push('\n');
            let file = OpenOptions::new().append(true).create(true).open(file);
            file.and_then(|mut file| file.write_all(line.as_bytes()))
                .expect("outcomes can be written");
        }
    }

    fn check(&self) {
        let Outcome {
            part,
            version,
            cases,
            differences,
        } = self;
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
    }
}
