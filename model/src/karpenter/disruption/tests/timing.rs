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
    let deleted: BTreeSet<_> = run.until(57).deleted().into_iter().collect();
    assert_eq!(deleted, BTreeSet::from([(56, idle), (56, starting)]));
}
