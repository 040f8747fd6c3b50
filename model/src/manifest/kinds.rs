//! Which kinds of objects there are, and what becomes of each.

use std::sync::LazyLock;

use super::{network, node_class, node_pool, policy, scaling, workload};
use crate::document::closest;
use crate::document::fields::{Field, Schema};

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

/// A kind of objects.
#[derive(Debug)]
pub struct Kind {
    /// kind
    pub name: &'static str,
    /// apiVersion: those that are understood.
    pub versions: &'static [&'static str],
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What becomes of it.
    pub fate: Fate,
    /// What becomes of each field.
    pub fields: &'static [Field],
    /// Tables of parts whose fields depend on a type, each with its title.
    pub parts: &'static [(&'static str, &'static [Field])],
    schema: LazyLock<Schema>,
}

impl Kind {
    /// The table as a tree.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }
}

macro_rules! kinds {
    ($($name:literal $versions:expr, $scope:ident, $fields:expr, $parts:expr;)*) => {
        /// The kinds that take part.
        pub static KINDS: &[Kind] = &[$(Kind {
            name: $name,
            versions: &$versions,
            namespaced: kinds!(@ $scope),
            fate: Fate::Read,
            fields: $fields,
            parts: $parts,
            schema: LazyLock::new(|| Schema::new($fields)),
        }),*];
    };
    (@ namespaced) => { true };
    (@ cluster) => { false };
}

kinds! {
    "Deployment" ["apps/v1"], namespaced, workload::DEPLOYMENT, &[];
    "DaemonSet" ["apps/v1"], namespaced, workload::DAEMON_SET, &[];
    "Service" ["v1"], namespaced, network::SERVICE, &[];
    "Ingress" ["networking.k8s.io/v1"], namespaced, network::INGRESS, &[];
    "IngressRoute" ["traefik.io/v1alpha1", "traefik.containo.us/v1alpha1"], namespaced, network::INGRESS_ROUTE, &[];
    "HorizontalPodAutoscaler" ["autoscaling/v2"], namespaced, scaling::HORIZONTAL_POD_AUTOSCALER, &[];
    "ScaledObject" ["keda.sh/v1alpha1"], namespaced, scaling::SCALED_OBJECT, scaling::TRIGGERS;
    "NodePool" ["karpenter.sh/v1"], cluster, node_pool::V1, &[];
    "NodePool" ["karpenter.sh/v1beta1"], cluster, node_pool::V1_BETA1, &[];
    "EC2NodeClass" ["karpenter.k8s.aws/v1"], cluster, node_class::V1, &[];
    "EC2NodeClass" ["karpenter.k8s.aws/v1beta1"], cluster, node_class::V1_BETA1, &[];
    "PodDisruptionBudget" ["policy/v1"], namespaced, policy::POD_DISRUPTION_BUDGET, &[];
    "PriorityClass" ["scheduling.k8s.io/v1"], cluster, policy::PRIORITY_CLASS, &[];
    "Namespace" ["v1"], cluster, policy::NAMESPACE, &[];
}

const RIGHTS: Fate = Fate::Quiet("rights play no part in scaling");
const DATA: Fate = Fate::Quiet("what containers read has no effect on scaling");
const PLUMBING: Fate = Fate::Quiet("it configures a part that is simulated by its effect");
const TAKES_ROOM: Fate = Fate::Refused("its pods would take room on nodes, and no controller here makes them");

/// Kinds that do not take part, with what becomes of them.
pub const OTHERS: &[(&str, Fate)] = &[
    ("ConfigMap", DATA),
    ("Secret", DATA),
    ("ExternalSecret", DATA),
    ("ServiceAccount", RIGHTS),
    ("Role", RIGHTS),
    ("RoleBinding", RIGHTS),
    ("ClusterRole", RIGHTS),
    ("ClusterRoleBinding", RIGHTS),
    ("NetworkPolicy", RIGHTS),
    ("PodIdentityAssociation", RIGHTS),
    ("TriggerAuthentication", RIGHTS),
    ("ClusterTriggerAuthentication", RIGHTS),
    ("CustomResourceDefinition", PLUMBING),
    ("APIService", PLUMBING),
    ("IngressClass", PLUMBING),
    ("GatewayClass", PLUMBING),
    ("StorageClass", PLUMBING),
    ("RuntimeClass", PLUMBING),
    ("ValidatingWebhookConfiguration", PLUMBING),
    ("MutatingWebhookConfiguration", PLUMBING),
    ("ValidatingAdmissionPolicy", PLUMBING),
    ("ValidatingAdmissionPolicyBinding", PLUMBING),
    ("Lease", PLUMBING),
    ("Event", PLUMBING),
    ("Endpoints", PLUMBING),
    ("EndpointSlice", PLUMBING),
    ("Kustomization", Fate::Ignored("manifests are read as they are: run kustomize first")),
    ("Middleware", Fate::Ignored("Traefik's middlewares are not simulated")),
    ("TraefikService", Fate::Ignored("all load goes to the scenario's service")),
    ("ServiceMonitor", Fate::Ignored("the jobs of the prometheus chart are scraped, by pod annotations")),
    ("PodMonitor", Fate::Ignored("the jobs of the prometheus chart are scraped, by pod annotations")),
    ("PrometheusRule", Fate::Ignored("recording rules and alerts are not evaluated")),
    ("PersistentVolumeClaim", Fate::Ignored("volumes do not bind pods to zones here")),
    ("PersistentVolume", Fate::Ignored("volumes do not bind pods to zones here")),
    ("VerticalPodAutoscaler", Fate::Refused("it changes requests, which nothing here does")),
    ("ResourceQuota", Fate::Refused("it limits how many pods a namespace has, which nothing here does")),
    ("LimitRange", Fate::Refused("it changes requests and limits of new pods: write them into the templates")),
    ("ScaledJob", Fate::Refused("jobs are not simulated")),
    ("NodeOverlay", Fate::Refused("overlays are not simulated")),
    ("NodeClaim", Fate::Refused("Karpenter makes them")),
    ("Node", Fate::Refused("nodes are the scenario's node_group or Karpenter's")),
    ("Provisioner", Fate::Refused("NodePools replaced it in Karpenter 0.32")),
    ("AWSNodeTemplate", Fate::Refused("EC2NodeClasses replaced it in Karpenter 0.32")),
    ("HTTPRoute", Fate::Refused("only Ingress and IngressRoute lead to services here")),
    ("Gateway", Fate::Refused("only Ingress and IngressRoute lead to services here")),
    ("StatefulSet", TAKES_ROOM),
    ("ReplicaSet", TAKES_ROOM),
    ("ReplicationController", TAKES_ROOM),
    ("Pod", TAKES_ROOM),
    ("Job", TAKES_ROOM),
    ("CronJob", TAKES_ROOM),
    ("Rollout", TAKES_ROOM),
];

/// What the others look like to whoever asks for a kind.
static QUIET: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |(name, fate): &(&'static str, Fate)| Kind {
        name,
        versions: &[],
        namespaced: true,
        fate: *fate,
        fields: &[],
        parts: &[],
        schema: LazyLock::new(|| Schema::new(&[])),
    };
    OTHERS.iter().map(kind).collect()
});

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
        return other(name).ok_or_else(|| Unknown::Kind(unknown_hint(name)));
    }
    let found = named.iter().find(|kind| kind.versions.contains(&version));
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = named.iter().flat_map(|kind| kind.versions).copied().collect();
        Unknown::Version(format!("expected {}", known.join(" or ")))
    })
}

fn other(name: &str) -> Option<&'static Kind> {
    QUIET.iter().find(|kind| kind.name == name)
}

fn unknown_hint(name: &str) -> String {
    let names = KINDS.iter().map(|kind| kind.name).chain(OTHERS.iter().map(|(name, _)| *name));
    match closest(name, names) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "take it out of the manifests if it has no pods and scales nothing".to_owned(),
    }
}

/// All kinds of a name, in any letter case: one for each group of versions.
#[must_use]
pub fn named(name: &str) -> Vec<&'static Kind> {
    let alike = |kind: &&Kind| kind.name.eq_ignore_ascii_case(name);
    let read = KINDS.iter().filter(alike);
    read.chain(QUIET.iter().filter(alike)).collect()
}
