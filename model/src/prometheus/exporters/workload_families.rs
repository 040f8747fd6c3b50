//! Deployments and HorizontalPodAutoscalers (kube-state-metrics 2.10 internal/store/deployment.go,
//! horizontalpodautoscaler.go).

use super::HpaState;
use super::families::{Context, Family, Object, Pairs};
use crate::api::{Deployment, Owner, Pod};
use crate::id::DeploymentId;

/// The families of Deployments.
pub(super) static DEPLOYMENTS: &[Family<Deployment>] = &[
    Family {
        name: "kube_deployment_spec_replicas",
        stamp: never,
        labels: |_, object| vec![deployment(object)],
        values: |_, (_, object), push| push(f64::from(object.replicas)),
    },
    Family {
        name: "kube_deployment_status_replicas",
        stamp: never,
        labels: |_, object| vec![deployment(object)],
        values: |context, object, push| push(count(context, object, Pod::is_active)),
    },
    Family {
        name: "kube_deployment_status_replicas_ready",
        stamp: never,
        labels: |_, object| vec![deployment(object)],
        values: |context, object, push| push(count(context, object, is_ready)),
    },
    Family {
        name: "kube_deployment_status_replicas_available",
        stamp: never,
        labels: |_, object| vec![deployment(object)],
        values: |context, object, push| push(available(context, object)),
    },
    Family {
        name: "kube_deployment_status_replicas_unavailable",
        stamp: never,
        labels: |_, object| vec![deployment(object)],
        values: |context, object, push| {
            // Of what all its ReplicaSets are to have, old ones too (kubernetes 1.35 pkg/controller/deployment/sync.go
            // `calculateStatus`).
            let sets = context.api.replica_sets_of(DeploymentId(object.0));
            let wanted: i32 = sets.map(|(_, set)| set.replicas).sum();
            push((f64::from(wanted) - available(context, object)).max(0.0));
        },
    },
    Family {
        name: "kube_deployment_status_replicas_updated",
        stamp: never,
        labels: |_, object| vec![deployment(object)],
        values: |context, object, push| {
            let is_new = |owner: Owner| {
                let Owner::ReplicaSet(set, _) = owner else {
                    return false;
                };
                let set = context.api.replica_sets.get(set);
                set.is_some_and(|set| set.is_of_template(&object.1.template))
            };
            let updated = |pod: &Pod| pod.is_active() && is_new(pod.owner);
            push(count(context, object, updated));
        },
    },
];

/// The families of HorizontalPodAutoscalers.
pub(super) static HPAS: &[Family<HpaState>] = &[
    Family {
        name: "kube_horizontalpodautoscaler_spec_min_replicas",
        stamp: identity,
        labels: |_, (_, hpa)| vec![hpa_labels(hpa)],
        values: |_, (_, hpa), push| push(f64::from(hpa.min_replicas)),
    },
    Family {
        name: "kube_horizontalpodautoscaler_spec_max_replicas",
        stamp: identity,
        labels: |_, (_, hpa)| vec![hpa_labels(hpa)],
        values: |_, (_, hpa), push| push(f64::from(hpa.max_replicas)),
    },
    Family {
        name: "kube_horizontalpodautoscaler_status_current_replicas",
        stamp: identity,
        labels: |_, (_, hpa)| vec![hpa_labels(hpa)],
        values: |_, (_, hpa), push| push(f64::from(hpa.current_replicas)),
    },
    Family {
        name: "kube_horizontalpodautoscaler_status_desired_replicas",
        stamp: identity,
        labels: |_, (_, hpa)| vec![hpa_labels(hpa)],
        values: |_, (_, hpa), push| push(f64::from(hpa.desired_replicas)),
    },
];

fn never(_: &Context<'_>, _: Object<'_, Deployment>) -> u64 {
    0
}

fn deployment((_, object): Object<'_, Deployment>) -> Pairs {
    vec![
        ("namespace", object.template.namespace.clone()),
        ("deployment", object.name.clone()),
    ]
}

fn is_ready(pod: &Pod) -> bool {
    pod.is_active() && pod.is_ready()
}

/// Ready for spec.minReadySeconds.
fn available(context: &Context<'_>, object: Object<'_, Deployment>) -> f64 {
    let since = |pod: &Pod| pod.ready.filter(|ready| ready.status).map(|ready| ready.since);
    let lasts = |pod: &Pod| since(pod).is_some_and(|since| since + object.1.min_ready <= context.now);
    count(context, object, |pod| is_ready(pod) && lasts(pod))
}

fn count(context: &Context<'_>, object: Object<'_, Deployment>, counts: impl Fn(&Pod) -> bool) -> f64 {
    let pods = context.api.pods_of_deployment(DeploymentId(object.0));
    pods.filter(|(_, pod)| counts(pod)).count() as f64
}

/// The list of autoscalers may change: FNV-1a over the name tells them apart.
fn identity(_: &Context<'_>, (_, hpa): Object<'_, HpaState>) -> u64 {
    let bytes = hpa.namespace.bytes().chain([0]).chain(hpa.name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn hpa_labels(hpa: &HpaState) -> Pairs {
    vec![
        ("namespace", hpa.namespace.clone()),
        ("horizontalpodautoscaler", hpa.name.clone()),
    ]
}
