//! The agenda: what is still to happen, earliest first.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Instant;

/// How many children a heap node has. Four keep a parent's children in one or two cache lines and
/// halve the depth of a binary heap; the hold-model bench measures it.
const ARITY: usize = 4;

/// The future events of one simulation, in the order of the crate's ordering contract.
///
/// Two structures serve it: a first-in-first-out lane for events due *now*, which make up about half
/// of all events of a controller model, and a heap for the rest.
///
/// ```
/// use sim::{Agenda, Instant};
///
/// let mut agenda = Agenda::new();
/// agenda.at(Instant::from_secs(2), "later");
/// agenda.at(Instant::from_secs(1), "first");
/// agenda.at(Instant::from_secs(1), "second");
/// assert_eq!(agenda.pop(), Some((Instant::from_secs(1), "first")));
/// agenda.now_at("third"); // due now, behind what was already due now
/// assert_eq!(agenda.pop(), Some((Instant::from_secs(1), "second")));
/// assert_eq!(agenda.pop(), Some((Instant::from_secs(1), "third")));
/// assert_eq!(agenda.pop(), Some((Instant::from_secs(2), "later")));
/// assert_eq!(agenda.pop(), None);
/// ```
#[derive(Debug, Clone)]
pub struct Agenda<E> {
    now: Instant,
    sequence: u64,
    /// Due at `now`, put there while it was now.
    lane: VecDeque<E>,
    heap: Vec<Entry>,
    /// The events of the heap, which stay where they are while their entries move.
    slots: Vec<Option<E>>,
    /// Slots that hold nothing.
    free: Vec<u32>,
}

/// When an event is due, and where it is.
#[derive(Debug, Clone, Copy)]
struct Entry {
    due: Instant,
    sequence: u64,
    slot: u32,
}

impl Entry {
    /// Due time above, sequence number below: one number to compare.
    fn key(&self) -> u128 {
        u128::from(self.due.as_nanos()) << 64 | u128::from(self.sequence)
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Agenda {
            now: Instant::ZERO,
            sequence: 0,
            lane: VecDeque::new(),
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<E> Agenda<E> {
    /// An empty agenda at the start of time.
    #[must_use]
    pub fn new() -> Self {
        Agenda::default()
    }

    /// The due time of the last event popped.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many events are still to come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lane.len() + self.heap.len()
    }

    /// Whether nothing is left to happen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lane.is_empty() && self.heap.is_empty()
    }

    /// Puts an event on the agenda for `due`.
    ///
    /// # Panics
    ///
    /// When `due` lies in the past.
    pub fn at(&mut self, due: Instant, event: E) {
        assert!(
            due >= self.now,
            "an event for {due} was put on the agenda at {}",
            self.now
        );
        if due == self.now {
            self.lane.push_back(event);
            return;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 events are to come at once")
            }
        };
        let sequence = self.sequence;
        self.sequence += 1;
        self.sift_up(Entry { due, sequence, slot });
    }

    /// Puts an event on the agenda for the present instant.
    pub fn now_at(&mut self, event: E) {
        self.lane.push_back(event);
    }

    /// Puts an event on the agenda for `delay` from now.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.at(self.now + delay, event);
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        match self.heap.first() {
            // What the heap holds for this instant was put there before it became now, so it comes first.
            Some(top) if self.lane.is_empty() || top.due == self.now => Some(top.due),
            _ if !self.lane.is_empty() => Some(self.now),
            _ => None,
        }
    }

    /// Takes the next event off the agenda and makes its due time the present.
    pub fn pop(&mut self) -> Option<(Instant, E)> {
        let heap_first = match self.heap.first() {
            Some(top) => self.lane.is_empty() || top.due == self.now,
            None => false,
        };
        if heap_first {
            let top = self.take_top()?;
            self.now = top.due;
            self.free.push(top.slot);
            let event = self.slots[top.slot as usize].take();
            return event.map(|event| (self.now, event));
        }
        self.lane.pop_front().map(|event| (self.now, event))
    }

    /// Takes off the agenda what does not satisfy `keep`: whoever set it will not be there to hear it. Looks
    /// at everything, so it is for rare occasions.
    ///
    /// ```
    /// use sim::{Agenda, Instant};
    ///
    /// let mut agenda = Agenda::new();
    /// for second in [5, 3, 4, 1, 2] {
    ///     agenda.at(Instant::from_secs(second), second);
    /// }
    /// agenda.retain(|second| second % 2 == 1);
    /// let left: Vec<u64> = std::iter::from_fn(|| agenda.pop()).map(|(_, second)| second).collect();
    /// assert_eq!(left, [1, 3, 5]);
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&E) -> bool) {
        self.lane.retain(&mut keep);
        let (slots, free) = (&mut self.slots, &mut self.free);
        self.heap.retain(|entry| {
            let kept = slots[entry.slot as usize].as_ref().is_some_and(&mut keep);
            if !kept {
                slots[entry.slot as usize] = None;
                free.push(entry.slot);
            }
            kept
        });
        // What is sorted is a heap.
        self.heap.sort_unstable_by_key(Entry::key);
    }

    /// Puts an entry in its place, from the end towards the top.
    fn sift_up(&mut self, entry: Entry) {
        let mut hole = self.heap.len();
        self.heap.push(entry);
        while hole > 0 {
            let parent = (hole - 1) / ARITY;
            if entry.key() >= self.heap[parent].key() {
                break;
            }
            self.heap[hole] = self.heap[parent];
            hole = parent;
        }
        self.heap[hole] = entry;
    }

    /// Takes the earliest entry out; the last one finds its place from the top down.
    fn take_top(&mut self) -> Option<Entry> {
        let last = self.heap.pop()?;
        let Some(&top) = self.heap.first() else {
            return Some(last);
        };
        let mut hole = 0;
        loop {
            let first = hole * ARITY + 1;
            let end = (first + ARITY).min(self.heap.len());
            let Some(children) = self.heap.get(first..end).filter(|children| !children.is_empty()) else {
                break;
            };
            let least = earliest(children);
            let child = children[least];
            if last.key() <= child.key() {
                break;
            }
            self.heap[hole] = child;
            hole = first + least;
        }
        self.heap[hole] = last;
        Some(top)
    }
}

/// Which of some siblings is due first. Four of them, the rule, hold a small tournament.
fn earliest(siblings: &[Entry]) -> usize {
    if let [a, b, c, d] = siblings {
        let (left, left_key) = if b.key() < a.key() {
            (1, b.key())
        } else {
            (0, a.key())
        };
        let (right, right_key) = if d.key() < c.key() {
            (3, d.key())
        } else {
            (2, c.key())
        };
        return if right_key < left_key { right } else { left };
    }
    let mut least = 0;
    for (place, sibling) in siblings.iter().enumerate().skip(1) {
        if sibling.key() < siblings[least].key() {
            least = place;
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_entries_of_an_instant_precede_the_lane() {
        let mut agenda = Agenda::new();
        agenda.at(Instant::from_secs(1), 'a');
        agenda.at(Instant::from_secs(1), 'b');
        assert_eq!(agenda.pop().unwrap().1, 'a');
        agenda.at(Instant::from_secs(1), 'c');
        assert_eq!(agenda.next_due(), Some(Instant::from_secs(1)));
        assert_eq!(agenda.pop().unwrap().1, 'b');
        assert_eq!(agenda.pop().unwrap().1, 'c');
        assert!(agenda.is_empty());
    }

    #[test]
    #[should_panic(expected = "was put on the agenda at")]
    fn the_past_is_closed() {
        let mut agenda = Agenda::new();
        agenda.at(Instant::from_secs(2), ());
        agenda.pop();
        agenda.at(Instant::from_secs(1), ());
    }
}
