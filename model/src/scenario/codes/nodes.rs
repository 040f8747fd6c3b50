//! Codes about nodes and disruption.

use super::{Code, code};

pub(super) const CODES: &[Code] = &[
    code(
        "N001",
        "pods that no machine can hold",
        "\
No machine of a node group and none that a NodePool may launch has what a pod asks for: its requests together \
with those of DaemonSets, its node selector and affinity, its tolerations. Pods of it stay pending, and Karpenter \
says why in its log at each pass. GPUs need instance categories that have them (g, p) in the NodePool's \
requirements, and a device plugin that makes them allocatable.",
    ),
    code(
        "N002",
        "do-not-disrupt",
        "\
The annotation karpenter.sh/do-not-disrupt: \"true\" on a pod keeps its node from all voluntary disruption, for as long as \
the pod runs; from Karpenter 1.12 on a duration does so for that long from the pod's start, and any other text does nothing. \
Interruptions, and expiry from Karpenter 1.0 on, begin to drain the node all the same, but the drain then waits for the pod: \
only the pod's own end, terminationGracePeriod or the machine's loss ends it. Before 1.0 a drain evicts the pod. On a \
NodePool's template the annotation keeps all of its nodes. (karpenter#711)",
    ),
    code(
        "N003",
        "a budget that allows no eviction",
        "\
Karpenter asks PodDisruptionBudgets before it consolidates, and the eviction API asks them during a drain. A \
budget that never has a disruption left keeps nodes from being consolidated, and makes every drain wait until \
the pod goes by itself or terminationGracePeriod is over. Percentages are rounded up: minAvailable: 75% of 3 pods is 3. \
A pod that two budgets select cannot be evicted at all: the eviction API does not support that.",
    ),
    code(
        "N004",
        "a disruption budget of zero",
        "\
spec.disruption.budgets limit how many nodes may be disrupted at once; several budgets hold together, the \
strictest counts. A budget of 0 nodes without a schedule stops consolidation and drift for good, with a schedule \
while its window lasts, and with reasons only disruption for these. From 1.0 on expiry heeds no budget; before, it does.",
    ),
    code(
        "N005",
        "consolidating at once, or never",
        "\
consolidateAfter is how long no pod may have come to or gone from a node before it may be consolidated. With 0s, \
the default, a node that an HPA has just emptied goes within half a minute, and comes back with the next peak; a \
node that receives or loses a pod more often than consolidateAfter is never touched. Choose it longer than the \
pauses of your load and shorter than your patience with idle nodes. (karpenter#735)",
    ),
    code(
        "N006",
        "no limits, or too low ones",
        "\
spec.limits cap what all nodes of a NodePool have together. Without them the only bounds are the sum of the \
autoscalers' maxima and the account's quota. Below what the smallest allowed machine has, they keep the NodePool from \
launching any.",
    ),
    code(
        "N007",
        "a field of a later release",
        "\
The release of Karpenter in [stack] does not have this field. The API server does not store what a custom resource's \
definition does not name. kubectl apply (strict validation, its default) refuses such an object; clients that do not validate \
strictly lose the field in silence.",
    ),
    code(
        "N008",
        "spot only",
        "\
When EC2 has no spot capacity left for any of the types and zones that the requirements allow, pods stay pending \
until it has. With on-demand allowed too, Karpenter falls back by itself: it takes spot first as long as there is any.",
    ),
    code(
        "N009",
        "spot nodes are not replaced by cheaper ones",
        "\
Consolidation can remove a spot node whose pods fit elsewhere. Replacing it by a cheaper spot node needs the \
feature gate SpotToSpotConsolidation, off by default, and, where it is one node for one, at least 15 cheaper types to choose \
from: fewer would let each launch leave something cheaper for the next.",
    ),
    code(
        "N010",
        "a strict spread over zones",
        "\
topologySpreadConstraints count when pods are placed, not when a ReplicaSet chooses which pods to delete. After a \
scale-in zones are uneven, and consolidation, which must place the pods of a node anew, finds that they may go \
only to certain zones: half-empty nodes remain. (aws karpenter#3694)",
    ),
    code(
        "N011",
        "CPU credits",
        "\
Machines of the T families earn CPU credits at a baseline and spend them above it. The simulation gives them all of their \
CPU all of the time, and bills their price alone. T3, T3a and T4g start in unlimited mode: what they use above the \
baseline, on average over the machine's life or the last 24 hours, costs 0.05 USD a vCPU-hour more (T4g: 0.04). The \
baseline of each vCPU is 5 % for nano, 10 % for micro, 20 % for small and medium, 30 % for large, 40 % for xlarge and 2xlarge. \
A t3.medium, 2 vCPU, that is busy all day thus costs 2 x 0.8 x 0.05 = 0.08 USD an hour on top of 0.0416. T2 starts in \
standard mode, and is slowed down to its baseline when its credits are spent. (EC2 user guide, burstable performance \
instances)",
    ),
    code(
        "N012",
        "a controller without a machine",
        "\
Karpenter, KEDA, Prometheus and metrics-server act in the simulation from its start to its end, or as actions stop and start \
them, whether or not their own pods run. In a cluster they are pods as any other: they wait for a machine that tolerates them \
and has room. Karpenter's must be there without Karpenter: a managed node group's, or Fargate. If none can hold them, a \
cluster would stand still where the simulation scales. The others may live on Karpenter's machines, and then do nothing until it \
has launched one. Karpenter's chart has two replicas that must not share a machine: with room on one alone, the second waits for \
ever, and does no harm by that.",
    ),
    code(
        "N014",
        "devices that nobody makes allocatable",
        "\
A machine's GPUs count only once a device plugin has told the kubelet of them. The simulation does not know a device plugin \
by its image: its DaemonSet must be among the manifests, and the scenario must say [application.\"NAMESPACE/NAME\"] \
device_plugin = true. Without one, Karpenter launches machines for the pods, the nodes never become initialized, and no pod \
starts. Bottlerocket's images for GPUs come with a plugin of their own: stand a DaemonSet that asks for nothing in its place. \
The plugin's pods must also be able to run on the machines in question: tolerate the NodePool's taints, and select by labels that \
its nodes have. A label that node feature discovery would set, nobody sets here.",
    ),
    code(
        "N021",
        "a startup taint that nobody takes away",
        "\
startupTaints keep pods off a new node until an agent that runs on it has taken them away: the network plugin's, a storage \
driver's. Karpenter waits for that before the node counts as initialized. The simulation does not know an agent by its image: \
its DaemonSet must be among the manifests, tolerate the taint, and be named in the scenario with the taint's key: \
[application.\"NAMESPACE/NAME\"] startup_taint = \"KEY\". The taint then goes when its pod on the node is Ready. Without one it \
stays for ever: no pod starts on these nodes, and they are never disrupted.",
    ),
    code(
        "N016",
        "machines of both architectures",
        "\
A NodePool without a requirement on kubernetes.io/arch launches x86 (amd64) and Graviton (arm64) alike, whichever is cheaper, and \
Graviton often is. On the wrong one an image ends at once with an exec format error, which is not simulated: here every pod runs \
everywhere. Images must be made for both, or the NodePool, or the pods, must ask for one.",
    ),
    code(
        "N017",
        "more replicas than places",
        "\
A required anti-affinity of a Deployment to itself over zones allows one pod in each zone: with three zones the fourth waits for \
ever, and no new machine helps it. Spread constraints over zones allow as many as one likes, evenly. Over hostnames each pod gets \
a machine of its own, and Karpenter launches one for each.",
    ),
    code(
        "N018",
        "a spread over a label that no node has",
        "\
whenUnsatisfiable: DoNotSchedule leaves out nodes without the constraint's topologyKey, whatever else they have. If neither a node \
group nor a NodePool gives its nodes the label, no pod is ever scheduled.",
    ),
    code(
        "N019",
        "limits below the greatest size",
        "\
An autoscaler may ask for more pods than all NodePools that can hold them may have room for: spec.limits count the capacity of all \
nodes of a pool, what the system keeps of it included. The last pods then stay pending, and nothing but a raised limit helps. This \
may be meant, as a brake.",
    ),
    code(
        "N020",
        "dedicated tenancy at shared prices",
        "\
An instance of dedicated tenancy costs more than the price list of shared ones says, which is the one that is simulated, and each \
region with one of them costs a fee of its own by the hour. Bills come out too low. (aws.amazon.com/ec2/pricing/dedicated-instances)",
    ),
    code(
        "N022",
        "a NodePool of no use",
        "\
No instance type on offer meets all requirements (reserved capacity needs a reservation), or none has room for any pod that \
tolerates the NodePool's taints. It launches nothing; others may hold these pods, so that nobody notices.",
    ),
    code(
        "N023",
        "an image larger than the disk",
        "\
An image of a Deployment's pods takes more on the disk, by `[image] unpacked` (three times `compressed` where that is not said), than \
the volume has which a node keeps images and containers on: the root volume, of Bottlerocket the data volume, 20 GiB where nothing is \
written, or local disks with instanceStorePolicy RAID0. On a real node the pull ends with \"no space left on device\" and the pod \
never starts; here disks have no end, and it does. Neither the scheduler nor Karpenter counts the size of images: pods must ask for \
ephemeral-storage to be kept off such nodes. The kubelet removes unused images and evicts pods earlier still, when a disk is 85 % full.",
    ),
    code(
        "N024",
        "pods behind a scheduling gate",
        "\
The template has schedulingGates. The scheduler does not look at such a pod, and Karpenter launches nothing for it, until somebody has \
taken all gates away, one pod at a time: an operator does (Kueue, a webhook). Nothing here does: the pods stay pending to the end.",
    ),
    code(
        "N015",
        "a label's value that no machine has",
        "\
A NodePool's requirement lists a value that no instance type has which its EC2NodeClass can get in this region and its zones: \
`karpenter.sh/capacity-type: spott`, a family that does not exist or is not sold there, a zone of another region. Nothing refuses it: \
where another value of the list matches, Karpenter goes by that one alone, and what was meant is never launched. The same of \
what pods ask for: nodeSelector and affinity name labels that no node group has and no NodePool gives. A term of \
affinity or a preference with such a value never holds, and a nodeSelector keeps the pods waiting for ever. `scaletwin catalog` lists types, \
families and zones.",
    ),
];
