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
    heap: Vec<Entry<E>>,
}

#[derive(Debug, Clone)]
struct Entry<E> {
    due: Instant,
    sequence: u64,
    event: E,
}

impl<E> Entry<E> {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.sequence)
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Agenda {
            now: Instant::ZERO,
            sequence: 0,
            lane: VecDeque::new(),
            heap: Vec::new(),
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
        let entry = Entry {
            due,
            sequence: self.sequence,
            event,
        };
        self.sequence += 1;
        self.heap.push(entry);
        self.sift_up(self.heap.len() - 1);
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
            let last = self.heap.len() - 1;
            let entry = self.heap.swap_remove(0);
            if last > 1 {
                self.sift_down(0);
            }
            self.now = entry.due;
            return Some((entry.due, entry.event));
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
        self.heap.retain(|entry| keep(&entry.event));
        // What is sorted is a heap.
        self.heap.sort_unstable_by_key(Entry::key);
    }

    fn sift_up(&mut self, mut index: usize) {
        while index > 0 {
            let parent = (index - 1) / ARITY;
            if self.heap[index].key() >= self.heap[parent].key() {
                break;
            }
            self.heap.swap(index, parent);
            index = parent;
        }
    }

    fn sift_down(&mut self, mut index: usize) {
        loop {
            let first = index * ARITY + 1;
            let end = (first + ARITY).min(self.heap.len());
            let Some(least) = (first..end).min_by_key(|&child| self.heap[child].key()) else {
                break;
            };
            if self.heap[index].key() <= self.heap[least].key() {
                break;
            }
            self.heap.swap(index, least);
            index = least;
        }
    }
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
