//! The start of a run: parts are built, objects applied, machines of node groups are there.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sim::{Agenda, Instant, SortedMap, SortedSet, Streams};

use super::audit::Auditor;
use super::event::Event;
use super::health::{self, NodeController};
use super::hear::{Outboxes, Parts};
use super::recorder::{self, Recorder};
use super::{Cluster, Objects, Options, Roles, lost};
use crate::api::Api;
use crate::ec2::Ec2;
use crate::few::Few;
use crate::hpa::controller as hpa;
use crate::id::{InstanceId, PodId};
use crate::karpenter::Profile;
use crate::karpenter::claim_status::ClaimStatus;
use crate::karpenter::disruption::Disruption;
use crate::karpenter::lifecycle::Lifecycle;
use crate::karpenter::provider::Provider;
use crate::karpenter::provisioner::Provisioner;
use crate::karpenter::termination::Terminator;
use crate::keda::Operator;
use crate::prometheus::exporters::{self, Exporters};
use crate::prometheus::{self, Interest, Prometheus, Query};
use crate::scenario::{self, Scenario};
use crate::scheduler::Scheduler;
use crate::traffic::Traffic;
use crate::workload::controllers::Controllers;
use crate::workload::kubelet::Kubelets;
use crate::workload::metrics_server::MetricsServer;

/// In a settled start, pods that are bound within this time run at once: they have been running all along.
const SETTLING: Duration = Duration::from_secs(30);

impl<'s> Cluster<'s> {
    pub(super) fn new(scenario: &'s Scenario, options: Options) -> Self {
        let streams = Streams::new(options.seed);
        let queries = queries(scenario);
        let usage_is_read = super::metrics::usage_is_read(scenario, options.fidelity);
        let parts = Parts::new(scenario, options, streams, &queries, usage_is_read);
        let epoch = parts.prometheus.unix_millis(Instant::ZERO);
        Cluster {
            exporters: Exporters::new(parts.prometheus.interest(), epoch),
            exposed: SortedMap::new(),
            parts,
            objects: Objects::default(),
            scenario,
            options,
            agenda: Agenda::new(),
            api: Api::default(),
            outboxes: Outboxes::default(),
            stopped: SortedSet::new(),
            restarts: 0,
            interruptions: Vec::new(),
            going_down: SortedMap::new(),
            health: NodeController::new(streams),
            cloud_phase: health::phase(streams, "cloud-controller/phase", lost::CLOUD_PERIOD),
            usage_is_read,
            asked: Few::default(),
            auditor: Auditor::default(),
            recorder: Recorder::new(Instant::ZERO + scenario.warm_up, options.log),
            queries,
            streams,
            uids: streams.stream("api/uid", 0),
            latencies: streams.stream("api/latency", 0),
        }
    }

    /// The parts as they are right after a restart. Chance goes on: a new process that drew what the former one
    /// drew would give its names again.
    pub(super) fn build(&mut self) -> Parts {
        self.restarts += 1;
        let seed = self.streams.stream("process", self.restarts).random();
        let usage_is_read = self.usage_is_read;
        Parts::new(
            self.scenario,
            self.options,
            Streams::new(seed),
            &self.queries,
            usage_is_read,
        )
    }

    /// Puts the beginning of everything in place.
    pub(super) fn begin(&mut self) {
        let now = Instant::ZERO;
        let members: Vec<InstanceId> = self.parts.ec2.instances().iter().map(|(id, _)| id).collect();
        for instance in members {
            self.join_group_member(now, instance);
        }
        self.apply(now, &self.scenario.objects);
        self.set_start_replicas();
        self.find_roles();
        self.hear_prometheus(now, prometheus::Input::Running);
        self.start_hpa(now);
        self.start_karpenter(now);
        self.agenda.now_at(Event::MetricsServer);
        // Rows are kept at the start of results and in steps from there.
        let warm_up = self.scenario.warm_up.as_nanos() as u64;
        let first = warm_up % recorder::STEP.as_nanos() as u64;
        self.agenda.at(Instant::from_nanos(first), Event::Row);
        for (number, action) in self.scenario.actions.iter().enumerate() {
            self.agenda.at(action.at, Event::Act(number as u32));
        }
    }

    fn set_start_replicas(&mut self) {
        for (name, replicas) in &self.scenario.start.replicas {
            if let Some(deployment) = self
                .deployment(name)
                .and_then(|id| self.api.deployments.get_mut(id))
            {
                deployment.replicas = *replicas;
            }
        }
    }

    /// Finds the Deployments that play a role in the traffic.
    pub(super) fn find_roles(&mut self) {
        let roles = &self.scenario.roles;
        self.objects.roles = Roles {
            client: roles.client.as_ref().and_then(|name| self.deployment(name)),
            proxy: self.deployment(&roles.proxy),
            server: self.deployment(&roles.server),
        };
    }

    /// Whether pods that are bound now count as running already.
    pub(super) fn is_settling(&self, now: Instant) -> bool {
        self.scenario.start.settled && now < Instant::ZERO + SETTLING
    }

    /// A pod of a settled start runs and is Ready.
    pub(super) fn settle(&mut self, now: Instant, pod: PodId) {
        let Some((object, node)) = self.api.pods.get(pod).and_then(|pod| Some((pod, pod.node?))) else {
            return;
        };
        let template = object.template.clone();
        for image in template.spec.images() {
            self.preload(node, image);
        }
        self.parts.kubelets.adopt(pod, node);
        self.set_pod_running(now, pod);
        self.start_traffic(now, pod);
        self.set_pod_ready(now, pod, true);
    }
}

impl Parts {
    fn new(
        scenario: &Scenario,
        options: Options,
        streams: Streams,
        queries: &Queries,
        usage_is_read: bool,
    ) -> Self {
        let config = &scenario.config;
        let profile = Profile::of(scenario.stack.karpenter);
        // Nothing ties the controller manager's start to the scenario's.
        let mut hpa_config = config.hpa.clone();
        let phase = streams.stream("hpa/resync", 0).random::<f64>();
        hpa_config.resync_phase = hpa_config.sync_period.mul_f64(phase);
        let prometheus = prometheus(scenario, options, &streams, queries);
        let mut traffic = scenario.traffic.clone();
        if scenario.start.settled {
            traffic.traefik.settling = SETTLING;
        }
        let cpu_is_read = usage_is_read || prometheus.interest().wants_any(&exporters::CADVISOR);
        Parts {
            controllers: Controllers::new(config.controllers.clone(), streams),
            kubelets: Kubelets::new(config.kubelet.clone(), streams),
            scheduler: Scheduler::new(config.scheduler.clone(), &streams),
            hpa: hpa::Controller::new(hpa_config, &streams),
            keda: Operator::new(config.keda.clone(), options.log),
            prometheus,
            provisioner: Provisioner::new(profile, config.karpenter, &streams),
            lifecycle: Lifecycle::new(
                profile,
                config.lifecycle.clone(),
                Provider::new(
                    profile,
                    config.provider.clone(),
                    scenario.catalog.clone(),
                    scenario.shared.instance_types.clone(),
                ),
                &streams,
            ),
            claim_status: ClaimStatus::new(profile, config.disruption.drift),
            disruption: Disruption::new(profile, config.karpenter, config.disruption, &streams),
            terminator: Terminator::new(profile, config.termination),
            ec2: Ec2::new(
                config.ec2.clone(),
                scenario.catalog.clone(),
                &scenario.node_groups,
                &streams,
            ),
            metrics_server: MetricsServer::default(),
            traffic: Traffic::new(traffic, options.fidelity, streams, &scenario.shared.probes)
                .counting_cpu(cpu_is_read),
        }
    }
}

/// A Prometheus that scrapes what any query wants, since how long scrapes take is drawn in their order. Where
/// nobody looks at the dashboard it keeps only what autoscalers read.
fn prometheus(scenario: &Scenario, options: Options, streams: &Streams, queries: &Queries) -> Prometheus {
    let all: Vec<Query> = queries.values().map(|query| Query::clone(query)).collect();
    let server = Prometheus::new(scenario.config.prometheus.clone(), &all, streams);
    if options.dashboard {
        return server;
    }
    let automatic = scenario::queries(scenario);
    let is_automatic = |query: &Query| automatic.iter().any(|text| *text == query.text());
    let (kept, shown): (Vec<Query>, Vec<Query>) = all.into_iter().partition(is_automatic);
    // The server counts samples, and a reading of CPU use ends a step of the traffic, whoever wants it.
    let counted = Interest::of(&kept).wants_any(&prometheus::scrape::REPORTS);
    let measured = Interest::of(&shown).wants_any(&exporters::CADVISOR);
    if counted || measured {
        server
    } else {
        server.keeping(&kept)
    }
}

/// Queries of a run, by their text.
pub(super) type Queries = SortedMap<String, Arc<Query>>;

fn queries(scenario: &Scenario) -> Queries {
    let parse = |text: &String| Some((text.clone(), scenario.query(text).ok()?));
    scenario::all_queries(scenario).filter_map(parse).collect()
}
