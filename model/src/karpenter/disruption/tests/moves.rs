//! What is found to do.

use super::*;

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
    let text = run.why(node).unwrap().describe(&|pod| format!("{pod:?}"));
    assert_eq!(
        text,
        "none of 1 replacement types is cheaper than 0.2000 $/h; the cheapest may cost 0.2000 $/h"
    );
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
    let cases = [
        (A, vec![2]),
        ("1.4", vec![2]),
        (B, vec![]),
        ("1.5.4", vec![1, 1]),
        (C, vec![1, 1]),
    ];
    for (version, expected) in cases {
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

// D18: a move that saves little for much disruption is turned down.
#[test]
fn balanced_pools_weigh_what_they_save() {
    let check = |policy: ConsolidationPolicy, cpus: i64, pods: usize, approved: bool| {
        let mut world = World::on_demand(&[2, 4, 8]);
        let own = world.pools.get_mut(NodePoolId(0)).unwrap();
        own.disruption.consolidation_policy = policy;
        // Another node, full, so that there is something to compare with, and no room for the pods.
        let other = world.add_node(8, "on-demand");
        world.add_pod(other, 8000);
        let node = world.add_node(cpus, "on-demand");
        for _ in 0..pods {
            world.add_pod(node, 100);
        }
        let mut run = Run::new(C, world);
        run.until(16);
        let judged = run.events().find_map(|event| match event {
            Event::Scored(judged) => Some(judged),
            _ => None,
        });
        assert!(
            judged.is_none() || policy == ConsolidationPolicy::Balanced,
            "{policy:?}"
        );
        assert!(judged.is_some() || policy != ConsolidationPolicy::Balanced || !approved);
        if let Some(judged) = judged {
            assert_eq!(judged.candidates, [node]);
            assert_eq!(&*judged.replacements[0][0], "m.2", "the cheapest is named first");
            assert_eq!(judged.score.worth >= SCORE_THRESHOLD, approved);
            assert_eq!(judged.score.approved, approved);
        }
        assert_eq!(run.deleted(), [], "nothing goes without replacement");
        assert_eq!(
            !run.created().is_empty(),
            approved,
            "{policy:?}, m.{cpus}, {pods} pods"
        );
    };
    // The pool costs 0.6 $/h. m.4 onto m.2 saves 0.1 of it, a sixth. With one pod on each, the move takes 2
    // of 4 units of disruption: a third of its share is saved, which is less than one half.
    check(ConsolidationPolicy::WhenEmptyOrUnderutilized, 4, 1, true);
    check(ConsolidationPolicy::Balanced, 4, 1, false);
    check(ConsolidationPolicy::Balanced, 4, 10, false);
    // m.8 onto m.2 saves 0.3 of 0.8 $/h for one half: three quarters. With ten pods it is 11 of 13 units.
    check(ConsolidationPolicy::Balanced, 8, 1, true);
    check(ConsolidationPolicy::Balanced, 8, 10, false);
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
