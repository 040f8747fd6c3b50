use super::readme::says;
use super::{Run, SEEDS, within};

/// Replicas follow the scrapes of the rate: what a sync in between sees is old.
#[test]
fn one_client_brings_four_replicas_and_then_eight_a_scrape_later() {
    for seed in SEEDS {
        let run = Run::new("rising-load", seed);
        let start = run.minute(22.85);
        assert_eq!(run.at("replicas_desired", start), 1.0, "seed {seed}");
        let four = run.first("replicas_desired", start, |replicas| replicas >= 4.0);
        let four = four.expect("four replicas");
        assert_eq!(
            run.at("replicas_desired", four),
            4.0,
            "seed {seed}: doubling or four"
        );
        within("seconds to four replicas", four - start, 45.0..=75.0);
        let eight = run.first("replicas_desired", four, |replicas| replicas >= 8.0);
        within(
            "seconds from four to eight",
            eight.expect("eight") - four,
            45.0..=75.0,
        );
        assert_eq!(run.at("replicas_desired", run.end()), 8.0, "seed {seed}");
        assert_eq!(run.peak("nodes", 0.0, run.end()), 2.0, "seed {seed}: all fit");
    }
}

/// The README's remedy: the window makes the difference, and scrapes alone make it worse.
#[test]
fn a_quicker_scrape_helps_only_with_a_shorter_window() {
    let scrape = "timing.prometheus.scrape_interval=15s";
    let window = "ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.query=\
        rate(traefik_service_requests_total{service=\"hpa-example-php-apache-80@kubernetes\",code=\"200\"}[30s])";
    let of = |sets: &[&str]| {
        let run = Run::with("rising-load", 1, sets);
        let start = run.minute(22.85);
        let eight = run.first("replicas_desired", start, |replicas| replicas >= 8.0);
        // What the command shows: until all eight are Ready.
        let [way] = run.record.time_to_capacity[..] else {
            panic!("{:?}", run.record.time_to_capacity);
        };
        (
            eight.map_or(f64::INFINITY, |at| at - start),
            way.total.as_secs_f64(),
        )
    };
    let (as_it_was, _) = of(&[]);
    let ((scrape_alone, alone_shown), (both, both_shown)) = (of(&[scrape]), of(&[scrape, window]));
    within("as it was", as_it_was, 100.0..=130.0);
    within("scrapes alone", scrape_alone, 140.0..=190.0);
    within("both", both, 40.0..=75.0);
    says("rising-load", &format!("but worse ({alone_shown:.0} s)"));
    says("rising-load", &format!("it takes {both_shown:.0} s:"));
}
