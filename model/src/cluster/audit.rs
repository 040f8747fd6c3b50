//! What must hold after every event, whatever happens.
//!
//! Some of it holds at every instant, such as that no node is over-committed. The rest holds soon: a pod on a
//! dead machine is there until somebody notices, a machine that no claim has is there until it is found. For
//! that the auditor remembers since when each is the case.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sim::{Instant, SortedMap, SortedSet};

use super::Cluster;
use super::tally::PodCounts;
use crate::api::{Owner, Phase, Pod};
use crate::ec2::{End, Instance};
use crate::id::{DaemonSetId, InstanceId, NodeClaimId, NodeId, PodId, ReplicaSetId};
use crate::karpenter::CapacityType;
use crate::quantity::{Price, Resources};
use crate::scenario::Part;

/// Until a Node whose machine has ended is removed: `--node-monitor-grace-period`, and some seconds.
const UNNOTICED: Duration = Duration::from_secs(60);
/// Until the pods of a Node that is removed are: quarantine, the collector's period, and some seconds.
const UNCOLLECTED: Duration = Duration::from_secs(70);
/// Until a machine that no claim has is terminated: its age, the collector's period, and some seconds.
const UNCLAIMED: Duration = Duration::from_secs(180);
/// Until a claim that is being deleted and has neither node nor living machine is removed.
const UNFINALIZED: Duration = Duration::from_secs(180);
/// Until a ReplicaSet has as many pods as it should: the controller's budget makes twenty a second.
const UNEQUAL: Duration = Duration::from_secs(90);
/// Until a metric is answered: every trigger in turn, twice, up to its timeout.
const UNANSWERED: Duration = Duration::from_secs(60);

/// Since when each thing is in a state that must not last.
#[derive(Debug)]
struct Passing<K> {
    since: SortedMap<K, Instant>,
}

impl<K> Default for Passing<K> {
    fn default() -> Self {
        let since = SortedMap::new();
        Passing { since }
    }
}

impl<K: Ord + Copy + fmt::Debug> Passing<K> {
    /// Takes note of all that are in that state now.
    #[track_caller]
    fn check(&mut self, now: Instant, what: &str, limit: Duration, present: &SortedSet<K>) {
        self.since.retain(|key, _| present.contains(key));
        for &key in present {
            let since = *self.since.entry(key).or_insert(now);
            assert!(
                now.since(since) <= limit,
                "{now}: {key:?} {what} since {since}, which is longer than {limit:?}"
            );
        }
    }
}

/// Looks at everything after each event.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    /// The machine of each Node that there ever was.
    machines: SortedMap<NodeId, Option<InstanceId>>,
    orphans: Passing<PodId>,
    dead: Passing<NodeId>,
    unclaimed: Passing<InstanceId>,
    unfinalized: Passing<NodeClaimId>,
    unequal: Passing<ReplicaSetId>,
    /// Its daemon pods twice on one node.
    doubled: Passing<(DaemonSetId, NodeId)>,
    /// How many had ended when it looked last: a number that only grows.
    requests_done: f64,
}

impl Auditor {
    /// Checks the state of everything.
    ///
    /// # Panics
    ///
    /// When something is wrong, saying what.
    pub(super) fn audit(&mut self, now: Instant, cluster: &mut Cluster<'_>) {
        no_node_is_over_committed(now, cluster);
        self.pods_are_where_they_can_be(now, cluster);
        self.no_request_is_lost(now, cluster);
        dollars_are_seconds_times_prices(now, cluster);
        self.machines_have_nodes_and_claims(now, cluster);
        self.replica_sets_converge(now, cluster);
        every_metric_is_answered(now, cluster);
        the_curves_count_every_pod(now, cluster);
    }
}

/// Pods are counted as they change, which must come to the same as counting all.
fn the_curves_count_every_pod(now: Instant, cluster: &mut Cluster<'_>) {
    let (api, server) = (&cluster.api, cluster.objects.roles.server);
    let namespace = server
        .and_then(|id| api.deployments.get(id))
        .map_or("", |object| object.template.namespace.as_str());
    let pods = || api.pods.iter().map(|(_, pod)| pod);
    let serving = || server.into_iter().flat_map(|id| api.pods_of_deployment(id));
    let ready = serving().filter(|(_, pod)| pod.is_ready() && pod.deletion.is_none());
    let waiting = serving().filter(|(_, pod)| pod.node.is_none() && pod.is_active());
    let all = PodCounts {
        pending: pods().filter(|pod| pod.node.is_none() && pod.is_active()).count(),
        waiting: waiting.count(),
        ready: ready.count(),
        beside: pods().filter(|pod| pod.namespace() == namespace).count(),
    };
    assert_eq!(cluster.recorder.tally.count(api, server), all, "{now}");
}

/// Requests and pod slots both: [`Resources`] has them together.
fn no_node_is_over_committed(now: Instant, cluster: &Cluster<'_>) {
    for (id, node) in cluster.api.nodes.iter() {
        let on_node = cluster.api.pods_on(id).iter();
        let mut requested = Resources::default();
        for pod in on_node.filter_map(|&pod| cluster.api.pods.get(pod)) {
            if !pod.is_terminal() {
                requested += &pod.spec().requests();
            }
        }
        assert!(
            requested.fits(&node.allocatable),
            "{now}: {} has {:?} and is asked for {requested:?}",
            node.name,
            node.allocatable
        );
    }
}

impl Auditor {
    fn pods_are_where_they_can_be(&mut self, now: Instant, cluster: &Cluster<'_>) {
        for (id, node) in cluster.api.nodes.iter() {
            self.machines.entry(id).or_insert(node.instance);
        }
        let instances = cluster.parts.ec2.instances();
        let mut orphans = SortedSet::new();
        let mut daemons = SortedSet::new();
        let mut doubled = SortedSet::new();
        for (id, pod) in cluster.api.pods.iter() {
            // An update with surge puts a pod of the new template beside one of the old.
            if let (Owner::DaemonSet(set), Some(node)) = (pod.owner, pod.only_node)
                && pod.is_active()
                && !daemons.insert((set, node, Arc::as_ptr(&pod.template)))
            {
                doubled.insert((set, node));
            }
            let Some(node) = pod.node else {
                assert!(
                    pod.phase == Phase::Pending && !pod.is_ready(),
                    "{now}: {} runs nowhere",
                    pod.name
                );
                continue;
            };
            let machine = self.machines.get(&node);
            let machine = machine.unwrap_or_else(|| panic!("{now}: {} is on no node", pod.name));
            let instance = machine.and_then(|machine| instances.get(machine));
            let instance = instance.unwrap_or_else(|| panic!("{now}: {} is on no machine", pod.name));
            let known = cluster.api.nodes.get(node).is_some();
            runs_only_while_its_machine_does(now, pod, instance, known);
            if !known {
                orphans.insert(id);
            }
        }
        self.orphans
            .check(now, "is on a node that is gone", UNCOLLECTED, &orphans);
        self.doubled.check(now, "has two pods", Duration::ZERO, &doubled);
    }

    fn no_request_is_lost(&mut self, now: Instant, cluster: &mut Cluster<'_>) {
        let stats = cluster.parts.traffic.stats(now);
        let known = stats.served + stats.failed + stats.in_flight;
        let slack = 1e-6 * stats.sent.max(1.0);
        assert!(
            (stats.sent - known).abs() <= slack,
            "{now}: {} requests were sent, {} served, {} failed, {} are in flight",
            stats.sent,
            stats.served,
            stats.failed,
            stats.in_flight
        );
        let least = stats.served.min(stats.failed).min(stats.in_flight);
        assert!(least >= -slack, "{now}: {stats:?}");
        let done = stats.served + stats.failed;
        assert!(
            done >= self.requests_done - slack,
            "{now}: {done} requests have ended, of {} before",
            self.requests_done
        );
        self.requests_done = done;
    }

    fn machines_have_nodes_and_claims(&mut self, now: Instant, cluster: &Cluster<'_>) {
        let instances = cluster.parts.ec2.instances();
        let karpenter_runs = !cluster.stopped.contains(&Part::Karpenter);
        let gone = |id: InstanceId| instances.get(id).is_some_and(|own| own.gone.is_some());
        let nodes = cluster.api.nodes.iter();
        // Karpenter's finalizer holds a node for as long as nobody takes it off.
        let dead = nodes
            .filter(|(_, node)| node.instance.is_some_and(gone) && (karpenter_runs || node.claim.is_none()));
        let dead = dead.map(|(id, _)| id).collect();
        self.dead.check(now, "has had no machine", UNNOTICED, &dead);
        let claims = &cluster.objects.claims;
        let mut names = SortedSet::new();
        for (id, claim) in claims.iter() {
            let owned = cluster.objects.pools.get(claim.pool).is_some();
            assert!(owned || claim.deleting.is_some(), "{now}: {id:?} has no pool");
            assert!(
                names.insert(&claim.name),
                "{now}: two claims are called {}",
                claim.name
            );
        }
        let claimed: SortedSet<InstanceId> = claims.iter().filter_map(|(_, claim)| claim.instance).collect();
        let unclaimed = instances.iter().filter(|(id, own)| {
            karpenter_runs && own.claim().is_some() && own.is_alive() && !claimed.contains(id)
        });
        let unclaimed = unclaimed.map(|(id, _)| id).collect();
        self.unclaimed
            .check(now, "is no claim's and has run", UNCLAIMED, &unclaimed);
        let lives = |id: InstanceId| instances.get(id).is_some_and(|own| own.gone.is_none());
        let has_node = |id: NodeClaimId| cluster.api.nodes.iter().any(|(_, node)| node.claim == Some(id));
        let unfinalized = claims.iter().filter(|(id, claim)| {
            let going = karpenter_runs && claim.deleting.is_some();
            going && !claim.instance.is_some_and(lives) && !has_node(*id)
        });
        let unfinalized = unfinalized.map(|(id, _)| id).collect();
        self.unfinalized
            .check(now, "is to go and has nothing", UNFINALIZED, &unfinalized);
    }

    fn replica_sets_converge(&mut self, now: Instant, cluster: &Cluster<'_>) {
        let active = |set: ReplicaSetId| {
            let pods = cluster.api.pods_of_replica_set(set).iter();
            let pods = pods.filter_map(|pod| cluster.api.pods.get(*pod));
            pods.filter(|pod| pod.is_active()).count()
        };
        let sets = cluster.api.replica_sets.iter();
        let unequal = sets.filter(|(id, set)| usize::try_from(set.replicas) != Ok(active(*id)));
        let unequal = unequal.map(|(id, _)| id).collect();
        self.unequal
            .check(now, "has had too many or too few pods", UNEQUAL, &unequal);
    }
}

/// No container starts on a machine that has ended, or is about to; that the API server believes the pod to be ready lasts
/// until the node controller has noticed, or, if the Node is removed before that, until the pod is collected.
fn runs_only_while_its_machine_does(now: Instant, pod: &Pod, instance: &Instance, has_node: bool) {
    let ended = instance.shutting_down.unwrap_or(Instant::MAX);
    assert!(
        pod.started.is_none_or(|started| started <= ended),
        "{now}: {} was started on {}, which had ended",
        pod.name,
        instance.name
    );
    let ready = pod.ready.filter(|ready| ready.status);
    assert!(
        ready.is_none_or(|ready| ready.since <= ended && (!has_node || now < ended + UNNOTICED)),
        "{now}: {} is ready on {}, which ended at {ended}",
        pod.name,
        instance.name
    );
}

/// The bill once more, by another way: whole seconds times micro-dollars. No part of one is ever negative.
fn dollars_are_seconds_times_prices(now: Instant, cluster: &Cluster<'_>) {
    let ec2 = &cluster.parts.ec2;
    let (mut machines, mut volumes, mut ran) = (0.0, 0.0, 0.0);
    for (_, instance) in ec2.instances().iter() {
        if instance.launched == now {
            continue;
        }
        let gone = instance.gone.unwrap_or(now);
        volumes += cost(instance.volume_price, instance.launched, gone);
        let Some(running) = instance.running.filter(|running| *running < now) else {
            continue;
        };
        let end = instance.shutting_down.unwrap_or(now);
        ran += end.since(running).as_secs_f64();
        let reclaimed = instance.capacity_type == CapacityType::Spot
            && instance.end == Some(End::Interrupted)
            && instance.shutting_down.is_some();
        let first_hour = end < running + Duration::from_secs(3600);
        let free = cluster.scenario.config.ec2.free_first_hour && reclaimed && first_hour;
        machines += if free {
            0.0
        } else {
            cost(instance.price, running, end)
        };
    }
    let bill = ec2.bill(Instant::ZERO, now);
    let billed = |of: fn(&crate::ec2::TypeBill) -> f64| bill.values().map(of).sum::<f64>();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
    let (usd, volume_usd) = (billed(|own| own.instance_usd), billed(|own| own.volume_usd));
    assert!(
        near(machines, usd) && near(volumes, volume_usd),
        "{now}: {usd} and {volume_usd} USD are billed, {machines} and {volumes} were spent"
    );
    let seconds = billed(|own| own.node_hours) * 3600.0;
    assert!(
        near(seconds, ran),
        "{now}: {seconds} s are billed, {ran} s were run"
    );
    let start = cluster.recorder.start();
    if now >= start {
        for (name, own) in ec2.bill(start, now) {
            let least = own.node_hours.min(own.instance_usd).min(own.volume_usd);
            assert!(least >= 0.0 && own.nodes > 0, "{now}: {name} is billed {own:?}");
        }
    }
}

fn cost(price: Price, from: Instant, to: Instant) -> f64 {
    let nanos = to.since(from).as_nanos() as u64;
    let seconds = nanos.div_ceil(1_000_000_000).max(60);
    (price.0 as u64 * seconds) as f64 / 3600e6
}

fn every_metric_is_answered(now: Instant, cluster: &Cluster<'_>) {
    for (hpa, asked) in cluster.asked.iter() {
        assert!(
            now.since(asked.since) <= UNANSWERED,
            "{now}: {hpa:?} waits for metric {} since {}",
            asked.metric,
            asked.since
        );
    }
}
