//! Advice about ScaledObjects.

use super::{Facts, advise, hpa, timeline, trigger_query, utilization, webhook};
use crate::document::{Context, Cursor};
use crate::hpa::Behavior;
use crate::hpa::spec::SelectPolicy;
use crate::keda::spec::{
    DEFAULT_MAX_REPLICAS, FallbackBehavior, MetricType, ScalingModifiers, Spec, Trigger, TriggerKind,
};
use crate::keda::{Profile, generated};
use crate::manifest::{Document, ScaledObject};
use crate::scenario::{Act, Part};

pub(super) fn check(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let own = |object: &&ScaledObject| {
        object.name.name == document.name && object.name.namespace == document.namespace
    };
    let Some(object) = facts.beside(document).scaled_objects.iter().find(own) else {
        return;
    };
    let rules = Rules {
        facts,
        context: Context::new(&document.file, document.title(), facts.problems),
        spec: &object.spec,
        at: root.get("spec"),
    };
    webhook::check(facts, document, &rules.context, object, root);
    rules.cooldown();
    rules.polling();
    rules.counts();
    rules.fallback();
    rules.outage();
    rules.releases();
    rules.removals(document, object);
    rules.annotations(&root.at("metadata.annotations"));
    rules.several_triggers();
    rules.modifiers();
    hpa::behavior(
        facts,
        &rules.context,
        &rules.behavior(),
        object.spec.advanced.behavior.as_ref(),
    );
    timeline::same_target(facts, document, &root.at("spec.scaleTargetRef"), &object.target);
    // Where all items were read, they match what was written one by one.
    let triggers = rules.at.get("triggers").items();
    if triggers.len() == object.spec.triggers.len() {
        for (trigger, at) in object.spec.triggers.iter().zip(&triggers) {
            match &trigger.kind {
                TriggerKind::Prometheus(prometheus) => {
                    rules.activation(at);
                    let looks = trigger_query::Trigger {
                        facts,
                        context: &rules.context,
                        document,
                        prometheus,
                        at: at.get("metadata"),
                    };
                    looks.query(rules.rests_at_zero());
                    let per_pod = trigger.metric_type == MetricType::AverageValue;
                    if rules.formula().is_none() {
                        looks.target_type(trigger.metric_type, &at.get("metricType"));
                    }
                    if per_pod && rules.formula().is_none() && object.target == facts.scenario.roles.server {
                        looks.threshold();
                    }
                }
                TriggerKind::Resource {
                    resource,
                    container,
                    target,
                } => {
                    hpa::of_memory(facts, &rules.context, at, &object.target, *resource);
                    if let Some(deployment) = facts.deployment_met(document, &object.target) {
                        let measured = utilization::Measured {
                            deployment,
                            resource: *resource,
                            container: container.as_deref(),
                        };
                        utilization::known(facts, &rules.context, at, &measured);
                        utilization::check(facts, &rules.context, at, &measured, target);
                        // KEDA's webhook does not look at sidecars, and the HPA does.
                        let containers = deployment.object.template.spec.containers.iter();
                        let mut refused =
                            utilization::without_request(containers, *resource, container.as_deref());
                        if refused.next().is_none() {
                            utilization::requests(facts, &rules.context, at, &measured, target);
                        }
                    }
                }
                TriggerKind::Cron(_) => {
                    rules.target_type(trigger.metric_type, &at.get("metricType"));
                }
            }
        }
    }
}

/// Annotations of ScaledObjects, and the minor release that reads each first.
const ANNOTATIONS: [(&str, u16); 5] = [
    ("autoscaling.keda.sh/paused", 12),
    ("autoscaling.keda.sh/paused-scale-in", 18),
    ("autoscaling.keda.sh/paused-scale-out", 18),
    ("autoscaling.keda.sh/force-activation", 18),
    ("scaledobject.keda.sh/transfer-hpa-ownership", 11),
];

/// Why a trigger takes it for 0 that there is no sample.
enum Zero {
    /// ignoreNullValues
    Ignored,
    /// The query says so.
    Stated,
}

const OUT_OF_QUERY: &str =
    "leave `or vector(0)` out, and with ignoreNullValues: \"false\" an empty answer is an error";

struct Rules<'a> {
    facts: &'a Facts<'a>,
    context: Context<'a>,
    spec: &'a Spec,
    /// spec
    at: Cursor<'a>,
}

impl Rules<'_> {
    /// KEDA itself never scales between 1 and N: it only deactivates to zero or idle.
    fn deactivates(&self) -> bool {
        self.spec.min_replica_count.unwrap_or(0) == 0 || self.spec.idle_replica_count.is_some()
    }

    fn min(&self) -> i32 {
        self.spec.min_replica_count.unwrap_or(0)
    }

    fn rests_at_zero(&self) -> bool {
        self.spec.idle_replica_count.unwrap_or(self.min()) == 0
    }

    /// What makes one metric of all triggers, if the release has it.
    fn formula(&self) -> Option<&ScalingModifiers> {
        let modifiers = self.spec.advanced.scaling_modifiers.as_ref();
        modifiers.filter(|_| self.facts.scenario.stack.keda >= 12)
    }

    fn behavior(&self) -> Cursor<'_> {
        self.at.at("advanced.horizontalPodAutoscalerConfig.behavior")
    }

    fn cooldown(&self) {
        let at = self.at.get("cooldownPeriod");
        let default = self.facts.scenario.config.hpa.downscale_stabilization;
        if at.is_given() && !self.deactivates() {
            let message = format!("cooldownPeriod has no effect with minReplicaCount {}", self.min());
            let hint = format!(
                "scaling in above zero waits for advanced.horizontalPodAutoscalerConfig.behavior.scaleDown\
                 .stabilizationWindowSeconds, {} s if unset",
                default.as_secs()
            );
            advise(&self.context, "K001", &at, message, &hint);
        }
        let cooldown = self.spec.cooldown_period;
        let holds_longer = |behavior: &Behavior| {
            let down = &behavior.scale_down;
            let window = down.stabilization_window.unwrap_or(default);
            window > cooldown || down.policies.is_some() || down.select_policy == Some(SelectPolicy::Disabled)
        };
        let behavior = self.spec.advanced.behavior.as_ref();
        let surprises = behavior.is_some_and(|behavior| at.is_given() || holds_longer(behavior));
        if self.deactivates() && surprises {
            let message = format!(
                "after {} s without activity deactivation jumps from any number of replicas to {}, past the behavior's limits",
                cooldown.as_secs(),
                self.spec.idle_replica_count.unwrap_or(0)
            );
            let place = if at.is_given() { at } else { self.behavior() };
            let hint = "choose a cooldownPeriod longer than the pauses of the load";
            advise(&self.context, "K002", &place, message, hint);
        }
    }

    fn polling(&self) {
        let cached = self
            .spec
            .triggers
            .iter()
            .any(|trigger| trigger.use_cached_metrics);
        let at = self.at.get("pollingInterval");
        if at.is_given() && !self.deactivates() && !cached {
            let message = "pollingInterval does not change how fast replicas follow the metric";
            let hint = format!(
                "the HPA asks at each of its syncs, every {} s; only useCachedMetrics makes it wait for polls",
                self.facts.scenario.config.hpa.sync_period.as_secs_f64()
            );
            advise(&self.context, "K003", &at, message, &hint);
        }
    }

    fn counts(&self) {
        if self.spec.max_replica_count.is_none() && !self.context.has_error(&self.at.get("maxReplicaCount")) {
            let message = format!("maxReplicaCount is not set and thus {DEFAULT_MAX_REPLICAS}");
            advise(
                &self.context,
                "K004",
                &self.at,
                message,
                "set it to what the cluster and the budget can bear",
            );
        }
        let at = self.at.get("initialCooldownPeriod");
        if at.is_given() && self.deactivates() && self.facts.scenario.stack.keda < 14 {
            self.too_new(&at, "initialCooldownPeriod", 14);
        } else if at.is_given() && !self.deactivates() {
            let message = format!(
                "initialCooldownPeriod has no effect with minReplicaCount {}",
                self.min()
            );
            advise(
                &self.context,
                "K001",
                &at,
                message,
                "it delays only the first scaling to zero",
            );
        }
    }

    fn activation(&self, at: &Cursor<'_>) {
        let at = at.at("metadata.activationThreshold");
        if at.is_given() && self.formula().is_some() {
            let message = "activationThreshold is not read beside a formula";
            let hint = "advanced.scalingModifiers.activationTarget is compared with what the formula makes";
            advise(&self.context, "K005", &at, message, hint);
        } else {
            self.decides_activation("activationThreshold", &at, "the threshold decides the rest");
        }
    }

    /// What is said of the composite metric instead of the triggers'.
    fn modifiers(&self) {
        let Some(modifiers) = self.formula() else { return };
        let at = self.at.at("advanced.scalingModifiers");
        self.decides_activation(
            "activationTarget",
            &at.get("activationTarget"),
            "the target decides the rest",
        );
        self.target_type(modifiers.metric_type, &at.get("metricType"));
    }

    fn decides_activation(&self, field: &str, at: &Cursor<'_>, rest: &str) {
        if at.is_given() && !self.deactivates() {
            let message = format!("{field} has no effect with minReplicaCount {}", self.min());
            let hint = format!("it decides only between zero and one; {rest}");
            advise(&self.context, "K005", at, message, &hint);
        }
    }

    fn fallback(&self) {
        let Some(fallback) = &self.spec.fallback else {
            return;
        };
        if let Some((_, reason)) = self.takes_nothing_for_zero().next() {
            let (message, hint) = match reason {
                Zero::Ignored => (
                    "fallback does not help against a query that answers nothing: that counts as 0",
                    "ignoreNullValues: \"false\" makes an empty answer an error",
                ),
                Zero::Stated => (
                    "fallback does not help against a query that finds nothing: it answers 0",
                    OUT_OF_QUERY,
                ),
            };
            advise(&self.context, "K006", &self.at.get("fallback"), message, hint);
        }
        if self.facts.scenario.stack.keda < 17 {
            let at = self.at.at("fallback.failureThreshold");
            let message = format!(
                "before KEDA 2.17 the first failed poll sets {} replicas, whatever failureThreshold says",
                fallback.replicas
            );
            advise(
                &self.context,
                "K007",
                &at,
                message,
                "the threshold counts only for what the HPA reads",
            );
        }
        let value = self.spec.triggers.iter().any(|trigger| {
            trigger.metric_type == MetricType::Value && !matches!(trigger.kind, TriggerKind::Resource { .. })
        });
        if value && self.facts.scenario.stack.keda < 18 {
            let message = "before KEDA 2.18 there is no fallback for triggers of metricType Value";
            advise(
                &self.context,
                "K007",
                &self.at.get("fallback"),
                message,
                "use AverageValue",
            );
        }
    }

    /// The places of the triggers to which no sample is 0, and why.
    fn takes_nothing_for_zero(&self) -> impl Iterator<Item = (usize, Zero)> {
        let triggers = self.spec.triggers.iter().enumerate();
        triggers.filter_map(|(place, trigger)| {
            let TriggerKind::Prometheus(own) = &trigger.kind else {
                return None;
            };
            let query = self.facts.scenario.query(&own.query);
            match query.is_ok_and(|query| query.is_zero_if_empty()) {
                true => Some((place, Zero::Stated)),
                false => own.ignore_null_values.then_some((place, Zero::Ignored)),
            }
        })
    }

    /// After a stop of Prometheus the first answers are empty, and meanwhile the HPA has forgotten what was wanted.
    fn outage(&self) {
        let mut actions = self.facts.scenario.actions.iter();
        let stops = actions.any(|action| matches!(action.act, Act::Stop(Part::Prometheus)));
        if self.spec.fallback.is_some() || !stops {
            return;
        }
        for (place, reason) in self.takes_nothing_for_zero() {
            let (field, says, hint) = match reason {
                Zero::Ignored => (
                    "metadata.ignoreNullValues",
                    "are empty and count as 0",
                    "ignoreNullValues: \"false\" makes an empty answer an error, at which the HPA stays where it is",
                ),
                Zero::Stated => ("metadata.query", "are the 0 of `or vector(0)`", OUT_OF_QUERY),
            };
            let message = format!(
                "when Prometheus is back its first answers {says}: an HPA that had no metric for longer than its stabilization \
                 window shrinks the target at once"
            );
            let items = self.at.get("triggers").items();
            if let Some(at) = items.get(place) {
                advise(&self.context, "K006", &at.at(field), message, hint);
            }
        }
    }

    /// Fields that the release does not know.
    fn releases(&self) {
        let spec = self.spec;
        if spec
            .fallback
            .is_some_and(|fallback| fallback.behavior != FallbackBehavior::Static)
        {
            self.too_new(&self.at.at("fallback.behavior"), "fallback.behavior", 17);
        }
        if spec.advanced.scaling_modifiers.is_some() {
            self.too_new(&self.at.at("advanced.scalingModifiers"), "scalingModifiers", 12);
        }
        for at in ["scaleUp", "scaleDown"].map(|key| self.behavior().get(key).get("tolerance")) {
            if at.is_given() {
                self.too_new(&at, "a behavior's tolerance", 18);
            }
        }
        for trigger in self.at.get("triggers").items() {
            if trigger.at("metadata.timeout").is_given() {
                self.too_new(&trigger.at("metadata.timeout"), "timeout of a trigger", 17);
            }
        }
    }

    /// What is taken out of the behavior and does not leave the HPA, unless something else of its spec changes
    /// (kedacore/keda 2.12 controllers/keda/hpa.go `updateHPAIfNeeded`).
    fn removals(&self, document: &Document, object: &ScaledObject) {
        let release = self.facts.scenario.stack.keda;
        if Profile::of(release.into()).removals_reach_hpa {
            return;
        }
        let Some(old) = timeline::scaled_object_before(self.facts, document, &object.name) else {
            return;
        };
        let of = |object: &ScaledObject| (object.spec.min_replica_count, object.spec.max_replica_count);
        let rest = of(old) == of(object) && old.spec.triggers == object.spec.triggers;
        let (found, wanted) = (&old.spec.advanced.behavior, &object.spec.advanced.behavior);
        if rest && found != wanted && generated::has_behavior(found.as_ref(), wanted.as_ref()) {
            advise(
                &self.context,
                "K016",
                &self.behavior(),
                format!("KEDA 2.{release} leaves in the HPA what this takes out of the behavior"),
                "write the values that are to hold, or delete the HPA: KEDA makes it anew",
            );
        }
    }

    /// Annotations that the release does not read (kedacore/keda apis/keda/v1alpha1/scaledobject_types.go).
    fn annotations(&self, at: &Cursor<'_>) {
        let release = self.facts.scenario.stack.keda;
        for (name, since) in ANNOTATIONS {
            let own = at.get(name);
            if own.is_given() && release < since {
                let message =
                    format!("KEDA 2.{release} does not know the annotation {name}: it came with 2.{since}");
                advise(
                    &self.context,
                    "K008",
                    &own,
                    message,
                    "it is without effect, and nothing says so",
                );
            }
        }
    }

    fn too_new(&self, at: &Cursor<'_>, field: &str, since: u16) {
        let release = self.facts.scenario.stack.keda;
        if release < since {
            let message = format!("KEDA 2.{release} does not know {field}: it came with 2.{since}");
            advise(&self.context, "K008", at, message, super::UNKNOWN_FIELD);
        }
    }

    fn several_triggers(&self) {
        let by_usage = |own: &&Trigger| matches!(own.kind, TriggerKind::Resource { .. });
        let usage = self.spec.triggers.iter().filter(by_usage).count();
        if self.deactivates() && usage > 0 && usage < self.spec.triggers.len() {
            let message = format!(
                "cpu and memory triggers do not keep it from {} replicas: when the others are inactive for {} s it goes there, \
                 however busy its pods are",
                self.spec.idle_replica_count.unwrap_or(0),
                self.spec.cooldown_period.as_secs()
            );
            let hint = "above that the trigger that asks for most replicas decides, these included";
            advise(&self.context, "K017", &self.at.get("triggers"), message, hint);
        } else if self.spec.triggers.len() > 1 && self.spec.advanced.scaling_modifiers.is_none() {
            let message = format!(
                "of {} triggers the one that asks for most replicas decides",
                self.spec.triggers.len()
            );
            let hint = "advanced.scalingModifiers.formula combines them otherwise";
            advise(&self.context, "K009", &self.at.get("triggers"), message, hint);
        }
    }

    fn target_type(&self, metric_type: MetricType, at: &Cursor<'_>) {
        if metric_type == MetricType::Value {
            trigger_query::value_of_a_total(&self.context, "metricType", at);
        }
    }
}
