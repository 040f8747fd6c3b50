//! Which pods an HPA's target selects, and whether another HPA selects them too.

use std::sync::Arc;

use super::controller::View;
use crate::api::{Api, Deployment, Owner, Pod, PodTemplate};
use crate::id::{HpaId, PodId};

/// What the target's selector is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// It selects this HPA's pods.
    Own,
    /// It is empty or cannot be parsed.
    Invalid,
    /// Another HPA's target selects some of the same pods.
    Ambiguous,
}

/// Checks a target's selector (kubernetes 1.35 pkg/controller/podautoscaler/horizontal.go
/// `validateAndParseSelector`).
pub(super) fn check(view: View<'_>, id: HpaId, target: &Deployment) -> Selection {
    if target.selector.is_empty() {
        return Selection::Invalid;
    }
    if view.hpas.len() < 2 {
        return Selection::Own;
    }
    let namespace = &target.template.namespace;
    let selected = pods(view.api, target);
    let others = view
        .hpas
        .iter()
        .filter(|(other, hpa)| *other != id && hpa.namespace == *namespace);
    for (_, hpa) in others {
        let Some(other) = view.api.deployments.get(hpa.target) else {
            continue;
        };
        if selected
            .iter()
            .any(|(_, pod)| other.selector.matches(pod.labels()))
        {
            return Selection::Ambiguous;
        }
    }
    Selection::Own
}

/// The pods of the target's namespace that its selector matches, whoever owns them.
pub(super) fn pods<'a>(api: &'a Api, target: &Deployment) -> Vec<(PodId, &'a Pod)> {
    let matches = |template: &Arc<PodTemplate>| {
        template.namespace == target.template.namespace && target.selector.matches(&template.labels)
    };
    // Pods of one owner share its template, so that not every pod needs to be looked at.
    let sets = api.replica_sets.iter().filter(|(_, set)| matches(&set.template));
    let of_sets = sets.flat_map(|(id, _)| api.pods_of_replica_set(id));
    let daemons = api.daemon_sets.iter().filter(|(_, set)| matches(&set.template));
    let of_daemons = daemons.flat_map(|(id, _)| api.pods_of(Owner::DaemonSet(id)));
    let bare = api.pods_of(Owner::None).iter();
    of_sets
        .chain(of_daemons)
        .chain(bare)
        .filter_map(|&id| Some((id, api.pods.get(id)?)))
        .filter(|(_, pod)| pod.owner != Owner::None || matches(&pod.template))
        .collect()
}
