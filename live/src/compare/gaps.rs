//! Leaving out what was not heard.

use sim::{Instant, StepSeries};

use super::run::{Gap, names};

/// Whether a gap of a source is a gap of a curve.
pub(super) fn concerns(gap: &Gap, curve: &str) -> bool {
    let seen = curve.starts_with("seen.") || curve == names::SERVED || curve == names::LATENCY;
    let machines = curve.starts_with(names::MACHINES_OF) || curve == names::USD_PER_HOUR;
    let kind = if curve.starts_with(names::NODES) {
        "api/Node"
    } else if curve == names::DESIRED {
        "api/Deployment"
    } else {
        "api/Pod"
    };
    match gap.source.as_str() {
        "all" => true,
        // What triggers say is no curve.
        "keda" => false,
        "prometheus" => seen,
        "ec2" => machines,
        "ec2/prices" => curve == names::USD_PER_HOUR,
        "api" => !seen && !machines,
        other => !seen && !machines && other == kind,
    }
}

/// A curve with stretches of time cut out, so that what comes after follows at once. Stretches are sorted and do
/// not overlap.
#[must_use]
pub fn without(curve: &StepSeries, stretches: &[(Instant, Instant)]) -> StepSeries {
    if stretches.is_empty() {
        return curve.clone();
    }
    let mut cut = StepSeries::new();
    for &(at, value) in curve.changes() {
        cut.set(moved(at, stretches), value);
    }
    cut
}

/// A moment after the stretches before it are cut out; one inside a stretch is where that was.
pub(super) fn moved(at: Instant, stretches: &[(Instant, Instant)]) -> Instant {
    let cut = stretches
        .iter()
        .filter(|(from, _)| *from < at)
        .map(|(from, to)| at.min(*to).since(*from));
    at.saturating_sub(cut.sum())
}

/// Stretches sorted and joined.
pub(super) fn joined(mut stretches: Vec<(Instant, Instant)>) -> Vec<(Instant, Instant)> {
    stretches.sort_unstable();
    let mut all: Vec<(Instant, Instant)> = Vec::new();
    for (from, to) in stretches {
        match all.last_mut() {
            Some(last) if last.1 >= from => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn what_is_cut_out_takes_no_time() {
        let mut curve = StepSeries::new();
        for (at, value) in [(0, 1.0), (15, 2.0), (25, 3.0), (40, 4.0)] {
            curve.set(s(at), value);
        }
        let cut = without(&curve, &[(s(10), s(20)), (s(30), s(35))]);
        assert_eq!(
            cut.changes(),
            [(s(0), 1.0), (s(10), 2.0), (s(15), 3.0), (s(25), 4.0)]
        );
    }

    #[test]
    fn stretches_that_touch_are_one() {
        let all = joined(vec![
            (s(20), s(30)),
            (s(0), s(10)),
            (s(10), s(12)),
            (s(22), s(24)),
        ]);
        assert_eq!(all, [(s(0), s(12)), (s(20), s(30))]);
    }

    #[test]
    fn a_gap_of_one_source_leaves_the_others_alone() {
        let gap = |source: &str| Gap {
            source: source.into(),
            from: 0.0,
            to: 1.0,
            reason: String::new(),
        };
        let curves = [
            "seen.rps",
            "replicas_desired",
            "nodes.m5.large",
            "machines.m5.large",
            names::USD_PER_HOUR,
        ];
        let concerned = |source| curves.map(|curve| concerns(&gap(source), curve));
        assert_eq!(concerned("prometheus"), [true, false, false, false, false]);
        assert_eq!(concerned("api"), [false, true, true, false, false]);
        assert_eq!(concerned("api/Node"), [false, false, true, false, false]);
        assert_eq!(concerned("ec2"), [false, false, false, true, true]);
        assert_eq!(concerned("ec2/prices"), [false, false, false, false, true]);
        assert_eq!(concerned("all"), [true; 5]);
    }
}
