//! A server among pods and nodes, driven as the cluster drives it.

use std::sync::Arc;
use std::time::Duration;

use sim::{Action, Agenda, Component, Instant, Outbox, SortedMap, Streams};

use super::*;
use crate::api::{
    Condition, Container, DaemonSet, Deployment, Labels as Metadata, Node, Owner, Phase, Pod, PodSpec,
    PodTemplate, ReplicaSet,
};
use crate::distribution::Distribution;
use crate::prometheus::exporters::Exporters;
use crate::prometheus::{EvalError, Profile, Value};

/// A cluster of annotated pods and nodes. Each pod exposes `requests_total`, which grows by one a second, and
/// from its first request on `errors_total`.
struct World {
    api: Api,
    prometheus: Prometheus,
    exporters: Exporters,
    agenda: Agenda<Input>,
    profile: Profile,
    /// Pods that do not answer.
    broken: Vec<PodId>,
    /// Whether pods expose `errors_total`.
    errors: bool,
    scrapes: SortedMap<TargetId, Vec<Instant>>,
}

impl World {
    fn new(version: &str, queries: &[&str]) -> Self {
        let version = version.parse().unwrap();
        let profile = Profile::of(version);
        let config = Config {
            version,
            scrape_duration: Distribution::Constant(0.2),
            ..Config::default()
        };
        let queries: Vec<Query> = queries
            .iter()
            .map(|text| Query::parse(text, &profile).unwrap())
            .collect();
        let prometheus = Prometheus::new(config, &queries, &Streams::new(1));
        World {
            api: Api::default(),
            exporters: Exporters::new(prometheus.interest(), 0),
            prometheus,
            agenda: Agenda::new(),
            profile,
            broken: Vec::new(),
            errors: true,
            scrapes: SortedMap::new(),
        }
    }

    fn add_node(&mut self, name: &str, instance_type: &str) -> NodeId {
        let labels = Metadata::from([("beta.kubernetes.io/instance-type".into(), instance_type.into())]);
        self.api.nodes.insert(Node {
            name: name.into(),
            labels: Arc::new(labels),
            annotations: Metadata::new(),
            created: Instant::ZERO,
            deleting: None,
            taints: Vec::new(),
            unschedulable: false,
            capacity: Default::default(),
            allocatable: Default::default(),
            ready: true,
            ready_since: Instant::ZERO,
            images: SortedMap::new(),
            claim: None,
            instance: None,
        })
    }

    fn add_pod(&mut self, name: &str, node: NodeId) -> PodId {
        self.add_pod_of("traefik", name, node)
    }

    /// A pod whose label app.kubernetes.io/name is `app`.
    fn add_pod_of(&mut self, app: &str, name: &str, node: NodeId) -> PodId {
        let annotate = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let template = PodTemplate {
            namespace: "web".into(),
            labels: Metadata::from([("app.kubernetes.io/name".into(), app.into())]),
            annotations: Metadata::from([
                annotate("prometheus.io/scrape", "true"),
                annotate("prometheus.io/port", "9100"),
            ]),
            spec: PodSpec {
                containers: vec![Container::default()],
                ..PodSpec::default()
            },
        };
        self.api.add_pod(Pod {
            name: name.into(),
            uid: 7,
            template: Arc::new(template),
            owner: Owner::None,
            created: Instant::ZERO,
            deletion: None,
            node: Some(node),
            only_node: None,
            nominated_node: None,
            phase: Phase::Running,
            ready: None,
            unschedulable: false,
            started: Some(Instant::ZERO),
            restarts: Default::default(),
        })
    }

    fn tell(&mut self, input: Input) {
        let now = self.agenda.now();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Outbox::new();
            self.prometheus
                .handle(now, input, View { api: &self.api }, &mut out);
            for action in out.drain() {
                match action {
                    Action::WakeAt(at, input) => self.agenda.at(at, input),
                    Action::Emit(Output::Scrape(id, source)) => {
                        self.scrapes.entry(id).or_default().push(now);
                        inputs.push(Input::Scraped(id, self.expose(now, source)));
                    }
                }
            }
        }
    }

    fn expose(&mut self, now: Instant, source: Source) -> Result<Vec<Sample>, Failure> {
        Ok(match source {
            Source::Pod(id, _) if self.broken.contains(&id) => return Err(Failure::Refused),
            Source::Pod(..) => {
                let value = now.as_secs_f64();
                let sample = |name| Sample::new(Labels::of_metric(name, [("service", "s")]), value);
                let names: &[&str] = if self.errors {
                    &["requests_total", "errors_total"]
                } else {
                    &["requests_total"]
                };
                let bucket = |le| Sample::new(Labels::of_metric("latency_bucket", [("le", le)]), value);
                let buckets = ["0.1", "1", "+Inf"].map(bucket);
                names.iter().map(|name| sample(name)).chain(buckets).collect()
            }
            Source::Kubelet(id) => self.exporters.kubelet(&self.api, id),
            Source::Cadvisor(id) => self.exporters.cadvisor(&self.api, id, &|_| Default::default()),
            Source::KubeStateMetrics(_) => self.exporters.kube_state(now, &self.api, &[]),
        })
    }

    fn run_until(&mut self, end: Instant) {
        // Something to make the end the present.
        self.agenda.at(end, Input::Tick(TargetId(u32::MAX)));
        while self.agenda.next_due().is_some_and(|due| due <= end) {
            if let Some((_, input)) = self.agenda.pop() {
                self.tell(input);
            }
        }
    }

    /// The answer to a query put now.
    fn ask(&self, text: &str) -> Vec<f64> {
        match self.try_ask(text) {
            Ok(Value::Vector(vector)) => vector.into_iter().map(|(_, value)| value).collect(),
            other => panic!("{other:?} is a vector"),
        }
    }

    fn try_ask(&self, text: &str) -> Result<Value, EvalError> {
        let query = Query::parse(text, &self.profile).unwrap();
        let at = self.prometheus.unix_millis(self.agenda.now());
        self.prometheus.query(&query, at)
    }

    /// The first scrape of the n-th target.
    fn slot(&self, target: u32) -> Instant {
        self.scrapes[&TargetId(target)][0]
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_running_server_scrapes_each_target_at_its_slot() {
    let mut world = World::new("2.48", &["rate(requests_total[2m])", "up"]);
    let node = world.add_node("a", "m5.large");
    let pods = ["p", "q"].map(|name| world.add_pod(name, node));
    world.tell(Input::Running);
    world.run_until(Instant::from_secs(400));
    // Two pods, the node's kubelet and cAdvisor, kube-state-metrics.
    assert_eq!(world.scrapes.len(), 5);
    for times in world.scrapes.values() {
        assert!(times[0] <= Instant::ZERO + MINUTE);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == MINUTE));
        assert_ne!(times[0].as_nanos() % 1_000_000_000, 0);
    }
    assert_ne!(world.slot(0), world.slot(1));
    let target = world.prometheus.target(TargetId(0)).unwrap();
    let labels = &target.labels;
    assert_eq!(target.source, Source::Pod(pods[0], 9100));
    assert_eq!(
        ["job", "namespace", "pod", "node", "app_kubernetes_io_name"].map(|name| labels.get(name)),
        ["kubernetes-pods", "web", "p", "a", "traefik"]
    );
    assert!(labels.get("instance").ends_with(":9100"));
    let rates = world.ask("rate(requests_total[2m])");
    assert!(
        rates.len() == 2 && rates.iter().all(|rate| (rate - 1.0).abs() < 1e-4),
        "{rates:?}"
    );
    assert_eq!(world.ask("up"), [1.0; 5]);
}

#[test]
fn kube_state_metrics_is_one_target_even_before_its_pod_runs() {
    let mut world = World::new("3.5", &["kube_node_info"]);
    let node = world.add_node("a", "m5.large");
    let pod = world.add_pod_of("kube-state-metrics", "state", node);
    let template = world.api.pods.get(pod).unwrap().template.clone();
    world.api.pods.get_mut(pod).unwrap().phase = Phase::Pending;
    let set = DaemonSet {
        name: "state".into(),
        template,
        rolling: None,
        min_ready: Duration::ZERO,
    };
    let set = world.api.daemon_sets.insert(set);
    world.tell(Input::Running);
    let targets = |world: &World| {
        let of = |source: &Source| matches!(source, Source::KubeStateMetrics(_));
        let known = world.scrapes.keys().filter_map(|id| world.prometheus.target(*id));
        known.filter(|target| of(&target.source)).count()
    };
    world.run_until(Instant::ZERO + MINUTE);
    assert_eq!(targets(&world), 0, "nobody answers yet");
    world.api.pods.get_mut(pod).unwrap().phase = Phase::Running;
    world.tell(Input::PodChanged(pod));
    world.run_until(Instant::ZERO + 3 * MINUTE);
    assert_eq!((targets(&world), world.ask("kube_node_info").len()), (1, 1));
    // Deleted, it is away.
    world.api.daemon_sets.remove(set);
    world.api.remove_pod(pod);
    world.tell(Input::PodChanged(pod));
    world.run_until(Instant::ZERO + 9 * MINUTE);
    assert_eq!(world.ask("kube_node_info"), [0.0; 0]);
}

#[test]
fn samples_carry_the_start_of_a_scrape_and_are_seen_at_its_end() {
    let mut world = World::new("3.5", &["requests_total", "timestamp(requests_total)"]);
    let node = world.add_node("a", "m5.large");
    world.add_pod("p", node);
    world.tell(Input::Running);
    world.run_until(Instant::ZERO + MINUTE);
    let slot = world.slot(0);
    let mut world = World::new("3.5", &["requests_total", "timestamp(requests_total)"]);
    let node = world.add_node("a", "m5.large");
    world.add_pod("p", node);
    world.tell(Input::Running);
    world.run_until(slot + Duration::from_millis(199));
    assert!(world.ask("requests_total").is_empty());
    world.run_until(slot + Duration::from_millis(200));
    assert_eq!(world.ask("requests_total"), [slot.as_secs_f64()]);
    assert_eq!(
        world.ask("timestamp(requests_total)"),
        [slot.as_millis() as f64 / 1000.0]
    );
}

#[test]
fn a_failed_scrape_empties_a_rate_of_two_intervals() {
    let query = "rate(requests_total[2m])";
    let mut world = World::new("3.5", &[query, "up", "requests_total"]);
    let node = world.add_node("a", "m5.large");
    let pod = world.add_pod("p", node);
    world.tell(Input::Running);
    world.run_until(Instant::ZERO + 3 * MINUTE);
    let slot = world.slot(0);
    world.broken.push(pod);
    world.run_until(slot + 3 * MINUTE + SECOND);
    world.broken.clear();
    assert!(world.ask(query).is_empty() && world.ask("requests_total").is_empty());
    assert!(world.ask("up{job=\"kubernetes-pods\"} == 0").len() == 1);
    world.run_until(slot + 5 * MINUTE);
    assert!(world.ask(query).is_empty());
    world.run_until(slot + 5 * MINUTE + SECOND);
    assert_eq!(world.ask(query).len(), 1);
}

#[test]
fn a_series_that_is_not_exposed_any_more_ends_with_that_scrape() {
    let mut world = World::new("2.48", &["errors_total", "requests_total"]);
    let node = world.add_node("a", "m5.large");
    world.add_pod("p", node);
    world.tell(Input::Running);
    world.run_until(Instant::ZERO + MINUTE + SECOND);
    assert_eq!(world.ask("errors_total").len(), 1);
    world.errors = false;
    world.run_until(world.slot(0) + 2 * MINUTE + SECOND);
    assert!(world.ask("errors_total").is_empty());
    assert_eq!(world.ask("requests_total").len(), 1);
    world.errors = true;
    world.run_until(world.slot(0) + 3 * MINUTE + SECOND);
    assert_eq!(world.ask("errors_total").len(), 1);
}

#[test]
fn what_a_cadvisor_no_longer_exposes_is_found_for_the_look_back() {
    let (used, kubelets) = ("count(container_cpu_usage_seconds_total)", "kubelet_node_name");
    let mut world = World::new("3.5", &[used, kubelets, "up"]);
    let node = world.add_node("a", "m5.large");
    let pods = [0, 1].map(|place| world.add_pod(&format!("p{place}"), node));
    world.tell(Input::Running);
    world.run_until(Instant::ZERO + 2 * MINUTE);
    // The pod and its container, of each.
    assert_eq!(world.ask(used), [4.0]);
    world.api.remove_pod(pods[0]);
    world.run_until(Instant::ZERO + 6 * MINUTE);
    assert_eq!(world.ask(used), [4.0], "no marker");
    world.run_until(Instant::ZERO + 8 * MINUTE);
    assert_eq!(world.ask(used), [2.0]);
    // The machine goes. What the kubelet says of itself, and `up`, end in time.
    world.api.remove_pod(pods[1]);
    world.api.nodes.remove(node);
    world.tell(Input::NodeChanged(node));
    world.run_until(Instant::ZERO + 11 * MINUTE);
    assert_eq!(world.ask(used), [2.0]);
    assert!(world.ask(kubelets).is_empty() && world.ask("up{job=~\"kubernetes-nodes.*\"}").is_empty());
    world.run_until(Instant::ZERO + 15 * MINUTE);
    assert!(world.ask(used).is_empty());
}

// (kube-state-metrics 2.10 internal/store/pod.go, deployment.go; kubernetes 1.35 pkg/controller/deployment/sync.go
// `calculateStatus`)
#[test]
fn kube_state_metrics_says_what_the_status_has() {
    let of_pod =
        ["ready", "running", "restarts_total"].map(|name| format!("kube_pod_container_status_{name}"));
    let of_pod = of_pod.iter().map(String::as_str);
    let of_pod: Vec<&str> = of_pod
        .chain(["kube_pod_status_ready", "kube_pod_container_info"])
        .collect();
    let of_deployment =
        ["available", "unavailable", "ready"].map(|name| format!("kube_deployment_status_replicas_{name}"));
    let mut queries = of_pod.clone();
    queries.extend(of_deployment.iter().map(String::as_str));
    let mut world = World::new("3.5", &queries);
    let node = world.add_node("a", "m5.large");
    let pod = world.add_pod("p", node);
    let template = world.api.pods.get(pod).unwrap().template.clone();
    let deployment = world.api.deployments.insert(Deployment {
        name: "web".into(),
        replicas: 3,
        selector: Default::default(),
        strategy: Default::default(),
        min_ready: 4 * MINUTE,
        template: template.clone(),
    });
    let set = world.api.replica_sets.insert(ReplicaSet {
        name: "web-1".into(),
        deployment,
        replicas: 2,
        desired: 3,
        template: template.clone(),
        made_of: template,
        created: Instant::ZERO,
    });
    let mut object = world.api.remove_pod(pod).unwrap();
    object.owner = Owner::ReplicaSet(set, deployment);
    let pod = world.api.add_pod(object);
    world.tell(Input::Running);
    world.run_until(Instant::ZERO + 2 * MINUTE);
    for query in &of_pod {
        assert_eq!(world.ask(query), [0.0; 0], "{query} of a pod without a kubelet");
    }
    let since = Instant::ZERO + MINUTE;
    world.api.pods.get_mut(pod).unwrap().ready = Some(Condition { status: true, since });
    world.run_until(Instant::ZERO + 4 * MINUTE);
    for query in &of_pod {
        assert!(!world.ask(query).is_empty(), "{query}");
    }
    let now = |world: &World| of_deployment.each_ref().map(|query| world.ask(query)[0]);
    // What its ReplicaSets are to have, less what has been Ready for long enough.
    assert_eq!(now(&world), [0.0, 2.0, 1.0]);
    world.run_until(Instant::ZERO + 7 * MINUTE);
    assert_eq!(now(&world), [1.0, 1.0, 1.0]);
}

#[test]
fn the_bounds_of_buckets_are_written_as_the_release_has_them() {
    for (version, known, unknown) in [("2.55", "1", "1.0"), ("3.0", "1.0", "1")] {
        let query = |le: &str| format!("latency_bucket{{le=\"{le}\"}}");
        let texts = [known, unknown, "+Inf", "0.1"].map(query);
        let mut world = World::new(version, &texts.each_ref().map(String::as_str));
        let node = world.add_node("a", "m5.large");
        world.add_pod("p", node);
        world.tell(Input::Running);
        world.run_until(Instant::ZERO + MINUTE + SECOND);
        let found = texts.each_ref().map(|text| world.ask(text).len());
        assert_eq!(found, [1, 0, 1, 1], "{version}");
    }
}

#[test]
fn a_node_with_other_labels_is_another_target_beside_the_old_one() {
    let query = "count(kubelet_node_name) by (beta_kubernetes_io_instance_type)";
    let mut world = World::new("2.48", &[query]);
    let node = world.add_node("a", "m5.large");
    world.tell(Input::Running);
    world.run_until(Instant::ZERO + 2 * MINUTE);
    let last = world.slot(0) + MINUTE;
    assert_eq!(world.ask(query), [1.0]);
    let labels = Metadata::from([
        ("beta.kubernetes.io/instance-type".into(), "m5.large".into()),
        ("karpenter.sh/initialized".into(), "true".into()),
    ]);
    world.api.nodes.get_mut(node).unwrap().labels = Arc::new(labels);
    world.tell(Input::NodeChanged(node));
    world.run_until(Instant::ZERO + 2 * MINUTE + 10 * SECOND);
    // The tick that would have been the next, and 1.1 intervals more.
    let end = last + MINUTE + 66 * SECOND;
    world.run_until(end.saturating_sub(SECOND));
    assert_eq!(world.scrapes.len(), 2);
    assert_eq!(world.ask(query), [2.0]);
    world.run_until(end);
    assert_eq!(world.ask(query), [1.0]);
    // The marker is at the tick, not at the time it was written.
    let at = world.prometheus.unix_millis(last + MINUTE);
    let query = Query::parse(query, &world.profile).unwrap();
    let count = |at: i64| match world.prometheus.query(&query, at) {
        Ok(Value::Vector(vector)) => vector[0].1,
        other => panic!("{other:?}"),
    };
    let fresh = world.slot(1) < last + MINUTE;
    assert_eq!(count(at - 1), if fresh { 2.0 } else { 1.0 });
    assert_eq!(count(at.max(world.prometheus.unix_millis(world.slot(1)))), 1.0);
}

#[test]
fn new_targets_wait_for_discovery_and_then_for_their_slot() {
    for (version, longest) in [("2.48", 5.0), ("3.14", 0.15)] {
        let mut world = World::new(version, &["requests_total"]);
        let node = world.add_node("a", "m5.large");
        world.tell(Input::Running);
        world.run_until(Instant::from_secs(61));
        let pod = world.add_pod("p", node);
        world.tell(Input::PodChanged(pod));
        let known = |world: &World| world.prometheus.target(TargetId(0)).is_some();
        let mut waited = Duration::ZERO;
        while !known(&world) {
            waited += Duration::from_millis(10);
            world.run_until(Instant::from_secs(61) + waited);
        }
        assert!(waited.as_secs_f64() <= longest + 0.01, "{version}: {waited:?}");
        world.run_until(Instant::from_secs(61) + waited + MINUTE);
        assert_eq!(world.scrapes.len(), 1);
    }
}

#[test]
fn a_server_that_is_down_answers_nothing_and_keeps_what_it_has() {
    let mut world = World::new("2.48", &["requests_total"]);
    let node = world.add_node("a", "m5.large");
    world.add_pod("p", node);
    world.tell(Input::Running);
    world.run_until(Instant::from_secs(61));
    world.tell(Input::Stopped);
    assert_eq!(world.try_ask("requests_total"), Err(EvalError::Down));
    world.run_until(Instant::from_secs(250));
    assert_eq!(world.scrapes[&TargetId(0)].len(), 1);
    world.tell(Input::Started);
    // Nothing has ended the series.
    assert_eq!(world.ask("requests_total"), [world.slot(0).as_secs_f64()]);
    world.run_until(Instant::from_secs(254));
    assert!(world.prometheus.target(TargetId(1)).is_none());
    world.run_until(Instant::from_secs(255) + MINUTE);
    // The same target, the same slot.
    let period = |at: Instant| at.as_nanos() % 60_000_000_000;
    assert_eq!(period(world.slot(1)), period(world.slot(0)));
    assert_eq!(world.ask("requests_total"), [world.slot(1).as_secs_f64()]);
}
