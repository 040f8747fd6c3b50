//! What the scheduler hears: the cache is brought up to date, and the queue told what happened.

use sim::Instant;

use super::{Busy, Scheduler};
use crate::api::{LabelSelector, Owner, Pod};
use crate::id::{NodeId, PodId};
use crate::scheduler::View;
use crate::scheduler::cache::{Cache, NodeChange};
use crate::scheduler::hint::{ClusterEvent, helps};
use crate::scheduler::node_info::{PlacedPod, PodRef};
use crate::scheduler::plugin::PluginSet;
use crate::scheduler::pod_info::{KindId, default_selector};
use crate::scheduler::queue::Queue;

impl Scheduler {
    pub(super) fn pod_changed(&mut self, now: Instant, id: PodId, view: View<'_>) {
        let Some(pod) = view.api.pods.get(id) else { return };
        // The watch leaves out pods that have ended: for the scheduler they are gone.
        if pod.is_terminal() {
            self.pod_gone(now, id);
            return;
        }
        let kind = self.kind_of(pod, view);
        let reference = PodRef {
            id,
            kind,
            only_node: pod.only_node,
        };
        match pod.node {
            Some(node) => self.pod_bound(now, reference, pod, node),
            None if self.assumed.contains(id) || pod.deletion.is_some() => {}
            None if !self.queue.has(id) => {
                self.queue
                    .add(now, reference, pod.spec().priority, pod.spec().gated);
                self.cache.nominate(reference, pod.nominated_node);
                self.heard_nominations
                    .extend(pod.nominated_node.map(|node| (id, node)));
            }
            None => {
                let before = match pod.nominated_node {
                    Some(node) => self.heard_nominations.insert(id, node),
                    None => self.heard_nominations.remove(&id),
                };
                if before.is_some() && before != pod.nominated_node {
                    self.hope_ended(now, kind);
                }
            }
        }
    }

    fn pod_bound(&mut self, now: Instant, pod: PodRef, object: &Pod, node: NodeId) {
        let confirmed = self.assumed.remove(pod.id).is_some();
        let known =
            !confirmed && (self.cache.node_of(pod.id) == Some(node) || self.strays.contains_key(&pod.id));
        if known {
            if let Some(placed) = self.cache.placed_mut(pod.id) {
                placed.terminating = object.deletion.is_some();
                placed.started = object.started;
            }
            return;
        }
        self.queue.delete(pod.id);
        self.messages.remove(pod.id);
        self.heard_nominations.remove(&pod.id);
        self.cache.nominate(pod, None);
        let placed = PlacedPod {
            id: pod.id,
            kind: pod.kind,
            terminating: object.deletion.is_some(),
            preempted: false,
            started: object.started,
        };
        self.cache.add_pod(placed, node);
        if self.cache.node_of(pod.id).is_none() {
            self.strays.insert(pod.id, pod.kind);
        }
        self.happened(now, ClusterEvent::PodAssigned(pod.kind));
    }

    pub(super) fn pod_gone(&mut self, now: Instant, id: PodId) {
        let assumed = self.assumed.remove(id).map(|binding| binding.pod.kind);
        let placed = self.cache.remove_pod(id).map(|(pod, _)| pod.kind);
        let kind = placed.or(assumed).or(self.strays.remove(&id));
        self.queue.delete(id);
        self.messages.remove(id);
        self.heard_nominations.remove(&id);
        if let Some(kind) = kind {
            self.happened(now, ClusterEvent::AssignedPodDeleted(kind));
        } else if let Some((_, pod)) = self.cache.hopeful(id) {
            self.cache.nominate(pod, None);
            self.hope_ended(now, pod.kind);
        }
    }

    /// A pod hopes for room no more, or elsewhere: that room was kept from pods of no higher priority
    /// (kubernetes 1.35 pkg/scheduler/eventhandlers.go `updatePodInSchedulingQueue`,
    /// `deletePodFromSchedulingQueue`).
    fn hope_ended(&mut self, now: Instant, kind: KindId) {
        if !self.config.profile.hopes_free_room {
            return;
        }
        let (cache, priority) = (&self.cache, self.cache.kind(kind).priority());
        let event = ClusterEvent::AssignedPodDeleted(kind);
        self.queue.event(now, true, |other| {
            let higher = cache.kind(other.kind).priority() > priority;
            if higher {
                PluginSet::EMPTY
            } else {
                helps(cache, other, event)
            }
        });
        // The pod in its cycle is not asked for its priority.
        let helped = self.busy.helped(cache, event);
        self.note(helped);
    }

    pub(super) fn node_changed(&mut self, now: Instant, id: NodeId, view: View<'_>) {
        let Some(node) = view.api.nodes.get(id) else {
            return;
        };
        let change = self.cache.set_node(id, node);
        let (cache, queue) = (&self.cache, &mut self.queue);
        let new = cache.node(id).expect("it was just noted");
        let event = match &change {
            NodeChange::Nothing => return,
            NodeChange::Added => ClusterEvent::NodeAdded(new),
            NodeChange::Updated(old) => ClusterEvent::NodeUpdated { old, new },
        };
        let helped = tell(now, cache, queue, &self.busy, event);
        self.note(helped);
    }

    pub(super) fn node_gone(&mut self, now: Instant, id: NodeId) {
        if let Some(old) = self.cache.remove_node(id) {
            self.strays.extend(old.pods.iter().map(|pod| (pod.id, pod.kind)));
            let helped = tell(
                now,
                &self.cache,
                &mut self.queue,
                &self.busy,
                ClusterEvent::NodeDeleted(&old),
            );
            if self.config.profile.queueing_hints {
                self.note(helped);
            }
        }
    }

    pub(super) fn happened(&mut self, now: Instant, event: ClusterEvent<'_>) {
        let helped = tell(now, &self.cache, &mut self.queue, &self.busy, event);
        self.note(helped);
    }

    fn note(&mut self, helped: PluginSet) {
        self.moved = true;
        self.helped = self.helped.union(helped);
    }

    /// The kind of a pod, made known if its template is new. What selects a ReplicaSet's pods are their labels, the
    /// hash of the template among them.
    fn kind_of(&mut self, pod: &Pod, view: View<'_>) -> KindId {
        let owned = matches!(pod.owner, Owner::ReplicaSet(..));
        if let Some(kind) = self.kinds[usize::from(owned)].get(&pod.template) {
            return *kind;
        }
        let template = pod.template.clone();
        let owner = owned.then(|| LabelSelector::from_labels(&template.labels));
        let services = view.api.services.iter().map(|(_, service)| service);
        let services = services.filter(|service| service.namespace == template.namespace);
        let selector = default_selector(
            &template,
            services.map(|service| &service.selector),
            owner.as_ref(),
        );
        let kind = self.cache.add_kind(template, &selector, view.namespaces);
        self.kinds[usize::from(owned)].insert(pod.template.clone(), kind);
        kind
    }
}

/// Tells the queue of an event. Answers which plugins it helps for the pod in its cycle.
fn tell(now: Instant, cache: &Cache, queue: &mut Queue, busy: &Busy, event: ClusterEvent<'_>) -> PluginSet {
    let frees = matches!(event, ClusterEvent::AssignedPodDeleted(_));
    let mut last: Option<(KindId, Option<NodeId>, PluginSet)> = None;
    queue.event(now, frees, |pod| match last {
        Some((kind, only, plugins)) if (kind, only) == (pod.kind, pod.only_node) => plugins,
        _ => {
            let plugins = helps(cache, pod, event);
            last = Some((pod.kind, pod.only_node, plugins));
            plugins
        }
    });
    busy.helped(cache, event)
}

impl Busy {
    /// The plugins that an event helps for the pod in its cycle, if one is in it.
    fn helped(&self, cache: &Cache, event: ClusterEvent<'_>) -> PluginSet {
        match self {
            Busy::Cycle(_, pod, _) => helps(cache, *pod, event),
            Busy::Idle | Busy::Status(..) => PluginSet::EMPTY,
        }
    }
}
