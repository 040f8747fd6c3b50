//! `[[action]]`: what happens in the course of the run.

use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap, SortedSet};

use super::super::action::{Act, Action, CapacityPool, Deletable, Part, Victim};
use super::super::{ObjectName, Objects};
use super::cloud::CAPACITY_TYPES;
use super::values::Values;
use crate::document::{Cursor, closest};
use crate::ec2::{Shortage, TypePattern};
use crate::manifest::kinds;

const PARTS: &[(&str, Part)] = &[
    ("prometheus", Part::Prometheus),
    ("keda", Part::Keda),
    ("karpenter", Part::Karpenter),
    ("hpa", Part::Hpa),
    ("scheduler", Part::Scheduler),
    ("metrics-server", Part::MetricsServer),
];

const VERBS: [&str; 7] = [
    "scale",
    "apply",
    "delete",
    "stop",
    "start",
    "interrupt",
    "shortage",
];

/// The files that actions apply: they are not applied at the start.
pub(super) fn applied_files(at: &Cursor<'_>) -> SortedSet<String> {
    let file = |action: &Cursor<'_>| {
        let apply = action.get("apply");
        apply.written().map(str::to_owned)
    };
    at.items().iter().filter_map(file).collect()
}

/// All actions in order of time, and the shortages that they bring about.
///
/// `applied` has the objects of each file that is applied.
pub(super) fn actions(
    at: &Cursor<'_>,
    epoch: jiff::Timestamp,
    end: Instant,
    applied: &SortedMap<String, Objects>,
) -> (Vec<Action>, Vec<Shortage>) {
    let mut read = Read {
        epoch,
        end,
        applied,
        actions: Vec::new(),
        shortages: Vec::new(),
    };
    for item in at.items() {
        read.action(&item);
    }
    // Stable: what is written first happens first.
    read.actions.sort_by_key(|action| action.at);
    (read.actions, read.shortages)
}

struct Read<'a> {
    epoch: jiff::Timestamp,
    end: Instant,
    applied: &'a SortedMap<String, Objects>,
    actions: Vec<Action>,
    shortages: Vec<Shortage>,
}

impl Read<'_> {
    fn action(&mut self, at: &Cursor<'_>) -> Option<()> {
        let verbs: Vec<&str> = VERBS.into_iter().filter(|verb| at.get(verb).is_given()).collect();
        let when_at = at.get("at").required();
        let when = when_at.instant(self.epoch);
        if when.is_some_and(|when| when >= self.end) {
            let message = match is_of_the_next_day(&when_at, self.epoch) {
                Some(start) => {
                    format!("before the run's start at {start} UTC, and so of the next day: it never happens")
                }
                None => "this is after the end of the run: it never happens".to_owned(),
            };
            when_at.warn("W004", message, "");
        }
        let &[verb] = &*verbs else {
            let found = if verbs.is_empty() {
                "none".to_owned()
            } else {
                verbs.join(" and ")
            };
            let message = format!("expected exactly one of {}, found {found}", VERBS.join(", "));
            at.error("E005", message, "");
            return None;
        };
        let when = when?;
        let lasting = self.lasting(at, verb);
        let own = at.get(verb);
        let (act, undo, label) = match verb {
            "scale" => {
                let deployment = own.object();
                let replicas = at.get("replicas").required().count(0);
                let (deployment, replicas) = (deployment?, replicas?);
                let label = format!("scale {} to {replicas}", deployment.name);
                (Act::Scale { deployment, replicas }, None, label)
            }
            "apply" => {
                let file = own.name()?;
                let Some(objects) = self.applied.get(file) else {
                    let hint = "files are named as in manifests/node-pool.yaml";
                    own.error("E009", format!("there is no file {file:?}"), hint);
                    return None;
                };
                (
                    Act::Apply(Box::new(objects.clone())),
                    None,
                    format!("apply {}", file.rsplit('/').next().unwrap_or(file)),
                )
            }
            "delete" => {
                let (kind, object) = match object_to_delete(own.name()?) {
                    Ok(found) => found,
                    Err(refusal) => {
                        own.error(refusal.code, refusal.message, &refusal.hint);
                        return None;
                    }
                };
                let label = format!("delete {} {}", kind.as_str(), object.name);
                (Act::Delete { kind, object }, None, label)
            }
            "stop" => {
                let part = own.one_of(PARTS)?;
                (
                    Act::Stop(part),
                    Some(Act::Start(part)),
                    format!("{} stops", own.text()?),
                )
            }
            "start" => (
                Act::Start(own.one_of(PARTS)?),
                None,
                format!("{} starts", own.text()?),
            ),
            "interrupt" => {
                let victim = victim(&own);
                let pattern = victim.instance_type.as_ref().map(|own| own.0.clone());
                let label = format!("interrupt {}", described(&pattern, &victim.zone));
                (Act::Interrupt(victim), None, label)
            }
            _ => {
                let pool = capacity_pool(&own);
                self.shortages
                    .push(shortage(&pool, when, lasting.map(|lasting| when + lasting)));
                let label = format!("no more {}", described(&pool.instance_type, &pool.zone));
                (Act::Exhaust(pool.clone()), Some(Act::Restore(pool)), label)
            }
        };
        let label = at.get("label").name().map_or(label, str::to_owned);
        if let Some((undo, lasting)) = undo.zip(lasting) {
            self.actions.push(Action {
                at: when + lasting,
                label: format!("end of: {label}"),
                act: undo,
            });
        }
        self.actions.push(Action { at: when, label, act });
        Some(())
    }

    /// How long it lasts, where that means something.
    fn lasting(&self, at: &Cursor<'_>, verb: &str) -> Option<Duration> {
        let lasting = at.get("for");
        if lasting.is_given() && !matches!(verb, "stop" | "shortage") {
            lasting.error("E004", format!("{verb} has no end"), "take `for` out");
        }
        if at.get("replicas").is_given() && verb != "scale" {
            at.get("replicas")
                .error("E004", "replicas goes only with scale", "");
        }
        let time = lasting.duration();
        if time.is_some_and(|time| time.is_zero()) {
            lasting.error(
                "E004",
                format!("{verb} would be over as it begins"),
                "such as for = \"5m\"; without it, for ever",
            );
        }
        time.filter(|time| !time.is_zero())
    }
}

/// When the run begins, if a time of day lies before that.
fn is_of_the_next_day(at: &Cursor<'_>, epoch: jiff::Timestamp) -> Option<jiff::civil::Time> {
    let time: jiff::civil::Time = at.written()?.parse().ok()?;
    let start = jiff::tz::Offset::UTC.to_datetime(epoch).time();
    (time < start).then_some(start)
}

fn described(instance_type: &Option<String>, zone: &Option<String>) -> String {
    match (instance_type, zone) {
        (Some(instance_type), Some(zone)) => format!("{instance_type} in {zone}"),
        (Some(instance_type), None) => instance_type.clone(),
        (None, Some(zone)) => format!("capacity in {zone}"),
        (None, None) => "capacity".to_owned(),
    }
}

fn text(at: &Cursor<'_>) -> Option<String> {
    at.name().map(str::to_owned)
}

fn victim(at: &Cursor<'_>) -> Victim {
    Victim {
        instance_type: text(&at.get("instance_type")).map(TypePattern),
        zone: text(&at.get("zone")),
        capacity_type: at.get("capacity_type").one_of(CAPACITY_TYPES),
        count: at
            .get("count")
            .count(1)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1),
    }
}

fn capacity_pool(at: &Cursor<'_>) -> CapacityPool {
    CapacityPool {
        instance_type: text(&at.get("instance_type")),
        zone: text(&at.get("zone")),
        capacity_type: at.get("capacity_type").one_of(CAPACITY_TYPES),
    }
}

fn shortage(pool: &CapacityPool, from: Instant, until: Option<Instant>) -> Shortage {
    Shortage {
        instance_types: pool.instance_type.iter().cloned().map(TypePattern).collect(),
        zones: pool.zone.iter().map(|zone| Arc::from(zone.as_str())).collect(),
        capacity_types: pool.capacity_type.into_iter().collect(),
        from,
        until,
    }
}

/// Why an object cannot be deleted.
pub(in crate::scenario) struct Refusal {
    code: &'static str,
    message: String,
    hint: String,
}

/// `Kind/name`, in the namespace default, or `Kind/namespace/name`.
pub(in crate::scenario) fn object_to_delete(text: &str) -> Result<(Deletable, ObjectName), Refusal> {
    let refusal = |code, message, hint| Err(Refusal { code, message, hint });
    let parts: Vec<&str> = text.split('/').collect();
    let (kind, namespace, name) = match *parts {
        [kind, name] => (kind, None, name),
        [kind, namespace, name] => (kind, Some(namespace), name),
        _ => {
            let message = format!("expected Kind/name or Kind/namespace/name, found {text:?}");
            return refusal("E003", message, String::new());
        }
    };
    let found = kinds::named(kind)
        .into_iter()
        .find(|kind| kind.fate == kinds::Fate::Read);
    let deletable = |kind: &str| Deletable::ALL.into_iter().find(|own| own.as_str() == kind);
    let names = Deletable::ALL.map(Deletable::as_str);
    let Some(found) = found else {
        let hint = closest(kind, names).map(|near| format!("did you mean {near:?}?"));
        return refusal("E007", format!("unknown kind {kind:?}"), hint.unwrap_or_default());
    };
    let Some(kind) = deletable(found.name) else {
        let message = format!("deleting a {} is not simulated", found.name);
        return refusal(
            "E006",
            message,
            format!("what can be deleted: {}", names.join(", ")),
        );
    };
    let namespace = match (found.namespaced, namespace) {
        (true, namespace) => namespace.unwrap_or("default"),
        (false, None) => "",
        (false, Some(_)) => {
            let message = format!("a {} has no namespace", found.name);
            return refusal("E004", message, String::new());
        }
    };
    let object = ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    Ok((kind, object))
}
