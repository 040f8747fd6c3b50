//! Files of several JSON objects, and rollouts of DaemonSets, as users have them.

use std::time::Duration;

use model::api::{IntOrPercent, RollingUpdateDaemonSet};

use crate::sample::with;
use crate::users::{BUDGET, beside, budgets, check, sound};

#[test]
fn json_objects_one_after_another() {
    let json = r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}"#;
    let other = json.replace("\"web\", \"n", "\"other\", \"n");
    let list = format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{other}]}}"#);
    for stream in [
        format!("{json}{other}"),
        format!("\n{json}\n\t{list}\n"),
        format!("{json}\n---\n{other}\n"),
    ] {
        assert_eq!(budgets(&beside("manifests/budget.json", &stream)), 2, "{stream}");
    }
    let yaml = BUDGET.replace("name: web", "name: other");
    assert_eq!(
        budgets(&beside("manifests/budget.json", &format!("{json}\n---\n{yaml}"))),
        2
    );
}

#[test]
fn a_daemon_set_surges_or_does_without_some() {
    let daemon_set = |rolling: &str| {
        with(&format!(
            "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent, namespace: shop}}
spec:
  minReadySeconds: 5
  updateStrategy: {{rollingUpdate: {{{rolling}}}}}
  selector: {{matchLabels: {{app: agent}}}}
  template:
    metadata: {{labels: {{app: agent}}}}
    spec: {{containers: [{{name: agent, image: 'agent:1'}}]}}
"
        ))
    };
    let own = |rolling| sound(&daemon_set(rolling)).objects.daemon_sets.remove(0);
    let set = own("maxSurge: 10%, maxUnavailable: 0");
    assert_eq!(set.min_ready, Duration::from_secs(5));
    assert_eq!(
        set.rolling.map(|own| own.max_surge),
        Some(IntOrPercent::Percent(10))
    );
    assert_eq!(
        own("maxSurge: 0").rolling,
        Some(RollingUpdateDaemonSet::default())
    );
    check(
        &daemon_set("maxSurge: 1"),
        &[
            "manifests/more.yaml:6:46: error[E004] DaemonSet/agent: spec.updateStrategy.rollingUpdate.maxSurge: maxSurge goes only with a maxUnavailable of 0\n  hint: maxUnavailable is 1 where it is not given: write maxUnavailable: 0 beside it",
        ],
    );
    check(
        &daemon_set("maxUnavailable: 0"),
        &[
            "manifests/more.yaml:6:20: error[E004] DaemonSet/agent: spec.updateStrategy.rollingUpdate: maxSurge and maxUnavailable must not both be 0",
        ],
    );
}
