//! When the loop looks, and when it does not.

use super::*;

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
    let deleted: SortedSet<_> = run.until(57).deleted().into_iter().collect();
    assert_eq!(deleted, SortedSet::from([(56, idle), (56, starting)]));
}

// A search takes time, and so does the second simulation: 2 s for both nodes and for one of them, 15 s to stand, 1 s
// for the proof.
#[test]
fn a_command_runs_when_the_thinking_is_over() {
    let (world, _, _) = pair();
    let mut run = Run::new(C, world);
    run.disruption.settings.cost.base = Duration::from_secs(1);
    let deleted: Vec<u64> = run.until(60).deleted().iter().map(|(at, _)| *at).collect();
    assert_eq!(deleted, [18]);
}

// D16: what has drifted need not stand, but is found no sooner.
#[test]
fn a_drifted_node_goes_when_the_search_is_over() {
    let mut world = World::new(&[4]);
    let node = world.add_node(4, "on-demand");
    world.add_pod(node, 3000);
    let claim = world.claims.get_mut(node).unwrap();
    claim.conditions.drifted = claim.conditions.initialized;
    claim.conditions.consolidatable = None;
    let mut run = Run::new(C, world);
    run.disruption.settings.cost.base = Duration::from_secs(1);
    run.until(5);
    let started = |(at, output): &(Instant, Output)| {
        matches!(output, Output::Publish(Event::Started(_))).then_some(*at)
    };
    assert_eq!(run.outputs.iter().find_map(started), Some(seconds(1)));
}

// D13: after a minute no more sets of nodes are tried: five of eight, and then not three.
#[test]
fn a_search_among_many_nodes_ends_after_a_minute() {
    let mut world = World::on_demand(&[4]);
    for _ in 0..8 {
        let node = world.add_node(4, "on-demand");
        world.add_pod(node, 3000);
    }
    let mut run = Run::new(C, world);
    run.disruption.settings.cost.base = Duration::from_secs(61);
    run.until(0);
    let given_up = |event: &Event| matches!(event, Event::TimedOut(Method::MultiNode, 3));
    assert!(run.events().any(given_up));
}

// A pod that was not tried in time is not placed: nothing is known of its node.
#[test]
fn a_simulation_that_runs_out_of_time_moves_nothing() {
    let (world, a, _) = pair();
    let mut run = Run::new(C, world);
    run.disruption.settings.cost.base = run.profile.solve_timeout.expect("a limit");
    run.until(200);
    assert_eq!(run.deleted(), []);
    let why = run
        .why(a)
        .expect("it is told")
        .describe(&|pod| format!("{pod:?}"));
    assert!(why.contains("time"), "{why}");
}

// D15 (karpenter v1.14 pkg/controllers/state/cluster.go `UpdatePod`).
#[test]
fn a_pod_counts_as_a_change_once_when_it_is_bound() {
    let mut world = World::new(&[4]);
    let claim = world.add_node(4, "on-demand");
    let pod = world.add_pod_like(None, Arc::new(template(100, "web")), owned());
    let mut memory = Memory::default();
    let mut changes = |world: &World| {
        memory.mark(Method::MultiNode, Instant::ZERO);
        memory.pod_changed(seconds(1), pod, &world.view());
        !memory.is_consolidated(Method::MultiNode, seconds(1))
    };
    assert!(!changes(&world), "it waits");
    world.api.bind_pod(pod, world.node_of(claim));
    assert!(changes(&world), "it is bound");
    assert!(!changes(&world), "it is bound as before");
    world.api.remove_pod(pod);
    assert!(changes(&world), "it is gone");
}

// D15 (karpenter v1.14 pkg/controllers/state/cluster.go `triggerConsolidationOnChange`).
#[test]
fn a_node_counts_as_a_change_when_it_is_initialized() {
    let mut world = World::new(&[4]);
    let claim = world.add_node(4, "on-demand");
    let node = world.node_of(claim);
    Arc::make_mut(&mut world.api.nodes.get_mut(node).unwrap().labels).remove(labels::INITIALIZED);
    world.claims.get_mut(claim).unwrap().node = None;
    let mut memory = Memory::default();
    let mut changes = |world: &World| {
        memory.mark(Method::MultiNode, Instant::ZERO);
        memory.claim_changed(seconds(1), claim, &world.view());
        memory.node_changed(seconds(1), node, &world.view());
        !memory.is_consolidated(Method::MultiNode, seconds(1))
    };
    assert!(changes(&world), "a machine is launched");
    world.claims.get_mut(claim).unwrap().node = Some(node);
    assert!(!changes(&world), "its node has joined");
    let labels = &mut world.api.nodes.get_mut(node).unwrap().labels;
    Arc::make_mut(labels).insert(labels::INITIALIZED.to_owned(), "true".to_owned());
    assert!(changes(&world), "it is initialized");
}

// A blocked node is no candidate, so that no method looks and none remembers
// (karpenter v1.14 pkg/controllers/disruption/controller.go `disrupt` reads the budgets with every pass).
#[test]
fn a_disruption_budget_that_is_gone_is_seen_by_the_next_pass() {
    for version in [A, B, C] {
        let mut world = World::on_demand(&[2, 8]);
        let node = world.add_node(8, "on-demand");
        world.add_pod(node, 1000);
        world.guard();
        let mut run = Run::new(version, world);
        run.until(12);
        assert!(run.blocked(node).is_some(), "{version}");
        run.world.api.pdbs.clear();
        run.tell(13, Input::ObjectsChanged);
        run.until(36);
        assert_eq!(run.created().len(), 1, "{version}");
    }
}

// A budget opens by the clock; what has drifted goes at the next pass
// (karpenter v1.14 pkg/controllers/disruption/drift.go `ComputeCommands` asks for the budgets each time).
#[test]
fn a_drifted_node_goes_when_a_scheduled_budget_is_over() {
    let mut world = World::new(&[4]);
    let node = world.add_node(4, "on-demand");
    let claim = world.claims.get_mut(node).unwrap();
    claim.conditions.drifted = claim.conditions.initialized;
    claim.conditions.consolidatable = None;
    let pool = world.pools.iter().next().expect("a pool").0;
    world.pools.get_mut(pool).unwrap().disruption.budgets = vec![crate::karpenter::node_pool::Budget {
        window: Some(Window {
            schedule: "0 0 * * *".parse().expect("a schedule"),
            duration: Duration::from_secs(60),
        }),
        ..budget(Nodes::Count(0))
    }];
    let mut run = Run::new(C, world);
    run.until(59);
    assert_eq!(run.deleted(), []);
    assert_eq!(run.until(75).deleted(), [(60, node)]);
}
