//! The cluster: every part, every wire.
//!
//! Parts do not name one another. Here alone it is written who hears whom: an event is popped off the
//! agenda and handed to its part together with what that part may see; what the part asks for is performed
//! by a write to the API server, a call of another part, or an alarm. A write puts one [`Notice`] on the
//! agenda, and its delivery (`deliver`) tells all who watch.
//!
//! ```text
//!  load ─► traffic ─► counters ─► prometheus ─► keda ─► hpa ─► controllers ─► scheduler
//!            ▲                                                      │            │ Unschedulable
//!            └──── ready pods ◄── kubelets ◄── bound pods ◄─────────┘            ▼
//!                                    ▲                                    provisioner ─► lifecycle ─► ec2
//!                                    └──────────── node joins ◄────────────────────────────────────────┘
//!                     claim status ─► disruption ─► terminator ─► ec2
//! ```
//!
//! Traffic is advanced lazily: nothing else depends on a single request, only on counters that are read.

mod actions;
mod apply;
mod audit;
mod capacity;
mod deliver;
mod event;
mod explain;
mod health;
mod hear;
mod lost;
mod metrics;
mod nodes;
pub mod notice;
mod objects;
mod perform;
pub mod record;
mod recorder;
mod scrape;
mod start;
mod tally;
mod watch;

use std::sync::Arc;

use sim::{Agenda, Instant, SortedMap, SortedSet, Stream, Streams};

use crate::api::{Api, Labels, PodTemplate};
use crate::few::Few;
use crate::hpa::Hpa;
use crate::id::{
    DeploymentId, HpaId, InstanceId, NodeClaimId, NodeId, NodePoolId, PodId, ScaledObjectId, Table,
};
use crate::karpenter::provider::{Classes, NodeClass};
use crate::karpenter::requirement::Name;
use crate::karpenter::{ClusterState, NodeClaim, NodePool, lifecycle};
use crate::keda::ScaledObject;
use crate::prometheus::exporters::Exporters;
use crate::scenario::{ObjectName, Part, Route, Scenario};
use crate::traffic::Fidelity;
use crate::workload::kubelet::Lifecycles;
use audit::Auditor;
use event::Event;
use hear::{Outboxes, Parts};
use metrics::Asked;
use recorder::Recorder;

pub use notice::Notice;
pub use record::Record;
pub use watch::{Seen, Watcher};

/// What of a run is not the scenario's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The seed of all chance.
    pub seed: u64,
    /// How finely traffic is simulated.
    pub fidelity: Fidelity,
    /// Whether to keep every decision with its inputs.
    pub log: bool,
    /// Whether to say response times: rows and percentiles are NaN without. In flow they cost most of a run.
    pub latencies: bool,
    /// Whether to ask the dashboard's queries for each row: what is `seen` is NaN or empty without.
    pub dashboard: bool,
    /// Whether to check the state of everything after every event. For tests: it is slow.
    pub audit: bool,
}

impl Options {
    /// A run of the scenario as it stands.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        Options {
            seed: scenario.seed,
            fidelity: Fidelity::Flow,
            log: true,
            latencies: true,
            dashboard: true,
            audit: false,
        }
    }
}

/// Runs a scenario from its start to its end.
///
/// # Panics
///
/// When an invariant is broken: that is a bug of this crate, never of a scenario.
#[must_use]
pub fn run(scenario: &Scenario, options: Options) -> Record {
    run_before(scenario, options, None)
}

/// The same, with somebody who watches. The record is the same too.
#[must_use]
pub fn run_watched(scenario: &Scenario, options: Options, watcher: &mut dyn Watcher) -> Record {
    run_before(scenario, options, Some(watcher))
}

fn run_before(scenario: &Scenario, options: Options, mut watcher: Option<&mut dyn Watcher>) -> Record {
    let mut cluster = Cluster::new(scenario, options);
    cluster.begin();
    let end = Instant::ZERO + scenario.duration;
    while let Some((now, event)) = cluster.next(end) {
        if let (Some(watcher), Event::Watch(notice)) = (&mut watcher, &event) {
            watcher.hear(now, *notice, cluster.seen());
        }
        cluster.recorder.look_back(now, &cluster.api, &cluster.objects);
        cluster.step(now, event);
        if let Some(watcher) = &mut watcher {
            watcher.look(now, cluster.seen());
        }
        cluster.recorder.note(now);
        if options.audit {
            let mut auditor = std::mem::take(&mut cluster.auditor);
            auditor.audit(now, &mut cluster);
            cluster.auditor = auditor;
        }
    }
    if let Some(watcher) = watcher {
        watcher.end(end, cluster.seen());
    }
    cluster.finish(end)
}

/// All objects, all parts, and what is to come.
pub(crate) struct Cluster<'s> {
    scenario: &'s Scenario,
    options: Options,
    agenda: Agenda<Event>,
    api: Api,
    objects: Objects,
    parts: Parts,
    exporters: Exporters,
    /// What proxies exposed.
    exposed: SortedMap<PodId, scrape::Exposed>,
    outboxes: Outboxes,
    /// Parts that an action has stopped.
    stopped: SortedSet<Part>,
    /// How often one of them has begun again.
    restarts: u64,
    /// What came into Karpenter's interruption queue while nobody read it.
    interruptions: Vec<(Instant, lifecycle::Input)>,
    /// The machines of nodes that go down in order.
    going_down: SortedMap<NodeId, InstanceId>,
    health: health::NodeController,
    /// When the cloud controller looks at nodes.
    cloud_phase: Instant,
    /// Whether anybody asks metrics-server.
    usage_is_read: bool,
    /// The metric that each HPA's sync waits for.
    asked: Few<HpaId, Asked>,
    auditor: Auditor,
    recorder: Recorder,
    /// Every query that something in the run asks, parsed, by its text.
    queries: start::Queries,
    streams: Streams,
    uids: Stream,
    latencies: Stream,
}

/// Objects of the API server that only some parts know.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) hpas: Table<HpaId, Hpa>,
    pub(crate) scaled_objects: Table<ScaledObjectId, ScaledObject>,
    pub(crate) claims: Table<NodeClaimId, NodeClaim>,
    pub(crate) pools: Table<NodePoolId, NodePool>,
    /// EC2NodeClasses by name.
    pub(crate) node_classes: SortedMap<Name, Arc<NodeClass>>,
    /// The EC2NodeClass of each pool.
    pub(crate) classes: Classes,
    /// Karpenter's memory.
    pub(crate) state: ClusterState,
    /// The pods that DaemonSets put on nodes.
    pub(crate) daemons: Vec<Arc<PodTemplate>>,
    pub(crate) namespaces: SortedMap<String, Labels>,
    /// Deployments whose manifest, as it was applied last, writes spec.replicas.
    pub(crate) sized: SortedSet<DeploymentId>,
    pub(crate) lifecycles: Lifecycles,
    /// What Ingresses and IngressRoutes lead to.
    pub(crate) routes: Vec<Route>,
    /// Nothing leads to the service.
    pub(crate) unrouted: bool,
    /// Names of Deployments that were deleted or never there: their autoscalers speak of them.
    pub(crate) absent: SortedMap<DeploymentId, ObjectName>,
    /// Who plays which role in the traffic.
    pub(crate) roles: Roles,
}

/// The Deployments of the traffic.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Roles {
    pub(crate) client: Option<DeploymentId>,
    pub(crate) proxy: Option<DeploymentId>,
    pub(crate) server: Option<DeploymentId>,
}

impl Cluster<'_> {
    /// The next event that is due before the end.
    fn next(&mut self, end: Instant) -> Option<(Instant, Event)> {
        if self.agenda.next_due()? > end {
            return None;
        }
        self.agenda.pop()
    }

    /// Hands an event to whom it is for.
    fn step(&mut self, now: Instant, event: Event) {
        match event {
            Event::Watch(notice) => self.deliver(now, notice),
            Event::Controllers(input) => self.hear_controllers(now, input),
            Event::Kubelets(input) => self.hear_kubelets(now, input),
            Event::Scheduler(input) => self.hear_scheduler(now, input),
            Event::Hpa(input) => self.hear_hpa(now, input),
            Event::Keda(input) => self.hear_keda(now, input),
            Event::Prometheus(input) => self.hear_prometheus(now, input),
            Event::Provisioner(input) => self.hear_provisioner(now, input),
            Event::Lifecycle(input) => self.hear_lifecycle(now, input),
            Event::ClaimStatus(input) => self.hear_claim_status(now, input),
            Event::Disruption(input) => self.hear_disruption(now, input),
            Event::Terminator(input) => self.hear_terminator(now, input),
            Event::Ec2(input) => self.hear_ec2(now, input),
            Event::MetricsServer => self.scrape_kubelets(now),
            Event::NodeSilent(node) => self.node_silent(now, node),
            Event::MonitorNodes => self.monitor_nodes(now),
            Event::TaintNodes => self.taint_nodes(now),
            Event::CloudLook(node) => self.cloud_look(now, node),
            Event::CollectPods => self.collect_pods(now),
            Event::Act(number) => self.act(now, number),
            Event::Row => self.row(now),
        }
    }
}
