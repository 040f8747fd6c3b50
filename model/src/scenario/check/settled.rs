//! A settled start, and autoscalers that find nothing measured.
//!
//! Pods and proxies are there from the first second on; Prometheus begins empty, and counters at zero. Until a range has two
//! samples its rate is nothing, and until the run is as old as the range the rate is a part of what it shall be. The HPA remembers
//! the size that it found at its first sync, one period after it was made, for as long as its window for scaling in.

use std::time::Duration;

use super::{Facts, advise};
use crate::document::{Context, Cursor};
use crate::hpa::spec::SelectPolicy;
use crate::hpa::{Behavior, Source};
use crate::keda::Profile;
use crate::keda::spec::{Spec, TriggerKind};
use crate::prometheus::{Job, Query};
use crate::scenario::ObjectName;

/// Advises on autoscalers that are there from the start and shrink their targets before there is anything to go by.
pub(super) fn check(facts: &Facts<'_>, context: &Context<'_>) {
    if !facts.scenario.start.settled {
        return;
    }
    let at = facts.root.at("start.settled");
    let own = |name: &ObjectName, target: &ObjectName, min: i32| {
        let size = facts.scenario.start.replicas.get(target).copied();
        let size = size.or_else(|| Some(facts.deployment(target)?.object.replicas));
        Some(Start {
            facts,
            context,
            at: &at,
            name: name.to_string(),
            size: size.filter(|size| *size > min)?,
            min,
        })
    };
    for object in &facts.scenario.objects.scaled_objects {
        let (spec, minor) = (&object.spec, u32::from(facts.scenario.stack.keda));
        let rest = spec.idle_replica_count.or(spec.min_replica_count).unwrap_or(0);
        let Some((range, from_rates)) = of_triggers(facts, spec) else {
            continue;
        };
        if rest == 0
            && let Some(start) = own(&object.name, &object.target, 0)
            && start.deactivated(spec, &Profile::of(minor), from_rates)
        {
            continue;
        }
        let min = spec.min_replica_count.unwrap_or(0).max(1);
        if let Some(start) = own(&object.name, &object.target, min) {
            let kept = spec.triggers.iter().any(|trigger| trigger.use_cached_metrics);
            let blank = start.blank(range, from_rates);
            // What polls keep is that until the next poll.
            let until = match kept {
                true => next(blank, spec.polling_interval),
                false => blank,
            };
            start.shrunk(spec.advanced.behavior.as_ref(), until);
        }
    }
    for hpa in &facts.scenario.objects.hpas {
        let ranges = hpa.spec.metrics.iter().map(|metric| match &metric.source {
            Source::External { name, .. } | Source::Object { name, .. } | Source::Pods { name, .. } => {
                longest_range(facts, facts.scenario.metric_rules.get(name)?)
            }
            Source::Resource(_) | Source::ContainerResource { .. } => None,
        });
        // An adapter's empty answer is an error, at which the HPA stays: only a range that is not full yet is left.
        let Some(range) = ranges.min().flatten() else {
            continue;
        };
        if let Some(start) = own(&hpa.name, &hpa.target, hpa.spec.min_replicas) {
            start.shrunk(hpa.spec.behavior.as_ref(), start.filled(range));
        }
    }
}

/// The shortest of the triggers' longest ranges, and whether all go by rates; nothing if something else than an empty
/// Prometheus speaks, or an empty answer is an error. Of several triggers the one that asks for most decides.
fn of_triggers(facts: &Facts<'_>, spec: &Spec) -> Option<(Duration, bool)> {
    if spec.advanced.scaling_modifiers.is_some() {
        return None;
    }
    let ranges = spec.triggers.iter().map(|trigger| match &trigger.kind {
        TriggerKind::Prometheus(own) if own.ignore_null_values => longest_range(facts, &own.query),
        TriggerKind::Prometheus(_) | TriggerKind::Cron(_) | TriggerKind::Resource { .. } => None,
    });
    let ranges: Vec<Duration> = ranges.collect::<Option<_>>()?;
    let shortest = *ranges.iter().min()?;
    Some((shortest, shortest > Duration::ZERO))
}

/// How far back a query of Traefik's metrics looks; zero if it takes the last sample.
fn longest_range(facts: &Facts<'_>, query: &str) -> Option<Duration> {
    let query = facts.scenario.query(query).ok()?;
    let of_traefik = |query: &Query| query.metrics().all(|metric| metric.starts_with("traefik_"));
    let millis = query.selectors().iter().map(|own| own.range.unwrap_or(0)).max()?;
    of_traefik(&query).then(|| Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// The first poll that is not before `from`. KEDA polls as soon as it knows of a ScaledObject.
fn next(from: Duration, every: Duration) -> Duration {
    if every.is_zero() {
        return from;
    }
    every.mul_f64((from.as_secs_f64() / every.as_secs_f64()).ceil())
}

/// An autoscaler and what it finds.
struct Start<'a> {
    facts: &'a Facts<'a>,
    context: &'a Context<'a>,
    /// start.settled
    at: &'a Cursor<'a>,
    name: String,
    /// Replicas of the target at the start.
    size: i32,
    /// The fewest that the autoscaler leaves.
    min: i32,
}

impl Start<'_> {
    fn interval(&self) -> Duration {
        let config = &self.facts.scenario.config.prometheus;
        config.interval(Job::KubernetesPods)
    }

    /// Until when at the latest there may be no sample, or of a rate fewer than two.
    fn empty(&self, from_rates: bool) -> Duration {
        self.interval() * if from_rates { 2 } else { 1 }
    }

    /// Until when a rate over a range is too low by more than the tolerance: counters began with the run.
    fn filled(&self, range: Duration) -> Duration {
        range.mul_f64(1.0 - self.facts.scenario.config.hpa.tolerance)
    }

    fn blank(&self, range: Duration, from_rates: bool) -> Duration {
        self.empty(from_rates).max(self.filled(range))
    }

    /// KEDA's first poll that may act comes before there is a sample: the target goes to zero.
    fn deactivated(&self, spec: &Spec, profile: &Profile, from_rates: bool) -> bool {
        let wait = match profile.initial_cooldown {
            true => spec.initial_cooldown_period,
            false => Duration::ZERO,
        };
        let polled = next(wait, spec.polling_interval).as_secs_f64();
        let empty = self.empty(from_rates).as_secs_f64();
        let acts = polled < empty;
        if acts {
            let message = format!(
                "Prometheus begins empty: KEDA's poll at {polled} s may find no sample and set {} from {} replicas to 0 (there are samples \
                 after {empty} s at the latest)",
                self.name, self.size
            );
            let hint = format!(
                "set initialCooldownPeriod to {empty} or more, or have an action apply the ScaledObject then; results begin at {} s",
                self.facts.scenario.warm_up.as_secs_f64()
            );
            advise(self.context, "S005", self.at, message, &hint);
        }
        acts
    }

    /// The HPA forgets the size of the start and has a sync before the readings are what they shall be.
    fn shrunk(&self, behavior: Option<&Behavior>, blank: Duration) {
        let config = &self.facts.scenario.config.hpa;
        let down = behavior.map(|behavior| &behavior.scale_down);
        if down.is_some_and(|down| down.select_policy == Some(SelectPolicy::Disabled)) {
            return;
        }
        let window = down.and_then(|down| down.stabilization_window);
        let window = window.unwrap_or(config.downscale_stabilization);
        let forgotten = config.sync_period + window;
        if forgotten + config.sync_period > blank {
            return;
        }
        let message = format!(
            "Prometheus begins empty: until {} s rates may be nothing or too low, the HPA of {} forgets the {} replicas of the start after \
             {} s, and may go down to {}",
            blank.as_secs_f64(),
            self.name,
            self.size,
            forgotten.as_secs_f64(),
            self.min
        );
        let hint = format!(
            "give scaleDown a stabilizationWindowSeconds of {:.0} or more, have an action apply the autoscaler later, or let warm_up \
             ({} s) outlast the way back",
            blank.as_secs_f64().ceil(),
            self.facts.scenario.warm_up.as_secs_f64()
        );
        advise(self.context, "S005", self.at, message, &hint);
    }
}
