//! Advice about ScaledObjects.

use super::{Facts, advise};
use crate::document::{Context, Cursor, Severity};
use crate::keda::spec::{DEFAULT_MAX_REPLICAS, FallbackBehavior, MetricType, Prometheus, Spec, TriggerKind};
use crate::manifest::{Document, ScaledObject};
use crate::prometheus::{Op, Query};

pub(super) fn check(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let own = |object: &&ScaledObject| {
        object.name.name == document.name && object.name.namespace == document.namespace
    };
    let Some(object) = facts
        .objects
        .iter()
        .flat_map(|objects| &objects.scaled_objects)
        .find(own)
    else {
        return;
    };
    let rules = Rules {
        facts,
        context: Context::new(&document.file, document.title(), facts.problems),
        spec: &object.spec,
        at: root.get("spec"),
    };
    rules.cooldown();
    rules.polling();
    rules.counts();
    rules.fallback();
    rules.releases();
    rules.several_triggers();
    super::hpa::behavior(
        &rules.context,
        &root.at("spec.advanced.horizontalPodAutoscalerConfig.behavior"),
        object.spec.advanced.behavior.as_ref(),
    );
    super::hpa::same_target(
        facts,
        &rules.context,
        &root.at("spec.scaleTargetRef"),
        &object.target,
    );
    // Where all items were read, they match what was written one by one.
    let triggers = rules.at.get("triggers").items();
    if triggers.len() == object.spec.triggers.len() {
        for (trigger, at) in object.spec.triggers.iter().zip(&triggers) {
            match &trigger.kind {
                TriggerKind::Prometheus(prometheus) => {
                    rules.activation(prometheus, at);
                    rules.query(prometheus, at);
                    rules.threshold(prometheus, trigger.metric_type, object, at);
                }
                TriggerKind::Resource {
                    resource,
                    container,
                    target,
                } => {
                    let asked = super::hpa::Asked {
                        resource: *resource,
                        container: container.as_deref(),
                        target,
                    };
                    super::hpa::resource_metric(facts, &rules.context, at, &object.target, asked);
                }
                TriggerKind::Cron(_) => {}
            }
            rules.target_type(trigger.metric_type, at);
        }
    }
}

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

    fn cooldown(&self) {
        let min = self.min();
        if self.at.get("cooldownPeriod").is_given() && !self.deactivates() {
            let message = format!("cooldownPeriod has no effect with minReplicaCount {min}");
            let hint = "scaling in above zero waits for advanced.horizontalPodAutoscalerConfig.behavior.scaleDown\
                        .stabilizationWindowSeconds, 300 s if unset";
            advise(
                &self.context,
                "K001",
                &self.at.get("cooldownPeriod"),
                message,
                hint,
            );
        }
        if self.at.get("cooldownPeriod").is_given()
            && self.deactivates()
            && self.spec.advanced.behavior.is_some()
        {
            let message =
                "deactivation jumps from any number of replicas to zero, past the behavior's limits";
            let hint = "choose a cooldownPeriod longer than the pauses of the load";
            advise(
                &self.context,
                "K002",
                &self.at.get("cooldownPeriod"),
                message,
                hint,
            );
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
            let hint = "the HPA asks at each of its syncs, every 15 s; only useCachedMetrics makes it wait for polls";
            advise(&self.context, "K003", &at, message, hint);
        }
    }

    fn counts(&self) {
        if self.spec.max_replica_count.is_none() {
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

    fn activation(&self, _: &Prometheus, at: &Cursor<'_>) {
        let at = at.at("metadata.activationThreshold");
        if at.is_given() && !self.deactivates() {
            let message = format!(
                "activationThreshold has no effect with minReplicaCount {}",
                self.min()
            );
            let hint = "it decides only between zero and one; the threshold decides the rest";
            advise(&self.context, "K005", &at, message, hint);
        }
    }

    fn fallback(&self) {
        let Some(fallback) = &self.spec.fallback else {
            return;
        };
        let ignores = self.spec.triggers.iter().any(|trigger| {
            matches!(&trigger.kind, TriggerKind::Prometheus(prometheus) if prometheus.ignore_null_values)
        });
        if ignores {
            let message = "fallback does not help against a query that answers nothing: that counts as 0";
            let hint = "ignoreNullValues: \"false\" makes an empty answer an error";
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
        for trigger in self.at.get("triggers").items() {
            if trigger.at("metadata.timeout").is_given() {
                self.too_new(&trigger.at("metadata.timeout"), "timeout of a trigger", 17);
            }
            let of_resource = matches!(
                trigger.get("type").value().and_then(|kind| kind.text()),
                Some("cpu" | "memory")
            );
            let former = trigger.at("metadata.type");
            if of_resource && former.is_given() && self.facts.scenario.stack.keda >= 18 {
                // kedacore/keda 2.18 pkg/scalers/cpu_memory_scaler.go
                let message = format!(
                    "KEDA 2.{} refuses metadata.type: it left with 2.18",
                    self.facts.scenario.stack.keda
                );
                let hint = "write metricType: Utilization or AverageValue beside the trigger's type";
                self.context
                    .report(Severity::Error, "E004", &former, message, hint);
            }
        }
    }

    fn too_new(&self, at: &Cursor<'_>, field: &str, since: u16) {
        let release = self.facts.scenario.stack.keda;
        if release < since {
            let message = format!("KEDA 2.{release} does not know {field}: it came with 2.{since}");
            advise(
                &self.context,
                "K008",
                at,
                message,
                "the API server drops the field, and nothing says so",
            );
        }
    }

    fn several_triggers(&self) {
        if self.spec.triggers.len() > 1 && self.spec.advanced.scaling_modifiers.is_none() {
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
            let message = "metricType Value: the threshold is for the total, and the ready pods are scaled by the ratio";
            let hint = "use AverageValue if the threshold is meant per pod: a total does not shrink as pods are added";
            advise(&self.context, "K010", &at.get("metricType"), message, hint);
        }
    }

    fn query(&self, prometheus: &Prometheus, at: &Cursor<'_>) {
        let scenario = self.facts.scenario;
        let at = at.at("metadata.query");
        let Ok(query) = scenario.query(&prometheus.query) else {
            return;
        };
        super::queries::exposed(self.facts, &self.context, &at, &query);
        let is_traefik = |metric: &str| metric.starts_with("traefik_");
        let metrics = || query.metrics();
        let proxies = self.facts.proxies();
        if !query.is_single() && metrics().any(is_traefik) {
            let message = if proxies > 1 {
                format!(
                    "without sum() this query has an element for each of {proxies} Traefik pods, and KEDA takes only one"
                )
            } else {
                "without sum() a second Traefik pod, method or protocol makes this query fail".to_owned()
            };
            advise(&self.context, "K011", &at, message, "wrap it: sum(…)");
        }
        if self.min() == 0 && self.only_served(&query) {
            let message = "scaling from zero waits for served requests, which nobody serves at zero";
            let hint = "count arrivals, for example traefik_entrypoint_requests_total, or keep one replica";
            advise(&self.context, "K012", &at, message, hint);
        }
        self.service_label(&query, &at);
        self.window(&query, &at);
    }

    /// Whether a query looks at nothing but what Traefik's service counters have.
    fn only_served(&self, query: &Query) -> bool {
        let of_service = |metric: &str| metric.starts_with("traefik_service_");
        let mut metrics = query
            .selectors()
            .iter()
            .map(|selector| selector.metric())
            .peekable();
        metrics.peek().is_some() && metrics.all(|metric| metric.is_some_and(of_service))
    }

    /// A service label that Traefik never writes selects nothing, and nothing counts as 0.
    fn service_label(&self, query: &Query, at: &Cursor<'_>) {
        let own = &self.facts.scenario.traffic.traefik.service;
        for selector in query.selectors() {
            let of_service = selector
                .metric()
                .is_some_and(|metric| metric.starts_with("traefik_service_"));
            let matcher = selector.matchers.iter().find(|matcher| matcher.name == "service");
            if let Some(matcher) = matcher.filter(|matcher| of_service && !matcher.matches(own)) {
                let message = match matcher.op {
                    Op::Equal => format!(
                        "no series has service={:?}: Traefik calls it {own:?}",
                        matcher.value
                    ),
                    _ => format!("service {matcher} leaves out {own:?}, the only service here"),
                };
                advise(
                    &self.context,
                    "K013",
                    at,
                    message,
                    "an empty answer counts as 0, and the target shrinks to its minimum",
                );
            }
        }
    }

    fn window(&self, query: &Query, at: &Cursor<'_>) {
        let interval = self
            .facts
            .scenario
            .config
            .prometheus
            .interval(crate::prometheus::Job::KubernetesPods);
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let shortest = query
            .selectors()
            .iter()
            .filter_map(|selector| selector.range)
            .min();
        if let Some(range) = shortest.filter(|range| *range < interval_ms.saturating_mul(2)) {
            let never = if range < interval_ms {
                "never"
            } else {
                "not always"
            };
            let message = format!(
                "a range of {} s {never} holds two samples of a scrape every {} s",
                range / 1000,
                interval.as_secs()
            );
            advise(
                &self.context,
                "P001",
                at,
                message,
                "a rate needs two: take at least twice the scrape interval",
            );
        }
    }

    fn threshold(
        &self,
        prometheus: &Prometheus,
        metric_type: MetricType,
        object: &ScaledObject,
        at: &Cursor<'_>,
    ) {
        let about_server = object.target == self.facts.scenario.roles.server;
        let Ok(query) = self.facts.scenario.query(&prometheus.query) else {
            return;
        };
        let tolerance = self.facts.scenario.config.hpa.tolerance;
        let per_pod = metric_type == MetricType::AverageValue && query.is_rate() && self.only_served(&query);
        let Some(capacity) = self.facts.pod_capacity().filter(|_| about_server && per_pod) else {
            return;
        };
        let threshold = prometheus.threshold;
        let message = if capacity < threshold * (1.0 - tolerance) {
            format!(
                "a pod serves at most {capacity:.1} a second, below the threshold of {threshold}: full pods are scaled in"
            )
        } else if capacity <= threshold * (1.0 + tolerance) {
            format!(
                "a pod serves at most {capacity:.1} a second, within the tolerance of the threshold of {threshold}: full pods never scale out"
            )
        } else {
            return;
        };
        let hint = "served requests stop growing when pods are full: keep the threshold well below what a pod can serve";
        advise(&self.context, "K014", &at.at("metadata.threshold"), message, hint);
    }
}
