//! Objects of which there are several versions, or that need not meet.

use sim::SortedSet;

use super::{HPA, NODE_POOL, SCALED_OBJECT, SCENARIO, WORKLOADS, loaded, said_of};
use crate::document::{Report, Severity};

/// What is said of these files, the others being applied by actions, and of these actions.
fn said(keda: &str, files: &[(&str, &str)], actions: &str) -> Report {
    let scenario = format!("{}{actions}", SCENARIO.replace("2.20", keda));
    let manifests = [&[("web", WORKLOADS), ("nodes", NODE_POOL)], files].concat();
    said_of(loaded(&scenario, &manifests, "", &[]))
}

fn errors(report: &Report) -> Vec<&'static str> {
    let errors = report
        .problems
        .iter()
        .filter(|own| own.severity == Severity::Error);
    errors.map(|problem| problem.code).collect()
}

fn apply(file: &str, minute: u32) -> String {
    format!("\n[[action]]\nat = \"{minute}m\"\napply = \"manifests/{file}.yaml\"\n")
}

fn delete(object: &str, minute: u32) -> String {
    format!("\n[[action]]\nat = \"{minute}m\"\ndelete = \"{object}\"\n")
}

#[test]
fn two_autoscalers_of_one_target_must_not_meet() {
    let check = |actions: &[String], expected: &[&str]| {
        let report = said("2.20", &[("a", HPA), ("b", SCALED_OBJECT)], &actions.concat());
        assert_eq!(errors(&report), expected, "{actions:?}\n{report}");
    };
    check(&[], &["E013", "E013"]);
    check(&[apply("b", 16)], &["E013"]);
    check(
        &[delete("HorizontalPodAutoscaler/shop/web", 15), apply("b", 16)],
        &[],
    );
    check(
        &[delete("HorizontalPodAutoscaler/shop/web", 17), apply("b", 16)],
        &["E013"],
    );
    check(&[delete("ScaledObject/shop/web", 15), apply("a", 16)], &[]);
}

#[test]
fn a_scaled_object_may_take_an_hpa_over() {
    let named = SCALED_OBJECT.replace(
        "horizontalPodAutoscalerConfig: {",
        "horizontalPodAutoscalerConfig: {name: web, ",
    );
    let transfer = |text: &str| {
        text.replace(
            "metadata: {name: web, namespace: shop}",
            "metadata: {name: web, namespace: shop, annotations: {scaledobject.keda.sh/transfer-hpa-ownership: \"true\"}}",
        )
    };
    let unseen = HPA.replace(
        "metadata: {name: web, namespace: shop}",
        "metadata: {name: web, namespace: shop, annotations: {validations.keda.sh/hpa-ownership: \"false\"}}",
    );
    let check = |keda: &str, hpa: &str, scaled: &str, clash: Option<&str>| {
        let report = said(keda, &[("a", hpa), ("b", scaled)], "");
        let found = report.problems.iter().find(|own| own.code == "E013");
        let part = found.map(ToString::to_string);
        match (clash, &part) {
            (None, None) => {}
            (Some(clash), Some(part)) if part.contains(clash) => {}
            _ => panic!("{clash:?}: {report}"),
        }
    };
    check("2.20", HPA, &transfer(&named), None);
    check("2.10", HPA, &transfer(&named), Some("refuses the second"));
    check("2.20", HPA, &named, Some("refuses the second"));
    check(
        "2.20",
        HPA,
        &transfer(SCALED_OBJECT),
        Some("refuses to take shop/web over"),
    );
    check("2.20", &unseen, &named, None);
    check("2.13", &unseen, &named, Some("refuses the second"));
    check("2.20", &unseen, SCALED_OBJECT, Some("neither scales it"));
}

#[test]
fn a_deployments_selector_cannot_be_changed() {
    let other = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: load, namespace: shop}
spec:
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: load, image: \"busybox:1\"}]}
";
    let check = |text: &str, actions: &[String], refused: bool| {
        let report = said("2.20", &[("c", text), ("b", HPA)], &actions.concat());
        assert_eq!(errors(&report) == ["E004"], refused, "{actions:?}\n{report}");
        assert_eq!(
            report.to_string().contains("another selector"),
            refused,
            "{report}"
        );
    };
    check(other, &[apply("c", 10)], true);
    check(other, &[delete("Deployment/shop/load", 9), apply("c", 10)], false);
    check(&other.replace("other", "load"), &[apply("c", 10)], false);
}

#[test]
fn a_later_version_is_judged_by_itself() {
    let codes = |files: &[(&str, &str)], actions: &str| -> SortedSet<&'static str> {
        let report = said("2.20", files, actions);
        report.problems.iter().map(|problem| problem.code).collect()
    };
    // The first scales from zero, where a cooldown counts; the second does not.
    let cooldown = SCALED_OBJECT.replace(
        "  minReplicaCount: 2\n",
        "  minReplicaCount: 2\n  cooldownPeriod: 300\n",
    );
    let from_zero = cooldown.replace("minReplicaCount: 2", "minReplicaCount: 0");
    assert!(codes(&[("a", &from_zero), ("b", &cooldown)], &apply("b", 10)).contains("K001"));
    let twice = codes(&[("a", SCALED_OBJECT), ("b", &from_zero)], &apply("b", 10));
    assert!(!twice.contains("K001"), "{twice:?}");
    let big = WORKLOADS
        .split("---")
        .next()
        .unwrap()
        .replace("500m", "500")
        .replace("cpu: 1}", "cpu: 500}");
    assert!(codes(&[("b", HPA), ("c", &big)], &apply("c", 10)).contains("N001"));
    assert!(!codes(&[("b", HPA)], "").contains("N001"));
}

#[test]
fn what_a_later_version_takes_out_of_a_behavior_may_stay() {
    let check = |keda: &str, edit: (&str, &str), expected: bool| {
        let later = SCALED_OBJECT.replace(edit.0, edit.1);
        assert_ne!(later, SCALED_OBJECT);
        let files = [("a", SCALED_OBJECT), ("b", later.as_str())];
        let report = said(keda, &files, &apply("b", 16));
        let found = report.problems.iter().any(|own| own.code == "K016");
        assert_eq!(found, expected, "{keda} {edit:?}\n{report}");
    };
    let window = "stabilizationWindowSeconds: 300";
    check("2.12", (window, ""), true);
    check("2.13", (window, ""), false);
    check("2.12", (window, "stabilizationWindowSeconds: 60"), false);
    check("2.12", ("maxReplicaCount: 20", "maxReplicaCount: 30"), false);
}
