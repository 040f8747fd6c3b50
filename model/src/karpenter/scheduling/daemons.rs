//! What DaemonSets put on nodes: on those that NodePools can make, and on those that are there
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/scheduler.go `buildDaemonOverheadGroups`,
//! `isDaemonPodCompatible`, `isDaemonPodCompatibleWithNode`; v1.5.5 `getDaemonOverhead`, `getDaemonHostPortUsage`).
//!
//! A pass has one copy of each DaemonSet's pod, and from v1.2 on it changes when it is asked where it can run: it
//! comes to tolerate taints that pods are only asked to avoid, and alternatives of its node affinity that do not suit
//! one NodePool or instance type are gone for the next, and for the nodes that are there.

use super::World;
use super::host_port::HostPort;
use super::preferences::{remove_required_node_affinity_term, tolerate_preferred_taints};
use super::template::Template;
use super::type_set::TypeSet;
use crate::api::PodSpec;
use crate::karpenter::instance_type::InstanceType;
use crate::karpenter::requirement::Requirement;
use crate::karpenter::requirements::Requirements;
use crate::karpenter::version::Profile;
use crate::quantity::Resources;

/// A DaemonSet's pod as the nodes that are there are asked to take it.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) spec: PodSpec,
    pub(crate) requirements: Requirements,
    pub(crate) requests: Resources,
}

/// Instance types on which the same DaemonSets run.
#[derive(Debug)]
pub(crate) struct DaemonGroup {
    pub(crate) types: TypeSet,
    pub(crate) overhead: Resources,
    pub(crate) ports: Vec<HostPort>,
}

/// Finds out which DaemonSets run on what NodePools can make, in the order in which these are tried, and what the
/// DaemonSets' pods have become by then.
pub(crate) fn distribute(templates: &mut [&mut Template], world: &World<'_>) -> Vec<Daemon> {
    let mut pods: Vec<PodSpec> = world.daemons.iter().map(|daemon| daemon.spec.clone()).collect();
    let profile = world.profile;
    if profile.daemon_groups {
        for template in &mut *templates {
            template.daemons = groups(template, &mut pods, profile);
        }
    } else {
        for template in &mut *templates {
            let running = running(template, &mut pods, None, profile);
            template.daemons = vec![DaemonGroup {
                types: template.catalog.all(),
                overhead: overhead(&running, &pods),
                ports: Vec::new(),
            }];
        }
        // Their ports are asked for afterwards, of pods that have changed by then.
        for template in templates.iter_mut().filter(|_| profile.daemon_host_ports) {
            let running = running(template, &mut pods, None, profile);
            template.daemons[0].ports = ports(&running, &pods);
        }
    }
    let daemon = |spec: PodSpec| Daemon {
        requirements: if profile.daemon_preferences_required {
            Requirements::of_pod(&spec)
        } else {
            Requirements::strict_of_pod(&spec)
        },
        requests: spec.requests(),
        spec,
    };
    pods.into_iter().map(daemon).collect()
}

/// The template's types by the DaemonSets that run on them, in the order in which these were found.
fn groups(template: &Template, pods: &mut [PodSpec], profile: &Profile) -> Vec<DaemonGroup> {
    let count = template.catalog.types.len();
    let mut groups: Vec<(Vec<usize>, TypeSet)> = Vec::new();
    for at in template.types.iter() {
        let running = running(template, pods, Some(&template.catalog.types[at]), profile);
        let group = groups.iter().position(|(other, _)| *other == running);
        let group = group.unwrap_or_else(|| {
            groups.push((running, TypeSet::none(count)));
            groups.len() - 1
        });
        groups[group].1.insert(at);
    }
    let build = |(running, types): (Vec<usize>, TypeSet)| DaemonGroup {
        types,
        overhead: overhead(&running, pods),
        ports: ports(&running, pods),
    };
    groups.into_iter().map(build).collect()
}

/// The DaemonSets that run on nodes of the pool, or on those of one type.
fn running(
    template: &Template,
    pods: &mut [PodSpec],
    instance_type: Option<&InstanceType>,
    profile: &Profile,
) -> Vec<usize> {
    // A pool without types is not asked.
    if template.types.is_empty() {
        return Vec::new();
    }
    let runs = |(at, pod): (usize, &mut PodSpec)| runs(template, pod, instance_type, profile).then_some(at);
    pods.iter_mut().enumerate().filter_map(runs).collect()
}

fn runs(
    template: &Template,
    pod: &mut PodSpec,
    instance_type: Option<&InstanceType>,
    profile: &Profile,
) -> bool {
    let tolerates = |pod: &PodSpec| template.taints.iter().all(|taint| pod.tolerates(taint));
    if profile.daemon_preferences_required {
        let wanted = compared(Requirements::of_pod(pod), template, profile);
        return tolerates(pod) && template.requirements.compatible(&wanted).is_ok();
    }
    tolerate_preferred_taints(pod);
    if !tolerates(pod) {
        return false;
    }
    loop {
        let wanted = compared(Requirements::strict_of_pod(pod), template, profile);
        let on_type = |own: &InstanceType| own.requirements.intersects(&wanted).is_ok();
        if template.requirements.compatible(&wanted).is_ok() && instance_type.is_none_or(on_type) {
            return true;
        }
        if !remove_required_node_affinity_term(pod) {
            return false;
        }
    }
}

/// What a DaemonSet's pod wants, without bounds that only touch the NodePool's where these count as met. Of claims and
/// nodes the same need not be said: they have instance types and labels, with values that are within bounds or not.
fn compared(wanted: Requirements, template: &Template, profile: &Profile) -> Requirements {
    if !profile.bounds_exclude {
        return wanted;
    }
    let touches = |key: &str, own: &Requirement| {
        let of_pool = template.requirements.get(key);
        of_pool.is_some_and(|of_pool| of_pool.touches(own))
    };
    let rest = wanted.iter().filter(|(key, own)| !touches(key, own));
    rest.map(|(key, own)| (key.clone(), own.clone())).collect()
}

fn overhead(running: &[usize], pods: &[PodSpec]) -> Resources {
    let mut sum = Resources::default();
    for at in running {
        sum += &pods[*at].requests();
    }
    sum
}

fn ports(running: &[usize], pods: &[PodSpec]) -> Vec<HostPort> {
    running
        .iter()
        .flat_map(|at| HostPort::of_pod(&pods[*at]))
        .collect()
}
