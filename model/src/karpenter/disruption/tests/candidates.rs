//! Which nodes may go, and how many at a time.

use super::*;

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
        world.guard();
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

// D9: allowed = least of the budgets, percentages rounded up, less what is going or not ready.
#[test]
fn budgets_limit_how_many_go_at_a_time() {
    let on = |version, share: Nodes, not_ready: usize, expected: usize| {
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
        let mut run = Run::new(version, world);
        assert_eq!(
            run.until(16).deleted().len(),
            expected,
            "{version}: {share:?}, {not_ready} not ready"
        );
    };
    for version in ["0.34", "0.37.7"] {
        on(version, Nodes::Percent(25), 2, 1);
    }
    let check = |share, not_ready, expected| on(C, share, not_ready, expected);
    check(Nodes::Percent(10), 0, 1);
    check(Nodes::Percent(25), 0, 3);
    check(Nodes::Percent(25), 2, 1);
    check(Nodes::Percent(100), 0, 10);
    check(Nodes::Count(4), 0, 4);
    check(Nodes::Count(0), 0, 0);
}

// A node whose machine is being terminated is in no count; before core 1.0.4 it was in both.
#[test]
fn terminating_nodes_leave_the_budget() {
    for (version, expected) in [("1.0.5", 0), ("1.0.6", 1)] {
        let mut world = World::new(&[4]);
        world.pools.get_mut(NodePoolId(0)).unwrap().disruption.budgets = vec![budget(Nodes::Percent(50))];
        for at in 0..4 {
            let id = world.add_node(4, "on-demand");
            let claim = world.claims.get_mut(id).unwrap();
            if at < 2 {
                claim.deleting = Some(Instant::ZERO);
                claim.conditions.instance_terminating = claim.conditions.initialized;
            }
        }
        let mut run = Run::new(version, world);
        assert_eq!(run.until(16).deleted().len(), expected, "{version}");
    }
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
