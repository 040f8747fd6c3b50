//! What EC2 refused lately (karpenter-provider-aws v1.14 pkg/cache/unavailableofferings.go).

use std::time::Duration;

use sim::{Instant, SortedMap, SortedSet};

use crate::karpenter::CapacityType;
use crate::karpenter::requirement::Name;

/// How long an offering counts as unavailable (pkg/cache/cache.go `UnavailableOfferingsTTL`).
pub const TTL: Duration = Duration::from_secs(180);

/// How often forgotten entries are swept, which is when lists of instance types take note
/// (`UnavailableOfferingsCleanupInterval`).
pub const SWEEP: Duration = Duration::from_secs(10);

/// A type in a zone, bought in one way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// The instance type.
    pub instance_type: Name,
    /// The zone.
    pub zone: Name,
    /// How it is bought.
    pub capacity_type: CapacityType,
}

/// Offers that were refused in the last three minutes.
#[derive(Debug, Clone, Default)]
pub struct UnavailableOfferings {
    until: SortedMap<Offer, Instant>,
}

impl UnavailableOfferings {
    /// Marks an offer from now on, anew if it is marked already.
    pub fn mark(&mut self, now: Instant, offer: Offer) {
        self.until.insert(offer, now + TTL);
    }

    /// Whether an offer is marked.
    #[must_use]
    pub fn contains(&self, offer: &Offer) -> bool {
        self.until.contains_key(offer)
    }

    /// The types of which something is marked.
    pub(super) fn instance_types(&self) -> impl Iterator<Item = &Name> + '_ {
        let types: SortedSet<&Name> = self.until.keys().map(|offer| &offer.instance_type).collect();
        types.into_iter()
    }

    /// All that is marked, and until when.
    pub fn iter(&self) -> impl Iterator<Item = (&Offer, Instant)> + '_ {
        self.until.iter().map(|(offer, until)| (offer, *until))
    }

    /// Forgets what has expired, and says whether there was any.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        let before = self.until.len();
        self.until.retain(|_, until| *until > now);
        self.until.len() != before
    }

    /// The first sweep that will find something.
    pub(super) fn next_sweep(&self) -> Option<Instant> {
        let first = self.until.values().min()?;
        Some(first.round_up_to(SWEEP))
    }
}
