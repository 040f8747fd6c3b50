//! When each node is due, and which first: a tournament of instants.

use sim::Instant;

/// The due times of a growing list of places.
#[derive(Debug, Clone)]
pub(super) struct Due {
    /// Node `i` has children `2i` and `2i + 1`; the leaves begin at `size`.
    tree: Vec<Instant>,
    size: usize,
}

impl Due {
    pub(super) fn new() -> Self {
        Due {
            tree: vec![Instant::MAX; 2],
            size: 1,
        }
    }

    pub(super) fn set(&mut self, place: usize, due: Instant) {
        if place >= self.size {
            self.grow(place);
        }
        let mut node = self.size + place;
        let mut least = due;
        // The first node of the tree has no parent.
        while self.tree[node] != least {
            self.tree[node] = least;
            if node == 1 {
                break;
            }
            least = least.min(self.tree[node ^ 1]);
            node /= 2;
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, place: usize) {
        let leaves = self.tree.split_off(self.size);
        self.size = (place + 1).next_power_of_two();
        self.tree = vec![Instant::MAX; 2 * self.size];
        for (place, due) in leaves.into_iter().enumerate() {
            self.set(place, due);
        }
    }

    pub(super) fn first(&self) -> Instant {
        self.tree[1]
    }

    /// The lowest place that is due first.
    pub(super) fn first_place(&self) -> usize {
        let mut node = 1;
        while node < self.size {
            node *= 2;
            if self.tree[node] != self.tree[node / 2] {
                node += 1;
            }
        }
        node - self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_wins_and_the_lowest_of_equals() {
        let mut due = Due::new();
        assert_eq!(due.first(), Instant::MAX);
        for (place, secs) in [(0, 5), (3, 2), (9, 2), (4, 7)] {
            due.set(place, Instant::from_secs(secs));
        }
        assert_eq!((due.first(), due.first_place()), (Instant::from_secs(2), 3));
        due.set(3, Instant::MAX);
        assert_eq!((due.first(), due.first_place()), (Instant::from_secs(2), 9));
        due.set(9, Instant::from_secs(6));
        assert_eq!((due.first(), due.first_place()), (Instant::from_secs(5), 0));
    }
}
