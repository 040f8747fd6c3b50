//! What a scenario says about load, proxy, service and CPUs.
//!
//! The physical constants of load, proxy and service default to one fitted set (`cpu_per_request`, `client_cpu`,
//! `proxy_cpu`, `cycle_delay`, `smt_gain`): they were found on the measured CPU run together with a
//! `system_cpu` of 1.5 and mean nothing apart. What the data fix well is K/D, the requests a second that the CPU
//! left over on one c5.xlarge can serve (24.1 ± 0.5), and a/D, client and proxy work over service work
//! (0.11–0.13). The 1.5 itself is no default: it belongs to that run's busy c5.xlarge, and who brings other
//! nodes brings other work per request as well.

use std::time::Duration;

use sim::SortedMap;

use super::arrivals::Arrivals;
use crate::catalog::InstanceSpec;
use crate::distribution::Distribution;
use crate::quantity::MilliCpu;
use crate::release::Release;

/// Everything that load, Traefik and service need to know before a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// The closed-loop client pods, if the scenario has any.
    pub clients: Option<Clients>,
    /// Requests from outside the cluster; their rates add up.
    pub arrivals: Vec<Arrivals>,
    /// The service behind the proxy.
    pub service: Service,
    /// The proxy.
    pub traefik: Traefik,
    /// How fast machines work.
    pub cpu: Cpu,
}

/// Client pods: each repeats think, prepare, ask, wait for the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Clients {
    /// Sleep between an answer and the next request, seconds. The walkthrough's shell loop sleeps 10 ms.
    pub think_time: Distribution,
    /// What a cycle takes besides sleep and CPU (network, DNS, scheduling), seconds. Fitted: 10 ms, plausible 6–11.
    pub cycle_delay: Distribution,
    /// CPU work of the client per request, core-seconds at speed 1, done before the request is sent.
    /// Fitted: 0.0063 (two processes, a name lookup, a connection).
    pub client_cpu: f64,
    /// Loops in each pod, each with one request in flight.
    pub connections: u32,
    /// How long a client waits for its answer. `None`: for ever, as busybox wget within its 900 s.
    pub timeout: Option<Duration>,
}

impl Default for Clients {
    fn default() -> Self {
        Clients {
            think_time: Distribution::Constant(0.010),
            cycle_delay: Distribution::Constant(0.010),
            client_cpu: 0.0063,
            connections: 1,
            timeout: None,
        }
    }
}

/// The service: what one request costs and what a pod allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// CPU work of one request, core-seconds at speed 1. Fitted: 0.064, plausible 0.058–0.070.
    pub cpu_per_request: Distribution,
    /// Requests that one pod works on at once; more wait in line. `None`: no limit.
    pub concurrency: Option<u32>,
    /// How long the proxy waits for the service's answer before it gives up with 504. `None`: for ever,
    /// Traefik's default.
    pub request_timeout: Option<Duration>,
    /// GPU work, for a service that computes there.
    pub gpu: Option<Gpu>,
    /// What a pod keeps in memory. `None`: nobody knows, and metrics-server does not say.
    pub memory: Option<Memory>,
}

impl Default for Service {
    fn default() -> Self {
        Service {
            cpu_per_request: Distribution::Constant(0.064),
            concurrency: None,
            request_timeout: None,
            gpu: None,
            memory: None,
        }
    }
}

/// The working set of a service's pod: so much, and for each request that it has more. An assumption of this
/// model: caches, leaks and what a garbage collector gives back late are not in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Of a pod without requests, bytes.
    pub idle: f64,
    /// For each request that the pod works on or has in line, bytes.
    pub per_request: f64,
}

impl Memory {
    /// The working set of a pod with so many requests, bytes.
    #[must_use]
    pub fn working_set(&self, requests: f64) -> f64 {
        self.idle + self.per_request * requests
    }
}

/// GPU work of a request: after its CPU work it takes a GPU slot of its pod for that long.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpu {
    /// Time on the GPU by model (`t4`, `v100`, `m60`, as the label `karpenter.k8s.aws/instance-gpu-name` says), seconds.
    pub time: SortedMap<String, Distribution>,
    /// Time on a model that `time` does not name, seconds.
    pub other: Distribution,
    /// Requests that one pod's GPU works on at once (a batch), each taking the whole time.
    pub concurrency: u32,
}

/// The proxy: what it costs, how it learns of endpoints, what it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Traefik {
    /// Its release: which metrics exist, how terminating endpoints are treated.
    pub version: Release,
    /// CPU work of the proxy per request, core-seconds at speed 1. Assumed: 0.001 (the split from
    /// `client_cpu` does not show in the measured run).
    pub proxy_cpu: f64,
    /// The `service` label, `namespace-name-port@kubernetes` for an Ingress
    /// (traefik 2.10 pkg/provider/kubernetes/ingress/kubernetes.go).
    pub service: String,
    /// The `entrypoint` label. The chart's HTTP entry point is `web`.
    pub entry_point: String,
    /// The `method` label of the load's requests.
    pub method: String,
    /// `metrics.prometheus.buckets`, seconds (traefik 2.10 pkg/types/metrics.go `SetDefaults`).
    pub buckets: Vec<f64>,
    /// Whether anything reads the duration histograms. The flow form gets them from probes, which cost
    /// time, and leaves them out of the exposition if nothing does.
    pub durations: bool,
    /// So long from the start of a run a new configuration is applied at once, whenever the last was: what runs then has
    /// run before, and the proxies have known it.
    pub settling: Duration,
    /// `providers.*.allowEmptyServices`: a service without endpoints answers 503 instead of having no
    /// route (404). The chart turned it on with release 31.
    pub allow_empty_services: bool,
    /// From a pod's readiness reaching the endpoints controller to the proxy hearing of the changed
    /// endpoints, seconds. Estimate: 0.1 (one controller sync and one watch delivery).
    pub endpoint_delay: Duration,
    /// `providers.providersThrottleDuration`: the least time between two applied configurations
    /// (traefik 2.10 pkg/provider/aggregator/aggregator.go).
    pub throttle: Duration,
    /// How long a connection to the address of a pod that has just gone hangs, seconds. Assumed: 1–3. The pod's
    /// host asks the network for the address three times, a second apart, before it says that there is none
    /// (Linux's `mcast_solicit` and `retrans_time_ms`); until the pod's network is taken down it refuses at once.
    /// Where that answer is lost, as when the machine has gone as well, a connection hangs until
    /// [`Traefik::dial_timeout`]: the walkthrough's scale-in stalled for 10–30 s.
    pub vanished: Distribution,
    /// `forwardingTimeouts.dialTimeout`: a hang of that length ends in 504, a shorter one in 502.
    pub dial_timeout: Duration,
}

impl Default for Traefik {
    fn default() -> Self {
        Traefik {
            version: Release::new(2, 10, 0),
            proxy_cpu: 0.001,
            service: "default-service-80@kubernetes".to_owned(),
            entry_point: "web".to_owned(),
            method: "GET".to_owned(),
            buckets: vec![0.1, 0.3, 1.2, 5.0],
            durations: false,
            settling: Duration::ZERO,
            allow_empty_services: false,
            endpoint_delay: Duration::from_millis(100),
            throttle: Duration::from_secs(2),
            vanished: Distribution::Uniform { min: 1.0, max: 3.0 },
            dial_timeout: Duration::from_secs(30),
        }
    }
}

/// How fast machines work and what runs on them besides this load.
#[derive(Debug, Clone, PartialEq)]
pub struct Cpu {
    /// What the second thread of a busy core adds, in cores. Assumed: 0.25, plausible 0.15–0.4.
    pub smt_gain: f64,
    /// Steady CPU use of everything else on a system node, vCPU, served first. Assumed: 0.3, plausible 0.05–1.
    /// What is on every node takes some 0.08; the rest is CoreDNS, metrics-server, quiet controllers and a small
    /// Prometheus. It goes with what runs there, not with the machine's size, so it is no share of it: of a
    /// t3.medium it takes a seventh. The measured run's two c5.xlarge carry 1.5 and more, which was fitted with
    /// `smt_gain` as a pair and holds whatever else slowed them; their scenarios state it.
    pub system_cpu: f64,
    /// The same on other nodes: kubelet, containerd, kube-proxy, aws-node. Assumed: 0.08, plausible 0–0.25.
    pub worker_system_cpu: f64,
    /// The clock at which a core has speed 1. The measured run's c5: 3400 MHz.
    pub reference_mhz: f64,
    /// Speeds by instance type, in place of clock over reference clock.
    pub speeds: SortedMap<String, f64>,
    /// How machines of one type differ in speed: the standard deviation of its logarithm. Zero: not at all.
    pub speed_spread: f64,
    /// `cpu.cfs_period_us` (kubernetes pkg/kubelet/cm/helpers_linux.go `QuotaPeriod`).
    pub quota_period: Duration,
}

impl Default for Cpu {
    fn default() -> Self {
        Cpu {
            smt_gain: 0.25,
            system_cpu: 0.3,
            worker_system_cpu: 0.08,
            reference_mhz: 3400.0,
            speeds: SortedMap::new(),
            speed_spread: 0.0,
            quota_period: Duration::from_millis(100),
        }
    }
}

/// Whose node a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// Of a managed node group: it carries the system pods.
    System,
    /// Of the autoscaler.
    Worker,
}

/// The hardware of a node as the load feels it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Hardware threads.
    pub vcpus: f64,
    /// Physical cores.
    pub cores: f64,
    /// Work of one core alone a second, in units of a reference core's.
    pub speed: f64,
    /// vCPU that are always busy with other things, first in line.
    pub system_cpu: f64,
    /// Which of the scenario's GPU models it has.
    pub gpu: Option<GpuModel>,
}

/// A GPU model: its place among the names of [`Gpu::time`], or the one past them for any other model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuModel(pub u16);

/// The CPU side of a pod's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PodCpu {
    /// The pod's CPU request. Zero without a limit is BestEffort.
    pub request: MilliCpu,
    /// The pod's CPU limit.
    pub limit: Option<MilliCpu>,
}

impl Cpu {
    /// The machine of an instance type: what the catalog says of its clock (MHz), threads and cores.
    #[must_use]
    pub fn machine(
        &self,
        instance_type: &str,
        mhz: f64,
        vcpus: u32,
        cores: u32,
        kind: NodeKind,
        gpu: Option<GpuModel>,
    ) -> Machine {
        let named = self.speeds.get(instance_type).copied();
        Machine {
            vcpus: f64::from(vcpus),
            cores: f64::from(cores),
            speed: named.unwrap_or(mhz / self.reference_mhz),
            system_cpu: match kind {
                NodeKind::System => self.system_cpu,
                NodeKind::Worker => self.worker_system_cpu,
            },
            gpu,
        }
    }

    /// The machine of a type of the catalog, which is as fast as a reference core where its clock is not known.
    #[must_use]
    pub fn machine_of(&self, spec: &InstanceSpec, kind: NodeKind, gpu: Option<GpuModel>) -> Machine {
        let mhz = spec.sustained_mhz.map_or(self.reference_mhz, f64::from);
        self.machine(spec.name, mhz, spec.vcpus, spec.cores, kind, gpu)
    }
}

impl Config {
    /// The machine of a type of the catalog, with its GPU as the service knows it.
    #[must_use]
    pub fn machine_of(&self, spec: &InstanceSpec, kind: NodeKind) -> Machine {
        let gpu = spec.gpu.as_ref().zip(self.service.gpu.as_ref());
        let gpu = gpu.map(|(gpu, service)| service.model(&gpu.label()));
        self.cpu.machine_of(spec, kind, gpu)
    }
}

impl Gpu {
    /// A model by the name that its label has.
    #[must_use]
    pub fn model(&self, label: &str) -> GpuModel {
        let place = self.time.keys().position(|known| known == label);
        GpuModel(place.unwrap_or(self.time.len()) as u16)
    }

    /// How long a request takes on a model.
    #[must_use]
    pub fn time_on(&self, model: Option<GpuModel>) -> &Distribution {
        model
            .and_then(|GpuModel(place)| self.time.values().nth(usize::from(place)))
            .unwrap_or(&self.other)
    }
}
