//! Codes of diagnostics and their explanations.
//!
//! E: it cannot run. W: it runs without something that was written. The others are advice: S about the
//! scenario, P about queries, K about KEDA, H about the HPA, N about nodes and disruption.

mod nodes;

/// A code.
pub(super) struct Code {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

/// The explanation of a code, in any letter case.
pub(super) fn explain(code: &str) -> Option<&'static str> {
    all()
        .find(|own| own.code.eq_ignore_ascii_case(code.trim()))
        .map(|own| own.text)
}

const fn code(code: &'static str, title: &'static str, text: &'static str) -> Code {
    Code { code, title, text }
}

/// All codes.
pub(super) fn all() -> impl Iterator<Item = &'static Code> {
    CODES.iter().chain(nodes::CODES)
}

const CODES: &[Code] = &[
    code(
        "E001",
        "the file cannot be read",
        "\
The text is no YAML or TOML. The place is where the parser gave up: the mistake is there or shortly before, \
often an indentation, a missing quote or a bracket that is never closed. Files larger than 8 MiB, nesting deeper \
than 64 levels and files whose aliases stand for more than a million values are refused without being built.",
    ),
    code(
        "E002",
        "unknown field",
        "\
No table has a field of this name at this place. The API server would drop it or refuse the object, depending \
on the validation mode; here it is always an error, because a setting that is silently lost is the worst \
kind. `scaletwin check --fields KIND` lists all fields of a kind, `--fields scenario` those of scenario.toml.",
    ),
    code(
        "E003",
        "wrong type",
        "\
The value is not of the type that the field has. Mind that Kubernetes does not turn numbers into texts: \
labels, annotations and a KEDA trigger's metadata are texts, so `threshold: 1` must be `threshold: '1'`.",
    ),
    code(
        "E004",
        "value out of range",
        "\
The value is of the right type but cannot be meant, or the API refuses it: negative quantities, percentages \
above a hundred, a maximum below its minimum, two settings that exclude each other.",
    ),
    code(
        "E005",
        "something is missing",
        "\
A field without which the object means nothing is absent.",
    ),
    code(
        "E006",
        "a field cannot be simulated",
        "\
The field would change the run, and nothing here acts on it: a run without it would answer another question. \
Take it out to see what happens without.",
    ),
    code(
        "E007",
        "unknown kind",
        "\
No such kind is known, or not in this API version. Kinds that have no effect on scaling (ConfigMaps, roles, \
custom resource definitions) are known and passed over; one that is not known might have.",
    ),
    code(
        "E008",
        "a kind cannot be simulated",
        "\
Objects of this kind have pods that take room on nodes, or change what pods ask for, and no controller here \
does that: a run without them would have too much room.",
    ),
    code(
        "E009",
        "reference to nothing",
        "\
A field names an object, file, zone, type or class that does not exist.",
    ),
    code(
        "E010",
        "an object is given twice",
        "\
Two documents have the same kind, namespace and name. `kubectl apply` would let the second win; here it is \
more likely a leftover.",
    ),
    code(
        "E011",
        "an override cannot be applied",
        "\
`--set` takes FIELD=VALUE for a field of scenario.toml, as in load.clients.think_time=20ms, and \
\"KIND/NAME: FIELD=VALUE\" for a field of a manifest, as in \"ScaledObject/web: spec.minReplicaCount=2\". Items \
of lists are counted from 0: node_group[0].nodes=3. Keys with dots stand in brackets: labels[app.kubernetes.io/name]=x. \
A list or mapping is written as in TOML, limits={cpu=\"10\"}, for a manifest also as in YAML or JSON. FIELD=null takes a \
field out.",
    ),
    code(
        "E012",
        "a query cannot be answered",
        "\
The release of Prometheus in [stack] does not take the query, or it uses a function, operator or modifier that \
the simulated PromQL engine does not have. Nothing is approximated: it is refused by name.",
    ),
    code(
        "E013",
        "two autoscalers of one target",
        "\
KEDA makes an HPA of its own for each ScaledObject, and its admission webhook refuses a ScaledObject whose \
target has another HPA or ScaledObject at that time; what was deleted before does not count. An HPA that the \
ScaledObject names in advanced.horizontalPodAutoscalerConfig.name may be taken over: with the annotation \
scaledobject.keda.sh/transfer-hpa-ownership: \"true\" on the ScaledObject (2.11), or validations.keda.sh/hpa-ownership: \
\"false\" on the HPA (2.14). Two HPAs on one Deployment are accepted by the API and then disabled by the controller \
(condition AmbiguousSelector).",
    ),
    code(
        "E014",
        "an API version is not served",
        "\
NodePools and EC2NodeClasses are v1beta1 from Karpenter 0.32 on, v1 and v1beta1 in 1.0, v1 alone from 1.1 on.",
    ),
    code(
        "W001",
        "a field is ignored",
        "\
The field is known, changes little, and has no effect in the simulation. The message says what is assumed instead.",
    ),
    code(
        "W002",
        "a kind is ignored",
        "\
Objects of this kind might change a run a little; the message says what is assumed instead.",
    ),
    code(
        "W003",
        "a value that is rarely meant",
        "\
The API takes the value, but it does not mean what it seems to: memory in thousandths of a byte (`m`), a \
pod-deletion-cost that is no whole number and counts as 0; a service.cpu_per_request of which no request ever ends, or that is 0.",
    ),
    code(
        "W004",
        "something after the end",
        "\
The time of an action, or of a change of the load, is at or after the end of the run.",
    ),
    code(
        "W005",
        "a metric without a value",
        "\
A memory metric has values where the scenario says what the service's pods use: `service.memory.idle` and \
`service.memory.per_request`. Of other pods nobody knows. A metric that never has a value keeps an HPA from \
scaling in as long as it is there, and never scales it out.",
    ),
    code(
        "W010",
        "CPU of which nobody knows",
        "\
What pods use of CPU comes from the requests that they serve: of the service's pods, of the proxy's, and of the clients'. Of other \
Deployments (workers, consumers of a queue), and of containers beside the main one, the first with a port, nobody knows: \
their use is 0 in container_cpu_usage_seconds_total and in what metrics-server says. An autoscaler that goes by it takes them down to \
its minimum and never scales out. What the run says of their replicas, and of the machines for them, means nothing; a Deployment without an autoscaler, of the size that it has \
in your cluster, is nearer.",
    ),
    code(
        "W006",
        "a field that this release drops",
        "\
The release in [stack] does not keep the field: the object works as if it were not there. Where the API server knows the \
field and keeps it behind a feature gate, nothing says so. Where it does not know it yet, kubectl apply refuses the object \
(strict validation, its default), and clients that do not validate strictly lose the field. Flags and feature gates of \
`[timing]` that the release does not have are read by nobody either: Karpenter's PREFERENCE_POLICY came with 1.4, \
MIN_VALUES_POLICY with 1.6, ReservedCapacity with 1.3, SpotToSpotConsolidation with 0.34; Drift left with 1.0.",
    ),
    code(
        "W007",
        "a release newer than what is known",
        "\
The project's rules were read up to one release, and a later one was asked for. The run takes the latest that is known \
in its place. What changed since is not in the result; the release notes say whether it matters to you.",
    ),
    code(
        "W008",
        "a node class without an image",
        "\
From Kubernetes 1.33 on EKS has no image of Amazon Linux 2. An EC2NodeClass that names it by an alias (`al2@latest`) does \
not get ready, and Karpenter passes over the NodePools that refer to it: nothing is launched, and pods stay pending. \
Images given by id, name or tags are not affected.",
    ),
    code(
        "W009",
        "a file that is not read",
        "\
manifests/ is read as `kubectl apply -f manifests` reads it: files whose names end in .yaml, .yml or .json, in small letters, and \
no subdirectories. What else lies there takes no part in the run.",
    ),
    code(
        "W011",
        "pods that their namespace forbids",
        "\
The namespace has the label pod-security.kubernetes.io/enforce, and the pods do not keep to its profile. The API server refuses each of \
them (\"violates PodSecurity\"): the ReplicaSet or DaemonSet tries again and again, and has none. Here the pods run all the same. \
The hint says what the template would have to have; the profiles are in Kubernetes' Pod Security Standards. A cluster's \
administrator may exempt namespaces, users and RuntimeClasses.",
    ),
    code(
        "W012",
        "a manifest and the scenario say two things",
        "\
Flags and variables of Traefik, Prometheus, KEDA and Karpenter that stand in manifests/ are fields of scenario.toml too \
(`check --fields scenario` names them: proxy.allow_empty_services, timing.karpenter.batch_max_duration, ...). What scenario.toml \
states counts. What it leaves out is taken from the manifests, those that actions apply excepted. Nothing is read from \
Secrets, nor from values that come from elsewhere (valueFrom).",
    ),
    code(
        "S001",
        "no load",
        "\
The scenario has neither clients nor arrivals: every rate is zero, and everything shrinks to its minimum.",
    ),
    code(
        "S002",
        "a short warm-up",
        "\
At the start Prometheus has no samples. A rate needs two, which takes up to two scrape intervals; until then \
KEDA reads 0. The HPA's scale-down stabilization remembers the replicas of the start for 300 s, so a warm-up \
of about that length hides the blank; a shorter one shows it in the results.",
    ),
    code(
        "S003",
        "a GPU without a time of its own",
        "\
A request's time on a GPU is looked up in service.gpu.time by the model, which is called as the label \
karpenter.k8s.aws/instance-gpu-name has it: t4, a10g, l40s, rtx-pro-server-6000 (T4 and A10G are understood as well; \
`scaletwin catalog --gpu` lists them). Machines with any other model serve with service.gpu.other, fast or slow as they \
are, and costs and waits of such machines say nothing. Either measure the model, or keep its families out of the NodePool.",
    ),
    code(
        "S004",
        "another service's constants",
        "\
Where the scenario does not say what a request costs, one measured service stands in: php-apache of the walkthrough, \
which computes a million square roots for each. service.cpu_per_request is then 0.064 core-seconds on a core of 3.4 GHz, \
ten or a hundred times what most web services take, and pods, nodes and dollars follow from it. Its clients are shell \
loops that start a wget, sleep 10 ms, and need 10 ms and 0.0063 core-seconds more for each request. All of these were \
fitted together to that run. Measure your own: CPU seconds of the pods \
(rate(container_cpu_usage_seconds_total[5m])) over requests a second, while they are busy; `scaletwin calibrate` does \
that with a recording.",
    ),
    code(
        "S005",
        "a settled start that does not stay",
        "\
With [start] settled = true, the default, the pods of the start run and are Ready from the first second on, but nothing has been measured: \
Prometheus is empty, and Traefik's counters begin at zero. A rate is nothing until its range has two samples, which takes up to two \
scrape intervals, and too low until the run is as old as the range. KEDA takes nothing for 0. The HPA holds against that with \
what it found at its first sync, for as long as its scale-down stabilization window; a shorter window forgets it too soon, and the target \
shrinks within the warm-up. With minReplicaCount 0 the first poll finds no activity and sets 0 at once, unless \
initialCooldownPeriod (from KEDA 2.14 on) holds it. Results begin after warm_up: then they begin with what this left. To begin \
with the replicas of the start, choose a longer window, let an action apply the autoscaler when there are samples, or let \
warm_up last until the size has come back.",
    ),
    code(
        "S009",
        "an init container that takes no time",
        "\
Init containers run one after another, after the images are there and before the application starts: a migration, a download of a \
model, a wait for a database. A new pod serves later by all they take, and that is not to be read from a manifest, unless a command is \
nothing but `sleep N`: else they end at once here. State what they take together, as measured: [application.\"NAMESPACE/NAME\"] init, a \
number of seconds or a distribution. status.initContainerStatuses of a running pod has when each started and finished. startup comes \
after it. Sidecars (restartPolicy: Always) do not count. Of DaemonSets only those are told of for whose pods new nodes wait: device plugins, \
and agents with a startup_taint.",
    ),
    code(
        "S010",
        "an image whose size is assumed",
        "\
How long a new node pulls an image depends on how big it is, and nothing in a manifest says so. Without a row of its own in [image], or \
one called default, an image of 50 MB that takes 150 MB on the disk is assumed: a web server's, and far from one with CUDA or a model in \
it. `docker manifest inspect` tells the compressed size; `live import` takes both from the nodes.",
    ),
    code(
        "S007",
        "a load that is another than it seems",
        "\
A wave whose amplitude is above its mean is cut at zero, which makes its mean higher. A trace that ends before the run does \
goes on with its last value. A spike of no length brings nothing. Senders who leave sooner than the network brings their \
answers hear none.",
    ),
    code(
        "S008",
        "volumes at another region's prices",
        "\
The catalog has no prices of EBS. Where the scenario gives none, volumes cost what they do in us-west-2, us-east-1 and \
us-east-2; elsewhere they cost up to 90 % more. Bills and the cost of configurations with more or larger machines are then \
too low by that share of their volumes. [cloud.price.volume] takes the prices of the region, in USD a month as \
aws.amazon.com/ebs/pricing lists them: gp3 = 0.0952.",
    ),
    code(
        "S006",
        "a probe that ends a start",
        "\
A startup probe, or a liveness probe without one, that fails failureThreshold times in a row ends its container. If the \
application takes longer to start than initialDelaySeconds + failureThreshold x periodSeconds, its container is \
restarted before it has ever answered, and so is the next. Restarts by probes are not simulated: the run shows pods \
that turn ready. Start-up times are those of [application.\"NAMESPACE/NAME\"] startup, on average.",
    ),
    code(
        "K001",
        "cooldown without effect",
        "\
cooldownPeriod is the wait before KEDA deactivates a target, that is, scales it to zero or to idleReplicaCount. \
With minReplicaCount of 1 or more and no idle count there is nothing to deactivate: KEDA leaves everything \
between the minimum and the maximum to the HPA that it made. How long a lower metric must last before replicas \
go is that HPA's scale-down stabilization, the controller's (300 s unless timing.hpa says otherwise) unless \
advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds says otherwise. The same \
holds of initialCooldownPeriod. (kedacore/keda pkg/scaling/executor/scale_scaledobjects.go; keda#6844, keda#737)",
    ),
    code(
        "K002",
        "deactivation ignores the behavior",
        "\
When the cooldown is over, KEDA's scale loop writes 0 (or the idle count) to the target itself, from whatever \
number of replicas there is. The HPA and its behavior (stabilization, policies) are not asked. A metric that is \
0 for the cooldownPeriod, 300 s if unset, for instance because a series vanished, takes all pods in one step, though a \
stabilization window of an hour still wants them. (keda#7770)",
    ),
    code(
        "K003",
        "pollingInterval without effect",
        "\
pollingInterval is how often KEDA's scale loop looks whether a target is active: it decides between zero and one. \
The HPA asks KEDA for the metric on its own, at each sync (every 15 s by default), and KEDA then asks the source live. Only \
with useCachedMetrics does it answer with the last poll's value. (keda#230, keda#6168)",
    ),
    code(
        "K004",
        "the default maximum",
        "\
Without maxReplicaCount KEDA's HPA has a maximum of 100. A query that goes wrong upwards then asks for 100 pods, \
and Karpenter buys the machines for them.",
    ),
    code(
        "K005",
        "activation without effect",
        "\
activationThreshold is compared when KEDA decides whether a target is active, which matters only for scaling \
from and to zero. With a minimum of 1 or more the target always runs, and the threshold alone decides. Beside \
scalingModifiers.formula neither thresholds nor activationThresholds of triggers are read: the formula's target and \
activationTarget take their place. (keda#2800)",
    ),
    code(
        "K006",
        "an empty answer is no error",
        "\
fallback answers for a trigger that fails: Prometheus unreachable, a query that returns several series. A query \
that returns nothing is no failure with ignoreNullValues: \"true\", which is the default: it counts as 0, and \
the target shrinks. After an outage of Prometheus the first answers are empty, too: a rate needs two scrapes. \
During the outage the HPA gets errors and stays where it is, but it records nothing either: once all it remembers is older \
than the stabilization window, 300 s by default, nothing holds against the first 0, and the target goes to its minimum at \
full load. ignoreNullValues: \"false\" makes an empty answer an error, with a fallback or without one. A query that ends in \
`or vector(0)` is never empty: it answers 0 whatever ignoreNullValues says.",
    ),
    code(
        "K007",
        "fallback before 2.17",
        "\
Until KEDA 2.16 two loops handle errors. The HPA's questions count failures and get the fallback's number after \
failureThreshold of them. The scale loop, when a poll fails and no trigger is active, sets fallback.replicas at \
once, at every poll, whatever failureThreshold says. Until 2.17 fallback works for AverageValue targets only, and 2.17 \
refuses one without any such trigger; with cpu and memory triggers alone it is refused from 2.17 on, and written into a log before.",
    ),
    code(
        "K008",
        "a field of a later release",
        "\
The release of KEDA in [stack] does not have this field. The API server does not store what a custom resource's \
definition does not name: the object works as if the field were not there. kubectl apply (strict validation, its default) \
refuses such an object; clients that do not validate strictly lose the field in silence. \
A value that an enumeration does not have yet is refused by all.",
    ),
    code(
        "K009",
        "the greatest proposal wins",
        "\
Each trigger becomes a metric of the HPA, each metric proposes a number of replicas, and the greatest proposal \
is taken. Triggers are thus joined by \"or\" when scaling out and by \"and\" when scaling in; if one metric \
fails, the others can only scale out. scalingModifiers.formula (from 2.12) combines them into one.",
    ),
    code(
        "K010",
        "Value instead of AverageValue",
        "\
With AverageValue the metric is divided by the replicas: the threshold is per pod, and the proposal is \
ceil(metric / threshold), whatever runs now. With Value the number of ready pods is multiplied by \
metric / threshold. For a total that does not depend on the pods (requests a second, the length of a queue) that \
multiplies again and again: 1, 6, 65, 1,053 replicas have been seen. Value is for metrics that fall as pods are \
added, such as latency, and for means and ratios: a quantile, an average or a ratio with AverageValue is divided by the replicas, \
though it is nothing that they share. An HPA's `target.type` of an External or Object metric is the same. Beside a formula it is scalingModifiers.metricType that counts. (mimir#9570, llm-d-autoscaling PR 1019)",
    ),
    code(
        "K011",
        "a query with several elements",
        "\
KEDA takes a query's only element; two or more are an error (\"multiple elements\"). Traefik's counters have an \
element for each Traefik pod, and for each method, protocol and status code that the selector leaves open; kube_ and \
container_ metrics have one for each object. One \
HEAD request, or the overlap of a rollout, is enough: the HPA then gets an error and stays where it is, for as \
long as there are two. sum(…) makes one of them, and is right for several proxies as well. (keda#5176, traefik#10167)",
    ),
    code(
        "K012",
        "waking up on served requests",
        "\
Traefik counts a service's requests when a pod has answered them. At zero replicas nobody answers: requests end \
with 404 or 503 before a server is picked, and appear only in the entry point's counters. A query on \
traefik_service_requests_total therefore stays silent, and the target stays at zero for ever: with minReplicaCount 0 as with \
idleReplicaCount 0. Scale on what \
arrives (traefik_entrypoint_requests_total, a queue's length), or keep minReplicaCount at 1.",
    ),
    code(
        "K013",
        "a label that no series has",
        "\
Traefik names the services of Ingresses namespace-name-port@kubernetes; the port is as the Ingress writes it, by number or by \
name. The service of an IngressRoute's rule is namespace-route-hash@kubernetescrd, where the hash is of the rule's text; only those of \
a rule with several services are namespace-name-port@kubernetescrd. A selector with another name selects \
nothing, an empty answer counts as 0, and the target shrinks to its minimum without any error. So does a label that no \
series has: exported_service, for instance, is what another configuration of scrapes makes of Traefik's label service. So \
does a job, an entry point or a method that is not in this scenario.",
    ),
    code(
        "K014",
        "a threshold that full pods do not reach",
        "\
Served requests are throughput, not demand: when all pods are busy, the rate stops growing at pods x capacity. \
The HPA acts when the rate per pod is off the threshold by more than the tolerance, 10 %. If a full pod serves \
c a second and the threshold is t, overload scales out only if c > 1.1 t; between 0.9 t and 1.1 t nothing \
happens however long the queue is; below 0.9 t overloaded pods are taken away. Keep t well below c, or scale on \
demand: concurrency, queue length, utilization. What a pod serves depends on its machine: a vCPU of a busy core, which it shares \
with a second thread, does little more than half of a core's work (`cpu.smt_gain`); taken is what is usual among the machines that \
the pods may get. Only sums of rate() are compared: what is calculated from them is not in requests a second. A query that \
counts the codes 499 and 504 beside clients or a Traefik with a timeout grows by what nobody waits for: it is told of only where the \
threshold is above what a pod can serve, so that nothing scales out before requests fail.",
    ),
    code(
        "K015",
        "a query without a vector",
        "\
KEDA reads a query's answer as a list of elements. A scalar, which scalar(…) or plain arithmetic on numbers makes, is none: \
each question fails, and the HPA stays where it is. (kedacore/keda pkg/scalers/prometheus_scaler.go)",
    ),
    code(
        "K016",
        "what is taken away stays",
        "\
Until 2.12 KEDA compares its HPA's spec with the one that the ScaledObject asks for by what the latter says: a field that is \
not there counts as equal, and so does a shorter list of policies that begins alike. A behavior, a direction, a window or the \
last policies that a new version of the ScaledObject leaves out go on in the HPA, until something else of its spec changes and all \
of it is written. From 2.13 on the annotations are compared as well, of which `kubectl apply` changes one. \
(kedacore/keda controllers/keda/hpa.go, updateHPAIfNeeded)",
    ),
    code(
        "K017",
        "CPU and memory keep nobody awake",
        "\
cpu and memory triggers belong to the HPA alone. Whether a ScaledObject is active is decided by its other triggers, also while its pods \
are busy: when none of them is active for the cooldownPeriod, KEDA scales to minReplicaCount 0 or to idleReplicaCount, however high \
the CPU is. Between one and the maximum the HPA takes the greatest proposal, of CPU too. Without any other trigger an object with a cpu or \
memory trigger is always active. (kedacore/keda 2.20 pkg/scaling/scale_handler.go, where the scale loop skips resource metrics)",
    ),
    code(
        "K018",
        "a pods metric that is not the pods'",
        "\
A metric of type Pods is asked for each pod of the target, and the adapter finds a pod's element by its label pod. A query whose sum drops \
that label, or whose series are those of other pods, has no element for any of them: the HPA gets an error, and stays where it is. \
What a proxy counts is an Object or External metric.",
    ),
    code(
        "P001",
        "a range shorter than two scrapes",
        "\
rate, increase and their kin need two samples in their range, max_over_time and its kin one. A range of at least twice the scrape interval holds \
two almost always, four times the interval forgives a missed scrape. A shorter one holds one now and then, or \
always: one of just the interval never holds two, because a range leaves its left end out (before Prometheus 3.0: only if it is \
asked at a scrape's very millisecond). The query then answers nothing, which KEDA takes for 0. The prometheus chart scrapes every minute.",
    ),
    code(
        "P002",
        "a metric that nothing exposes",
        "\
A query selects metrics that Prometheus never gets. Traefik's pods are scraped \
where their template has the annotation prometheus.io/scrape: \"true\" (and prometheus.io/port, if the port is not the \
container's); until then the query answers nothing, which KEDA takes for 0. kube_ metrics come from pods labelled \
app.kubernetes.io/name: kube-state-metrics; where no manifest has them, they are answered all the same, as Prometheus \
itself answers whether or not it has a manifest, and nothing takes room on a node for them. What a service exposes by itself (http_requests_total) is not simulated, nor are \
node-exporter and metrics of other exporters: there are Traefik's requests, durations and open connections; of \
kube-state-metrics what pods, nodes, Deployments and HPAs have; of kubelets and cAdvisor running pods, CPU and memory; \
and up. For a service's requests take Traefik's.",
    ),
    code(
        "P003",
        "a bucket that no histogram has",
        "\
The label le of a bucket is a text, and a selector compares it as one. Until 2.55 Prometheus keeps it as it was exposed, and Traefik \
exposes whole seconds without a decimal: le=\"5\". From 3.0 on Prometheus writes it as a float when it reads it: le=\"5.0\". A query \
from before the upgrade then selects nothing, and nothing counts as 0; le=~\"5(\\\\.0)?\" selects both. Bounds that are no bucket's, \
metrics.prometheus.buckets in Traefik's settings, select nothing either. histogram_quantile reads numbers, and both alike.",
    ),
    code(
        "H001",
        "no behavior",
        "\
Without spec.behavior the HPA controller takes its older path: scaling out at each sync is limited to \
max(2 x replicas, 4), and scaling in goes to the greatest number that any sync of the last 300 s \
(--horizontal-pod-autoscaler-downscale-stabilization, timing.hpa) asked for. So replicas shrink that long after the last sync that still wanted more, in one step. A behavior stanza, even an empty \
one, replaces both by policies (scale-up: 4 pods or 100 % each 15 s; scale-down: 100 % each 15 s, after the \
same 300 s). (kubernetes pkg/controller/podautoscaler/horizontal.go)",
    ),
    code(
        "H003",
        "utilization without requests",
        "\
Utilization is what pods use divided by what they request. If one container of a pod requests nothing, the \
whole metric fails (\"missing request for cpu\"), and the HPA does nothing. KEDA's webhook refuses a cpu or memory trigger \
on such pods outright (E004), whatever its metric type.",
    ),
    code(
        "H004",
        "scaling in too readily, or never",
        "\
stabilizationWindowSeconds: 0 acts on each reading. Rates dip when a proxy restarts (its counters begin anew), \
when a scrape is missed, or when a range holds a single sample; every such dip takes pods away that are wanted \
back a minute later. selectPolicy: Disabled is the opposite: what a peak brought stays.",
    ),
    code(
        "H005",
        "a tolerance that is not heeded",
        "\
behavior.scaleUp.tolerance and scaleDown.tolerance are read only with the feature gate HPAConfigurableTolerance, \
off by default before Kubernetes 1.35. Otherwise the controller's flag holds, 10 %. A ScaledObject has the field from KEDA \
2.18 on (K008).",
    ),
    code(
        "H006",
        "a manifest that sets or takes away replicas",
        "\
Applying a Deployment with spec.replicas writes that number, and the HPA has to climb back from there. Leave \
spec.replicas out of the manifests of autoscaled Deployments: those keep their size when they are applied again. Taking \
it out of a manifest that was applied with it sets the size to 1, once: kubectl apply deletes a field that the manifest \
before had, and the API server puts its default there. To go around that, delete spec.replicas with kubectl apply \
edit-last-applied deployment/NAME before the new manifest is applied, or apply with --server-side, where the HPA owns \
the field.",
    ),
    code(
        "H007",
        "a container that is not there",
        "\
A ContainerResource metric, or a cpu or memory trigger with containerName, looks at one container of each pod. If no \
container has the name, the metric never has a value: the HPA reports it as missing and asks for no change by it.",
    ),
    code(
        "H008",
        "a utilization that pods cannot reach",
        "\
A container uses no more CPU than its limit. Pods whose limits add up to L and whose requests add up to R are at most at \
L / R utilization. The HPA scales out only above 1.1 times the target (the tolerance): a target above what full pods \
reach never scales out, however long they throttle, and takes pods away if it is above by more than the tolerance.",
    ),
];

#[cfg(test)]
mod tests {
    use sim::SortedSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_explained() {
        let codes: SortedSet<&str> = all().map(|code| code.code).collect();
        assert_eq!(codes.len(), all().count());
        for code in all() {
            assert!(code.text.len() > 50 && !code.title.is_empty(), "{}", code.code);
            assert!(code.text.ends_with(['.', ')']), "{}", code.code);
        }
        assert_eq!(explain("k001"), explain(" K001 "));
        assert!(explain("K001").is_some() && explain("X999").is_none());
    }
}
