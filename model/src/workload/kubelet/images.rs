//! The images of one node: what is there, what is being pulled.
//!
//! A pull takes a fixed second (registry round trips) and then the node's network and disk: compressed bytes
//! at the download rate plus uncompressed bytes at the unpack rate, shared evenly by the pulls in progress
//! (EKS AMIs pull in parallel: awslabs/amazon-eks-ami nodeadm/internal/kubelet/config.go). The rates are
//! the scenario's; their defaults are estimates.

use std::time::Duration;

use sim::{Instant, SortedMap};

use crate::id::PodId;

/// How big an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Bytes over the network.
    pub compressed: u64,
    /// Bytes on disk.
    pub uncompressed: u64,
}

impl ImageSize {
    /// Where only one is known, an image on the disk is so many times what came over the network.
    pub const UNPACKED: u64 = 3;
}

/// How fast a node pulls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PullRate {
    /// Bytes a second from the registry.
    pub download: f64,
    /// Bytes a second onto the disk.
    pub unpack: f64,
}

impl PullRate {
    /// How long a pull takes that has the node to itself.
    #[must_use]
    pub fn alone(&self, image: ImageSize) -> Duration {
        let seconds = image.compressed as f64 / self.download + image.uncompressed as f64 / self.unpack;
        Duration::from_secs_f64(seconds)
    }
}

/// What every pull pays before the first byte.
pub const PULL_FIXED: Duration = Duration::from_secs(1);

/// The images of one node.
#[derive(Debug, Clone, Default)]
pub(super) struct Images {
    present: Vec<String>,
    pulls: SortedMap<String, Pull>,
    updated: Instant,
}

#[derive(Debug, Clone)]
struct Pull {
    /// What is left of the node's time, were it all this pull's.
    left: Duration,
    waiting: Vec<PodId>,
}

impl Images {
    pub(super) fn has(&self, image: &str) -> bool {
        self.present.iter().any(|present| present == image)
    }

    pub(super) fn add(&mut self, image: &str) {
        if !self.has(image) {
            self.present.push(image.to_owned());
        }
    }

    /// Makes a pod wait for an image, starting the pull if nobody has.
    pub(super) fn pull(&mut self, now: Instant, image: &str, alone: Duration, pod: PodId) {
        self.advance(now);
        let pull = self.pulls.entry(image.to_owned()).or_insert_with(|| Pull {
            left: alone + PULL_FIXED,
            waiting: Vec::new(),
        });
        pull.waiting.push(pod);
    }

    /// When the next pull is done, if nothing else starts.
    pub(super) fn next_done(&self) -> Option<Instant> {
        let sharing = u32::try_from(self.pulls.len()).unwrap_or(u32::MAX);
        self.pulls
            .values()
            .map(|pull| self.updated + pull.left * sharing)
            .min()
    }

    /// Takes out the pulls that are done by `now`: each image and the pods that waited for it.
    pub(super) fn take_done(&mut self, now: Instant) -> Vec<(String, Vec<PodId>)> {
        self.advance(now);
        let done = |pull: &Pull| pull.left < Duration::from_micros(1);
        let names: Vec<String> = self
            .pulls
            .iter()
            .filter(|(_, pull)| done(pull))
            .map(|(name, _)| name.clone())
            .collect();
        let mut finished = Vec::with_capacity(names.len());
        for name in names {
            if let Some(pull) = self.pulls.remove(&name) {
                self.add(&name);
                finished.push((name, pull.waiting));
            }
        }
        finished
    }

    fn advance(&mut self, now: Instant) {
        let sharing = u32::try_from(self.pulls.len().max(1)).unwrap_or(u32::MAX);
        let share = now.since(self.updated) / sharing;
        for pull in self.pulls.values_mut() {
            pull.left = pull.left.saturating_sub(share);
        }
        self.updated = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_pulls_share_the_node() {
        let mut images = Images::default();
        let (a, b) = (PodId(0), PodId(1));
        images.pull(Instant::ZERO, "a", Duration::from_secs(9), a);
        assert_eq!(images.next_done(), Some(Instant::from_secs(10)));
        images.pull(Instant::from_secs(5), "b", Duration::from_secs(1), b);
        // a has 5 s left, b 2 s: sharing, b is done after 4 s and a 3 s later
        assert_eq!(images.next_done(), Some(Instant::from_secs(9)));
        assert_eq!(
            images.take_done(Instant::from_secs(9)),
            [("b".to_owned(), vec![b])]
        );
        assert_eq!(images.next_done(), Some(Instant::from_secs(12)));
        assert_eq!(
            images.take_done(Instant::from_secs(12)),
            [("a".to_owned(), vec![a])]
        );
        assert!(images.has("a") && images.has("b") && images.next_done().is_none());
    }
}
