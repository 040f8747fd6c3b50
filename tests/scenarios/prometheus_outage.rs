use std::time::Duration;

use super::readme::{counted, says};
use super::{Run, SEEDS, way_to_capacity, within};

const NAME: &str = "prometheus-outage";
/// So many failures never come together: as if there were no fallback.
const WITHOUT: &str = "ScaledObject/web: spec.fallback.failureThreshold=1000";

/// An empty answer is an error instead of 0.
const STRICT: &str = "ScaledObject/web: spec.triggers[0].metadata.ignoreNullValues='false'";

/// Prometheus is away from minute 15 to 21, and the load more than triples at minute 17.
#[test]
fn with_fallback_its_replicas_are_there_before_the_load() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let (down, up) = (run.minute(15.0), run.minute(21.0));
        let fell = run
            .first("replicas_desired", down, |n| n == 20.0)
            .expect("it falls back")
            - down;
        // More than 3 failures, polls and HPA pulls counted, and a doubling before it.
        within("seconds to the fallback", fell, 30.0..=110.0);
        // It holds until there is a rate again: a scrape, and one more.
        assert_eq!(run.at("replicas_desired", up), 20.0, "seed {seed}");
        let back = run
            .first("replicas_desired", up, |n| n == 25.0)
            .expect("the metric is back")
            - up;
        within("seconds to the true replicas", back, 60.0..=180.0);
        within("requests lost", run.record.failed, 0.0..=500.0);
        // Of the load at minute 17 nothing is seen before minute 21.
        let way = way_to_capacity(&run, seed, run.end());
        assert_eq!(way.stopped, Duration::from_secs(240), "seed {seed}: {way:?}");
        within(
            "seconds for the first scrape",
            way.scrape.as_secs_f64(),
            0.0..=60.0,
        );
    }
}

/// The README's table is what its commands show with the scenario's seed.
#[test]
fn the_readme_has_the_numbers_of_its_commands() {
    let of = |sets: &[&str]| {
        let run = Run::with(NAME, 1, sets);
        let (down, up) = (run.minute(15.0), run.minute(21.0));
        let first = |from: f64, replicas: f64| {
            let at = run.first("replicas_desired", from, |n| n == replicas);
            at.expect("they come") - from
        };
        let fallen_back = sets.is_empty().then(|| first(down, 20.0));
        // To ten seconds.
        let grown = (first(up, 25.0) / 10.0).round() * 10.0;
        (fallen_back, grown, run.record.served, run.record.failed)
    };
    let (fallen_back, _, _, lost) = of(&[]);
    let from = fallen_back.expect("asked for");
    says(
        NAME,
        &format!("| 20 from {from:.0} s on | 20, then 25 | {} |", counted(lost)),
    );
    let (_, grown, served, lost) = of(&[WITHOUT]);
    let (lost, all) = (counted(lost), counted(served + lost));
    says(
        NAME,
        &format!("| 8 | 2 at once, 25 after {grown} s | {lost} of {all} |"),
    );
    let (_, grown, _, lost) = of(&[WITHOUT, STRICT]);
    says(NAME, &format!("| 8 | 25 after {grown} s | {} |", counted(lost)));
}

#[test]
fn without_it_the_replicas_are_frozen_then_fall_and_the_service_drowns() {
    for seed in SEEDS {
        let run = Run::with(NAME, seed, &[WITHOUT]);
        let (down, up) = (run.minute(15.0), run.minute(21.0));
        assert_eq!(run.peak("replicas_desired", down, up), 8.0, "seed {seed}: frozen");
        assert_eq!(run.at("replicas_desired", up), 8.0, "seed {seed}: frozen");
        // The first answers are empty, which is 0, and the HPA remembers nothing of the five minutes before.
        let fell = run
            .first("replicas_desired", up, |n| n < 8.0)
            .expect("empty answers count as 0");
        within("seconds to the first empty answer", fell - up, 0.0..=30.0);
        assert_eq!(run.at("replicas_desired", fell), 2.0, "seed {seed}: the minimum");
        let lost = run.record.failed;
        within("requests lost", lost, 50_000.0..=200_000.0);
        let moved = run
            .first("replicas_desired", up, |n| n > 8.0)
            .expect("it recovers")
            - up;
        within(
            "seconds from Prometheus to the first new replica",
            moved,
            60.0..=180.0,
        );
        // And served again at the end.
        let last = run.record.rows.last().expect("rows");
        within("requests a second at the end", last.rps_served, 490.0..=510.0);
    }
}

#[test]
fn without_it_strict_nulls_save_most_of_what_is_lost() {
    for seed in SEEDS {
        let run = Run::with(NAME, seed, &[WITHOUT, STRICT]);
        let up = run.minute(21.0);
        assert!(
            run.first("replicas_desired", up, |n| n < 8.0).is_none(),
            "seed {seed}: it never shrinks"
        );
        within("requests lost", run.record.failed, 2_000.0..=25_000.0);
    }
}
