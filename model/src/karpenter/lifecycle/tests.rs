//! The lifecycle against the simulated EC2, with the few wires between them that the cluster has.

use sim::{Action, Agenda};

use super::*;
use crate::api::{Labels, Taint, TaintEffect};
use crate::catalog::kubelet::AmiFamily;
use crate::ec2::{self, BootTimes, Ec2, Interruption, Shortage, TypePattern};
use crate::id::NodePoolId;
use crate::karpenter::provider::Lists;
use crate::karpenter::state::Conditions;
use crate::karpenter::{NodeClass, Requirement, Requirements, labels};
use crate::quantity::{MilliCpu, Resources};

const POOL: NodePoolId = NodePoolId(0);

#[derive(Debug)]
enum Event {
    Life(Input),
    Ec2(ec2::Input),
    Devices(NodeId),
    StartupTaintsGone(NodeId),
}

struct World {
    agenda: Agenda<Event>,
    life: Lifecycle,
    ec2: Ec2,
    api: Api,
    claims: Table<NodeClaimId, NodeClaim>,
    classes: Classes,
    profile: Profile,
    /// Whether nodes come up at all.
    boots: bool,
    said: Vec<(u64, String)>,
}

fn world(version: &str, config: ec2::Config) -> World {
    let profile = Profile::of(version.parse().expect("a release"));
    let date = "2024-02-01".parse().expect("a date");
    let catalog = Arc::new(Catalog::new("us-west-2", Some(date)).expect("a region"));
    let streams = Streams::new(1);
    let queue = Config {
        queue_delay: Distribution::Constant(1.0),
        ..Config::default()
    };
    let settings = provider::Settings::of(&profile);
    let provider = Provider::new(profile, settings, catalog.clone(), Lists::default());
    let mut world = World {
        agenda: Agenda::new(),
        life: Lifecycle::new(profile, queue, provider, &streams),
        ec2: Ec2::new(config, catalog, &[], &streams),
        api: Api::default(),
        claims: Table::new(),
        classes: SortedMap::from([(POOL, Arc::new(NodeClass::new("default", AmiFamily::Al2)))]),
        profile,
        boots: true,
        said: Vec::new(),
    };
    world.agenda.now_at(Event::Life(Input::PoolsChanged));
    world
}

fn config() -> ec2::Config {
    let constant = Distribution::Constant;
    ec2::Config {
        times: BootTimes {
            fleet_call: constant(2.0),
            pending: constant(10.0),
            boot: constant(30.0),
            network: constant(15.0),
            bare_metal: constant(0.0),
            accelerated: constant(0.0),
            shutting_down: constant(40.0),
        },
        ..ec2::Config::default()
    }
}

fn claim(types: &[&str], capacity_types: &[&str]) -> NodeClaim {
    let any = |values: &[&str]| Requirement::any_of(values.iter().copied());
    let requirements = Requirements::from([
        (labels::INSTANCE_TYPE, any(types)),
        (labels::CAPACITY_TYPE, any(capacity_types)),
        (labels::ZONE, any(&["us-west-2a", "us-west-2b"])),
        (labels::NODE_POOL, any(&["default"])),
    ]);
    NodeClaim {
        name: "default-abcde".to_owned(),
        pool: POOL,
        labels: Arc::new(requirements.labels()),
        annotations: Labels::from([("team".to_owned(), "a".to_owned())]),
        created: Instant::ZERO,
        deleting: None,
        requirements,
        instance_types: [].into(),
        requests: Resources {
            cpu: MilliCpu(500),
            pods: 1,
            ..Resources::default()
        },
        taints: [Taint::new("dedicated", TaintEffect::NoSchedule)].into(),
        startup_taints: [].into(),
        node_class: "default".into(),
        expire_after: None,
        termination_grace_period: None,
        instance: None,
        made_by: None,
        node: None,
        capacity: Resources::default(),
        allocatable: Resources::default(),
        conditions: Conditions::default(),
        last_pod_event: None,
    }
}

impl World {
    fn add(&mut self, at: u64, mut claim: NodeClaim) -> NodeClaimId {
        claim.created = Instant::from_secs(at);
        let id = self.claims.insert(claim);
        self.agenda
            .at(Instant::from_secs(at), Event::Life(Input::ClaimChanged(id)));
        id
    }

    fn say(&mut self, now: Instant, what: impl Into<String>) {
        self.said.push((now.as_millis(), what.into()));
    }

    fn run(&mut self, end: u64) -> Vec<(u64, String)> {
        while self
            .agenda
            .next_due()
            .is_some_and(|due| due <= Instant::from_secs(end))
        {
            let (now, event) = self.agenda.pop().expect("an event is due");
            match event {
                Event::Life(input) => self.life(now, input),
                Event::Ec2(input) => self.ec2(now, input),
                Event::Devices(id) => {
                    let node = self.api.nodes.get_mut(id).expect("a node");
                    let instance = node.instance.and_then(|id| self.ec2.instances().get(id));
                    ec2::node::add_devices(node, instance.expect("an instance").spec);
                    self.agenda.now_at(Event::Life(Input::NodeChanged(id)));
                }
                Event::StartupTaintsGone(id) => {
                    let node = self.api.nodes.get_mut(id).expect("a node");
                    node.taints.retain(|taint| taint.key != "startup");
                    self.agenda.now_at(Event::Life(Input::NodeChanged(id)));
                }
            }
        }
        std::mem::take(&mut self.said)
    }

    fn life(&mut self, now: Instant, input: Input) {
        let mut out = Outbox::new();
        let view = View {
            api: &self.api,
            claims: &self.claims,
            classes: &self.classes,
        };
        self.life.handle(now, input, view, &mut out);
        for action in out.drain() {
            match action {
                Action::WakeAt(at, input) => self.agenda.at(at, Event::Life(input)),
                Action::Emit(output) => self.perform(now, output),
            }
        }
    }

    fn perform(&mut self, now: Instant, output: Output) {
        match output {
            Output::CreateFleet(id, request) => {
                self.say(
                    now,
                    format!("fleet {} {}", request.capacity_type, request.overrides.len()),
                );
                self.agenda
                    .now_at(Event::Ec2(ec2::Input::CreateFleet(id, request)));
            }
            Output::SetLaunched(id, instance, details) => {
                let claim = self.claims.get_mut(id).expect("a claim");
                conditions::launched(claim, now, instance, *details);
                let label = |key: &str| claim.labels[key].clone();
                let said = format!(
                    "launched {} {}",
                    label(labels::INSTANCE_TYPE),
                    label(labels::CAPACITY_TYPE)
                );
                self.say(now, said);
                self.agenda.now_at(Event::Life(Input::ClaimChanged(id)));
            }
            Output::SetRegistered(id, node_id, registration) => {
                let claim = self.claims.get_mut(id).expect("a claim");
                let node = self.api.nodes.get_mut(node_id).expect("a node");
                conditions::registered(claim, node, now, node_id, *registration);
                self.say(now, "registered");
                self.agenda.now_at(Event::Life(Input::NodeChanged(node_id)));
            }
            Output::SetInitialized(id, node_id) => {
                let claim = self.claims.get_mut(id).expect("a claim");
                let node = self.api.nodes.get_mut(node_id).expect("a node");
                conditions::initialized(claim, node, now);
                self.say(now, "initialized");
            }
            Output::DeleteClaim(id, reason) => {
                self.claims.get_mut(id).expect("a claim").deleting = Some(now);
                self.say(now, format!("delete {reason}"));
            }
            Output::TerminateInstance(id) => {
                self.say(now, "terminate");
                self.agenda.now_at(Event::Ec2(ec2::Input::Terminate(id)));
            }
            Output::Publish(_) => {}
        }
    }

    fn ec2(&mut self, now: Instant, input: ec2::Input) {
        let mut out = Outbox::new();
        self.ec2.handle(now, input, (), &mut out);
        for action in out.drain() {
            let output = match action {
                Action::WakeAt(at, input) => {
                    self.agenda.at(at, Event::Ec2(input));
                    continue;
                }
                Action::Emit(output) => output,
            };
            let input = match output {
                ec2::Output::FleetAnswered(id, answer) => Input::FleetAnswered(id, answer),
                ec2::Output::NodeJoins(id) if self.boots => Input::NodeChanged(self.join(now, id)),
                ec2::Output::NodeReady(id) if self.boots => {
                    let found = self.api.nodes.iter().find(|(_, node)| node.instance == Some(id));
                    let node = found.expect("a node").0;
                    ec2::node::set_ready(self.api.nodes.get_mut(node).expect("a node"), now);
                    Input::NodeChanged(node)
                }
                ec2::Output::InterruptionNotice(id) => Input::InterruptionNotice(id),
                ec2::Output::ShuttingDown(id) => Input::ShuttingDown(id),
                ec2::Output::InstanceGone(id) => Input::InstanceGone(id),
                _ => continue,
            };
            self.agenda.now_at(Event::Life(input));
        }
    }

    fn join(&mut self, now: Instant, id: InstanceId) -> NodeId {
        let instance = self.ec2.instances().get(id).expect("an instance");
        let claim = self.claims.get(instance.claim().expect("a claim's instance"));
        let claim = claim.expect("a claim");
        let class = &self.classes[&claim.pool];
        let bootstrap = ec2::node::Bootstrap {
            ami_family: class.ami_family,
            kubelet: &class.kubelet,
            ephemeral_storage: class.ephemeral_storage(instance.spec.instance_store_gb),
            labels: &conditions::bootstrap_labels(claim),
            taints: &conditions::bootstrap_taints(claim, &self.profile),
            claim: instance.claim(),
        };
        let node = ec2::node::joining(now, id, instance, self.ec2.catalog(), &bootstrap);
        self.api.nodes.insert(node)
    }

    fn node(&self) -> &Node {
        self.api.nodes.iter().next().expect("a node").1
    }
}

fn check(said: &[(u64, String)], expected: &[(u64, &str)]) {
    let said: Vec<(u64, &str)> = said.iter().map(|(at, what)| (*at, what.as_str())).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_claim_becomes_a_node_in_working_order() {
    let mut world = world("1.5", config());
    let id = world.add(1, claim(&["m5.large"], &["on-demand"]));
    check(
        &world.run(55),
        &[
            (1035, "fleet on-demand 2"),
            (3035, "launched m5.large on-demand"),
            (43_035, "registered"),
        ],
    );
    let node = world.node();
    assert_eq!(node.label(labels::REGISTERED), "true");
    assert_eq!(node.label(labels::NODE_POOL), "default");
    assert_eq!(node.label("karpenter.k8s.aws/instance-family"), "m5");
    assert_eq!(node.annotations["team"], "a");
    let keys: Vec<&str> = node.taints.iter().map(|taint| taint.key.as_str()).collect();
    assert_eq!(keys, ["dedicated", "node.kubernetes.io/not-ready"]);
    check(&world.run(100), &[(58_035, "initialized")]);
    let claim = world.claims.get(id).expect("a claim");
    assert_eq!(claim.allocatable.cpu, MilliCpu(1930));
    assert_eq!(claim.node, Some(NodeId(0)));
    assert_eq!(world.node().label(labels::INITIALIZED), "true");
}

#[test]
fn pods_are_kept_away_until_registration_from_v1() {
    for (version, expected) in [("0.32.4", false), ("1.0", true)] {
        let profile = Profile::of(version.parse().expect("a release"));
        let taints = conditions::bootstrap_taints(&claim(&["m5.large"], &["spot"]), &profile);
        let kept = taints.iter().any(|taint| taint.key == conditions::UNREGISTERED);
        assert_eq!(kept, expected, "{version}");
    }
}

#[test]
fn a_node_that_is_ready_at_once_is_initialized_a_second_later() {
    let mut quick = config();
    quick.times.network = Distribution::Constant(0.0);
    let mut world = world("1.5", quick);
    world.add(1, claim(&["m5.large"], &["on-demand"]));
    let said = world.run(100);
    assert_eq!(
        said[2..],
        [
            (43_035, "registered".to_owned()),
            (44_035, "initialized".to_owned())
        ]
    );
}

#[test]
fn devices_that_were_asked_for_are_waited_for() {
    for (gpus, expected) in [(1, 90_000), (0, 58_035)] {
        let mut world = world("1.5", config());
        let mut own = claim(&["g4dn.xlarge"], &["on-demand"]);
        own.requests.extended = SortedMap::from([("nvidia.com/gpu".into(), gpus)]);
        world.add(1, own);
        world.agenda.at(Instant::from_secs(90), Event::Devices(NodeId(0)));
        let said = world.run(200);
        assert_eq!(
            said.last(),
            Some(&(expected, "initialized".to_owned())),
            "{gpus} GPUs requested"
        );
    }
}

#[test]
fn startup_taints_are_waited_for() {
    let mut world = world("1.5", config());
    let startup = [Taint::new("startup", TaintEffect::NoSchedule)];
    let own = NodeClaim {
        startup_taints: startup.into(),
        ..claim(&["m5.large"], &["on-demand"])
    };
    world.add(1, own);
    world
        .agenda
        .at(Instant::from_secs(80), Event::StartupTaintsGone(NodeId(0)));
    assert_eq!(world.run(200).last(), Some(&(80_000, "initialized".to_owned())));
}

#[test]
fn a_claim_without_capacity_is_deleted_and_the_next_one_goes_elsewhere() {
    let short = ec2::Config {
        shortages: vec![Shortage {
            instance_types: vec![TypePattern("m5".to_owned())],
            zones: Vec::new(),
            capacity_types: vec![CapacityType::Spot],
            from: Instant::ZERO,
            until: None,
        }],
        ..config()
    };
    let mut world = world("1.5", short);
    let own = || claim(&["m5.large"], &["on-demand", "spot"]);
    world.add(1, own());
    world.add(5, own());
    world.add(195, own());
    check(
        &world.run(200),
        &[
            (1035, "fleet spot 2"),
            (3035, "delete insufficient_capacity"),
            (5035, "fleet on-demand 2"),
            (7035, "launched m5.large on-demand"),
            (47_035, "registered"),
            (62_035, "initialized"),
            // Three minutes later spot counts as available again.
            (195_035, "fleet spot 2"),
            (197_035, "delete insufficient_capacity"),
        ],
    );
}

#[test]
fn a_claim_that_does_not_register_is_given_up() {
    let mut world = world("1.5", config());
    world.boots = false;
    world.add(1, claim(&["m5.large"], &["on-demand"]));
    let said = world.run(2000);
    assert_eq!(
        said.last(),
        Some(&(901_000, "delete registration_timeout".to_owned()))
    );
}

#[test]
fn an_interruption_marks_the_offer_and_deletes_the_claim() {
    let mut world = world("1.5", config());
    world.add(1, claim(&["m5.large"], &["spot"]));
    world.agenda.at(
        Instant::from_secs(100),
        Event::Ec2(ec2::Input::Interrupt(InstanceId(0))),
    );
    world.add(110, claim(&["m5.large"], &["spot"]));
    let said = world.run(115);
    let tail: Vec<(u64, &str)> = said[4..].iter().map(|(at, what)| (*at, what.as_str())).collect();
    // One of two zones is left.
    assert_eq!(
        tail,
        [
            (101_000, "delete spot_interrupted"),
            (110_035, "fleet spot 1"),
            (112_035, "launched m5.large spot")
        ]
    );
}

#[test]
fn without_a_queue_the_loss_is_found_later() {
    let mut world = world("1.5", config());
    world.life.config.interruption_queue = false;
    world.add(1, claim(&["m5.large"], &["spot"]));
    world.agenda.at(
        Instant::from_secs(100),
        Event::Ec2(ec2::Input::Interrupt(InstanceId(0))),
    );
    world.run(221);
    // The node lifecycle controller says so.
    world.api.nodes.get_mut(NodeId(0)).expect("a node").ready = false;
    // Shutting down since 220 s, looked for every two minutes.
    check(&world.run(1000), &[(240_000, "delete garbage_collected")]);
}

// (karpenter v0.36.0 and v0.35.0 pkg/controllers/nodeclaim/garbagecollection/controller.go `Reconcile`)
#[test]
fn a_claim_that_never_registered_is_left_to_its_timeout() {
    for (version, deleted) in [
        ("0.35", (120_000, "delete garbage_collected")),
        ("0.36", (901_000, "delete registration_timeout")),
        ("1.14", (901_000, "delete registration_timeout")),
    ] {
        let mut world = world(version, config());
        world.boots = false;
        world.life.config.interruption_queue = false;
        world.add(1, claim(&["m5.large"], &["on-demand"]));
        let terminate = ec2::Input::Terminate(InstanceId(0));
        world.agenda.at(Instant::from_secs(30), Event::Ec2(terminate));
        let said = world.run(1000);
        let (at, what) = said.last().expect("the claim is deleted");
        assert_eq!((*at, what.as_str()), deleted, "{version}");
    }
}

#[test]
fn an_instance_whose_claim_is_gone_is_terminated() {
    let mut world = world("1.5", config());
    let id = world.add(1, claim(&["m5.large"], &["on-demand"]));
    world.run(2);
    assert!(world.life.is_launching(id));
    world.claims.remove(id);
    world.boots = false;
    check(&world.run(300), &[(120_000, "terminate")]);
    assert!(!world.life.is_launching(id));
}

#[test]
fn rates_of_interruption_reach_claims() {
    let often = ec2::Config {
        interruption: Interruption::PerHour(30.0),
        ..config()
    };
    let mut world = world("1.14", often);
    world.add(1, claim(&["m5.large"], &["spot"]));
    let said = world.run(10_000);
    assert!(
        said.iter().any(|(_, what)| what == "delete spot_interrupted"),
        "{said:?}"
    );
}

#[test]
fn a_new_process_takes_over_what_it_finds() {
    let mut world = world("1.5", config());
    let (first, second) = (
        claim(&["m5.large"], &["on-demand"]),
        claim(&["c5.large"], &["on-demand"]),
    );
    let first = world.add(1, first);
    world.run(42);
    // The second claim's call is under way when the process ends.
    let second = world.add(43, second);
    world.run(44);
    let memory = |provider: &Provider| {
        let types = provider.of_pool(POOL).expect("there is one pool");
        let found = types.iter().find(|own| &*own.name == "m5.large");
        found.expect("it is offered").capacity.memory
    };
    let known = memory(world.life.provider());
    let settings = provider::Settings::of(&world.profile);
    let catalog = world.life.catalog.clone();
    let mut provider = Provider::new(world.profile, settings, catalog, Lists::default());
    provider.set_classes(&world.classes);
    assert_ne!(memory(&provider), known, "a node has reported less or more");
    world.life = Lifecycle::new(world.profile, Config::default(), provider, &Streams::new(1));
    for input in [
        Input::PoolsChanged,
        Input::ClaimChanged(first),
        Input::ClaimChanged(second),
    ] {
        world.agenda.now_at(Event::Life(input));
    }
    // Both calls for the second claim are answered. One instance is nobody's.
    check(
        &world.run(200),
        &[
            (43_070, "fleet on-demand 2"),
            (45_035, "launched c5.large on-demand"),
            (58_035, "initialized"),
            // Its collector begins with it at 43.035 s and looks every ten seconds: this one is older than thirty.
            (83_035, "terminate"),
            (85_035, "registered"),
            (100_035, "initialized"),
        ],
    );
    assert_eq!(memory(world.life.provider()), known, "it is learnt again");
}
