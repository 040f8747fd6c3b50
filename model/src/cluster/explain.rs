//! The log: every decision with its inputs, in words and numbers that a person can follow.

mod autoscalers;
mod disruption;

use sim::Instant;

use super::Cluster;
use super::record::{LogEntry, Value};
use crate::ec2::QuotaGroup;
use crate::id::{DeploymentId, InstanceId, NodeClaimId, NodeId, NodePoolId, PodId};
use crate::karpenter::provisioner::{self, Target};
use crate::karpenter::{NodeClass, claim_status, lifecycle};
use crate::scheduler;

type Details = Vec<(&'static str, Value)>;

impl Cluster<'_> {
    /// Keeps an entry, if the log is wanted.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        part: &'static str,
        object: String,
        kind: &'static str,
        details: Details,
    ) {
        self.recorder.tell(
            now,
            LogEntry {
                at: now,
                part,
                object,
                kind,
                details,
            },
        );
    }

    pub(super) fn explain_scheduler(&mut self, now: Instant, event: &scheduler::Event) {
        use scheduler::Event;
        if !self.recorder.is_logging() {
            return;
        }
        let (pod, kind, details): (PodId, &'static str, Details) = match event {
            Event::Scheduled {
                pod,
                node,
                evaluated,
                feasible,
                scores,
            } => {
                let totals = scores.totals.iter().chain(std::iter::repeat(&0));
                let scored = feasible
                    .iter()
                    .zip(totals)
                    .map(|(id, score)| format!("{} {score}", self.node_name(*id)));
                let mut details: Details = vec![
                    ("node", self.node_name(*node).into()),
                    ("evaluated", (*evaluated as f64).into()),
                    ("feasible", scored.collect::<Vec<_>>().into()),
                ];
                let chosen = feasible.iter().position(|id| id == node).unwrap_or(0);
                let scores: Vec<String> = scores
                    .plugins()
                    .map(|(plugin, by_node)| format!("{} {}", plugin.name(), by_node[chosen]))
                    .collect();
                if !scores.is_empty() {
                    details.push(("scores", scores.into()));
                }
                (*pod, "PodScheduled", details)
            }
            Event::FailedScheduling {
                pod,
                message,
                nominated,
                ..
            } => {
                let mut details: Details = vec![("reason", message.as_str().into())];
                details.extend(nominated.map(|node| ("nominated", self.node_name(node).into())));
                (*pod, "PodUnschedulable", details)
            }
            Event::Preempted { pod, preemptor, node } => (
                *pod,
                "PodPreempted",
                vec![
                    ("preemptor", self.pod_name(*preemptor).into()),
                    ("node", self.node_name(*node).into()),
                ],
            ),
        };
        let object = self.pod_name(pod);
        self.tell(now, "scheduler", object, kind, details);
    }

    pub(super) fn explain_claim(&mut self, now: Instant, id: NodeClaimId, pods: &[PodId]) {
        let Some(claim) = self.objects.claims.get(id).filter(|_| self.recorder.is_logging()) else {
            return;
        };
        let types: Vec<String> = claim
            .instance_types
            .iter()
            .take(10)
            .map(ToString::to_string)
            .collect();
        let details: Details = vec![
            ("pool", self.pool_name(claim.pool).into()),
            ("cpu_m", (claim.requests.cpu.0 as f64).into()),
            ("memory_mib", claim.requests.memory.as_mib_f64().into()),
            ("instance_types", (claim.instance_types.len() as f64).into()),
            ("cheapest", types.into()),
            (
                "pods",
                pods.iter()
                    .map(|pod| self.pod_name(*pod))
                    .collect::<Vec<_>>()
                    .into(),
            ),
        ];
        let object = claim.name.clone();
        self.tell(now, "karpenter", object, "NodeClaimCreated", details);
    }

    pub(super) fn explain_claim_deletion(&mut self, now: Instant, id: NodeClaimId, reason: &'static str) {
        let object = self.claim_name(id);
        self.tell(
            now,
            "karpenter",
            object,
            "NodeClaimDeleted",
            vec![("reason", reason.into())],
        );
    }

    pub(super) fn explain_provisioner(&mut self, now: Instant, event: &provisioner::Event) {
        use provisioner::Event;
        if !self.recorder.is_logging() {
            return;
        }
        let (object, kind, details): (String, &'static str, Details) = match event {
            Event::Nominated(pod, target) => {
                let target = match target {
                    Target::Node(node) => self.node_name(*node),
                    Target::Claim(claim) => self.claim_name(*claim),
                    Target::NewClaim(name) => name.clone(),
                };
                if !self.recorder.is_news(*pod, &target) {
                    return;
                }
                (
                    self.pod_name(*pod),
                    "PodNominated",
                    vec![("target", target.into())],
                )
            }
            Event::FailedScheduling(pod, failure) => {
                let mut details: Details = vec![("reason", failure.to_string().into())];
                let unready = self.unready_classes();
                if !unready.is_empty() {
                    details.push(("node_classes_not_ready", unready.into()));
                }
                (self.pod_name(*pod), "FailedScheduling", details)
            }
            Event::Ignored(pod, rejection) => (
                self.pod_name(*pod),
                "PodIgnored",
                vec![("reason", rejection.to_string().into())],
            ),
            Event::Unsynced => {
                let unknown = self.objects.claims.iter();
                let unknown = unknown.filter(|(_, claim)| claim.instance.is_none());
                let names: Vec<String> = unknown.map(|(_, claim)| claim.name.clone()).collect();
                let details: Details = vec![
                    (
                        "reason",
                        "claims have no instance yet, and pods wait for the next batch".into(),
                    ),
                    ("claims", names.into()),
                ];
                (String::new(), "BatchLost", details)
            }
            Event::LimitExceeded(pool, resource) => (
                self.pool_name(*pool),
                "LimitExceeded",
                vec![("resource", resource.to_string().into())],
            ),
            Event::NoPools => (
                String::new(),
                "NoNodePools",
                vec![("reason", "no NodePool launches nodes for pods".into())],
            ),
            Event::Started(pods) => (
                String::new(),
                "ProvisioningStarted",
                vec![("pods", (*pods as f64).into())],
            ),
        };
        self.tell(now, "karpenter", object, kind, details);
    }

    /// A node class that does not get ready.
    pub(super) fn explain_class(&mut self, now: Instant, class: &NodeClass) {
        let reason = "there is no image of al2 for this release of Kubernetes";
        let details = vec![("condition", "AMIsReady".into()), ("reason", reason.into())];
        self.tell(
            now,
            "karpenter",
            class.name.to_string(),
            "NodeClassNotReady",
            details,
        );
    }

    fn unready_classes(&self) -> Vec<String> {
        let minor = self.scenario.stack.kubernetes;
        let classes = self.objects.node_classes.values();
        let unready = classes.filter(|class| class.lacks_image(minor));
        unready.map(|class| class.name.to_string()).collect()
    }

    pub(super) fn explain_lifecycle(&mut self, now: Instant, event: &lifecycle::Event) {
        use lifecycle::Event;
        if !self.recorder.is_logging() {
            return;
        }
        let (object, kind, details): (String, &'static str, Details) = match event {
            Event::Launching {
                claim,
                capacity_type,
                instance_types,
                pools,
            } => (
                self.claim_name(*claim),
                "NodeClaimLaunching",
                vec![
                    ("capacity_type", capacity_type.as_str().into()),
                    ("instance_types", (*instance_types as f64).into()),
                    ("pools", (*pools as f64).into()),
                ],
            ),
            Event::Launched(claim, launched) => (
                self.claim_name(*claim),
                "NodeClaimLaunched",
                vec![
                    ("instance", self.instance_name(launched.instance).into()),
                    ("instance_type", launched.choice.instance_type.to_string().into()),
                    ("zone", launched.choice.zone.to_string().into()),
                    ("capacity_type", launched.capacity_type.as_str().into()),
                    (
                        "price_usd_per_hour",
                        self.instance_price(launched.instance).into(),
                    ),
                ],
            ),
            Event::Unavailable(claim, offers) => {
                let offers = offers.iter().map(|(offer, code)| {
                    let group = QuotaGroup::of(&offer.instance_type).filter(|_| code.is_quota());
                    format!(
                        "{} {} {} {}{}",
                        offer.instance_type,
                        offer.zone,
                        offer.capacity_type,
                        code.as_str(),
                        group.map_or_else(String::new, |group| format!(" ({group})"))
                    )
                });
                let offers: Vec<String> = offers.collect();
                (
                    self.claim_name(*claim),
                    "OfferingsUnavailable",
                    vec![("offerings", offers.into())],
                )
            }
            Event::AvailableAgain => (String::new(), "OfferingsAvailableAgain", vec![]),
            Event::Received(claim, message) => (
                self.claim_name(*claim),
                "InterruptionMessage",
                vec![("message", format!("{message:?}").into())],
            ),
        };
        self.tell(now, "karpenter", object, kind, details);
    }

    pub(super) fn explain_instance(&mut self, now: Instant, id: InstanceId, kind: &'static str) {
        let Some(instance) = self
            .parts
            .ec2
            .instances()
            .get(id)
            .filter(|_| self.recorder.is_logging())
        else {
            return;
        };
        let details: Details = vec![
            ("instance_type", instance.spec.name.into()),
            ("zone", instance.zone.to_string().into()),
            ("capacity_type", instance.capacity_type.as_str().into()),
        ];
        let object = instance.name.clone();
        self.tell(now, "ec2", object, kind, details);
    }

    pub(super) fn explain_node(&mut self, now: Instant, id: NodeId) {
        let Some(node) = self.api.nodes.get(id).filter(|_| self.recorder.is_logging()) else {
            return;
        };
        let details = vec![("instance_type", node.instance_type().into())];
        let object = node.name.clone();
        self.tell(now, "kubelet", object, "NodeJoined", details);
    }

    /// A pod is deleted because its node's taints drive it out, or because it tolerated them only for a while.
    pub(super) fn explain_taint_eviction(&mut self, now: Instant, id: PodId) {
        let pod = self.api.pods.get(id).filter(|_| self.recorder.is_logging());
        let Some(node) = pod.and_then(|pod| pod.node) else {
            return;
        };
        let details = vec![("node", self.node_name(node).into())];
        let object = self.pod_name(id);
        self.tell(now, "taint-eviction", object, "TaintManagerEviction", details);
    }

    fn instance_price(&self, id: InstanceId) -> f64 {
        let instance = self.parts.ec2.instances().get(id);
        instance.map_or(f64::NAN, |instance| instance.price.usd_per_hour())
    }

    pub(super) fn explain_claim_status(&mut self, now: Instant, event: claim_status::Event) {
        use claim_status::Event;
        let (claim, kind, details): (_, _, Details) = match event {
            Event::Drifted(claim, drift) => (claim, "Drifted", vec![("reason", format!("{drift:?}").into())]),
            Event::Consolidatable(claim, since) => (
                claim,
                "Consolidatable",
                vec![("since", self.recorder.seconds(since).into())],
            ),
        };
        let object = self.claim_name(claim);
        self.tell(now, "karpenter", object, kind, details);
    }

    pub(super) fn instance_name(&self, id: InstanceId) -> String {
        let instance = self.parts.ec2.instances().get(id);
        instance.map_or_else(|| format!("{id:?}"), |instance| instance.name.to_string())
    }

    pub(super) fn pod_name(&self, id: PodId) -> String {
        let name = self.api.pods.get(id).map(|pod| &pod.name);
        let name = name.or_else(|| self.recorder.name_of_gone(id));
        name.map_or_else(|| format!("{id:?}"), Clone::clone)
    }

    pub(super) fn node_name(&self, id: NodeId) -> String {
        self.api
            .nodes
            .get(id)
            .map_or_else(|| format!("{id:?}"), |node| node.name.clone())
    }

    pub(super) fn claim_name(&self, id: NodeClaimId) -> String {
        self.objects
            .claims
            .get(id)
            .map_or_else(|| format!("{id:?}"), |claim| claim.name.clone())
    }

    fn pool_name(&self, id: NodePoolId) -> String {
        self.objects
            .pools
            .get(id)
            .map_or_else(|| format!("{id:?}"), |pool| pool.name.to_string())
    }

    pub(super) fn deployment_name(&self, id: DeploymentId) -> String {
        let present = self.api.deployments.get(id).map(|object| &object.name);
        let name = present.or_else(|| self.objects.absent.get(&id).map(|name| &name.name));
        name.map_or_else(|| format!("{id:?}"), String::clone)
    }
}

fn yes_or_no(is: bool) -> Value {
    if is { "yes" } else { "no" }.into()
}
