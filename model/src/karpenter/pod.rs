//! Which pods Karpenter acts for (karpenter v1.14 pkg/utils/pod/scheduling.go,
//! pkg/controllers/provisioning/provisioner.go `Validate`).
//!
//! Volumes are not modelled: no pod is refused for a broken claim or confined to a volume's zone.

use std::fmt;

use sim::Instant;

use super::labels;
use super::pdb::Limits;
use super::requirement::Name;
use super::requirements::Requirements;
use super::version::Profile;
use super::{duration, state::Snapshot};
use crate::api::{Api, Expression, Operator, Owner, Pod, TaintEffect, Toleration};
use crate::id::PodId;

/// Whether a pod waits for new capacity: kube-scheduler has tried it and failed, and it neither belongs to
/// a DaemonSet nor is about to displace other pods (`IsProvisionable`).
#[must_use]
pub fn is_provisionable(pod: &Pod) -> bool {
    pod.unschedulable && pod.node.is_none() && pod.nominated_node.is_none() && !is_of_daemon_set(pod)
}

fn is_of_daemon_set(pod: &Pod) -> bool {
    matches!(pod.owner, Owner::DaemonSet(_))
}

/// Whether a pod would have to be placed elsewhere if its node went away (`IsReschedulable`).
#[must_use]
pub fn is_reschedulable(pod: &Pod) -> bool {
    pod.is_active() && !is_of_daemon_set(pod)
}

/// Whether a pod puts up with the taint of nodes that are about to go
/// (`ToleratesDisruptedNoScheduleTaint`).
#[must_use]
pub fn tolerates_disruption(pod: &Pod, profile: &Profile) -> bool {
    let (key, value) = labels::disrupted(profile);
    let covers = |toleration: &Toleration| {
        toleration
            .effect
            .is_none_or(|effect| effect == TaintEffect::NoSchedule)
            && (toleration.key.is_empty() || toleration.key == key)
            && toleration.value.as_ref().is_none_or(|own| own == value)
    };
    pod.spec().tolerations.iter().any(covers)
}

/// Whether Karpenter would evict a pod when it drains a node (`IsEvictable`). Until v0.37 the pod's annotation
/// does not matter any more by then.
#[must_use]
pub fn is_evictable(pod: &Pod, now: Instant, profile: &Profile) -> bool {
    pod.is_active()
        && !tolerates_disruption(pod, profile)
        && !(profile.do_not_disrupt_awaited && is_do_not_disrupt(pod, now, profile))
}

/// Whether the pod's annotation keeps it from being disrupted at `now` (`IsDoNotDisruptActive`): `true`
/// always; a duration, where that is known, until the pod has run so long.
#[must_use]
pub fn is_do_not_disrupt(pod: &Pod, now: Instant, profile: &Profile) -> bool {
    match pod
        .template
        .annotations
        .get(labels::DO_NOT_DISRUPT)
        .map(String::as_str)
    {
        None => false,
        Some("true") => true,
        Some(text) => {
            let until = duration::parse(text).filter(|_| profile.do_not_disrupt_duration);
            until.is_some_and(|until| pod.started.is_none_or(|started| now < started + until))
        }
    }
}

/// The pods of nodes that are going away and that new capacity must be made for
/// (karpenter v1.14 pkg/utils/node/node.go `GetCurrentlyReschedulablePods`): in later releases only those
/// that may be evicted now.
#[must_use]
pub fn on_deleting_nodes(snapshot: &Snapshot<'_>, api: &Api, now: Instant, profile: &Profile) -> Vec<PodId> {
    let limits = Limits::new(api, now, profile);
    let counts = |id: &PodId| {
        api.pods.get(*id).is_some_and(|pod| {
            if profile.currently_reschedulable {
                limits.is_currently_reschedulable(pod)
            } else {
                is_reschedulable(pod)
            }
        })
    };
    let deleting = snapshot.nodes.iter().filter(|node| node.marked_for_deletion());
    let bound = deleting.flat_map(|node| node.pods.iter().copied());
    bound.filter(counts).collect()
}

/// Why Karpenter does not even try a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// It asks for a node that Karpenter did not make.
    AvoidsKarpenter,
    /// A required node affinity term selects by field.
    MatchFields,
    /// A label key that would interfere.
    RestrictedLabel(Name),
    /// An expression that makes no sense.
    BadExpression(Name),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::AvoidsKarpenter => f.write_str("wants no node of Karpenter's"),
            Rejection::MatchFields => f.write_str("node affinity by matchFields is not supported"),
            Rejection::RestrictedLabel(key) => write!(f, "label {key} may not be selected by"),
            Rejection::BadExpression(key) => write!(f, "the expression on {key} cannot be evaluated"),
        }
    }
}

/// Whether a provisionable pod is tried at all (`Provisioner.Validate`).
///
/// # Errors
///
/// Why not.
pub fn validate(pod: &Pod) -> Result<(), Rejection> {
    let spec = pod.spec();
    let requirements = Requirements::of_pod(spec);
    if requirements
        .get(labels::NODE_POOL)
        .is_some_and(|r| r.operator() == Operator::DoesNotExist)
    {
        return Err(Rejection::AvoidsKarpenter);
    }
    for key in spec.node_selector.keys() {
        validate_key(key)?;
    }
    for term in spec.affinity.node_required.iter().flatten() {
        if !term.fields.is_empty() {
            return Err(Rejection::MatchFields);
        }
        term.expressions.iter().try_for_each(validate_expression)?;
    }
    Ok(())
}

/// (karpenter v1.14 pkg/apis/v1/labels.go `IsRestrictedLabel`)
fn validate_key(key: &str) -> Result<(), Rejection> {
    let key = labels::normalized(key);
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let own = domain == "karpenter.sh" || domain.ends_with(".karpenter.sh");
    if !labels::is_well_known(key) && (own || key == labels::HOSTNAME) {
        return Err(Rejection::RestrictedLabel(key.into()));
    }
    Ok(())
}

/// (karpenter v1.14 pkg/apis/v1/nodeclaim_validation.go `ValidateRequirement`)
fn validate_expression(expression: &Expression) -> Result<(), Rejection> {
    validate_key(&expression.key)?;
    let number = |value: &String| value.parse::<i64>().is_ok_and(|number| number >= 0);
    let sound = match expression.operator {
        Operator::In => !expression.values.is_empty(),
        Operator::Gt | Operator::Lt => matches!(&expression.values[..], [value] if number(value)),
        Operator::NotIn | Operator::Exists | Operator::DoesNotExist => true,
    };
    if sound {
        Ok(())
    } else {
        Err(Rejection::BadExpression(expression.key.as_str().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::karpenter::fixture::{World, owned, template};
    use crate::karpenter::version::LATEST;

    /// A running pod that tolerates so much.
    fn pod(tolerations: Vec<Toleration>) -> Pod {
        let mut world = World::new(&[4]);
        let node = world.add_node(4, "spot");
        let mut template = template(100, "web");
        template.spec.tolerations = tolerations;
        let id = world.add_pod_like(Some(node), std::sync::Arc::new(template), owned());
        world.api.pods.get(id).expect("the pod").clone()
    }

    /// Karpenter evicts what does not put up with its own taint, karpenter.sh/disrupted:NoSchedule.
    #[test]
    fn what_tolerates_the_taint_stays() {
        let profile = Profile::of(LATEST);
        let tolerates = |key: &str, value: Option<&str>, effect| {
            let own = pod(vec![Toleration {
                key: key.to_owned(),
                value: value.map(str::to_owned),
                effect,
                seconds: None,
            }]);
            let tolerates = tolerates_disruption(&own, &profile);
            assert_eq!(is_evictable(&own, Instant::ZERO, &profile), !tolerates);
            tolerates
        };
        assert!(tolerates(labels::DISRUPTED, None, Some(TaintEffect::NoSchedule)));
        assert!(tolerates(labels::DISRUPTED, None, None));
        assert!(tolerates("", None, None));
        assert!(!tolerates(labels::DISRUPTED, None, Some(TaintEffect::NoExecute)));
        assert!(!tolerates(labels::DISRUPTED, Some("no"), None));
        assert!(!tolerates("other", None, None));
        assert!(is_evictable(&pod(Vec::new()), Instant::ZERO, &profile));
    }
}
