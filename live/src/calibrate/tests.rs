use super::*;
use crate::testing::{php_apache, recorded, scenario};

fn fitted<'c>(calibration: &'c Calibration, field: &str) -> &'c Fit {
    let fit = calibration.fits.iter().find(|own| own.field == field);
    fit.unwrap_or_else(|| panic!("{field} is not fitted: {:?}", calibration.unfixed))
}

#[test]
fn constants_of_a_simulated_run_are_found_again() {
    let (recording, truth) = php_apache();
    // What it starts from is wrong throughout.
    let (wrong, _) = scenario(
        "php-apache",
        &[
            "service.cpu_per_request=0.1",
            "load.clients.cpu_per_request=0.002",
            "cloud.boot.boot={ median = 90, sigma = 0.2 }",
            "cloud.boot.network={ median = 3, sigma = 0.2 }",
            "timing.kubelet.sandbox={ min = 3, max = 4 }",
        ],
    );
    let calibration = calibrate(recording, &wrong, 1);
    let clients = truth.traffic.clients.as_ref().unwrap();
    for (field, value) in [
        ("service.cpu_per_request", 0.0625),
        ("load.clients.cpu_per_request", clients.client_cpu),
        ("cloud.boot.fleet_call", 2.5),
        ("cloud.boot.pending", 10.0),
        ("cloud.boot.boot", 40.0),
        ("cloud.boot.network", 15.0),
        ("timing.kubelet.sandbox", 1.05),
        ("timing.kubelet.download", truth.config.kubelet.pull_rate.download),
        ("timing.kubelet.unpack", truth.config.kubelet.pull_rate.unpack),
    ] {
        let fit = fitted(&calibration, field);
        assert!(fit.interval.holds(value), "{field}: {value} is not in {fit:?}");
        // An interval that holds everything says nothing.
        let width = fit.interval.high - fit.interval.low;
        assert!(width < 4.0 * value, "{field}: {fit:?}");
        assert!(
            fit.interval.low <= fit.estimate && fit.estimate <= fit.interval.high,
            "{fit:?}"
        );
    }
    let service = fitted(&calibration, "service.cpu_per_request");
    assert!((service.estimate / 0.0625 - 1.0).abs() < 0.03, "{service:?}");
    assert!(
        (service.interval.high / service.interval.low) < 1.3,
        "an interval that says nothing: {service:?}"
    );
}

#[test]
fn what_a_recording_cannot_fix_is_said() {
    let (recording, truth) = php_apache();
    let calibration = calibrate(recording, truth, 1);
    let why = |field: &str| {
        calibration
            .unfixed
            .iter()
            .find(|own| own.field == field)
            .map(|own| own.why.as_str())
    };
    assert!(why("cpu.smt_gain, cpu.system_cpu").is_some_and(|why| why.contains("pair")));
    assert!(why("cloud.boot.bare_metal").is_some_and(|why| why.contains("no such machine")));
    assert!(why("application.*.startup").is_some_and(|why| why.contains("hpa-example/php-apache")));

    let mut silent = recording.clone();
    silent
        .lines
        .retain(|line| !matches!(line.entry, crate::recording::Entry::Sample(_)));
    let calibration = calibrate(&silent, truth, 1);
    assert!(
        calibration
            .unfixed
            .iter()
            .any(|own| own.field == "service.cpu_per_request" && own.why.contains("plateaus"))
    );
}

fn why<'c>(calibration: &'c Calibration, field: &str) -> &'c str {
    let left = calibration.unfixed.iter().find(|own| own.field == field);
    let fits: Vec<&str> = calibration.fits.iter().map(|own| own.field.as_str()).collect();
    &left
        .unwrap_or_else(|| panic!("{field} is not left: {fits:?}"))
        .why
}

/// An interval that holds everything fixes nothing, however many observations there are.
#[test]
fn what_may_be_anything_is_left() {
    let check = |low: f64, high: f64, expected: bool| {
        let mut calibration = Calibration::default();
        let fit = Fit {
            field: "x".to_owned(),
            toml: "1".to_owned(),
            of: "mean, s",
            estimate: 1.0,
            interval: Interval { low, high },
            before: 1.0,
            observations: 9,
        };
        assert_eq!(calibration.take(fit), expected, "{low} to {high}");
        assert_eq!(calibration.fits.len(), usize::from(expected));
        assert_eq!(calibration.unfixed.len(), usize::from(!expected));
    };
    check(0.2, 2.0, true);
    check(0.2, 2.1, false);
    check(0.0, 2.0, false);
    check(1.0, f64::INFINITY, false);
    check(f64::NAN, f64::NAN, false);
    check(1.5e-77, 2.2e118, false);
}

/// A service that sleeps on GPUs: its pods pull 25 GiB together, its clients cost next to nothing, and its start-up ends
/// between two probes.
#[test]
fn a_gpu_service_hides_its_sandbox_its_clients_and_its_start_up() {
    let (recording, truth) = recorded("bert-gpu");
    let calibration = calibrate(&recording, &truth, 1);
    assert!(why(&calibration, "timing.kubelet.sandbox").contains("three are needed"));
    assert!(why(&calibration, "load.clients.cpu_per_request").contains("not fixed by the recording"));
    assert!(why(&calibration, "application.\"bert/bert\".startup").contains("hidden by the readinessProbe"));
    assert!(why(&calibration, "cloud.boot.accelerated").contains("such machines joined"));
    assert!(why(&calibration, "cloud.boot.bare_metal").contains("no such machine"));
    // A start-up that is off by more than a period is found.
    let (wrong, _) = scenario("bert-gpu", &["application.\"bert/bert\".startup=60"]);
    let calibration = calibrate(&recording, &wrong, 1);
    let fit = fitted(&calibration, "application.\"bert/bert\".startup");
    assert!(fit.interval.holds(20.0), "{fit:?}");
}

#[test]
fn the_same_seed_gives_the_same_intervals() {
    let (recording, truth) = php_apache();
    assert_eq!(calibrate(recording, truth, 3), calibrate(recording, truth, 3));
}

#[test]
fn numbers_have_four_digits() {
    assert_eq!(
        [0.0625, 41.2345, 123_456.0, 0.0].map(short),
        ["0.0625", "41.23", "123456", "0"]
    );
}
