//! What one can read without a scenario.

use super::scaletwin;

#[test]
fn every_verb_explains_itself() {
    let all = scaletwin(&["--help"]);
    assert_eq!(all.status, 0);
    for verb in [
        "run",
        "check",
        "catalog",
        "accuracy",
        "compare",
        "calibrate",
        "plot",
    ] {
        assert!(all.stdout.contains(&format!("\n  {verb} ")), "{verb} is listed");
        let help = scaletwin(&[verb, "--help"]);
        assert_eq!(help.status, 0, "{verb}");
        assert!(help.stdout.contains("Usage: scaletwin"), "{verb}");
    }
    assert!(
        all.stdout
            .contains("Exit status: 0 done, 1 the answer is no, 2 could not run")
    );
}

#[test]
fn a_mistyped_option_is_told_with_a_suggestion() {
    let said = scaletwin(&["run", "scenarios/php-apache", "--sed", "1"]);
    assert_eq!(said.status, 2);
    assert!(said.stderr.contains("--seed"), "{}", said.stderr);
    assert_eq!(said.stdout, "");
}

#[test]
fn output_without_a_terminal_has_no_colours() {
    let said = scaletwin(&["run", "no/such/scenario"]);
    assert!(!said.stderr.contains('\u{1b}'), "{:?}", said.stderr);
    assert!(
        said.stderr
            .starts_with("error: the scenario directory no/such/scenario does not exist\nhint: ")
    );
}

#[test]
fn codes_are_explained() {
    let unknown = scaletwin(&["check", "--explain", "Z999"]);
    assert_eq!((unknown.status, unknown.stdout.as_str()), (2, ""));
    assert!(unknown.stderr.contains("there is no code \"Z999\"") && unknown.stderr.contains("hint: "));
    for (code, title) in model::scenario::codes() {
        let said = scaletwin(&["check", "--explain", code]);
        assert_eq!(said.status, 0, "{code}");
        assert!(
            said.stdout.len() > title.len(),
            "{code} is explained: {}",
            said.stdout
        );
    }
}

#[test]
fn fields_are_listed_in_their_classes() {
    let said = scaletwin(&["check", "--fields", "scaledobject"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("spec.minReplicaCount") && said.stdout.contains("simulated"),
        "{}",
        said.stdout
    );
    let said = scaletwin(&["check", "--fields", "scenario", "--format", "json"]);
    for line in said.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(line["type"], "field");
    }
    assert!(said.stdout.lines().count() > 20);
    assert_eq!(scaletwin(&["check", "--fields", "Unicorn"]).status, 2);
}

#[test]
fn kinds_and_codes_are_listed() {
    let said = scaletwin(&["check", "--fields"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let line = |kind: &str| {
        let found = said.stdout.lines().find(|line| line.starts_with(kind));
        found.unwrap_or_else(|| panic!("{kind} is listed")).to_owned()
    };
    for (kind, class) in [
        ("NodePool karpenter.sh/v1beta1", "simulated"),
        ("ConfigMap", "no effect"),
        ("ServiceMonitor", "ignored"),
        ("StatefulSet", "refused"),
    ] {
        assert!(line(kind).contains(class), "{}", line(kind));
    }
    let one = scaletwin(&["check", "--fields", "statefulset"]);
    assert!(one.stdout.contains("refused: its pods"), "{}", one.stdout);
    let json = scaletwin(&["check", "--fields", "--format", "json"]);
    assert_eq!(json.stdout.lines().count(), said.stdout.lines().count());
    let codes = scaletwin(&["check", "--explain"]);
    assert_eq!(codes.stdout.lines().count(), model::scenario::codes().len());
}
