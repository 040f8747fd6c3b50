//! The disruption controller's shadow: which nodes went, and which would have gone.
//!
//! A command shows by the condition `DisruptionReason` of its claims, or by Karpenter's taint on nodes whose claims are
//! not deleted yet. Releases that have no such condition show the deletion alone; there, claims that went for
//! another reason (an interruption, a person) are found as a divergence. The shadow lets the
//! controller look at the cluster as it was at each second of the half minute before: a command stands for fifteen
//! seconds before it is carried out. Where the model would take nodes away at every look for six minutes,
//! and nothing happens, that is told too: a controller that found nothing to do rests for five minutes unless the cluster
//! changes, and what changed it in its eyes is not all recorded. Between candidates that are equal chance decides, so nodes of the same type with as
//! many pods are as good.

use std::time::Duration;

use model::id::NodeClaimId;
use model::karpenter::disruption::{Decision, Disruption, Event, Input, Output, disrupted_taint};
use model::scenario::Scenario;
use sim::{SortedMap, SortedSet, Streams};

use super::world::{Lately, World, Worlds, drive};
use super::{Agreement, Divergence, Part};
use crate::curves::instant;
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
/// Of candidates that save as much for as much disruption, whatever their types, chance takes one: so many orders are tried.
const ORDERS: u64 = 6;
/// So many nodes at most are taken to be meant for pods.
const MEANT: usize = 3;
/// What a controller should have done for so long, it should have done, seconds: it rests five minutes at most, and a
/// command stands.
const PATIENCE: f64 = 345.0;

pub(super) fn shadow(recording: &Recording, scenario: &Scenario) -> Agreement {
    let mut shadow = Shadow {
        worlds: Worlds::new(recording, scenario),
        agreement: Agreement::new(Part::Consolidation),
        meant: 0,
    };
    let taint = disrupted_taint(&shadow.worlds.profile).key;
    let commands = commands(recording, &taint);
    let window = scenario.config.karpenter.nomination_window().as_secs_f64();
    let mut lately = Lately::default();
    let mut heard = Heard::default();
    let mut next = commands.iter().peekable();
    let mut look = PERIOD;
    let mut open: SortedMap<Vec<(String, usize)>, Open> = SortedMap::new();
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
            if busy(look) || !has_claims(&heard) {
                open.clear();
            } else {
                shadow.miss(look, &lately, &mut open);
            }
            look += PERIOD;
        }
        heard.apply(object);
        lately.keep(line.t, &heard, f64::from(LATE) + window);
    }
    for note in [
        "for nodes that should have gone it is not looked within 45 s of a command, and they must be so for six minutes",
        "what a claim asked for that went before it was launched is taken to be refused by EC2",
    ] {
        shadow.agreement.notes.push(note.to_owned());
    }
    if shadow.meant > 0 {
        let note = format!(
            "{} commands agree if other nodes were meant for pods that were to be placed just then, which is not recorded",
            shadow.meant
        );
        shadow.agreement.notes.push(note);
    }
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
pub(super) struct Command {
    pub(super) t: f64,
    claims: SortedSet<String>,
}

pub(super) fn commands(recording: &Recording, taint: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut heard = Heard::default();
    // A command that failed lets go of its nodes, and another may take them.
    let mut held: SortedSet<&str> = SortedSet::new();
    let has_reason =
        |entry: &Entry| matches!(entry, Entry::Object(own) if own.condition("DisruptionReason").is_some());
    let reasons = recording.lines.iter().any(|line| has_reason(&line.entry));
    for line in &recording.lines {
        let Entry::Object(object) = &line.entry else {
            continue;
        };
        heard.apply(object);
        let (claim, node) = match object.kind.as_str() {
            "NodeClaim" => (Some(object), node_of(&heard, object)),
            "Node" => (claim_of(&heard, object), Some(object)),
            _ => continue,
        };
        let Some(claim) = claim else { continue };
        // A claim that is deleted first was not a command's: its node is tainted by its own end.
        let tainted = node.is_some_and(|node| node.has_taint(taint));
        let taken = match object.kind.as_str() {
            "NodeClaim" => object.is("DisruptionReason") || (!reasons && object.is_deleting()),
            _ => tainted && !claim.is_deleting(),
        };
        if !taken {
            if !tainted && !claim.is("DisruptionReason") {
                held.remove(claim.uid.as_str());
            }
            continue;
        }
        if !held.insert(&claim.uid) {
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

fn claim_of<'r>(heard: &Heard<'r>, node: &Object) -> Option<&'r Object> {
    let machine = node.text("/spec/providerID");
    heard
        .kind("NodeClaim")
        .find(|claim| !machine.is_empty() && claim.text("/status/providerID") == machine)
}

fn node_of<'r>(heard: &Heard<'r>, claim: &Object) -> Option<&'r Object> {
    let machine = claim.text("/status/providerID");
    heard
        .kind("Node")
        .find(|node| !machine.is_empty() && node.text("/spec/providerID") == machine)
}

struct Shadow<'s> {
    worlds: Worlds<'s>,
    agreement: Agreement,
    /// Commands that are explained if pods were meant for other nodes.
    meant: usize,
}

/// What the model would do and the controller did not.
struct Open {
    since: f64,
    told: bool,
}

/// A proposal: the nodes' claims, and what they are like.
struct Proposal {
    claims: SortedSet<String>,
    like: Vec<(String, usize)>,
    words: String,
}

impl Shadow<'_> {
    fn judge(&mut self, command: &Command, lately: &Lately<'_>) {
        self.agreement.decisions += 1;
        let mut nominal: Option<String> = None;
        let seconds = [15, 16, 17, 14].into_iter().chain(0..LATE);
        let seconds = seconds.map(|offset| command.t - 0.02 - f64::from(offset));
        // What was decided between two changes a moment apart, no whole second tells: those near to when it was, first.
        let mut changes: Vec<f64> = lately
            .states
            .iter()
            .map(|state| state.0)
            .filter(|t| *t < command.t && *t > command.t - f64::from(LATE))
            .collect();
        let far = |t: &f64| (command.t - STANDS - t).abs();
        changes.sort_by(|a, b| far(a).total_cmp(&far(b)));
        let moments: Vec<f64> = seconds.chain(changes).collect();
        let orders = |order: u64| moments.iter().map(move |t| (order, *t));
        for (order, t) in (0..ORDERS).flat_map(orders) {
            let Some(heard) = lately.at(t) else { continue };
            let nobody = SortedSet::new();
            let (proposals, actual) = self.look(t, heard, Some(&command.claims), order, &nobody);
            for proposal in proposals {
                if proposal.explains(command, actual.as_ref()) {
                    return;
                }
                nominal.get_or_insert(proposal.words);
            }
        }
        // Perhaps those that would have gone first were meant for pods that were about to move.
        let window = self.worlds.scenario.config.karpenter.nomination_window();
        for &t in moments
            .iter()
            .filter(|t| were_placed(lately, **t, window.as_secs_f64()))
        {
            let Some(heard) = lately.at(t) else { continue };
            let mut meant = SortedSet::new();
            for _ in 0..MEANT {
                let (proposals, actual) = self.look(t, heard, Some(&command.claims), 0, &meant);
                if proposals.iter().any(|own| own.explains(command, actual.as_ref())) {
                    self.meant += 1;
                    return;
                }
                meant.extend(proposals.into_iter().flat_map(|own| own.claims));
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

    /// Whether nodes would go at `t`, and would have gone at every look for a while.
    fn miss(&mut self, t: f64, lately: &Lately<'_>, open: &mut SortedMap<Vec<(String, usize)>, Open>) {
        let Some(now) = lately.at(t) else { return };
        let (found, _) = self.look(t, now, None, 0, &SortedSet::new());
        open.retain(|like, _| found.iter().any(|own| own.like == *like));
        for proposal in found {
            let own = open.entry(proposal.like).or_insert(Open {
                since: t,
                told: false,
            });
            if t - own.since >= PATIENCE && !std::mem::replace(&mut own.told, true) {
                let names: Vec<String> = proposal.claims.into_iter().collect();
                self.agreement.decisions += 1;
                self.agreement.divergences.push(Divergence {
                    t,
                    object: names.join(", "),
                    expected: proposal.words,
                    actual: "no node went".into(),
                    inputs: format!("the cluster of the last {PATIENCE:.0} s"),
                });
            }
        }
    }

    /// What the controller proposes at a moment, by one order of candidates; and what `actual` claims are like then.
    fn look(
        &mut self,
        t: f64,
        heard: &Heard<'_>,
        actual: Option<&SortedSet<String>>,
        order: u64,
        meant: &SortedSet<String>,
    ) -> (Vec<Proposal>, Option<Vec<(String, usize)>>) {
        let now = instant(t);
        let mut world = self.worlds.make(heard, now);
        world.nominate(meant, now + Duration::from_secs(1));
        let config = &self.worlds.scenario.config;
        // Budgets have schedules: they go by the recording's own clock.
        let disruption = model::karpenter::disruption::Config {
            epoch: self.worlds.epoch_seconds(),
            ..config.disruption
        };
        let streams = Streams::new(order);
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

impl Proposal {
    /// Whether a command is this, or takes nodes that are as good.
    fn explains(&self, command: &Command, like: Option<&Vec<(String, usize)>>) -> bool {
        self.claims == command.claims || like == Some(&self.like)
    }
}

/// Whether pods were to be placed in the seconds before `t`: those without a node, and those whose node was going.
fn were_placed(lately: &Lately<'_>, t: f64, seconds: f64) -> bool {
    let places = |heard: &Heard<'_>| {
        let going: SortedSet<&str> = heard
            .kind("NodeClaim")
            .filter(|claim| claim.is_deleting() || claim.is("DisruptionReason"))
            .map(|claim| claim.text("/status/nodeName"))
            .collect();
        heard.kind("Pod").any(|pod| {
            let node = pod.text("/spec/nodeName");
            let of_daemons = matches!(pod.owner(), Some(("DaemonSet", _)));
            !of_daemons && pod.is_active() && (node.is_empty() || going.contains(node))
        })
    };
    let states = lately.states.iter().filter(|state| state.0 <= t);
    let old = states.clone().filter(|state| state.0 < t - seconds).count();
    states.skip(old.saturating_sub(1)).any(|state| places(&state.1))
}

fn proposal(decision: &Decision, world: &World) -> Proposal {
    let names = decision.candidates.iter().filter_map(|id| world.claims.get(*id));
    let claims: SortedSet<String> = names.map(|claim| claim.name.clone()).collect();
    let like = like(decision.candidates.iter().copied(), world);
    let mut types: SortedMap<&str, usize> = SortedMap::new();
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
