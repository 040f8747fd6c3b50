//! What has an effect and what has none: said of what was tried, and of nothing else.

use std::fs;

use super::sweep::{file, sweep};
use super::{path, scaletwin};

/// What an axis sets to what is set already is no change, and what makes no difference is left out of the patch.
#[test]
fn a_recommendation_changes_nothing_in_vain() {
    let file = file(
        "sweep-vain",
        "replications = 2
objectives = ['cost', 'pending']
set = ['duration = \"12m\"']
[[axis]]
name = 'threshold'
field = 'ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.threshold'
values = [4]
[[axis]]
name = 'window'
field = 'ScaledObject/keda-prometheus-hpa: spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds'
values = [300]
",
    );
    let out = file.parent().expect("a directory").join("out");
    assert_eq!(sweep(&file, &out, &["--no-plots"]).status, 0);
    let said = scaletwin(&[
        "recommend",
        path(&file),
        "--results",
        path(&out),
        "--configuration",
        "1",
        "--seeds",
        "2",
    ]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("left as it is      window"),
        "{}",
        said.stdout
    );
    assert!(
        !said.stdout.contains("stabilizationWindowSeconds"),
        "{}",
        said.stdout
    );
}

/// A patch leads from the files to what was simulated: what the sweep sets for all is in it, and both sides have it.
#[test]
fn a_patch_brings_what_the_sweep_sets() {
    let file = file(
        "sweep-set",
        "replications = 2
objectives = ['cost', 'served']
set = ['duration = \"12m\"', \"ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.threshold='0.5'\"]
[[axis]]
name = 'max'
field = 'ScaledObject/keda-prometheus-hpa: spec.maxReplicaCount'
values = [40]
",
    );
    let out = file.parent().expect("a directory").join("out");
    assert_eq!(sweep(&file, &out, &["--no-plots"]).status, 0);
    let recommend = |format: &str| {
        let mut args = vec!["recommend", path(&file), "--results", path(&out)];
        args.extend(["--configuration", "1", "--seeds", "2", "--format", format]);
        let said = scaletwin(&args);
        assert_eq!(said.status, 0, "{}", said.stderr);
        said.stdout
    };
    let text = recommend("text");
    for expected in [
        "spec.triggers[0].metadata.threshold, set by the sweep on both sides of the comparison",
        r#"{"op":"add","path":"/spec/maxReplicaCount","value":40},{"op":"replace","path":"/spec/triggers/0/metadata/threshold","value":"0.5"}"#,
        "+        threshold: '0.5'",
        "# not in a manifest: duration from ",
    ] {
        assert!(text.contains(expected), "expected {expected:?} in\n{text}");
    }
    assert!(
        !text.contains("W004"),
        "the shorter run is the sweep's, not the patch's:\n{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&recommend("json")).expect("is JSON");
    let changes = json["data"]["changes"].as_array().expect("a list");
    let axes: Vec<Option<&str>> = changes.iter().map(|change| change["axis"].as_str()).collect();
    assert_eq!(axes, [Some("max"), None, None]);
}

/// What `check` says of the result and not of the files is said, and which change moves no objective for sure.
#[test]
fn a_recommendation_tells_what_check_says_of_it() {
    let file = file(
        "sweep-advice",
        "replications = 2
objectives = ['cost']
set = ['duration = \"30m\"']
[[axis]]
name = 'window'
field = 'ScaledObject/keda-prometheus-hpa: spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds'
values = [0]
",
    );
    let out = file.parent().expect("a directory").join("out");
    assert_eq!(sweep(&file, &out, &["--no-plots"]).status, 0);
    let recommend = |format: &str| {
        let mut args = vec!["recommend", path(&file), "--results", path(&out)];
        args.extend(["--configuration", "1", "--seeds", "3", "--format", format]);
        let said = scaletwin(&args);
        assert_eq!(said.status, 0, "{}", said.stderr);
        said.stdout
    };
    let text = recommend("text");
    assert!(text.contains("check says         [H004] "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&recommend("json")).expect("is JSON");
    let said = json["data"]["check_says"].as_array().expect("a list");
    assert!(said.iter().any(|own| own["code"] == "H004"), "{said:?}");
}

/// `check` calls polls without effect; in twenty minutes they change a few requests in a hundred thousand. So the
/// sweep does not call them so, and the patch holds what was compared.
#[test]
fn what_check_says_is_tried_before_it_is_believed() {
    let file = file(
        "sweep-polls",
        "replications = 2
objectives = ['cost', 'served']
set = ['duration = \"20m\"']
[[axis]]
name = 'poll'
field = 'ScaledObject/keda-prometheus-hpa: spec.pollingInterval'
values = [1, 300]
",
    );
    let out = file.parent().expect("a directory").join("out");
    let said = sweep(&file, &out, &["--no-plots"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("check says         poll [K003]: ")
            && said.stdout.contains("yet results differ in 1 of 1 pair")
            && !said.stdout.contains("no effect"),
        "{}",
        said.stdout
    );
    let recommend = |more: &[&str]| {
        let mut args = vec!["recommend", path(&file), "--results", path(&out)];
        args.extend(["--configuration", "2", "--seeds", "3"]);
        args.extend(more);
        scaletwin(&args)
    };
    let said = recommend(&[]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("check says         poll [K003]: ")
            && said
                .stdout
                .contains("by itself, on the fresh seeds: served differs by ")
            && said.stdout.contains("pollingInterval\",\"value\":300")
            && !said.stdout.contains("left as it is"),
        "{}",
        said.stdout
    );
    let json: serde_json::Value =
        serde_json::from_str(&recommend(&["--format", "json"]).stdout).expect("is JSON");
    assert_eq!(json["data"]["without_effect"], serde_json::json!([]));
    let doubt = &json["data"]["check_says"][0];
    assert_eq!(doubt["code"], "K003");
    assert!(
        doubt["differences"]["served"]["difference"].is_number(),
        "{doubt}"
    );
}

/// What does nothing is said to do nothing also where configurations are drawn, and nothing is said to do more than
/// they can tell.
#[test]
fn a_sample_says_what_has_no_effect() {
    let file = file(
        "sweep-sample",
        "replications = 2
objectives = ['cost', 'served']
set = ['duration = \"12m\"']
[design]
kind = 'random'
points = 12
[[axis]]
name = 'threshold'
field = 'ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.threshold'
from = 0.4
to = 3.0
scale = 'log'
[[axis]]
name = 'keda'
field = 'stack.keda'
values = ['2.12', '2.20']
",
    );
    let out = file.parent().expect("a directory").join("out");
    let said = sweep(&file, &out, &[]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    for expected in [
        "12 configurations (random) and ",
        " probes beside them, 2 seeds each",
    ] {
        assert!(
            said.stdout.contains(expected),
            "expected {expected:?} in\n{}",
            said.stdout
        );
    }
    assert!(
        said.stdout
            .contains("no effect seen     keda: the same results to the last digit in "),
        "{}",
        said.stdout
    );
    assert!(
        !said.stdout.contains("no effect          threshold"),
        "{}",
        said.stdout
    );
    let figure = fs::read_to_string(out.join("effects.svg")).expect("reads");
    assert!(figure.contains("keda: no effect") && figure.contains("the choice of configurations"));
}
