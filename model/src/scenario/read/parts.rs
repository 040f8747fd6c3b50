//! `[timing]`, `[image]`, `[application]`: the parts' own configurations.

use std::time::Duration;

use sim::SortedMap;

use super::super::{ObjectName, Parts, Stack};
use super::values::Values;
use crate::distribution::Distribution;
use crate::document::{Cursor, closest};
use crate::prometheus::{Job, JobConfig};
use crate::workload::kubelet::{ImageSize, Lifecycle, PullRate};
use crate::{hpa, karpenter, keda, prometheus, scheduler, workload};

/// All configurations, defaults where nothing is said. EC2's comes from `[cloud]`.
pub(super) fn parts(
    root: &Cursor<'_>,
    stack: &Stack,
    epoch: jiff::Timestamp,
    ec2: crate::ec2::Config,
) -> Parts {
    let timing = root.get("timing");
    let profile = karpenter::Profile::of(stack.karpenter);
    let karpenter_at = timing.get("karpenter");
    let karpenter = provisioning(&karpenter_at, &profile);
    let brief = |median| Distribution::LogNormal { median, sigma: 0.4 };
    Parts {
        watch_delay: timing
            .get("watch_delay")
            .duration()
            .unwrap_or(Duration::from_millis(10)),
        controllers: controllers(&timing.get("controllers")),
        kubelet: kubelet(root, &timing.get("kubelet"), stack),
        lifecycles: lifecycles(&root.get("application")),
        metrics_resolution: at_least_a_second(&timing.get("metrics_resolution"))
            .unwrap_or(workload::metrics_server::RESOLUTION),
        query: timing.get("query").distribution().unwrap_or(brief(0.02)),
        resource_metrics: timing
            .get("resource_metrics")
            .distribution()
            .unwrap_or(brief(0.01)),
        scheduler: scheduler(&timing.get("scheduler"), stack),
        hpa: hpa(&timing.get("hpa"), stack),
        keda: keda(&timing.get("keda"), stack, epoch),
        karpenter,
        disruption: disruption(&karpenter_at, &profile, epoch),
        termination: termination(&karpenter_at),
        lifecycle: lifecycle(&karpenter_at),
        provider: karpenter::provider::Settings {
            reserved_capacity: karpenter.reserved_capacity,
            ..karpenter::provider::Settings::of(&profile)
        },
        prometheus: prometheus(&timing.get("prometheus"), stack, epoch),
        ec2,
    }
}

/// A period: shorter ones would be all that happens.
fn at_least_a_second(at: &Cursor<'_>) -> Option<Duration> {
    let period = at.duration()?;
    if period < Duration::from_secs(1) {
        at.error("E004", "expected a period of at least 1s", "");
        return None;
    }
    Some(period)
}

fn burst(at: &Cursor<'_>) -> Option<u32> {
    at.count(1).and_then(|burst| u32::try_from(burst).ok())
}

fn qps(at: &Cursor<'_>) -> Option<f64> {
    at.number(0.1..=1e6)
}

fn controllers(at: &Cursor<'_>) -> workload::controllers::Config {
    let default = workload::controllers::Config::default();
    workload::controllers::Config {
        qps: qps(&at.get("qps")).unwrap_or(default.qps),
        burst: burst(&at.get("burst")).unwrap_or(default.burst),
        write: at.get("write").duration().unwrap_or(default.write),
    }
}

/// The name under which `[image]` says how big the images are that it does not name.
const DEFAULT_IMAGE: &str = "default";

fn kubelet(root: &Cursor<'_>, at: &Cursor<'_>, stack: &Stack) -> workload::kubelet::Config {
    let default = workload::kubelet::Config::default();
    let mut images: SortedMap<String, ImageSize> = SortedMap::new();
    for (name, at) in root.get("image").entries() {
        let compressed = at.get("compressed").required().bytes();
        let unpacked = at
            .get("unpacked")
            .bytes()
            .or(compressed.map(|bytes| bytes.saturating_mul(ImageSize::UNPACKED)));
        if let (Some(compressed), Some(uncompressed)) = (compressed, unpacked) {
            images.insert(
                name.to_owned(),
                ImageSize {
                    compressed,
                    uncompressed,
                },
            );
        }
    }
    let rate = |key: &str, default: f64| {
        at.get(key)
            .quantity()
            .map(|rate| rate.as_f64())
            .filter(|rate| *rate > 0.0)
            .unwrap_or(default)
    };
    workload::kubelet::Config {
        sandbox: at.get("sandbox").distribution().unwrap_or(default.sandbox),
        container_start: at
            .get("container_start")
            .distribution()
            .unwrap_or(default.container_start),
        status_latency: at
            .get("status_latency")
            .duration()
            .unwrap_or(default.status_latency),
        image_check: at
            .get("image_check")
            .distribution()
            .unwrap_or(default.image_check),
        pull_rate: PullRate {
            download: rate("download", default.pull_rate.download),
            unpack: rate("unpack", default.pull_rate.unpack),
        },
        default_image: images.remove(DEFAULT_IMAGE).unwrap_or(default.default_image),
        images,
        cleanup: at.get("cleanup").distribution().unwrap_or(default.cleanup),
        device_registration: at
            .get("device_registration")
            .distribution()
            .unwrap_or(default.device_registration),
        restarts_probe_ticker: stack.kubernetes >= 32,
        ..default
    }
}

/// What `shutdown` says of an application that has no handler for SIGTERM.
const IGNORES: &str = "ignores SIGTERM";

fn lifecycles(at: &Cursor<'_>) -> SortedMap<ObjectName, Lifecycle> {
    let mut found = SortedMap::new();
    for (name, own) in at.entries() {
        let Some((namespace, name)) = name.split_once('/') else {
            own.error("E003", format!("expected namespace/name, found {name:?}"), "");
            continue;
        };
        let shutdown_at = own.get("shutdown");
        let ignores = shutdown_at.written() == Some(IGNORES);
        let shutdown = if ignores { None } else { shutdown_at.distribution() };
        let lifecycle = Lifecycle {
            init: own.get("init").distribution(),
            startup: own
                .get("startup")
                .distribution()
                .unwrap_or(Distribution::Constant(0.0)),
            shutdown: if ignores {
                None
            } else {
                Some(shutdown.unwrap_or(Distribution::Constant(0.1)))
            },
            device_plugin: own.get("device_plugin").bool().unwrap_or(false),
            startup_taint: own.get("startup_taint").name().map(str::to_owned),
        };
        found.insert(
            ObjectName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            },
            lifecycle,
        );
    }
    found
}

fn scheduler(at: &Cursor<'_>, stack: &Stack) -> scheduler::Config {
    let default = scheduler::Config::default();
    let most_allocated = at.get("most_allocated").bool().unwrap_or(false);
    scheduler::Config {
        profile: scheduler::Profile::of(stack.kubernetes),
        scoring_strategy: if most_allocated {
            scheduler::ScoringStrategy::MostAllocated
        } else {
            scheduler::ScoringStrategy::LeastAllocated
        },
        qps: qps(&at.get("qps")).unwrap_or(default.qps),
        burst: burst(&at.get("burst")).unwrap_or(default.burst),
        bind_latency: at
            .get("bind_latency")
            .distribution()
            .unwrap_or(default.bind_latency),
        ..default
    }
}

fn hpa(at: &Cursor<'_>, stack: &Stack) -> hpa::Config {
    let default = hpa::Config::default();
    let workers = at
        .get("workers")
        .count(1)
        .and_then(|workers| usize::try_from(workers).ok());
    hpa::Config {
        profile: hpa::Profile::of(u32::from(stack.kubernetes)),
        sync_period: at_least_a_second(&at.get("sync_period")).unwrap_or(default.sync_period),
        workers: workers.unwrap_or(default.workers),
        tolerance: at.get("tolerance").number(0.0..=1.0).unwrap_or(default.tolerance),
        downscale_stabilization: at
            .get("downscale_stabilization")
            .duration()
            .unwrap_or(default.downscale_stabilization),
        cpu_initialization_period: at
            .get("cpu_initialization_period")
            .duration()
            .unwrap_or(default.cpu_initialization_period),
        initial_readiness_delay: at
            .get("initial_readiness_delay")
            .duration()
            .unwrap_or(default.initial_readiness_delay),
        ..default
    }
}

fn keda(at: &Cursor<'_>, stack: &Stack, epoch: jiff::Timestamp) -> keda::Config {
    let default = keda::Config::default();
    keda::Config {
        profile: keda::Profile::of(u32::from(stack.keda)),
        epoch,
        http_timeout: at.get("http_timeout").duration().unwrap_or(default.http_timeout),
        reconcile: at.get("reconcile").duration().unwrap_or(default.reconcile),
    }
}

/// A flag or feature gate of Karpenter. A release that does not have it reads nothing of the kind.
fn flag(at: &Cursor<'_>, exists: bool, history: &str) -> Option<bool> {
    let given = at.bool()?;
    if !exists {
        let message = format!("this release of Karpenter has no such setting: {history}");
        at.warn("W006", message, "nobody reads it");
    }
    exists.then_some(given)
}

fn provisioning(at: &Cursor<'_>, profile: &karpenter::Profile) -> karpenter::scheduling::Settings {
    use karpenter::scheduling::{MinValuesPolicy, PreferencePolicy, Settings};
    use karpenter::version::ReservedCapacity;
    let default = Settings::of(profile);
    let reserved = profile.reserved_capacity != ReservedCapacity::Unknown;
    let flag = |key: &str, exists, history| flag(&at.get(key), exists, history);
    Settings {
        preference_policy: match flag(
            "ignore_preferences",
            profile.preference_policy,
            "PREFERENCE_POLICY came with 1.4",
        ) {
            Some(true) => PreferencePolicy::Ignore,
            _ => default.preference_policy,
        },
        min_values_policy: match flag(
            "best_effort_min_values",
            profile.min_values_policy,
            "MIN_VALUES_POLICY came with 1.6",
        ) {
            Some(true) => MinValuesPolicy::BestEffort,
            _ => default.min_values_policy,
        },
        reserved_capacity: flag(
            "reserved_capacity",
            reserved,
            "the feature gate ReservedCapacity came with 1.3",
        )
        .unwrap_or(default.reserved_capacity),
        batch_idle_duration: at
            .get("batch_idle_duration")
            .duration()
            .unwrap_or(default.batch_idle_duration),
        batch_max_duration: at
            .get("batch_max_duration")
            .duration()
            .unwrap_or(default.batch_max_duration),
        ..default
    }
}

fn disruption(
    at: &Cursor<'_>,
    profile: &karpenter::Profile,
    epoch: jiff::Timestamp,
) -> karpenter::disruption::Config {
    let default = karpenter::disruption::Config::of(profile, epoch.as_second());
    let gated = profile.drift != karpenter::version::DriftGate::Gone;
    karpenter::disruption::Config {
        spot_to_spot: flag(
            &at.get("spot_to_spot"),
            profile.spot_to_spot,
            "the feature gate SpotToSpotConsolidation came with 0.34",
        )
        .unwrap_or(default.spot_to_spot),
        drift: flag(
            &at.get("drift"),
            gated,
            "the feature gate Drift left with 1.0, from where on nodes do drift",
        )
        .unwrap_or(default.drift),
        ..default
    }
}

fn termination(at: &Cursor<'_>) -> karpenter::termination::Config {
    let default = karpenter::termination::Config::default();
    karpenter::termination::Config {
        eviction_call: at
            .get("eviction_call")
            .duration()
            .unwrap_or(default.eviction_call),
    }
}

fn lifecycle(at: &Cursor<'_>) -> karpenter::lifecycle::Config {
    let default = karpenter::lifecycle::Config::default();
    karpenter::lifecycle::Config {
        interruption_queue: at
            .get("interruption_queue")
            .bool()
            .unwrap_or(default.interruption_queue),
        queue_delay: at
            .get("queue_delay")
            .distribution()
            .unwrap_or(default.queue_delay),
    }
}

fn prometheus(at: &Cursor<'_>, stack: &Stack, epoch: jiff::Timestamp) -> prometheus::Config {
    let default = prometheus::Config::default();
    let interval_at = at.get("scrape_interval");
    let interval = at_least_a_second(&interval_at).unwrap_or(default.scrape_interval);
    let timeout = at.get("scrape_timeout").duration();
    if timeout.is_some_and(|timeout| timeout > interval) {
        at.get("scrape_timeout")
            .error("E004", "scrape_timeout is longer than scrape_interval", "");
    }
    let config = prometheus::Config {
        version: stack.prometheus,
        epoch: epoch.as_millisecond(),
        scrape_interval: interval,
        scrape_timeout: timeout.unwrap_or(default.scrape_timeout.min(interval)),
        evaluation_interval: at_least_a_second(&at.get("evaluation_interval"))
            .unwrap_or(default.evaluation_interval),
        lookback_delta: at_least_a_second(&at.get("lookback_delta")).unwrap_or(default.lookback_delta),
        jobs: jobs(&at.get("job")),
        scrape_duration: at
            .get("scrape_duration")
            .distribution()
            .unwrap_or(default.scrape_duration),
        ..default
    };
    // Of a timeout that is not a job's own Prometheus takes what the interval leaves
    // (prometheus 3.5 config/config.go `Validate`).
    for (job, own) in &config.jobs {
        let timeout_at = at.get("job").get(job.name()).get("scrape_timeout");
        let interval = config.interval(*job);
        if own.scrape_timeout.is_some_and(|timeout| timeout > interval) {
            let message = format!(
                "scrape_timeout is longer than the job's scrape_interval, {} s: Prometheus does not start",
                interval.as_secs_f64()
            );
            timeout_at.error("E004", message, "");
        }
    }
    config
}

fn jobs(at: &Cursor<'_>) -> SortedMap<Job, JobConfig> {
    let mut found = SortedMap::new();
    for (name, own) in at.entries() {
        match Job::ALL.into_iter().find(|job| job.name() == name) {
            Some(job) => {
                let config = JobConfig {
                    scrape_interval: at_least_a_second(&own.get("scrape_interval")),
                    scrape_timeout: own.get("scrape_timeout").duration(),
                    slot: own.get("slot").distribution(),
                };
                found.insert(job, config);
            }
            None => {
                let hint =
                    closest(name, Job::ALL.map(Job::name)).map(|near| format!("did you mean {near:?}?"));
                let names = Job::ALL.map(Job::name).join(", ");
                own.error(
                    "E009",
                    format!("there is no job {name:?}"),
                    &hint.unwrap_or(format!("jobs are {names}")),
                );
            }
        }
    }
    found
}
