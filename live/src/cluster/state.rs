//! What there is now, as far as it was heard: for the terminal, and for caps.

use std::sync::Arc;

use serde_json::Value;
use sim::SortedMap;

use super::poll::{Trigger, Triggers};
use crate::heard::condition;
use crate::recording::{Change, Entry};

/// Dollars an hour of a machine: instance type, `spot` or `on-demand`, zone.
pub type PriceOf = dyn Fn(&str, &str, &str) -> Option<f64> + Send + Sync;

/// A node, as its labels say.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// metadata.name
    pub name: String,
    /// `m5.large`; empty if it is not said.
    pub instance_type: String,
    /// `spot` or `on-demand`.
    pub lifecycle: &'static str,
    /// The zone; empty if it is not said.
    pub zone: String,
    /// The NodePool that it is of; empty if it is of none.
    pub pool: String,
    /// Dollars an hour; none if nothing tells.
    pub price: Option<f64>,
}

/// What there is now.
#[derive(Clone, Default)]
pub struct State {
    /// Nodes, by UID.
    nodes: SortedMap<String, Node>,
    /// Pods, by UID: namespace, and whether they are Ready.
    pods: SortedMap<String, (String, bool)>,
    /// spec.replicas of Deployments, by `namespace/name`.
    replicas: SortedMap<String, i64>,
    /// The last answer of each query that had one, summed over its series.
    samples: SortedMap<String, f64>,
    /// NodePools that are ours.
    pools: Vec<String>,
    /// External metrics of HPAs.
    triggers: Triggers,
    prices: Option<Arc<PriceOf>>,
    /// Dollars that nodes of our pools have cost so far.
    spent: f64,
    /// When that was counted.
    counted: f64,
    /// Sources that are not heard at the moment.
    silent: SortedMap<String, f64>,
}

impl State {
    /// Nothing heard yet. Nodes of `pools` are counted as ours.
    #[must_use]
    pub fn new(pools: Vec<String>, prices: Arc<PriceOf>) -> Self {
        State {
            pools,
            prices: Some(prices),
            ..State::default()
        }
    }

    /// Hears an entry of the recording, `t` seconds after its second zero.
    pub(super) fn hear(&mut self, t: f64, entry: &Entry) {
        self.count(t);
        match entry {
            Entry::Object(object) => self.object(object.change, &object.kind, &object.uid, &object.object),
            Entry::Sample(sample) if sample.error.is_none() => {
                let last = |series: &crate::recording::Series| series.points.last().and_then(|point| point.1);
                let now = sample
                    .series
                    .iter()
                    .filter_map(last)
                    .reduce(|sum, value| sum + value);
                // A range is the past: it says nothing about now.
                if sample.series.iter().all(|series| series.points.len() < 2) {
                    match now {
                        Some(now) => drop(self.samples.insert(sample.name.clone(), now)),
                        None => drop(self.samples.remove(&sample.name)),
                    }
                }
            }
            Entry::Gap(gap) => match gap.to {
                Some(_) => drop(self.silent.remove(&gap.source)),
                None => drop(self.silent.insert(gap.source.clone(), gap.from)),
            },
            _ => {}
        }
    }

    /// Adds what nodes of our pools have cost until `t`.
    fn count(&mut self, t: f64) {
        let hours = (t - self.counted).max(0.0) / 3600.0;
        self.spent += self.our_price() * hours;
        self.counted = self.counted.max(t);
    }

    fn object(&mut self, change: Change, kind: &str, uid: &str, object: &Value) {
        let gone = change == Change::Deleted;
        let uid = uid.to_owned();
        match (kind, gone) {
            ("Node", true) => drop(self.nodes.remove(&uid)),
            ("Node", false) => drop(self.nodes.insert(uid, self.node(object))),
            ("Pod", true) => drop(self.pods.remove(&uid)),
            ("Pod", false) => {
                let namespace = object["metadata"]["namespace"].as_str().unwrap_or("").to_owned();
                match object["status"]["phase"].as_str() {
                    Some("Succeeded" | "Failed") => drop(self.pods.remove(&uid)),
                    _ => drop(self.pods.insert(uid, (namespace, is_ready(object)))),
                }
            }
            ("HorizontalPodAutoscaler", true) => drop(self.triggers.remove(&uid)),
            ("HorizontalPodAutoscaler", false) => drop(self.triggers.insert(uid, Trigger::all_of(object))),
            ("Deployment", _) => {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or("");
                let name = format!("{}/{}", text("namespace"), text("name"));
                match (gone, object["spec"]["replicas"].as_i64()) {
                    (true, _) => drop(self.replicas.remove(&name)),
                    (false, Some(replicas)) => drop(self.replicas.insert(name, replicas)),
                    (false, None) => {}
                }
            }
            _ => {}
        }
    }

    fn node(&self, object: &Value) -> Node {
        let label = |name: &str| object["metadata"]["labels"][name].as_str().unwrap_or("");
        let instance_type = label("node.kubernetes.io/instance-type");
        let lifecycle = match (
            label("karpenter.sh/capacity-type"),
            label("eks.amazonaws.com/capacityType"),
        ) {
            ("spot", _) | (_, "SPOT") => "spot",
            _ => "on-demand",
        };
        let priced = || {
            let prices = self.prices.as_ref()?;
            prices(instance_type, lifecycle, label("topology.kubernetes.io/zone"))
        };
        // Karpenter's KWOK provider says what it thinks a node costs.
        let said = label("eks-node-viewer/instance-price").parse().ok();
        Node {
            name: object["metadata"]["name"].as_str().unwrap_or("").to_owned(),
            instance_type: instance_type.to_owned(),
            lifecycle,
            zone: label("topology.kubernetes.io/zone").to_owned(),
            pool: label("karpenter.sh/nodepool").to_owned(),
            price: said.or_else(priced),
        }
    }

    /// External metrics of HPAs that KEDA serves.
    pub(super) fn triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.values().flatten()
    }

    /// Nodes that are there.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Nodes that our NodePools brought.
    pub fn our_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes().filter(|node| self.pools.contains(&node.pool))
    }

    /// Pods of a namespace that have not ended, and how many of them are Ready.
    #[must_use]
    pub fn pods(&self, namespace: &str) -> (usize, usize) {
        let own = self.pods.values().filter(|(own, _)| own == namespace);
        let (all, ready): (Vec<()>, Vec<bool>) = own.map(|(_, ready)| ((), *ready)).unzip();
        (all.len(), ready.iter().filter(|ready| **ready).count())
    }

    /// spec.replicas of a Deployment.
    #[must_use]
    pub fn replicas(&self, deployment: &str) -> Option<i64> {
        self.replicas.get(deployment).copied()
    }

    /// The last answer of a query, summed over its series; none if it had none.
    #[must_use]
    pub fn sample(&self, name: &str) -> Option<f64> {
        self.samples.get(name).copied()
    }

    /// Dollars an hour of our nodes.
    #[must_use]
    pub fn our_price(&self) -> f64 {
        self.our_nodes().filter_map(|node| node.price).sum()
    }

    /// Dollars that our nodes have cost until `t`.
    #[must_use]
    pub fn spent(&self, t: f64) -> f64 {
        self.spent + self.our_price() * (t - self.counted).max(0.0) / 3600.0
    }

    /// Sources that are not heard, and since when.
    #[must_use]
    pub fn silent(&self) -> &SortedMap<String, f64> {
        &self.silent
    }
}

/// Whether a pod's condition Ready is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|(status, _)| status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recording::{Gap, Object, Sample, Series};

    fn heard(change: Change, kind: &str, uid: &str, object: Value) -> Entry {
        Entry::Object(Object {
            change,
            kind: kind.to_owned(),
            namespace: String::new(),
            name: String::new(),
            uid: uid.to_owned(),
            object,
        })
    }

    fn node(pool: &str, spot: bool) -> Value {
        json!({ "metadata": { "name": "n", "labels": {
            "node.kubernetes.io/instance-type": "m5.large", "karpenter.sh/nodepool": pool,
            "karpenter.sh/capacity-type": if spot { "spot" } else { "on-demand" } } } })
    }

    #[test]
    fn only_nodes_of_our_pools_cost_us() {
        let prices: Arc<PriceOf> =
            Arc::new(|_, lifecycle, _| Some(if lifecycle == "spot" { 1.0 } else { 3.0 }));
        let mut state = State::new(vec!["ours".to_owned()], prices);
        state.hear(0.0, &heard(Change::Listed, "Node", "a", node("theirs", false)));
        state.hear(0.0, &heard(Change::Added, "Node", "b", node("ours", true)));
        state.hear(1800.0, &heard(Change::Added, "Node", "c", node("ours", false)));
        assert_eq!((state.nodes().count(), state.our_nodes().count()), (3, 2));
        assert!((state.spent(3600.0) - (1.0 + 1.5)).abs() < 1e-9);
        state.hear(3600.0, &heard(Change::Deleted, "Node", "c", node("ours", false)));
        assert!((state.spent(7200.0) - 3.5).abs() < 1e-9);
    }

    #[test]
    fn pods_samples_and_silence() {
        let mut state = State::default();
        let pod = |phase: &str, ready: &str| {
            json!({ "metadata": { "namespace": "web" },
                    "status": { "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] } })
        };
        state.hear(0.0, &heard(Change::Added, "Pod", "a", pod("Running", "True")));
        state.hear(0.0, &heard(Change::Added, "Pod", "b", pod("Pending", "False")));
        assert_eq!(state.pods("web"), (2, 1));
        state.hear(
            1.0,
            &heard(Change::Modified, "Pod", "a", pod("Succeeded", "False")),
        );
        assert_eq!(state.pods("web"), (1, 0));
        let series = |value| Series {
            labels: SortedMap::new(),
            points: vec![(1.0, Some(value))],
        };
        let sample = Sample {
            name: "seen.nodes".to_owned(),
            series: vec![series(2.0), series(3.0)],
            ..Sample::default()
        };
        let nothing = Sample {
            series: Vec::new(),
            ..sample.clone()
        };
        state.hear(1.0, &Entry::Sample(sample));
        assert_eq!(state.sample("seen.nodes"), Some(5.0));
        state.hear(1.5, &Entry::Sample(nothing));
        assert_eq!(state.sample("seen.nodes"), None);
        let mut gap = Gap {
            source: "api".to_owned(),
            from: 1.0,
            ..Gap::default()
        };
        state.hear(2.0, &Entry::Gap(gap.clone()));
        assert_eq!(state.silent().len(), 1);
        gap.to = Some(3.0);
        state.hear(3.0, &Entry::Gap(gap));
        assert!(state.silent().is_empty());
    }
}
