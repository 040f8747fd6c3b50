//! Settled starts.

use super::{HPA, SCALED_OBJECT, codes, codes_of_spec, told};

const SETTLED: &str = "start.settled=true";
/// More than the autoscalers' minima.
const SIX: &str = "start.replicas[shop/web]=6";

fn window(seconds: u32) -> String {
    format!(".advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds={seconds}")
}

#[test]
fn a_short_window_forgets_the_start() {
    let with = |sets: &[&str]| codes_of_spec(SCALED_OBJECT, "ScaledObject/web", sets).contains("S005");
    let short = window(60);
    assert!(with(&[SETTLED, SIX, &short]));
    assert!(!with(&[SETTLED, SIX]), "300 s outlast two scrapes and the range");
    let empty = "start.settled=false";
    assert!(!with(&[empty, SIX, &short]), "nothing is there at the start");
    assert!(!with(&[SETTLED, &short]), "it has the minimum");
    let disabled = short.replace("stabilizationWindowSeconds=60", "selectPolicy='Disabled'");
    assert!(!with(&[SETTLED, SIX, &disabled]));
    // Until 120 s there may be one sample only; with frequent scrapes the range is what counts, but for a tenth.
    for (seconds, scrape, expected) in [
        (90, "60s", true),
        (91, "60s", false),
        (78, "15s", true),
        (79, "15s", false),
    ] {
        let interval = format!("timing.prometheus.scrape_interval={scrape}");
        assert_eq!(
            with(&[SETTLED, SIX, &window(seconds), &interval]),
            expected,
            "{seconds} {scrape}"
        );
    }
    let cached = ".triggers[0].useCachedMetrics=true";
    assert!(
        !with(&[SETTLED, SIX, &window(110), cached]),
        "there is a poll at 120 s"
    );
    let slow = ".pollingInterval=50";
    assert!(!with(&[SETTLED, SIX, &window(110), slow]));
    assert!(with(&[SETTLED, SIX, &window(110), slow, cached]), "or at 150 s");
    // An error, another source or the greatest of several: nothing asks for less.
    for set in [
        ".triggers[0].metadata.ignoreNullValues='false'",
        ".triggers[1]={type='cpu',metricType='Utilization',metadata={value='50'}}",
        ".triggers[0].metadata.query=\"vector(300)\"",
    ] {
        assert!(!with(&[SETTLED, SIX, &short, set]), "{set}");
    }
    let said = told(
        SCALED_OBJECT,
        "S005",
        &[SETTLED, SIX, &format!("ScaledObject/web: spec{short}")],
    );
    for part in [
        "shop/web",
        "6 replicas",
        "until 120 s",
        "after 75 s",
        "down to 2",
        "of 120 or more",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn at_zero_the_first_poll_decides() {
    let with = |sets: &[&str]| codes_of_spec(SCALED_OBJECT, "ScaledObject/web", sets).contains("S005");
    let zero = ".minReplicaCount=0";
    assert!(with(&[SETTLED, SIX, zero]), "whatever the window");
    assert!(with(&[SETTLED, SIX, ".idleReplicaCount=0"]));
    assert!(with(&[SETTLED, SIX, zero, ".initialCooldownPeriod=89"]));
    assert!(!with(&[SETTLED, SIX, zero, ".initialCooldownPeriod=91"]));
    assert!(
        with(&[SETTLED, SIX, zero, ".initialCooldownPeriod=91", "stack.keda=2.13"]),
        "2.13 does not know it"
    );
    assert!(!with(&["start.settled=false", SIX, zero]));
}

#[test]
fn an_adapters_empty_answer_is_an_error_and_a_range_that_fills_is_not() {
    let metric = "HorizontalPodAutoscaler/web: spec.metrics[0]={type='External',external={metric={name='rps'},\
                  target={type='AverageValue',averageValue='20'}}}";
    let with = |range: &str, window: u32| {
        let rule = format!("metric.rps='sum(rate(traefik_service_requests_total[{range}]))'");
        let window = format!(
            "HorizontalPodAutoscaler/web: spec.behavior.scaleDown.stabilizationWindowSeconds={window}"
        );
        codes(HPA, &[SETTLED, SIX, metric, &rule, &window]).contains("S005")
    };
    assert!(with("5m", 60) && with("2m", 60));
    assert!(!with("2m", 90), "with nothing but one sample it stays");
    assert!(!with("5m", 300));
}
