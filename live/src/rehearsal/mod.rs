//! Files with which a cluster of made-up nodes stands in for EKS: for KWOK, Karpenter with its KWOK provider,
//! Prometheus, and whoever starts the control plane.
//!
//! All come from the scenario, so that stack and simulation have the same machines, delays and periods:
//!
//! | file | for |
//! | --- | --- |
//! | `instance-types.json` | Karpenter's `INSTANCE_TYPES_FILE_PATH`: the types that the scenario's NodePools admit |
//! | `kwok.yaml` | KWOK's `--config`: what nodes and pods do |
//! | `nodes.json` | the nodes of managed node groups, a list for the API server |
//! | `prometheus.yml` | Prometheus: one target, `scaletwin live traffic` |
//! | `settings.json` | flags and environment of the controllers, by part |

mod types;

use std::time::Duration;

use model::api::{Node, Taint, TaintEffect};
use model::ec2::{Ec2, Origin, node};
use model::quantity::Resources;
use model::scenario::Scenario;
use serde_json::{Map, Value, json};
use sim::Streams;

/// The mark of a node that KWOK manages, as label and annotation.
pub const KWOK_NODE: (&str, &str) = ("kwok.x-k8s.io/node", "fake");

/// The files, by name.
#[must_use]
pub fn files(scenario: &Scenario) -> Vec<(&'static str, String)> {
    vec![
        ("instance-types.json", pretty(&types::instance_types(scenario))),
        ("kwok.yaml", stages(scenario)),
        ("nodes.json", pretty(&nodes(scenario))),
        ("prometheus.yml", prometheus(scenario)),
        ("settings.json", pretty(&settings(scenario))),
    ]
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a JSON value has a text");
    text.push('\n');
    text
}

fn stages(scenario: &Scenario) -> String {
    // A stage's delay is a constant or uniform: of other distributions the mean is what can be kept.
    let ready = scenario.config.ec2.times.network.mean() * 1000.0;
    include_str!("kwok.yaml").replace("NODE_READY_MILLISECONDS", &format!("{ready:.0}"))
}

fn prometheus(scenario: &Scenario) -> String {
    let config = &scenario.config.prometheus;
    format!(
        "global:\n  \
           scrape_interval: {}ms\n  \
           scrape_timeout: {}ms\n\
         scrape_configs:\n  \
           # The emulator names the pods that it speaks for.\n  \
           - job_name: kubernetes-pods\n    \
             honor_labels: true\n    \
             static_configs:\n      \
               - targets: [\"127.0.0.1:9105\"]\n",
        config.scrape_interval.as_millis(),
        config.scrape_timeout.as_millis(),
    )
}

/// The nodes of managed node groups as the simulation has them, before their kubelet says anything.
fn nodes(scenario: &Scenario) -> Value {
    let config = scenario.config.ec2.clone();
    let streams = Streams::new(scenario.seed);
    let ec2 = Ec2::new(config, scenario.catalog.clone(), &scenario.node_groups, &streams);
    let object = |(id, instance): (_, &model::ec2::Instance)| match instance.origin {
        Origin::Group(group) => {
            let group = &scenario.node_groups[group];
            let node = node::of_group(id, instance, &scenario.catalog, group);
            Some(node_object(
                &node,
                &format!("aws:///{}/{}", instance.zone, instance.name),
            ))
        }
        Origin::Claim(_) => None,
    };
    let items: Vec<Value> = ec2.instances().iter().filter_map(object).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn node_object(node: &Node, provider: &str) -> Value {
    let (key, value) = KWOK_NODE;
    let mut labels = (*node.labels).clone();
    labels.insert(key.to_owned(), value.to_owned());
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": node.name, "labels": labels, "annotations": { key: value } },
        "spec": { "providerID": provider, "taints": node.taints.iter().map(taint).collect::<Vec<_>>() },
        "status": { "capacity": amounts(&node.capacity), "allocatable": amounts(&node.allocatable) },
    })
}

fn taint(taint: &Taint) -> Value {
    let effect = match taint.effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    };
    json!({ "key": taint.key, "value": taint.value, "effect": effect })
}

/// Resources as a manifest writes them.
fn amounts(resources: &Resources) -> Value {
    let mut amounts = Map::new();
    let mut add = |name: &str, amount: String| amounts.insert(name.to_owned(), Value::String(amount));
    add("cpu", format!("{}m", resources.cpu.0));
    add("memory", resources.memory.0.to_string());
    add("ephemeral-storage", resources.ephemeral_storage.0.to_string());
    add("pods", resources.pods.to_string());
    for (name, count) in &resources.extended {
        add(name, count.to_string());
    }
    Value::Object(amounts)
}

/// Flags and environment with which the controllers keep the scenario's times.
fn settings(scenario: &Scenario) -> Value {
    let config = &scenario.config;
    let (hpa, controllers, scheduler) = (&config.hpa, &config.controllers, &config.scheduler);
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    json!({
        "flags": {
            "kube-controller-manager": [
                format!("--horizontal-pod-autoscaler-sync-period={}", millis(hpa.sync_period)),
                format!("--horizontal-pod-autoscaler-tolerance={}", hpa.tolerance),
                format!(
                    "--horizontal-pod-autoscaler-downscale-stabilization={}",
                    millis(hpa.downscale_stabilization)
                ),
                format!(
                    "--horizontal-pod-autoscaler-cpu-initialization-period={}",
                    millis(hpa.cpu_initialization_period)
                ),
                format!(
                    "--horizontal-pod-autoscaler-initial-readiness-delay={}",
                    millis(hpa.initial_readiness_delay)
                ),
                format!("--concurrent-horizontal-pod-autoscaler-syncs={}", hpa.workers),
                format!("--kube-api-qps={}", controllers.qps),
                format!("--kube-api-burst={}", controllers.burst),
            ],
            "kube-scheduler": [
                format!("--kube-api-qps={}", scheduler.qps),
                format!("--kube-api-burst={}", scheduler.burst),
            ],
        },
        "environment": {
            "karpenter": [
                format!("BATCH_IDLE_DURATION={}", millis(config.karpenter.batch_idle_duration)),
                format!("BATCH_MAX_DURATION={}", millis(config.karpenter.batch_max_duration)),
                format!(
                    "FEATURE_GATES=SpotToSpotConsolidation={},ReservedCapacity={}",
                    config.disruption.spot_to_spot, config.karpenter.reserved_capacity
                ),
            ],
            "keda-operator": [format!("KEDA_HTTP_DEFAULT_TIMEOUT={}", config.keda.http_timeout.as_millis())],
        },
    })
}

#[cfg(test)]
mod tests;
