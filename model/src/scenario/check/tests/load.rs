//! Load.

use sim::SortedSet;

use super::{HPA, SCENARIO, WORKLOADS, codes_of, loaded, said_of};
use crate::document::Report;

#[test]
fn what_a_request_costs_is_asked_for() {
    for line in [
        "cpu_per_request = 0.02\n",
        "cpu_per_request = 0.001\n",
        "think_time = \"10ms\"\n",
        "cycle_delay = \"10ms\"\n",
    ] {
        let without = SCENARIO.replace(line, "");
        assert_eq!(codes_of(&without, HPA, &[]), SortedSet::from(["S004"]), "{line}");
    }
}

/// The small scenario without clients: with this load, and with a trace of these lines.
fn checked(arrivals: &str, lines: &str) -> Report {
    let (before, rest) = SCENARIO.split_once("[load.clients]").expect("clients");
    let (_, after) = rest.split_once("[service]").expect("a service");
    let scenario = format!("{before}{arrivals}\n[service]{after}");
    said_of(loaded(&scenario, &[("web", WORKLOADS)], lines, &[]))
}

const TRACE: &str = "[[load.arrivals]]\nshape = \"trace\"\ntrace = \"traces/day.csv\"\n";

fn told_of(report: &Report, code: &str) -> Vec<String> {
    let own = report.problems.iter().filter(|problem| problem.code == code);
    own.map(ToString::to_string).collect()
}

#[test]
fn a_scenario_without_load_is_told_so() {
    for nobody in [
        "",
        "[[load.arrivals]]\nshape = \"constant\"\nrate = 0",
        "[[load.arrivals]]\nshape = \"spike\"\nbase = 0\npeak = 0\nat = \"1m\"\nduration = \"1m\"",
    ] {
        assert_eq!(told_of(&checked(nobody, ""), "S001").len(), 1, "{nobody}");
    }
    for somebody in [
        "[[load.arrivals]]\nshape = \"constant\"\nrate = 1",
        // What is wrong with it is told, not that it is not there.
        "[[load.arrivals]]\nshape = \"constant\"\nrate = -1",
    ] {
        assert!(told_of(&checked(somebody, ""), "S001").is_empty(), "{somebody}");
    }
}

#[test]
fn what_never_comes_is_told() {
    let stream = |text: &str| format!("[[load.arrivals]]\n{text}");
    for (text, never) in [
        ("shape = \"step\"\nbefore = 1\nafter = 2\nat = \"30m\"", true),
        ("shape = \"step\"\nbefore = 1\nafter = 2\nat = \"29m\"", false),
        (
            "shape = \"ramp\"\nfrom = 1\nto = 2\nstart = \"40m\"\nend = \"50m\"",
            true,
        ),
        (
            "shape = \"spike\"\nbase = 1\npeak = 2\nat = \"35m\"\nduration = \"5m\"",
            true,
        ),
    ] {
        let report = checked(&stream(text), "");
        assert_eq!(
            told_of(&report, "W004").len(),
            usize::from(never),
            "{text}\n{report}"
        );
    }
    let other = |text: &str, lines: &str| told_of(&checked(&stream(text), lines), "S007").join("");
    let spike = "shape = \"spike\"\nbase = 1\npeak = 2\nat = \"5m\"\nduration = \"0s\"";
    assert!(other(spike, "").contains("no length"));
    let wave =
        |amplitude: u32| format!("shape = \"sine\"\nmean = 10\namplitude = {amplitude}\nperiod = \"10m\"");
    assert!(other(&wave(100), "").contains("the mean is 37 requests a second, not 10"));
    assert_eq!(other(&wave(10), ""), "");
    let trace = "shape = \"trace\"\ntrace = \"traces/day.csv\"";
    assert!(other(trace, "0,5\n60,7\n").contains("ends after 1 of 30 minutes: its last value, 7"));
    assert_eq!(other(trace, "0,5\n1740,7\n"), "");
    let far = |network: &str| {
        format!("shape = \"constant\"\nrate = 10\ntimeout = \"150ms\"\nnetwork_delay = {network}")
    };
    assert!(other(&far("\"200ms\""), "").contains("100 % of the senders leave after 150 ms"));
    assert!(other(&far("{ mean = 0.1 }"), "").contains("22 % of the senders"));
    assert_eq!(other(&far("\"100ms\""), ""), "");
}

/// As spreadsheets and shells write them.
#[test]
fn a_trace_is_read_as_csv() {
    for lines in [
        "0,5\n1740,7\n",
        "\u{feff}t,rps\n0,5\n1740,7\n",
        "# one day\n\"time\",\"requests a second\"\n\n\"0\",\"5\"\r\n1740 , 7\r\n",
    ] {
        let report = checked(TRACE, lines);
        assert!(
            told_of(&report, "E003").is_empty() && told_of(&report, "E005").is_empty(),
            "{report}"
        );
    }
}

/// A trace that cannot be read is one problem, told as what it is.
#[test]
fn a_bad_trace_is_told_as_such() {
    for (lines, expected) in [
        ("1767225600,10\n1767225660,20\n", "up to 1e9, not 1767225600"),
        ("0,10\n0,20\n", "times must rise, and 0 does not"),
        ("-5,10\n", "from the start of the run"),
        ("0,-3\n", "not at -3"),
        ("t;rps\n0;5\n", "commas separate"),
        (
            "0,5\n60;7\n",
            "line 2: expected seconds,requests a second, found \"60;7\"",
        ),
        ("2026-01-01T00:00:00Z,5\n", "subtract the first line's time"),
        ("0,5\nsoon,7\n", "found \"soon,7\""),
    ] {
        let report = checked(TRACE, lines);
        let told: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        assert!(
            told.len() == 1 && told[0].contains(expected),
            "{lines:?}\n{report}"
        );
    }
}
