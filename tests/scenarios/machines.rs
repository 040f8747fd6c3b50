//! What the machines of a service on spot are when they join, and what becomes of their Nodes when they end.

use model::api::{Taint, TaintEffect};
use model::cluster::{self, Notice, Options, Seen, Watcher};
use model::ec2::{End, State};
use model::id::{InstanceId, NodeId};
use model::quantity::Bytes;
use model::scenario::load;
use sim::{Instant, SortedMap, SortedSet};

use super::{files, within};

const NAME: &str = "spot-interruption";

fn watch(sets: &[&str], watcher: &mut dyn Watcher) {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let (scenario, _) = load(&files(NAME), &sets).unwrap_or_else(|report| panic!("{report}"));
    let options = Options {
        log: false,
        latencies: false,
        dashboard: false,
        audit: true,
        ..Options::of(&scenario)
    };
    let _ = cluster::run_watched(&scenario, options, watcher);
}

/// The ephemeral storage of the nodes that Karpenter has launched, and what it counted on.
#[derive(Default)]
struct Disks(Vec<(Bytes, Bytes)>);

impl Watcher for Disks {
    fn hear(&mut self, _: Instant, _: Notice, _: Seen<'_>) {}

    fn end(&mut self, _: Instant, seen: Seen<'_>) {
        let node_of = |claim: &model::karpenter::NodeClaim| seen.api.nodes.get(claim.node?);
        let claims = seen.claims.iter();
        self.0 = claims
            .filter_map(|(_, claim)| {
                let node = node_of(claim)?;
                Some((node.capacity.ephemeral_storage, claim.capacity.ephemeral_storage))
            })
            .collect();
    }
}

// (karpenter-provider-aws v1.9.2 pkg/providers/instancetype/types.go `ephemeralStorage`)
#[test]
fn nodes_have_the_disk_that_karpenter_counted_on() {
    let check = |sets: &[&str], expected: Bytes| {
        let mut disks = Disks::default();
        let short = ["duration='5m'", "warm_up='0s'", "action=[]"];
        watch(&[&short, sets].concat(), &mut disks);
        assert!(!disks.0.is_empty(), "{sets:?}: machines have joined");
        for (node, claim) in disks.0 {
            assert_eq!((node, claim), (expected, expected), "{sets:?}");
        }
    };
    let class = "EC2NodeClass/default: spec";
    let volumes = |list: &str| format!("{class}.blockDeviceMappings=[{list}]");
    let bottlerocket = [
        &*format!("{class}.amiFamily='Bottlerocket'"),
        &*format!("{class}.amiSelectorTerms=[{{alias='bottlerocket@latest'}}]"),
    ];
    let none = volumes("");
    check(&[bottlerocket[0], bottlerocket[1], &none], Bytes::from_gib(20));
    let data = "{deviceName='/dev/xvdb',ebs={volumeSize='60Gi'}}";
    let root = "{deviceName='/dev/xvda',ebs={volumeSize='30Gi'}}";
    check(&[&volumes(&format!("{data},{root}"))], Bytes::from_gib(30));
    let local = "NodePool/default: spec.template.spec.requirements[2]=\
                 {key='node.kubernetes.io/instance-type',operator='In',values=['m5d.large']}";
    let raid = format!("{class}.instanceStorePolicy='RAID0'");
    check(&[local, &raid], Bytes(75_000_000_000));
}

/// When the machine that EC2 takes is gone, when its Node is, and when its claim is deleted.
#[derive(Default)]
struct Loss {
    victim: Option<InstanceId>,
    ended: Option<Instant>,
    gone: Option<Instant>,
    not_ready: Option<Instant>,
    no_node: Option<Instant>,
    deleted: Option<Instant>,
}

impl Watcher for Loss {
    fn hear(&mut self, _: Instant, _: Notice, _: Seen<'_>) {}

    fn look(&mut self, now: Instant, seen: Seen<'_>) {
        if self.victim.is_none() {
            let mut instances = seen.instances.iter();
            let taken = instances.find(|(_, own)| own.end == Some(End::Interrupted));
            self.victim = taken.map(|(id, _)| id);
        }
        let Some(victim) = self.victim else { return };
        let machine = seen.instances.get(victim).expect("it is kept");
        self.ended = machine.shutting_down;
        if machine.state == State::Terminated {
            self.gone = machine.gone;
        }
        let mut nodes = seen.api.nodes.iter();
        match nodes.find(|(_, node)| node.instance == Some(victim)) {
            Some((_, node)) if node.ready => {}
            Some(_) => drop(self.not_ready.get_or_insert(now)),
            None => drop(self.no_node.get_or_insert(now)),
        }
        let mut claims = seen.claims.iter();
        let own = claims.find(|(_, claim)| claim.instance == Some(victim));
        if own.is_none_or(|(_, claim)| claim.deleting.is_some()) {
            self.deleted.get_or_insert(now);
        }
    }
}

// Nobody hears the notice. The cloud controller deletes the Node when the machine is terminated, not when it is
// silent, and the finalizer deletes the claim with it (cloud-provider-aws v1.35.0 pkg/providers/v1/aws.go
// `InstanceExistsByProviderID`; karpenter v1.14.1 and v0.37.0 pkg/controllers/node/termination/controller.go
// `finalize`).
#[test]
fn a_lost_node_goes_with_its_machine_and_takes_its_claim_along() {
    let silent = 49.9..=50.1;
    for (kubernetes, release, seconds, silence) in [
        ("1.33", "1.14", 100.0, silent.clone()),
        ("1.33", "1.14", 5.0, silent.clone()),
        ("1.33", "1.1", 100.0, silent),
        ("1.35", "1.14", 100.0, 0.0..=0.1),
    ] {
        let sets = [
            &*format!("stack.kubernetes='{kubernetes}'"),
            &*format!("stack.karpenter='{release}'"),
            &*format!("cloud.boot.shutting_down={seconds:?}"),
            "timing.karpenter.interruption_queue=false",
            "duration='18m'",
            "warm_up='0s'",
            "action=[{at='10m',interrupt={capacity_type='spot',count=1},label='x'}]",
        ];
        let mut loss = Loss::default();
        watch(&sets, &mut loss);
        let after = |at: Option<Instant>, from: Option<Instant>| {
            let (at, from) = (at.expect("it happens"), from.expect("it happens"));
            at.as_secs_f64() - from.as_secs_f64()
        };
        within("silence", after(loss.not_ready, loss.ended), silence);
        let last = loss.gone.max(loss.not_ready);
        // Karpenter's collector may have come first.
        assert!(
            after(loss.deleted, last) <= 5.5,
            "the finalizer deletes the claim"
        );
        within("seconds to the Node's end", after(loss.no_node, last), 0.0..=7.0);
    }
}

/// How long after they are ready nodes are initialized, seconds, and how many had the taint that drives pods out.
#[derive(Default)]
struct Starts {
    ready: SortedMap<NodeId, Instant>,
    tainted: SortedSet<NodeId>,
    waits: SortedMap<NodeId, f64>,
}

impl Watcher for Starts {
    fn hear(&mut self, now: Instant, notice: Notice, seen: Seen<'_>) {
        let Notice::NodeChanged(id) = notice else {
            return;
        };
        let Some(node) = seen.api.nodes.get(id).filter(|node| node.claim.is_some()) else {
            return;
        };
        let taint = Taint::new("node.kubernetes.io/not-ready", TaintEffect::NoExecute);
        if node.taints.contains(&taint) {
            self.tainted.insert(id);
        }
        if node.ready {
            let since = *self.ready.entry(id).or_insert(now);
            if node.label("karpenter.sh/initialized") == "true" {
                self.waits.entry(id).or_insert((now - since).as_secs_f64());
            }
        }
    }
}

/// The node controller drives pods off a node that is not ready yet, and sees at its next look that it is. Karpenter waits
/// for that since 1.7.
#[test]
fn a_node_is_initialized_when_the_node_controller_has_seen_that_it_is_ready() {
    let longest = |karpenter: &str| {
        let mut starts = Starts::default();
        watch(&[&format!("stack.karpenter='{karpenter}'")], &mut starts);
        assert!(starts.tainted.len() >= 2, "{:?}", starts.tainted);
        assert!(starts.waits.len() >= 5, "{:?}", starts.waits);
        starts.waits.values().copied().fold(0.0, f64::max)
    };
    within("seconds", longest("1.6.4"), 0.0..=1.5);
    within("seconds", longest("1.14.1"), 2.0..=6.5);
}
