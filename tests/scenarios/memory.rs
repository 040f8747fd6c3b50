//! A service scaled on what its pods hold in memory.

use model::cluster::{self, Options};
use model::scenario::load;
use model::traffic::Fidelity;

use super::{files, instant, within};

/// Where php-apache's forty clients leave a memory trigger of 100 MiB a pod: the replicas ten minutes before the
/// end, and at the end.
fn rests(memory: &str, fidelity: Fidelity) -> (f64, f64) {
    let sets = [
        "ScaledObject/keda-prometheus-hpa: spec.triggers=[{type='memory',metricType='AverageValue',\
         metadata={value='100Mi'}}]",
        memory,
        "Deployment/php-apache: spec.template.spec.containers[0].resources.requests.memory='64Mi'",
        "action=[]",
    ];
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let (scenario, _) = load(&files("php-apache"), &sets).unwrap_or_else(|report| panic!("{report}"));
    let options = Options {
        fidelity,
        ..Options::of(&scenario)
    };
    let record = cluster::run(&scenario, options);
    let replicas = record.curve("replicas_desired");
    let before = record.end.as_secs_f64() - 600.0;
    (replicas.at(instant(before)), replicas.last())
}

/// Forty clients hold at most forty requests: the mean of 64 MiB and 20 MiB a request is within the tolerance,
/// 90 to 110 MiB, with at most 30 pods; and with 9 if only half of them are at the servers.
#[test]
fn the_hpa_rests_where_the_mean_working_set_is_within_its_tolerance() {
    for fidelity in [Fidelity::Flow, Fidelity::Requests] {
        let (before, end) = rests("service.memory={idle='64Mi',per_request='20Mi'}", fidelity);
        within("replicas", before, 9.0..=30.0);
        within("replicas", end, 9.0..=30.0);
        // Request by request as many are at the servers as happen to be when the kubelet looks, and some looks move it.
        if fidelity == Fidelity::Flow {
            assert_eq!(before, end, "at rest");
        }
    }
}

/// 64 of 100 MiB whatever happens: two pods are asked for two, ⌈2 × 0.64⌉, and more for fewer.
#[test]
fn memory_that_no_request_needs_asks_for_two() {
    for fidelity in [Fidelity::Flow, Fidelity::Requests] {
        assert_eq!(rests("service.memory={idle='64Mi'}", fidelity), (2.0, 2.0));
    }
}
