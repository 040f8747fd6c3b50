//! No text whatever makes the readers panic.

use model::scenario::load;
use proptest::prelude::*;

use crate::sample::{MANIFESTS, SCENARIO, files};

/// A text with some characters taken out, put in or replaced.
fn damaged(text: &'static str) -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0usize..40, "[ -~\n\t\u{e9}]{0,12}");
    prop::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut damaged: Vec<char> = text.chars().collect();
        for (place, length, insert) in edits {
            if damaged.is_empty() {
                break;
            }
            let start = place.index(damaged.len());
            let end = (start + length).min(damaged.len());
            damaged.splice(start..end, insert.chars());
        }
        damaged.into_iter().collect()
    })
}

/// A line of a manifest or scenario put somewhere else.
fn shuffled(text: &'static str) -> impl Strategy<Value = String> {
    let lines: Vec<&str> = text.lines().collect();
    prop::collection::vec(prop::sample::select(lines), 0..60).prop_map(|lines| lines.join("\n"))
}

fn never_panics(scenario: &str, manifests: &str) {
    let files = files(scenario, &[("manifests/web.yaml", manifests)]);
    if let Err(report) = load(&files, &[]) {
        assert!(report.has_errors());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(scenario in ".{0,400}", manifests in ".{0,400}") {
        never_panics(&scenario, &manifests);
    }

    #[test]
    fn damaged_texts(scenario in damaged(SCENARIO), manifests in damaged(MANIFESTS)) {
        never_panics(&scenario, MANIFESTS);
        never_panics(SCENARIO, &manifests);
    }

    #[test]
    fn shuffled_lines(scenario in shuffled(SCENARIO), manifests in shuffled(MANIFESTS)) {
        never_panics(&scenario, &manifests);
    }

    #[test]
    fn any_override(set in "[ -~]{0,40}", value in "[ -~]{0,20}") {
        let files = files(SCENARIO, &[("manifests/web.yaml", MANIFESTS)]);
        for set in [set.clone(), format!("{set}={value}"), format!("Deployment/web: {set}={value}")] {
            let _ = load(&files, &[set]);
        }
    }
}
