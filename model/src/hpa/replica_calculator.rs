//! From one metric's reading to a proposal
//! (kubernetes 1.35 pkg/controller/podautoscaler/{replica_calculator.go,metrics/utilization.go}).
//!
//! The expressions are upstream's to the bit: values are whole thousandths, ratios are `f64` in the same
//! order of operations, utilization is truncated to whole per cent before it is compared. Conversions
//! out of range give what amd64 gives.

use sim::{Instant, SortedMap};

use super::pods::{self, Counts, Groups, Initialization, PodView};
use super::reading::Sample;
use super::spec::{Behavior, Resource};
use super::version::Profile;
use crate::id::PodId;

/// By how much a ratio may be off without anything being done (`Tolerances`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Below 1.
    pub down: f64,
    /// Above 1.
    pub up: f64,
    /// Both ends are tested against 1 ± tolerance, not the difference against the tolerance.
    pub interval: bool,
}

impl Tolerances {
    /// The flag's value, or what `behavior` says where that counts
    /// (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go `tolerancesForHpa`).
    #[must_use]
    pub fn of(flag: f64, behavior: Option<&Behavior>, profile: &Profile) -> Self {
        let behavior = behavior.filter(|_| profile.configurable_tolerance);
        let own = |rules: &super::spec::ScalingRules| rules.tolerance.map(|own| own.as_f64());
        Tolerances {
            down: behavior.and_then(|both| own(&both.scale_down)).unwrap_or(flag),
            up: behavior.and_then(|both| own(&both.scale_up)).unwrap_or(flag),
            interval: profile.tolerance_interval,
        }
    }

    /// Whether a ratio is close enough to 1 (`isWithin`). NaN is not.
    #[must_use]
    pub fn is_within(&self, ratio: f64) -> bool {
        if self.interval {
            (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
        } else {
            (1.0 - ratio).abs() <= self.up
        }
    }
}

/// What a calculation found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calculated {
    /// The proposal.
    pub replicas: i32,
    /// The value shown in status: in thousandths, or in per cent of the requests.
    pub value: i64,
    /// For a utilization, the mean use in thousandths as well.
    pub raw: Option<i64>,
    /// The ratio that decided.
    pub ratio: f64,
    /// It lay within the tolerance.
    pub within: bool,
    /// The pods, if the proposal depends on them.
    pub pods: Option<Counts>,
}

/// Why a reading leads to no proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The selector matches no pod.
    #[error("no pods returned by selector while calculating replica count")]
    NoPods,
    /// All samples belong to pods that do not count.
    #[error("did not receive metrics for targeted pods (pods might be unready)")]
    NoReadyPods,
    /// A container requests nothing of the resource, or is not there.
    #[error("missing request")]
    MissingRequest,
    /// The pods' requests sum up to nothing.
    #[error("no metrics returned matched known pods")]
    NoRequests,
}

/// The sum of an external metric's series, in thousandths.
#[must_use]
pub fn sum_average_value(values: impl IntoIterator<Item = i64>, profile: &Profile) -> i64 {
    let mut usage: i64 = 0;
    for value in values {
        usage = usage.wrapping_add(value);
        if usage < 0 && profile.clamp_average_value {
            // Upstream takes any negative sum for an overflow.
            return i64::MAX;
        }
    }
    usage
}

/// The same for a Value target.
#[must_use]
pub fn sum_value(values: impl IntoIterator<Item = i64>, profile: &Profile) -> i64 {
    let mut usage: i64 = 0;
    for value in values {
        usage = match usage.checked_add(value) {
            None if profile.clamp_value && value > 0 => return i64::MAX,
            _ => usage.wrapping_add(value),
        };
    }
    usage
}

/// AverageValue of an external or object metric: pods do not matter, only how many the scale reports
/// (`GetExternalPerPodMetricReplicas`, `GetObjectPerPodMetricReplicas`).
#[must_use]
pub fn per_pod_replicas(
    usage: i64,
    target: i64,
    status_replicas: i32,
    tolerances: &Tolerances,
    clamps: bool,
) -> Calculated {
    let ratio = usage as f64 / (target as f64 * f64::from(status_replicas));
    let within = tolerances.is_within(ratio);
    let wanted = libm::ceil(usage as f64 / target as f64);
    let replicas = match within {
        true => status_replicas,
        false if clamps && wanted > f64::from(i32::MAX) => i32::MAX,
        false => to_i32(wanted),
    };
    let value = if clamps && usage as f64 >= i64::MAX as f64 {
        i64::MAX
    } else {
        to_i64(libm::ceil(usage as f64 / f64::from(status_replicas)))
    };
    Calculated {
        replicas,
        value,
        raw: None,
        ratio,
        within,
        pods: None,
    }
}

/// Value of an external or object metric: the ratio times the ready pods
/// (`GetExternalMetricReplicas`, `GetObjectMetricReplicas`, `getUsageRatioReplicaCount`).
///
/// # Errors
///
/// When the selector matches no pod and the count is needed.
pub fn value_replicas(
    usage: i64,
    target: i64,
    spec_replicas: i32,
    pods: &[PodView<'_>],
    tolerances: &Tolerances,
    profile: &Profile,
) -> Result<Calculated, Error> {
    let ratio = usage as f64 / target as f64;
    let within = spec_replicas != 0 && tolerances.is_within(ratio);
    let mut counts = None;
    let replicas = if within {
        spec_replicas
    } else if spec_replicas == 0 {
        to_i32(libm::ceil(ratio))
    } else {
        let ready = pods::ready_pods_count(pods).ok_or(Error::NoPods)?;
        counts = Some(Counts {
            ready,
            unready: pods.len() - ready,
            ..Counts::default()
        });
        let wanted = ratio * ready as f64;
        if profile.clamp_value && wanted > f64::from(i32::MAX) {
            i32::MAX
        } else {
            to_i32(libm::ceil(wanted))
        }
    };
    Ok(Calculated {
        replicas,
        value: usage,
        raw: None,
        ratio,
        within,
        pods: counts,
    })
}

/// What a per-pod metric is compared with.
#[derive(Debug, Clone, Copy)]
pub enum PerPod<'a> {
    /// A mean in thousandths (`calcPlainMetricReplicas`).
    AverageValue(i64),
    /// Per cent of the requests (`GetResourceReplicas`).
    Utilization {
        /// The target.
        percent: i32,
        /// Requests of which resource.
        resource: Resource,
        /// Of one container only.
        container: Option<&'a str>,
    },
}

/// A per-pod metric's surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When the samples came.
    pub now: Instant,
    /// The release.
    pub profile: &'a Profile,
    /// Around 1.
    pub tolerances: Tolerances,
    /// The rules for starting pods, for CPU only.
    pub cpu: Option<Initialization>,
    /// spec.replicas of the scale
    pub spec_replicas: i32,
    /// What the selector matches.
    pub pods: &'a [PodView<'a>],
}

/// A pods, resource or container resource metric. Pods that start are taken out of a scale-up, pods
/// without a sample are guessed so that they damp the change, and a change that turns round is dropped.
///
/// # Errors
///
/// See [`Error`].
pub fn per_pod_metric_replicas(
    context: &Context<'_>,
    samples: &[Sample],
    target: PerPod<'_>,
) -> Result<Calculated, Error> {
    if context.pods.is_empty() {
        return Err(Error::NoPods);
    }
    let samples: SortedMap<PodId, Sample> = samples.iter().map(|sample| (sample.pod, *sample)).collect();
    let groups = pods::group_pods(context.now, context.pods, &samples, context.cpu);
    let mut values: SortedMap<PodId, i64> = samples.into_iter().map(|(pod, s)| (pod, s.milli)).collect();
    values.retain(|pod, _| !groups.ignored.contains(pod) && !groups.unready.contains(pod));
    if values.is_empty() {
        return Err(Error::NoReadyPods);
    }
    let target = Prepared::new(context, target)?;
    let usage = target.usage(&values)?;
    let ratio = usage.ratio;
    let damped = !groups.unready.is_empty() && ratio > 1.0;
    let found = |replicas, ratio, within| Calculated {
        replicas,
        value: usage.value,
        raw: usage.raw,
        ratio,
        within,
        pods: Some(groups.counts()),
    };
    if !damped && groups.missing.is_empty() {
        let within = context.tolerances.is_within(ratio);
        let replicas = match within {
            true => context.spec_replicas,
            false => to_i32(libm::ceil(ratio * groups.ready as f64)),
        };
        return Ok(found(replicas, ratio, within));
    }
    fill_in(&mut values, &groups, &target, ratio, damped);
    let second = target.usage(&values)?.ratio;
    let within = context.tolerances.is_within(second);
    if within || (ratio < 1.0 && second > 1.0) || (ratio > 1.0 && second < 1.0) {
        return Ok(found(context.spec_replicas, second, within));
    }
    let wanted = to_i32(libm::ceil(second * values.len() as f64));
    let turns_round =
        (second < 1.0 && wanted > context.spec_replicas) || (second > 1.0 && wanted < context.spec_replicas);
    let replicas = if turns_round {
        context.spec_replicas
    } else {
        wanted
    };
    Ok(found(replicas, second, false))
}

/// Guesses what the pods without a usable sample use: what stands in the way of the change.
fn fill_in(values: &mut SortedMap<PodId, i64>, groups: &Groups, target: &Prepared, ratio: f64, damped: bool) {
    for pod in &groups.missing {
        if ratio < 1.0 {
            values.insert(*pod, target.full(*pod));
        } else if ratio > 1.0 {
            values.insert(*pod, 0);
        }
    }
    if damped {
        values.extend(groups.unready.iter().map(|pod| (*pod, 0)));
    }
}

/// A target with the requests it needs.
enum Prepared {
    AverageValue(i64),
    Utilization(i32, SortedMap<PodId, i64>),
}

struct Usage {
    ratio: f64,
    value: i64,
    raw: Option<i64>,
}

impl Prepared {
    fn new(context: &Context<'_>, target: PerPod<'_>) -> Result<Self, Error> {
        Ok(match target {
            PerPod::AverageValue(milli) => Prepared::AverageValue(milli),
            PerPod::Utilization {
                percent,
                resource,
                container,
            } => {
                let requests = pods::calculate_requests(context.profile, context.pods, resource, container);
                Prepared::Utilization(percent, requests.ok_or(Error::MissingRequest)?)
            }
        })
    }

    /// `GetMetricUsageRatio`, `GetResourceUtilizationRatio`
    fn usage(&self, values: &SortedMap<PodId, i64>) -> Result<Usage, Error> {
        let count = values.len() as i64;
        match self {
            Prepared::AverageValue(target) => {
                let total = values.values().fold(0i64, |sum, value| sum.wrapping_add(*value));
                let mean = total / count;
                Ok(Usage {
                    ratio: mean as f64 / *target as f64,
                    value: mean,
                    raw: None,
                })
            }
            Prepared::Utilization(target, requests) => {
                let (mut total, mut requested) = (0i64, 0i64);
                for (pod, value) in values {
                    // Samples of pods that the informer does not know are left out.
                    if let Some(request) = requests.get(pod) {
                        total = total.wrapping_add(*value);
                        requested = requested.wrapping_add(*request);
                    }
                }
                if requested == 0 {
                    return Err(Error::NoRequests);
                }
                let percent = (total.wrapping_mul(100) / requested) as i32;
                Ok(Usage {
                    ratio: f64::from(percent) / f64::from(*target),
                    value: i64::from(percent),
                    raw: Some(total / count),
                })
            }
        }
    }

    /// What a pod that nobody measured is taken to use when there is too little use: the target, or all of
    /// its request and more if the target is more.
    fn full(&self, pod: PodId) -> i64 {
        match self {
            Prepared::AverageValue(target) => *target,
            Prepared::Utilization(target, requests) => {
                let request = requests.get(&pod).copied().unwrap_or(0);
                request.wrapping_mul(i64::from(*target).max(100)) / 100
            }
        }
    }
}

/// As amd64 converts: what does not fit is the least number.
fn to_i32(value: f64) -> i32 {
    let fits = value > f64::from(i32::MIN) - 1.0 && value < f64::from(i32::MAX) + 1.0;
    if fits { value as i32 } else { i32::MIN }
}

fn to_i64(value: f64) -> i64 {
    let fits = value >= i64::MIN as f64 && value < i64::MAX as f64;
    if fits { value as i64 } else { i64::MIN }
}
