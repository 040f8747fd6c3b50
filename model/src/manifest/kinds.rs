//! Which kinds of objects there are, and what becomes of each.

use std::sync::{LazyLock, OnceLock};

use sim::SortedMap;

use super::{data, network, node_class, node_pool, policy, runtime_class, scaling, workload};
use crate::document::closest;
use crate::document::fields::{Class, Field, Schema};

/// A table becomes a tree when the first object of its kind is read.
static SCHEMAS: LazyLock<SortedMap<(&str, &str), OnceLock<Schema>>> = LazyLock::new(|| {
    let one = |kind: &Kind| ((kind.name, kind.version()), OnceLock::new());
    KINDS.iter().map(one).collect()
});

/// What becomes of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its objects take part, by the table of its fields.
    Read,
    /// Its objects have no effect here by their nature.
    Quiet(&'static str),
    /// Its objects are ignored, with a warning that says why.
    Ignored(&'static str),
    /// Its objects are refused: a run without them would be wrong.
    Refused(&'static str),
}

impl Fate {
    /// The word for it, the same as for a field's.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Fate::Read => Class::Simulated.as_str(),
            Fate::Quiet(_) => Class::Quiet.as_str(),
            Fate::Ignored(_) => Class::Ignored.as_str(),
            Fate::Refused(_) => Class::Refused.as_str(),
        }
    }

    /// Why; empty if it takes part.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Fate::Read => "",
            Fate::Quiet(why) | Fate::Ignored(why) | Fate::Refused(why) => why,
        }
    }
}

/// A kind of objects.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// kind
    pub name: &'static str,
    /// apiVersion: those that are understood; empty means any.
    pub versions: &'static [&'static str],
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What becomes of it.
    pub fate: Fate,
    /// What becomes of each field.
    pub fields: &'static [Field],
    /// Tables of parts whose fields depend on a type, each with its title.
    pub parts: &'static [(&'static str, &'static [Field])],
}

impl Kind {
    /// Its name and versions: `Deployment apps/v1`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.versions.join(", "))
            .trim()
            .to_owned()
    }

    /// The table as a tree; made once, because a sweep asks for it with each configuration.
    #[must_use]
    pub fn schema(&self) -> &'static Schema {
        SCHEMAS[&(self.name, self.version())].get_or_init(|| Schema::new(self.fields))
    }

    /// The kind in its group, so that manifests of several versions can be told apart: `karpenter.sh/v1`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.versions.first().copied().unwrap_or_default()
    }

    const fn in_namespaces(
        name: &'static str,
        versions: &'static [&'static str],
        fields: &'static [Field],
    ) -> Kind {
        Kind {
            name,
            versions,
            namespaced: true,
            fate: Fate::Read,
            fields,
            parts: &[],
        }
    }

    const fn in_cluster(
        name: &'static str,
        versions: &'static [&'static str],
        fields: &'static [Field],
    ) -> Kind {
        Kind {
            name,
            versions,
            namespaced: false,
            fate: Fate::Read,
            fields,
            parts: &[],
        }
    }

    const fn other(name: &'static str, fate: Fate) -> Kind {
        Kind {
            name,
            versions: &[],
            namespaced: true,
            fate,
            fields: &[],
            parts: &[],
        }
    }
}

/// The kinds that are known.
pub static KINDS: &[Kind] = &[
    Kind::in_namespaces("Deployment", &["apps/v1"], workload::DEPLOYMENT),
    Kind::in_namespaces("DaemonSet", &["apps/v1"], workload::DAEMON_SET),
    Kind::in_namespaces("Service", &["v1"], network::SERVICE),
    Kind::in_namespaces("Ingress", &["networking.k8s.io/v1"], network::INGRESS),
    Kind::in_namespaces(
        "IngressRoute",
        &["traefik.io/v1alpha1", "traefik.containo.us/v1alpha1"],
        network::INGRESS_ROUTE,
    ),
    Kind::in_namespaces("HorizontalPodAutoscaler", &["autoscaling/v2"], scaling::HPA_V2),
    Kind::in_namespaces("HorizontalPodAutoscaler", &["autoscaling/v1"], scaling::HPA_V1),
    Kind {
        parts: scaling::TRIGGERS,
        ..Kind::in_namespaces("ScaledObject", &["keda.sh/v1alpha1"], scaling::SCALED_OBJECT)
    },
    Kind::in_cluster("NodePool", &["karpenter.sh/v1"], node_pool::V1),
    Kind::in_cluster("NodePool", &["karpenter.sh/v1beta1"], node_pool::V1_BETA1),
    Kind::in_cluster("EC2NodeClass", &["karpenter.k8s.aws/v1"], node_class::V1),
    Kind::in_cluster(
        "EC2NodeClass",
        &["karpenter.k8s.aws/v1beta1"],
        node_class::V1_BETA1,
    ),
    Kind::in_cluster("KWOKNodeClass", &["karpenter.kwok.sh/v1alpha1"], node_class::KWOK),
    Kind::in_namespaces(
        "PodDisruptionBudget",
        &["policy/v1"],
        policy::POD_DISRUPTION_BUDGET,
    ),
    Kind::in_cluster("RuntimeClass", &["node.k8s.io/v1"], runtime_class::RUNTIME_CLASS),
    Kind::in_cluster("PriorityClass", &["scheduling.k8s.io/v1"], policy::PRIORITY_CLASS),
    Kind::in_cluster("Namespace", &["v1"], policy::NAMESPACE),
    Kind {
        fate: DATA,
        ..Kind::in_namespaces("ConfigMap", &["v1"], data::CONFIG_MAP)
    },
    Kind {
        fate: DATA,
        ..Kind::in_namespaces("Secret", &["v1"], data::SECRET)
    },
    Kind::other("ExternalSecret", DATA),
    Kind::other("SealedSecret", DATA),
    Kind::other("SecretProviderClass", DATA),
    Kind::other("PodTemplate", Fate::Quiet("it makes no pods by itself")),
    Kind::other("ServiceAccount", RIGHTS),
    Kind::other("Role", RIGHTS),
    Kind::other("RoleBinding", RIGHTS),
    Kind::other("ClusterRole", RIGHTS),
    Kind::other("ClusterRoleBinding", RIGHTS),
    Kind::other("NetworkPolicy", RIGHTS),
    Kind::other("PodIdentityAssociation", RIGHTS),
    Kind::other("TriggerAuthentication", RIGHTS),
    Kind::other("ClusterTriggerAuthentication", RIGHTS),
    Kind::other("SecurityGroupPolicy", RIGHTS),
    Kind::other("Certificate", RIGHTS),
    Kind::other("Issuer", RIGHTS),
    Kind::other("ClusterIssuer", RIGHTS),
    Kind::other("CertificateSigningRequest", RIGHTS),
    Kind::other("CloudEventSource", OBSERVERS),
    Kind::other("ClusterCloudEventSource", OBSERVERS),
    Kind::other("CustomResourceDefinition", PLUMBING),
    Kind::other("APIService", PLUMBING),
    Kind::other("IngressClass", PLUMBING),
    Kind::other("GatewayClass", PLUMBING),
    Kind::other("StorageClass", PLUMBING),
    Kind::other("ValidatingWebhookConfiguration", PLUMBING),
    Kind::other("MutatingWebhookConfiguration", PLUMBING),
    Kind::other("ValidatingAdmissionPolicy", PLUMBING),
    Kind::other("ValidatingAdmissionPolicyBinding", PLUMBING),
    Kind::other("IngressClassParams", PLUMBING),
    Kind::other("TargetGroupBinding", PLUMBING),
    Kind::other("ServersTransport", PLUMBING),
    Kind::other("ServersTransportTCP", PLUMBING),
    Kind::other("TLSOption", PLUMBING),
    Kind::other("TLSStore", PLUMBING),
    Kind::other("CSIDriver", PLUMBING),
    Kind::other("VolumeSnapshotClass", PLUMBING),
    Kind::other("FlowSchema", PLUMBING),
    Kind::other("PriorityLevelConfiguration", PLUMBING),
    Kind::other("ControllerRevision", PLUMBING),
    Kind::other("Lease", PLUMBING),
    Kind::other("Event", PLUMBING),
    Kind::other("Endpoints", PLUMBING),
    Kind::other("EndpointSlice", PLUMBING),
    Kind::other(
        "Kustomization",
        Fate::Ignored("manifests are read as they are: run kustomize first"),
    ),
    Kind::other(
        "Component",
        Fate::Ignored("manifests are read as they are: run kustomize first"),
    ),
    Kind::other(
        "Middleware",
        Fate::Ignored("Traefik's middlewares are not simulated"),
    ),
    Kind::other("MiddlewareTCP", NOT_HTTP),
    Kind::other("IngressRouteTCP", NOT_HTTP),
    Kind::other("IngressRouteUDP", NOT_HTTP),
    Kind::other(
        "TraefikService",
        Fate::Ignored("all load goes to the scenario's service"),
    ),
    Kind::other(
        "ServiceMonitor",
        Fate::Ignored("the jobs of the prometheus chart are scraped, by pod annotations"),
    ),
    Kind::other(
        "PodMonitor",
        Fate::Ignored("the jobs of the prometheus chart are scraped, by pod annotations"),
    ),
    Kind::other(
        "PrometheusRule",
        Fate::Ignored("recording rules and alerts are not evaluated"),
    ),
    Kind::other(
        "PersistentVolumeClaim",
        Fate::Ignored("volumes do not bind pods to zones here"),
    ),
    Kind::other(
        "PersistentVolume",
        Fate::Ignored("volumes do not bind pods to zones here"),
    ),
    Kind::other(
        "VerticalPodAutoscaler",
        Fate::Refused("it changes requests, which nothing here does, unless its updateMode is \"Off\""),
    ),
    Kind::other(
        "ResourceQuota",
        Fate::Refused("it limits how many pods a namespace has, which nothing here does"),
    ),
    Kind::other(
        "LimitRange",
        Fate::Refused("it changes requests and limits of new pods: write them into the templates"),
    ),
    Kind::other("ScaledJob", Fate::Refused("jobs are not simulated")),
    Kind::other("NodeOverlay", Fate::Refused("overlays are not simulated")),
    Kind::other("NodeClaim", Fate::Refused("Karpenter makes them")),
    Kind::other(
        "Node",
        Fate::Refused("nodes are the scenario's node_group or Karpenter's"),
    ),
    Kind::other(
        "Provisioner",
        Fate::Refused("NodePools replaced it in Karpenter 0.32"),
    ),
    Kind::other(
        "AWSNodeTemplate",
        Fate::Refused("EC2NodeClasses replaced it in Karpenter 0.32"),
    ),
    Kind::other("HTTPRoute", LEADS_ELSEWHERE),
    Kind::other("Gateway", LEADS_ELSEWHERE),
    Kind::other("VirtualService", LEADS_ELSEWHERE),
    Kind::other("DestinationRule", LEADS_ELSEWHERE),
    Kind::other(
        "NodeClass",
        Fate::Refused("EKS Auto Mode has it: write an EC2NodeClass of karpenter.k8s.aws"),
    ),
    Kind::other(
        "CapacityBuffer",
        Fate::Refused("it keeps room for pods that nothing here makes"),
    ),
    Kind::other("Application", RENDERED),
    Kind::other("ApplicationSet", RENDERED),
    Kind::other("HelmRelease", RENDERED),
    Kind::other("HelmChart", RENDERED),
    Kind::other("StatefulSet", TAKES_ROOM),
    Kind::other("ReplicaSet", TAKES_ROOM),
    Kind::other("ReplicationController", TAKES_ROOM),
    Kind::other("Pod", TAKES_ROOM),
    Kind::other("Job", TAKES_ROOM),
    Kind::other("CronJob", TAKES_ROOM),
    Kind::other("Rollout", TAKES_ROOM),
    Kind::other("Prometheus", TAKES_ROOM),
    Kind::other("Alertmanager", TAKES_ROOM),
    Kind::other("OpenTelemetryCollector", TAKES_ROOM),
    Kind::other("LeaderWorkerSet", TAKES_ROOM),
    Kind::other("RayCluster", TAKES_ROOM),
    Kind::other("RayService", TAKES_ROOM),
    Kind::other("RayJob", TAKES_ROOM),
    Kind::other("MPIJob", TAKES_ROOM),
    Kind::other("PyTorchJob", TAKES_ROOM),
];

const RIGHTS: Fate = Fate::Quiet("rights play no part in scaling");
const DATA: Fate = Fate::Quiet("what containers read has no effect on scaling");
const PLUMBING: Fate = Fate::Quiet("it configures a part that is simulated by its effect");
const OBSERVERS: Fate = Fate::Quiet("it tells others of what happened");
const NOT_HTTP: Fate = Fate::Ignored("all load is HTTP, which it has no part in");
const LEADS_ELSEWHERE: Fate = Fate::Refused("only Ingress and IngressRoute lead to services here");
const RENDERED: Fate =
    Fate::Refused("what it installs is not known here: put the manifests that it renders to into manifests/");
const TAKES_ROOM: Fate =
    Fate::Refused("its pods would take room on nodes, and no controller here makes them");

/// Why a kind was not found, with a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// There is no such kind.
    Kind(String),
    /// There is, but not in this version.
    Version(String),
}

/// A kind by its name and apiVersion.
///
/// # Errors
///
/// When there is no such kind, or not in that version.
pub fn find(name: &str, version: &str) -> Result<&'static Kind, Unknown> {
    let named: Vec<&Kind> = KINDS.iter().filter(|kind| kind.name == name).collect();
    if named.is_empty() {
        return Err(Unknown::Kind(unknown_hint(name, version)));
    }
    let found = named
        .iter()
        .find(|kind| kind.versions.is_empty() || kind.versions.contains(&version));
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = named.iter().flat_map(|kind| kind.versions).copied().collect();
        Unknown::Version(format!("expected {}", known.join(" or ")))
    })
}

/// Only what is of the same API is near: `ClusterPolicy` of an operator is no misspelt `ClusterRole`.
fn unknown_hint(name: &str, version: &str) -> String {
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let of_kubernetes = !group.contains('.') || group.ends_with(".k8s.io");
    let candidates = KINDS
        .iter()
        .filter(|kind| match kind.versions {
            [] => of_kubernetes,
            versions => versions.contains(&version),
        })
        .map(|kind| kind.name);
    match closest(name, candidates) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "take it out of the manifests if it has no pods and scales nothing".to_owned(),
    }
}

/// All kinds of a name, in any letter case: one for each group of versions.
#[must_use]
pub fn named(name: &str) -> Vec<&'static Kind> {
    KINDS
        .iter()
        .filter(|kind| kind.name.eq_ignore_ascii_case(name))
        .collect()
}
