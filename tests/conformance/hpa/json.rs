//! The vectors' JSON, and what it means in the model's types.

use std::time::Duration;

use model::api::{Container, Phase, PodSpec};
use model::hpa::pods::{ConditionStatus, PodView};
use model::hpa::reading::{DEFAULT_WINDOW, resource_usage};
use model::hpa::spec::{Policy, PolicyKind, ScalingRules, SelectPolicy};
use model::hpa::status::Current;
use model::hpa::{Behavior, Failure, Metric, Profile, Reading, Resource, Sample, Source, Target};
use model::id::PodId;
use model::quantity::{Bytes, MilliCpu, Quantity, Resources};
use serde::Deserialize;
use sim::{Instant, SortedMap};

/// Long after time zero, so that ages reach back.
pub(crate) const START: Instant = Instant::from_secs(1_000_000_000);

/// The window of a resource metric that names none.
const RESOURCE_WINDOW: Duration = Duration::from_secs(30);

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct MetricJson {
    r#type: String,
    external: Option<NamedJson>,
    object: Option<NamedJson>,
    pods: Option<NamedJson>,
    resource: Option<ResourceJson>,
    container_resource: Option<ResourceJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NamedJson {
    metric: NameJson,
    target: TargetJson,
    described_object: Option<ObjectJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameJson {
    name: String,
    #[serde(rename = "selector")]
    _selector: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ObjectJson {
    kind: String,
    name: String,
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceJson {
    name: String,
    container: Option<String>,
    target: TargetJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TargetJson {
    #[serde(rename = "type")]
    _type: String,
    value: Option<String>,
    average_value: Option<String>,
    average_utilization: Option<i32>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct BehaviorJson {
    scale_up: RulesJson,
    scale_down: RulesJson,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct RulesJson {
    stabilization_window_seconds: Option<u64>,
    select_policy: Option<String>,
    policies: Option<Vec<PolicyJson>>,
    tolerance: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PolicyJson {
    r#type: String,
    value: i32,
    period_seconds: u64,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReadingJson {
    values: Option<Vec<String>>,
    value: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PodJson {
    #[serde(rename = "name")]
    _name: String,
    phase: String,
    started_seconds_ago: Option<f64>,
    ready: Option<ReadyJson>,
    #[serde(default)]
    terminating: bool,
    #[serde(default)]
    containers: Vec<ContainerJson>,
    #[serde(default)]
    init_containers: Vec<ContainerJson>,
    pod_requests: Option<SortedMap<String, String>>,
    sample: Option<SampleJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ReadyJson {
    status: String,
    transition_seconds_ago: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ContainerJson {
    name: String,
    #[serde(default)]
    requests: SortedMap<String, String>,
    restart_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SampleJson {
    age_seconds: f64,
    window_seconds: Option<f64>,
    containers: Option<SortedMap<String, SortedMap<String, String>>>,
    value: Option<String>,
}

#[derive(Deserialize, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CurrentJson {
    value: Option<String>,
    average_value: Option<String>,
    average_utilization: Option<i32>,
}

pub(crate) fn quantity(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_nanos((seconds * 1e9).round() as u64)
}

impl CurrentJson {
    pub(crate) fn resolve(&self) -> Current {
        Current {
            value: self.value.as_deref().map(quantity),
            average_value: self.average_value.as_deref().map(quantity),
            average_utilization: self.average_utilization,
        }
    }
}

impl MetricJson {
    pub(crate) fn resolve(&self) -> Metric {
        let (source, target) = match self.r#type.as_str() {
            "External" => {
                let named = self.external.as_ref().expect("external");
                let source = Source::External {
                    name: named.metric.name.clone(),
                    selector: None,
                };
                (source, &named.target)
            }
            "Object" => {
                let named = self.object.as_ref().expect("object");
                let object = named.described_object.as_ref().expect("describedObject");
                let source = Source::Object {
                    name: named.metric.name.clone(),
                    selector: None,
                    kind: object.kind.clone(),
                    object: object.name.clone(),
                };
                (source, &named.target)
            }
            "Pods" => {
                let named = self.pods.as_ref().expect("pods");
                let source = Source::Pods {
                    name: named.metric.name.clone(),
                    selector: None,
                };
                (source, &named.target)
            }
            "Resource" => {
                let own = self.resource.as_ref().expect("resource");
                (Source::Resource(resource(&own.name)), &own.target)
            }
            "ContainerResource" => {
                let own = self.container_resource.as_ref().expect("containerResource");
                let source = Source::ContainerResource {
                    resource: resource(&own.name),
                    container: own.container.clone().expect("container"),
                };
                (source, &own.target)
            }
            other => panic!("metric type {other}"),
        };
        Metric {
            source,
            target: target.resolve(),
        }
    }
}

impl TargetJson {
    fn resolve(&self) -> Target {
        match (&self.value, &self.average_value, self.average_utilization) {
            (_, Some(value), _) => Target::AverageValue(quantity(value)),
            (Some(value), None, _) => Target::Value(quantity(value)),
            (None, None, Some(percent)) => Target::AverageUtilization(percent),
            _ => panic!("a metric without a target"),
        }
    }
}

fn resource(name: &str) -> Resource {
    match name {
        "cpu" => Resource::Cpu,
        "memory" => Resource::Memory,
        other => panic!("resource {other}"),
    }
}

impl BehaviorJson {
    pub(crate) fn resolve(&self) -> Behavior {
        Behavior {
            scale_up: self.scale_up.resolve(),
            scale_down: self.scale_down.resolve(),
        }
    }
}

impl RulesJson {
    fn resolve(&self) -> ScalingRules {
        let policy = |policy: &PolicyJson| Policy {
            kind: match policy.r#type.as_str() {
                "Pods" => PolicyKind::Pods,
                "Percent" => PolicyKind::Percent,
                other => panic!("policy type {other}"),
            },
            value: policy.value,
            period: Duration::from_secs(policy.period_seconds),
        };
        let select = |text: &str| match text {
            "Max" => SelectPolicy::Max,
            "Min" => SelectPolicy::Min,
            "Disabled" => SelectPolicy::Disabled,
            other => panic!("selectPolicy {other}"),
        };
        ScalingRules {
            stabilization_window: self.stabilization_window_seconds.map(Duration::from_secs),
            select_policy: self.select_policy.as_deref().map(select),
            policies: self.policies.as_ref().map(|all| all.iter().map(policy).collect()),
            tolerance: self.tolerance.as_deref().map(quantity),
        }
    }
}

impl PodJson {
    pub(crate) fn spec(&self) -> PodSpec {
        PodSpec {
            containers: self.containers.iter().map(ContainerJson::resolve).collect(),
            init_containers: self.init_containers.iter().map(ContainerJson::resolve).collect(),
            pod_level: self
                .pod_requests
                .as_ref()
                .map(crate::manifest::pod_level)
                .unwrap_or_default(),
            ..PodSpec::default()
        }
    }

    pub(crate) fn view<'a>(&self, index: usize, now: Instant, spec: &'a PodSpec) -> PodView<'a> {
        let ago = |age: f64| now.saturating_sub(seconds(age));
        PodView {
            id: PodId(index as u32),
            phase: match self.phase.as_str() {
                "Pending" => Phase::Pending,
                "Running" => Phase::Running,
                "Succeeded" => Phase::Succeeded,
                "Failed" => Phase::Failed,
                "Unknown" => Phase::Unknown,
                other => panic!("phase {other}"),
            },
            terminating: self.terminating,
            ready: self.ready.as_ref().map(|ready| {
                let status = match ready.status.as_str() {
                    "True" => ConditionStatus::True,
                    "False" => ConditionStatus::False,
                    "Unknown" => ConditionStatus::Unknown,
                    other => panic!("ready {other}"),
                };
                (status, ago(ready.transition_seconds_ago))
            }),
            started: self.started_seconds_ago.map(ago),
            spec,
        }
    }

    /// The pod's sample of a metric, if it has one.
    fn sample(
        &self,
        index: usize,
        now: Instant,
        source: &Source,
        profile: &Profile,
    ) -> Result<Option<Sample>, Failure> {
        let Some(sample) = &self.sample else {
            return Ok(None);
        };
        let (milli, window) = match source {
            Source::Pods { .. } => (
                sample.value.as_deref().map(|text| quantity(text).milli()),
                DEFAULT_WINDOW,
            ),
            Source::Resource(resource) => (sample.usage(*resource, None, profile)?, RESOURCE_WINDOW),
            Source::ContainerResource { resource, container } => (
                sample.usage(*resource, Some(container), profile)?,
                RESOURCE_WINDOW,
            ),
            _ => unreachable!("only per-pod metrics have samples"),
        };
        Ok(milli.map(|milli| Sample {
            pod: PodId(index as u32),
            timestamp: now.saturating_sub(seconds(sample.age_seconds)),
            window: sample.window_seconds.map_or(window, seconds),
            milli,
        }))
    }
}

impl SampleJson {
    fn usage(
        &self,
        resource: Resource,
        container: Option<&str>,
        profile: &Profile,
    ) -> Result<Option<i64>, Failure> {
        let Some(containers) = &self.containers else {
            return Ok(None);
        };
        let usage = |of: &SortedMap<String, String>| of.get(resource.name()).map(|text| quantity(text));
        resource_usage(
            containers.iter().map(|(name, of)| (name.as_str(), usage(of))),
            container,
            profile,
        )
    }
}

impl ContainerJson {
    fn resolve(&self) -> Container {
        Container {
            name: self.name.clone(),
            requests: resources(&self.requests),
            requests_cpu: self.requests.contains_key("cpu"),
            requests_memory: self.requests.contains_key("memory"),
            restartable: self.restart_policy.as_deref() == Some("Always"),
            ..Container::default()
        }
    }
}

fn resources(named: &SortedMap<String, String>) -> Resources {
    let amount = |name: &str| named.get(name).map(|text| quantity(text));
    Resources {
        cpu: MilliCpu(amount("cpu").map_or(0, Quantity::milli)),
        memory: Bytes(amount("memory").map_or(0, Quantity::whole)),
        ..Resources::default()
    }
}

impl ReadingJson {
    pub(crate) fn resolve(
        &self,
        metric: &Metric,
        pods: &[PodJson],
        now: Instant,
        profile: &Profile,
    ) -> Reading {
        let failed = self.error.as_ref().map(|_| Failure::Unavailable);
        match &metric.source {
            Source::External { .. } => Reading::External(match failed {
                Some(failure) => Err(failure),
                None => {
                    let values = self.values.as_deref().expect("values");
                    Ok(values.iter().map(|text| quantity(text)).collect())
                }
            }),
            Source::Object { .. } => Reading::Object(match failed {
                Some(failure) => Err(failure),
                None => Ok(quantity(self.value.as_deref().expect("value"))),
            }),
            source => Reading::Pods(match failed {
                Some(failure) => Err(failure),
                None => {
                    let sample =
                        |(index, pod): (usize, &PodJson)| pod.sample(index, now, source, profile).transpose();
                    pods.iter().enumerate().filter_map(sample).collect()
                }
            }),
        }
    }
}

/// The minor release of a version such as `1.33.13`.
pub(crate) fn minor(version: &str) -> u32 {
    let minor = version.split('.').nth(1).and_then(|text| text.parse().ok());
    minor.unwrap_or_else(|| panic!("version {version}"))
}
