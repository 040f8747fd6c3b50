//! The provisioner in a small world: what opens a window, and what a pass takes nodes and claims for.

use std::sync::Arc;

use sim::{Agenda, Component, Instant, Outbox, Streams};

use super::*;
use crate::api::{Expression, LabelSelector, NodeSelectorTerm, Operator, Phase, PodAffinityTerm};
use crate::karpenter::Requirement;
use crate::karpenter::fixture::{World, owned, template};
use crate::karpenter::version::LATEST;
use crate::quantity::MilliCpu;

struct Run {
    world: World,
    provisioner: Provisioner,
    agenda: Agenda<Input>,
    outputs: Vec<(Instant, Output)>,
}

impl Run {
    fn new(world: World) -> Self {
        Run::of(Profile::of(LATEST), world)
    }

    fn of(profile: Profile, world: World) -> Self {
        let settings = Settings::of(&profile);
        Run {
            world,
            provisioner: Provisioner::new(profile, settings, &Streams::new(1)),
            agenda: Agenda::new(),
            outputs: Vec::new(),
        }
    }

    fn at(&mut self, millis: u64, input: Input) {
        self.agenda.at(Instant::from_millis(millis), input);
    }

    /// Lets three seconds pass, enough for one window and its pass.
    fn run(&mut self) {
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(3))
        {
            let (now, input) = self.agenda.pop().expect("something is due");
            let mut out = Outbox::new();
            self.provisioner.handle(now, input, self.world.view(), &mut out);
            for action in out.drain() {
                match action {
                    sim::Action::WakeAt(at, input) => self.agenda.at(at, input),
                    sim::Action::Emit(output) => self.outputs.push((now, output)),
                }
            }
        }
    }

    fn events(&self) -> impl Iterator<Item = (u64, &Event)> {
        self.outputs.iter().filter_map(|(at, output)| match output {
            Output::Publish(event) => Some((at.as_millis(), event)),
            _ => None,
        })
    }
}

/// Whether a pod that waits is told to go on a node that is there.
fn goes_on_a_node(world: World, pod: PodId) -> bool {
    let mut run = Run::new(world);
    run.at(0, Input::PodChanged(pod));
    run.run();
    run.events()
        .any(|(_, event)| matches!(event, Event::Nominated(own, Target::Node(_)) if *own == pod))
}

// A node triggers when it has the taint of those that go (karpenter v1.14, v0.37.0 and v0.34.0
// pkg/controllers/provisioning/controller.go `NodeController.Reconcile`; there is none in v0.33.0).
#[test]
fn only_a_node_that_is_disrupted_keeps_the_window_open() {
    for (release, disrupted, started) in [
        ("1.14", false, 1000),
        ("1.14", true, 1500),
        ("0.37", true, 1500),
        ("0.34", true, 1500),
        ("0.33", true, 1000),
    ] {
        let profile = Profile::of(release.parse().expect("a release"));
        let mut world = World::new(&[4]);
        let claim = world.add_node(4, "on-demand");
        let node = world.node_of(claim);
        if disrupted {
            let taint = crate::karpenter::disruption::disrupted_taint(&profile);
            world.api.nodes.get_mut(node).unwrap().taints.push(taint);
        }
        let pod = world.add_pod_like(None, Arc::new(template(100, "web")), owned());
        let mut run = Run::of(profile, world);
        run.at(0, Input::PodChanged(pod));
        run.at(500, Input::NodeChanged(node));
        run.run();
        let passes: Vec<u64> = run
            .events()
            .filter(|(_, event)| matches!(event, Event::Started(_)))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(passes, [started], "{release}, disrupted: {disrupted}");
    }
}

// (karpenter v1.14 pkg/controllers/state/statenode.go `StateNode.Allocatable`)
#[test]
fn until_it_is_initialized_a_node_has_what_its_claim_promises() {
    for initialized in [false, true] {
        let mut world = World::new(&[4]);
        let claim = world.add_node(4, "on-demand");
        let object = world.claims.get_mut(claim).unwrap();
        for amounts in [&mut object.capacity, &mut object.allocatable] {
            amounts.extended = [("nvidia.com/gpu".into(), 1)].into();
        }
        // The device plugin has not said so yet.
        let node = world.node_of(claim);
        if !initialized {
            Arc::make_mut(&mut world.api.nodes.get_mut(node).unwrap().labels).remove(labels::INITIALIZED);
        }
        let mut wants = template(100, "web");
        wants.spec.containers[0].requests.extended = [("nvidia.com/gpu".into(), 1)].into();
        let pod = world.add_pod_like(None, Arc::new(wants), owned());
        assert_eq!(
            goes_on_a_node(world, pod),
            !initialized,
            "initialized: {initialized}"
        );
    }
}

// (karpenter v1.14 pkg/controllers/state/cluster.go `ForPodsWithAntiAffinity`)
#[test]
fn a_pod_that_has_ended_keeps_nobody_away() {
    for phase in [Phase::Running, Phase::Succeeded] {
        let mut world = World::new(&[4]);
        let claim = world.add_node(4, "on-demand");
        let mut lonely = template(100, "lonely");
        lonely.spec.affinity.anti_required.push(PodAffinityTerm {
            selector: Some(LabelSelector::from_labels(&template(100, "web").labels)),
            namespaces: Vec::new(),
            namespace_selector: None,
            topology_key: labels::ZONE.to_owned(),
            match_label_keys: Vec::new(),
            mismatch_label_keys: Vec::new(),
        });
        let bound = world.add_pod_like(Some(claim), Arc::new(lonely), owned());
        world.api.pods.get_mut(bound).unwrap().phase = phase;
        let pod = world.add_pod_like(None, Arc::new(template(100, "web")), owned());
        assert_eq!(goes_on_a_node(world, pod), phase == Phase::Succeeded, "{phase:?}");
    }
}

// A node without a label that was asked not to have one value of it may be asked for another
// (karpenter v1.14 pkg/scheduling/requirements.go `Requirements.Intersects`).
#[test]
fn a_node_that_refused_a_kind_of_pod_is_tried_again_once_a_label_may_be_absent() {
    let term = |operator, value: &str| NodeSelectorTerm {
        expressions: vec![Expression {
            key: "team".to_owned(),
            operator,
            values: vec![value.to_owned()],
        }],
        ..NodeSelectorTerm::default()
    };
    for (alike, goes) in [(1, true), (2, false)] {
        let mut world = World::new(&[4]);
        world.add_node(4, "on-demand");
        // The first gives up the first term; where the node knows the label from then on, the second need not.
        let mut either = template(200, "either");
        either.spec.affinity.node_required =
            Some(vec![term(Operator::In, "blue"), term(Operator::NotIn, "red")]);
        let either = Arc::new(either);
        for _ in 0..alike {
            world.add_pod_like(None, either.clone(), owned());
        }
        let mut other = template(100, "other");
        other.spec.affinity.node_required = Some(vec![term(Operator::NotIn, "blue")]);
        let pod = world.add_pod_like(None, Arc::new(other), owned());
        assert_eq!(goes_on_a_node(world, pod), goes, "{alike} pods alike");
    }
}

// (karpenter v1.14 pkg/scheduling/requirements.go `Requirements.Labels`)
#[test]
fn a_claim_has_the_labels_that_its_pool_leaves_no_choice_of() {
    let mut world = World::new(&[4]);
    let pool = world.pools.get_mut(NodePoolId(0)).unwrap();
    pool.labels.insert("team".to_owned(), "blue".to_owned());
    pool.requirements
        .add("example.com/tier", Requirement::only("web"));
    pool.requirements.add(labels::ARCH, Requirement::only("amd64"));
    let pod = world.add_pod_like(None, Arc::new(template(100, "web")), owned());
    let mut run = Run::new(world);
    run.at(0, Input::PodChanged(pod));
    run.run();
    let claim = run.outputs.iter().find_map(|(_, output)| match output {
        Output::CreateNodeClaim(claim, _) => Some(claim),
        _ => None,
    });
    // Those of the machine come with it.
    let expected = [
        ("example.com/tier", "web"),
        ("karpenter.k8s.aws/ec2nodeclass", "default"),
        (labels::NODE_POOL, "default"),
        ("team", "blue"),
    ];
    let own = &claim.expect("a claim is made").labels;
    let own: Vec<(&str, &str)> = own.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(own, expected);
}

/// The pods that a pass makes new nodes for, and whether it was worked out anew.
fn pass(provisioner: &mut Provisioner, world: &World) -> (Vec<PodId>, bool) {
    let view = world.view();
    let known = provisioner
        .last
        .as_ref()
        .is_some_and(|last| last.seen.is_current(&view));
    let pass = provisioner.schedule(Instant::ZERO, &view, &mut Outbox::new());
    let claims = pass.map_or_else(Vec::new, |pass| pass.results.new_claims.clone());
    (claims.into_iter().flat_map(|claim| claim.pods).collect(), !known)
}

#[test]
fn a_pass_is_worked_out_anew_when_something_has_changed() {
    let mut world = World::on_demand(&[4]);
    let profile = Profile::of(LATEST);
    let mut provisioner = Provisioner::new(profile, Settings::of(&profile), &Streams::new(1));
    let big = world.add_pod_like(None, Arc::new(template(16_000, "big")), owned());
    assert_eq!(pass(&mut provisioner, &world), (vec![], true));
    assert_eq!(pass(&mut provisioner, &world), (vec![], false));

    let small = world.add_pod_like(None, Arc::new(template(1000, "small")), owned());
    assert_eq!(pass(&mut provisioner, &world), (vec![small], true));
    assert_eq!(pass(&mut provisioner, &world), (vec![small], false));

    let pool = world.pools.get_mut(NodePoolId(0)).expect("the pool");
    pool.limits.cpu = Some(MilliCpu(0));
    assert_eq!(pass(&mut provisioner, &world), (vec![], true));
    world.api.remove_pod(big);
    world.api.remove_pod(small);
    assert_eq!(
        pass(&mut provisioner, &world),
        (vec![], true),
        "there is nothing to place"
    );
}

// (karpenter v1.14 pkg/controllers/provisioning/provisioner.go `NewScheduler`, `Schedule`)
#[test]
fn without_a_pool_for_pods_nothing_is_said_of_them() {
    let told = |edit: fn(&mut World)| {
        let mut world = World::on_demand(&[4]);
        world.add_node(4, "on-demand");
        let pod = world.add_pod_like(None, Arc::new(template(1000, "web")), owned());
        edit(&mut world);
        let mut run = Run::new(world);
        run.at(0, Input::PodChanged(pod));
        run.run();
        run.events().map(|(_, event)| event.clone()).collect::<Vec<_>>()
    };
    let alone = [Event::NoPools];
    assert_eq!(told(|world| drop(world.pools.remove(NodePoolId(0)))), alone);
    let fixed = |world: &mut World| world.pools.get_mut(NodePoolId(0)).unwrap().replicas = Some(1);
    assert_eq!(told(fixed), alone);
    assert!(matches!(
        told(|_| {})[..],
        [Event::Started(1), Event::Nominated(..)]
    ));
}
