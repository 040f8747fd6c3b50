//! The real KEDA, which goes away for a while.

use std::thread::sleep;
use std::time::Duration;

use live::recording::{Entry, Recording};

use super::prometheus::Prometheus;
use super::scaletwin::{Run, gaps, live_in, nothing_is_left, scenario};
use super::stack::Stack;

/// What KEDA makes of the question to which the Prometheus of these tests says 7: four replicas.
const SCALED_OBJECT: &str = "
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: web
  namespace: live-test
spec:
  scaleTargetRef:
    name: web
  minReplicaCount: 1
  maxReplicaCount: 9
  pollingInterval: 5
  triggers:
    - type: prometheus
      metadata:
        serverAddress: PROMETHEUS
        threshold: '2'
        query: sum(up)
";

/// The triggers' answers: when, and whether there was a value.
fn answers(recording: &Recording) -> Vec<(f64, bool)> {
    let answer = |line: &live::recording::Line| match &line.entry {
        Entry::Sample(sample) if sample.name == "trigger" => {
            let point = sample.series.iter().any(|series| !series.points.is_empty());
            Some((line.t, point))
        }
        _ => None,
    };
    recording.lines.iter().filter_map(answer).collect()
}

#[test]
fn keda_is_killed_and_started_again_in_the_middle_of_a_run() {
    let parts = [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "keda-operator",
        "keda-adapter",
    ];
    let Some(stack) = Stack::start("keda", &parts) else {
        return;
    };
    let prometheus = Prometheus::start();
    let scenario = scenario(stack.dir(), 100);
    std::fs::write(
        scenario.join("manifests/scaled-object.yaml"),
        SCALED_OBJECT.replace("PROMETHEUS", &prometheus.url()),
    )
    .unwrap();
    let command = live_in("stack", &stack.kubeconfig(), &["run", scenario.to_str().unwrap()]);
    let mut run = Run::spawn(command, stack.dir(), "recorded");
    run.wait_for_recording();
    sleep(Duration::from_secs(35));
    stack.launch("kill", &["keda-operator"]);
    sleep(Duration::from_secs(12));
    stack.launch("start", &["keda-operator"]);
    assert_eq!(run.end(), Some(0), "{}", run.said());
    let recording = run.recording();
    assert!(recording.ended);
    let answers = answers(&recording);
    let silent = gaps(&recording, "keda");
    let gap = silent
        .iter()
        .find(|gap| gap.to.is_some_and(|to| to - gap.from > 10.0))
        .unwrap_or_else(|| panic!("no closed gap of KEDA: {silent:?}"));
    let to = gap.to.unwrap();
    let answered = |from: f64, to: f64| answers.iter().any(|(t, point)| *point && *t >= from && *t < to);
    assert!(answered(0.0, gap.from + 0.5), "before: {answers:?}");
    assert!(!answered(gap.from + 0.5, to - 0.5), "in between: {answers:?}");
    assert!(answered(to - 0.5, f64::INFINITY), "after: {answers:?}");
    // The autoscaler holds while nothing can be asked.
    let sizes: Vec<i64> = recording
        .lines
        .iter()
        .filter_map(|line| match &line.entry {
            Entry::Object(object) if object.kind == "Deployment" && object.name == "web" => {
                object.number("/spec/replicas")
            }
            _ => None,
        })
        .collect();
    assert_eq!(sizes.last(), Some(&4), "{sizes:?}");
    let mut after_four = sizes.iter().skip_while(|size| **size != 4);
    assert!(after_four.all(|size| *size == 4), "{sizes:?}");
    nothing_is_left(live_in("stack", &stack.kubeconfig(), &["clean"]));
}
