//! What Karpenter tells of nodes that go: disruption and termination.

use std::sync::Arc;

use sim::Instant;

use super::{Cluster, Details};
use crate::id::NodeClaimId;
use crate::karpenter::{disruption, termination};

impl Cluster<'_> {
    pub(in crate::cluster) fn explain_disruption(&mut self, now: Instant, event: &disruption::Event) {
        use disruption::Event;
        if !self.recorder.is_logging() {
            return;
        }
        let (object, kind, details): (String, &'static str, Details) = match event {
            Event::Blocked(claim, why) => (
                self.claim_name(*claim),
                "DisruptionBlocked",
                vec![("reason", why.describe(&|pod| self.pod_name(pod)).into())],
            ),
            Event::Unconsolidatable(claim, why) => (
                self.claim_name(*claim),
                "Unconsolidatable",
                vec![("reason", why.describe(&|pod| self.pod_name(pod)).into())],
            ),
            Event::NoBudget(pool, reason) => (
                self.pool_name(*pool),
                "DisruptionBlocked",
                vec![("no_budget_for", reason.as_str().into())],
            ),
            Event::Proposed(decision) => (
                String::new(),
                "DisruptionProposed",
                self.decision_details(decision),
            ),
            Event::Abandoned(decision, why) => {
                let mut details = self.decision_details(decision);
                details.push(("reason", why.to_string().into()));
                (String::new(), "DisruptionAbandoned", details)
            }
            Event::Started(decision) => (
                String::new(),
                "DisruptionStarted",
                self.decision_details(decision),
            ),
            Event::Terminating(command) => (
                String::new(),
                "DisruptionTerminating",
                vec![("command", f64::from(command.0).into())],
            ),
            Event::Failed(command, why) => (
                String::new(),
                "DisruptionFailed",
                vec![
                    ("command", f64::from(command.0).into()),
                    ("reason", format!("{why:?}").into()),
                ],
            ),
            Event::TimedOut(method, candidates) => (
                String::new(),
                "DisruptionTimedOut",
                vec![
                    ("method", method.as_str().into()),
                    ("candidates", (*candidates as f64).into()),
                ],
            ),
            Event::Scored(judged) => {
                let score = judged.score;
                let kind = if score.approved {
                    "ConsolidationApproved"
                } else {
                    "ConsolidationRejected"
                };
                let details: Details = vec![
                    ("nodes", self.claim_names(&judged.candidates).into()),
                    ("replacements", cheapest(&judged.replacements).into()),
                    ("savings", score.savings.into()),
                    ("disruption", score.disruption.into()),
                    ("score", score.worth.into()),
                    ("threshold", disruption::SCORE_THRESHOLD.into()),
                ];
                (self.pool_name(judged.pool), kind, details)
            }
        };
        self.tell(now, "karpenter", object, kind, details);
    }

    fn decision_details(&self, decision: &disruption::Decision) -> Details {
        vec![
            ("command", f64::from(decision.command.0).into()),
            ("method", decision.method.as_str().into()),
            ("nodes", self.claim_names(&decision.candidates).into()),
            ("price_usd_per_hour", decision.price.usd_per_hour().into()),
            ("replacements", cheapest(&decision.replacements).into()),
            (
                "replacement_price_usd_per_hour",
                decision.replacement_price.usd_per_hour().into(),
            ),
        ]
    }

    pub(in crate::cluster) fn explain_terminator(&mut self, now: Instant, event: &termination::Event) {
        use termination::Event;
        if !self.recorder.is_logging() {
            return;
        }
        let (object, kind, details): (String, &'static str, Details) = match event {
            Event::Draining { node, waiting, kept } => {
                let mut details: Details = vec![("pods", (*waiting as f64).into())];
                if !kept.is_empty() {
                    let names: Vec<String> = kept.iter().map(|pod| self.pod_name(*pod)).collect();
                    details.push(("do_not_disrupt", names.into()));
                }
                (self.node_name(*node), "Draining", details)
            }
            Event::Evicted(pod) => (self.pod_name(*pod), "PodEvicted", vec![]),
            Event::EvictionBlocked(pod, budget) => (
                self.pod_name(*pod),
                "EvictionBlocked",
                vec![("budget", budget.as_str().into())],
            ),
            Event::SeveralBudgets(pod) => (
                self.pod_name(*pod),
                "EvictionBlocked",
                vec![("reason", "several PodDisruptionBudgets".into())],
            ),
            Event::ForceDeleted(pod, grace) => (
                self.pod_name(*pod),
                "PodForceDeleted",
                vec![("grace_s", grace.as_secs_f64().into())],
            ),
            Event::Drained(node) => (self.node_name(*node), "NodeDrained", vec![]),
            Event::Terminating(instance) => (self.instance_name(*instance), "InstanceTerminating", vec![]),
        };
        self.tell(now, "karpenter", object, kind, details);
    }

    fn claim_names(&self, claims: &[NodeClaimId]) -> Vec<String> {
        claims.iter().map(|claim| self.claim_name(*claim)).collect()
    }
}

/// The cheapest instance types of each claim.
fn cheapest(claims: &[Vec<Arc<str>>]) -> Vec<String> {
    let names = |types: &Vec<Arc<str>>| {
        let first: Vec<&str> = types.iter().take(5).map(|name| &**name).collect();
        first.join(" ")
    };
    claims.iter().map(names).collect()
}
