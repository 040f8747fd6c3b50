//! Advice about NodePools.

use std::time::Duration;

use super::{Facts, advise, capacity};
use crate::document::{Context, Cursor, Severity};
use crate::karpenter::disruption::SPOT_TO_SPOT_TYPES;
use crate::karpenter::labels::{CAPACITY_TYPE, DO_NOT_DISRUPT};
use crate::karpenter::node_pool::{ConsolidationPolicy, NodePool, Nodes, Reason};
use crate::karpenter::version::Expiration;
use crate::karpenter::{CapacityType, Profile, Requirement};
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
    rules.admission();
    rules.releases();
    rules.budgets();
    rules.do_not_disrupt();
    rules.consolidation();
    rules.limits();
    rules.node_limits();
    rules.uses();
    rules.capacity_types();
    super::values::of_pool(facts, &rules.context, &rules.at, pool);
    super::machines::check(facts, &rules.context, &rules.at, pool);
    super::burstable::check_pool(facts, &rules.context, &rules.at, pool);
}

struct Rules<'a> {
    facts: &'a Facts<'a>,
    context: Context<'a>,
    pool: &'a NodePool,
    /// spec
    at: Cursor<'a>,
}

/// An EC2NodeClass has no more to it than its version, and a field that was not always there.
pub(super) fn check_class(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let context = Context::new(&document.file, document.title(), facts.problems);
    api_version(facts, &context, root);
    let at = root.at("spec.instanceStorePolicy");
    if at.is_given() {
        let release = facts.scenario.stack.karpenter;
        too_new(
            &context,
            release,
            &at,
            "instanceStorePolicy",
            Release::new(0, 34, 0),
        );
    }
}

fn too_new(context: &Context<'_>, release: Release, at: &Cursor<'_>, field: &str, since: Release) {
    if release < since {
        let message = format!(
            "Karpenter {release} does not know {field}: it came with {}.{}",
            since.major, since.minor
        );
        advise(context, "N007", at, message, super::UNKNOWN_FIELD);
    }
}

/// v1 came with 1.0, and v1beta1 left with 1.1.
fn api_version(facts: &Facts<'_>, context: &Context<'_>, root: &Cursor<'_>) {
    let release = facts.scenario.stack.karpenter;
    let at = root.get("apiVersion");
    let v1 = at.written().is_some_and(|version| version.ends_with("/v1"));
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
        too_new(&self.context, self.release(), at, field, since);
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
        for requirement in self.at.at("template.spec.requirements").items() {
            if requirement.get("minValues").is_given() {
                self.too_new(&requirement.get("minValues"), "minValues", Release::new(0, 35, 0));
            }
        }
    }

    /// What the release's definition of the object refuses.
    fn admission(&self) {
        let release = self.release();
        if release.since(1, 9) {
            return;
        }
        for requirement in self.at.at("template.spec.requirements").items() {
            let at = requirement.get("operator");
            if let Some(operator @ ("Gte" | "Lte")) = at.written() {
                let message =
                    format!("Karpenter {release} refuses the operator {operator}: it came with 1.9");
                let hint = "Gt and Lt with a bound that is one lower or higher say the same";
                self.context.report(Severity::Error, "E004", &at, message, hint);
            }
        }
    }

    fn budgets(&self) {
        let profile = Profile::of(self.release());
        let budgets = self.pool.disruption.budgets.iter();
        let hint = match profile.expiration {
            Expiration::InLoop => {
                "interruptions still take nodes, but expiry heeds budgets as well before 1.0"
            }
            Expiration::Forceful => "expiry and interruptions still take nodes",
        };
        for (budget, at) in budgets.zip(self.at.at("disruption.budgets").items()) {
            if !profile.budgets || !matches!(budget.nodes, Nodes::Count(0) | Nodes::Percent(0)) {
                continue;
            }
            let when = match budget.window {
                Some(_) => "while the budget holds",
                None => "ever",
            };
            let reason = |reason: &Reason| match reason {
                Reason::Empty => "for being empty",
                Reason::Underutilized => "for bad use",
                Reason::Drifted => "for drift",
            };
            let message = match &*budget.reasons {
                [] => format!("no node may be disrupted {when}: none is consolidated or replaced for drift"),
                reasons => {
                    let reasons: Vec<&str> = reasons.iter().map(reason).collect();
                    format!("no node may be disrupted {} {when}", reasons.join(" or "))
                }
            };
            advise(&self.context, "N004", &at.get("nodes"), message, hint);
        }
    }

    /// An annotation of all nodes.
    fn do_not_disrupt(&self) {
        if self
            .pool
            .annotations
            .get(DO_NOT_DISRUPT)
            .is_some_and(|text| text == "true")
        {
            let at = self.at.at("template.metadata.annotations").get(DO_NOT_DISRUPT);
            let message = "no node of this NodePool is ever consolidated or replaced for drift";
            let hint = "budgets of 0 nodes say the same, and with a schedule";
            advise(&self.context, "N002", &at, message, hint);
        }
    }

    fn consolidation(&self) {
        let disruption = &self.pool.disruption;
        let at = self.at.at("disruption.consolidateAfter");
        if self.context.has_error(&at) {
            return;
        }
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
        let unread = self.context.has_error(&self.at.get("limits"));
        if self.pool.limits.is_unlimited() && self.pool.replicas.is_none() && !unread {
            let message = "without limits a runaway autoscaler buys nodes without end";
            advise(
                &self.context,
                "N006",
                &self.at,
                message,
                "set limits.cpu to what the budget can bear",
            );
        }
        let wanted = self.pool.template_requirements();
        let mut types = capacity::launchable(self.facts, &self.pool.name, &wanted).peekable();
        let some = types.peek().is_some();
        if some && !types.any(|own| self.pool.limits.admit(&own.capacity)) {
            let message =
                "every machine that this NodePool may launch has more than its limits: it never launches any";
            let hint = "raise the limits, or allow smaller types";
            advise(&self.context, "N006", &self.at.get("limits"), message, hint);
        }
    }

    /// (karpenter v1.10.0 pkg/controllers/provisioning/provisioner.go `Create`; v1.11.0
    /// pkg/controllers/provisioning/scheduling/scheduler.go `addToNewNodeClaim`; v1.0.0
    /// pkg/controllers/nodepool/counter/controller.go `BaseResources`)
    fn node_limits(&self) {
        let at = self.at.at("limits.nodes");
        let release = self.release();
        if !at.is_given() || Profile::of(release).node_limits {
            return;
        }
        let message = match release.since(1, 0) {
            true => format!(
                "Karpenter {release} heeds limits.nodes once there are more nodes than that: one pass may launch any number of them"
            ),
            false => format!("Karpenter {release} does not count nodes: this limits nothing"),
        };
        let hint = "from 1.11 on no pass goes beyond it; limits.cpu holds in all releases";
        advise(&self.context, "N006", &at, message, hint);
    }

    /// Whether the NodePool can launch anything, and anything for the pods that may run there.
    fn uses(&self) {
        let at = self.at.at("template.spec.requirements");
        let of_class = capacity::of_pool(self.facts, &self.pool.name).next();
        // A NodePool without its class launches nothing, which is an error of its own.
        if of_class.is_none() || self.context.has_error(&at) {
            return;
        }
        let wanted = self.pool.template_requirements();
        if capacity::launchable(self.facts, &self.pool.name, &wanted)
            .next()
            .is_none()
        {
            let message = "no machine meets the requirements of this NodePool: it never launches any";
            let hint = "each alone may be met, and all together not; `scaletwin catalog` lists machines";
            advise(&self.context, "N022", &at, message, hint);
            return;
        }
        let mut held = self.facts.written_deployments().filter_map(|(_, own)| {
            let spec = &own.object.template.spec;
            capacity::may_run(self.pool, spec).then(|| capacity::is_held(self.facts, self.pool, spec))
        });
        // Where no pods may run, they are kept away on purpose.
        if held.next().is_some_and(|held| !held) && held.all(|held| !held) {
            let message = "no machine of this NodePool has room for any of the pods that may run there";
            let hint = "compare the pods' requests, and those of DaemonSets, with the machines that the requirements leave and with kubelet.maxPods";
            advise(&self.context, "N022", &at, message, hint);
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
        let underutilized = self.pool.disruption.consolidation_policy != ConsolidationPolicy::WhenEmpty;
        if spot && underutilized {
            self.spot_to_spot();
        }
    }

    fn spot_to_spot(&self) {
        let at = self.at.get("disruption");
        if !self.facts.scenario.config.disruption.spot_to_spot {
            let message = "spot nodes are removed if their pods fit elsewhere, but never replaced by cheaper spot nodes";
            let hint = "the feature gate SpotToSpotConsolidation is off (timing.karpenter.spot_to_spot)";
            advise(&self.context, "N009", &at, message, hint);
            return;
        }
        let mut wanted = self.pool.template_requirements();
        wanted.add(CAPACITY_TYPE, Requirement::only(CapacityType::Spot.as_str()));
        let types = capacity::launchable(self.facts, &self.pool.name, &wanted).count();
        if types < SPOT_TO_SPOT_TYPES {
            let message = format!(
                "one spot node is replaced by a cheaper one only if there are {SPOT_TO_SPOT_TYPES} cheaper types, and this NodePool has {types} in all"
            );
            let hint = "allow more types; several nodes at once are replaced by one without this condition";
            advise(&self.context, "N009", &at, message, hint);
        }
    }
}
