//! The scheduler as a component: serial cycles, bindings in the background, the client's rate limit.
//!
//! A cycle decides on what is known when it starts and takes effect when it ends. What happens meanwhile is
//! noted, so that a pod that fails is not put aside although help has come. A failed cycle goes on until its
//! status is written; a successful one ends with the pod assumed on its node, and the next begins at once.

mod attempt;
mod hear;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use rand::RngExt;
use sim::{Component, Instant, Outbox, SortedMap, Stream, Streams};

use super::cache::Cache;
use super::cycle::{Found, Sampling};
use super::node_info::PodRef;
use super::plugin::PluginSet;
use super::pod_info::KindId;
use super::preemption::{Candidate, Outcome};
use super::queue::{FLUSH_BACKOFF, FLUSH_UNSCHEDULABLE, MAX_UNSCHEDULABLE, Queue};
use super::{Config, Event, Input, Output, View};
use crate::api::ByTemplate;
use crate::id::{ById, NodeId, PodId};
use crate::token_bucket::TokenBucket;

type Out = Outbox<Input, Output>;

/// kube-scheduler with the default profile.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    cache: Cache,
    queue: Queue,
    sampling: Sampling,
    client: TokenBucket,
    /// Kinds by their template: those that nobody or a DaemonSet owns, and those that a ReplicaSet does.
    kinds: [ByTemplate<KindId>; 2],
    busy: Busy,
    /// Something happened during the cycle, and which plugins it helps.
    moved: bool,
    helped: PluginSet,
    /// Pods on their way to a node.
    assumed: ById<PodId, Binding>,
    /// Bound pods whose node is not known.
    strays: SortedMap<PodId, KindId>,
    /// What a pod's condition said last.
    messages: ById<PodId, String>,
    /// status.nominatedNodeName of pods that wait, as it was heard last.
    heard_nominations: SortedMap<PodId, NodeId>,
    /// Victims by preemptor, until they are deleted.
    preemptions: SortedMap<PodId, Candidate>,
    flush_backoff_due: Option<Instant>,
    flush_unschedulable_due: Option<Instant>,
    /// When in its second the backoff ticker ticks, and in its half-minute the other one.
    phases: [Duration; 2],
    ties: Stream,
    preemption: Stream,
    latency: Stream,
}

/// What the scheduling loop is at.
#[derive(Debug)]
enum Busy {
    Idle,
    /// In a cycle that ends then.
    Cycle(Instant, PodRef, Box<Decision>),
    /// Writing the status of a pod, done then, and the nomination it gets if that changes.
    Status(Instant, PodId, Option<Option<NodeId>>),
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is boxed"
)]
enum Decision {
    Place(NodeId, Event),
    NoNodes,
    Reject(Found, Outcome),
}

#[derive(Debug)]
struct Binding {
    pod: PodRef,
    node: NodeId,
    at: Instant,
    event: Option<Event>,
}

impl Component for Scheduler {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        match input {
            Input::PodChanged(pod) => self.pod_changed(now, pod, view),
            Input::PodGone(pod) => self.pod_gone(now, pod),
            Input::NodeChanged(node) => self.node_changed(now, node, view),
            Input::NodeGone(node) => self.node_gone(now, node),
            Input::CycleDone => self.cycle_done(now, view, out),
            Input::StatusWritten => self.status_written(now, view, out),
            Input::BindingWritten(pod) => self.binding_written(now, pod, view, out),
            Input::VictimsDeleted(pod) => self.victims_deleted(pod, out),
            Input::FlushBackoff if self.flush_backoff_due == Some(now) => {
                self.flush_backoff_due = None;
                self.queue.flush_backoff(now);
            }
            Input::FlushUnschedulable if self.flush_unschedulable_due == Some(now) => {
                self.flush_unschedulable_due = None;
                self.queue.flush_unschedulable(now);
            }
            Input::FlushBackoff | Input::FlushUnschedulable => {}
        }
        self.go_on(now, view, out);
        self.arm(now, out);
    }
}

impl Scheduler {
    /// A scheduler that knows nothing yet.
    #[must_use]
    pub fn new(config: Config, streams: &Streams) -> Self {
        let mut phase = streams.stream("scheduler/phase", 0);
        let mut within = |period: Duration| period.mul_f64(phase.random::<f64>());
        // From 1.33 on, backoffs are flushed on the whole second.
        let aligned = config.profile.pop_from_backoff;
        let backoff = if aligned {
            Duration::ZERO
        } else {
            within(FLUSH_BACKOFF)
        };
        Scheduler {
            cache: Cache::new(config.profile, config.scoring_strategy),
            queue: Queue::new(config.profile),
            sampling: Sampling {
                percentage: config.percentage_of_nodes_to_score,
                next_start: 0,
            },
            client: TokenBucket::new(config.qps, config.burst),
            kinds: Default::default(),
            busy: Busy::Idle,
            moved: false,
            helped: PluginSet::EMPTY,
            assumed: ById::default(),
            strays: SortedMap::new(),
            messages: ById::default(),
            heard_nominations: SortedMap::new(),
            preemptions: SortedMap::new(),
            flush_backoff_due: None,
            flush_unschedulable_due: None,
            phases: [backoff, within(FLUSH_UNSCHEDULABLE)],
            ties: streams.stream("scheduler/tie", 0),
            preemption: streams.stream("scheduler/preemption", 0),
            latency: streams.stream("scheduler/latency", 0),
            config,
        }
    }

    /// What it knows of nodes and pods.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Arms the tickers for the next tick that has something to do.
    fn arm(&mut self, now: Instant, out: &mut Out) {
        let tick = |at: Instant, period: Duration, phase: Duration| {
            at.saturating_sub(phase).round_up_to(period) + phase
        };
        if let Some(end) = self.queue.next_backoff_end() {
            let over = if self.config.profile.pop_from_backoff {
                end + FLUSH_BACKOFF
            } else {
                end
            };
            let due = tick(
                over.max(now + Duration::from_nanos(1)),
                FLUSH_BACKOFF,
                self.phases[0],
            );
            if self.flush_backoff_due.is_none_or(|known| due < known) {
                self.flush_backoff_due = Some(due);
                out.wake_at(due, Input::FlushBackoff);
            }
        }
        if let Some(since) = self.queue.oldest_unschedulable() {
            let over = since + MAX_UNSCHEDULABLE + Duration::from_nanos(1);
            let due = tick(
                over.max(now + Duration::from_nanos(1)),
                FLUSH_UNSCHEDULABLE,
                self.phases[1],
            );
            if self.flush_unschedulable_due.is_none_or(|known| due < known) {
                self.flush_unschedulable_due = Some(due);
                out.wake_at(due, Input::FlushUnschedulable);
            }
        }
    }
}
