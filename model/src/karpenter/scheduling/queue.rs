//! The order in which pods are tried: first fit, decreasing
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/queue.go).

use std::cmp::Reverse;
use std::collections::VecDeque;

use sim::Instant;

use crate::quantity::{Bytes, MilliCpu};

/// Where a pod stands: most cpu first, then most memory, then oldest to the second, then by uid.
pub(crate) type Rank = (Reverse<MilliCpu>, Reverse<Bytes>, u64, u128);

/// The rank of a pod (`byCPUAndMemoryDescending`). Other resources, GPUs among them, play no part.
pub(crate) fn rank(cpu: MilliCpu, memory: Bytes, created: Instant, uid: u128) -> Rank {
    (Reverse(cpu), Reverse(memory), created.as_secs(), uid)
}

/// Pods that wait to be placed, by their position in the list that is solved.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: VecDeque<usize>,
    /// How long the queue was when a pod was last pushed; 0 if never, or if it was changed since.
    last_len: Vec<usize>,
}

impl Queue {
    /// A queue of pods with these ranks.
    pub(crate) fn new(ranks: &[Rank]) -> Self {
        let mut order: Vec<usize> = (0..ranks.len()).collect();
        order.sort_by(|a, b| ranks[*a].cmp(&ranks[*b]));
        Queue {
            waiting: order.into(),
            last_len: vec![0; ranks.len()],
        }
    }

    /// The next pod, or none once a whole lap made no progress.
    pub(crate) fn pop(&mut self) -> Option<usize> {
        let first = *self.waiting.front()?;
        if self.last_len[first] == self.waiting.len() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Takes out what is left, progress or not.
    pub(crate) fn take(&mut self) -> Option<usize> {
        self.waiting.pop_front()
    }

    /// Puts a pod at the end. One whose preferences were relaxed counts as new.
    pub(crate) fn push(&mut self, pod: usize, relaxed: bool) {
        self.waiting.push_back(pod);
        if relaxed {
            self.last_len.fill(0);
        } else {
            self.last_len[pod] = self.waiting.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(count: usize) -> Vec<Rank> {
        let rank_of = |i| rank(MilliCpu(100), Bytes(0), Instant::ZERO, i as u128);
        (0..count).map(rank_of).collect()
    }

    #[test]
    fn big_pods_go_first_then_old_ones_then_by_uid() {
        let at = Instant::from_millis;
        let ranks = [
            rank(MilliCpu(1), Bytes(5), at(0), 0),
            rank(MilliCpu(2), Bytes(1), at(5000), 0),
            rank(MilliCpu(2), Bytes(1), at(1900), 2),
            rank(MilliCpu(2), Bytes(1), at(1100), 3),
            rank(MilliCpu(2), Bytes(3), at(9000), 0),
        ];
        let mut queue = Queue::new(&ranks);
        let order: Vec<usize> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [4, 2, 3, 1, 0]);
    }

    /// Three pods that never fit: one lap, then the first comes round with nothing changed.
    #[test]
    fn a_lap_without_progress_ends_it() {
        let mut queue = Queue::new(&ranks(3));
        let mut popped = Vec::new();
        while let Some(pod) = queue.pop() {
            popped.push(pod);
            queue.push(pod, false);
        }
        assert_eq!(popped, [0, 1, 2]);
    }

    /// A pod placed in between shortens the queue: the one pushed before it is tried again, the one pushed
    /// after it is not.
    #[test]
    fn progress_gives_another_lap() {
        let mut queue = Queue::new(&ranks(3));
        let mut popped = Vec::new();
        while let Some(pod) = queue.pop() {
            popped.push(pod);
            if pod != 1 {
                queue.push(pod, false);
            }
        }
        assert_eq!(popped, [0, 1, 2, 0]);
    }
}
