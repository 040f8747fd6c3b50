//! Preferences, which count as requirements until they are given up one by one
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/preferences.go).

use crate::api::{PodSpec, TaintEffect, Toleration, WhenUnsatisfiable};

/// The position of the heaviest term; the first among equals.
///
/// Where a pod's requirements are read upstream sorts unstably, so that among equals any may be taken; here
/// it is the first, as everywhere else.
pub(crate) fn heaviest<T>(terms: &[T], weight: impl Fn(&T) -> i32) -> Option<usize> {
    let heaviest = terms.iter().map(&weight).max()?;
    terms.iter().position(|term| weight(term) == heaviest)
}

fn remove_heaviest<T>(terms: &mut Vec<T>, weight: impl Fn(&T) -> i32) -> bool {
    heaviest(terms, weight).map(|at| terms.remove(at)).is_some()
}

/// Gives up one preference, in a fixed order of kinds, and says whether there was one (`Preferences.Relax`).
///
/// Of several required node affinity terms, which are alternatives, the first is given up; the last stays.
/// Taints of effect PreferNoSchedule are tolerated at last, if any NodePool has one.
pub(crate) fn relax(pod: &mut PodSpec, tolerate_prefer_no_schedule: bool) -> bool {
    remove_required_node_affinity_term(pod)
        || remove_heaviest(&mut pod.affinity.pod_preferred, |term| term.weight)
        || remove_heaviest(&mut pod.affinity.anti_preferred, |term| term.weight)
        || remove_heaviest(&mut pod.affinity.node_preferred, |term| term.weight)
        || remove_schedule_anyway(pod)
        || tolerate_prefer_no_schedule && tolerate_preferred_taints(pod)
}

/// Gives up the first of several required node affinity terms.
pub(crate) fn remove_required_node_affinity_term(pod: &mut PodSpec) -> bool {
    match &mut pod.affinity.node_required {
        Some(terms) if terms.len() > 1 => {
            terms.remove(0);
            true
        }
        _ => false,
    }
}

fn remove_schedule_anyway(pod: &mut PodSpec) -> bool {
    let soft = WhenUnsatisfiable::ScheduleAnyway;
    let first = pod
        .topology_spread
        .iter()
        .position(|spread| spread.when_unsatisfiable == soft);
    // The last one takes the place of the one removed, which matters for which goes next.
    first.map(|at| pod.topology_spread.swap_remove(at)).is_some()
}

/// Tolerates all taints of effect PreferNoSchedule, unless the pod does so already.
pub(crate) fn tolerate_preferred_taints(pod: &mut PodSpec) -> bool {
    let toleration = Toleration {
        key: String::new(),
        value: None,
        effect: Some(TaintEffect::PreferNoSchedule),
        seconds: None,
    };
    let missing = !pod.tolerations.contains(&toleration);
    if missing {
        pod.tolerations.push(toleration);
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{NodeSelectorTerm, PodAffinityTerm, SpreadConstraint, WeightedPodTerm};
    use crate::karpenter::requirements::Requirements;

    fn weighted(weight: i32) -> WeightedPodTerm {
        let term = PodAffinityTerm {
            selector: None,
            namespaces: Vec::new(),
            namespace_selector: None,
            topology_key: weight.to_string(),
            match_label_keys: Vec::new(),
            mismatch_label_keys: Vec::new(),
        };
        WeightedPodTerm { weight, term }
    }

    fn spread(max_skew: i32, when_unsatisfiable: WhenUnsatisfiable) -> SpreadConstraint {
        SpreadConstraint {
            max_skew,
            topology_key: "zone".to_owned(),
            when_unsatisfiable,
            selector: None,
            min_domains: None,
            honor_node_affinity: true,
            honor_node_taints: false,
            match_label_keys: Vec::new(),
        }
    }

    /// Everything at once, and what is left after each step.
    #[test]
    fn preferences_fall_in_order() {
        let mut pod = PodSpec::default();
        pod.affinity.node_required = Some(vec![NodeSelectorTerm::default(), NodeSelectorTerm::default()]);
        pod.affinity.pod_preferred = vec![weighted(1), weighted(9)];
        pod.affinity.anti_preferred = vec![weighted(5)];
        pod.topology_spread = vec![
            spread(1, WhenUnsatisfiable::DoNotSchedule),
            spread(2, WhenUnsatisfiable::ScheduleAnyway),
            spread(3, WhenUnsatisfiable::ScheduleAnyway),
        ];
        let mut seen = Vec::new();
        while relax(&mut pod, true) {
            let affinity = &pod.affinity;
            let skews: Vec<i32> = pod.topology_spread.iter().map(|s| s.max_skew).collect();
            seen.push((
                affinity.node_required.as_ref().map_or(0, Vec::len),
                affinity
                    .pod_preferred
                    .iter()
                    .map(|t| t.weight)
                    .collect::<Vec<_>>(),
                affinity.anti_preferred.len(),
                skews,
                pod.tolerations.len(),
            ));
        }
        assert_eq!(
            seen,
            [
                (1, vec![1, 9], 1, vec![1, 2, 3], 0),
                (1, vec![1], 1, vec![1, 2, 3], 0),
                (1, vec![], 1, vec![1, 2, 3], 0),
                (1, vec![], 0, vec![1, 2, 3], 0),
                (1, vec![], 0, vec![1, 3], 0),
                (1, vec![], 0, vec![1], 0),
                (1, vec![], 0, vec![1], 1),
            ]
        );
        assert!(Requirements::of_pod(&pod).is_empty());
    }
}
