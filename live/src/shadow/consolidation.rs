//! The disruption controller's shadow: which nodes went, and which would have gone.
//!
//! A command shows by the condition `DisruptionReason` of its claims, or by Karpenter's taint on nodes whose claims are
//! not deleted yet. Releases that have no such condition show the deletion alone; there, claims that went for
//! another reason (an interruption, a person) are found as a divergence. The shadow lets the
//! controller look at the cluster as it was at each second of the half minute before: a command stands for fifteen
//! seconds before it is carried out. Where the model would take nodes away, now and fifteen seconds later, and
//! nothing happens, that is told too. Between candidates that are equal chance decides, so nodes of the same type with as
//! many pods are as good.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::id::NodeClaimId;
use model::karpenter::disruption::{Decision, Disruption, Event, Input, Output, disrupted_taint};
use model::scenario::Scenario;
use serde_json::Value;
use sim::Streams;

use super::world::{Lately, World, Worlds, at, drive};
use super::{Agreement, Divergence, Part};
use crate::heard::Heard;
use crate::recording::{Entry, Object, Recording};

/// A command is carried out no later than this after what it was made of, seconds.
const LATE: u32 = 32;
/// Commands of one pass show within this, seconds.
const TOGETHER: f64 = 1.0;
/// How often it is looked for nodes that should go, seconds.
const PERIOD: f64 = 10.0;
/// How long a command has to stand, seconds.
const STANDS: f64 = 15.0;

pub(super) fn shadow(recording: &Recording, scenario: &Scenario) -> Agreement {
    let mut shadow = Shadow {
        worlds: Worlds::new(recording, scenario),
        agreement: Agreement::new(Part::Consolidation),
    };
    let taint = disrupted_taint(&shadow.worlds.profile).key;
    let commands = commands(recording, &taint);
    let mut lately = Lately::default();
    let mut heard = Heard::default();
    let mut next = commands.iter().peekable();
    let mut look = PERIOD;
    let mut told: BTreeSet<Vec<String>> = BTreeSet::new();
    let busy = |t: f64| {
        commands
            .iter()
            .any(|command| command.t > t - 3.0 * STANDS && command.t < t + 3.0 * STANDS)
    };
    for line in &recording.lines {
        let Entry::Object(object) = &line.entry else {
            continue;
        };
        while next.peek().is_some_and(|command| command.t <= line.t) {
            if let Some(command) = next.next() {
                shadow.judge(command, &lately);
            }
        }
        while look < line.t {
            // Both looks must find the same, or it is nothing that would have stood.
            if !busy(look) && has_claims(&heard) {
                shadow.miss(look, &lately, &mut told);
            }
            look += PERIOD;
        }
        heard.apply(object);
        lately.keep(line.t, &heard, f64::from(LATE) + STANDS);
    }
    let note = "for nodes that should have gone it is not looked within 45 s of a command; nominations are not recorded";
    shadow.agreement.notes.push(note.to_owned());
    if commands.is_empty() {
        shadow
            .agreement
            .notes
            .push("no node was taken away by a command in the recording".to_owned());
    }
    shadow.agreement
}

fn has_claims(heard: &Heard<'_>) -> bool {
    heard.kind("NodeClaim").next().is_some()
}

/// Nodes that a command took away, by claim.
struct Command {
    t: f64,
    claims: BTreeSet<String>,
}

fn commands(recording: &Recording, taint: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut heard = Heard::default();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let has_reason =
        |entry: &Entry| matches!(entry, Entry::Object(own) if own.condition("DisruptionReason").is_some());
    let reasons = recording.lines.iter().any(|line| has_reason(&line.entry));
    for line in &recording.lines {
        let Entry::Object(object) = &line.entry else {
            continue;
        };
        heard.apply(object);
        let claim = match object.kind.as_str() {
            "NodeClaim" if object.is("DisruptionReason") => Some(object),
            "NodeClaim" if !reasons && object.is_deleting() => Some(object),
            // A claim that is deleted first was not a command's: its node is tainted by its own end.
            "Node" if has_taint(object, taint) => {
                claim_of(&heard, object).filter(|claim| !claim.is_deleting())
            }
            _ => None,
        };
        let Some(claim) = claim else { continue };
        if !seen.insert(&claim.uid) {
            continue;
        }
        match commands.last_mut() {
            Some(last) if line.t <= last.t + TOGETHER => {
                last.claims.insert(claim.name.clone());
            }
            _ => commands.push(Command {
                t: line.t,
                claims: [claim.name.clone()].into(),
            }),
        }
    }
    commands
}

fn has_taint(node: &Object, taint: &str) -> bool {
    let taints = node.object.pointer("/spec/taints").and_then(Value::as_array);
    taints.into_iter().flatten().any(|own| own["key"] == *taint)
}

fn claim_of<'r>(heard: &Heard<'r>, node: &Object) -> Option<&'r Object> {
    let machine = node.text("/spec/providerID");
    heard
        .kind("NodeClaim")
        .find(|claim| !machine.is_empty() && claim.text("/status/providerID") == machine)
}

struct Shadow<'s> {
    worlds: Worlds<'s>,
    agreement: Agreement,
}

/// A proposal: the nodes' claims, and what they are like.
struct Proposal {
    claims: BTreeSet<String>,
    like: Vec<(String, usize)>,
    words: String,
}

impl Shadow<'_> {
    fn judge(&mut self, command: &Command, lately: &Lately<'_>) {
        self.agreement.decisions += 1;
        let mut nominal: Option<String> = None;
        let offsets = [15, 16, 17, 14].into_iter().chain(0..LATE);
        for offset in offsets {
            let t = command.t - 0.02 - f64::from(offset);
            let Some(state) = lately.states.iter().rev().find(|state| state.0 <= t) else {
                continue;
            };
            let (proposals, actual) = self.look(t, &state.1, Some(&command.claims));
            for proposal in proposals {
                if proposal.claims == command.claims
                    || actual.as_ref().is_some_and(|like| *like == proposal.like)
                {
                    return;
                }
                nominal.get_or_insert(proposal.words);
            }
        }
        self.agreement.divergences.push(Divergence {
            t: command.t,
            object: command.claims.iter().cloned().collect::<Vec<_>>().join(", "),
            expected: nominal.unwrap_or_else(|| "no node goes".to_owned()),
            actual: format!("{} go", count(command.claims.len())),
            inputs: "the cluster in the half minute before".into(),
        });
    }

    /// Whether nodes would go at `t`, and had done so for as long as a command must stand.
    fn miss(&mut self, t: f64, lately: &Lately<'_>, told: &mut BTreeSet<Vec<String>>) {
        let state = |t: f64| lately.states.iter().rev().find(|state| state.0 <= t);
        let Some((_, now)) = state(t) else { return };
        let (found, _) = self.look(t, now, None);
        if found.is_empty() {
            return;
        }
        let Some((_, before)) = state(t - 2.0 * STANDS) else {
            return;
        };
        let (before, _) = self.look(t - 2.0 * STANDS, before, None);
        for proposal in found {
            let stood = before
                .iter()
                .any(|own| own.claims == proposal.claims || own.like == proposal.like);
            let names: Vec<String> = proposal.claims.iter().cloned().collect();
            if stood && told.insert(names.clone()) {
                self.agreement.decisions += 1;
                self.agreement.divergences.push(Divergence {
                    t,
                    object: names.join(", "),
                    expected: proposal.words,
                    actual: "no node went".into(),
                    inputs: "the cluster, now and half a minute before".into(),
                });
            }
        }
    }

    /// What the controller proposes at a moment; and what `actual` claims are like then.
    fn look(
        &mut self,
        t: f64,
        heard: &Heard<'_>,
        actual: Option<&BTreeSet<String>>,
    ) -> (Vec<Proposal>, Option<Vec<(String, usize)>>) {
        let now = at(t);
        let world = self.worlds.make(heard, now);
        let config = &self.worlds.scenario.config;
        // Budgets have schedules: they go by the recording's own clock.
        let disruption = model::karpenter::disruption::Config {
            epoch: self.worlds.epoch_seconds(),
            ..config.disruption
        };
        let streams = Streams::new(0);
        let mut controller = Disruption::new(self.worlds.profile, config.karpenter, disruption, &streams);
        let asked = drive(
            &mut controller,
            now,
            vec![Input::Poll],
            world.view(),
            Duration::from_secs(5),
        );
        let decisions = asked.into_iter().filter_map(|output| match output {
            Output::Publish(Event::Proposed(decision) | Event::Started(decision)) => Some(decision),
            _ => None,
        });
        let proposals = decisions.map(|decision| proposal(&decision, &world)).collect();
        let like = actual.map(|names| {
            let ids = world
                .claims
                .iter()
                .filter(|(_, claim)| names.contains(&claim.name))
                .map(|(id, _)| id);
            like(ids, &world)
        });
        (proposals, like)
    }
}

fn proposal(decision: &Decision, world: &World) -> Proposal {
    let names = decision.candidates.iter().filter_map(|id| world.claims.get(*id));
    let claims: BTreeSet<String> = names.map(|claim| claim.name.clone()).collect();
    let like = like(decision.candidates.iter().copied(), world);
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    like.iter()
        .for_each(|(name, _)| *types.entry(name).or_default() += 1);
    let types: Vec<String> = types
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let replaced = match decision.replacements.len() {
        0 => String::new(),
        n => format!(", {n} come instead"),
    };
    Proposal {
        words: format!(
            "{} go by {} ({}){replaced}",
            count(claims.len()),
            decision.method.as_str(),
            types.join(", ")
        ),
        claims,
        like,
    }
}

/// Instance type and number of pods of claims, sorted.
fn like(claims: impl Iterator<Item = NodeClaimId>, world: &World) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = claims
        .filter_map(|id| {
            let node = world.claims.get(id)?.node?;
            let own = world.api.nodes.get(node)?;
            Some((own.instance_type().to_owned(), world.api.pods_on(node).len()))
        })
        .collect();
    found.sort();
    found
}

fn count(nodes: usize) -> String {
    format!("{nodes} node{}", if nodes == 1 { "" } else { "s" })
}
