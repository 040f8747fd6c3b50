//! Failures in a row, as status.health counts them, and the copy of the status that pulls see
//! (kedacore/keda 2.20 pkg/fallback/fallback.go `UpdateHealthStatus`, `IncrementFailure`, `updateStatus`).
//!
//! A pull counts on the ScaledObject that the scalers cache holds. The reconciler and pulls put an object of their own
//! into that cache, the scale loop the one that it reads again before each poll; what polls have counted since reaches
//! an own object only with the answer to its next patch, and a patch writes only what differs from that object.

use sim::SortedMap;

/// One metric's entry of status.health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures in a row.
    pub failures: i32,
    /// `Failing`, or `Happy`.
    pub failing: bool,
}

/// The part of a ScaledObject's status that the fallback reads and writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// status.health, by metric.
    health: SortedMap<String, Health>,
    /// The condition Fallback; `None` is unknown.
    falls_back: Option<bool>,
}

impl Status {
    /// Failures in a row of a metric.
    #[must_use]
    pub fn failures(&self, metric: &str) -> i32 {
        self.health.get(metric).map_or(0, |health| health.failures)
    }

    fn change(&mut self, metric: &str, threshold: Option<i32>, failed: bool) {
        let health = match self.health.get_mut(metric) {
            Some(health) => health,
            None => self.health.entry(metric.to_owned()).or_default(),
        };
        health.failing = failed;
        health.failures = if failed { health.failures + 1 } else { 0 };
        if let Some(threshold) = threshold {
            let exceeds = |health: &Health| health.failing && health.failures > threshold;
            self.falls_back = Some(self.health.values().any(exceeds));
        }
    }
}

/// The status for one that counts.
#[derive(Debug)]
pub struct Record<'a> {
    /// As the API server has it.
    current: &'a mut Status,
    /// The copy on which is counted, if it is another.
    copy: Option<&'a mut Status>,
}

impl<'a> Record<'a> {
    /// One who reads what the API server has.
    pub fn of_server(current: &'a mut Status) -> Self {
        Record { current, copy: None }
    }

    /// One whose copy of it may be old.
    pub fn of_copy(current: &'a mut Status, copy: &'a mut Status) -> Self {
        let copy = Some(copy);
        Record { current, copy }
    }

    /// What is seen of it.
    #[must_use]
    pub fn seen(&self) -> &Status {
        self.copy.as_deref().unwrap_or(self.current)
    }

    /// Counts a reading of a metric; `threshold` is the fallback's, if there is a valid one.
    pub fn count(&mut self, metric: &str, threshold: Option<i32>, failed: bool) {
        let Some(copy) = &mut self.copy else {
            return self.current.change(metric, threshold, failed);
        };
        let (was, fell_back) = (copy.health.get(metric).copied(), copy.falls_back);
        copy.change(metric, threshold, failed);
        let now = copy.health[metric];
        if was == Some(now) && fell_back == copy.falls_back {
            // Nothing to patch, so that nothing newer is read back either.
            return;
        }
        let health = self.current.health.entry(metric.to_owned()).or_default();
        if was.is_none_or(|was| was.failures != now.failures) {
            health.failures = now.failures;
        }
        if was.is_none_or(|was| was.failing != now.failing) {
            health.failing = now.failing;
        }
        if fell_back != copy.falls_back {
            self.current.falls_back = copy.falls_back;
        }
        copy.clone_from(self.current);
    }
}

/// The scalers cache, as far as it matters whose ScaledObject it holds
/// (kedacore/keda 2.20 pkg/scaling/scale_handler.go `performGetScalersCache`, `ClearScalersCache`).
#[derive(Debug, Default)]
pub(super) enum Scalers {
    /// There is none: whoever needs it next makes it.
    #[default]
    Absent,
    /// The scale loop has made it, for this metadata.generation.
    OfLoop(u64),
    /// The reconciler or a pull has: the status is as it was then.
    Own(u64, Status),
}

impl Scalers {
    /// A poll or the reconciler needs one of this metadata.generation.
    pub(super) fn need(&mut self, generation: u64, make: impl FnOnce() -> Scalers) {
        match self {
            Scalers::OfLoop(of) | Scalers::Own(of, _) if *of == generation => {}
            _ => *self = make(),
        }
    }

    /// Gone, after an error or with the scale loop.
    pub(super) fn clear(&mut self) {
        *self = Scalers::Absent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_learns_what_others_counted_only_from_its_own_patch() {
        let (mut current, mut copy) = (Status::default(), Status::default());
        Record::of_copy(&mut current, &mut copy).count("a", Some(0), false);
        Record::of_server(&mut current).count("a", Some(0), true);
        assert_eq!((current.failures("a"), copy.failures("a")), (1, 0));
        // No news for it, no patch.
        Record::of_copy(&mut current, &mut copy).count("a", Some(0), false);
        assert_eq!((current.failures("a"), copy.failures("a")), (1, 0));
        Record::of_copy(&mut current, &mut copy).count("b", Some(0), true);
        assert_eq!((current.failures("a"), copy.failures("a")), (1, 1));
    }

    #[test]
    fn a_patch_writes_the_copys_count() {
        let (mut current, mut copy) = (Status::default(), Status::default());
        for _ in 0..2 {
            Record::of_copy(&mut current, &mut copy).count("a", Some(2), true);
        }
        Record::of_server(&mut current).count("a", Some(2), false);
        Record::of_copy(&mut current, &mut copy).count("a", Some(2), true);
        assert_eq!((current.failures("a"), copy.failures("a")), (3, 3));
    }
}
