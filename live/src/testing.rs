//! What several tests need: a shipped scenario, run and recorded once for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use model::cluster::Options;
use model::scenario::{self, Files, Scenario, Source};

use crate::recording::Recording;
use crate::simulated;

/// A scenario of the repository with its files.
pub(crate) fn scenario(name: &str, sets: &[&str]) -> (Scenario, Files) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .join(name);
    let source = |path: String| Source {
        text: fs::read_to_string(dir.join(&path)).expect("a shipped file can be read"),
        path,
    };
    let mut names: Vec<String> = fs::read_dir(dir.join("manifests"))
        .expect("a shipped scenario has manifests")
        .map(|entry| {
            format!(
                "manifests/{}",
                entry.expect("they can be listed").file_name().display()
            )
        })
        .collect();
    names.sort();
    let files = Files {
        scenario: source("scenario.toml".into()),
        manifests: names.into_iter().map(source).collect(),
        traces: Vec::new(),
    };
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let (scenario, _) = scenario::load(&files, &sets).expect("a shipped scenario can run");
    (scenario, files)
}

/// An empty directory for one test.
pub(crate) fn directory(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("scaletwin-live-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    dir
}

/// The php-apache experiment, recorded.
pub(crate) fn php_apache() -> &'static (Recording, Scenario) {
    static ONCE: OnceLock<(Recording, Scenario)> = OnceLock::new();
    ONCE.get_or_init(|| recorded("php-apache"))
}

/// A service that sleeps at zero, recorded.
pub(crate) fn scale_to_zero() -> &'static (Recording, Scenario) {
    static ONCE: OnceLock<(Recording, Scenario)> = OnceLock::new();
    ONCE.get_or_init(|| recorded("scale-to-zero"))
}

/// The rehearsal, recorded on the real control plane of `tests/stack`.
pub(crate) fn rehearsed() -> &'static (Recording, Scenario) {
    static ONCE: OnceLock<(Recording, Scenario)> = OnceLock::new();
    ONCE.get_or_init(|| {
        let (scenario, _) = scenario("php-apache-rehearsal", &[]);
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/php-apache-rehearsal/recording");
        (
            Recording::read(&dir).expect("a shipped recording can be read"),
            scenario,
        )
    })
}

/// A shipped scenario, run and recorded.
pub(crate) fn recorded(name: &str) -> (Recording, Scenario) {
    recorded_with(name, &[])
}

/// The same with other settings.
pub(crate) fn recorded_with(name: &str, sets: &[&str]) -> (Recording, Scenario) {
    let (scenario, files) = scenario(name, sets);
    let dir = directory(name);
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    simulated::record(&scenario, &files, &sets, Options::of(&scenario), &dir)
        .expect("a new directory can be written");
    let recording = Recording::read(&dir).expect("what was written can be read");
    fs::remove_dir_all(&dir).expect("it can be removed");
    (recording, scenario)
}
