//! One attempt to place a pod, from the queue to the node or back.

use std::time::Duration;

use sim::Instant;

use super::{Binding, Busy, Decision, Out, Scheduler};
use crate::api::{Api, Pod, PodDisruptionBudget};
use crate::id::{NodeId, PodId};
use crate::scheduler::cycle::{self, Found};
use crate::scheduler::hint::ClusterEvent;
use crate::scheduler::node_info::{PlacedPod, PodRef};
use crate::scheduler::plugin::PluginSet;
use crate::scheduler::preemption::{self, Budget, Candidate, Outcome};
use crate::scheduler::score::Scores;
use crate::scheduler::{Event, Input, Output, View};

/// Whether a pod still wants a node.
fn waits(api: &Api, id: PodId) -> bool {
    let wants = |pod: &Pod| pod.node.is_none() && pod.deletion.is_none();
    api.pods.get(id).is_some_and(wants)
}

impl Scheduler {
    /// Starts the next cycle if none is on.
    pub(super) fn go_on(&mut self, now: Instant, view: View<'_>, out: &mut Out) {
        while matches!(self.busy, Busy::Idle) {
            let Some(popped) = self.queue.pop() else { return };
            let id = popped.pod.id;
            if !waits(view.api, id) {
                self.queue.delete(id);
                continue;
            }
            (self.moved, self.helped) = (false, PluginSet::EMPTY);
            let (decision, cost) = self.decide(popped.pod, view.api);
            let end = now + cost;
            self.busy = Busy::Cycle(end, popped.pod, Box::new(decision));
            out.wake_at(end, Input::CycleDone);
        }
    }

    /// One cycle on what is known now, and what it takes.
    fn decide(&mut self, pod: PodRef, api: &Api) -> (Decision, Duration) {
        let cost = self.config.cycle;
        if self.cache.node_count() == 0 {
            return (Decision::NoNodes, cost.base);
        }
        let nominated = self.cache.nominated_node(pod.id);
        let found = cycle::find_nodes_that_fit(&self.cache, pod, nominated, &mut self.sampling);
        let counted = if found.state.counted_pods() {
            self.cache.node_count()
        } else {
            0
        };
        let (fit, unfit) = (found.feasible.len(), found.diagnosis.statuses.len());
        let took = |scored: usize| {
            cost.base
                + cost.scored * scored as u32
                + cost.rejected * unfit as u32
                + cost.counted * counted as u32
        };
        if found.feasible.is_empty() {
            let budgets = self.budgets(pod, api);
            let outcome = preemption::preempt(
                &self.cache,
                pod,
                nominated,
                &found,
                &budgets,
                &mut self.preemption,
            );
            return (Decision::Reject(found, outcome), took(0));
        }
        let (position, scores) = if fit == 1 {
            (0, Scores::default())
        } else {
            let scores = cycle::score(&self.cache, pod, &found.feasible);
            (
                cycle::select_host(&self.cache, &scores.totals, &mut self.ties),
                scores,
            )
        };
        let node = found.feasible[position];
        let took = took(if fit == 1 { 0 } else { fit });
        let event = Event::Scheduled {
            pod: pod.id,
            node,
            evaluated: fit + unfit,
            feasible: found.feasible,
            scores,
        };
        (Decision::Place(node, event), took)
    }

    /// The budgets, if anybody could be preempted at all.
    fn budgets(&self, pod: PodRef, api: &Api) -> Vec<Budget> {
        let priority = self.cache.kind(pod.kind).priority();
        if self.cache.kinds().iter().all(|kind| kind.priority() >= priority) {
            return Vec::new();
        }
        let budget = |pdb: &PodDisruptionBudget| Budget {
            namespace: pdb.namespace.clone(),
            selector: pdb.selector.clone(),
            disruptions_allowed: pdb.disruptions_allowed(api),
        };
        api.pdbs.iter().map(budget).collect()
    }

    pub(super) fn cycle_done(&mut self, now: Instant, view: View<'_>, out: &mut Out) {
        if !matches!(self.busy, Busy::Cycle(end, ..) if end == now) {
            return;
        }
        let Busy::Cycle(_, pod, decision) = std::mem::replace(&mut self.busy, Busy::Idle) else {
            unreachable!("it was just looked at");
        };
        if !waits(view.api, pod.id) {
            return;
        }
        match *decision {
            Decision::Place(node, event) if self.cache.node(node).is_some() => {
                self.assume(now, pod, node, event, out);
            }
            // The node went during the cycle. The real scheduler would bind the pod to it, and the garbage
            // collector delete it; here it is an error, after which the pod is tried again.
            Decision::Place(..) => self
                .queue
                .failed(now, pod.id, PluginSet::EMPTY, PluginSet::EMPTY, true),
            Decision::NoNodes => {
                self.queue
                    .failed(now, pod.id, PluginSet::EMPTY, PluginSet::EMPTY, true);
                let message = "no nodes available to schedule pods".to_owned();
                let nomination = view.api.pods.get(pod.id).and_then(|object| object.nominated_node);
                self.cache.nominate(pod, None);
                self.report(
                    now,
                    pod.id,
                    message,
                    PluginSet::EMPTY,
                    nomination.map(|_| None),
                    out,
                );
            }
            Decision::Reject(found, outcome) => self.reject(now, pod, &found, outcome, view, out),
        }
    }

    fn assume(&mut self, now: Instant, pod: PodRef, node: NodeId, event: Event, out: &mut Out) {
        let placed = PlacedPod {
            id: pod.id,
            kind: pod.kind,
            terminating: false,
            preempted: false,
            started: None,
        };
        self.cache.add_pod(placed, node);
        self.cache.nominate(pod, None);
        let at = self.client.take(now) + self.config.bind_latency.sample_duration(&mut self.latency);
        let binding = Binding {
            pod,
            node,
            at,
            event: Some(event),
        };
        self.assumed.insert(pod.id, binding);
        out.wake_at(at, Input::BindingWritten(pod.id));
    }

    pub(super) fn binding_written(&mut self, now: Instant, id: PodId, view: View<'_>, out: &mut Out) {
        let Some(binding) = self.assumed.get_mut(id).filter(|binding| binding.at == now) else {
            return;
        };
        let (pod, node) = (binding.pod, binding.node);
        let Some(event) = binding.event.take() else { return };
        if waits(view.api, id) && view.api.nodes.get(node).is_some() {
            out.emit(Output::Bind { pod: id, node });
            out.emit(Output::Publish(Box::new(event)));
            return;
        }
        // The binding fails: the pod is forgotten, and tried again if it still waits.
        self.assumed.remove(id);
        self.cache.remove_pod(id);
        self.happened(now, ClusterEvent::AssignedPodDeleted(pod.kind));
        self.queue
            .failed(now, id, PluginSet::EMPTY, PluginSet::EMPTY, true);
    }

    fn reject(
        &mut self,
        now: Instant,
        pod: PodRef,
        found: &Found,
        outcome: Outcome,
        view: View<'_>,
        out: &mut Out,
    ) {
        let id = pod.id;
        let message = preemption::message(&self.cache, found, &outcome);
        let mut nomination = None;
        let mut begin_status = now;
        match outcome {
            Outcome::NotEligible(_) => {}
            Outcome::NoCandidate(_) => nomination = Some(None),
            Outcome::Selected(candidate) => {
                nomination = Some(Some(candidate.node));
                begin_status = self.prepare(now, pod, candidate, out);
            }
        }
        if let Some(node) = nomination {
            self.cache.nominate(pod, node);
        }
        self.queue
            .failed(now, id, found.diagnosis.rejectors, self.helped, self.moved);
        let object_nominated = view.api.pods.get(id).and_then(|object| object.nominated_node);
        let renominate = nomination.filter(|node| *node != object_nominated);
        let rejectors = found.diagnosis.rejectors;
        self.report(begin_status, id, message, rejectors, renominate, out);
    }

    /// Tells that a pod was not placed, and writes its status from `begin` on if that says anything new, which
    /// the loop waits for (schedule_one.go `handleSchedulingFailure`).
    fn report(
        &mut self,
        begin: Instant,
        pod: PodId,
        message: String,
        rejectors: PluginSet,
        nomination: Option<Option<NodeId>>,
        out: &mut Out,
    ) {
        let news = self.messages.get(pod) != Some(&message);
        out.emit(Output::Publish(Box::new(Event::FailedScheduling {
            pod,
            message: message.clone(),
            rejectors,
            nominated: self.cache.nominated_node(pod),
        })));
        if news || nomination.is_some() {
            self.messages.insert(pod, message);
            let end = self.client.take(begin) + self.config.write_latency.sample_duration(&mut self.latency);
            self.busy = Busy::Status(end, pod, nomination);
            out.wake_at(end, Input::StatusWritten);
        }
    }

    /// Has victims deleted, each by two writes, and says when the loop may go on: at once, if that is done in
    /// the background (kubernetes 1.35 pkg/scheduler/framework/preemption/preemption.go
    /// `prepareCandidate`, `prepareCandidateAsync`).
    fn prepare(&mut self, now: Instant, pod: PodRef, candidate: Candidate, out: &mut Out) -> Instant {
        let priority = self.cache.kind(pod.kind).priority();
        let lesser = |other: &&PodRef| self.cache.kind(other.kind).priority() < priority;
        let lesser: Vec<PodRef> = self
            .cache
            .nominated(candidate.node)
            .iter()
            .filter(lesser)
            .copied()
            .collect();
        for other in lesser {
            self.cache.nominate(other, None);
            out.emit(Output::Nominate {
                pod: other.id,
                node: None,
            });
        }
        let mut last = now;
        for _ in candidate.victims.iter().filter(|victim| !victim.terminating) {
            let condition =
                self.client.take(now) + self.config.write_latency.sample_duration(&mut self.latency);
            let deletion =
                self.client.take(condition) + self.config.write_latency.sample_duration(&mut self.latency);
            last = last.max(deletion);
        }
        if last == now {
            return now;
        }
        self.preemptions.insert(pod.id, candidate);
        out.wake_at(last, Input::VictimsDeleted(pod.id));
        if self.config.profile.async_preemption {
            self.queue.hold(pod.id);
            now
        } else {
            last
        }
    }

    pub(super) fn victims_deleted(&mut self, preemptor: PodId, out: &mut Out) {
        self.queue.release(preemptor);
        let Some(candidate) = self.preemptions.remove(&preemptor) else {
            return;
        };
        let there = |victim: &PlacedPod| self.cache.node_of(victim.id).is_some();
        if !candidate.victims.iter().any(there) {
            // They went by themselves while the pod was held back: nothing else will wake it.
            self.queue.activate(preemptor);
        }
        for victim in candidate.victims.iter().filter(|victim| !victim.terminating) {
            let Some(placed) = self.cache.placed_mut(victim.id) else {
                continue;
            };
            placed.preempted = true;
            out.emit(Output::DeletePod {
                pod: victim.id,
                preemptor,
            });
            out.emit(Output::Publish(Box::new(Event::Preempted {
                pod: victim.id,
                preemptor,
                node: candidate.node,
            })));
        }
    }

    pub(super) fn status_written(&mut self, now: Instant, view: View<'_>, out: &mut Out) {
        let Busy::Status(end, pod, nomination) = self.busy else {
            return;
        };
        if end != now {
            return;
        }
        self.busy = Busy::Idle;
        if waits(view.api, pod) {
            if let Some(node) = nomination {
                out.emit(Output::Nominate { pod, node });
            }
            out.emit(Output::Unschedulable(pod));
        }
    }
}
