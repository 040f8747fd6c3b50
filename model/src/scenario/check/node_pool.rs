//! Advice about NodePools.

use std::time::Duration;

use super::{Facts, advise};
use crate::document::{Context, Cursor, Severity};
use crate::karpenter::labels::CAPACITY_TYPE;
use crate::karpenter::node_pool::{ConsolidationPolicy, NodePool, Nodes};
use crate::karpenter::{CapacityType, Profile};
use crate::manifest::Document;
use crate::release::Release;

pub(super) fn check(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let pools = facts.objects.iter().flat_map(|objects| &objects.node_pools);
    let Some(pool) = pools.into_iter().find(|pool| *pool.name == *document.name) else {
        return;
    };
    let rules = Rules {
        facts,
        context: Context::new(&document.file, document.title(), facts.problems),
        pool,
        at: root.get("spec"),
    };
    api_version(facts, &rules.context, root);
    rules.releases();
    rules.budgets();
    rules.consolidation();
    rules.limits();
    rules.capacity_types();
    super::burstable::check_pool(facts, &rules.context, &rules.at, pool);
}

struct Rules<'a> {
    facts: &'a Facts<'a>,
    context: Context<'a>,
    pool: &'a NodePool,
    /// spec
    at: Cursor<'a>,
}

/// An EC2NodeClass has no more to it than its version.
pub(super) fn check_class(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    api_version(
        facts,
        &Context::new(&document.file, document.title(), facts.problems),
        root,
    );
}

/// v1 came with 1.0, and v1beta1 left with 1.1.
fn api_version(facts: &Facts<'_>, context: &Context<'_>, root: &Cursor<'_>) {
    let release = facts.scenario.stack.karpenter;
    let at = root.get("apiVersion");
    let v1 = at
        .value()
        .and_then(|value| value.text())
        .is_some_and(|version| version.ends_with("/v1"));
    let served = if v1 {
        release.since(1, 0)
    } else {
        !release.since(1, 1)
    };
    if !served {
        let message = format!("Karpenter {release} does not serve this version");
        let hint = if v1 {
            "v1 came with 1.0; before, it is v1beta1"
        } else {
            "v1beta1 left with 1.1; write v1"
        };
        context.report(Severity::Error, "E014", &at, message, hint);
    }
}

impl Rules<'_> {
    fn release(&self) -> Release {
        self.facts.scenario.stack.karpenter
    }

    fn too_new(&self, at: &Cursor<'_>, field: &str, since: Release) {
        let release = self.release();
        if release < since {
            let message = format!(
                "Karpenter {release} does not know {field}: it came with {}.{}",
                since.major, since.minor
            );
            advise(&self.context, "N007", at, message, super::UNKNOWN_FIELD);
        }
    }

    fn releases(&self) {
        if self.at.at("disruption.budgets").is_given() {
            self.too_new(
                &self.at.at("disruption.budgets"),
                "disruption budgets",
                Release::new(0, 34, 0),
            );
        }
        if self.at.get("replicas").is_given() {
            self.too_new(&self.at.get("replicas"), "replicas", Release::new(1, 8, 0));
        }
        if self.pool.disruption.consolidation_policy == ConsolidationPolicy::Balanced {
            let at = self.at.at("disruption.consolidationPolicy");
            self.too_new(&at, "the policy Balanced", Release::new(1, 14, 0));
        }
        for requirement in self.at.at("template.spec.requirements").items() {
            if requirement.get("minValues").is_given() {
                self.too_new(&requirement.get("minValues"), "minValues", Release::new(0, 36, 0));
            }
        }
    }

    fn budgets(&self) {
        for (budget, at) in self
            .pool
            .disruption
            .budgets
            .iter()
            .zip(self.at.at("disruption.budgets").items())
        {
            if matches!(budget.nodes, Nodes::Count(0) | Nodes::Percent(0)) {
                let when = if budget.window.is_some() {
                    "while the budget holds"
                } else {
                    "ever"
                };
                let message =
                    format!("no node may be disrupted {when}: none is consolidated or replaced for drift");
                advise(
                    &self.context,
                    "N004",
                    &at.get("nodes"),
                    message,
                    "expiry and interruptions still take nodes",
                );
            }
        }
    }

    fn consolidation(&self) {
        let disruption = &self.pool.disruption;
        let at = self.at.at("disruption.consolidateAfter");
        let scales = self
            .facts
            .objects
            .iter()
            .any(|o| !o.hpas.is_empty() || !o.scaled_objects.is_empty());
        let profile = Profile::of(self.release());
        let at_once = disruption
            .consolidate_after
            .is_some_and(|after| after < Duration::from_secs(60));
        let underutilized = disruption.consolidation_policy != ConsolidationPolicy::WhenEmpty;
        if profile.consolidatable && at_once && underutilized && scales {
            let place = if at.is_given() { &at } else { &self.at };
            let message = "nodes are consolidated within seconds of a pod's going, while replicas still move";
            advise(
                &self.context,
                "N005",
                place,
                message,
                "let consolidateAfter outlast the pauses of the autoscaler: 5m or more",
            );
        }
        if disruption.consolidate_after.is_none() {
            let message = "consolidateAfter: Never: nodes are never taken away for being empty or badly used";
            advise(&self.context, "N005", &at, message, "");
        }
    }

    fn limits(&self) {
        if self.pool.limits.is_unlimited() && self.pool.replicas.is_none() {
            let message = "without limits a runaway autoscaler buys nodes without end";
            advise(
                &self.context,
                "N006",
                &self.at,
                message,
                "set limits.cpu to what the budget can bear",
            );
        }
    }

    /// Whether another NodePool takes the same pods on demand when this one has nothing left.
    fn has_way_out(&self) -> bool {
        let pools = self.facts.objects.iter().flat_map(|objects| &objects.node_pools);
        let mut others = pools.filter(|other| other.name != self.pool.name);
        others.any(|other| {
            let buys = other
                .requirements
                .allows(CAPACITY_TYPE, CapacityType::OnDemand.as_str());
            let admits = other.taints.iter().all(|taint| self.pool.taints.contains(taint));
            buys && admits && other.weight <= self.pool.weight
        })
    }

    fn capacity_types(&self) {
        let allowed = |kind: CapacityType| self.pool.requirements.allows(CAPACITY_TYPE, kind.as_str());
        let (spot, on_demand) = (allowed(CapacityType::Spot), allowed(CapacityType::OnDemand));
        if spot && !on_demand && !self.has_way_out() {
            let message = "only spot: pods wait where spot capacity has run out";
            advise(
                &self.context,
                "N008",
                &self.at,
                message,
                "allow on-demand too, or add a NodePool of less weight that does",
            );
        }
        let others_gate = self.facts.scenario.config.disruption.spot_to_spot;
        let underutilized = self.pool.disruption.consolidation_policy != ConsolidationPolicy::WhenEmpty;
        if spot && underutilized && !others_gate {
            let message = "spot nodes are removed if their pods fit elsewhere, but never replaced by cheaper spot nodes";
            let hint = "the feature gate SpotToSpotConsolidation is off (timing.karpenter.spot_to_spot)";
            advise(&self.context, "N009", &self.at.get("disruption"), message, hint);
        }
    }
}
