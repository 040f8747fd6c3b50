//! The loop as a whole, and each rule by its effect.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sim::{Agenda, Component, Instant, Outbox, Streams};

use super::*;
use crate::api::{self, Budget, Deletion, IntOrPercent, LabelSelector, Owner, PodDisruptionBudget};
use crate::id::DaemonSetId;
use crate::karpenter::fixture::{World, budget, machine, owned, pool, template};
use crate::karpenter::node_pool::{ConsolidationPolicy, Nodes, Window};
use crate::karpenter::version::Version;
use crate::karpenter::{CapacityType, Requirement, Requirements};
use crate::quantity::Price;

const A: &str = "0.32.4";
const B: &str = "1.5.0";
const C: &str = "1.14.1";

/// The controller, the world, and what has happened.
struct Run {
    world: World,
    profile: Profile,
    disruption: Disruption,
    agenda: Agenda<Input>,
    outputs: Vec<(Instant, Output)>,
}

impl Run {
    fn new(version: &str, world: World) -> Self {
        Run::with(version, world, |_| {})
    }

    fn with(version: &str, world: World, set: impl Fn(&mut Config)) -> Self {
        let profile = version.parse::<Version>().expect("a version").profile();
        let mut settings = Settings::of(&profile);
        // Times are easier to read when thinking takes none.
        settings.cost.base = Duration::ZERO;
        settings.cost.per_attempt = Duration::ZERO;
        let mut config = Config::of(&profile, 0);
        set(&mut config);
        let mut run = Run {
            world,
            profile,
            disruption: Disruption::new(profile, settings, config, &Streams::new(1)),
            agenda: Agenda::new(),
            outputs: Vec::new(),
        };
        run.agenda.at(Instant::ZERO, Input::Poll);
        run
    }

    fn hear(&mut self, now: Instant, input: Input) {
        let mut out = Outbox::new();
        self.disruption.handle(now, input, self.world.view(), &mut out);
        for action in out.drain() {
            match action {
                sim::Action::WakeAt(at, input) => self.agenda.at(at, input),
                sim::Action::Emit(output) => {
                    self.world.perform(now, &output, &self.profile);
                    self.outputs.push((now, output));
                }
            }
        }
    }

    /// Tells the controller of something as it happens at `now`.
    fn tell(&mut self, now: u64, input: Input) {
        self.until(now);
        self.hear(Instant::from_secs(now), input);
    }

    /// Lets time pass, up to and with a second.
    fn until(&mut self, second: u64) -> &mut Self {
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(second))
        {
            let (now, input) = self.agenda.pop().expect("something is due");
            self.hear(now, input);
        }
        self
    }

    /// The claims that were deleted, and when.
    fn deleted(&self) -> Vec<(u64, NodeClaimId)> {
        let of = |(at, output): &(Instant, Output)| match output {
            Output::DeleteNodeClaim(id, _) => Some((at.as_secs_f64() as u64, *id)),
            _ => None,
        };
        self.outputs.iter().filter_map(of).collect()
    }

    fn created(&self) -> Vec<&NodeClaim> {
        let mut created = Vec::new();
        for (_, output) in &self.outputs {
            if let Output::CreateNodeClaim(claim, _) = output {
                created.push(&**claim);
            }
        }
        created
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.outputs.iter().filter_map(|(_, output)| match output {
            Output::Publish(event) => Some(event),
            _ => None,
        })
    }

    fn why(&self, claim: NodeClaimId) -> Option<&Unconsolidatable> {
        self.events()
            .filter_map(|event| match event {
                Event::Unconsolidatable(id, why) if *id == claim => Some(why),
                _ => None,
            })
            .last()
    }

    fn blocked(&self, claim: NodeClaimId) -> Option<&Blocked> {
        self.events()
            .filter_map(|event| match event {
                Event::Blocked(id, why) if *id == claim => Some(why),
                _ => None,
            })
            .last()
    }
}

fn seconds(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

/// Two nodes of four cpus with one pod of one cpu each: one of them can go.
fn pair() -> (World, NodeClaimId, NodeClaimId) {
    let mut world = World::on_demand(&[4]);
    let (a, b) = (world.add_node(4, "on-demand"), world.add_node(4, "on-demand"));
    world.add_pod(a, 1000);
    world.add_pod(b, 1000);
    (world, a, b)
}

// Reference karpenter.md D1, D2, D14: a pass every 10 s, 15 s of validation; no delay before the deletion.
#[test]
fn an_empty_node_goes_after_fifteen_seconds() {
    for version in [A, B, C] {
        let mut world = World::new(&[4]);
        let (_busy, idle) = (world.add_node(4, "on-demand"), world.add_node(4, "on-demand"));
        world.add_pod(NodeClaimId(0), 3500);
        let mut run = Run::new(version, world);
        run.until(14);
        assert_eq!(run.deleted(), [], "{version}");
        run.until(16);
        assert_eq!(run.deleted(), [(15, idle)], "{version}");
    }
}

// D1: what was found at the pass at 10 s goes at 25 s.
#[test]
fn passes_are_ten_seconds_apart() {
    let mut world = World::on_demand(&[4]);
    let (_busy, idle) = (world.add_node(4, "on-demand"), world.add_node(4, "on-demand"));
    world.add_pod(NodeClaimId(0), 3500);
    let pod = world.add_pod(idle, 3500);
    let mut run = Run::new(C, world);
    run.until(3);
    run.world.api.remove_pod(pod);
    run.tell(3, Input::PodChanged(pod));
    assert_eq!(run.until(30).deleted(), [(25, idle)]);
}

// D11.1: pods fit elsewhere, so the node is deleted without replacement.
#[test]
fn a_node_whose_pods_fit_elsewhere_goes() {
    for version in [A, B, C] {
        let (world, a, b) = pair();
        let mut run = Run::new(version, world);
        run.until(20);
        let deleted = run.deleted();
        assert_eq!(deleted.len(), 1, "{version}");
        assert!(deleted[0].0 == 15 && [a, b].contains(&deleted[0].1), "{version}");
        assert!(run.created().is_empty(), "{version}");
    }
}

// D11.3, D11.5: replaced by what is strictly cheaper at its worst, and by spot only, if spot may be.
#[test]
fn an_underutilized_node_is_replaced_by_something_cheaper() {
    for version in [A, B, C] {
        let mut world = World::new(&[2, 4, 8]);
        let big = world.add_node(8, "on-demand");
        world.add_pod(big, 1500);
        let mut run = Run::new(version, world);
        run.until(16);
        let created = run.created();
        assert_eq!(created.len(), 1, "{version}");
        // As spot even the same type is cheaper: 0.12 $/h instead of 0.40 $/h.
        let names: Vec<&str> = created[0].instance_types.iter().map(|name| &**name).collect();
        assert_eq!(names, ["m.2", "m.4", "m.8"], "{version}");
        let bought = created[0]
            .requirements
            .get(labels::CAPACITY_TYPE)
            .expect("a capacity type");
        assert_eq!(bought.single().map(|name| &**name), Some("spot"), "{version}");
        assert_eq!(run.deleted(), [], "{version}");
    }
}

// D19, D2: the node goes when the replacement is initialized; tainted at once, looked at every second
// (v1.5: after 1, 2, 4 ... s; v0.32: after 2, 4, 8, 10 ... s).
#[test]
fn a_replaced_node_goes_when_its_replacement_is_ready() {
    // The replacement is ready at 30 s, 15 s after it was asked for. v1.5 has looked at 15, 16, 18, 22 and
    // looks again at 30 s; v0.32 has at 15, 17, 21 and 29, and looks again at 39 s.
    for (version, expected) in [(A, 39), (B, 30), (C, 30)] {
        let mut world = World::new(&[2, 8]);
        let big = world.add_node(8, "on-demand");
        world.add_pod(big, 1500);
        let mut run = Run::new(version, world);
        run.until(29);
        let taint = disrupted_taint(&run.profile);
        let node = run.world.node_of(big);
        assert_eq!(
            run.world.api.nodes.get(node).unwrap().taints,
            [taint],
            "{version}"
        );
        assert!(run.world.state.is_marked(big), "{version}");
        let new = NodeClaimId(1);
        run.world.launch(new, 2, "spot");
        run.world.join(new, seconds(30));
        // Then the replacement, to which no pod has come, goes for being empty.
        assert_eq!(run.until(60).deleted()[0], (expected, big), "{version}");
    }
}

// D19: a replacement that vanishes gives the node back; one that does not come in ten minutes does, too.
#[test]
fn a_failed_command_gives_its_nodes_back() {
    for (version, vanishes) in [(B, true), (C, true), (B, false), (C, false)] {
        let mut world = World::new(&[2, 8]);
        let big = world.add_node(8, "on-demand");
        world.add_pod(big, 1500);
        let mut run = Run::new(version, world);
        run.until(20);
        if vanishes {
            run.world.claims.remove(NodeClaimId(1));
            run.until(30);
        } else {
            run.world.launch(NodeClaimId(1), 2, "spot");
            run.until(614);
            assert!(run.world.state.is_marked(big), "{version} for ten minutes");
            run.until(635);
        }
        assert!(!run.world.state.is_marked(big), "{version} {vanishes}");
        let node = run.world.node_of(big);
        assert_eq!(
            run.world.api.nodes.get(node).unwrap().taints,
            [],
            "{version} {vanishes}"
        );
        let expected = if vanishes {
            CommandFailure::ReplacementGone
        } else {
            CommandFailure::TimedOut
        };
        let failed = |event: &Event| matches!(event, Event::Failed(_, why) if *why == expected);
        assert!(run.events().any(failed), "{version} {vanishes}");
        assert_eq!(run.deleted(), [], "{version} {vanishes}");
    }
}

// D12: spot is not replaced by spot unless the gate is open; then by the 15 cheapest of 15 or more cheaper
// types; several nodes need no minimum.
#[test]
fn spot_is_replaced_by_spot_only_with_many_choices() {
    let check = |sizes: i64, gate: bool, expected: Result<usize, Unconsolidatable>| {
        let sizes: Vec<i64> = (1..=sizes).collect();
        let mut world = World::new(&sizes);
        let big = world.add_node(*sizes.last().unwrap(), "spot");
        world.add_pod(big, 500);
        let mut run = Run::with(C, world, |config| config.spot_to_spot = gate);
        run.until(16);
        let launched = run.created().first().map(|claim| claim.instance_types.len());
        assert_eq!(launched.ok_or(()), expected.as_ref().map_err(|_| ()).copied());
        if let Err(why) = &expected {
            assert_eq!(run.why(big), Some(why));
        }
    };
    check(20, false, Err(Unconsolidatable::SpotToSpot));
    check(15, true, Err(Unconsolidatable::TooFewSpotTypes(14)));
    check(16, true, Ok(15));
    check(20, true, Ok(15));
}

// D11.3: "strictly cheaper"; the numbers are told.
#[test]
fn nothing_is_replaced_by_what_costs_the_same() {
    let mut world = World::new(&[4]);
    let mut on_demand = pool("default");
    on_demand
        .requirements
        .add(labels::CAPACITY_TYPE, Requirement::only("on-demand"));
    *world.pools.get_mut(NodePoolId(0)).unwrap() = on_demand;
    let node = world.add_node(4, "on-demand");
    world.add_pod(node, 2000);
    let mut run = Run::new(C, world);
    run.until(20);
    let expected = Unconsolidatable::NoneCheaper {
        types: 1,
        cheapest: Some(Price(200_000)),
        price: Price(200_000),
    };
    assert_eq!(run.why(node), Some(&expected));
    let text = run.why(node).unwrap().to_string();
    assert_eq!(
        text,
        "none of 1 replacement types is cheaper than 0.2000 $/h; the cheapest may cost 0.2000 $/h"
    );
}

// D3: what keeps a node from being a candidate, release by release.
#[test]
fn nodes_that_are_no_candidates_say_why() {
    type Change = fn(&mut World, NodeClaimId);
    let annotated: Change = |world, id| {
        let pod = world.api.pods_on(world.node_of(id))[0];
        let template = &mut world.api.pods.get_mut(pod).unwrap().template;
        Arc::make_mut(template)
            .annotations
            .insert(labels::DO_NOT_DISRUPT.to_owned(), "true".to_owned());
    };
    let node_annotated: Change = |world, id| {
        let node = world.node_of(id);
        let annotations = &mut world.api.nodes.get_mut(node).unwrap().annotations;
        annotations.insert(labels::DO_NOT_DISRUPT.to_owned(), "false".to_owned());
    };
    let nominated: Change = |world, id| world.state.nominate(id, seconds(20));
    let uninitialized: Change = |world, id| {
        let node = world.node_of(id);
        Arc::make_mut(&mut world.api.nodes.get_mut(node).unwrap().labels).remove(labels::INITIALIZED);
    };
    let guarded: Change = |world, _| {
        world.api.pdbs.push(PodDisruptionBudget {
            name: "web".to_owned(),
            namespace: "default".to_owned(),
            selector: Some(LabelSelector::default()),
            budget: Budget::MaxUnavailable(IntOrPercent::Int(0)),
            always_allow_unhealthy: false,
        });
    };
    let pod = PodId(0);
    let budget = Blocked::Budget(pod, "web".to_owned());
    let cases: [(Change, &str, Option<Blocked>); 9] = [
        (annotated, A, Some(Blocked::DoNotDisruptPod(pod))),
        (annotated, C, Some(Blocked::DoNotDisruptPod(pod))),
        // The key alone was enough once.
        (node_annotated, A, Some(Blocked::DoNotDisrupt)),
        (node_annotated, C, None),
        (nominated, C, Some(Blocked::Nominated)),
        (uninitialized, C, Some(Blocked::NotInitialized)),
        (guarded, A, Some(budget.clone())),
        (guarded, B, Some(budget.clone())),
        (guarded, C, Some(budget)),
    ];
    for (change, version, expected) in cases {
        let mut world = World::new(&[2, 8]);
        let node = world.add_node(8, "on-demand");
        world.add_pod(node, 1000);
        change(&mut world, node);
        let mut run = Run::new(version, world);
        run.until(16);
        assert_eq!(run.blocked(node), expected.as_ref(), "{version}");
        assert_eq!(
            run.created().len(),
            usize::from(expected.is_none()),
            "{version} {expected:?}"
        );
    }
}

// D3: daemons' annotations block from v0.34 on.
#[test]
fn daemons_may_block_in_later_releases() {
    for (version, blocks) in [(A, false), (B, true), (C, true)] {
        let mut world = World::new(&[2, 8]);
        let node = world.add_node(8, "on-demand");
        world.add_pod(node, 1000);
        let mut daemon = template(0, "agent");
        daemon
            .annotations
            .insert(labels::DO_NOT_DISRUPT.to_owned(), "true".to_owned());
        world.add_pod_like(Some(node), Arc::new(daemon), Owner::DaemonSet(DaemonSetId(0)));
        let mut run = Run::new(version, world);
        assert_eq!(run.until(16).created().is_empty(), blocks, "{version}");
    }
}

// D8, D13b: older releases try the node with the least to move, v1.14 the one that saves most for it.
#[test]
fn candidates_come_in_the_releases_order() {
    for (version, first) in [(A, 1), (B, 1), (C, 0)] {
        // Neither can go without the other's room, and both cannot go: a big one with two pods, a small one
        // with one.
        let mut world = World::new(&[4, 16]);
        let (big, small) = (world.add_node(16, "on-demand"), world.add_node(4, "on-demand"));
        world.add_pod(big, 1000);
        world.add_pod(big, 1000);
        world.add_pod(small, 1000);
        let mut run = Run::new(version, world);
        run.until(16);
        let going = run.events().find_map(|event| match event {
            Event::Started(decision) => Some(decision.candidates.clone()),
            _ => None,
        });
        // Many nodes are tried together first, and here they can be: both onto one m.4.
        assert_eq!(going.map(|going| going.len()), Some(2), "{version}");
        let order = run.events().find_map(|event| match event {
            Event::Proposed(decision) => Some(decision.candidates[0]),
            _ => None,
        });
        assert_eq!(order, Some(NodeClaimId(first)), "{version}");
    }
}

// D13a: the replacement must be cheaper than the cheapest node of a type that goes, or that node might stay.
#[test]
fn many_nodes_are_not_replaced_by_one_of_their_own_kind() {
    // m.4 and m.16 on demand onto one m.4 on demand is no better than to delete the m.16 alone.
    let mut world = World::new(&[4, 16]);
    let on_demand = Requirement::only("on-demand");
    world
        .pools
        .get_mut(NodePoolId(0))
        .unwrap()
        .requirements
        .add(labels::CAPACITY_TYPE, on_demand);
    let (big, small) = (world.add_node(16, "on-demand"), world.add_node(4, "on-demand"));
    world.add_pod(big, 1000);
    world.add_pod(small, 1000);
    let mut run = Run::new(C, world);
    assert_eq!(run.until(20).deleted(), [(15, big)]);
    assert!(run.created().is_empty());
}

// D9: allowed = least of the budgets, percentages rounded up, less what is going or not ready.
#[test]
fn budgets_limit_how_many_go_at_a_time() {
    let check = |share: Nodes, not_ready: usize, expected: usize| {
        let mut world = World::new(&[4]);
        world.pools.get_mut(NodePoolId(0)).unwrap().disruption.budgets = vec![budget(share)];
        for at in 0..10 {
            let claim = world.add_node(4, "on-demand");
            if at < not_ready {
                // They are not empty, so that they are no candidates themselves.
                world.add_pod(claim, 3500);
                let node = world.node_of(claim);
                world.api.nodes.get_mut(node).unwrap().ready = false;
            }
        }
        let mut run = Run::new(C, world);
        assert_eq!(
            run.until(16).deleted().len(),
            expected,
            "{share:?}, {not_ready} not ready"
        );
    };
    check(Nodes::Percent(10), 0, 1);
    check(Nodes::Percent(25), 0, 3);
    check(Nodes::Percent(25), 2, 1);
    check(Nodes::Percent(100), 0, 10);
    check(Nodes::Count(4), 0, 4);
    check(Nodes::Count(0), 0, 0);
}

// D9: a budget with a schedule holds while its window lasts, by the run's own calendar.
#[test]
fn budgets_hold_by_their_schedule() {
    let mut world = World::new(&[4]);
    let mut closed = budget(Nodes::Count(0));
    closed.window = Some(Window {
        schedule: "0 9 * * *".to_owned(),
        duration: Duration::from_secs(60),
    });
    world.pools.get_mut(NodePoolId(0)).unwrap().disruption.budgets = vec![closed];
    world.add_node(4, "on-demand");
    let nine = 9 * 3600;
    let mut run = Run::with(C, world, |config| config.epoch = nine);
    run.until(59);
    assert_eq!(run.deleted(), []);
    assert!(
        run.events()
            .any(|event| *event == Event::NoBudget(NodePoolId(0), Reason::Empty))
    );
    // The passes are at 0, 10, 20 ... s; the one at 60 s finds it open.
    assert_eq!(run.until(80).deleted(), [(75, NodeClaimId(0))]);
}

// D4, D5: a node is left alone until it is Consolidatable, or if its pool says so.
#[test]
fn only_what_is_consolidatable_is_consolidated() {
    let check = |version: &str, change: fn(&mut World, NodeClaimId), why: Option<Unconsolidatable>| {
        let mut world = World::new(&[2, 8]);
        let node = world.add_node(8, "on-demand");
        world.add_pod(node, 1000);
        change(&mut world, node);
        let mut run = Run::new(version, world);
        run.until(16);
        assert!(run.created().is_empty(), "{version} {why:?}");
        assert_eq!(run.why(node), why.as_ref(), "{version}");
    };
    let unripe = |world: &mut World, id| world.claims.get_mut(id).unwrap().conditions.consolidatable = None;
    let never = |world: &mut World, _| {
        world
            .pools
            .get_mut(NodePoolId(0))
            .unwrap()
            .disruption
            .consolidate_after = None;
    };
    let only_empty = |world: &mut World, _| {
        let own = &mut world.pools.get_mut(NodePoolId(0)).unwrap().disruption;
        own.consolidation_policy = ConsolidationPolicy::WhenEmpty;
    };
    for version in [B, C] {
        check(version, unripe, None);
    }
    for version in [A, B, C] {
        check(version, never, Some(Unconsolidatable::Disabled));
        check(version, only_empty, Some(Unconsolidatable::OnlyWhenEmpty));
    }
}

// D15: after a search in vain nothing is searched until something changes, for five minutes at most.
#[test]
fn a_search_in_vain_is_remembered() {
    let mut world = World::new(&[4]);
    let (a, b) = (world.add_node(4, "spot"), world.add_node(4, "spot"));
    let pod = world.add_pod(a, 3000);
    world.add_pod(b, 3000);
    let mut run = Run::new(C, world);
    run.until(5);
    assert_eq!(run.why(a), Some(&Unconsolidatable::SpotToSpot));
    // A pod's removal behind Karpenter's back shows that nobody looks.
    run.world.api.remove_pod(pod);
    run.until(299);
    let proposals = |run: &Run| {
        run.events()
            .filter(|event| matches!(event, Event::Proposed(_)))
            .count()
    };
    assert_eq!(proposals(&run), 0);
    run.until(311);
    assert_eq!(proposals(&run), 1);
}

// D15: a node that has become consolidatable is no change.
#[test]
fn what_matures_is_noticed_late() {
    let mut world = World::new(&[4, 8]);
    // The big one is a candidate for ever: its pods fit nowhere, and spot is not replaced by spot.
    let (big, small) = (world.add_node(8, "spot"), world.add_node(4, "spot"));
    world.add_pod(big, 5000);
    world.add_pod(small, 1000);
    let ripe = world
        .claims
        .get_mut(small)
        .unwrap()
        .conditions
        .consolidatable
        .take();
    let mut run = Run::new(C, world);
    for id in [big, small] {
        run.hear(Instant::ZERO, Input::ClaimChanged(id));
    }
    run.until(5);
    run.world.claims.get_mut(small).unwrap().conditions.consolidatable = ripe;
    run.tell(6, Input::ClaimChanged(small));
    run.until(299);
    assert_eq!(run.deleted(), []);
    assert_eq!(run.until(330).deleted(), [(315, small)]);
}

// D14: a command does not stand if a candidate is lost, or pods come to it.
#[test]
fn a_command_must_stand() {
    let (world, a, b) = pair();
    let mut run = Run::new(C, world);
    run.until(10);
    for id in [a, b] {
        run.world.state.nominate(id, seconds(30));
    }
    run.until(16);
    let churn = |event: &Event| matches!(event, Event::Abandoned(_, Abandoned::Churn(1)));
    assert!(run.events().any(churn));
    assert_eq!(run.deleted(), []);
}

// D14: the second simulation must come to the same.
#[test]
fn a_command_must_still_be_right() {
    let (world, a, b) = pair();
    let mut run = Run::new(C, world);
    run.until(10);
    // Both fill up: neither has room for the other's pods any more.
    for id in [a, b] {
        run.world.add_pod(id, 2500);
    }
    run.until(16);
    let scheduling = |event: &Event| matches!(event, Event::Abandoned(_, Abandoned::Scheduling));
    assert!(run.events().any(scheduling));
    assert_eq!(run.deleted(), []);
}

// D16: one drifted node at a time, oldest first, with whatever it takes; no waiting.
#[test]
fn drifted_nodes_are_replaced_whatever_it_costs() {
    let mut world = World::new(&[4]);
    let (a, b) = (world.add_node(4, "on-demand"), world.add_node(4, "on-demand"));
    for (id, since, cpu) in [(a, 2, 3000), (b, 1, 3500)] {
        world.add_pod(id, cpu);
        let holds = api::Condition {
            status: true,
            since: seconds(since),
        };
        world.claims.get_mut(id).unwrap().conditions.drifted = Some(holds);
        world.claims.get_mut(id).unwrap().conditions.consolidatable = None;
    }
    let mut run = Run::new(C, world);
    let started = |run: &Run| -> Vec<_> {
        let of = |event: &Event| match event {
            Event::Started(decision) => Some(decision.candidates.clone()),
            _ => None,
        };
        run.events().filter_map(of).collect()
    };
    run.until(5);
    assert_eq!(started(&run), [vec![b]]);
    // The next one begins when the first one's replacement has a machine: nothing else limits them here.
    run.world.launch(NodeClaimId(2), 4, "on-demand");
    run.until(7);
    assert_eq!(started(&run), [vec![b], vec![a]]);
    assert_eq!(run.created().len(), 2);
}

// D16: empty drifted nodes: together, left to emptiness, or first.
#[test]
fn empty_drifted_nodes_go_by_the_releases_rule() {
    for (version, expected) in [(A, vec![2]), (B, vec![]), ("1.5.1", vec![1, 1]), (C, vec![1, 1])] {
        let mut world = World::new(&[4]);
        for _ in 0..2 {
            let id = world.add_node(4, "on-demand");
            let claim = world.claims.get_mut(id).unwrap();
            claim.conditions.drifted = claim.conditions.initialized;
            claim.conditions.consolidatable = None;
        }
        world
            .pools
            .get_mut(NodePoolId(0))
            .unwrap()
            .disruption
            .consolidation_policy = ConsolidationPolicy::WhenEmpty;
        let mut run = Run::with(version, world, |config| config.drift = true);
        run.until(0);
        let sizes: Vec<usize> = run
            .events()
            .filter_map(|event| match event {
                Event::Started(decision) => Some(decision.candidates.len()),
                _ => None,
            })
            .collect();
        assert_eq!(sizes, expected, "{version}");
    }
}

// D17: until v0.37 expiration has its turn in the loop.
#[test]
fn expired_nodes_were_replaced_in_the_loop() {
    let mut world = World::new(&[4]);
    world.pools.get_mut(NodePoolId(0)).unwrap().expire_after = Some(Duration::from_secs(3600));
    let node = world.add_node(4, "on-demand");
    world.add_pod(node, 3000);
    let claim = world.claims.get_mut(node).unwrap();
    claim.conditions.expired = claim.conditions.initialized;
    let mut run = Run::new(A, world);
    run.until(0);
    assert_eq!(run.created().len(), 1);
    let started = run
        .events()
        .any(|event| matches!(event, Event::Started(own) if own.method == Method::Expiration));
    assert!(started);
}

// D2: in v0.32 the loop does nothing else until the nodes are gone.
#[test]
fn the_old_loop_waits_until_nodes_are_gone() {
    let mut world = World::new(&[4]);
    let nodes: Vec<NodeClaimId> = (0..2).map(|_| world.add_node(4, "on-demand")).collect();
    let mut run = Run::new(A, world);
    assert_eq!(run.until(16).deleted().len(), 2);
    let late = run.world.add_node(4, "on-demand");
    // It looks at 15, 17, 21, 29, 39 s. The nodes are gone at 30 s.
    run.until(30);
    nodes.iter().for_each(|id| run.world.remove(*id));
    assert_eq!(run.until(60).deleted().last(), Some(&(54, late)));
}

// D18: a move that saves little for much disruption is turned down.
#[test]
fn balanced_pools_weigh_what_they_save() {
    let check = |pods: usize, approved: bool| {
        let mut world = World::new(&[2, 4, 8]);
        let on_demand = Requirement::only("on-demand");
        let own = world.pools.get_mut(NodePoolId(0)).unwrap();
        own.disruption.consolidation_policy = ConsolidationPolicy::Balanced;
        own.requirements.add(labels::CAPACITY_TYPE, on_demand);
        // Another node, full, so that there is something to compare with.
        let other = world.add_node(8, "on-demand");
        world.add_pod(other, 7900);
        let node = world.add_node(4, "on-demand");
        for _ in 0..pods {
            world.add_pod(node, 100);
        }
        let mut run = Run::new(C, world);
        run.until(16);
        assert_eq!(!run.created().is_empty(), approved, "{pods} pods");
    };
    // The pool costs 0.6 $/h. m.4 onto m.2 saves 0.1 of it, a sixth. With one pod on each, the move takes 2
    // of 4 units of disruption: a third of its share is saved, which is less than one half.
    check(1, false);
    check(10, false);
    // Expected scores by hand: savings 1/6; disruption 2/4 and 11/13.
    assert!(
        !score(
            0.1,
            2.0,
            Totals {
                cost: 0.6,
                disruption: 4.0
            }
        )
        .approved
    );
    assert!(
        score(
            0.15,
            2.0,
            Totals {
                cost: 0.6,
                disruption: 4.0
            }
        )
        .approved
    );
    assert!(
        !score(
            0.0,
            0.0,
            Totals {
                cost: 0.6,
                disruption: 4.0
            }
        )
        .approved
    );
}

// Reference D8: clamp(1 + deletion cost / 2^27 + priority / 2^25, -10, 10).
#[test]
fn pods_have_a_price() {
    let mut world = World::new(&[4]);
    let node = world.add_node(4, "on-demand");
    let check = |world: &mut World, cost: Option<&str>, priority: i32, expected: f64| {
        let mut own = template(100, "web");
        own.spec.priority = priority;
        if let Some(cost) = cost {
            own.annotations
                .insert(labels::POD_DELETION_COST.to_owned(), cost.to_owned());
        }
        let id = world.add_pod_like(Some(node), Arc::new(own), owned());
        assert_eq!(
            eviction_cost(world.api.pods.get(id).unwrap()),
            expected,
            "{cost:?} {priority}"
        );
    };
    check(&mut world, None, 0, 1.0);
    check(&mut world, Some("134217728"), 0, 2.0);
    check(&mut world, Some("-2147483647"), 0, -10.0);
    check(&mut world, None, 33_554_432, 2.0);
    check(&mut world, None, 1_000_000_000, 10.0);
    check(&mut world, Some("not a number"), 0, 1.0);
}

// Reference D11.3: reserved before spot before on-demand; the dearest zone counts.
#[test]
fn a_launch_is_judged_by_its_worst_price() {
    let mut own = (*machine(4)).clone();
    let requirements = Requirements::new();
    assert_eq!(worst_launch_price(&own, &requirements), Some(Price(60_000)));
    own.offerings[1].price = Price(90_000);
    assert_eq!(worst_launch_price(&own, &requirements), Some(Price(90_000)));
    for offering in &mut own.offerings {
        offering.available = offering.capacity_type != CapacityType::Spot;
    }
    assert_eq!(worst_launch_price(&own, &requirements), Some(Price(200_000)));
    own.offerings
        .iter_mut()
        .for_each(|offering| offering.available = false);
    assert_eq!(worst_launch_price(&own, &requirements), None);
}

// Reference D4 (empty): by release, pods that are ending, and pods that nobody minds, count or not.
#[test]
fn what_is_empty_depends_on_the_release() {
    let check = |version: &str, change: fn(&mut World, PodId), empty: bool| {
        let mut world = World::new(&[4]);
        let node = world.add_node(4, "on-demand");
        let pod = world.add_pod(node, 1000);
        change(&mut world, pod);
        let mut run = Run::new(version, world);
        run.until(16);
        let proposed = run.events().find_map(|event| match event {
            Event::Proposed(own) => Some(own.method),
            _ => None,
        });
        let empties = [Some(Method::Emptiness), Some(Method::EmptyNode)];
        assert_eq!(empties.contains(&proposed), empty, "{version}");
    };
    let ending = |world: &mut World, id: PodId| {
        world.api.pods.get_mut(id).unwrap().deletion = Some(Deletion {
            at: Instant::ZERO,
            grace: Duration::from_secs(30),
        });
    };
    let cheap = |world: &mut World, id: PodId| {
        let own = &mut world.api.pods.get_mut(id).unwrap().template;
        let annotations = &mut Arc::make_mut(own).annotations;
        annotations.insert(labels::POD_DELETION_COST.to_owned(), "-2147483647".to_owned());
    };
    for version in [A, B, C] {
        check(version, ending, true);
        check(version, cheap, version == C);
        check(version, |_, _| {}, false);
    }
}

// P19, D19: a pool above its limits gets no replacement, and its nodes stay.
#[test]
fn no_replacement_above_the_limits() {
    let mut world = World::on_demand(&[2, 8]);
    let big = world.add_node(8, "on-demand");
    world.add_pod(big, 1500);
    let mut run = Run::new(C, world);
    run.until(10);
    run.world.pools.get_mut(NodePoolId(0)).unwrap().limits.cpu = Some(crate::quantity::MilliCpu(7000));
    // The second simulation leaves the candidate out, so that there is room for the replacement in it.
    run.until(16);
    let failed = CommandFailure::LimitExceeded(NodePoolId(0));
    assert!(
        run.events()
            .any(|event| matches!(event, Event::Failed(_, why) if *why == failed))
    );
    assert!(run.created().is_empty() && run.deleted().is_empty());
    assert_eq!(
        run.world.api.nodes.get(run.world.node_of(big)).unwrap().taints,
        []
    );
}

// P3: nothing is done while some claim has no machine.
#[test]
fn the_loop_waits_for_launches() {
    let mut world = World::new(&[4]);
    let idle = world.add_node(4, "on-demand");
    let starting = world.add_node(4, "on-demand");
    world.claims.get_mut(starting).unwrap().instance = None;
    let mut run = Run::new(C, world);
    run.until(40);
    assert_eq!(run.deleted(), []);
    run.world.claims.get_mut(starting).unwrap().instance = Some(crate::id::InstanceId(9));
    let deleted: BTreeSet<_> = run.until(57).deleted().into_iter().collect();
    assert_eq!(deleted, BTreeSet::from([(56, idle), (56, starting)]));
}
