//! The scheduler in a small world: an API server with a watch delay, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use sim::{Action, Agenda, Component, Instant, Outbox, SortedMap, Streams};

use super::super::*;
use crate::api::{
    Container, Deletion, Node, Owner, Phase, Pod, PodSpec, PodTemplate, Taint, TaintEffect, Toleration,
};
use crate::quantity::{Bytes, MilliCpu, Resources};

/// From a write until the watchers hear of it.
const WATCH: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
enum Happens {
    Hear(Input),
    AddNode(Resources, Vec<Taint>),
    Untaint(u32),
    Allocate(u32, Resources),
    AddPod(Arc<PodTemplate>),
    Remove(PodId),
}

struct World {
    api: Api,
    scheduler: Scheduler,
    agenda: Agenda<Happens>,
    /// When each pod was bound, and to which node.
    bound: SortedMap<PodId, (Instant, NodeId)>,
    failures: Vec<(Instant, PodId, String)>,
    preempted: Vec<(Instant, PodId)>,
    grace: Duration,
}

impl World {
    fn new(minor: u16) -> Self {
        let config = Config {
            profile: Profile::of(minor),
            ..Config::default()
        };
        World {
            api: Api::default(),
            scheduler: Scheduler::new(config, &Streams::new(1)),
            agenda: Agenda::new(),
            bound: SortedMap::new(),
            failures: Vec::new(),
            preempted: Vec::new(),
            grace: Duration::from_secs(2),
        }
    }

    fn at(&mut self, seconds: f64, happens: Happens) {
        self.agenda
            .at(Instant::ZERO + Duration::from_secs_f64(seconds), happens);
    }

    fn watch(&mut self, input: Input) {
        self.agenda.after(WATCH, Happens::Hear(input));
    }

    fn run(&mut self, until: u64) {
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(until))
        {
            let (now, happens) = self.agenda.pop().unwrap();
            match happens {
                Happens::Hear(input) => self.hear(now, input),
                Happens::AddNode(allocatable, taints) => {
                    let id = self
                        .api
                        .nodes
                        .insert(node(self.api.nodes.len(), allocatable, taints));
                    self.watch(Input::NodeChanged(id));
                }
                Happens::Untaint(id) => {
                    self.api.nodes.get_mut(NodeId(id)).unwrap().taints.clear();
                    self.watch(Input::NodeChanged(NodeId(id)));
                }
                Happens::Allocate(id, resources) => {
                    self.api.nodes.get_mut(NodeId(id)).unwrap().allocatable = resources;
                    self.watch(Input::NodeChanged(NodeId(id)));
                }
                Happens::AddPod(template) => {
                    let id = self.api.add_pod(pod(now, template));
                    self.watch(Input::PodChanged(id));
                }
                Happens::Remove(id) => {
                    self.api.remove_pod(id);
                    self.watch(Input::PodGone(id));
                }
            }
        }
    }

    fn hear(&mut self, now: Instant, input: Input) {
        let mut out = Outbox::new();
        let namespaces = SortedMap::new();
        let view = View {
            api: &self.api,
            namespaces: &namespaces,
        };
        self.scheduler.handle(now, input, view, &mut out);
        let actions: Vec<_> = out.drain().collect();
        for action in actions {
            match action {
                Action::WakeAt(at, input) => self.agenda.at(at, Happens::Hear(input)),
                Action::Emit(output) => self.perform(now, output),
            }
        }
    }

    fn perform(&mut self, now: Instant, output: Output) {
        match output {
            Output::Bind { pod, node } => {
                self.api.bind_pod(pod, node);
                self.bound.insert(pod, (now, node));
                self.watch(Input::PodChanged(pod));
            }
            Output::Unschedulable(pod) => {
                self.api.pods.get_mut(pod).unwrap().unschedulable = true;
                self.watch(Input::PodChanged(pod));
            }
            Output::Nominate { pod, node } => {
                self.api.pods.get_mut(pod).unwrap().nominated_node = node;
                self.watch(Input::PodChanged(pod));
            }
            Output::DeletePod { pod, .. } => {
                let grace = self.grace;
                self.api.pods.get_mut(pod).unwrap().deletion = Some(Deletion { at: now, grace });
                self.preempted.push((now, pod));
                self.watch(Input::PodChanged(pod));
                self.agenda.after(grace, Happens::Remove(pod));
            }
            Output::Publish(event) => {
                if let Event::FailedScheduling { pod, message, .. } = *event {
                    self.failures.push((now, pod, message));
                }
            }
        }
    }

    fn bound_at(&self, pod: u32) -> f64 {
        self.bound
            .get(&PodId(pod))
            .map_or(f64::INFINITY, |(at, _)| at.as_secs_f64())
    }

    fn attempts(&self, pod: u32) -> usize {
        self.failures.iter().filter(|(_, id, _)| id.0 == pod).count()
            + usize::from(self.bound.contains_key(&PodId(pod)))
    }
}

pub(in crate::scheduler) fn resources(cpu: i64, gib: i64) -> Resources {
    Resources {
        cpu: MilliCpu(cpu),
        memory: Bytes::from_gib(gib),
        pods: 58,
        ..Resources::default()
    }
}

pub(in crate::scheduler) fn node(number: usize, allocatable: Resources, taints: Vec<Taint>) -> Node {
    let name = format!("node-{number}");
    let labels = [(pod_info::HOSTNAME, name.as_str()), (pod_info::ZONE, "a")];
    Node {
        labels: Arc::new(
            labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        name,
        annotations: Labels::new(),
        created: Instant::ZERO,
        deleting: None,
        taints,
        unschedulable: false,
        capacity: allocatable.clone(),
        allocatable,
        ready: true,
        ready_since: Instant::ZERO,
        images: SortedMap::new(),
        claim: None,
        instance: None,
    }
}

pub(in crate::scheduler) fn template(requests: Resources, priority: i32) -> Arc<PodTemplate> {
    let container = Container {
        requests,
        requests_cpu: true,
        requests_memory: true,
        ..Container::default()
    };
    Arc::new(PodTemplate {
        namespace: "default".to_owned(),
        labels: Labels::from([("app".to_owned(), "web".to_owned())]),
        annotations: Labels::new(),
        spec: PodSpec {
            containers: vec![container],
            priority,
            ..PodSpec::default()
        },
    })
}

fn pod(now: Instant, template: Arc<PodTemplate>) -> Pod {
    Pod {
        name: String::new(),
        uid: 0,
        template,
        owner: Owner::None,
        created: now,
        deletion: None,
        node: None,
        only_node: None,
        nominated_node: None,
        phase: Phase::Pending,
        ready: None,
        unschedulable: false,
        started: None,
        restarts: Default::default(),
    }
}

fn web() -> Happens {
    Happens::AddPod(template(resources(1000, 1), 0))
}

fn not_ready() -> Vec<Taint> {
    vec![Taint::new(
        "node.kubernetes.io/not-ready",
        TaintEffect::NoSchedule,
    )]
}

#[test]
fn an_idle_scheduler_binds_within_thirty_milliseconds() {
    let mut world = World::new(35);
    world.at(0.0, Happens::AddNode(resources(4000, 16), vec![]));
    world.at(1.0, web());
    world.run(2);
    let took = world.bound_at(0) - 1.0;
    assert!((0.005..0.030).contains(&took), "{took}");
}

/// At 50 writes a second with a burst of 100, 500 pods take 8 s.
#[test]
fn the_client_is_limited() {
    let mut world = World::new(35);
    for _ in 0..10 {
        world.at(0.0, Happens::AddNode(resources(64_000, 256), vec![]));
    }
    for _ in 0..500 {
        world.at(1.0, web());
    }
    world.run(20);
    let last = (0..500).map(|pod| world.bound_at(pod)).fold(0.0, f64::max);
    assert!((8.9..9.2).contains(&last), "{last}");
    let fast = (0..500).filter(|&pod| world.bound_at(pod) < 1.5).count();
    assert!((100..130).contains(&fast), "{fast}");
}

/// A CPU pod waits for a new node: tried when the node joins, rejected for its taint, bound when that is gone.
fn new_node(minor: u16) -> World {
    let mut world = World::new(minor);
    world.at(0.0, Happens::AddNode(resources(500, 16), vec![]));
    world.at(1.0, web());
    world.at(40.0, Happens::AddNode(resources(4000, 16), not_ready()));
    world.at(55.0, Happens::Untaint(1));
    world.run(100);
    world
}

#[test]
fn a_new_node_wakes_a_pod_twice() {
    let world = new_node(35);
    assert_eq!(world.attempts(0), 3);
    assert_eq!(
        world.failures[1].2,
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). no new claims to deallocate, \
         preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    );
    let took = world.bound_at(0) - 55.0;
    assert!((0.005..0.030).contains(&took), "{took}");
}

/// Before hints, a node must look good to wake anybody.
#[test]
fn until_1_31_a_tainted_node_wakes_nobody() {
    let world = new_node(31);
    assert_eq!(world.attempts(0), 2);
    assert!(
        (55.0..55.030).contains(&world.bound_at(0)),
        "{}",
        world.bound_at(0)
    );
}

/// A pod that wants a GPU and was rejected for nothing else hears only of the GPU.
#[test]
fn a_gpu_pod_waits_for_the_device_plugin() {
    let gpu = |count| Resources {
        extended: [("nvidia.com/gpu".into(), count)].into(),
        ..resources(4000, 16)
    };
    let mut world = World::new(35);
    world.at(0.0, Happens::AddNode(resources(4000, 16), vec![]));
    let wants = Resources {
        extended: [("nvidia.com/gpu".into(), 1)].into(),
        ..resources(500, 1)
    };
    world.at(1.0, Happens::AddPod(template(wants, 0)));
    world.at(40.0, Happens::AddNode(resources(4000, 16), not_ready()));
    world.at(55.0, Happens::Untaint(1));
    world.at(70.0, Happens::Allocate(1, gpu(1)));
    world.run(100);
    assert_eq!(world.attempts(0), 2);
    assert!(
        (70.0..70.030).contains(&world.bound_at(0)),
        "{}",
        world.bound_at(0)
    );
}

/// Overprovisioning: a pause pod makes room, and waits for the next node itself.
#[test]
fn a_pod_of_higher_priority_takes_the_place_of_a_pause_pod() {
    for minor in [32, 35] {
        let mut world = World::new(minor);
        world.at(0.0, Happens::AddNode(resources(1500, 16), vec![]));
        world.at(1.0, Happens::AddPod(template(resources(1000, 1), -10)));
        world.at(20.0, web());
        world.run(60);
        assert_eq!(world.preempted.len(), 1, "1.{minor}");
        let (deleted, victim) = world.preempted[0];
        assert_eq!(victim, PodId(0));
        assert!(deleted.as_secs_f64() < 20.1);
        let took = world.bound_at(1) - (deleted.as_secs_f64() + 2.0);
        let expected = if minor == 32 { 0.0..1.2 } else { 0.0..0.030 };
        assert!(expected.contains(&took), "1.{minor}: {took}");
        assert_eq!(world.api.pods.get(PodId(1)).unwrap().node, Some(NodeId(0)));
    }
}

/// Room that is being made for pods is not given to others of the same priority, though it is more than they
/// need: the second pod takes what the first leaves, the third gets nothing.
#[test]
fn nominated_room_is_kept() {
    let mut world = World::new(35);
    world.at(0.0, Happens::AddNode(resources(1500, 16), vec![]));
    world.at(1.0, Happens::AddPod(template(resources(1000, 1), -10)));
    world.at(20.0, web());
    world.at(20.5, Happens::AddPod(template(resources(400, 1), 0)));
    world.at(20.6, Happens::AddPod(template(resources(500, 1), 0)));
    world.run(60);
    let made_room = 22.0..22.1;
    assert!(made_room.contains(&world.bound_at(1)), "{}", world.bound_at(1));
    assert!(made_room.contains(&world.bound_at(2)), "{}", world.bound_at(2));
    assert!(world.bound_at(3).is_infinite());
    assert_eq!(world.preempted.len(), 1, "nobody is deleted twice");
}

#[test]
fn without_nodes_a_pod_is_unschedulable_all_the_same() {
    let mut world = World::new(35);
    world.at(1.0, web());
    world.run(2);
    assert!(world.api.pods.get(PodId(0)).unwrap().unschedulable);
    world.at(5.2, Happens::AddNode(resources(4000, 16), vec![]));
    world.run(20);
    assert!(world.bound_at(0) < 16.2, "tried again after the error's backoff");
}

/// Deployment pods spread by the system defaults; equal nodes are filled in list order from 1.35 on.
#[test]
fn kin_spread_over_nodes() {
    let mut world = World::new(35);
    for _ in 0..3 {
        world.at(0.0, Happens::AddNode(resources(4000, 16), vec![]));
    }
    let template = template(resources(500, 1), 0);
    for i in 0..6 {
        world.at(1.0 + f64::from(i), Happens::AddPod(template.clone()));
    }
    world.run(20);
    let nodes: Vec<u32> = world.bound.values().map(|(_, node)| node.0).collect();
    assert_eq!(nodes, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_pod_that_goes_during_its_binding_frees_its_room() {
    let mut world = World::new(35);
    world.at(0.0, Happens::AddNode(resources(1500, 16), vec![]));
    world.at(1.0, web());
    world.at(1.007, Happens::Remove(PodId(0)));
    world.at(2.0, web());
    world.run(20);
    assert!(!world.bound.contains_key(&PodId(0)));
    assert!(world.bound_at(1) < 2.030);
}

/// The toleration of a DaemonSet lets its pod onto its own node before others.
#[test]
fn daemon_pods_go_to_their_node_only() {
    let mut world = World::new(35);
    world.at(0.0, Happens::AddNode(resources(4000, 16), vec![]));
    world.at(0.0, Happens::AddNode(resources(4000, 16), not_ready()));
    let mut daemon = (*template(resources(100, 1), 0)).clone();
    daemon.spec.tolerations.push(Toleration {
        key: String::new(),
        value: None,
        effect: None,
        seconds: None,
    });
    world.run(0);
    let mut pod = pod(Instant::ZERO, Arc::new(daemon));
    pod.only_node = Some(NodeId(1));
    let id = world.api.add_pod(pod);
    world.at(1.0, Happens::Hear(Input::PodChanged(id)));
    world.run(5);
    assert_eq!(world.bound[&id].1, NodeId(1));
}

/// Each node that fits and is scored costs something, unless it is the only one.
#[test]
fn a_cycle_takes_longer_the_more_nodes_are_scored() {
    let bound = |nodes: usize| {
        let mut world = World::new(35);
        world.scheduler.config.cycle = CycleCost {
            base: Duration::from_secs(1),
            scored: Duration::from_millis(100),
            ..CycleCost::default()
        };
        world.scheduler.config.bind_latency = Distribution::Constant(0.0);
        for _ in 0..nodes {
            world.at(0.0, Happens::AddNode(resources(4000, 16), vec![]));
        }
        world.at(1.0, web());
        world.run(5);
        world.bound[&PodId(0)].0
    };
    let at = |millis| Instant::from_millis(millis) + WATCH;
    assert_eq!([bound(1), bound(3)], [at(2000), at(2300)]);
}

/// The ticker is set for the first backoff that ends, not for the first that began.
#[test]
fn a_short_backoff_does_not_wait_for_a_long_one() {
    let mut world = World::new(35);
    world.at(1.0, web());
    // Without nodes the first pod fails again and again, at last every eleven seconds: at 53 s, to go on at 64 s.
    world.at(55.0, web());
    world.at(55.5, Happens::AddNode(resources(4000, 16), vec![]));
    world.run(90);
    let bound = [1, 0].map(|pod| Instant::ZERO + Duration::from_secs_f64(world.bound_at(pod)));
    assert_eq!(bound.map(Instant::as_secs), [57, 64]);
}

/// (preemption.go `PodEligibleToPreemptOthers`)
#[test]
fn a_preemptor_that_is_tried_again_waits_for_its_victim() {
    let mut world = World::new(35);
    world.grace = Duration::from_secs(30);
    world.at(0.0, Happens::AddNode(resources(1500, 16), vec![]));
    world.at(1.0, Happens::AddPod(template(resources(1000, 1), -10)));
    world.at(20.0, web());
    // It could hold the pod, were it not for its taint.
    world.at(25.0, Happens::AddNode(resources(4000, 16), not_ready()));
    world.run(40);
    let (at, pod, message) = world.failures.last().unwrap();
    assert_eq!((at.as_secs(), *pod), (25, PodId(1)));
    let expected = "preemption: not eligible due to a terminating pod on the nominated node.";
    assert!(message.ends_with(expected), "{message}");
}

/// A pod makes room on a node, at 20 s, for which its equal is too late, at 21 s, and a greater one too big.
fn hopes(minor: u16) -> World {
    let mut world = World::new(minor);
    world.grace = Duration::from_secs(30);
    for cpu in [1500, 500] {
        world.at(0.0, Happens::AddNode(resources(cpu, 16), vec![]));
    }
    world.at(1.0, Happens::AddPod(template(resources(1000, 1), -10)));
    world.at(20.0, web());
    world.at(21.0, web());
    world.at(22.0, Happens::AddPod(template(resources(3000, 1), 10)));
    world.run(23);
    world
}

/// Room is kept from pods of no higher priority, so that these have a chance when nobody hopes for it any more.
#[test]
fn from_1_33_on_the_equals_of_a_hopeful_pod_are_tried_when_it_goes() {
    for (minor, expected) in [(32, [1, 1]), (33, [2, 1]), (35, [2, 1])] {
        let mut world = hopes(minor);
        world.at(30.0, Happens::Remove(PodId(1)));
        world.run(35);
        assert_eq!([2, 3].map(|pod| world.attempts(pod)), expected, "1.{minor}");
    }
}

#[test]
fn from_1_33_on_the_equals_of_a_hopeful_pod_are_tried_when_it_gives_up_hope() {
    for (minor, expected) in [(32, [2, 2]), (33, [3, 3]), (35, [3, 3])] {
        let mut world = hopes(minor);
        // The node is of no use any more, which all find out when another one comes.
        world.api.nodes.get_mut(NodeId(0)).unwrap().taints = not_ready();
        world.at(24.0, Happens::Hear(Input::NodeChanged(NodeId(0))));
        world.at(25.0, Happens::AddNode(resources(2000, 16), not_ready()));
        world.run(45);
        assert_eq!(world.api.pods.get(PodId(1)).unwrap().nominated_node, None);
        assert_eq!([1, 2].map(|pod| world.attempts(pod)), expected, "1.{minor}");
    }
}
