//! What a release does not have is not in the scenario.

use super::{SCENARIO, WORKLOADS};
use crate::document::{Report, Severity};
use crate::karpenter::scheduling::{MinValuesPolicy, PreferencePolicy};
use crate::scenario::Scenario;

const NODE_POOL: &str = r#"
apiVersion: karpenter.sh/VERSION
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements:
        - {key: karpenter.k8s.aws/instance-family, operator: In, values: [c5, m5, r5], minValues: 2}
  disruption:
    budgets: [{nodes: "0", reasons: [Drifted]}]
---
apiVersion: karpenter.k8s.aws/VERSION
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiFamily: AL2023
  amiSelectorTerms: [{id: ami-12345678}]
  role: node
  subnetSelectorTerms: [{tags: {a: b}}]
  securityGroupSelectorTerms: [{tags: {a: b}}]
"#;

fn try_load(release: &str, sets: &[&str]) -> Result<(Scenario, Report), Report> {
    let pool = match release.starts_with('0') {
        true => NODE_POOL.replace("VERSION", "v1beta1").replace(
            "group: karpenter.k8s.aws",
            "apiVersion: karpenter.k8s.aws/v1beta1",
        ),
        false => NODE_POOL
            .replace("VERSION", "v1")
            .replace("  disruption:\n", "  disruption:\n    consolidateAfter: 5m\n"),
    };
    // Node classes of these releases name Amazon Linux 2023 by id, on whatever Kubernetes they run.
    let scenario = SCENARIO
        .replace("1.35", "1.31")
        .replace("karpenter = \"1.14\"", &format!("karpenter = \"{release}\""));
    super::loaded(&scenario, &[("web", WORKLOADS), ("nodes", &pool)], "", sets)
}

/// The scenario, and whether a setting was said to be read by nobody.
fn loaded(release: &str, sets: &[&str]) -> (Scenario, bool) {
    let (scenario, report) = try_load(release, sets).unwrap_or_else(|report| panic!("{release}: {report}"));
    let unread = report.problems.iter().any(|problem| problem.code == "W006");
    (scenario, unread)
}

// See [`crate::karpenter::NodePool::drop_unserved`]; reasons (karpenter v1.0.0 pkg/apis/v1/nodepool.go `Budget`).
#[test]
fn fields_are_dropped_where_the_custom_resource_lacks_them() {
    let pool = |release, sets: &[&str]| loaded(release, sets).0.objects.node_pools.remove(0);
    let replicas = ["NodePool/default: spec.replicas=2"];
    assert_eq!(pool("1.7", &replicas).replicas, None, "an ordinary pool");
    assert_eq!(pool("1.8", &replicas).replicas, Some(2));
    let least = |release| {
        let requirements = pool(release, &[]).requirements;
        let mut found = requirements.iter().filter_map(|(_, own)| own.min_values());
        found.next()
    };
    assert_eq!(["0.34", "0.35", "1.0"].map(least), [None, Some(2), Some(2)]);
    let nodes = ["NodePool/default: spec.limits.nodes='3'"];
    let counted = |release| pool(release, &nodes).limits.nodes;
    assert_eq!(["0.37", "1.0"].map(counted), [None, Some(3)]);
    let raid = ["EC2NodeClass/default: spec.instanceStorePolicy='RAID0'"];
    let local = |release| {
        let (scenario, report) =
            try_load(release, &raid).unwrap_or_else(|report| panic!("{release}: {report}"));
        let mut problems = report.problems.iter();
        let told = problems.any(|problem| problem.message.contains("instanceStorePolicy"));
        (scenario.objects.node_classes[0].instance_store_raid0, told)
    };
    assert_eq!(
        ["0.33", "0.34", "1.0"].map(local),
        [(false, true), (true, false), (true, false)]
    );
    let reasons = |release| pool(release, &[]).disruption.budgets[0].reasons.len();
    assert_eq!(
        ["0.37", "1.0"].map(reasons),
        [0, 1],
        "a budget without reasons is for all"
    );
}

#[test]
fn flags_are_read_where_they_exist() {
    let check = |key: &str, before: &str, since: &str, holds: fn(&Scenario) -> bool| {
        let set = format!("timing.karpenter.{key}=true");
        for (release, exists) in [(before, false), (since, true)] {
            let (scenario, unread) = loaded(release, &[&set]);
            assert_eq!(
                (holds(&scenario), unread),
                (exists, !exists),
                "{key} on {release}"
            );
        }
    };
    check("ignore_preferences", "1.3", "1.4", |own| {
        own.config.karpenter.preference_policy == PreferencePolicy::Ignore
    });
    check("best_effort_min_values", "1.5", "1.6", |own| {
        own.config.karpenter.min_values_policy == MinValuesPolicy::BestEffort
    });
    check("reserved_capacity", "1.2", "1.3", |own| {
        own.config.karpenter.reserved_capacity && own.config.provider.reserved_capacity
    });
    check("spot_to_spot", "0.33", "0.34", |own| {
        own.config.disruption.spot_to_spot
    });
}

#[test]
fn the_gate_drift_went_with_1_0() {
    let drifts = |release, sets: &[&str]| {
        let (scenario, unread) = loaded(release, sets);
        (scenario.config.disruption.drift, unread)
    };
    let off = ["timing.karpenter.drift=false"];
    assert_eq!(
        ["0.32", "0.33", "1.0"].map(|release| drifts(release, &[]).0),
        [false, true, true]
    );
    assert_eq!(
        ["0.37", "1.0"].map(|release| drifts(release, &off)),
        [(false, false), (true, true)]
    );
}

// The policies that may be given (karpenter v1.13.0 pkg/apis/v1/nodepool.go `Disruption`).
#[test]
fn the_policy_balanced_is_refused_before_1_14() {
    let set = ["NodePool/default: spec.disruption.consolidationPolicy=Balanced"];
    assert!(try_load("1.14", &set).is_ok());
    let report = try_load("1.13", &set).expect_err("there is no such policy");
    let errors: Vec<_> = report
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| (problem.code, problem.field.as_str()))
        .collect();
    assert_eq!(
        errors,
        [("E004", "NodePool/default: spec.disruption.consolidationPolicy")]
    );
}

/// See [`crate::karpenter::provider::NodeClass::hashed_by_format`].
#[test]
fn hashes_see_of_quantities_what_the_release_sees() {
    let class = |size: &str| {
        let volumes = "EC2NodeClass/default: spec.blockDeviceMappings";
        let set = format!("{volumes}=[{{deviceName='/dev/xvda',ebs={{volumeSize='{size}'}}}}]");
        let mut scenario = loaded("0.35", &[&set]).0;
        let class = scenario.objects.node_classes.remove(0);
        (class.hashed, class.hashed_by_format)
    };
    let [forty, eighty, decimal] = ["40Gi", "80Gi", "40G"].map(class);
    assert!(forty.0 != eighty.0 && forty.1 == eighty.1 && forty.1 != decimal.1);
    assert_eq!(class("1024Gi"), class("1Ti"));
    assert_ne!(class("1000Gi").0, class("1Ti").0);
    assert_eq!(class("1000G"), class("1T"));
    let kubelet = |cpu: &str| {
        let set = format!(
            "NodePool/default: spec.template.spec.kubelet={{maxPods=20,kubeReserved={{cpu='{cpu}'}}}}"
        );
        let mut scenario = loaded("0.35", &[&set]).0;
        let pool = scenario.objects.node_pools.remove(0);
        (pool.hashed_kubelet, pool.hashed_kubelet_by_format)
    };
    let (a, b) = (kubelet("100m"), kubelet("200m"));
    assert!(a.0 != b.0 && a.1 == b.1 && a.1.contains("maxPods"), "{a:?}");
}

// Without the field it is an init container that never ends (kubernetes 1.28 pkg/features/kube_features.go
// `SidecarContainers`).
#[test]
fn sidecars_before_1_29_hold_their_pods_for_ever() {
    let sidecar = "Deployment/web: spec.template.spec.initContainers=\
        [{name='log',image='log:1',restartPolicy='Always'}]";
    let own = [("web", WORKLOADS)];
    let at = |release: &str| {
        super::loaded(
            SCENARIO,
            &own,
            "",
            &[&format!("stack.kubernetes={release}"), sidecar],
        )
    };
    let report = at("1.28").expect_err("no pod of it starts");
    let problem = report.problems.iter().find(|problem| problem.code == "E006");
    let problem = problem.unwrap_or_else(|| panic!("{report}"));
    assert!(problem.message.contains("never start"), "{problem:?}");
    at("1.29").unwrap_or_else(|report| panic!("{report}"));
}
