//! Kubelets and traffic of a made-up cluster: told what the API server says, by a clock that somebody else reads.

use std::sync::Arc;
use std::time::Duration;

use model::api::{Api, Condition, Deletion, Owner, Phase, Pod, PodTemplate, Restarts};
use model::catalog;
use model::id::{DaemonSetId, DeploymentId, NodeId, PodId, ReplicaSetId};
use model::scenario::{Act, ObjectName, Roles, Scenario};
use model::traffic::{self, Fidelity, Machine, NodeKind, PodCpu, Role, Stats, Traffic};
use model::workload::kubelet::{self, Kubelets, Lifecycles};
use rand_distr::{Distribution as _, StandardNormal};
use sim::{Action, Agenda, Component as _, Instant, Outbox, SortedMap, Streams};

use super::exposition;

/// How far a pod's kubelet is: what KWOK waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// The kubelet has taken it on: network, sandbox and images come first.
    Accepted,
    /// The containers run.
    Running,
    /// The pod is Ready.
    Ready,
    /// The containers have ended, after a deletion.
    Stopped,
    /// Nothing is left: the object can go.
    Removed,
}

impl Mark {
    /// The annotation's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Mark::Accepted => "accepted",
            Mark::Running => "running",
            Mark::Ready => "ready",
            Mark::Stopped => "stopped",
            Mark::Removed => "removed",
        }
    }
}

/// A node, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeSeen {
    /// metadata.name
    pub name: String,
    /// metadata.labels
    pub labels: SortedMap<String, String>,
    /// Its Ready condition is True.
    pub ready: bool,
    /// status.capacity or allocatable of `cpu`, whole threads: for a node whose type is not in the catalog.
    pub cpus: f64,
}

/// What made a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MadeBy {
    /// A Deployment's ReplicaSet: the Deployment's name.
    Deployment(String),
    /// A DaemonSet: its name.
    DaemonSet(String),
}

/// A pod, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSeen {
    /// metadata.uid
    pub uid: String,
    /// Namespace and name.
    pub name: ObjectName,
    /// What made it, if it is of a kind that scenarios know.
    pub made_by: Option<MadeBy>,
    /// spec.nodeName
    pub node: Option<String>,
    /// Its phase is Running.
    pub running: bool,
    /// Its Ready condition is True.
    pub ready: bool,
    /// Its phase is Succeeded or Failed.
    pub ended: bool,
    /// It has a deletion timestamp: what is left of its grace period.
    pub grace: Option<Duration>,
}

/// Something that the API server said.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// A node is there, or has changed.
    Node(NodeSeen),
    /// A node is gone, by name.
    NodeGone(String),
    /// A pod is there, or has changed.
    Pod(PodSeen),
    /// A pod is gone, by UID.
    PodGone(String),
}

/// An annotation to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The pod.
    pub pod: ObjectName,
    /// metadata.uid: another pod of that name is not meant.
    pub uid: String,
    /// What it says.
    pub mark: Mark,
}

/// A pod that takes part.
#[derive(Debug)]
struct Known {
    id: PodId,
    uid: String,
    name: ObjectName,
    node: Option<NodeId>,
    role: Option<Role>,
    /// What runs in it listens from then on.
    listens: Instant,
    /// What traffic was told.
    sends: bool,
    ready: bool,
    deleting: bool,
    stopped: bool,
}

/// All kubelets, and what runs on their nodes.
#[derive(Debug)]
pub struct DataPlane {
    traffic: Traffic,
    config: traffic::Config,
    kubelets: Kubelets,
    lifecycles: Lifecycles,
    agenda: Agenda<kubelet::Input>,
    outbox: Outbox<kubelet::Input, kubelet::Output>,
    api: Api,
    deployments: SortedMap<ObjectName, (DeploymentId, Arc<PodTemplate>)>,
    daemon_sets: SortedMap<ObjectName, (DaemonSetId, Arc<PodTemplate>)>,
    roles: Roles,
    /// Images that nodes of managed node groups have from the start.
    preloaded: Vec<String>,
    streams: Streams,
    nodes: SortedMap<String, (NodeId, bool)>,
    next_node: u32,
    pods: SortedMap<String, Known>,
    by_id: SortedMap<PodId, String>,
    writes: Vec<Write>,
}

impl DataPlane {
    /// Nothing is known of any cluster yet. Time zero is the start of the scenario's load.
    #[must_use]
    pub fn new(scenario: &Scenario, fidelity: Fidelity, seed: u64) -> Self {
        let streams = Streams::new(seed);
        let mut plane = DataPlane {
            traffic: Traffic::new(
                scenario.traffic.clone(),
                fidelity,
                streams,
                &scenario.shared.probes,
            ),
            config: scenario.traffic.clone(),
            kubelets: Kubelets::new(scenario.config.kubelet.clone(), streams),
            lifecycles: Lifecycles::default(),
            agenda: Agenda::new(),
            outbox: Outbox::new(),
            api: Api::default(),
            deployments: SortedMap::new(),
            daemon_sets: SortedMap::new(),
            roles: scenario.roles.clone(),
            preloaded: match scenario.start.settled {
                true => scenario.config.kubelet.images.keys().cloned().collect(),
                false => Vec::new(),
            },
            streams,
            nodes: SortedMap::new(),
            next_node: 0,
            pods: SortedMap::new(),
            by_id: SortedMap::new(),
            writes: Vec::new(),
        };
        plane.list_workloads(scenario);
        plane
    }

    /// The Deployments and DaemonSets whose pods take part: all that the scenario ever applies.
    fn list_workloads(&mut self, scenario: &Scenario) {
        let later = scenario.actions.iter().filter_map(|action| match &action.act {
            Act::Apply(objects) => Some(&**objects),
            _ => None,
        });
        for objects in std::iter::once(&scenario.objects).chain(later) {
            for deployment in &objects.deployments {
                let next = DeploymentId(self.deployments.len() as u32);
                let template = deployment.object.template.clone();
                let own = self
                    .deployments
                    .entry(deployment.name())
                    .or_insert((next, template));
                if let Some(lifecycle) = scenario.config.lifecycles.get(&deployment.name()) {
                    self.lifecycles.deployments.insert(own.0, lifecycle.clone());
                }
            }
            for daemon_set in &objects.daemon_sets {
                let name = ObjectName {
                    namespace: daemon_set.template.namespace.clone(),
                    name: daemon_set.name.clone(),
                };
                let next = DaemonSetId(self.daemon_sets.len() as u32);
                let lifecycle = scenario.config.lifecycles.get(&name);
                let own = self
                    .daemon_sets
                    .entry(name)
                    .or_insert((next, daemon_set.template.clone()));
                if let Some(lifecycle) = lifecycle {
                    self.lifecycles.daemon_sets.insert(own.0, lifecycle.clone());
                }
            }
        }
    }

    /// When something will happen by itself next.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.agenda.next_due()
    }

    /// Goes on to `now`, and hands out what is to be written since the last call, in order.
    pub fn advance(&mut self, now: Instant) -> Vec<Write> {
        self.go_on(now);
        std::mem::take(&mut self.writes)
    }

    fn go_on(&mut self, now: Instant) {
        while self.agenda.next_due().is_some_and(|due| due <= now) {
            if let Some((at, input)) = self.agenda.pop() {
                self.tell_kubelets(at, input);
            }
        }
    }

    /// Hears what the API server says at `now`.
    pub fn hear(&mut self, now: Instant, seen: Seen) {
        self.go_on(now);
        match seen {
            Seen::Node(node) => self.node_seen(now, &node),
            Seen::NodeGone(name) => self.node_gone(now, &name),
            Seen::Pod(pod) => self.pod_seen(now, &pod),
            Seen::PodGone(uid) => self.pod_gone(now, &uid),
        }
    }

    fn node_seen(&mut self, now: Instant, seen: &NodeSeen) {
        if !self.nodes.contains_key(&seen.name) {
            let id = NodeId(self.next_node);
            self.next_node += 1;
            self.nodes.insert(seen.name.clone(), (id, false));
            let machine = self.machine(seen, id);
            self.traffic
                .handle(now, traffic::Input::NodeUp { node: id, machine });
            self.tell_kubelets(now, kubelet::Input::NodeUp(id));
            if kind(seen) == NodeKind::System {
                for image in &self.preloaded {
                    self.kubelets.preload(id, image);
                }
            }
        }
        let (id, network) = self.nodes[&seen.name];
        if seen.ready && !network {
            self.nodes.insert(seen.name.clone(), (id, true));
            self.tell_kubelets(now, kubelet::Input::NetworkReady(id));
        }
    }

    fn machine(&self, seen: &NodeSeen, id: NodeId) -> Machine {
        let config = &self.config;
        let name = seen.labels.get("node.kubernetes.io/instance-type");
        let name = name.map_or("", String::as_str);
        let mut machine = match catalog::find(name) {
            Some(spec) => config.machine_of(spec, kind(seen)),
            // Of a type that nobody knows: reference cores, two threads each.
            None => {
                let vcpus = seen.cpus.max(1.0) as u32;
                let mhz = config.cpu.reference_mhz;
                config
                    .cpu
                    .machine(name, mhz, vcpus, vcpus.div_ceil(2), kind(seen), None)
            }
        };
        let number = u64::from(id.0);
        let deviate: f64 = StandardNormal.sample(&mut self.streams.stream("machine/speed", number));
        machine.speed *= (config.cpu.speed_spread * deviate).exp();
        machine
    }

    fn node_gone(&mut self, now: Instant, name: &str) {
        let Some((id, _)) = self.nodes.remove(name) else {
            return;
        };
        self.tell_kubelets(now, kubelet::Input::NodeDown(id));
        self.traffic.handle(now, traffic::Input::NodeGone(id));
        for pod in self.pods.values_mut().filter(|pod| pod.node == Some(id)) {
            pod.stopped = true;
        }
    }

    fn pod_seen(&mut self, now: Instant, seen: &PodSeen) {
        if !self.pods.contains_key(&seen.uid) && !self.meet(now, seen) {
            return;
        }
        self.bind(now, seen);
        let Some(pod) = self.pods.get_mut(&seen.uid) else {
            return;
        };
        let id = pod.id;
        if pod.node.is_none() || pod.stopped {
            return;
        }
        if let (false, true, Some(role), Some(node)) = (pod.sends, seen.running, pod.role, pod.node) {
            pod.sends = true;
            let cpu = self.api.pods.get(id).map(cpu).unwrap_or_default();
            let input = traffic::Input::PodRunning {
                pod: id,
                role,
                node,
                cpu,
            };
            self.traffic.handle(now, input);
            if pod.listens > now {
                let from = pod.listens;
                self.traffic
                    .handle(now, traffic::Input::PodListens { pod: id, from });
            }
        }
        if pod.ready != seen.ready {
            pod.ready = seen.ready;
            let ready = seen.ready;
            self.traffic
                .handle(now, traffic::Input::PodReady { pod: id, ready });
        }
        if let Some(grace) = seen.grace {
            let first = !std::mem::replace(&mut pod.deleting, true);
            if first {
                self.traffic.handle(now, traffic::Input::PodDeleting(id));
            }
            self.delete(now, id, grace);
        }
    }

    /// Takes note of a pod of the scenario; others are left to KWOK.
    fn meet(&mut self, now: Instant, seen: &PodSeen) -> bool {
        let of = |name: &str| ObjectName {
            namespace: seen.name.namespace.clone(),
            name: name.to_owned(),
        };
        let (owner, template, role) = match &seen.made_by {
            Some(MadeBy::Deployment(name)) => match self.deployments.get(&of(name)) {
                Some((id, template)) => {
                    let role = self.role(&of(name));
                    (Owner::ReplicaSet(ReplicaSetId(0), *id), template.clone(), role)
                }
                None => return false,
            },
            Some(MadeBy::DaemonSet(name)) => match self.daemon_sets.get(&of(name)) {
                Some((id, template)) => (Owner::DaemonSet(*id), template.clone(), None),
                None => return false,
            },
            None => return false,
        };
        if seen.ended {
            return false;
        }
        let id = self.api.add_pod(Pod {
            name: seen.name.name.clone(),
            uid: 0,
            template,
            owner,
            created: now,
            deletion: None,
            node: None,
            only_node: None,
            nominated_node: None,
            phase: Phase::Pending,
            ready: None,
            unschedulable: false,
            started: None,
            restarts: Restarts::default(),
        });
        self.by_id.insert(id, seen.uid.clone());
        let known = Known {
            id,
            uid: seen.uid.clone(),
            name: seen.name.clone(),
            node: None,
            role,
            listens: Instant::ZERO,
            sends: false,
            ready: false,
            deleting: false,
            stopped: false,
        };
        self.pods.insert(seen.uid.clone(), known);
        true
    }

    fn role(&self, deployment: &ObjectName) -> Option<Role> {
        let roles = &self.roles;
        if roles.client.as_ref() == Some(deployment) {
            return Some(Role::Client);
        }
        if roles.proxy == *deployment {
            return Some(Role::Proxy);
        }
        (roles.server == *deployment).then_some(Role::Server)
    }

    /// A pod has a node: its kubelet takes it on, or has had it from before this process began.
    fn bind(&mut self, now: Instant, seen: &PodSeen) {
        let node = seen.node.as_ref().and_then(|name| self.nodes.get(name));
        let (Some(&(node, _)), Some(pod)) = (node, self.pods.get_mut(&seen.uid)) else {
            return;
        };
        if pod.node.is_some() {
            return;
        }
        pod.node = Some(node);
        let id = pod.id;
        self.api.bind_pod(id, node);
        if seen.running {
            self.kubelets.adopt(id, node);
            if !seen.ready && seen.grace.is_none() {
                self.write(id, Mark::Ready);
            }
        } else {
            // Else KWOK would take it for a pod that nobody speaks for.
            self.write(id, Mark::Accepted);
            self.tell_kubelets(now, kubelet::Input::Bound(id));
        }
    }

    fn delete(&mut self, now: Instant, id: PodId, grace: Duration) {
        let Some(pod) = self.api.pods.get_mut(id) else {
            return;
        };
        let until = now + grace;
        match &mut pod.deletion {
            // What is left of one grace period is no other one; a second may pass between two looks at it.
            Some(deletion) if until + Duration::from_secs(1) >= deletion.at + deletion.grace => return,
            Some(deletion) => deletion.grace = until.since(deletion.at),
            None => pod.deletion = Some(Deletion { at: now, grace }),
        }
        self.tell_kubelets(now, kubelet::Input::Deleted(id));
    }

    fn pod_gone(&mut self, now: Instant, uid: &str) {
        let Some(pod) = self.pods.remove(uid) else {
            return;
        };
        self.by_id.remove(&pod.id);
        if !pod.stopped {
            self.traffic.handle(now, traffic::Input::PodDeleting(pod.id));
            self.traffic.handle(now, traffic::Input::PodStopped(pod.id));
        }
        self.api.remove_pod(pod.id);
    }

    fn tell_kubelets(&mut self, now: Instant, input: kubelet::Input) {
        let mut outbox = std::mem::take(&mut self.outbox);
        let view = kubelet::View {
            api: &self.api,
            lifecycles: &self.lifecycles,
        };
        self.kubelets.handle(now, input, view, &mut outbox);
        for action in outbox.drain() {
            match action {
                Action::WakeAt(at, input) => self.agenda.at(at, input),
                Action::Emit(output) => self.perform(now, &output),
            }
        }
        self.outbox = outbox;
    }

    fn perform(&mut self, now: Instant, output: &kubelet::Output) {
        use kubelet::Output;
        match *output {
            Output::PodAccepted(id) => {
                if let Some(pod) = self.api.pods.get_mut(id) {
                    pod.started = Some(now);
                }
            }
            Output::PodRunning(id, listens) => {
                if let Some(known) = self.pods.values_mut().find(|known| known.id == id) {
                    known.listens = listens;
                }
                if let Some(pod) = self.api.pods.get_mut(id) {
                    pod.phase = Phase::Running;
                    pod.started.get_or_insert(now);
                    pod.ready = Some(Condition {
                        status: false,
                        since: now,
                    });
                }
                self.write(id, Mark::Running);
            }
            Output::PodReady(id) => self.write(id, Mark::Ready),
            Output::AppExited(id) => self.traffic.handle(now, traffic::Input::PodStopped(id)),
            Output::PodStopped(id) => {
                self.traffic.handle(now, traffic::Input::PodStopped(id));
                if let Some(pod) = self.by_id.get(&id).and_then(|uid| self.pods.get_mut(uid)) {
                    pod.stopped = true;
                }
                self.write(id, Mark::Stopped);
            }
            Output::RemovePod(id) => self.write(id, Mark::Removed),
            // A made-up node shows its accelerators from the start, and images are not in its status.
            Output::ImagesThere(..)
            | Output::ImagePresent(..)
            | Output::DevicesReported(_)
            | Output::NodeStopped(_) => {}
        }
    }

    /// A pod without a probe is Ready when it runs: only the later of two marks is worth a request.
    fn write(&mut self, id: PodId, mark: Mark) {
        let Some(pod) = self.by_id.get(&id).and_then(|uid| self.pods.get(uid)) else {
            return;
        };
        self.writes.retain(|write| write.uid != pod.uid);
        self.writes.push(Write {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            mark,
        });
    }

    /// What the proxies answer to a scrape at `now`, each as its pod would; labels say which pod it is.
    pub fn exposition(&mut self, now: Instant) -> String {
        self.go_on(now);
        let mut processes = Vec::new();
        for pod in self.pods.values() {
            if pod.role != Some(Role::Proxy) || !pod.sends || pod.stopped {
                continue;
            }
            let labels = vec![
                ("namespace", pod.name.namespace.clone()),
                ("pod", pod.name.name.clone()),
            ];
            processes.push((labels, self.traffic.exposition(now, pod.id)));
        }
        exposition::text(&processes)
    }

    /// Totals and the state at `now`.
    pub fn stats(&mut self, now: Instant) -> Stats {
        self.go_on(now);
        self.traffic.stats(now)
    }

    /// How many servers are Ready and not being deleted.
    #[must_use]
    pub fn servers(&self) -> usize {
        let serves = |pod: &&Known| pod.role == Some(Role::Server) && pod.ready && !pod.deleting;
        self.pods.values().filter(serves).count()
    }
}

/// Nodes that Karpenter made carry its label.
fn kind(seen: &NodeSeen) -> NodeKind {
    match seen.labels.contains_key(model::karpenter::labels::NODE_POOL) {
        true => NodeKind::Worker,
        false => NodeKind::System,
    }
}

fn cpu(pod: &Pod) -> PodCpu {
    let spec = pod.spec();
    PodCpu {
        request: spec.requests().cpu,
        limit: spec.cpu_limit(),
    }
}
