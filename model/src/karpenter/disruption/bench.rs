//! How long a pass takes on this machine. Run by hand:
//! `cargo test --release -p scaletwin-model --lib -- --ignored --nocapture disruption::bench`.

use std::hint::black_box;
use std::sync::Arc;

use sim::{Component, Instant, Outbox, SortedMap, Streams};

use super::simulate::{Scene, Solver};
use super::*;
use crate::api::{LabelSelector, PodTemplate, SpreadConstraint, WhenUnsatisfiable};
use crate::catalog::Catalog;
use crate::catalog::kubelet::AmiFamily;
use crate::id::NodePoolId;
use crate::karpenter::fixture::{World, owned, template};
use crate::karpenter::provider::{self, NodeClass, Provider};
use crate::karpenter::scheduling::Purpose;
use crate::karpenter::version::LATEST;

/// Eight nodes of 16 cpus with fifteen pods each, under all instance types of a region.
fn cluster(own: PodTemplate) -> World {
    let profile = Profile::of(LATEST);
    let mut world = World::new(&[16]);
    let catalog = Arc::new(Catalog::new("us-west-2", None).expect("a region"));
    let mut offers = Provider::new(
        profile,
        provider::Settings::of(&profile),
        catalog,
        provider::Lists::default(),
    );
    let class = Arc::new(NodeClass::new("default", AmiFamily::Al2023));
    offers.set_classes(&SortedMap::from([(NodePoolId(0), class)]));
    let mut types = offers.instance_types()[&NodePoolId(0)].to_vec();
    types.extend(world.instance_types[&NodePoolId(0)].iter().cloned());
    world
        .instance_types
        .insert(NodePoolId(0), types.into_iter().collect());
    let own = Arc::new(own);
    for _ in 0..8 {
        let claim = world.add_node(16, "spot");
        for _ in 0..15 {
            world.add_pod_like(Some(claim), own.clone(), owned());
        }
    }
    world
}

fn measure(what: &str, times: u32, mut run: impl FnMut()) {
    run();
    #[expect(clippy::disallowed_types, reason = "a measurement is about real time")]
    let start = std::time::Instant::now();
    for _ in 0..times {
        run();
    }
    println!("{what:40} {:?}", start.elapsed() / times);
}

#[test]
#[ignore = "a measurement"]
fn passes() {
    let plain = template(900, "web");
    let mut spread = template(900, "web");
    spread.spec.topology_spread = vec![SpreadConstraint {
        max_skew: 1,
        topology_key: labels::HOSTNAME.to_owned(),
        when_unsatisfiable: WhenUnsatisfiable::ScheduleAnyway,
        selector: Some(LabelSelector::from_labels(&spread.labels)),
        min_domains: None,
        honor_node_affinity: true,
        honor_node_taints: false,
        match_label_keys: Vec::new(),
    }];
    for (name, own) in [("plain", plain), ("spread", spread)] {
        println!("{name}");
        let world = cluster(own);
        let (profile, view) = (Profile::of(LATEST), world.view());
        let settings = Settings::of(&profile);
        let new = || Disruption::new(profile, settings, Config::of(&profile, 0), &Streams::new(1));
        let mut out = Outbox::new();
        let mut fresh = new();
        fresh.handle(Instant::ZERO, Input::Poll, view, &mut out);
        let mut at = 0;
        let mut poll = |controller: &mut Disruption| {
            at += 1;
            controller.phase = Phase::Asleep(None);
            controller.handle(Instant::from_millis(at), Input::Poll, view, &mut out);
            black_box(out.drain().count());
        };
        measure("a pass that searches", 200, || {
            fresh.memory.change(Instant::ZERO);
            fresh.quiet = None;
            poll(&mut fresh);
        });
        measure("a pass that remembers", 2000, || {
            fresh.quiet = None;
            poll(&mut fresh);
        });
        measure("a quiet pass", 2000, || poll(&mut fresh));

        measure("a snapshot", 2000, || drop(black_box(view.snapshot())));
        let snapshot = view.snapshot();
        let scene = Scene::new(Instant::ZERO, &profile, &settings, &view, &snapshot);
        let make = |state| Candidate::new(state, &scene.limits, &view, Instant::ZERO, &profile).unwrap();
        let candidates: Vec<Candidate<'_>> = snapshot.nodes.iter().map(make).collect();
        let mut solver = Solver {
            templates: Templates::new(),
            chance: Streams::new(1).stream("bench", 0),
        };
        for count in [1, 2, 5] {
            let chosen: Vec<&Candidate<'_>> = candidates.iter().take(count).collect();
            let outcome = scene.simulate(&chosen, Purpose::Consolidation, &mut solver);
            println!(
                "  {} new, unplaced {:?}",
                outcome.new_claims.len(),
                outcome.unplaced
            );
            measure(&format!("a simulation without {count}"), 1000, || {
                black_box(
                    scene
                        .simulate(&chosen, Purpose::Consolidation, &mut solver)
                        .duration,
                );
            });
            measure(&format!("a verdict on {count}"), 1000, || {
                black_box(consolidation::compute(&scene, &chosen, true, &mut solver).1);
            });
        }
    }
}
