//! How a command runs.

use super::*;

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

// D14: a node that is no longer empty takes the others with it, or falls out of the command, and so does its price.
#[test]
fn what_emptiness_found_shrinks_in_later_patches() {
    for (version, left) in [("1.0.10", 0), ("1.3.4", 0), ("1.3.5", 2), (C, 2)] {
        let mut world = World::on_demand(&[4]);
        let nodes: Vec<NodeClaimId> = (0..3).map(|_| world.add_node(4, "on-demand")).collect();
        let mut run = Run::new(version, world);
        run.until(10);
        let pod = run.world.add_pod(nodes[0], 3500);
        run.tell(10, Input::PodChanged(pod));
        run.until(16);
        let price = |wanted: fn(&Event) -> Option<&Decision>| {
            let told: Vec<_> = run.events().filter_map(wanted).collect();
            told.first()
                .map(|decision| (decision.candidates.len(), decision.price))
        };
        let proposed = price(|event| match event {
            Event::Proposed(decision) => Some(decision),
            _ => None,
        });
        let started = price(|event| match event {
            Event::Started(decision) => Some(decision),
            _ => None,
        });
        let (all, whole) = proposed.expect("all three are empty");
        assert_eq!((all, run.deleted().len()), (3, left), "{version}");
        let rest = (left > 0).then(|| (left, Price(whole.0 / 3 * left as i64)));
        assert_eq!(started, rest, "{version}");
    }
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

// P19, D19: a pool above its limits gets no replacement, and its nodes stay. Where nodes are marked first, those
// that go do not count.
#[test]
fn no_replacement_above_the_limits() {
    for (version, replaced) in [(B, 1), (C, 0)] {
        let mut world = World::on_demand(&[2, 8]);
        let big = world.add_node(8, "on-demand");
        world.add_pod(big, 1500);
        let mut run = Run::new(version, world);
        run.until(10);
        run.world.pools.get_mut(NodePoolId(0)).unwrap().limits.cpu = Some(crate::quantity::MilliCpu(7000));
        // The second simulation leaves the candidate out, so that there is room for the replacement in it.
        run.until(16);
        let failed = CommandFailure::LimitExceeded(NodePoolId(0));
        let told = run
            .events()
            .any(|event| matches!(event, Event::Failed(_, why) if *why == failed));
        assert_eq!(told, replaced == 0, "{version}");
        assert_eq!(run.created().len(), replaced, "{version}");
        assert!(run.deleted().is_empty(), "{version}");
        let node = run.world.api.nodes.get(run.world.node_of(big)).unwrap();
        assert_eq!(node.taints.len(), replaced, "{version}");
    }
}
