//! Every scenario has a README that asks its question.

use super::{directory, files};
use model::scenario::load;

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
