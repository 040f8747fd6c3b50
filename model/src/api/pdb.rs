//! PodDisruptionBudgets: how many pods of a kind may be missing on purpose.
//!
//! The disruption controller keeps `status.disruptionsAllowed` up to date within milliseconds of a pod's
//! change. Here it is computed when somebody asks, from the pods as they are: a pod counts as disrupted from
//! the moment it has a deletion timestamp, which in this model an accepted eviction sets at once, so the
//! status' list of pods in between (`status.disruptedPods`) is always empty.

use super::meta::LabelSelector;
use super::pod::{Owner, Phase, Pod};
use super::store::Api;
use super::workload::IntOrPercent;
use crate::id::PodId;

/// spec.minAvailable or spec.maxUnavailable: they exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// At least so many pods, or so many per cent of the expected ones rounded up, stay healthy.
    MinAvailable(IntOrPercent),
    /// At most so many pods, or so many per cent of the expected ones rounded up, are not healthy.
    MaxUnavailable(IntOrPercent),
    /// Neither is given: no pods are expected, and none may be evicted.
    Unstated,
}

/// A PodDisruptionBudget object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodDisruptionBudget {
    /// metadata.name
    pub name: String,
    /// metadata.namespace
    pub namespace: String,
    /// spec.selector; `None` matches no pod, the empty selector all of the namespace
    pub selector: Option<LabelSelector>,
    /// spec.minAvailable or spec.maxUnavailable
    pub budget: Budget,
    /// spec.unhealthyPodEvictionPolicy is AlwaysAllow (the default is IfHealthyBudget)
    pub always_allow_unhealthy: bool,
}

/// status of a PodDisruptionBudget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetStatus {
    /// status.currentHealthy: ready pods that are not being deleted.
    pub current_healthy: i32,
    /// status.desiredHealthy
    pub desired_healthy: i32,
    /// status.expectedPods
    pub expected_pods: i32,
    /// status.disruptionsAllowed: never negative.
    pub disruptions_allowed: i32,
}

/// What the eviction API says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// The pod is deleted.
    Allowed,
    /// 429: the budget of that index in [`Api::pdbs`] has nothing left.
    Blocked(usize),
    /// 500: more than one budget selects the pod, which the API does not support.
    SeveralBudgets,
}

impl PodDisruptionBudget {
    /// Whether the budget is about this pod.
    #[must_use]
    pub fn selects(&self, pod: &Pod) -> bool {
        let selector = self.selector.as_ref();
        self.namespace == pod.namespace() && selector.is_some_and(|selector| selector.matches(pod.labels()))
    }

    /// The status as the disruption controller would write it now
    /// (kubernetes 1.35 pkg/controller/disruption/disruption.go `trySync`, `getExpectedPodCount`,
    /// `countHealthyPods`, `updatePdbStatus`).
    ///
    /// A budget that has to know how many pods are expected allows nothing when it selects a pod of a
    /// DaemonSet, since that has no scale (`failSafe`); bare pods count for nothing there.
    #[must_use]
    pub fn status(&self, api: &Api) -> BudgetStatus {
        let pods = || {
            api.pods
                .iter()
                .map(|(_, pod)| pod)
                .filter(|pod| self.selects(pod))
        };
        let healthy = |pod: &&Pod| pod.deletion.is_none() && pod.is_ready();
        let current_healthy = as_i32(pods().filter(healthy).count());
        let counts = match self.budget {
            Budget::Unstated => Some((0, 0)),
            Budget::MinAvailable(IntOrPercent::Int(pods_wanted)) => {
                Some((as_i32(pods().count()), pods_wanted))
            }
            Budget::MinAvailable(share) => {
                expected_scale(api, pods()).map(|scale| (scale, share.rounded_up(scale)))
            }
            Budget::MaxUnavailable(share) => {
                expected_scale(api, pods()).map(|scale| (scale, (scale - share.rounded_up(scale)).max(0)))
            }
        };
        let Some((expected_pods, desired_healthy)) = counts else {
            return BudgetStatus {
                current_healthy,
                ..BudgetStatus::default()
            };
        };
        let spare = if expected_pods > 0 {
            current_healthy - desired_healthy
        } else {
            0
        };
        BudgetStatus {
            current_healthy,
            desired_healthy,
            expected_pods,
            disruptions_allowed: spare.max(0),
        }
    }

    /// status.disruptionsAllowed
    #[must_use]
    pub fn disruptions_allowed(&self, api: &Api) -> i32 {
        self.status(api).disruptions_allowed
    }
}

/// Whether the eviction API would delete a pod now
/// (kubernetes 1.35 pkg/registry/core/pod/storage/eviction.go `Create`, `canIgnorePDB`). A pod that is gone
/// may be evicted.
///
/// Pods that are pending, terminal or going already need no budget. One that is not ready needs none either
/// if the policy says AlwaysAllow or the budget is met without it.
#[must_use]
pub fn may_evict(api: &Api, id: PodId) -> Eviction {
    let Some(pod) = api.pods.get(id) else {
        return Eviction::Allowed;
    };
    if pod.deletion.is_some() || pod.is_terminal() || pod.phase == Phase::Pending {
        return Eviction::Allowed;
    }
    let mut selecting = api.pdbs.iter().enumerate().filter(|(_, pdb)| pdb.selects(pod));
    let Some((index, pdb)) = selecting.next() else {
        return Eviction::Allowed;
    };
    if selecting.next().is_some() {
        return Eviction::SeveralBudgets;
    }
    let status = pdb.status(api);
    let met = status.current_healthy >= status.desired_healthy && status.desired_healthy > 0;
    if status.disruptions_allowed > 0 || !pod.is_ready() && (pdb.always_allow_unhealthy || met) {
        Eviction::Allowed
    } else {
        Eviction::Blocked(index)
    }
}

/// The sum of spec.replicas of the pods' controllers, each counted once; `None` if one has no scale
/// (disruption.go `getExpectedScale`).
fn expected_scale<'a>(api: &Api, pods: impl Iterator<Item = &'a Pod>) -> Option<i32> {
    let mut deployments = Vec::new();
    for pod in pods {
        match pod.owner {
            Owner::ReplicaSet(_, deployment) if !deployments.contains(&deployment) => {
                deployments.push(deployment)
            }
            Owner::ReplicaSet(..) | Owner::None => {}
            Owner::DaemonSet(_) => return None,
        }
    }
    let replicas = |id| {
        api.deployments
            .get(id)
            .map_or(0, |deployment| deployment.replicas)
    };
    Some(deployments.into_iter().map(replicas).sum())
}

fn as_i32(count: usize) -> i32 {
    i32::try_from(count).expect("fewer than 2^31 pods")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use sim::Instant;

    use super::*;
    use crate::api::{Condition, Deletion, Deployment, Labels, PodSpec, PodTemplate, Restarts, Strategy};
    use crate::id::ReplicaSetId;

    /// A Deployment of ten with `there` pods, of which `ready` are ready and `going` are being deleted.
    fn cluster(there: usize, ready: usize, going: usize, budget: Budget) -> Api {
        let mut api = Api::default();
        let labels = Labels::from([("app".to_owned(), "web".to_owned())]);
        let template = Arc::new(PodTemplate {
            namespace: "default".to_owned(),
            labels: labels.clone(),
            annotations: Labels::new(),
            spec: PodSpec::default(),
        });
        let deployment = api.deployments.insert(Deployment {
            name: "web".to_owned(),
            replicas: 10,
            selector: LabelSelector::from_labels(&labels),
            strategy: Strategy::Recreate,
            min_ready: Duration::ZERO,
            template: template.clone(),
        });
        for i in 0..there {
            let since = Instant::ZERO;
            api.add_pod(Pod {
                name: format!("web-{i}"),
                uid: i as u128,
                template: template.clone(),
                owner: Owner::ReplicaSet(ReplicaSetId(0), deployment),
                created: since,
                deletion: (i < going).then_some(Deletion {
                    at: since,
                    grace: Duration::ZERO,
                }),
                node: None,
                only_node: None,
                nominated_node: None,
                phase: Phase::Running,
                ready: Some(Condition {
                    status: i < ready,
                    since,
                }),
                unschedulable: false,
                started: None,
                restarts: Restarts::default(),
            });
        }
        api.pdbs.push(PodDisruptionBudget {
            name: "web".to_owned(),
            namespace: "default".to_owned(),
            selector: Some(LabelSelector::from_labels(&labels)),
            budget,
            always_allow_unhealthy: false,
        });
        api
    }

    #[test]
    fn percentages_are_of_the_desired_replicas_and_round_up() {
        let check = |budget, there, ready, going, allowed| {
            let api = cluster(there, ready, going, budget);
            assert_eq!(api.pdbs[0].disruptions_allowed(&api), allowed, "{budget:?}");
        };
        let (int, percent) = (IntOrPercent::Int, IntOrPercent::Percent);
        check(Budget::MinAvailable(int(8)), 10, 10, 0, 2);
        check(Budget::MinAvailable(int(8)), 10, 10, 1, 1);
        check(Budget::MinAvailable(percent(75)), 10, 10, 0, 2);
        check(Budget::MaxUnavailable(percent(25)), 10, 10, 0, 3);
        check(Budget::MaxUnavailable(percent(25)), 8, 8, 0, 1);
        check(Budget::MaxUnavailable(int(1)), 10, 8, 0, 0);
        check(Budget::MinAvailable(int(0)), 0, 0, 0, 0);
    }

    #[test]
    fn what_is_not_ready_may_go_while_the_budget_is_met() {
        let api = cluster(10, 8, 0, Budget::MinAvailable(IntOrPercent::Int(8)));
        assert_eq!(may_evict(&api, PodId(0)), Eviction::Blocked(0));
        assert_eq!(may_evict(&api, PodId(9)), Eviction::Allowed);
        let api = cluster(10, 7, 0, Budget::MinAvailable(IntOrPercent::Int(8)));
        assert_eq!(may_evict(&api, PodId(9)), Eviction::Blocked(0));
    }

    #[test]
    fn two_budgets_on_one_pod_are_an_error() {
        let mut api = cluster(10, 10, 0, Budget::MaxUnavailable(IntOrPercent::Int(1)));
        assert_eq!(may_evict(&api, PodId(0)), Eviction::Allowed);
        let second = api.pdbs[0].clone();
        api.pdbs.push(second);
        assert_eq!(may_evict(&api, PodId(0)), Eviction::SeveralBudgets);
    }
}
