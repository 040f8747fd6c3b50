//! The scenarios of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use model::quantity::MilliCpu;
use model::scenario::{Act, Files, Scenario, Severity, Source, load};

const SHIPPED: [&str; 8] = [
    "php-apache",
    "php-apache-gpu",
    "bert-gpu",
    "scale-to-zero",
    "spot-interruption",
    "capacity-shortage",
    "prometheus-outage",
    "consolidation-churn",
];

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .join(name)
}

fn files(name: &str) -> Files {
    let dir = directory(name);
    let source = |path: String| Source {
        text: fs::read_to_string(dir.join(&path)).expect("a file"),
        path,
    };
    let entries = fs::read_dir(dir.join("manifests")).expect("manifests");
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut manifests: Vec<String> = names.map(|name| format!("manifests/{name}")).collect();
    manifests.sort();
    Files {
        scenario: source("scenario.toml".to_owned()),
        manifests: manifests.into_iter().map(source).collect(),
        traces: Vec::new(),
    }
}

fn scenario(name: &str) -> Scenario {
    match load(&files(name), &[]) {
        Ok((scenario, report)) => {
            assert_eq!(report.count(Severity::Warning), 0, "{name}\n{report}");
            scenario
        }
        Err(report) => panic!("{name}\n{report}"),
    }
}

/// The codes of advice about a scenario.
fn advice(name: &str) -> Vec<&'static str> {
    let (_, report) = load(&files(name), &[]).expect("it runs");
    let mut codes: Vec<&str> = report.problems.iter().map(|problem| problem.code).collect();
    codes.dedup();
    codes
}

#[test]
fn all_can_be_read_without_a_warning() {
    for name in SHIPPED {
        let scenario = scenario(name);
        assert_eq!(scenario.name, name);
        assert!(!scenario.question.is_empty(), "{name}");
    }
}

/// The walkthrough's settings that do not do what it says: cooldown with a minimum, the default maximum, a query
/// without sum(), no behavior.
#[test]
fn the_walkthrough_gets_the_advice_it_deserves() {
    for name in ["php-apache", "php-apache-gpu"] {
        let codes = advice(name);
        for code in ["K001", "K004", "K011", "H001"] {
            assert!(codes.contains(&code), "{name}: {code} of {codes:?}");
        }
    }
    assert!(
        !advice("scale-to-zero").contains(&"K012"),
        "its query counts arrivals"
    );
}

/// 34 replicas fit on the two c5.xlarge, and no more: what all other pods request there is between 840m and
/// 1040m, split so that 17 fit on each.
#[test]
fn just_34_replicas_fit_on_the_system_nodes_of_the_measured_run() {
    let scenario = scenario("php-apache");
    let nodes = i64::from(scenario.node_groups[0].size);
    let daemons: i64 = scenario
        .objects
        .daemon_sets
        .iter()
        .map(|set| set.template.spec.requests().cpu.0)
        .sum();
    let is_service = |name: &str| matches!(name, "php-apache" | "load-generator");
    let pods = scenario
        .objects
        .deployments
        .iter()
        .filter(|d| !is_service(&d.object.name));
    let others: i64 = pods
        .map(|d| i64::from(d.object.replicas) * d.object.template.spec.requests().cpu.0)
        .sum();
    assert_eq!((daemons, others), (180, 530));
    let all = nodes * daemons + others;
    assert!((840..=1040).contains(&all), "{all}m");
    // A c5.xlarge has 3920m for pods; an even split leaves it 3475m, and 17 × 200m fit.
    let each = (nodes * 3920 - all) / nodes;
    assert_eq!(each / 200, 17);
    let service = scenario
        .objects
        .deployments
        .iter()
        .find(|d| d.object.name == "php-apache")
        .expect("the service");
    assert_eq!(service.object.template.spec.requests().cpu, MilliCpu(200));
}

#[test]
fn the_measured_run_lies_within_the_simulated_one() {
    let scenario = scenario("php-apache");
    let overlay = scenario.overlay.as_ref().expect("measured curves");
    assert_eq!(overlay.start.as_secs(), 330, "13:40:30");
    assert_eq!(
        scenario.duration.as_secs() - overlay.start.as_secs(),
        2850,
        "14:28:00"
    );
    let at: Vec<u64> = scenario
        .actions
        .iter()
        .map(|action| action.at.as_secs())
        .collect();
    assert_eq!(at, [755, 2270], "13:47:35 and 14:12:50");
    assert!(matches!(&scenario.actions[0].act, Act::Apply(objects) if objects.node_pools.len() == 1));
    assert!(
        scenario.objects.node_pools.is_empty(),
        "what an action applies is not there before"
    );
    assert!(
        directory("php-apache")
            .join(&overlay.directory)
            .with_extension("")
            .parent()
            .is_some_and(Path::is_dir)
    );
}

/// The GPU part has the constants of the CPU part; where the catalog gives a processor's base clock, a sister's clock under load
/// is taken.
#[test]
fn the_gpu_part_is_not_fitted() {
    let (mut cpu, mut gpu) = (scenario("php-apache"), scenario("php-apache-gpu"));
    let clock = |name: &str| {
        let own = gpu.catalog.get(name).expect("it is in the catalog");
        f64::from(own.spec.sustained_mhz.expect("its clock is known"))
    };
    for (name, speed) in &gpu.traffic.cpu.speeds {
        let sister = if name.starts_with("g4dn.") {
            "m5n.large"
        } else {
            "g3.8xlarge"
        };
        let expected = clock(sister) / gpu.traffic.cpu.reference_mhz;
        assert!((speed - expected).abs() < 0.001, "{name}: {speed}");
    }
    gpu.traffic.cpu.speeds.clear();
    let speeds = std::mem::take(&mut cpu.traffic.cpu.speeds);
    assert_eq!(Vec::from_iter(speeds.keys()), ["m3.medium"]);
    assert_eq!(cpu.traffic, gpu.traffic);
    assert_eq!(cpu.config.ec2.times, gpu.config.ec2.times);
    assert_eq!(cpu.config.kubelet.pull_rate, gpu.config.kubelet.pull_rate);
    for name in ["g3.8xlarge", "p3.8xlarge", "g4dn.xlarge"] {
        assert!(gpu.catalog.get(name).is_some(), "{name} was on offer then");
    }
}
