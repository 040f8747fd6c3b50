//! Every scenario has a README that asks its question.

use super::{directory, files};
use model::scenario::load;

/// Asserts that a scenario's README says something, wherever it breaks its lines.
#[track_caller]
pub(super) fn says(name: &str, expected: &str) {
    let readme = std::fs::read_to_string(directory(name).join("README.md")).expect("a README");
    let unwrapped = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        unwrapped.contains(expected),
        "scenarios/{name}/README.md does not say what its command shows: {expected}"
    );
}

/// A count as people write it: `135,494`.
pub(super) fn counted(value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> = groups
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}

#[test]
fn counts_have_their_thousands_apart() {
    assert_eq!(
        [0.0, 999.4, 1000.0, 135_494.0, 1_234_567.0].map(counted),
        ["0", "999", "1,000", "135,494", "1,234,567"]
    );
}

#[test]
fn every_readme_asks_the_scenarios_question_and_says_how_to_run_it() {
    let entries = std::fs::read_dir(directory("")).expect("scenarios");
    let mut seen = 0;
    for entry in entries {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name");
        if !directory(&name).join("scenario.toml").exists() {
            continue;
        }
        let (scenario, _) = load(&files(&name), &[]).unwrap_or_else(|report| panic!("{name}\n{report}"));
        let readme = std::fs::read_to_string(directory(&name).join("README.md"))
            .unwrap_or_else(|error| panic!("{name}/README.md: {error}"));
        let unwrapped = readme.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            unwrapped.contains(&scenario.question),
            "{name}: {}",
            scenario.question
        );
        assert!(
            unwrapped.contains(&format!("scaletwin run scenarios/{name}")),
            "{name} does not say how to run it"
        );
        seen += 1;
    }
    assert!(seen >= 9, "only {seen} scenarios");
}
