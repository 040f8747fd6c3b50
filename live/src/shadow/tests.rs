use serde_json::{Value, json};

use super::*;
use crate::recording::{Change, Entry, Object};
use crate::testing::{php_apache, recorded, recorded_with, rehearsed, scale_to_zero};

#[track_caller]
fn agrees(part: Part, of: &(Recording, Scenario), least: usize) {
    let agreement = shadow(part, &of.0, &of.1);
    assert!(agreement.decisions >= least, "{} decisions", agreement.decisions);
    assert_eq!(agreement.divergences, [], "{}", part.as_str());
    assert_eq!(agreement.share(), 1.0);
}

#[test]
fn every_part_agrees_with_a_run_of_itself() {
    // With seed 1 the HPA's status says 113m for 7.98 of 71 pods, which is 8 pods or 9.
    agrees(Part::Hpa, &recorded_with("php-apache", &["seed=4"]), 20);
    agrees(Part::Keda, php_apache(), 50);
    agrees(Part::Provisioning, php_apache(), 5);
    agrees(Part::Consolidation, php_apache(), 1);
}

#[test]
fn every_part_agrees_with_the_real_ones() {
    agrees(Part::Hpa, rehearsed(), 30);
    agrees(Part::Keda, rehearsed(), 60);
    agrees(Part::Provisioning, rehearsed(), 2);
    agrees(Part::Consolidation, rehearsed(), 2);
}

#[test]
fn every_part_agrees_where_a_service_sleeps_at_zero() {
    agrees(Part::Hpa, scale_to_zero(), 5);
    agrees(Part::Keda, scale_to_zero(), 50);
    agrees(Part::Provisioning, scale_to_zero(), 1);
}

#[test]
fn karpenter_agrees_where_offerings_are_refused() {
    let run = recorded("capacity-shortage");
    agrees(Part::Provisioning, &run, 10);
    agrees(Part::Consolidation, &run, 4);
}

#[test]
fn karpenter_agrees_where_nodes_come_and_go() {
    let run = recorded("consolidation-churn");
    agrees(Part::Provisioning, &run, 15);
    agrees(Part::Consolidation, &run, 15);
}

#[test]
fn karpenter_agrees_where_it_rests() {
    let run = recorded("prometheus-outage");
    agrees(Part::Provisioning, &run, 4);
    agrees(Part::Consolidation, &run, 1);
}

/// Karpenter takes one of the zones that tie by chance, and so does its shadow: any of them is its answer.
#[test]
fn karpenter_agrees_where_zones_tie() {
    let spread = "Deployment/hpa-example/php-apache: spec.template.spec.topologySpreadConstraints=[{ maxSkew = 1, \
        topologyKey = 'topology.kubernetes.io/zone', whenUnsatisfiable = 'DoNotSchedule', \
        labelSelector = { matchLabels = { run = 'php-apache' } } }]";
    let run = recorded_with("php-apache", &[spread]);
    agrees(Part::Provisioning, &run, 3);
}

/// What objects of a kind were, changed.
fn changed(recording: &Recording, kind: &str, change: impl Fn(f64, &mut Object)) -> Recording {
    let mut changed = recording.clone();
    for line in &mut changed.lines {
        if let Entry::Object(object) = &mut line.entry
            && object.kind == kind
        {
            change(line.t, object);
        }
    }
    changed
}

#[test]
fn a_size_that_the_metrics_do_not_explain_is_found() {
    let (recording, scenario) = php_apache();
    let first = recording.lines.iter().find_map(|line| match &line.entry {
        Entry::Object(own) if own.kind == "HorizontalPodAutoscaler" => {
            let status = &own.object["status"];
            let (from, to) = (
                status["currentReplicas"].as_i64()?,
                status["desiredReplicas"].as_i64()?,
            );
            (from > 0 && to > from).then_some((line.t, to))
        }
        _ => None,
    });
    let (at, right) = first.expect("the experiment scales out");
    let wrong = changed(recording, "HorizontalPodAutoscaler", |t, own| {
        if t == at {
            own.object["status"]["desiredReplicas"] = json!(right + 3);
        }
    });
    let agreement = shadow(Part::Hpa, &wrong, scenario);
    let found = &agreement.divergences[0];
    assert_eq!(found.t, at);
    assert_eq!(found.expected, format!("{right} replicas"));
    assert_eq!(found.actual, format!("{} replicas", right + 3));
    assert!(found.inputs.contains("averageValue"), "{}", found.inputs);
    assert!(agreement.share() < 1.0);
}

#[test]
fn a_generated_hpa_with_another_target_is_found() {
    let (recording, scenario) = php_apache();
    let wrong = changed(recording, "HorizontalPodAutoscaler", |_, own| {
        own.object["spec"]["maxReplicas"] = json!(7);
    });
    let agreement = shadow(Part::Keda, &wrong, scenario);
    assert_eq!(agreement.divergences.len(), 1, "{:?}", agreement.divergences);
    assert!(agreement.divergences[0].actual.contains("1 to 7"));
    assert!(agreement.divergences[0].expected.contains("1 to 100"));
}

#[test]
fn a_service_that_does_not_wake_up_is_found() {
    let (recording, scenario) = scale_to_zero();
    let mut slept = false;
    let is_target = |own: &Object| own.kind == "Deployment" && own.name == scenario.roles.server.name;
    let mut wrong = recording.clone();
    // From the first zero on its size stays zero.
    for line in &mut wrong.lines {
        if let Entry::Object(own) = &mut line.entry
            && is_target(own)
        {
            slept |= own.object["spec"]["replicas"] == 0;
            if slept {
                own.object["spec"]["replicas"] = json!(0);
            }
        }
    }
    assert!(slept, "the scenario sleeps");
    let agreement = shadow(Part::Keda, &wrong, scenario);
    let found = agreement.divergences.first().expect("it is found");
    assert!(found.expected.starts_with("Activate to"), "{found:?}");
    assert_eq!(found.actual, "stayed at 0");
}

#[test]
fn a_claim_for_other_machines_is_found() {
    let (recording, scenario) = php_apache();
    let is_types = |own: &Value| own["key"] == "node.kubernetes.io/instance-type";
    let wrong = changed(recording, "NodeClaim", |_, own| {
        let requirements = own
            .object
            .pointer_mut("/spec/requirements")
            .and_then(Value::as_array_mut);
        for own in requirements.into_iter().flatten().filter(|own| is_types(own)) {
            own["values"].as_array_mut().unwrap().pop();
        }
    });
    let agreement = shadow(Part::Provisioning, &wrong, scenario);
    assert_eq!(agreement.divergences.len(), agreement.decisions);
    assert!(
        agreement.divergences[0].expected.contains("only here"),
        "{:?}",
        agreement.divergences[0]
    );
}

#[test]
fn claims_that_are_never_made_are_found() {
    let (recording, scenario) = php_apache();
    // Nor do their nodes come.
    let launched = |own: &Object| own.label("karpenter.sh/nodepool").is_some();
    let is = |own: &Object| own.kind == "NodeClaim" || own.kind == "Node" && launched(own);
    let mut wrong = recording.clone();
    wrong
        .lines
        .retain(|line| !matches!(&line.entry, Entry::Object(own) if is(own)));
    let agreement = shadow(Part::Provisioning, &wrong, scenario);
    assert_eq!(agreement.divergences[0].actual, "no claim");
}

#[test]
fn a_node_that_went_for_nothing_is_found() {
    let (recording, scenario) = php_apache();
    // A busy node's claim is deleted in the middle of the plateau.
    let at = 1900.0;
    let mut wrong = recording.clone();
    let claim = wrong.lines.iter().rev().find_map(|line| match &line.entry {
        Entry::Object(own) if own.kind == "NodeClaim" && line.t < at && own.is("Initialized") => {
            Some(own.clone())
        }
        _ => None,
    });
    let mut claim = claim.expect("nodes joined before");
    claim.change = Change::Modified;
    claim.object["metadata"]["deletionTimestamp"] = json!("2023-12-28T14:06:40Z");
    let place = wrong.lines.partition_point(|line| line.t < at);
    wrong.lines.insert(
        place,
        crate::recording::Line {
            t: at,
            entry: Entry::Object(claim),
        },
    );
    let agreement = shadow(Part::Consolidation, &wrong, scenario);
    let found = agreement
        .divergences
        .iter()
        .find(|own| own.t == at)
        .expect("it is found");
    assert_eq!(
        (found.expected.as_str(), found.actual.as_str()),
        ("no node goes", "1 node go")
    );
}
