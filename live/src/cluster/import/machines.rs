//! What the nodes tell: which machines there are beside Karpenter's, where, how long they took, what they pulled.

use sim::SortedMap;

use jiff::Timestamp;
use serde_json::Value;

use super::images::Images;
use crate::heard::{condition, text};

/// Machines of one kind that Karpenter did not bring.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The node group's name, or how the machines are called for want of one.
    pub name: String,
    /// `m5.large`
    pub instance_type: String,
    /// `on-demand` or `spot`
    pub capacity_type: String,
    /// The most pods that one takes.
    pub max_pods: Option<u32>,
}

/// What a cluster's nodes tell.
#[derive(Debug, Clone, Default)]
pub struct Machines {
    /// Machines that Karpenter did not bring, and how many there are.
    pub groups: SortedMap<Group, u32>,
    /// Nodes that Karpenter brought: the scenario's Karpenter will bring its own.
    pub of_karpenter: usize,
    /// The region, if one says it.
    pub region: Option<String>,
    /// From joining to Ready, seconds, the middle one of the nodes that Karpenter brought.
    pub until_ready: Option<f64>,
    /// How big images are.
    pub images: Images,
}

impl Machines {
    /// Of these nodes. What one does not tell is added to `left_out`.
    pub(super) fn of(nodes: &[Value], left_out: &mut Vec<String>) -> Self {
        let mut found = Machines::default();
        let mut until_ready = Vec::new();
        for node in nodes {
            found.images.see(node);
            let label = |name: &str| node["metadata"]["labels"][name].as_str().unwrap_or("");
            match label("topology.kubernetes.io/region") {
                "" => {}
                region => found.region = Some(region.to_owned()),
            }
            if !label("karpenter.sh/nodepool").is_empty() {
                found.of_karpenter += 1;
                until_ready.extend(until_ready_of(node));
                continue;
            }
            let instance_type = label("node.kubernetes.io/instance-type");
            let name = node["metadata"]["name"].as_str().unwrap_or("");
            if instance_type.is_empty() {
                left_out.push(format!("Node {name}: no label tells its instance type"));
                continue;
            }
            let group = match (
                label("eks.amazonaws.com/nodegroup"),
                label("alpha.eksctl.io/nodegroup-name"),
            ) {
                ("", "") => instance_type.replace('.', "-"),
                ("", name) | (name, _) => name.to_owned(),
            };
            let spot = label("eks.amazonaws.com/capacityType") == "SPOT";
            let pods = node["status"]["allocatable"]["pods"].as_str();
            let group = Group {
                name: group,
                instance_type: instance_type.to_owned(),
                capacity_type: if spot { "spot" } else { "on-demand" }.to_owned(),
                max_pods: pods.and_then(|pods| pods.parse().ok()),
            };
            *found.groups.entry(group).or_default() += 1;
        }
        until_ready.sort_by(f64::total_cmp);
        found.until_ready = until_ready.get(until_ready.len() / 2).copied();
        found
    }
}

/// How long a node took from joining until it was Ready, seconds, if it still is since then.
fn until_ready_of(node: &Value) -> Option<f64> {
    let (_, since) = condition(node, "Ready").filter(|(status, _)| *status == "True")?;
    let time = |stamp: &str| stamp.parse::<Timestamp>().ok();
    let joined = time(text(node, "/metadata/creationTimestamp"))?;
    let seconds = time(since)?.duration_since(joined).as_secs_f64();
    // One that was not Ready for a while since says nothing of its beginning.
    (0.0..300.0).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_are_groups_or_karpenters() {
        let node = |name: &str, labels: Value| json!({ "metadata": { "name": name, "labels": labels }, "status": { "allocatable": { "pods": "29" } } });
        let kind = "node.kubernetes.io/instance-type";
        let managed = json!({ kind: "m5.large", "eks.amazonaws.com/nodegroup": "system",
            "eks.amazonaws.com/capacityType": "ON_DEMAND", "topology.kubernetes.io/region": "eu-west-1" });
        let spot = json!({ kind: "c5.large", "alpha.eksctl.io/nodegroup-name": "cheap",
            "eks.amazonaws.com/capacityType": "SPOT" });
        let nodes = [
            node("a", managed.clone()),
            node("b", managed),
            node("c", spot),
            node("d", json!({ kind: "t3.small" })),
            node(
                "e",
                json!({ kind: "m5.large", "karpenter.sh/nodepool": "default" }),
            ),
            node("f", json!({})),
        ];
        let mut left_out = Vec::new();
        let found = Machines::of(&nodes, &mut left_out);
        let groups: Vec<(&str, &str, &str, u32)> = found
            .groups
            .iter()
            .map(|(group, count)| (&*group.name, &*group.instance_type, &*group.capacity_type, *count))
            .collect();
        assert_eq!(
            groups,
            [
                ("cheap", "c5.large", "spot", 1),
                ("system", "m5.large", "on-demand", 2),
                ("t3-small", "t3.small", "on-demand", 1),
            ]
        );
        assert!(found.groups.keys().all(|group| group.max_pods == Some(29)));
        assert_eq!(
            (found.of_karpenter, found.region.as_deref()),
            (1, Some("eu-west-1"))
        );
        assert_eq!(left_out, ["Node f: no label tells its instance type"]);
    }

    #[test]
    fn a_node_tells_how_long_it_took_to_be_ready() {
        let node = |status: &str, since: &str| {
            json!({ "metadata": { "creationTimestamp": "2026-01-31T12:00:00Z" },
                    "status": { "conditions": [{ "type": "Ready", "status": status, "lastTransitionTime": since }] } })
        };
        assert_eq!(until_ready_of(&node("True", "2026-01-31T12:00:05Z")), Some(5.0));
        assert_eq!(until_ready_of(&node("False", "2026-01-31T12:00:05Z")), None);
        assert_eq!(until_ready_of(&node("True", "2026-01-31T13:00:05Z")), None);
        assert_eq!(until_ready_of(&json!({})), None);
    }
}
