use model::cluster::Options;

use super::*;
use crate::accuracy::Line;
use crate::recording::Recording;
use crate::testing::{php_apache, rehearsed};

fn sides() -> (Run, Run) {
    let (recording, scenario) = php_apache();
    let (_, simulated) = observe(scenario, Options::of(scenario));
    let zero = zero(recording, scenario.epoch + scenario.warm_up, None).unwrap();
    assert_eq!(zero, 330.0);
    let real = recorded(recording, &Target::of(recording).unwrap(), zero);
    (simulated, real)
}

fn line<'l>(lines: &'l [Line], subject: &str, measure: &str) -> &'l Line {
    let is = |line: &&Line| line.subject == subject && line.measure == measure;
    lines
        .iter()
        .find(is)
        .unwrap_or_else(|| panic!("no {measure} of {subject}"))
}

#[test]
fn a_run_and_its_own_recording_are_the_same() {
    let (simulated, real) = sides();
    let steps = [(450.0, "NodePool applied".to_owned())];
    let comparison = compare(&[simulated], &real, &Bounds::default(), &steps);
    assert!(comparison.met());
    let lines = &comparison.lines;
    for (subject, measure, most) in [
        // A watch is ten milliseconds late.
        ("replicas_desired", "nMAE", 1e-4),
        ("replicas_ready", "nMAE", 1e-4),
        ("nodes", "nMAE", 1e-4),
        ("seen.rps", "nMAE", 1e-9),
        ("seen.pods", "nMAE", 0.0),
        ("replicas_desired", "first scale-up, error", 0.05),
        ("replicas_desired", "return to the minimum, error", 0.05),
        ("after “NodePool applied”", "all Ready, error", 0.05),
        ("pods, created to bound", "Wasserstein distance", 0.001),
        ("pods, bound to Ready", "Wasserstein distance", 0.001),
        ("claims, created to initialized", "Kolmogorov–Smirnov", 0.0),
        ("cost", "dollars for machines, error", 1e-4),
        ("machines.m5.large", "machine-hours, difference", 1e-4),
        ("launches", "number, difference", 0.0),
        ("evictions", "number, difference", 0.0),
    ] {
        let found = line(lines, subject, measure).median;
        assert!(found.abs() <= most, "{measure} of {subject} is {found}");
    }
    assert!(line(lines, "replicas_desired", "within 1").median > 0.9999);
}

#[test]
fn a_rehearsal_on_a_real_control_plane_goes_as_simulated() {
    let (recording, scenario) = rehearsed();
    let seeds: Vec<Run> = (1..=10)
        .map(|seed| {
            let options = Options {
                seed,
                ..Options::of(scenario)
            };
            observe(scenario, options).1
        })
        .collect();
    let zero = zero(recording, scenario.epoch + scenario.warm_up, Some(scenario)).unwrap();
    let real = recorded(recording, &(&scenario.roles.server).into(), zero);
    let bounds = Bounds {
        sync: scenario.config.hpa.sync_period.as_secs_f64(),
        ..Bounds::default()
    };
    let comparison = compare(&seeds, &real, &bounds, &[]);
    let objectives: Vec<&Line> = comparison
        .lines
        .iter()
        .filter(|line| line.objective.is_some())
        .collect();
    assert_eq!(objectives.len(), 5);
    assert!(comparison.met(), "{objectives:#?}");
}

/// A run counts from its second zero on, the end of the warm-up.
#[test]
fn evictions_of_the_warm_up_are_not_counted() {
    let (recording, scenario) = crate::testing::recorded_with("consolidation-churn", &[]);
    let evictions = |zero: f64| {
        let run = recorded(&recording, &(&scenario.roles.server).into(), zero);
        run.counts["evictions"]
    };
    assert!(evictions(0.0) > 0.0);
    assert_eq!(evictions(recording.end() + 1.0), 0.0);
}

#[test]
fn a_run_that_is_a_minute_late_misses_its_objectives() {
    let (simulated, mut real) = sides();
    let early = std::time::Duration::from_secs(60);
    for curve in real.curves.values_mut() {
        let mut moved = sim::StepSeries::new();
        for &(at, value) in curve.changes() {
            moved.set(at.saturating_sub(early), value);
        }
        *curve = moved;
    }
    let comparison = compare(&[simulated], &real, &Bounds::default(), &[]);
    assert!(!comparison.met());
    let rise = line(&comparison.lines, "replicas_desired", "first scale-up, error");
    assert!((rise.median - 60.0).abs() < 0.1 && !rise.met, "{rise:?}");
    assert!(line(&comparison.lines, "replicas_desired", "lag").median > 10.0);
}

#[test]
fn what_was_not_heard_is_no_error() {
    let (simulated, mut real) = sides();
    // Nothing of the API was heard while the replicas climbed: the last size held on.
    let (from, to) = (sim::Instant::from_secs(560), sim::Instant::from_secs(1400));
    for name in [names::DESIRED, names::READY] {
        let curve = real.curves[name].clone();
        let mut deaf = sim::StepSeries::new();
        for &(at, value) in curve.changes().iter().filter(|change| change.0 < from) {
            deaf.set(at, value);
        }
        deaf.set(to, curve.at(to));
        for &(at, value) in curve.changes().iter().filter(|change| change.0 > to) {
            deaf.set(at, value);
        }
        real.curves.insert(name.to_owned(), deaf);
    }
    let compared = |real: &Run| {
        let lines = compare(std::slice::from_ref(&simulated), real, &Bounds::default(), &[]).lines;
        line(&lines, "replicas_desired", "nMAE").median
    };
    assert!(compared(&real) > 0.05, "unmarked, it counts");
    real.gaps.push(Gap {
        source: "api".into(),
        from: 560.0,
        to: 1400.0,
        reason: "test".into(),
    });
    assert!(compared(&real) < 1e-4);
}

#[test]
fn seeds_make_bands_and_a_noise_floor() {
    let (simulated, real) = sides();
    let mut other = simulated.clone();
    let pods = other.curves.get_mut(names::SEEN_PODS).unwrap();
    let mut more = sim::StepSeries::new();
    for &(at, value) in pods.changes() {
        more.set(at, value + 2.0);
    }
    *pods = more;
    let lines = compare(&[simulated, other], &real, &Bounds::default(), &[]).lines;
    assert_eq!(line(&lines, "seen.pods", "inside the 5–95 % band").median, 0.0);
    assert!(line(&lines, "seen.pods", "nMAE, seed against seed").median > 0.01);
    assert_eq!(line(&lines, "seen.rps", "inside the 5–95 % band").median, 1.0);
}

#[test]
fn a_recording_without_a_start_begins_at_time_zero_or_at_its_own_time() {
    let (recording, scenario) = php_apache();
    let mut live = recording.clone();
    live.lines
        .retain(|line| !matches!(line.entry, crate::recording::Entry::Start(_)));
    live.header.epoch = "2026-03-01T10:00:00Z".into();
    let epoch = scenario.epoch + scenario.warm_up;
    assert_eq!(zero(&live, epoch, Some(scenario)), Some(330.0));
    live.header.scenario = None;
    let today = "2026-03-01T10:01:40Z".parse().unwrap();
    assert_eq!(zero(&live, today, Some(scenario)), Some(100.0));
}

#[test]
fn a_recording_says_what_is_scaled() {
    let (recording, _) = php_apache();
    let target = Target::of(recording).unwrap();
    assert_eq!(
        (target.namespace.as_str(), target.name.as_str()),
        ("hpa-example", "php-apache")
    );
    let empty = Recording {
        lines: Vec::new(),
        ..recording.clone()
    };
    assert_eq!(Target::of(&empty), Err(TargetError::None));
}
