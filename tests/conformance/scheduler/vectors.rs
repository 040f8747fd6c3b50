//! The vectors as they are written.

use sim::{SortedMap, SortedSet};

use model::api::Labels;
use serde::Deserialize;

use crate::manifest;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) id: String,
    #[serde(rename = "note")]
    _note: String,
    pub(super) percentage_of_nodes_to_score: i32,
    pub(super) nodes: Vec<NodeSpec>,
    pub(super) node_order: Vec<String>,
    pub(super) templates: SortedMap<String, Template>,
    #[serde(default)]
    pub(super) pods: Vec<Bound>,
    #[serde(default)]
    pub(super) services: Vec<Service>,
    #[serde(default)]
    pub(super) replica_sets: Vec<ReplicaSet>,
    #[serde(default)]
    pub(super) pod_disruption_budgets: Vec<Pdb>,
    #[serde(default)]
    pub(super) namespaces: Namespaces,
    pub(super) incoming: Vec<Incoming>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NodeSpec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) labels: Labels,
    #[serde(default)]
    pub(super) taints: Vec<TaintSpec>,
    #[serde(default)]
    pub(super) unschedulable: bool,
    pub(super) allocatable: SortedMap<String, String>,
    #[serde(default)]
    pub(super) images: Vec<Image>,
}

/// Labels by name, or a list of names and labels.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Namespaces {
    Map(SortedMap<String, Labels>),
    List(Vec<Namespace>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Namespace {
    pub(super) name: String,
    #[serde(default)]
    pub(super) labels: Labels,
}

impl Default for Namespaces {
    fn default() -> Self {
        Namespaces::List(Vec::new())
    }
}

impl Namespaces {
    pub(super) fn labels(&self) -> SortedMap<String, Labels> {
        match self {
            Namespaces::Map(labels) => labels.clone(),
            Namespaces::List(list) => {
                let pair = |namespace: &Namespace| (namespace.name.clone(), namespace.labels.clone());
                list.iter().map(pair).collect()
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaintSpec {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
    pub(super) effect: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Image {
    pub(super) names: Vec<String>,
    pub(super) size_bytes: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) labels: Labels,
    #[serde(default)]
    pub(super) owner: Option<Owner>,
    pub(super) spec: manifest::PodSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Bound {
    pub(super) name: String,
    pub(super) template: String,
    pub(super) node_name: String,
    #[serde(default)]
    pub(super) terminating: bool,
    #[serde(default)]
    pub(super) started_seconds_ago: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) selector: Labels,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReplicaSet {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    pub(super) match_labels: Labels,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pdb {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default)]
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) match_labels: Labels,
    pub(super) disruptions_allowed: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Incoming {
    pub(super) name: String,
    pub(super) template: String,
    #[serde(default)]
    pub(super) node_affinity_name: Option<String>,
    pub(super) expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) feasible_nodes: Vec<String>,
    #[serde(default)]
    pub(super) rejected: Vec<Rejected>,
    #[serde(default)]
    pub(super) unschedulable_plugins: SortedSet<String>,
    pub(super) scores: Option<SortedMap<String, Vec<i64>>>,
    pub(super) total_score: Option<Vec<i64>>,
    #[serde(default)]
    pub(super) best_nodes: Vec<String>,
    pub(super) suggested_host: Option<String>,
    pub(super) placed_on: Option<String>,
    pub(super) message: Option<String>,
    pub(super) preemption: Option<Preemption>,
    pub(super) start_node_index: Option<usize>,
    pub(super) next_start_node_index: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rejected {
    pub(super) plugin: String,
    pub(super) code: String,
    pub(super) reasons: Vec<String>,
    pub(super) nodes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Preemption {
    pub(super) candidates: SortedMap<String, Victims>,
    pub(super) selected: SortedSet<String>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Victims {
    pub(super) pods: Vec<String>,
    #[serde(default)]
    pub(super) pdb_violations: usize,
}
