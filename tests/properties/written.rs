//! A case as a person would have written it.

use std::fmt::Write as _;

use model::scenario::{Files, Scenario, Source, load};

/// A scenario as texts, and how to run it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) requests: bool,
    pub(crate) toml: String,
    pub(crate) manifests: Vec<(String, String)>,
}

impl Case {
    /// Everything that is needed to run it again.
    pub(crate) fn transcript(&self) -> String {
        let fidelity = if self.requests { "requests" } else { "flow" };
        let mut text = format!(
            "seed {} in {fidelity}\n--- scenario.toml\n{}",
            self.seed, self.toml
        );
        for (path, manifest) in &self.manifests {
            let _ = writeln!(text, "--- {path}\n{manifest}");
        }
        text
    }

    pub(crate) fn files(&self) -> Files {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        Files {
            scenario: source("scenario.toml", &self.toml),
            manifests: self
                .manifests
                .iter()
                .map(|(path, text)| source(path, text))
                .collect(),
            traces: Vec::new(),
        }
    }

    pub(crate) fn load(&self) -> Scenario {
        match load(&self.files(), &[]) {
            Ok((scenario, _)) => scenario,
            Err(report) => panic!("{report}\n{}", self.transcript()),
        }
    }
}
