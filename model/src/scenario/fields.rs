//! The table of `scenario.toml`: what a manifest cannot say.
//!
//! Durations are texts with a unit: `"15s"`, `"1h30m"`. Where a row says *distribution*, a number (of the unit
//! named), a duration, or one of these is meant: `{ min = 1, max = 2 }`, `{ median = 30, sigma = 0.2 }`
//! (log-normal), `{ mean = 5, sd = 1 }` (normal, cut off at 0), `{ mean = 5 }` (exponential).

use crate::document::fields::{Field, noted, table};

/// `scenario.toml`
pub(crate) const SCENARIO: &[Field] = &[
    noted("name", "the scenario's name"),
    noted("question", "the question it asks, for people"),
    noted("seed", "of all chance; 1 if absent"),
    noted("epoch", "the wall clock at time zero, UTC: 2024-01-02T13:35:00Z"),
    noted("duration", "how long the run is"),
    noted("warm_up", "results count from here on"),
    table("stack", STACK),
    table("cloud", CLOUD),
    table("node_group[]", NODE_GROUP),
    table("load", LOAD),
    table("service", SERVICE),
    table("proxy", PROXY),
    table("cpu", CPU),
    table("image.*", IMAGE),
    noted(
        "application.*.init",
        "what init containers but for sidecars take together, before the application starts, distribution, seconds",
    ),
    noted(
        "application.*.startup",
        "by Deployment or DaemonSet, `namespace/name`: from start to first answer, distribution, seconds",
    ),
    noted(
        "application.*.shutdown",
        "from SIGTERM to its end, distribution, seconds; \"ignores SIGTERM\" waits for SIGKILL",
    ),
    noted(
        "application.*.device_plugin",
        "its pods make a node's accelerators allocatable",
    ),
    noted(
        "application.*.startup_taint",
        "a key: the pod of this DaemonSet takes such a taint off its node when it is Ready",
    ),
    noted(
        "start.settled",
        "true: pods that find a place at time zero run already, and their images are there",
    ),
    noted(
        "start.replicas.*",
        "spec.replicas of a Deployment, `namespace/name`, at the start",
    ),
    noted("dashboard.rps", "PromQL: requests a second"),
    noted("dashboard.pods", "PromQL: pods"),
    noted("dashboard.nodes", "PromQL: nodes by instance type"),
    noted(
        "overlay.directory",
        "recorded curves to compare with, as DIR or DIR/PREFIX, relative to the scenario",
    ),
    noted(
        "overlay.start",
        "when the curves' second zero is: a time of day, or a duration since time zero",
    ),
    noted(
        "metric.*",
        "PromQL behind a metric of HPAs that KEDA does not serve, by the metric's name",
    ),
    table("timing", TIMING),
    table("action[]", ACTION),
];

const STACK: &[Field] = &[
    noted("kubernetes", "1.28 to 1.36"),
    noted("keda", "2.10 to 2.20"),
    noted("prometheus", "2.42 or later"),
    noted("traefik", "2.10 or later"),
    noted(
        "karpenter",
        "0.32 or later: the version of the AWS provider's chart",
    ),
];

const CLOUD: &[Field] = &[
    noted("region", "the AWS region"),
    noted("zones", "those that have subnets; all of the region if absent"),
    noted(
        "as_of",
        "a date: EC2 offers what it offered then; today's catalog if absent",
    ),
    noted(
        "interruption",
        "of spot instances of NodePools (those of node groups stay): \"never\", \"advisor\" (AWS's bands), or a rate per hour and instance",
    ),
    noted(
        "rebalance_lead",
        "how long before its interruption notice a spot instance gets a rebalance recommendation",
    ),
    noted(
        "deep_pools",
        "instance types or families of which spot capacity is assumed ample",
    ),
    noted(
        "on_demand_vcpus",
        "the account's quota in vCPUs: a number for each group of families by itself, or a table of groups (standard, f, g, hpc, high_memory, inf, p, trn, dl, x), those not named unlimited",
    ),
    noted("spot_vcpus", "the same for spot instances"),
    noted(
        "price.on_demand.*",
        "USD an hour of an instance type, in place of the catalog's",
    ),
    noted(
        "price.spot.*",
        "USD an hour of an instance type, in all zones, in place of the catalog's",
    ),
    noted(
        "price.volume.gp2",
        "USD a GiB and month of EBS, in place of us-west-2's",
    ),
    noted("price.volume.gp3", "the same"),
    noted(
        "price.volume.gp3_iops",
        "USD a month of an operation a second beyond 3,000",
    ),
    noted("price.volume.gp3_throughput", "USD a month of a MiB/s beyond 125"),
    noted("price.volume.io", "USD a GiB and month of io1 and io2"),
    noted(
        "price.volume.io_iops",
        "USD a month of an operation a second of io1 and io2; io2 costs less of it from 32,000 on, in AWS's proportions",
    ),
    noted("price.volume.st1", "USD a GiB and month"),
    noted("price.volume.sc1", "USD a GiB and month"),
    noted("price.volume.standard", "USD a GiB and month"),
    noted("boot.fleet_call", "CreateFleet, distribution, seconds"),
    noted("boot.pending", "until the state running, distribution, seconds"),
    noted("boot.boot", "until the kubelet registers, distribution, seconds"),
    noted("boot.network", "until the node is Ready, distribution, seconds"),
    noted("boot.bare_metal", "more for bare metal, distribution, seconds"),
    noted(
        "boot.accelerated",
        "more for types with accelerators, distribution, seconds",
    ),
    noted(
        "boot.shutting_down",
        "until a terminated instance is gone, distribution, seconds",
    ),
];

const NODE_GROUP: &[Field] = &[
    noted("name", "its name"),
    noted("instance_type", "as m5.large"),
    noted("nodes", "how many, there from the start"),
    noted("zones", "taken in turn; all that offer the type if absent"),
    noted("capacity_type", "on-demand or spot"),
    noted("ami_family", "AL2, AL2023 or Bottlerocket"),
    noted("max_pods", "pod slots, in place of what network interfaces allow"),
    noted("labels", "of its nodes"),
    noted("taints", "of its nodes: key=value:Effect"),
    noted("volume.size", "as 80Gi"),
    noted("volume.type", "gp2, gp3, io1, io2"),
    noted("volume.iops", "provisioned"),
    noted("volume.throughput", "provisioned, MiB/s"),
    noted("detailed_monitoring", "metrics every minute, which is billed"),
];

const LOAD: &[Field] = &[
    noted(
        "clients.deployment",
        "closed loop: the Deployment whose pods send, `namespace/name`",
    ),
    noted(
        "clients.think_time",
        "sleep between answer and next request, distribution, seconds",
    ),
    noted(
        "clients.cycle_delay",
        "a cycle's time besides sleep and CPU, distribution, seconds",
    ),
    noted("clients.cpu_per_request", "core-seconds at speed 1"),
    noted("clients.connections", "loops in each pod"),
    noted("clients.timeout", "how long a client waits; for ever if absent"),
    noted(
        "arrivals[].shape",
        "open loop: constant, step, ramp, sine, spike or trace",
    ),
    noted("arrivals[].rate", "constant: requests a second"),
    noted("arrivals[].before", "step: requests a second before"),
    noted("arrivals[].after", "step: requests a second after"),
    noted("arrivals[].at", "step, spike: when"),
    noted("arrivals[].from", "ramp: requests a second at its start"),
    noted("arrivals[].to", "ramp: requests a second at its end"),
    noted("arrivals[].start", "ramp: when it starts"),
    noted("arrivals[].end", "ramp: when it ends"),
    noted("arrivals[].mean", "sine: requests a second on average"),
    noted(
        "arrivals[].amplitude",
        "sine: requests a second from mean to crest",
    ),
    noted("arrivals[].period", "sine: from crest to crest"),
    noted(
        "arrivals[].offset",
        "sine: how far into the period the run begins",
    ),
    noted("arrivals[].base", "spike: requests a second outside"),
    noted("arrivals[].peak", "spike: requests a second inside"),
    noted("arrivals[].duration", "spike: how long it lasts"),
    noted(
        "arrivals[].trace",
        "trace: a CSV file of seconds and requests a second, as traces/day.csv: straight lines from point to point, level before and after",
    ),
    noted("arrivals[].process", "poisson (default), deterministic or mmpp"),
    noted("arrivals[].burst", "mmpp: the rate in a burst over the mean rate"),
    noted("arrivals[].share", "mmpp: the share of time that is burst"),
    noted("arrivals[].length", "mmpp: the mean length of a burst"),
    noted(
        "arrivals[].network_delay",
        "there and back, distribution, seconds",
    ),
    noted(
        "arrivals[].timeout",
        "how long a sender waits; for ever if absent",
    ),
];

const SERVICE: &[Field] = &[
    noted("deployment", "the Deployment whose pods answer, `namespace/name`"),
    noted("cpu_per_request", "distribution, core-seconds at speed 1"),
    noted(
        "concurrency",
        "requests that a pod works on at once; no limit if absent",
    ),
    noted(
        "timeout",
        "how long the proxy waits for an answer; for ever if absent",
    ),
    noted(
        "gpu.time.*",
        "by GPU model (t4, a10g), as the label instance-gpu-name says: distribution, seconds",
    ),
    noted("gpu.other", "on any other model: distribution, seconds"),
    noted("gpu.concurrency", "requests that a pod's GPU works on at once"),
    noted(
        "memory.idle",
        "working set of a pod without requests, as a quantity: 64Mi",
    ),
    noted(
        "memory.per_request",
        "more for each request that a pod has, as a quantity",
    ),
];

const PROXY: &[Field] = &[
    noted(
        "deployment",
        "the Deployment whose pods are Traefik, `namespace/name`",
    ),
    noted("cpu_per_request", "core-seconds at speed 1"),
    noted(
        "entry_point",
        "the label of the entry point that the load comes through; the first of the route's if absent, web if it names none",
    ),
    noted("method", "of the load's requests"),
    noted(
        "buckets",
        "of the duration histograms, seconds; what Traefik's arguments say if absent",
    ),
    noted(
        "durations",
        "whether to keep duration histograms; by default, if a query reads them",
    ),
    noted(
        "allow_empty_services",
        "a service without endpoints answers 503 instead of 404; what Traefik's arguments say if absent",
    ),
    noted("endpoint_delay", "from readiness to Traefik hearing of it"),
    noted(
        "throttle",
        "providersThrottleDuration; what Traefik's arguments say if absent",
    ),
    noted(
        "vanished",
        "how long a connection to a pod just gone hangs, distribution, seconds; 1 to 3 if absent",
    ),
    noted(
        "dial_timeout",
        "forwardingTimeouts.dialTimeout; what Traefik's arguments say if absent",
    ),
];

const CPU: &[Field] = &[
    noted("smt_gain", "what the second thread of a busy core adds, in cores"),
    noted(
        "system_cpu",
        "steady use of everything else on a node of a node group, vCPU; assumed 0.3, plausible 0.05 (agents alone) to 1",
    ),
    noted(
        "worker_system_cpu",
        "the same on Karpenter's nodes; assumed 0.08, plausible 0 to 0.25",
    ),
    noted("reference_mhz", "the clock at which a core has speed 1"),
    noted(
        "speeds.*",
        "of an instance type, in place of clock over reference clock",
    ),
    noted(
        "speed_spread",
        "how machines of one type differ in speed, the deviation of its logarithm",
    ),
    noted("quota_period", "cpu.cfs_period_us"),
];

const IMAGE: &[Field] = &[
    noted(
        "compressed",
        "bytes over the network, as 120M; the name `default` is for all images not named",
    ),
    noted("unpacked", "bytes on disk, as 400M"),
];

const TIMING: &[Field] = &[
    noted("watch_delay", "from a write to the API server to its watchers"),
    noted(
        "query",
        "how long Prometheus takes to answer, distribution, seconds",
    ),
    noted(
        "resource_metrics",
        "how long the resource metrics API takes to answer, distribution, seconds",
    ),
    noted("metrics_resolution", "the period of metrics-server"),
    noted("controllers.qps", "writes a second of each workload controller"),
    noted("controllers.burst", "writes at once of each workload controller"),
    noted("controllers.write", "one write"),
    noted(
        "kubelet.sandbox",
        "volumes and sandbox of a pod, distribution, seconds",
    ),
    noted("kubelet.container_start", "distribution, seconds"),
    noted(
        "kubelet.image_check",
        "asking the registry about an image that is there, distribution, seconds",
    ),
    noted("kubelet.download", "bytes a second from the registry, as 80M"),
    noted("kubelet.unpack", "bytes a second onto the disk, as 80M"),
    noted(
        "kubelet.cleanup",
        "from the containers' end to the pod's removal, distribution, seconds",
    ),
    noted(
        "kubelet.device_registration",
        "of a device plugin, distribution, seconds",
    ),
    noted("kubelet.status_latency", "a status update's way"),
    noted("scheduler.qps", "writes a second"),
    noted("scheduler.burst", "writes at once"),
    noted(
        "scheduler.most_allocated",
        "NodeResourcesFit fills nodes instead of spreading",
    ),
    noted("scheduler.bind_latency", "distribution, seconds"),
    noted("hpa.sync_period", "--horizontal-pod-autoscaler-sync-period"),
    noted("hpa.workers", "--concurrent-horizontal-pod-autoscaler-syncs"),
    noted("hpa.tolerance", "--horizontal-pod-autoscaler-tolerance"),
    noted(
        "hpa.downscale_stabilization",
        "--horizontal-pod-autoscaler-downscale-stabilization",
    ),
    noted(
        "hpa.cpu_initialization_period",
        "--horizontal-pod-autoscaler-cpu-initialization-period",
    ),
    noted(
        "hpa.initial_readiness_delay",
        "--horizontal-pod-autoscaler-initial-readiness-delay",
    ),
    noted("keda.http_timeout", "KEDA_HTTP_DEFAULT_TIMEOUT"),
    noted("keda.reconcile", "from a change to the reconcile that sees it"),
    noted("karpenter.batch_idle_duration", "BATCH_IDLE_DURATION"),
    noted("karpenter.batch_max_duration", "BATCH_MAX_DURATION"),
    noted(
        "karpenter.ignore_preferences",
        "PREFERENCE_POLICY: Ignore; from Karpenter 1.4 on",
    ),
    noted(
        "karpenter.best_effort_min_values",
        "MIN_VALUES_POLICY: BestEffort; from Karpenter 1.6 on",
    ),
    noted(
        "karpenter.reserved_capacity",
        "the feature gate ReservedCapacity; from Karpenter 1.3 on",
    ),
    noted(
        "karpenter.spot_to_spot",
        "the feature gate SpotToSpotConsolidation; from Karpenter 0.34 on",
    ),
    noted("karpenter.drift", "the feature gate Drift; until Karpenter 0.37"),
    noted(
        "karpenter.interruption_queue",
        "INTERRUPTION_QUEUE is set; true if absent",
    ),
    noted(
        "karpenter.queue_delay",
        "from an event of EC2 until Karpenter reads it, distribution, seconds",
    ),
    noted("karpenter.eviction_call", "one call of the eviction API"),
    noted(
        "prometheus.scrape_interval",
        "global.scrape_interval; the chart has 1m",
    ),
    noted("prometheus.scrape_timeout", "global.scrape_timeout"),
    noted("prometheus.evaluation_interval", "global.evaluation_interval"),
    noted("prometheus.lookback_delta", "--query.lookback-delta"),
    noted(
        "prometheus.scrape_duration",
        "how long a scrape takes, distribution, seconds",
    ),
    noted(
        "prometheus.job.*.scrape_interval",
        "of one job of the chart, as kubernetes-pods",
    ),
    noted("prometheus.job.*.scrape_timeout", "of one job of the chart"),
    noted(
        "prometheus.job.*.slot",
        "seconds past the full interval at which its targets are scraped, distribution; anywhere if absent",
    ),
];

const ACTION: &[Field] = &[
    noted("at", "a time of day (13:47:50) or a duration since time zero"),
    noted("label", "what figures call it"),
    noted(
        "scale",
        "a Deployment, `namespace/name`, or `name` in the namespace default",
    ),
    noted("replicas", "scale: how many"),
    noted(
        "apply",
        "a file of manifests; it is then not applied at the start",
    ),
    noted(
        "delete",
        "an object, `Kind/namespace/name`, or `Kind/name` in the namespace default",
    ),
    noted(
        "stop",
        "prometheus, keda, karpenter, hpa, scheduler or metrics-server",
    ),
    noted("start", "a part that was stopped"),
    noted(
        "interrupt.instance_type",
        "EC2 wants machines of NodePools back (those of node groups stay): of a type (m5.large), a family (m5) or a pattern (g4*)",
    ),
    noted("interrupt.zone", "of this zone"),
    noted("interrupt.capacity_type", "spot or on-demand"),
    noted("interrupt.count", "how many, oldest first; 1 if absent"),
    noted(
        "shortage.instance_type",
        "capacity runs out: of a type (m5.large), a family (m5) or a pattern (g4*)",
    ),
    noted("shortage.zone", "in this zone"),
    noted("shortage.capacity_type", "spot or on-demand"),
    noted(
        "for",
        "stop, shortage: until it is over, more than nothing; for ever if absent",
    ),
];
