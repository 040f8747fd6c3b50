//! Reserved capacity that claims of one pass hold
//! (karpenter v1.14 pkg/controllers/provisioning/scheduling/reservationmanager.go).
//!
//! A claim holds every reservation that it could be launched into, until it narrows so that it cannot.

use sim::{SortedMap, SortedSet};

use super::template::Template;
use crate::karpenter::instance_type::Offering;
use crate::karpenter::requirement::Name;

/// What is left of each reservation.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    left: SortedMap<Name, u32>,
}

impl Reservations {
    /// All reservations of these pools; the least where they differ.
    pub(crate) fn new(pools: &[&Template]) -> Self {
        let mut left: SortedMap<Name, u32> = SortedMap::new();
        for pool in pools.iter().filter(|pool| pool.catalog.has_reserved) {
            let offerings = pool.catalog.types.iter().flat_map(|t| &t.offerings);
            for reservation in offerings.filter_map(|offering| offering.reservation.as_ref()) {
                let known = left.entry(reservation.id.clone()).or_insert(reservation.capacity);
                *known = (*known).min(reservation.capacity);
            }
        }
        Reservations { left }
    }

    /// Of these offerings, the reservations that a claim holds already or could still take.
    pub(crate) fn obtainable<'o>(
        &self,
        offerings: impl Iterator<Item = &'o Offering>,
        held: &SortedSet<Name>,
    ) -> SortedSet<Name> {
        let ids = offerings.filter_map(|offering| offering.reservation.as_ref().map(|r| &r.id));
        ids.filter(|id| held.contains(*id) || self.left.get(*id).is_some_and(|left| *left > 0))
            .cloned()
            .collect()
    }

    /// Exchanges what a claim holds.
    pub(crate) fn exchange(&mut self, held: &SortedSet<Name>, wanted: &SortedSet<Name>) {
        for id in wanted.difference(held) {
            let left = self.left.get_mut(id).expect("a reservation that was offered");
            *left = left.checked_sub(1).expect("a reservation with capacity left");
        }
        for id in held.difference(wanted) {
            *self.left.get_mut(id).expect("a reservation that was held") += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::karpenter::instance_type::{CapacityType, Reservation};
    use crate::quantity::Price;

    #[test]
    fn what_one_claim_holds_another_cannot_take_until_it_is_released() {
        let offering = Offering {
            zone: "a".into(),
            capacity_type: CapacityType::Reserved,
            price: Price(0),
            available: true,
            reservation: Some(Reservation {
                id: "cr-1".into(),
                capacity: 1,
            }),
        };
        let mut reservations = Reservations {
            left: SortedMap::from([("cr-1".into(), 1)]),
        };
        let none = SortedSet::new();
        let one = reservations.obtainable([&offering].into_iter(), &none);
        assert_eq!(one.len(), 1);
        reservations.exchange(&none, &one);
        assert!(reservations.obtainable([&offering].into_iter(), &none).is_empty());
        assert_eq!(reservations.obtainable([&offering].into_iter(), &one), one);
        reservations.exchange(&one, &none);
        assert_eq!(reservations.obtainable([&offering].into_iter(), &none), one);
    }
}
