//! What the HPA controller and KEDA tell.

use std::sync::Arc;

use sim::Instant;

use super::{Cluster, Details, yes_or_no};
use crate::cluster::record::Value;
use crate::hpa::decision::{Outcome, Proposal};
use crate::hpa::pods::Counts;
use crate::hpa::{Decision, Spec};
use crate::id::{HpaId, ScaledObjectId};
use crate::keda;

impl Cluster<'_> {
    pub(in crate::cluster) fn explain_hpa(&mut self, now: Instant, decision: &Decision) {
        let server = self.objects.roles.server == Some(decision.target);
        if server && decision.could_tip {
            self.recorder.count(|counts| counts.could_tip += 1);
        }
        if server && decision.is_tolerated() {
            self.recorder.count(|counts| counts.tolerated += 1);
        }
        if server {
            let hpa = self.objects.hpas.get(decision.hpa);
            let of_keda = hpa.is_some_and(|hpa| hpa.owner.is_some());
            self.recorder.notes.synced(now, decision, of_keda);
        }
        if !self.recorder.is_logging() {
            return;
        }
        let kind = match decision.desired.cmp(&decision.current) {
            std::cmp::Ordering::Greater => "ScaledUp",
            std::cmp::Ordering::Less => "ScaledDown",
            std::cmp::Ordering::Equal => "Held",
        };
        let mut details: Details = vec![
            ("current", decision.current.into()),
            ("desired", decision.desired.into()),
            ("pods", decision.status_replicas.into()),
            (
                "metrics",
                Value::Entries(decision.metrics.iter().map(outcome_details).collect()),
            ),
        ];
        let decisive = decision.decisive_metric();
        details.extend(decisive.map(|outcome| ("decisive", (*outcome.metric).into())));
        details.extend(decision.proposal.map(|proposal| ("proposal", proposal.into())));
        details.extend(
            decision
                .stabilized
                .map(|stabilized| ("stabilized", stabilized.into())),
        );
        details.push(("able_to_scale", decision.able_to_scale.as_str().into()));
        details.extend(
            decision
                .scaling_active
                .map(|reason| ("scaling_active", reason.as_str().into())),
        );
        details.extend(
            decision
                .scaling_limited
                .map(|reason| ("scaling_limited", reason.as_str().into())),
        );
        if !decision.reason.is_empty() {
            details.push(("reason", decision.reason.clone().into()));
        }
        if decision.could_tip {
            details.push(("could_tip", "the ratio is within 0.02 of the tolerance".into()));
        }
        let object = self.deployment_name(decision.target);
        self.tell(now, "hpa", object, kind, details);
    }

    pub(in crate::cluster) fn explain_keda(&mut self, now: Instant, event: &keda::Event) {
        use keda::Event;
        if !self.recorder.is_logging() {
            return;
        }
        let (object, kind, details): (String, &'static str, Details) = match event {
            Event::Polled {
                scaled_object,
                current,
                values,
                failures,
                active,
                error,
                verdict,
            } => {
                let text = |(name, value): &(Arc<str>, Option<f64>)| match value {
                    Some(value) => format!("{name} {value}"),
                    None => format!("{name} failed"),
                };
                let mut details: Details = vec![
                    ("current", (*current).into()),
                    ("values", values.iter().map(text).collect::<Vec<_>>().into()),
                    ("active", yes_or_no(*active)),
                    ("error", yes_or_no(*error)),
                    ("verdict", format!("{verdict:?}").into()),
                ];
                details.extend(reasons(failures));
                (self.scaled_object_name(*scaled_object), "Polled", details)
            }
            Event::Pulled {
                scaled_object,
                metric,
                value,
                fallback,
                cached,
                failures,
            } => {
                let value = value.map_or_else(|| "error".into(), |value| Value::Number(value.as_f64()));
                let mut details = vec![
                    ("metric", metric.as_ref().into()),
                    ("value", value),
                    ("fallback", yes_or_no(*fallback)),
                    ("cached", yes_or_no(*cached)),
                ];
                details.extend(reasons(failures));
                (self.scaled_object_name(*scaled_object), "MetricServed", details)
            }
            Event::Scaled {
                target,
                current,
                replicas,
                reason,
            } => {
                let details = vec![
                    ("current", (*current).into()),
                    ("replicas", (*replicas).into()),
                    ("reason", (*reason).into()),
                ];
                (self.deployment_name(*target), "TargetScaled", details)
            }
            Event::HpaCreated { name, spec, reason } => {
                let details = vec![
                    ("min", spec.min_replicas.into()),
                    ("max", spec.max_replicas.into()),
                    ("reason", (*reason).into()),
                ];
                (name.clone(), "HpaCreated", details)
            }
            Event::TargetMissing { scaled_object, retry } => {
                let target = self.objects.scaled_objects.get(*scaled_object);
                let target = target.map_or_else(String::new, |own| self.deployment_name(own.target));
                let details = vec![
                    ("reason", format!("there is no Deployment {target}").into()),
                    ("retry", retry.as_secs_f64().into()),
                ];
                (
                    self.scaled_object_name(*scaled_object),
                    "ScaledObjectCheckFailed",
                    details,
                )
            }
            Event::HpaUpdated {
                hpa,
                target,
                spec,
                reason,
            } => {
                let old = self.objects.hpas.get(*hpa);
                let mut changes = old.map_or_else(Vec::new, |old| changes(&old.spec, spec));
                if old.is_some_and(|old| old.target != *target) {
                    changes.insert(0, format!("scaleTargetRef to {}", self.deployment_name(*target)));
                }
                let details = vec![("changes", changes.into()), ("reason", (*reason).into())];
                (self.hpa_name(*hpa), "HpaUpdated", details)
            }
            Event::HpaDeleted { hpa, reason } => (
                self.hpa_name(*hpa),
                "HpaDeleted",
                vec![("reason", (*reason).into())],
            ),
        };
        self.tell(now, "keda", object, kind, details);
    }

    fn scaled_object_name(&self, id: ScaledObjectId) -> String {
        let object = self.objects.scaled_objects.get(id);
        object.map_or_else(String::new, |object| object.name.clone())
    }

    fn hpa_name(&self, id: HpaId) -> String {
        let hpa = self.objects.hpas.get(id);
        hpa.map_or_else(String::new, |hpa| hpa.name.clone())
    }
}

/// Why triggers failed, if any did.
fn reasons(failures: &[(Arc<str>, keda::scaler::Error)]) -> Option<(&'static str, Value)> {
    let texts = failures
        .iter()
        .map(|(metric, error)| format!("{metric}: {error}"));
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| ("failures", texts.into()))
}

/// A metric's part in a decision.
fn outcome_details(outcome: &Outcome) -> Details {
    let mut details: Details = vec![("name", (*outcome.metric).into())];
    details.extend(outcome.unit.name().map(|unit| ("unit", unit.into())));
    match &outcome.result {
        Err(reason) => {
            details.push(("failure", reason.as_str().into()));
            details.extend(outcome.why.map(|why| ("why", why.to_string().into())));
        }
        Ok(Proposal {
            replicas,
            value,
            target,
            ratio,
            tolerance,
            within_tolerance,
            pods,
        }) => {
            details.extend([
                ("value", outcome.amount(*value).into()),
                ("target", outcome.amount(*target).into()),
                ("ratio", (*ratio).into()),
                ("tolerance_down", tolerance.0.into()),
                ("tolerance_up", tolerance.1.into()),
                ("within_tolerance", yes_or_no(*within_tolerance)),
                ("proposal", (*replicas).into()),
            ]);
            details.extend(pods.iter().flat_map(counts));
        }
    }
    details
}

/// By how many pods of which kind a proposal was made.
fn counts(pods: &Counts) -> impl Iterator<Item = (&'static str, Value)> {
    let Counts {
        ready,
        unready,
        missing,
        ignored,
    } = *pods;
    let all = [
        ("ready", ready),
        ("unready", unready),
        ("missing", missing),
        ("ignored", ignored),
    ];
    all.into_iter().map(|(kind, count)| (kind, (count as f64).into()))
}

/// What of a spec is another than before.
fn changes(old: &Spec, new: &Spec) -> Vec<String> {
    let mut changes = Vec::new();
    for (field, old, new) in [
        ("minReplicas", old.min_replicas, new.min_replicas),
        ("maxReplicas", old.max_replicas, new.max_replicas),
    ] {
        if old != new {
            changes.push(format!("{field} {old} to {new}"));
        }
    }
    for (field, same) in [
        ("metrics", old.metrics == new.metrics),
        ("behavior", old.behavior == new.behavior),
    ] {
        if !same {
            changes.push(field.to_owned());
        }
    }
    changes
}
