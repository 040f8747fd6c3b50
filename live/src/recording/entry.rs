//! The lines of a recording.

use sim::SortedMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// One line: what was heard, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since the header's epoch, by the recorder's steady clock.
    pub t: f64,
    /// What was heard.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Entry {
    /// What is recorded: the first line, and no other.
    Header(Header),
    /// The scenario begins: its time zero is now.
    Start(Start),
    /// An object of the API changed, or was there when listening began.
    Object(Object),
    /// A query was answered.
    Sample(Sample),
    /// What EC2 says of the cluster's machines, all of them.
    Instances(Instances),
    /// What machines cost from now on.
    Prices(Prices),
    /// The recorder's side did something to the cluster.
    Action(Action),
    /// A stretch of time in which a source could not be heard.
    Gap(Gap),
    /// How far another clock is from the recorder's.
    Clock(Clock),
    /// A recorder took this recording up again. The line before may be torn.
    Resumed {
        /// Why there was a break.
        reason: String,
    },
    /// The recording ended as it should. Without it the recorder was killed.
    End(End),
}

/// Who made a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Maker {
    /// A recorder beside a cluster.
    Live,
    /// A simulated run that was written down as if a cluster had been watched.
    Simulation,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`]
    pub version: u32,
    /// The run's name, as on the labels of what it created.
    pub run: String,
    /// Who made it.
    pub made_by: Maker,
    /// The scenario's name, if one ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Overrides of the scenario, as given with `--set`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    /// The wall clock at `t` = 0, RFC 3339.
    pub epoch: String,
    /// Releases by part: `kubernetes`, `keda`, `karpenter`, `prometheus`, `traefik`, `scaletwin`; without a `v`.
    #[serde(default)]
    pub versions: SortedMap<String, String>,
    /// The AWS region, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The cluster, as its context is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// The beginning of the scenario's time. Without it a recording is compared by its wall clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The scenario's own clock at this moment, RFC 3339: its `epoch`.
    pub clock: String,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was there when listening began, or began anew after a gap.
    Listed,
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone; `object` is what it was last.
    Deleted,
}

/// A change of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// What happened.
    pub change: Change,
    /// `Pod`, `Node`, `Deployment`, `HorizontalPodAutoscaler`, `ScaledObject`, `NodePool`, `EC2NodeClass`, `NodeClaim`,
    /// `DaemonSet`, `Event`, …
    pub kind: String,
    /// metadata.namespace, empty for objects of the whole cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// metadata.name
    pub name: String,
    /// metadata.uid
    pub uid: String,
    /// apiVersion, metadata, spec and status as the API said them, [`trimmed`](super::trimmed); without `spec` if that
    /// is what it was in the object's last change.
    pub object: Value,
}

/// Answers to one query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Who answered: `prometheus`, `metrics-server`, `keda`.
    pub source: String,
    /// What it is: a column of `series.csv` such as `seen.rps`, `seen.pods`, `seen.nodes` (a series for each instance
    /// type), `latency_p95_s`, `rps_served`; or `trigger` (labels `scaledObject` as NAMESPACE/NAME and `metric` as in
    /// the HPA), `usage` (labels `namespace`, `pod`, `container`, `resource`).
    pub name: String,
    /// The query as asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The answer. Nothing, if nothing matched.
    #[serde(default)]
    pub series: Vec<Series>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One series of an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Its labels.
    #[serde(default)]
    pub labels: SortedMap<String, String>,
    /// Time on the recording's clock, and value: one for an instant query, several for a range. A value that is no
    /// number is `null`.
    pub points: Vec<(f64, Option<f64>)>,
}

/// What EC2 says of machines.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instances {
    /// All of the cluster's, those that ended within the last hour included.
    pub instances: Vec<Instance>,
}

/// One machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// `m5.large`
    pub instance_type: String,
    /// The availability zone.
    pub zone: String,
    /// `on-demand`, `spot` or `reserved`
    pub lifecycle: String,
    /// LaunchTime, RFC 3339.
    pub launched: String,
    /// `pending`, `running`, `shutting-down`, `terminated`, `stopping` or `stopped`
    pub state: String,
}

/// What machines cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Those that changed or that were not known yet.
    pub prices: Vec<Price>,
}

/// A price.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// `m5.large`
    pub instance_type: String,
    /// The zone of a spot price; empty if the price is the region's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// `on-demand` or `spot`
    pub lifecycle: String,
    /// Dollars an hour.
    pub usd_per_hour: f64,
    /// Since when, RFC 3339, if it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// Something that was done to the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// `create`, `apply`, `scale`, `delete`, …
    pub verb: String,
    /// `Deployment shop/load`
    pub object: String,
    /// What figures call it; empty for what is not worth a mark.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A stretch of time in which a source could not be heard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// `api` for all watches or `api/Pod` for one; `prometheus`, `keda`, `ec2` for machines and
    /// `ec2/prices`, `all`.
    pub source: String,
    /// Since when, on the recording's clock: when the source was heard last.
    pub from: f64,
    /// Until when; not there while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// Why.
    pub reason: String,
}

/// How far a clock is from the recorder's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// `api`, `prometheus`, `ec2`
    pub source: String,
    /// So many seconds ahead of the recorder's; negative if behind.
    pub ahead_s: f64,
}

/// How a recording ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// `finished`, `interrupted`, `cap reached: …`, `failed: …`
    pub reason: String,
}
