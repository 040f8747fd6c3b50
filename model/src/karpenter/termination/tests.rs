//! Drains, step by step and as a whole.

use std::sync::Arc;
use std::time::Duration;

use sim::{Agenda, Component, Instant, Outbox};

use super::*;
use crate::api::{Deletion, Owner, Phase, Toleration};
use crate::id::DaemonSetId;
use crate::karpenter::fixture::{World, owned, template};

const A: &str = "0.32.4";
const B: &str = "1.5.0";
const C: &str = "1.14.1";

fn profile(version: &str) -> Profile {
    Profile::of(version.parse().expect("a release"))
}

/// The terminator, the world, and what has happened. Pods end when their grace is over.
struct Run {
    world: World,
    terminator: Terminator,
    agenda: Agenda<Input>,
    outputs: Vec<(Instant, Output)>,
    /// How long a machine takes to end, and which one ends when.
    shutdown: Duration,
    ends: Option<Instant>,
    ended: bool,
}

impl Run {
    fn new(version: &str, world: World) -> Self {
        Run {
            world,
            terminator: Terminator::new(
                profile(version),
                Config {
                    eviction_call: Duration::ZERO,
                },
            ),
            agenda: Agenda::new(),
            outputs: Vec::new(),
            shutdown: Duration::from_secs(12),
            ends: None,
            ended: false,
        }
    }

    fn hear(&mut self, now: Instant, input: Input) {
        let ends = self.ends;
        let ended = self.ended;
        let machine = move |_| match ends {
            _ if ended => Machine::Gone,
            None => Machine::Running,
            Some(at) if now < at => Machine::ShuttingDown,
            Some(_) => Machine::Gone,
        };
        let mut out = Outbox::new();
        let view = View {
            api: &self.world.api,
            claims: &self.world.claims,
            machine: &machine,
        };
        self.terminator.handle(now, input, view, &mut out);
        for action in out.drain() {
            match action {
                sim::Action::WakeAt(at, input) => self.agenda.at(at, input),
                sim::Action::Emit(output) => self.perform(now, output),
            }
        }
    }

    fn perform(&mut self, now: Instant, output: Output) {
        let end = |pod: &mut crate::api::Pod, grace| {
            let grace = pod.deletion.map_or(grace, |own| own.grace.min(grace));
            let at = pod.deletion.map_or(now, |own| own.at);
            pod.deletion = Some(Deletion { at, grace });
        };
        match &output {
            Output::DeleteNode(id) => {
                self.world.api.nodes.get_mut(*id).unwrap().deleting = Some(now);
                self.agenda.at(now, Input::NodeChanged(*id));
            }
            Output::DeleteNodeClaim(id) => {
                self.world.claims.get_mut(*id).unwrap().deleting = Some(now);
                self.agenda.at(now, Input::ClaimChanged(*id));
            }
            Output::TaintNode(_) | Output::Publish(_) => {}
            Output::EvictPod(id) => {
                let pod = self.world.api.pods.get_mut(*id).unwrap();
                let grace = pod.spec().termination_grace;
                end(pod, grace);
            }
            Output::DeletePod(id, grace) => end(self.world.api.pods.get_mut(*id).unwrap(), *grace),
            Output::SetCondition(id, name, status) => {
                let claim = self.world.claims.get_mut(*id).unwrap();
                claim.conditions.set(*name, *status, now);
            }
            Output::TerminateInstance(_) => {
                self.ends.get_or_insert(now + self.shutdown);
            }
            Output::RemoveNode(id) => {
                self.world.api.nodes.remove(*id);
                self.agenda.at(now, Input::NodeChanged(*id));
            }
            Output::RemoveClaim(id) => {
                self.world.claims.remove(*id);
                self.agenda.at(now, Input::ClaimChanged(*id));
            }
        }
        self.outputs.push((now, output));
    }

    /// Deletes a claim at time zero and lets time pass up to and with a second; pods that are over end.
    fn run(&mut self, claim: NodeClaimId, second: u64) {
        if self
            .world
            .claims
            .get(claim)
            .is_some_and(|own| own.deleting.is_none())
        {
            self.perform(Instant::ZERO, Output::DeleteNodeClaim(claim));
        }
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(second))
        {
            let (now, input) = self.agenda.pop().unwrap();
            let over = |pod: &crate::api::Pod| pod.deletion.is_some_and(|own| own.at + own.grace <= now);
            let ids: Vec<PodId> = self
                .world
                .api
                .pods
                .iter()
                .filter(|(_, pod)| over(pod))
                .map(|(id, _)| id)
                .collect();
            ids.into_iter().for_each(|id| drop(self.world.api.remove_pod(id)));
            self.hear(now, input);
        }
    }

    fn when(&self, which: impl Fn(&Output) -> bool) -> Option<f64> {
        self.outputs
            .iter()
            .find(|(_, output)| which(output))
            .map(|(at, _)| at.as_secs_f64())
    }

    fn evictions(&self) -> Vec<(f64, PodId)> {
        let of = |(at, output): &(Instant, Output)| match output {
            Output::EvictPod(id) => Some((at.as_secs_f64(), *id)),
            _ => None,
        };
        self.outputs.iter().filter_map(of).collect()
    }
}

fn is_terminate(output: &Output) -> bool {
    matches!(output, Output::TerminateInstance(_))
}

fn is_node_removal(output: &Output) -> bool {
    matches!(output, Output::RemoveNode(_))
}

fn is_claim_removal(output: &Output) -> bool {
    matches!(output, Output::RemoveClaim(_))
}

fn world() -> (World, NodeClaimId) {
    let mut world = World::new(&[8]);
    let claim = world.add_node(8, "on-demand");
    (world, claim)
}

// Reference karpenter.md T1, T5: an empty node is terminated at once, from v1.10 on after 5 s; v1 then asks
// every 5 s until the machine is gone (here after 12 s), before that nobody waits for it.
#[test]
fn an_empty_node_ends() {
    for (version, terminated, gone) in [(A, 0.0, 0.0), (B, 0.0, 15.0), (C, 5.0, 20.0)] {
        let (world, claim) = world();
        let mut run = Run::new(version, world);
        run.run(claim, 60);
        assert_eq!(run.when(is_terminate), Some(terminated), "{version}");
        assert_eq!(run.when(is_node_removal), Some(gone), "{version}");
        assert_eq!(run.when(is_claim_removal), Some(gone), "{version}");
    }
}

// T3, T4: pods are evicted and waited for; the drain is looked at every second.
#[test]
fn pods_are_evicted_and_waited_for() {
    for version in [A, B, C] {
        let (mut world, claim) = world();
        let pod = world.add_pod(claim, 100);
        let mut run = Run::new(version, world);
        run.run(claim, 60);
        assert_eq!(run.evictions(), [(0.0, pod)], "{version}");
        assert_eq!(run.when(is_terminate), Some(30.0), "{version}");
    }
}

// T2: less critical pods first, those of DaemonSets after others of their kind. v0.32 goes on when the former
// group is on its way, later releases when it is gone.
#[test]
fn groups_have_their_turns() {
    for (version, expected) in [(A, [0.0, 1.0, 2.0, 3.0]), (C, [0.0, 30.0, 60.0, 90.0])] {
        let (mut world, claim) = world();
        let mut add = |class: &str, owner| {
            let mut own = template(100, "web");
            own.spec.priority_class = class.to_owned();
            world.add_pod_like(Some(claim), Arc::new(own), owner)
        };
        let daemon = Owner::DaemonSet(DaemonSetId(0));
        let pods = [
            add("", owned()),
            add("", daemon),
            add("system-cluster-critical", owned()),
            add("system-node-critical", daemon),
        ];
        let mut run = Run::new(version, world);
        run.run(claim, 200);
        let expected: Vec<(f64, PodId)> = expected.into_iter().zip(pods).collect();
        assert_eq!(run.evictions(), expected, "{version}");
    }
}

// T3: what puts up with the taint, has ended, or does not end, holds nothing up.
#[test]
fn some_pods_are_not_waited_for() {
    let check = |version: &str, change: fn(&mut crate::api::Pod), now: u64, waited: bool| {
        let (mut world, claim) = world();
        let id = world.add_pod(claim, 100);
        let own = world.api.pods.get_mut(id).unwrap();
        change(own);
        let own = world.api.pods.get(id).unwrap();
        assert_eq!(
            is_waited_for(own, Instant::from_secs(now), &profile(version)),
            waited,
            "{version}"
        );
    };
    let tolerant = |own: &mut crate::api::Pod| {
        Arc::make_mut(&mut own.template)
            .spec
            .tolerations
            .push(Toleration {
                key: "karpenter.sh/disrupted".to_owned(),
                value: None,
                effect: None,
                seconds: None,
            });
    };
    let stuck = |own: &mut crate::api::Pod| {
        own.deletion = Some(Deletion {
            at: Instant::ZERO,
            grace: Duration::from_secs(30),
        });
    };
    check(C, |_| {}, 0, true);
    check(C, tolerant, 0, false);
    // The taint had another key.
    check(A, tolerant, 0, true);
    check(C, |own| own.phase = Phase::Succeeded, 0, false);
    check(C, stuck, 90, true);
    check(C, stuck, 91, false);
}

// T3: an annotation makes v1 wait, for ever if need be; v0.32 evicts all the same.
#[test]
fn annotated_pods_are_awaited() {
    for (version, evicted) in [(A, true), (B, false), (C, false)] {
        let (mut world, claim) = world();
        let mut own = template(100, "web");
        own.annotations
            .insert(labels::DO_NOT_DISRUPT.to_owned(), "true".to_owned());
        let pod = world.add_pod_like(Some(claim), Arc::new(own), owned());
        let mut run = Run::new(version, world);
        run.run(claim, 3600);
        assert_eq!(!run.evictions().is_empty(), evicted, "{version}");
        assert_eq!(run.when(is_terminate).is_some(), evicted, "{version}");
        // What it waits for is told every two minutes.
        let told = run.outputs.iter().filter_map(|(at, output)| match output {
            Output::Publish(Event::Draining { kept, .. }) if *kept == [pod] => Some(at.as_secs()),
            _ => None,
        });
        let told: Vec<u64> = told.take(3).collect();
        let expected: &[u64] = if evicted { &[] } else { &[0, 120, 240] };
        assert_eq!(told, expected, "{version}");
    }
}

// T4: a pod that its budget keeps is asked again after 0.1, 0.2, 0.4 ... s, at most every 10 s.
#[test]
fn refused_pods_are_asked_again() {
    let (mut world, claim) = world();
    let pod = world.add_pod(claim, 100);
    world.guard();
    let mut run = Run::new(C, world);
    run.run(claim, 40);
    let told = |(at, output): &(Instant, Output)| match output {
        Output::Publish(Event::EvictionBlocked(id, name)) if *id == pod && name == "web" => {
            Some(at.as_secs_f64())
        }
        _ => None,
    };
    let asked: Vec<f64> = run.outputs.iter().filter_map(told).collect();
    assert_eq!(asked, [0.0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7, 22.7, 32.7]);
    run.world.api.pdbs.clear();
    run.run(claim, 60);
    assert_eq!(run.evictions(), [(42.7, pod)]);
}

// T7: a grace period of 100 s: a pod with 30 s of grace is deleted when 30 s are left, whatever protects it.
#[test]
fn a_grace_period_ends_all_patience() {
    for version in [B, C] {
        let (mut world, claim) = world();
        let mut own = template(100, "web");
        own.annotations
            .insert(labels::DO_NOT_DISRUPT.to_owned(), "true".to_owned());
        let pod = world.add_pod_like(Some(claim), Arc::new(own), owned());
        world.claims.get_mut(claim).unwrap().termination_grace_period = Some(Duration::from_secs(100));
        let mut run = Run::new(version, world);
        run.run(claim, 200);
        let deletion = |output: &Output| matches!(output, Output::DeletePod(id, _) if *id == pod);
        // "After" 70 s: the look at 70 s is not yet after it.
        assert_eq!(run.when(deletion), Some(71.0), "{version}");
        assert!(
            run.when(is_terminate).is_some_and(|end| end <= 101.0),
            "{version}"
        );
    }
}

// T7: a pod whose time is over goes whatever its group, and one that takes longer than the node has is told again;
// the others wait for their turn.
#[test]
fn pods_whose_time_is_over_are_deleted() {
    let seconds = Instant::from_secs;
    let (mut world, claim) = world();
    let mut daemon = template(100, "daemon");
    daemon.spec.termination_grace = Duration::from_secs(60);
    let quick = world.add_pod(claim, 100);
    let slow = world.add_pod_like(Some(claim), Arc::new(daemon), Owner::DaemonSet(DaemonSetId(0)));
    for (version, deletion, deleted) in [
        (C, None, true),
        // Gone by 100 s, and by 101.
        (C, Some((40, 60)), false),
        (C, Some((41, 60)), true),
        (B, Some((41, 60)), false),
    ] {
        world.api.pods.get_mut(slow).unwrap().deletion = deletion.map(|(at, grace)| Deletion {
            at: seconds(at),
            grace: Duration::from_secs(grace),
        });
        let pods = world.api.pods.iter();
        let step = step(pods, Some(seconds(100)), seconds(45), &profile(version));
        assert_eq!(step.evict, [quick], "{version} {deletion:?}");
        let expected: &[_] = if deleted {
            &[(slow, Duration::from_secs(55))]
        } else {
            &[]
        };
        assert_eq!(step.delete, expected, "{version} {deletion:?}");
        assert_eq!(step.waiting, 2);
    }
}

// T7: the grace is what the node has left; later patches leave at least a second.
#[test]
fn forced_deletions_get_what_is_left() {
    let check = |version: &str, now: u64, expected: u64| {
        let grace = forced_grace(
            Instant::from_secs(100),
            Instant::from_secs(now),
            &profile(version),
        );
        assert_eq!(grace, Duration::from_secs(expected), "{version} at {now}");
    };
    check(B, 80, 20);
    check(B, 120, 0);
    check(C, 80, 20);
    check(C, 120, 1);
}

// T6: a node that has no machine and is not ready is given up; in v0.32 it need not say that it is not.
#[test]
fn a_lost_node_is_given_up() {
    for (version, ready, given_up) in [
        (A, true, true),
        (B, true, false),
        (B, false, true),
        (C, false, true),
    ] {
        let (mut world, claim) = world();
        world.add_pod(claim, 100);
        let node = world.node_of(claim);
        world.api.nodes.get_mut(node).unwrap().ready = ready;
        let mut run = Run::new(version, world);
        run.ended = true;
        run.run(claim, 3);
        let expected = given_up.then_some(0.0);
        assert_eq!(run.when(is_node_removal), expected, "{version}");
    }
}

// A node whose machine ended while nobody looked is given up at the first look, and its claim goes when it does: the
// claim's controller watches nodes (karpenter v1.14 pkg/controllers/nodeclaim/lifecycle/controller.go `Register`).
#[test]
fn the_claim_of_a_lost_node_goes_with_it() {
    for version in [A, B, C] {
        let (mut world, claim) = world();
        world.add_pod(claim, 100);
        let node = world.node_of(claim);
        world.api.nodes.get_mut(node).unwrap().ready = false;
        world.claims.get_mut(claim).unwrap().deleting = Some(Instant::ZERO);
        world.api.nodes.get_mut(node).unwrap().deleting = Some(Instant::ZERO);
        let mut run = Run::new(version, world);
        run.ended = true;
        // What a process hears when it begins.
        run.hear(Instant::from_secs(9), Input::ClaimChanged(claim));
        run.hear(Instant::from_secs(9), Input::NodeChanged(node));
        run.run(claim, 60);
        assert_eq!(run.when(is_node_removal), Some(9.0), "{version}");
        assert_eq!(run.when(is_claim_removal), Some(9.0), "{version}");
    }
}

// A claim without node goes with its machine, one without machine at once.
#[test]
fn claims_without_nodes_end_too() {
    for (version, launched, expected) in [(A, true, 0.0), (C, true, 15.0), (C, false, 0.0)] {
        let (mut world, claim) = world();
        let node = world.node_of(claim);
        world.api.nodes.remove(node);
        let own = world.claims.get_mut(claim).unwrap();
        own.conditions = crate::karpenter::state::Conditions::default();
        own.node = None;
        own.instance = own.instance.filter(|_| launched);
        let mut run = Run::new(version, world);
        run.run(claim, 60);
        assert_eq!(run.when(is_terminate).is_some(), launched, "{version}");
        assert_eq!(run.when(is_claim_removal), Some(expected), "{version} {launched}");
    }
}

// A node that somebody deletes takes its claim with it.
#[test]
fn a_deleted_node_takes_its_claim_with_it() {
    let (mut world, claim) = world();
    let node = world.node_of(claim);
    world.api.nodes.get_mut(node).unwrap().deleting = Some(Instant::ZERO);
    let mut run = Run::new(C, world);
    run.agenda.at(Instant::ZERO, Input::NodeChanged(node));
    while let Some((now, input)) = run.agenda.pop() {
        run.hear(now, input);
    }
    assert_eq!(
        run.when(|output| *output == Output::DeleteNodeClaim(claim)),
        Some(0.0)
    );
    assert_eq!(run.when(is_claim_removal), Some(20.0));
}

// It may have its taint from the command that takes it away; the label that takes it out of load balancers is new
// (karpenter v1.14 pkg/controllers/node/termination/terminator/terminator.go `Terminator.Taint`).
#[test]
fn a_node_that_has_its_taint_is_written_once() {
    let (mut world, claim) = world();
    world.add_pod(claim, 100);
    let node = world.node_of(claim);
    let taint = crate::karpenter::disruption::disrupted_taint(&profile(C));
    world.api.nodes.get_mut(node).unwrap().taints.push(taint);
    let mut run = Run::new(C, world);
    run.run(claim, 10);
    let written: Vec<f64> = run
        .outputs
        .iter()
        .filter(|(_, output)| *output == Output::TaintNode(node))
        .map(|(at, _)| at.as_secs_f64())
        .collect();
    assert_eq!(written, [0.0]);
}
