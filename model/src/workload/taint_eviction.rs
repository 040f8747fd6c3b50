//! Eviction by taints: what NoExecute does to pods that are there already.
//!
//! A pod that does not tolerate all NoExecute taints of its node is deleted at once; one that tolerates them for a
//! while (tolerationSeconds), when the shortest of these times is over; any other stays. The time counts from when the
//! pod was bound, or from when the taint came, and a later change of the node does not prolong it. Deletion is an
//! ordinary one, with the pod's grace period, and asks no PodDisruptionBudget
//! (kubernetes 1.35 pkg/controller/tainteviction/taint_eviction.go; kubernetes 1.28
//! pkg/controller/nodelifecycle/scheduler/taint_manager.go, by the same rules).

use std::time::Duration;

use crate::api::{PodSpec, Taint, TaintEffect};

/// How long a pod may stay on a node with these taints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// For ever: there is no NoExecute taint, or all are tolerated without an end.
    Forever,
    /// For so long.
    For(Duration),
    /// Not at all.
    No,
}

/// How long a pod may stay
/// (kubernetes 1.35 pkg/controller/tainteviction/taint_eviction.go `processPodOnNode`, `getMinTolerationTime`). Of the
/// tolerations that cover a taint the first one counts
/// (kubernetes 1.35 pkg/apis/core/v1/helper/helpers.go `GetMatchingTolerations`).
#[must_use]
pub fn stay(spec: &PodSpec, taints: &[Taint]) -> Stay {
    let mut shortest: Option<i64> = None;
    for taint in taints
        .iter()
        .filter(|taint| taint.effect == TaintEffect::NoExecute)
    {
        let Some(used) = spec.tolerations.iter().find(|own| own.tolerates(taint)) else {
            return Stay::No;
        };
        shortest = match (shortest, used.seconds) {
            (Some(least), Some(own)) => Some(least.min(own)),
            (least, own) => least.or(own),
        };
    }
    match shortest {
        None => Stay::Forever,
        Some(seconds) => match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Stay::For(Duration::from_secs(seconds)),
            _ => Stay::No,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Toleration;
    use crate::karpenter::fixture::template;

    fn tolerating(tolerations: &[(&str, Option<i64>)]) -> PodSpec {
        let mut spec = template(100, "web").spec;
        let of = |(key, seconds): &(&str, Option<i64>)| Toleration {
            key: (*key).to_owned(),
            value: None,
            effect: Some(TaintEffect::NoExecute),
            seconds: *seconds,
        };
        spec.tolerations = tolerations.iter().map(of).collect();
        spec
    }

    #[test]
    fn a_pod_stays_as_long_as_its_shortest_toleration() {
        let taint = |key: &str| Taint::new(key, TaintEffect::NoExecute);
        let both = [taint("a"), taint("b"), Taint::new("c", TaintEffect::NoSchedule)];
        let of = |tolerations: &[(&str, Option<i64>)]| stay(&tolerating(tolerations), &both);
        let seconds = |seconds| Stay::For(Duration::from_secs(seconds));
        assert_eq!(of(&[("a", None)]), Stay::No, "b is not tolerated");
        assert_eq!(
            of(&[("a", None), ("b", None)]),
            Stay::Forever,
            "c keeps only new pods away"
        );
        assert_eq!(of(&[("a", Some(60)), ("b", None)]), seconds(60));
        assert_eq!(of(&[("a", Some(60)), ("b", Some(30))]), seconds(30));
        assert_eq!(of(&[("a", Some(0)), ("b", None)]), Stay::No);
        assert_eq!(
            of(&[("a", Some(60)), ("a", Some(5)), ("b", None)]),
            seconds(60),
            "the first one counts"
        );
        assert_eq!(stay(&tolerating(&[]), &both[2..]), Stay::Forever);
    }
}
