use super::*;

fn run(cost: f64, types: &[(&str, f64)], p95: Option<f64>) -> Summary {
    let part = |&(name, node_hours): &(&str, f64)| {
        (
            name.to_owned(),
            TypeSummary {
                nodes: 1.0,
                node_hours,
                ..TypeSummary::default()
            },
        )
    };
    let marks = vec![Mark {
        t_s: 5.0,
        label: "scale".into(),
    }];
    Summary {
        scenario: "test".into(),
        replications: 1,
        end_s: 60.0,
        cost_usd: cost,
        by_type: types.iter().map(part).collect(),
        latency_p95_s: p95,
        marks,
        ..Summary::default()
    }
}

#[test]
fn several_runs_become_medians_with_bands() {
    let runs = [
        run(1.0, &[("m5.large", 2.0)], None),
        run(2.0, &[("m5.large", 4.0), ("m3.medium", 1.0)], Some(0.5)),
        run(6.0, &[], Some(0.7)),
    ];
    let merged = Summary::merged(&runs);
    assert_eq!((merged.cost_usd, merged.replications), (2.0, 3));
    assert_eq!(merged.by_type["m5.large"].node_hours, 2.0);
    assert_eq!(merged.by_type["m3.medium"].node_hours, 0.0);
    assert_eq!(merged.latency_p95_s, Some(0.6));
    assert_eq!(merged.marks, runs[0].marks);
    let (low, high) = merged.bands["cost_usd"];
    assert!((low - 1.1).abs() < 1e-9 && (high - 5.6).abs() < 1e-9);
    assert!(!merged.bands.contains_key("seed"));
    assert!(
        merged
            .text()
            .contains("cost               2.0000 USD [1.1000–5.6000]"),
        "{}",
        merged.text()
    );
}

/// A seed that does not answer a step has no way for it, and the next step's is not put in its place. The way told is one
/// that was gone: medians of its stages would not add up.
#[test]
fn ways_to_capacity_are_merged_by_their_steps() {
    let way = |step_s: f64, total_s: f64| StageSummary {
        step_s,
        total_s,
        node_launch_s: total_s - 100.0,
        pod_start_s: 100.0,
        seeds: 1,
        ..StageSummary::default()
    };
    let run = |ways: &[StageSummary]| Summary {
        time_to_capacity: ways.to_vec(),
        ..run(1.0, &[], None)
    };
    let merged = Summary::merged(&[
        run(&[way(600.0, 790.0), way(2100.0, 190.0)]),
        run(&[way(2100.0, 170.0)]),
        run(&[way(600.0, 810.0), way(2100.0, 180.0)]),
    ]);
    let ways: Vec<(f64, f64, u32)> = merged
        .time_to_capacity
        .iter()
        .map(|way| (way.step_s, way.total_s, way.seeds))
        .collect();
    assert_eq!(ways, [(600.0, 790.0, 2), (2100.0, 180.0, 3)]);
    for way in &merged.time_to_capacity {
        assert_eq!(way.node_launch_s + way.pod_start_s, way.total_s);
    }
    assert!(merged.text().contains("(2 of 3 seeds)"), "{}", merged.text());
}

#[test]
fn what_was_never_answered_is_said_where_it_is_much() {
    let requests = |in_flight| {
        let summary = Summary {
            requests_served: 82_184.0,
            requests_in_flight: in_flight,
            ..Summary::default()
        };
        let text = summary.text();
        text.lines()
            .find(|line| line.starts_with("requests"))
            .map(str::to_owned)
    };
    let of = |rest: &str| Some(format!("requests           82,184 served, 0 failed{rest}"));
    assert_eq!(requests(40.0), of(""));
    assert_eq!(requests(27_587.0), of(", 27,587 unanswered at the end"));
}

#[test]
fn json_is_short_and_can_be_read_again() {
    let summary = run(0.123_456_789, &[("m5.large", 2.0)], None);
    let text = summary.to_json();
    assert!(
        text.contains("\"cost_usd\": 0.123457") && text.contains("\"node_hours\": 2,"),
        "{text}"
    );
    let again: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(again.to_json(), text);
}

#[test]
fn times_are_written_for_people() {
    assert_eq!(
        [2850.0, 60.0, 7200.0, 3661.0].map(length),
        ["47 min 30 s", "1 min", "2 h", "1 h 1 min 1 s"]
    );
    assert_eq!(time_of_day(49_230.0 + 86_400.0), "13:40:30");
}

#[test]
fn the_epoch_gives_the_axis_its_clock() {
    let summary = Summary {
        epoch: "2023-12-28T13:40:30Z".into(),
        ..Summary::default()
    };
    assert_eq!(summary.clock_s(), Some(49_230.0));
    assert_eq!(Summary::default().clock_s(), None);
}

#[test]
fn replicas_are_what_was_wanted_and_what_was_ready() {
    let summary = Summary {
        replicas_peak: 10.0,
        replicas_mean: 6.5,
        ready_peak: 9.0,
        ready_mean: 5.25,
        ..Summary::default()
    };
    let line = "replicas           desired peak 10, mean 6.5; ready peak 9, mean 5.2\n";
    assert!(summary.text().contains(line), "{}", summary.text());
}

#[test]
fn a_step_whose_capacity_never_came_is_said_once() {
    let run = |unreached: &[f64], ways: &[f64]| Summary {
        capacity_not_reached_s: unreached.to_vec(),
        time_to_capacity: ways
            .iter()
            .map(|step_s| StageSummary {
                step_s: *step_s,
                seeds: 1,
                ..StageSummary::default()
            })
            .collect(),
        ..run(1.0, &[], None)
    };
    let merged = Summary::merged(&[run(&[60.0, 600.0], &[]), run(&[60.0], &[600.0])]);
    assert_eq!(merged.capacity_not_reached_s, [60.0, 600.0]);
    let text = merged.text();
    let said: Vec<&str> = text.lines().filter(|line| line.contains("not reached")).collect();
    assert_eq!(said, ["time to capacity   not reached after the step at 1 min"]);
}
