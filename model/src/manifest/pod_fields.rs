//! The table of pod templates, which workloads share.

use super::selector::SELECTOR;
use crate::document::fields::Holds::{Count, List, Mapping, Text, TextMap, Texts, Truth};
use crate::document::fields::{Field, ignored, noted, quiet, refused, simulated, table};

const OUTSIDE: &str = "what runs inside the container is the scenario's matter";
const IDENTITY: &str = "identity, names and rights play no part in scaling";

/// metadata of any object.
pub(super) const METADATA: &[Field] = &[
    simulated("name"),
    simulated("namespace"),
    simulated("labels").of(TextMap),
    simulated("annotations").of(TextMap),
    quiet("creationTimestamp", "written by the API server"),
    quiet("generation", "written by the API server"),
    quiet("resourceVersion", "written by the API server"),
    quiet("uid", "written by the API server"),
    quiet("selfLink", "written by the API server"),
    quiet("managedFields", "written by the API server"),
    quiet("deletionTimestamp", "written by the API server"),
    quiet("deletionGracePeriodSeconds", "written by the API server"),
    quiet(
        "ownerReferences",
        "nothing here is owned from outside; KEDA makes the HPA of a ScaledObject anew",
    )
    .of(List),
    quiet("finalizers", "nothing here waits for them").of(Texts),
    quiet("generateName", "objects are created by name"),
];

/// apiVersion, kind, status.
pub(super) const TOP: &[Field] = &[
    simulated("apiVersion"),
    simulated("kind"),
    quiet("status", "written by controllers"),
];

/// spec.template.metadata
const TEMPLATE_METADATA: &[Field] = &[
    simulated("labels").of(TextMap),
    noted(
        "annotations",
        "do-not-disrupt, safe-to-evict, pod-deletion-cost and prometheus.io/scrape are acted on",
    )
    .of(TextMap),
    quiet("name", "pods get names of their own"),
    quiet("generateName", "pods get names of their own"),
    quiet("namespace", "pods live where their controller does"),
    quiet("creationTimestamp", "written by the API server"),
    quiet("generation", "written by the API server"),
    quiet("resourceVersion", "written by the API server"),
    quiet("uid", "written by the API server"),
    quiet("selfLink", "written by the API server"),
    quiet("managedFields", "written by the API server"),
    quiet("ownerReferences", "a pod's controller owns it"),
    ignored("finalizers", "pods are gone when their containers are"),
];

/// A toleration.
pub(super) const TOLERATIONS: &[Field] = &[
    simulated("key"),
    simulated("operator"),
    simulated("value"),
    simulated("effect"),
    simulated("tolerationSeconds"),
];

/// spec.template.spec
const POD: &[Field] = &[
    simulated("nodeSelector"),
    refused(
        "nodeName",
        "such pods pass the scheduler by; nodeSelector with kubernetes.io/hostname or another label chooses a node",
    ),
    table("tolerations[]", TOLERATIONS),
    simulated("priorityClassName"),
    simulated("preemptionPolicy"),
    simulated("terminationGracePeriodSeconds"),
    simulated("hostNetwork"),
    noted(
        "schedulingGates",
        "a gated pod is never scheduled: nothing here lifts a gate",
    ),
    noted("overhead", "added to the requests"),
    noted(
        "resources.requests",
        "pod-level requests, from Kubernetes 1.34 on",
    ),
    noted(
        "resources.limits",
        "of the pod, from Kubernetes 1.34 on: a CPU quota beside its containers', and the requests of what nothing else names",
    ),
    simulated("topologySpreadConstraints[].maxSkew"),
    simulated("topologySpreadConstraints[].topologyKey"),
    simulated("topologySpreadConstraints[].whenUnsatisfiable"),
    simulated("topologySpreadConstraints[].minDomains"),
    simulated("topologySpreadConstraints[].nodeAffinityPolicy"),
    simulated("topologySpreadConstraints[].nodeTaintsPolicy"),
    simulated("topologySpreadConstraints[].matchLabelKeys"),
    ignored(
        "priority",
        "the number comes from priorityClassName, as admission has it",
    ),
    noted(
        "runtimeClassName",
        "adds the class's overhead, node selector and tolerations, of a DaemonSet the overhead alone",
    ),
    ignored(
        "volumes[].persistentVolumeClaim",
        "a volume does not bind its pod to a zone here",
    )
    .of(Mapping),
    quiet("volumes[].name", "what is mounted has no effect on scaling").of(Text),
    quiet("volumes[].*", "what is mounted has no effect on scaling").of(Mapping),
    refused("schedulerName", "only the default scheduler is simulated").unless("default-scheduler"),
    refused(
        "activeDeadlineSeconds",
        "pods that end by themselves are not simulated",
    ),
    refused(
        "readinessGates",
        "nothing here sets the conditions that they wait for",
    ),
    refused("resourceClaims", "dynamic resource allocation is not simulated"),
    refused("workloadRef", "pods are scheduled one by one, not in gangs"),
    quiet("restartPolicy", "pods of workloads are always restarted"),
    quiet("serviceAccountName", IDENTITY).of(Text),
    quiet("serviceAccount", IDENTITY).of(Text),
    quiet("automountServiceAccountToken", IDENTITY).of(Truth),
    table("securityContext", SECURITY),
    quiet("securityContext.fsGroup", IDENTITY).of(Count),
    quiet("securityContext.fsGroupChangePolicy", IDENTITY).of(Text),
    quiet("securityContext.supplementalGroups", IDENTITY).of(List),
    quiet("securityContext.supplementalGroupsPolicy", IDENTITY).of(Text),
    quiet("securityContext.sysctls[].name", IDENTITY).of(Text),
    quiet("securityContext.sysctls[].value", IDENTITY).of(Text),
    quiet("securityContext.seLinuxChangePolicy", IDENTITY).of(Text),
    quiet("imagePullSecrets[].name", IDENTITY).of(Text),
    quiet("dnsPolicy", IDENTITY).of(Text),
    quiet("dnsConfig", IDENTITY).of(Mapping),
    quiet("hostname", IDENTITY).of(Text),
    quiet("hostnameOverride", IDENTITY).of(Text),
    quiet("subdomain", IDENTITY).of(Text),
    quiet("setHostnameAsFQDN", IDENTITY).of(Truth),
    quiet("hostAliases", IDENTITY).of(List),
    quiet("enableServiceLinks", IDENTITY).of(Truth),
    quiet("shareProcessNamespace", OUTSIDE).of(Truth),
    quiet("hostPID", OUTSIDE).of(Truth),
    quiet("hostIPC", OUTSIDE).of(Truth),
    quiet("hostUsers", OUTSIDE).of(Truth),
    quiet("os", "nodes run Linux"),
];

/// What a pod's security context and a container's have in common.
const SECURITY: &[Field] = &[
    quiet("runAsUser", OUTSIDE).of(Count),
    quiet("runAsGroup", OUTSIDE).of(Count),
    quiet("runAsNonRoot", OUTSIDE).of(Truth),
    quiet("seLinuxOptions", OUTSIDE).of(Mapping),
    quiet("windowsOptions", OUTSIDE).of(Mapping),
    quiet("seccompProfile", OUTSIDE).of(Mapping),
    quiet("appArmorProfile", OUTSIDE).of(Mapping),
];

/// A container.
const CONTAINER: &[Field] = &[
    simulated("name"),
    noted("image", "its size and pull time are the scenario's"),
    noted(
        "imagePullPolicy",
        "Always asks the registry even if the image is there",
    ),
    simulated("ports[].name"),
    simulated("ports[].containerPort"),
    simulated("ports[].hostPort"),
    simulated("ports[].hostIP"),
    simulated("ports[].protocol"),
    simulated("resources.requests"),
    noted(
        "resources.limits",
        "the CPU limit is the CFS quota; memory limits kill nobody here",
    ),
    refused("resources.claims", "dynamic resource allocation is not simulated"),
    noted("restartPolicy", "of an init container: Always makes it a sidecar"),
    simulated("lifecycle.preStop.sleep.seconds"),
    noted(
        "lifecycle.preStop.exec.command",
        "a `sleep N` in it is waited for",
    )
    .of(Texts),
    ignored("lifecycle.preStop.httpGet", "taken as done at once"),
    ignored("lifecycle.preStop.tcpSocket", "Kubernetes ignores it too"),
    ignored("lifecycle.postStart", "taken as done at once"),
    ignored("resizePolicy", "pods are not resized in place"),
    quiet("restartPolicyRules", "containers do not fail here"),
    quiet("lifecycle.stopSignal", OUTSIDE).of(Text),
    noted(
        "command",
        "an init container's `sleep N` is waited for; else what runs inside is the scenario's matter",
    )
    .of(Texts),
    noted(
        "args",
        "Traefik's --entryPoints.metrics.address says where its metrics are; else what runs inside is the scenario's matter",
    )
    .of(Texts),
    quiet("env[].name", OUTSIDE).of(Text),
    quiet("env[].value", OUTSIDE).of(Text),
    quiet("env[].valueFrom", OUTSIDE).of(Mapping),
    quiet("envFrom[].prefix", OUTSIDE).of(Text),
    quiet("envFrom[].configMapRef", OUTSIDE).of(Mapping),
    quiet("envFrom[].secretRef", OUTSIDE).of(Mapping),
    quiet("workingDir", OUTSIDE).of(Text),
    quiet("volumeMounts[].name", OUTSIDE).of(Text),
    quiet("volumeMounts[].mountPath", OUTSIDE).of(Text),
    quiet("volumeMounts[].subPath", OUTSIDE).of(Text),
    quiet("volumeMounts[].subPathExpr", OUTSIDE).of(Text),
    quiet("volumeMounts[].readOnly", OUTSIDE).of(Truth),
    quiet("volumeMounts[].recursiveReadOnly", OUTSIDE).of(Text),
    quiet("volumeMounts[].mountPropagation", OUTSIDE).of(Text),
    quiet("volumeDevices[].name", OUTSIDE).of(Text),
    quiet("volumeDevices[].devicePath", OUTSIDE).of(Text),
    table("securityContext", SECURITY),
    quiet("securityContext.privileged", OUTSIDE).of(Truth),
    quiet("securityContext.allowPrivilegeEscalation", OUTSIDE).of(Truth),
    quiet("securityContext.readOnlyRootFilesystem", OUTSIDE).of(Truth),
    quiet("securityContext.capabilities.add", OUTSIDE).of(Texts),
    quiet("securityContext.capabilities.drop", OUTSIDE).of(Texts),
    quiet("securityContext.procMount", OUTSIDE).of(Text),
    quiet("stdin", OUTSIDE).of(Truth),
    quiet("stdinOnce", OUTSIDE).of(Truth),
    quiet("tty", OUTSIDE).of(Truth),
    quiet("terminationMessagePath", OUTSIDE).of(Text),
    quiet("terminationMessagePolicy", OUTSIDE).of(Text),
];

const NO_RESTARTS: &str = "containers are not restarted by probes here";
const ANSWERS: &str = "who answers answers at once";
const STARTED: &str = "answered as soon as the application has started";

/// When a probe is asked.
const TIMES: &[Field] = &[
    simulated("initialDelaySeconds"),
    simulated("periodSeconds"),
    quiet("timeoutSeconds", ANSWERS).of(Count),
    simulated("successThreshold"),
];

/// What a probe asks.
const HANDLERS: &[Field] = &[
    noted("httpGet", STARTED).of(Mapping),
    noted("tcpSocket", STARTED).of(Mapping),
    noted("exec", STARTED).of(Mapping),
    noted("grpc", STARTED).of(Mapping),
    ignored("terminationGracePeriodSeconds", NO_RESTARTS).of(Count),
];

/// A readiness probe.
const PROBE: &[Field] = &[
    table("", TIMES),
    quiet("failureThreshold", "who has started to answer goes on answering").of(Count),
    table("", HANDLERS),
];

/// A startup probe. That it gives up is not simulated: `check` says when it would.
const STARTUP_PROBE: &[Field] = &[
    table("", TIMES),
    ignored("failureThreshold", NO_RESTARTS).of(Count),
    table("", HANDLERS),
];

/// A liveness probe. One warning is enough: it stands at what the probe asks.
const LIVENESS_PROBE: &[Field] = &[
    quiet("initialDelaySeconds", NO_RESTARTS).of(Count),
    quiet("periodSeconds", NO_RESTARTS).of(Count),
    quiet("timeoutSeconds", NO_RESTARTS).of(Count),
    quiet("successThreshold", NO_RESTARTS).of(Count),
    quiet("failureThreshold", NO_RESTARTS).of(Count),
    ignored("httpGet", NO_RESTARTS).of(Mapping),
    ignored("tcpSocket", NO_RESTARTS).of(Mapping),
    ignored("exec", NO_RESTARTS).of(Mapping),
    ignored("grpc", NO_RESTARTS).of(Mapping),
    quiet("terminationGracePeriodSeconds", NO_RESTARTS).of(Count),
];

/// A node selector term.
const NODE_TERM: &[Field] = &[
    simulated("matchExpressions[].key"),
    simulated("matchExpressions[].operator"),
    simulated("matchExpressions[].values"),
    simulated("matchFields[].key"),
    simulated("matchFields[].operator"),
    simulated("matchFields[].values"),
];

/// A pod affinity term.
const POD_TERM: &[Field] = &[
    simulated("topologyKey"),
    simulated("namespaces"),
    simulated("matchLabelKeys"),
    simulated("mismatchLabelKeys"),
    table("labelSelector", SELECTOR),
    table("namespaceSelector", SELECTOR),
];

const POD_AFFINITY: &[Field] = &[
    table("requiredDuringSchedulingIgnoredDuringExecution[]", POD_TERM),
    simulated("preferredDuringSchedulingIgnoredDuringExecution[].weight"),
    table(
        "preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm",
        POD_TERM,
    ),
];

const AFFINITY: &[Field] = &[
    table(
        "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]",
        NODE_TERM,
    ),
    simulated("nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].weight"),
    table(
        "nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].preference",
        NODE_TERM,
    ),
    table("podAffinity", POD_AFFINITY),
    table("podAntiAffinity", POD_AFFINITY),
];

const ALL_OF_A_CONTAINER: &[Field] = &[
    table("", CONTAINER),
    table("readinessProbe", PROBE),
    table("startupProbe", STARTUP_PROBE),
    table("livenessProbe", LIVENESS_PROBE),
];

/// spec.template
pub(super) const TEMPLATE: &[Field] = &[
    table("metadata", TEMPLATE_METADATA),
    table("spec", POD),
    table("spec.affinity", AFFINITY),
    table("spec.topologySpreadConstraints[].labelSelector", SELECTOR),
    table("spec.containers[]", ALL_OF_A_CONTAINER),
    table("spec.initContainers[]", ALL_OF_A_CONTAINER),
];
