//! Conditions by their rules.

use std::sync::Arc;
use std::time::Duration;

use sim::{Agenda, Component, Instant, Outbox};

use super::*;
use crate::api::{Deletion, Owner, Phase, Taint, TaintEffect};
use crate::id::DaemonSetId;
use crate::karpenter::Requirement;
use crate::karpenter::fixture::{World, ZONES, machine, template};
use crate::karpenter::labels;
use crate::karpenter::node_pool::ConsolidationPolicy;
use crate::karpenter::provider::NodeClass;

const A: &str = "0.32.4";
const B: &str = "1.5.0";
const C: &str = "1.14.1";

struct Run {
    world: World,
    status: ClaimStatus,
    classes: Classes,
    agenda: Agenda<Input>,
    outputs: Vec<(f64, Output)>,
}

impl Run {
    fn new(version: &str, world: World) -> Self {
        let profile = Profile::of(version.parse().expect("a release"));
        Run {
            world,
            status: ClaimStatus::new(profile, true),
            classes: Classes::new(),
            agenda: Agenda::new(),
            outputs: Vec::new(),
        }
    }

    fn hear(&mut self, now: Instant, input: Input) {
        let mut out = Outbox::new();
        let view = View {
            api: &self.world.api,
            claims: &self.world.claims,
            state: &self.world.state,
            pools: &self.world.pools,
            instance_types: &self.world.instance_types,
            classes: &self.classes,
        };
        self.status.handle(now, input, view, &mut out);
        for action in out.drain() {
            match action {
                sim::Action::WakeAt(at, input) => self.agenda.at(at, input),
                sim::Action::Emit(output) => {
                    match output {
                        Output::SetCondition(id, name, status) => {
                            self.world
                                .claims
                                .get_mut(id)
                                .unwrap()
                                .conditions
                                .set(name, status, now);
                            self.agenda.at(now, Input::ClaimChanged(id));
                        }
                        Output::SetLastPodEvent(id, at) => {
                            self.world.claims.get_mut(id).unwrap().last_pod_event = Some(at);
                            self.agenda.at(now, Input::ClaimChanged(id));
                        }
                        Output::DeleteNodeClaim(id, _) => {
                            self.world.claims.get_mut(id).unwrap().deleting = Some(now);
                        }
                        Output::Publish(_) => {}
                    }
                    self.outputs.push((now.as_secs_f64(), output));
                }
            }
        }
    }

    fn tell(&mut self, second: u64, input: Input) {
        self.until(second);
        self.hear(Instant::from_secs(second), input);
        self.until(second);
    }

    fn until(&mut self, second: u64) {
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(second))
        {
            let (now, input) = self.agenda.pop().unwrap();
            self.hear(now, input);
        }
    }

    /// When a condition was set or taken away.
    fn changes(&self, wanted: ConditionType) -> Vec<(f64, bool)> {
        let of = |(at, output): &(f64, Output)| match output {
            Output::SetCondition(_, name, status) if *name == wanted => Some((*at, status.is_some())),
            _ => None,
        };
        self.outputs.iter().filter_map(of).collect()
    }
}

/// A pool that waits a minute; one node, initialized at time zero.
fn world() -> (World, NodeClaimId) {
    let mut world = World::new(&[4]);
    world
        .pools
        .get_mut(NodePoolId(0))
        .unwrap()
        .disruption
        .consolidate_after = Some(Duration::from_secs(60));
    let claim = world.add_node(4, "on-demand");
    world.claims.get_mut(claim).unwrap().conditions.consolidatable = None;
    (world, claim)
}

// Reference karpenter.md D5, D7: from initialization, or from the last pod event on.
#[test]
fn a_claim_matures_when_pods_leave_it_alone() {
    for version in [B, C] {
        let (world, claim) = world();
        let mut run = Run::new(version, world);
        run.tell(0, Input::ClaimChanged(claim));
        run.until(100);
        let pod = run.world.add_pod(claim, 100);
        run.tell(100, Input::PodChanged(pod));
        run.until(300);
        let expected = [(60.0, true), (100.0, false), (160.0, true)];
        assert_eq!(run.changes(ConditionType::Consolidatable), expected, "{version}");
    }
}

// D6: binding, ending and beginning to end count once each, the end of the object does not, and nothing
// within ten seconds of the last.
#[test]
fn pod_events_are_counted() {
    let (world, claim) = world();
    let mut run = Run::new(C, world);
    let pod = run.world.add_pod(claim, 100);
    let told = |run: &Run| -> Vec<f64> {
        let of = |(at, output): &(f64, Output)| matches!(output, Output::SetLastPodEvent(..)).then_some(*at);
        run.outputs.iter().filter_map(of).collect()
    };
    run.tell(1, Input::PodChanged(pod));
    run.tell(20, Input::PodChanged(pod));
    run.world.api.pods.get_mut(pod).unwrap().deletion = Some(Deletion {
        at: Instant::from_secs(30),
        grace: Duration::from_secs(30),
    });
    run.tell(30, Input::PodChanged(pod));
    run.world.api.pods.get_mut(pod).unwrap().phase = Phase::Succeeded;
    run.tell(39, Input::PodChanged(pod));
    run.world.api.remove_pod(pod);
    run.tell(60, Input::PodChanged(pod));
    assert_eq!(told(&run), [1.0, 30.0]);
    let daemon = Arc::new(template(10, "agent"));
    let daemon = run
        .world
        .add_pod_like(Some(claim), daemon, Owner::DaemonSet(DaemonSetId(0)));
    run.tell(80, Input::PodChanged(daemon));
    assert_eq!(told(&run), [1.0, 30.0]);
}

// D17: at creation + expireAfter, nobody is asked; until v0.37 a condition.
#[test]
fn lives_end() {
    let (mut world, claim) = world();
    world.claims.get_mut(claim).unwrap().expire_after = Some(Duration::from_secs(3000));
    let mut run = Run::new(C, world);
    run.tell(0, Input::ClaimChanged(claim));
    run.until(4000);
    let deletion = (3000.0, Output::DeleteNodeClaim(claim, Reason::Expired));
    assert!(run.outputs.contains(&deletion));

    let (mut world, claim) = self::world();
    world.pools.get_mut(NodePoolId(0)).unwrap().expire_after = Some(Duration::from_secs(3000));
    let mut run = Run::new(A, world);
    run.tell(0, Input::ClaimChanged(claim));
    run.until(4000);
    assert_eq!(run.changes(ConditionType::Expired), [(3000.0, true)]);
}

// v0.32.4 emptiness.go: no pods of its own, not nominated; looked at again half a minute after a nomination.
#[test]
fn empty_nodes_were_marked() {
    let (mut world, claim) = world();
    world
        .pools
        .get_mut(NodePoolId(0))
        .unwrap()
        .disruption
        .consolidation_policy = ConsolidationPolicy::WhenEmpty;
    let mut run = Run::new(A, world);
    run.tell(0, Input::ClaimChanged(claim));
    let pod = run.world.add_pod(claim, 100);
    run.tell(5, Input::PodChanged(pod));
    run.world.state.nominate(claim, Instant::from_secs(25));
    run.world.api.pods.get_mut(pod).unwrap().phase = Phase::Succeeded;
    run.tell(10, Input::PodChanged(pod));
    run.until(60);
    assert_eq!(
        run.changes(ConditionType::Empty),
        [(0.0, true), (5.0, false), (40.0, true)]
    );
}

// D16: a changed template, then requirements that the node does not meet, then a type that is gone.
#[test]
fn claims_drift() {
    let check = |change: fn(&mut World), expected: Option<(Drift, f64)>| {
        let (mut world, claim) = world();
        world.claims.get_mut(claim).unwrap().conditions.consolidatable = None;
        let mut run = Run::new(C, world);
        run.tell(0, Input::ClaimChanged(claim));
        run.until(10);
        change(&mut run.world);
        run.tell(10, Input::PoolsChanged);
        run.until(4000);
        let of = |(at, output): &(f64, Output)| match output {
            Output::Publish(Event::Drifted(_, drift)) => Some((*drift, *at)),
            _ => None,
        };
        assert_eq!(run.outputs.iter().find_map(of), expected);
        let set: Vec<_> = expected.map(|(_, at)| (at, true)).into_iter().collect();
        assert_eq!(run.changes(ConditionType::Drifted), set);
    };
    fn own(world: &mut World) -> &mut NodePool {
        world.pools.get_mut(NodePoolId(0)).unwrap()
    }
    check(|_| {}, None);
    check(|world| own(world).weight = 7, None);
    check(
        |world| drop(own(world).labels.insert("team".to_owned(), "blue".to_owned())),
        Some((Drift::NodePool, 10.0)),
    );
    check(
        |world| {
            own(world)
                .requirements
                .add(labels::CAPACITY_TYPE, Requirement::only("spot"))
        },
        Some((Drift::Requirements, 10.0)),
    );
    fn offer(world: &mut World, zones: &[&str]) {
        let mut own = (*machine(4)).clone();
        own.offerings.retain(|offering| zones.contains(&&*offering.zone));
        let types = [own].into_iter().filter(|own| !own.offerings.is_empty());
        let types = types.map(Arc::new).collect();
        world.instance_types.insert(NodePoolId(0), types);
    }
    let gone = Some((Drift::InstanceTypeNotFound, 3600.0));
    check(|world| offer(world, &[]), gone);
    // The node is in the first zone.
    check(|world| offer(world, &ZONES[..1]), None);
    check(|world| offer(world, &ZONES[1..]), gone);
}

// karpenter-provider-aws v1.14 pkg/cloudprovider/drift.go `isNodeClassDrifted`.
#[test]
fn another_kubelet_of_the_pool_is_drift_until_it_is_the_classs() {
    for (version, expected) in [("0.37", Some(Drift::NodePool)), (C, None)] {
        let (world, claim) = world();
        let mut run = Run::new(version, world);
        run.tell(0, Input::ClaimChanged(claim));
        let pool = run.world.pools.get_mut(NodePoolId(0)).unwrap();
        pool.hashed_kubelet = "[maxPods=\"40\"]".to_owned();
        run.tell(10, Input::PoolsChanged);
        let told = run.outputs.iter().find_map(|(_, output)| match output {
            Output::Publish(Event::Drifted(_, drift)) => Some(*drift),
            _ => None,
        });
        assert_eq!(told, expected, "{version}");
    }
}

#[test]
fn the_order_of_taints_is_no_drift() {
    let [a, b] = ["a", "b"].map(|key| Taint::new(key, TaintEffect::NoSchedule));
    for (changed, expected) in [(vec![b.clone(), a.clone()], 0), (vec![a.clone()], 1)] {
        let (mut world, claim) = world();
        let pool = world.claims.get(claim).unwrap().pool;
        world.pools.get_mut(pool).unwrap().taints = vec![a.clone(), b.clone()];
        let mut run = Run::new(C, world);
        run.tell(1, Input::ClaimChanged(claim));
        run.world.pools.get_mut(pool).unwrap().taints = changed;
        run.tell(5, Input::PoolsChanged);
        assert_eq!(run.changes(ConditionType::Drifted).len(), expected);
    }
}

#[test]
fn a_machine_of_another_node_class_has_drifted() {
    let class = |hashed: &str, image: &str| {
        Arc::new(NodeClass {
            hashed: hashed.to_owned(),
            // What changes is a quantity.
            hashed_by_format: "as before".to_owned(),
            image_terms: image.to_owned(),
            ..NodeClass::new("default", crate::catalog::kubelet::AmiFamily::Al2023)
        })
    };
    let cases = [
        (C, class("a", "x"), None),
        (C, class("b", "x"), Some(Drift::NodeClass)),
        (C, class("a", "y"), Some(Drift::Ami)),
        (C, class("b", "y"), Some(Drift::NodeClass)),
        ("0.35", class("b", "x"), None),
        ("0.36", class("b", "x"), Some(Drift::NodeClass)),
    ];
    for (version, changed, expected) in cases {
        let mut world = World::new(&[4]);
        let id = world.add_node(4, "on-demand");
        let claim = world.claims.get_mut(id).unwrap();
        claim.made_by = Some(class("a", "x"));
        let pool = claim.pool;
        let mut run = Run::new(version, world);
        run.classes.insert(pool, class("a", "x"));
        run.tell(1, Input::ClaimChanged(id));
        run.classes.insert(pool, changed);
        run.tell(5, Input::PoolsChanged);
        let told = run.outputs.iter().find_map(|(_, output)| match output {
            Output::Publish(Event::Drifted(_, drift)) => Some(*drift),
            _ => None,
        });
        assert_eq!(told, expected, "{version}");
    }
}
