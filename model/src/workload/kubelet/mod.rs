//! The kubelets: from a bound pod to a Ready one, and from a deletion to an empty place.
//!
//! What the real one does (kubernetes 1.35 pkg/kubelet) and we keep: volumes and sandbox, pulls of absent
//! images with the node's bandwidth shared, container starts, the PLEG that notices them once a second,
//! probes on their ticks, preStop and the grace period, the status updates and their delays, extended
//! resources that appear only in the periodic node status. Left out: crash loops, OOM kills, volumes that
//! fail to attach, image garbage collection.
//!
//! One component stands for all kubelets; nodes share nothing but its configuration.

mod images;
mod probe;
mod shutdown;
mod sidecar;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rand::RngExt;
use sim::{Component, Instant, Outbox, SortedMap, Stream, Streams};

use crate::api::{Api, Deletion, Owner, Pod};
use crate::distribution::Distribution;
use crate::id::{ById, DaemonSetId, DeploymentId, NodeId, PodId};

use images::Images;
pub use images::{ImageSize, PULL_FIXED, PullRate};
use probe::Start;
use shutdown::Shutdown;

/// The delays of a kubelet. Those in the reference marked as estimates are parameters.
#[derive(Debug, Clone)]
pub struct Config {
    /// From the bound pod being seen to its volumes mounted and its sandbox up, seconds.
    pub sandbox: Distribution,
    /// Creating and starting one container, seconds.
    pub container_start: Distribution,
    /// The period of the pod lifecycle event generator.
    pub relist: Duration,
    /// A status update's way to the API server.
    pub status_latency: Duration,
    /// The registry check of an image that is present but must be pulled Always, seconds.
    pub image_check: Distribution,
    /// How fast nodes pull.
    pub pull_rate: PullRate,
    /// Sizes by image name.
    pub images: SortedMap<String, ImageSize>,
    /// The size of an image that the scenario does not name.
    pub default_image: ImageSize,
    /// From the containers' end to the pod object's removal, seconds.
    pub cleanup: Distribution,
    /// The period in which node status, and with it extended resources, is reported.
    pub node_status: Duration,
    /// From a device plugin's start to its registration with the kubelet, seconds.
    pub device_registration: Distribution,
    /// Whether the first observation restarts the probe ticker (kubernetes 1.32 and later).
    pub restarts_probe_ticker: bool,
}

impl Default for Config {
    /// A current kubelet on an EKS AMI. Periods are upstream's; every distribution and rate is an estimate
    /// from published start-up times, to be replaced by what one's own cluster shows.
    fn default() -> Self {
        Config {
            sandbox: Distribution::Uniform { min: 0.6, max: 1.5 },
            container_start: Distribution::Uniform { min: 0.1, max: 0.5 },
            relist: Duration::from_secs(1),
            status_latency: Duration::from_millis(35),
            image_check: Distribution::Uniform { min: 0.2, max: 0.6 },
            pull_rate: PullRate {
                download: 80e6,
                unpack: 80e6,
            },
            images: SortedMap::new(),
            default_image: ImageSize {
                compressed: 50_000_000,
                uncompressed: 150_000_000,
            },
            cleanup: Distribution::Uniform { min: 1.0, max: 2.0 },
            node_status: Duration::from_secs(10),
            device_registration: Distribution::LogNormal {
                median: 5.0,
                sigma: 0.5,
            },
            restarts_probe_ticker: true,
        }
    }
}

/// How an application of one controller starts and stops.
#[derive(Debug, Clone, PartialEq)]
pub struct Lifecycle {
    /// How long a pod's init containers but for sidecars take together, seconds; `None` goes by what their manifests tell.
    pub init: Option<Distribution>,
    /// From the container's start to its first answer, seconds.
    pub startup: Distribution,
    /// From SIGTERM to its end, seconds; `None` ignores SIGTERM and is killed when its grace is over.
    pub shutdown: Option<Distribution>,
    /// Whether its pods are the device plugin that makes a node's accelerators allocatable.
    pub device_plugin: bool,
    /// The key of the startup taint that its pod takes off its node when it is Ready.
    pub startup_taint: Option<String>,
}

/// How the applications of each controller start and stop. One that is not named starts at once and stops
/// a tenth of a second after SIGTERM.
#[derive(Debug, Clone, Default)]
pub struct Lifecycles {
    /// By Deployment.
    pub deployments: SortedMap<DeploymentId, Lifecycle>,
    /// By DaemonSet.
    pub daemon_sets: SortedMap<DaemonSetId, Lifecycle>,
}

impl Lifecycles {
    /// That of a controller's pods, if the scenario names it.
    #[must_use]
    pub fn of(&self, owner: Owner) -> Option<&Lifecycle> {
        match owner {
            Owner::ReplicaSet(_, deployment) => self.deployments.get(&deployment),
            Owner::DaemonSet(daemon_set) => self.daemon_sets.get(&daemon_set),
            Owner::None => None,
        }
    }
}

/// What can happen to the kubelets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A kubelet started on a new machine; `true` if the images of the scenario are there already.
    NodeUp(NodeId),
    /// The node's network is up: pods that need an address may start.
    NetworkReady(NodeId),
    /// A pod was bound to a node.
    Bound(PodId),
    /// A pod has a deletion timestamp.
    Deleted(PodId),
    /// The machine is told to go down, and its kubelet ends the pods first.
    ShutDown(NodeId),
    /// The machine is gone, and its kubelet with it.
    NodeDown(NodeId),
    /// Alarm: a pod's sandbox is up.
    Sandbox(PodId),
    /// Alarm: a pull on that node may be done.
    Pulled(NodeId),
    /// Alarm: all images are checked and present.
    Start(PodId),
    /// Alarm: the kubelet reports the pod Running.
    Running(PodId),
    /// Alarm: the kubelet reports the pod Ready.
    Ready(PodId),
    /// Alarm: the regular containers have ended; sidecars go on.
    Exited(PodId),
    /// Alarm: the containers have ended.
    Stopped(PodId),
    /// Alarm: nothing is left of the pod.
    Removed(PodId),
    /// Alarm: the device plugin has registered and node status is due.
    Devices(NodeId),
}

/// What the kubelets tell the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A pod is the kubelet's from now on.
    PodAccepted(PodId),
    /// All images of a pod are there; it has waited for them, or for them to be checked, since then.
    ImagesThere(PodId, Instant),
    /// The pod runs, and what runs in it listens from then on.
    PodRunning(PodId, Instant),
    /// The pod is Ready.
    PodReady(PodId),
    /// The regular containers have ended, and with them the application; sidecars go on.
    AppExited(PodId),
    /// The containers have ended: a terminal phase, and the node's resources are free.
    PodStopped(PodId),
    /// The pod object can go.
    RemovePod(PodId),
    /// The node has a new image.
    ImagePresent(NodeId, String),
    /// The node's accelerators are allocatable.
    DevicesReported(NodeId),
    /// All pods of a node that goes down have ended.
    NodeStopped(NodeId),
}

/// What the kubelets see.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The API server's objects.
    pub api: &'a Api,
    /// How the applications behave.
    pub lifecycles: &'a Lifecycles,
}

/// All kubelets.
#[derive(Debug)]
pub struct Kubelets {
    config: Config,
    nodes: SortedMap<NodeId, NodeState>,
    pods: ById<PodId, PodState>,
    streams: Streams,
}

#[derive(Debug)]
struct NodeState {
    up: Instant,
    network: bool,
    images: Images,
    /// The pull alarm that counts; any other is moot.
    pull_alarm: Option<Instant>,
    waiting_for_network: Vec<PodId>,
    /// The machine goes down.
    shutdown: Option<Shutdown>,
}

#[derive(Debug)]
struct PodState {
    node: NodeId,
    stream: Stream,
    /// When its volumes are in place, and its probes' workers begin.
    mounted: Instant,
    /// Images still to come.
    missing: usize,
    /// Since when it has waited for its images.
    pulling: Instant,
    /// When the last of its containers started.
    started: Instant,
    /// What runs in it listens from then on.
    listens: Instant,
    ready: Instant,
    running: bool,
    stopping: bool,
    /// It has ended, and its object is about to go.
    leaving: bool,
    /// When the alarm that the pod waits for is due; any other is moot.
    due: Instant,
}

type Out = Outbox<Input, Output>;

/// A container has at least so long between SIGTERM and SIGKILL
/// (kubernetes 1.35 pkg/kubelet/kuberuntime/kuberuntime_container.go `minimumGracePeriodInSeconds`).
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// From the begin of a pod's sync to its volumes in place: they are mounted within the first wait, as a rule
/// (kubernetes 1.35 pkg/kubelet/volumemanager/volume_manager.go `podAttachAndMountRetryInterval`). Only then its probes'
/// workers begin, and its sandbox (kubernetes 1.35 pkg/kubelet/kubelet.go `SyncPod`).
const MOUNTED: Duration = Duration::from_millis(300);

impl PodState {
    /// Nothing is left to do but to remove the object.
    fn clean_up(&mut self, now: Instant, pod: PodId, config: &Config, out: &mut Out) {
        self.leaving = true;
        let cleanup = config.cleanup.sample_duration(&mut self.stream);
        out.wake_at(now + cleanup, Input::Removed(pod));
    }

    /// A second deletion can only shorten what is left of the grace period (kubernetes 1.35
    /// pkg/kubelet/pod_workers.go `calculateEffectiveGracePeriod`).
    fn hurry(&mut self, now: Instant, pod: PodId, deletion: Deletion, out: &mut Out) {
        let killed = (deletion.at + deletion.grace).max(now + LEAST_GRACE);
        if now < self.due && killed < self.due {
            self.due = killed;
            out.wake_at(killed, Input::Stopped(pod));
        }
    }
}

impl Component for Kubelets {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        match input {
            Input::NodeUp(node) => self.node_up(now, node),
            Input::NetworkReady(node) => self.network_ready(now, node, out),
            Input::ShutDown(node) => self.shut_down(now, node, view, out),
            Input::NodeDown(node) => self.node_down(node),
            Input::Bound(pod) => self.bound(now, pod, view, out),
            Input::Deleted(pod) => self.deleted(now, pod, view, out),
            Input::Sandbox(pod) if self.is_due(now, pod) => self.pull_images(now, pod, view, out),
            Input::Pulled(node) => self.pulled(now, node, out),
            Input::Start(pod) if self.is_due(now, pod) => self.start(now, pod, view, out),
            Input::Running(pod) if self.is_due(now, pod) => self.running(now, pod, view, out),
            Input::Ready(pod) if self.is_due(now, pod) => out.emit(Output::PodReady(pod)),
            Input::Exited(pod) if self.pods.get(pod).is_some_and(|state| state.stopping) => {
                out.emit(Output::AppExited(pod));
            }
            Input::Stopped(pod) if self.is_stopping(now, pod) => self.stopped(now, pod, view, out),
            Input::Removed(pod) => self.removed(pod, out),
            Input::Devices(node) if self.nodes.contains_key(&node) => out.emit(Output::DevicesReported(node)),
            // Alarms of pods that were deleted or re-armed meanwhile.
            Input::Sandbox(_)
            | Input::Start(_)
            | Input::Running(_)
            | Input::Ready(_)
            | Input::Exited(_)
            | Input::Stopped(_)
            | Input::Devices(_) => {}
        }
    }
}

impl Kubelets {
    /// Kubelets of no node yet.
    #[must_use]
    pub fn new(config: Config, streams: Streams) -> Self {
        Kubelets {
            config,
            nodes: SortedMap::new(),
            pods: ById::default(),
            streams,
        }
    }

    /// Says that a node has an image from the start.
    pub fn preload(&mut self, node: NodeId, image: &str) {
        if let Some(state) = self.nodes.get_mut(&node) {
            state.images.add(image);
        }
    }

    /// Takes over a pod that runs and is Ready from before the start of the run.
    pub fn adopt(&mut self, pod: PodId, node: NodeId) {
        let stream = self.streams.stream("kubelet/pod", u64::from(pod.0));
        let state = PodState {
            node,
            stream,
            mounted: Instant::ZERO,
            missing: 0,
            pulling: Instant::ZERO,
            started: Instant::ZERO,
            listens: Instant::ZERO,
            ready: Instant::ZERO,
            running: true,
            stopping: false,
            leaving: false,
            due: Instant::MAX,
        };
        self.pods.insert(pod, state);
    }

    /// Since when all containers of a pod run, as the kubelet of its node says to who asks it.
    #[must_use]
    pub fn running_since(&self, pod: PodId) -> Option<Instant> {
        let state = self.pods.get(pod).filter(|state| state.running)?;
        Some(state.started)
    }

    fn is_due(&self, now: Instant, pod: PodId) -> bool {
        self.pods
            .get(pod)
            .is_some_and(|state| !state.stopping && state.due == now)
    }

    fn is_stopping(&self, now: Instant, pod: PodId) -> bool {
        self.pods
            .get(pod)
            .is_some_and(|state| state.stopping && state.due == now)
    }

    fn node_up(&mut self, now: Instant, node: NodeId) {
        let state = NodeState {
            up: now,
            network: false,
            images: Images::default(),
            pull_alarm: None,
            waiting_for_network: Vec::new(),
            shutdown: None,
        };
        self.nodes.insert(node, state);
    }

    fn network_ready(&mut self, now: Instant, node: NodeId, out: &mut Out) {
        let Some(state) = self.nodes.get_mut(&node) else {
            return;
        };
        state.network = true;
        for pod in std::mem::take(&mut state.waiting_for_network) {
            self.make_sandbox(now, pod, out);
        }
    }

    /// A machine that is told to end takes longer than the kubelet needs to be rid of pods that have ended
    /// (kubernetes 1.35 pkg/kubelet/kubelet.go `SyncTerminatedPod`).
    fn node_down(&mut self, node: NodeId) {
        self.nodes.remove(&node);
        self.pods.retain(|pod| pod.node != node || pod.leaving);
    }

    fn bound(&mut self, now: Instant, pod: PodId, view: View<'_>, out: &mut Out) {
        let Some((object, node)) = view
            .api
            .pods
            .get(pod)
            .and_then(|object| Some((object, object.node?)))
        else {
            return;
        };
        let admits = |state: &&mut NodeState| state.shutdown.is_none();
        let Some(node_state) = self.nodes.get_mut(&node).filter(admits) else {
            return;
        };
        let stream = self.streams.stream("kubelet/pod", u64::from(pod.0));
        let state = PodState {
            node,
            stream,
            mounted: now,
            missing: 0,
            pulling: now,
            started: Instant::MAX,
            listens: Instant::MAX,
            ready: Instant::MAX,
            running: false,
            stopping: false,
            leaving: false,
            due: Instant::MAX,
        };
        self.pods.insert(pod, state);
        out.emit(Output::PodAccepted(pod));
        if node_state.network || object.spec().host_network {
            self.make_sandbox(now, pod, out);
        } else {
            node_state.waiting_for_network.push(pod);
        }
    }

    fn make_sandbox(&mut self, now: Instant, pod: PodId, out: &mut Out) {
        let Some(state) = self.pods.get_mut(pod) else {
            return;
        };
        let sandbox = self.config.sandbox.sample_duration(&mut state.stream);
        state.mounted = now + MOUNTED.min(sandbox);
        state.due = now + sandbox;
        out.wake_at(state.due, Input::Sandbox(pod));
    }

    fn pull_images(&mut self, now: Instant, pod: PodId, view: View<'_>, out: &mut Out) {
        let Some(object) = view.api.pods.get(pod) else {
            return;
        };
        let Some(state) = self.pods.get_mut(pod) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(&state.node) else {
            return;
        };
        state.pulling = now;
        let mut checks = Duration::ZERO;
        let spec = object.spec();
        for container in spec.init_containers.iter().chain(&spec.containers) {
            if !node.images.has(&container.image) {
                let size = self.config.images.get(&container.image).copied();
                let alone = self
                    .config
                    .pull_rate
                    .alone(size.unwrap_or(self.config.default_image));
                node.images.pull(now, &container.image, alone, pod);
                state.missing += 1;
            } else if container.always_pull {
                checks += self.config.image_check.sample_duration(&mut state.stream);
            }
        }
        if state.missing == 0 {
            state.due = now + checks;
            out.wake_at(state.due, Input::Start(pod));
        } else {
            state.due = Instant::MAX;
            let node = state.node;
            self.arm_pull(node, out);
        }
    }

    fn arm_pull(&mut self, node: NodeId, out: &mut Out) {
        let Some(state) = self.nodes.get_mut(&node) else {
            return;
        };
        let next = state.images.next_done();
        if state.pull_alarm != next {
            state.pull_alarm = next;
            if let Some(at) = next {
                out.wake_at(at, Input::Pulled(node));
            }
        }
    }

    fn pulled(&mut self, now: Instant, node: NodeId, out: &mut Out) {
        let Some(state) = self.nodes.get_mut(&node) else {
            return;
        };
        if state.pull_alarm != Some(now) {
            return;
        }
        state.pull_alarm = None;
        for (image, waiting) in state.images.take_done(now) {
            out.emit(Output::ImagePresent(node, image));
            for pod in waiting {
                let Some(pod_state) = self.pods.get_mut(pod) else {
                    continue;
                };
                pod_state.missing = pod_state.missing.saturating_sub(1);
                if pod_state.missing == 0 && !pod_state.stopping {
                    pod_state.due = now;
                    out.wake_at(now, Input::Start(pod));
                }
            }
        }
        self.arm_pull(node, out);
    }

    /// Starts the containers and works out when the kubelet will report Running and Ready. Each init container has to have
    /// ended, and each sidecar to have started, before the next container does; a sidecar's readiness is part of the
    /// pod's (kubernetes 1.35 pkg/kubelet/kuberuntime/kuberuntime_container.go `computeInitContainerActions`, pkg/kubelet/status/generate.go
    /// `GenerateContainersReadyCondition`). A sidecar is not the application: it answers as soon as it runs.
    fn start(&mut self, now: Instant, pod: PodId, view: View<'_>, out: &mut Out) {
        let Some(object) = view.api.pods.get(pod) else {
            return;
        };
        let Some(state) = self.pods.get_mut(pod) else {
            return;
        };
        let Some(node) = self.nodes.get(&state.node) else {
            return;
        };
        out.emit(Output::ImagesThere(pod, state.pulling));
        let config = &self.config;
        let spec = object.spec();
        let mut start = Start {
            started: now,
            observed: now,
            answers: now,
            worker: state.mounted,
            kubelet_age: state.mounted.since(node.up),
            restarts_ticker: config.restarts_probe_ticker,
        };
        let mut all_ready = now;
        let mut ready = |container, start: Start, stream: &mut Stream| {
            let observed = probe::started_at(container, start, stream);
            all_ready = all_ready.max(probe::ready_at(container, Start { observed, ..start }, stream));
            observed
        };
        let mut init = lifecycle(view, object)
            .init
            .as_ref()
            .map(|own| own.sample_duration(&mut state.stream));
        let told = init.is_some();
        for container in &spec.init_containers {
            start.started += config.container_start.sample_duration(&mut state.stream);
            if container.restartable {
                // The next container waits until the kubelet sees that this one has started.
                start.observed = start.started + config.relist.mul_f64(state.stream.random::<f64>());
                start.answers = start.started;
                start.started = ready(container, start, &mut state.stream);
            } else {
                // What all of them take is told as one, and taken for the first one's.
                let own = container.sleeps.filter(|_| !told).or(init.take());
                // That it has ended is seen at the next relist.
                let seen = config.relist.mul_f64(state.stream.random::<f64>());
                start.started += own.unwrap_or_default() + seen;
            }
        }
        for _ in &spec.containers {
            start.started += config.container_start.sample_duration(&mut state.stream);
        }
        let startup = lifecycle(view, object).startup.sample_duration(&mut state.stream);
        let observed = start.started + config.relist.mul_f64(state.stream.random::<f64>());
        (start.observed, start.answers) = (observed, start.started + startup);
        for container in &spec.containers {
            ready(container, start, &mut state.stream);
        }
        state.ready = all_ready.max(observed) + config.status_latency;
        (state.started, state.listens) = (start.started, start.answers);
        state.due = observed + config.status_latency;
        out.wake_at(state.due, Input::Running(pod));
    }

    fn running(&mut self, now: Instant, pod: PodId, view: View<'_>, out: &mut Out) {
        let Some(state) = self.pods.get_mut(pod) else {
            return;
        };
        out.emit(Output::PodRunning(pod, state.listens));
        let Some(object) = view.api.pods.get(pod) else {
            return;
        };
        state.running = true;
        state.due = state.ready.max(now);
        out.wake_at(state.due, Input::Ready(pod));
        if lifecycle(view, object).device_plugin {
            let registered = self.config.device_registration.sample_duration(&mut state.stream);
            // Extended resources travel with the periodic node status only
            // (kubernetes 1.35 pkg/kubelet/kubelet_node_status.go): any phase of the period.
            let wait = self.config.node_status.mul_f64(state.stream.random::<f64>());
            out.wake_at(now + registered + wait, Input::Devices(state.node));
        }
    }

    /// preStop runs inside the grace period, then SIGTERM, and SIGKILL when the grace is over
    /// (kubernetes 1.35 pkg/kubelet/kuberuntime/kuberuntime_container.go `killContainer`).
    fn deleted(&mut self, now: Instant, pod: PodId, view: View<'_>, out: &mut Out) {
        let Some((object, deletion)) = view.api.pods.get(pod).and_then(|pod| Some((pod, pod.deletion?)))
        else {
            return;
        };
        if !object.is_terminal() {
            self.stop(now, pod, deletion, view, out);
        } else if let Some(state) = self.pods.get_mut(pod).filter(|state| state.due <= now) {
            state.clean_up(now, pod, &self.config, out);
        }
    }

    /// Ends a pod's containers. A second time can only shorten what is left.
    fn stop(&mut self, now: Instant, pod: PodId, deletion: Deletion, view: View<'_>, out: &mut Out) {
        let Some(object) = view.api.pods.get(pod) else {
            return;
        };
        let Some(state) = self.pods.get_mut(pod) else {
            return;
        };
        if state.stopping {
            return state.hurry(now, pod, deletion, out);
        }
        let spec = object.spec();
        let grace = deletion.grace;
        let sleeps = spec.containers.iter().map(|container| container.pre_stop_sleep);
        let pre_stop = sleeps.max().filter(|_| state.running).unwrap_or_default();
        // A preStop that uses the grace up still leaves two seconds between SIGTERM and SIGKILL.
        let pre_stop = pre_stop.min(grace);
        let left = (grace - pre_stop).max(LEAST_GRACE);
        let shutdown = match &lifecycle(view, object).shutdown {
            _ if !state.running => Duration::ZERO,
            Some(exit) => exit.sample_duration(&mut state.stream).min(left),
            None => left,
        };
        state.stopping = true;
        let exit = pre_stop + shutdown;
        let end = match state.running {
            true => sidecar::last_end(&spec.init_containers, exit, grace),
            false => exit,
        };
        state.due = now + end;
        if end > exit {
            out.wake_at(now + exit, Input::Exited(pod));
        }
        out.wake_at(state.due, Input::Stopped(pod));
    }

    fn stopped(&mut self, now: Instant, pod: PodId, view: View<'_>, out: &mut Out) {
        let Some(state) = self.pods.get_mut(pod) else {
            return;
        };
        out.emit(Output::PodStopped(pod));
        let node = state.node;
        // One that ended with its machine stays, for its controller to see.
        if view.api.pods.get(pod).is_none_or(|pod| pod.deletion.is_some()) {
            state.clean_up(now, pod, &self.config, out);
        }
        self.ended(now, pod, node, view, out);
    }

    fn removed(&mut self, pod: PodId, out: &mut Out) {
        if self.pods.remove(pod).is_some() {
            out.emit(Output::RemovePod(pod));
        }
    }
}

/// How the application of a pod behaves.
fn lifecycle<'a>(view: View<'a>, pod: &Pod) -> &'a Lifecycle {
    static DEFAULT: Lifecycle = Lifecycle {
        init: None,
        startup: Distribution::Constant(0.0),
        shutdown: Some(Distribution::Constant(0.1)),
        device_plugin: false,
        startup_taint: None,
    };
    view.lifecycles.of(pod.owner).unwrap_or(&DEFAULT)
}
