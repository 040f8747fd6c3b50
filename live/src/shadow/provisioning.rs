//! The provisioner's shadow: from the pods that waited to the claims that were made.
//!
//! Claims that are made within a second are one pass. The shadow makes the pass again on each state that was heard in
//! the seconds before, the latest first: a pass looks at the cluster when its batch window ends, and what it decides
//! is heard later.

use std::time::Duration;

use model::karpenter::disruption::disrupted_taint;
use model::karpenter::provisioner::{Input, Output, Provisioner};
use model::karpenter::{labels, pod};
use model::scenario::Scenario;
use sim::{SortedMap, SortedSet, Streams};

use super::consolidation::commands;
use super::world::{Lately, World, Worlds, drive};
use super::{Agreement, Divergence, Part};
use crate::curves::instant;
use crate::heard::Heard;
use crate::objects::read;
use crate::recording::{Change, Entry, Object, Recording};

/// A pass and its batch window take no longer, seconds.
const LATE: f64 = 12.0;
/// Claims of one pass are made within this, seconds.
const TOGETHER: f64 = 1.0;
/// How often a pass is made where the first is another: three zones tie at most, a few pods or claims in a row.
const DRAWS: u64 = 16;
/// Pods that have waited so long, seconds, have been looked at.
const PATIENCE: f64 = 20.0;

pub(super) fn shadow(recording: &Recording, scenario: &Scenario) -> Agreement {
    let made: Vec<f64> = recording
        .lines
        .iter()
        .filter_map(|line| new_claim(&line.entry).map(|_| line.t))
        .collect();
    let mut shadow = Shadow {
        worlds: Worlds::new(recording, scenario),
        made,
        commands: Vec::new(),
        lately: Lately::default(),
        batch: None,
        waiting: SortedMap::new(),
        checked: f64::NEG_INFINITY,
        told: SortedSet::new(),
        replacements: 0,
        agreement: Agreement::new(Part::Provisioning),
    };
    let taint = disrupted_taint(&shadow.worlds.profile).key;
    shadow.commands = commands(recording, &taint).into_iter().map(|own| own.t).collect();
    let mut heard = Heard::default();
    for line in &recording.lines {
        let Entry::Object(object) = &line.entry else {
            continue;
        };
        if shadow
            .batch
            .as_ref()
            .is_some_and(|batch| line.t > batch.t + TOGETHER)
        {
            shadow.judge();
        }
        if new_claim(&line.entry).is_some() {
            let states = &shadow.lately.states;
            let batch = shadow.batch.get_or_insert_with(|| Batch {
                t: line.t,
                states: states.iter().filter(|state| state.0 <= line.t).cloned().collect(),
                claims: Vec::new(),
            });
            batch.claims.push(object);
        }
        heard.apply(object);
        shadow.lately.keep(line.t, &heard, LATE);
        shadow.wait(line.t, &heard);
    }
    shadow.judge();
    if shadow.replacements > 0 {
        let note = format!(
            "{} passes are not judged and not counted: no pod was heard to wait before them, or they came with a command \
             that takes nodes away, whose replacements they are",
            shadow.replacements
        );
        shadow.agreement.notes.push(note);
    }
    let note = "what a claim asked for that went before it was launched is taken to be refused by EC2 for three minutes";
    shadow.agreement.notes.push(note.to_owned());
    shadow.agreement
}

fn new_claim(entry: &Entry) -> Option<&Object> {
    match entry {
        Entry::Object(object) if object.kind == "NodeClaim" && object.change == Change::Added => Some(object),
        _ => None,
    }
}

struct Batch<'r> {
    t: f64,
    states: Vec<(f64, Heard<'r>)>,
    claims: Vec<&'r Object>,
}

struct Shadow<'r, 's> {
    worlds: Worlds<'s>,
    /// When claims were made.
    made: Vec<f64>,
    /// When commands took nodes away.
    commands: Vec<f64>,
    lately: Lately<'r>,
    batch: Option<Batch<'r>>,
    /// Since when each pod waits.
    waiting: SortedMap<String, f64>,
    checked: f64,
    /// Sets of pods for which a divergence was told.
    told: SortedSet<Vec<String>>,
    replacements: usize,
    agreement: Agreement,
}

/// What a claim allows: its pool, its instance types, and what it was sized for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    pool: String,
    types: SortedSet<String>,
    cpu: i64,
    memory: i64,
    pods: i64,
    /// The zones it may be launched in, if it says so: told, not judged, for the types that are left go by them.
    zones: SortedSet<String>,
}

/// Whether claims ask for the same, wherever.
fn are_alike(one: &[Wanted], other: &[Wanted]) -> bool {
    let asked = |own: &Wanted| Wanted {
        zones: SortedSet::new(),
        ..own.clone()
    };
    one.iter().map(asked).eq(other.iter().map(asked))
}

impl<'r> Shadow<'r, '_> {
    fn judge(&mut self) {
        let Some(batch) = self.batch.take() else { return };
        let mut actual: Vec<Wanted> = batch.claims.iter().map(|claim| wanted(claim)).collect();
        actual.sort();
        let mut nominal: Option<(Vec<Wanted>, usize)> = None;
        for (t, state) in batch.states.iter().rev().filter(|(t, _)| *t >= batch.t - LATE) {
            let (expected, pods) = self.pass(*t, state, |expected| are_alike(expected, &actual));
            if pods == 0 {
                continue;
            }
            if are_alike(&expected, &actual) {
                self.agreement.decisions += 1;
                return;
            }
            nominal.get_or_insert((expected, pods));
        }
        let replaces = self.commands.iter().any(|t| (t - batch.t).abs() <= TOGETHER);
        let Some((expected, pods)) = nominal.filter(|_| !replaces) else {
            self.replacements += 1;
            return;
        };
        self.agreement.decisions += 1;
        self.agreement.divergences.push(Divergence {
            t: batch.t,
            object: names(&batch.claims),
            expected: describe(&expected, &actual),
            actual: describe(&actual, &expected),
            inputs: format!("{pods} pods that wait"),
        });
    }

    /// A pass on a state: the claims that it makes, and how many pods waited. Where domains tie Karpenter takes one by
    /// chance: of what some draws make, the first that is fitting, or else the first.
    fn pass(
        &mut self,
        t: f64,
        heard: &Heard<'r>,
        is_fitting: impl Fn(&[Wanted]) -> bool,
    ) -> (Vec<Wanted>, usize) {
        let now = instant(t);
        let world = self.worlds.make(heard, now);
        let pods: Vec<_> = world
            .api
            .pods
            .iter()
            .filter(|(_, own)| pod::is_provisionable(own) && pod::validate(own).is_ok())
            .map(|(id, _)| id)
            .collect();
        if pods.is_empty() {
            return (Vec::new(), 0);
        }
        let settings = self.worlds.scenario.config.karpenter;
        // One window and one pass; the next retry would look at claims that are not there.
        let span = settings.batch_idle_duration + Duration::from_secs(8);
        let draw = |seed: u64| {
            let mut provisioner = Provisioner::new(self.worlds.profile, settings, &Streams::new(seed));
            let inputs = pods.iter().map(|pod| Input::PodChanged(*pod)).collect();
            claims(drive(&mut provisioner, now, inputs, world.view(), span), &world)
        };
        let first = draw(0);
        let fitting = if is_fitting(&first) {
            None
        } else {
            (1..DRAWS).map(draw).find(|drawn| is_fitting(drawn))
        };
        (fitting.unwrap_or(first), pods.len())
    }

    /// Pods that wait although the model would make room for them.
    fn wait(&mut self, t: f64, heard: &Heard<'r>) {
        let waits = |own: &&Object| {
            own.text("/spec/nodeName").is_empty()
                && own.is_active()
                && own
                    .condition("PodScheduled")
                    .is_some_and(|(status, _)| status == "False")
        };
        let names: Vec<String> = heard
            .kind("Pod")
            .filter(waits)
            .map(|own| format!("{}/{}", own.namespace, own.name))
            .collect();
        self.waiting.retain(|name, _| names.contains(name));
        for name in names {
            self.waiting.entry(name).or_insert(t);
        }
        let long: Vec<String> = self
            .waiting
            .iter()
            .filter(|(_, since)| **since <= t - PATIENCE)
            .map(|(name, _)| name.clone())
            .collect();
        let quiet = !self.made.iter().any(|made| (made - t).abs() <= PATIENCE);
        if long.is_empty() || !quiet || t < self.checked + PATIENCE {
            return;
        }
        self.checked = t;
        let (expected, pods) = self.pass(t, heard, |_| true);
        if !expected.is_empty() && self.told.insert(long) {
            self.agreement.decisions += 1;
            self.agreement.divergences.push(Divergence {
                t,
                object: format!("{} pods", self.waiting.len()),
                expected: describe(&expected, &[]),
                actual: "no claim".into(),
                inputs: format!("{pods} pods that wait"),
            });
        }
    }
}

fn claims(asked: Vec<Output>, world: &World) -> Vec<Wanted> {
    let mut found: Vec<Wanted> = asked
        .into_iter()
        .filter_map(|output| match output {
            Output::CreateNodeClaim(claim, _) => Some(claim),
            _ => None,
        })
        .map(|claim| Wanted {
            pool: world
                .pools
                .get(claim.pool)
                .map_or(String::new(), |pool| pool.name.to_string()),
            types: claim.instance_types.iter().map(ToString::to_string).collect(),
            cpu: claim.requests.cpu.0,
            memory: claim.requests.memory.0,
            pods: claim.requests.pods,
            zones: claim
                .requirements
                .get(labels::ZONE)
                .map(|own| own.values().iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        })
        .collect();
    found.sort();
    found
}

fn wanted(claim: &Object) -> Wanted {
    let requests = read::resources(claim.object.pointer("/spec/resources/requests"));
    Wanted {
        pool: claim.label(labels::NODE_POOL).unwrap_or("").to_owned(),
        types: read::instance_types(claim)
            .iter()
            .map(ToString::to_string)
            .collect(),
        cpu: requests.cpu.0,
        memory: requests.memory.0,
        pods: requests.pods,
        zones: read::required(claim, labels::ZONE).map(str::to_owned).collect(),
    }
}

fn names(claims: &[&Object]) -> String {
    claims
        .iter()
        .map(|claim| claim.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Claims in words, and the instance types that the others have not.
fn describe(claims: &[Wanted], others: &[Wanted]) -> String {
    if claims.is_empty() {
        return "no claim".to_owned();
    }
    let one = |(n, own): (usize, &Wanted)| {
        let mut text = format!(
            "{} for {} pods, {}m CPU, {} MiB, {} types",
            own.pool,
            own.pods,
            own.cpu,
            own.memory >> 20,
            own.types.len()
        );
        if !own.zones.is_empty() {
            let zones: Vec<&str> = own.zones.iter().map(String::as_str).collect();
            text.push_str(&format!(" in {}", zones.join(" or ")));
        }
        if let Some(other) = others.get(n) {
            let only: Vec<&str> = own
                .types
                .difference(&other.types)
                .map(String::as_str)
                .take(5)
                .collect();
            if !only.is_empty() {
                text.push_str(&format!(" ({} only here)", only.join(" ")));
            }
        }
        text
    };
    claims.iter().enumerate().map(one).collect::<Vec<_>>().join("; ")
}
