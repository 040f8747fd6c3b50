//! The scheduling queue: who is next, who backs off, who waits for something to happen
//! (kubernetes 1.35 pkg/scheduler/backend/queue/{scheduling_queue,active_queue,backoff_queue}.go).

use std::cmp::Reverse;
use std::time::Duration;

use sim::{Instant, SortedSet};

use super::node_info::PodRef;
use super::plugin::{Plugin, PluginSet};
use super::profile::Profile;
use crate::id::{ById, PodId};

/// podInitialBackoffSeconds
pub const INITIAL_BACKOFF: Duration = Duration::from_secs(1);
/// podMaxBackoffSeconds
pub const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// How often backoffs are looked at.
pub const FLUSH_BACKOFF: Duration = Duration::from_secs(1);
/// How long a pod waits for an event that helps (`podMaxInUnschedulablePodsDuration`).
pub const MAX_UNSCHEDULABLE: Duration = Duration::from_secs(300);
/// How often such pods are looked for.
pub const FLUSH_UNSCHEDULABLE: Duration = Duration::from_secs(30);

/// Where a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Active,
    /// Failed by rejection, or, `true`, by error: those are never taken early.
    Backoff(bool),
    Unschedulable,
    InFlight,
}

/// A pod that has no node yet (`QueuedPodInfo`).
#[derive(Debug, Clone)]
struct Queued {
    pod: PodRef,
    priority: i32,
    /// spec.schedulingGates is not empty.
    has_gates: bool,
    /// When it entered the queue, or last failed.
    timestamp: Instant,
    attempts: u32,
    rejections: u32,
    errors_in_a_row: u32,
    rejectors: PluginSet,
    /// Held back by this plugin, whatever happens to others.
    gate: Option<Plugin>,
    place: Place,
}

/// The order among equals: higher priority, then longer wait.
type Rank = (Reverse<i32>, Instant, PodId);

impl Queued {
    fn rank(&self) -> Rank {
        (Reverse(self.priority), self.timestamp, self.pod.id)
    }
}

/// All pods that have no node.
#[derive(Debug, Clone)]
pub struct Queue {
    profile: Profile,
    pods: ById<PodId, Queued>,
    active: SortedSet<Rank>,
    backoff: SortedSet<(Instant, Rank)>,
    error_backoff: SortedSet<(Instant, Rank)>,
    unschedulable: SortedSet<(Instant, PodId)>,
    /// Pods whose victims are still to be deleted: these hold them back.
    preempting: SortedSet<PodId>,
}

/// A pod taken out to be scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Popped {
    /// The pod.
    pub pod: PodRef,
    /// The how-manieth attempt this is.
    pub attempts: u32,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Queue {
            profile,
            pods: ById::default(),
            active: SortedSet::new(),
            backoff: SortedSet::new(),
            error_backoff: SortedSet::new(),
            unschedulable: SortedSet::new(),
            preempting: SortedSet::new(),
        }
    }

    /// A pod without a node appeared (`Add`).
    pub fn add(&mut self, now: Instant, pod: PodRef, priority: i32, has_gates: bool) {
        let queued = Queued {
            pod,
            priority,
            has_gates,
            timestamp: now,
            attempts: 0,
            rejections: 0,
            errors_in_a_row: 0,
            rejectors: PluginSet::EMPTY,
            gate: None,
            place: Place::InFlight,
        };
        self.pods.insert(pod.id, queued);
        self.move_to_active(pod.id, false);
    }

    fn queued(&self, id: PodId) -> &Queued {
        self.pods.get(id).expect("queued pods are known")
    }

    /// Whether a pod is known here, be it in flight.
    #[must_use]
    pub fn has(&self, id: PodId) -> bool {
        self.pods.contains(id)
    }

    /// A pod got a node or is gone (`Delete`, `Done`).
    pub fn delete(&mut self, id: PodId) {
        self.leave(id);
        self.pods.remove(id);
        self.preempting.remove(&id);
    }

    /// The next pod (`Pop`). With pop-from-backoff, when nothing is active, the one whose backoff ends first.
    pub fn pop(&mut self) -> Option<Popped> {
        let early = || {
            self.backoff
                .first()
                .map(|(_, rank)| *rank)
                .filter(|_| self.profile.pop_from_backoff)
        };
        let (_, _, id) = self.active.first().copied().or_else(early)?;
        self.leave(id);
        let queued = self.pods.get_mut(id).expect("queued pods are known");
        queued.attempts += 1;
        queued.rejectors = PluginSet::EMPTY;
        queued.gate = None;
        Some(Popped {
            pod: queued.pod,
            attempts: queued.attempts,
        })
    }

    /// An attempt failed (`AddUnschedulableIfNotPresent`). Without rejectors it was an error. `helped` are the
    /// plugins for which something happened meanwhile; `moved` says, for releases without hints, that anything
    /// did.
    pub fn failed(&mut self, now: Instant, id: PodId, rejectors: PluginSet, helped: PluginSet, moved: bool) {
        let Some(queued) = self.pods.get_mut(id) else {
            return;
        };
        queued.timestamp = now;
        queued.rejectors = rejectors;
        if rejectors.is_empty() {
            queued.errors_in_a_row += 1;
        } else {
            queued.rejections += 1;
            queued.errors_in_a_row = 0;
        }
        if !self.profile.queueing_hints {
            if moved || rejectors.is_empty() {
                self.move_to_backoff(id);
            } else {
                self.move_to_unschedulable(id);
            }
        } else if rejectors.is_empty() || rejectors.meets(helped) {
            self.requeue(now, id);
        } else {
            self.move_to_unschedulable(id);
        }
    }

    /// Something happened (`movePodsToActiveOrBackoffQueue`): pods for which it helps are tried again. `frees`
    /// says that it was the end of a pod, which alone can end a preemption.
    pub fn event(&mut self, now: Instant, frees: bool, mut helps: impl FnMut(PodRef) -> PluginSet) {
        let mut is_helped = |queued: &Queued| {
            let held = match queued.gate {
                Some(Plugin::SchedulingGates) => true,
                Some(_) => !frees,
                None => false,
            };
            !held && (queued.rejectors.is_empty() || queued.rejectors.meets(helps(queued.pod)))
        };
        let waiting = self.unschedulable.iter().map(|(_, id)| *id);
        let helped: Vec<PodId> = waiting.filter(|id| is_helped(self.queued(*id))).collect();
        for id in helped {
            self.requeue(now, id);
        }
    }

    /// A preemptor's victims are to be deleted in the background: until then it is held back.
    pub fn hold(&mut self, id: PodId) {
        self.preempting.insert(id);
    }

    /// The deletions are made.
    pub fn release(&mut self, id: PodId) {
        self.preempting.remove(&id);
    }

    /// Tries a pod that waits at once (`Activate`).
    pub fn activate(&mut self, id: PodId) {
        if self
            .pods
            .get(id)
            .is_some_and(|queued| queued.place == Place::Unschedulable)
        {
            self.move_to_active(id, false);
        }
    }

    /// Pods whose backoff is over become active (`flushBackoffQCompleted`).
    pub fn flush_backoff(&mut self, now: Instant) {
        for errors in [false, true] {
            loop {
                let heap = if errors {
                    &self.error_backoff
                } else {
                    &self.backoff
                };
                let Some(&(end, (_, _, id))) = heap.first() else {
                    break;
                };
                if self.is_backing_off(now, end) {
                    break;
                }
                self.leave(id);
                self.move_to_active(id, true);
            }
        }
    }

    /// Pods that have waited for very long are tried again (`flushUnschedulablePodsLeftover`).
    pub fn flush_unschedulable(&mut self, now: Instant) {
        let over = |(since, _): &&(Instant, PodId)| now.since(*since) > MAX_UNSCHEDULABLE;
        let left: Vec<PodId> = self
            .unschedulable
            .iter()
            .take_while(over)
            .map(|(_, id)| *id)
            .collect();
        for id in left {
            if self.queued(id).gate != Some(Plugin::SchedulingGates) {
                self.requeue(now, id);
            }
        }
    }

    /// When the next backoff ends, not counting the tick on which that is noticed.
    #[must_use]
    pub fn next_backoff_end(&self) -> Option<Instant> {
        let first = |heap: &SortedSet<(Instant, Rank)>| heap.first().map(|(end, _)| *end);
        first(&self.backoff)
            .into_iter()
            .chain(first(&self.error_backoff))
            .min()
    }

    /// Since when the pod waits that has waited longest, of those that have no gates.
    #[must_use]
    pub fn oldest_unschedulable(&self) -> Option<Instant> {
        let free = |(_, id): &&(Instant, PodId)| self.queued(*id).gate != Some(Plugin::SchedulingGates);
        self.unschedulable.iter().find(free).map(|(since, _)| *since)
    }

    /// Whether a backoff with that end is still on (`isPodBackingoff`): with pop-from-backoff, ends are whole
    /// seconds and the second must have passed.
    fn is_backing_off(&self, now: Instant, end: Instant) -> bool {
        if self.profile.pop_from_backoff {
            end >= now.round_down_to(FLUSH_BACKOFF)
        } else {
            end > now
        }
    }

    /// When a pod's backoff ends; `None` if it has none (`getBackoffTime`).
    fn backoff_end(&self, queued: &Queued) -> Option<Instant> {
        let failures = match (self.profile.backoff_counts_rejections, queued.errors_in_a_row) {
            (false, _) => queued.attempts,
            (true, 0) => queued.rejections,
            (true, errors) => errors,
        };
        let doublings = failures.checked_sub(1)?.min(16);
        let end = queued.timestamp + (INITIAL_BACKOFF * (1 << doublings)).min(MAX_BACKOFF);
        Some(if self.profile.pop_from_backoff {
            end.round_down_to(FLUSH_BACKOFF)
        } else {
            end
        })
    }

    fn requeue(&mut self, now: Instant, id: PodId) {
        let queued = self.queued(id);
        let end = self.backoff_end(queued);
        if end.is_some_and(|end| self.is_backing_off(now, end)) {
            self.move_to_backoff(id);
        } else {
            self.move_to_active(id, false);
        }
    }

    /// What holds a pod back before it may queue (`runPreEnqueuePlugins`).
    fn gate(&self, queued: &Queued) -> Option<Plugin> {
        if queued.has_gates {
            Some(Plugin::SchedulingGates)
        } else {
            self.preempting
                .contains(&queued.pod.id)
                .then_some(Plugin::DefaultPreemption)
        }
    }

    fn move_to_active(&mut self, id: PodId, from_backoff: bool) {
        // With pop-from-backoff, gates were passed on the way into backoff.
        let checked = self.profile.pop_from_backoff && from_backoff;
        if !checked && self.held_back(id) {
            return;
        }
        self.leave(id);
        let queued = self.pods.get_mut(id).expect("it is known");
        queued.place = Place::Active;
        self.active.insert(queued.rank());
    }

    fn move_to_backoff(&mut self, id: PodId) {
        if self.profile.pop_from_backoff && self.held_back(id) {
            return;
        }
        self.leave(id);
        let end = self.backoff_end(self.queued(id));
        let queued = self.pods.get_mut(id).expect("it is known");
        let errors = queued.rejectors.is_empty();
        queued.place = Place::Backoff(errors);
        let heap = if errors {
            &mut self.error_backoff
        } else {
            &mut self.backoff
        };
        heap.insert((end.unwrap_or(Instant::ZERO), queued.rank()));
    }

    fn move_to_unschedulable(&mut self, id: PodId) {
        self.leave(id);
        let queued = self.pods.get_mut(id).expect("it is known");
        queued.place = Place::Unschedulable;
        self.unschedulable.insert((queued.timestamp, id));
    }

    /// Puts a pod aside if a gate holds it back.
    fn held_back(&mut self, id: PodId) -> bool {
        let gate = self.gate(self.queued(id));
        let queued = self.pods.get_mut(id).expect("it is known");
        queued.gate = gate;
        if let Some(plugin) = gate {
            queued.rejectors.insert(plugin);
            self.move_to_unschedulable(id);
        }
        gate.is_some()
    }

    /// Takes a pod out of whatever it is in.
    fn leave(&mut self, id: PodId) {
        let Some(queued) = self.pods.get(id) else { return };
        let rank = queued.rank();
        match queued.place {
            Place::Active => {
                self.active.remove(&rank);
            }
            Place::Backoff(errors) => {
                let end = self.backoff_end(queued).unwrap_or(Instant::ZERO);
                let heap = if errors {
                    &mut self.error_backoff
                } else {
                    &mut self.backoff
                };
                heap.remove(&(end, rank));
            }
            Place::Unschedulable => {
                self.unschedulable.remove(&(rank.1, id));
            }
            Place::InFlight => {}
        }
        self.pods.get_mut(id).expect("it is known").place = Place::InFlight;
    }
}

#[cfg(test)]
mod tests {
    use super::super::pod_info::KindId;
    use super::*;

    fn queue(minor: u16) -> Queue {
        Queue::new(Profile::of(minor))
    }

    fn pod(id: u32) -> PodRef {
        PodRef {
            id: PodId(id),
            kind: KindId(0),
            only_node: None,
        }
    }

    fn at(seconds: f64) -> Instant {
        Instant::ZERO + Duration::from_secs_f64(seconds)
    }

    const FIT: PluginSet = PluginSet::EMPTY.with(Plugin::NodeResourcesFit);

    fn popped(queue: &mut Queue) -> Option<u32> {
        queue.pop().map(|popped| popped.pod.id.0)
    }

    #[test]
    fn priority_goes_before_age() {
        let mut queue = queue(35);
        for (id, priority) in [(0, 0), (1, 0), (2, 100)] {
            queue.add(at(f64::from(id)), pod(id), priority, false);
        }
        assert_eq!(
            [(); 4].map(|()| popped(&mut queue)),
            [Some(2), Some(0), Some(1), None]
        );
    }

    /// Backoff grows 1, 2, 4, 8, 10, 10 s.
    #[test]
    fn backoff_doubles_up_to_ten_seconds() {
        let mut queue = queue(32);
        queue.add(at(0.0), pod(0), 0, false);
        let mut now = at(0.0);
        let mut waits = Vec::new();
        for _ in 0..6 {
            queue.pop().unwrap();
            queue.failed(now, PodId(0), FIT, FIT, true);
            let end = queue.next_backoff_end().unwrap();
            waits.push((end - now).as_secs());
            now = end;
            queue.flush_backoff(now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    /// What an API error costs is counted apart from 1.34 on, and a rejection ends the row.
    #[test]
    fn from_1_34_rejections_and_errors_have_backoffs_of_their_own() {
        let mut queue = queue(34);
        queue.add(at(0.0), pod(0), 0, false);
        let (mut now, mut waits) = (at(0.0), Vec::new());
        for rejectors in [FIT, FIT, FIT, PluginSet::EMPTY, PluginSet::EMPTY, FIT] {
            queue.pop().unwrap();
            queue.failed(now, PodId(0), rejectors, FIT, true);
            let end = queue.next_backoff_end().unwrap();
            waits.push((end - now).as_secs());
            now = end + Duration::from_secs(1);
            queue.flush_backoff(now);
        }
        assert_eq!(waits, [1, 2, 4, 1, 2, 8]);
    }

    /// Before hints an attempt that ended in an error is tried again by itself, a rejected one waits for an event.
    #[test]
    fn before_hints_errors_are_tried_again() {
        let mut queue = Queue::new(super::super::profile::Profile {
            queueing_hints: false,
            ..Profile::of(32)
        });
        queue.add(at(0.0), pod(0), 0, false);
        queue.add(at(0.0), pod(1), 0, false);
        for (id, rejectors) in [(0, PluginSet::EMPTY), (1, FIT)] {
            queue.pop().unwrap();
            queue.failed(at(0.0), PodId(id), rejectors, PluginSet::EMPTY, false);
        }
        queue.flush_backoff(at(30.0));
        assert_eq!([(); 2].map(|()| popped(&mut queue)), [Some(0), None]);
        queue.activate(PodId(1));
        assert_eq!(popped(&mut queue), Some(1), "whoever is activated waits no more");
    }

    /// Third rejection at 60.4 s, an event that helps at 61.0 s.
    fn third_rejection(minor: u16) -> Queue {
        let mut queue = queue(minor);
        queue.add(at(0.0), pod(0), 0, false);
        for failure in [10.0, 30.0, 60.4] {
            queue.pop().unwrap();
            queue.failed(at(failure), PodId(0), FIT, PluginSet::EMPTY, false);
            queue.event(at(failure + 15.0).min(at(61.0)), false, |_| FIT);
        }
        queue
    }

    #[test]
    fn until_1_32_backoff_is_waited_for() {
        let mut queue = third_rejection(32);
        assert_eq!(popped(&mut queue), None);
        assert_eq!(queue.next_backoff_end(), Some(at(64.4)));
        queue.flush_backoff(at(64.3));
        assert_eq!(popped(&mut queue), None);
        queue.flush_backoff(at(65.2));
        assert_eq!(popped(&mut queue), Some(0));
    }

    #[test]
    fn from_1_33_an_idle_scheduler_takes_a_pod_out_of_backoff() {
        let mut queue = third_rejection(33);
        assert_eq!(queue.next_backoff_end(), Some(at(64.0)));
        let mut busy = queue.clone();
        assert_eq!(popped(&mut queue), Some(0));
        // With something active, that goes first, and the backoff ends with the second after its end.
        busy.add(at(61.0), pod(1), 0, false);
        assert_eq!(popped(&mut busy), Some(1));
        busy.flush_backoff(at(64.0));
        assert!(busy.next_backoff_end().is_some());
        busy.flush_backoff(at(65.0));
        assert_eq!(busy.next_backoff_end(), None);
    }

    #[test]
    fn an_event_that_does_not_help_leaves_the_pod_alone() {
        let mut queue = queue(35);
        queue.add(at(0.0), pod(0), 0, false);
        queue.pop().unwrap();
        queue.failed(at(0.0), PodId(0), FIT, PluginSet::EMPTY, false);
        queue.event(at(20.0), false, |_| {
            PluginSet::EMPTY.with(Plugin::TaintToleration)
        });
        assert_eq!(popped(&mut queue), None);
        queue.flush_unschedulable(at(300.0));
        assert_eq!(popped(&mut queue), None);
        queue.flush_unschedulable(at(330.0));
        assert_eq!(popped(&mut queue), Some(0));
    }

    #[test]
    fn what_happened_during_the_attempt_is_not_lost() {
        let mut queue = queue(35);
        queue.add(at(0.0), pod(0), 0, false);
        queue.pop().unwrap();
        queue.failed(at(0.0), PodId(0), FIT, FIT, true);
        assert_eq!(popped(&mut queue), Some(0));
    }

    #[test]
    fn gated_pods_do_not_queue() {
        let mut queue = queue(35);
        queue.add(at(0.0), pod(0), 0, true);
        queue.event(at(1.0), true, |_| FIT);
        queue.flush_unschedulable(at(400.0));
        assert_eq!(popped(&mut queue), None);
    }

    #[test]
    fn a_preemptor_waits_until_its_victims_are_deleted() {
        let mut queue = queue(35);
        queue.add(at(0.0), pod(0), 0, false);
        queue.pop().unwrap();
        queue.hold(PodId(0));
        queue.failed(at(0.0), PodId(0), FIT, FIT, true);
        assert_eq!(popped(&mut queue), None);
        queue.release(PodId(0));
        queue.event(at(1.0), false, |_| FIT);
        assert_eq!(popped(&mut queue), None, "a node event cannot end it");
        queue.event(at(2.0), true, |_| FIT);
        assert_eq!(popped(&mut queue), Some(0));
    }
}
