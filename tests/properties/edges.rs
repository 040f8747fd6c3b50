//! What the real controllers do at the edges of a pod's life, and what one sees of it, in small runs under the auditor.

use model::cluster::Record;
use model::cluster::record::LogEntry;

use crate::regressions::{POOL, SCALED, WEB, run, run_at, told};

fn action(second: u32, what: &str) -> String {
    format!("[[action]]\nat = \"{second}s\"\n{what}\n")
}

fn dashboard(query: &str) -> String {
    format!("[dashboard]\nrps = '{query}'\n")
}

/// The first Deployment of [`WEB`], edited.
fn web(edit: impl Fn(&str) -> String) -> String {
    let first = WEB.split("---\n").next().expect("the first document");
    edit(first)
}

/// All of [`WEB`], with that Deployment.
fn with(web: &str) -> String {
    let rest = WEB.split_once("---\n").expect("several documents").1;
    format!("{web}---\n{rest}")
}

/// With one more field in its pods' spec.
fn in_spec(web: &str, line: &str) -> String {
    let containers = "      containers: [";
    assert!(web.contains(containers));
    web.replacen(containers, &format!("      {line}\n{containers}"), 1)
}

/// What the dashboard's first query answered between two seconds after the warm-up.
fn seen(record: &Record, from: u64, until: u64) -> Vec<f64> {
    let rows = record.rows.iter();
    let within = rows.filter(|row| (from..until).contains(&row.at.as_secs()));
    let seen: Vec<f64> = within.map(|row| row.seen_rps).collect();
    assert!(!seen.is_empty());
    seen
}

/// Seconds from the action to the first entry of a kind after it.
fn after(record: &Record, kind: &str) -> f64 {
    let at = |entry: &LogEntry| entry.at.as_secs_f64();
    let acted = told(record, "ActionTaken").map(at).next().expect("it is done");
    let next = told(record, kind).map(at).find(|second| *second >= acted);
    next.expect("it follows") - acted
}

// Karpenter counts the pods of the template alone, as the scheduler does: nodes come in the zones that these lack
// (kubernetes 1.35 pkg/controller/deployment/sync.go `getNewReplicaSet`).
#[test]
fn a_rollout_spreads_its_pods_whatever_the_old_ones_do() {
    let spread = "topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, \
        whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}, \
        matchLabelKeys: [pod-template-hash]}]";
    let nodes = "nodeSelector: {karpenter.sh/nodepool: default}";
    let web = web(|web| in_spec(&in_spec(web, spread), nodes).replacen("replicas: 1", "replicas: 8", 1));
    let next = web.replace("web:1", "web:2");
    let record = run(
        &action(420, "apply = \"later/web.yaml\""),
        &[("manifests/web.yaml", &with(&web)), ("later/web.yaml", &next)],
    );
    assert_eq!(record.curve("pods_pending").last(), 0.0);
    assert_eq!(record.curve("replicas_ready").last(), 8.0);
    let query = "count(kube_pod_info{pod=~\"web-2-.*\"})";
    let more = action(420, "apply = \"later/web.yaml\"") + &dashboard(query);
    let record = run(
        &more,
        &[("manifests/web.yaml", &with(&web)), ("later/web.yaml", &next)],
    );
    assert_eq!(record.rows.last().map(|row| row.seen_rps), Some(8.0));
}

#[test]
fn series_of_a_replica_set_carry_the_hash_of_its_template() {
    let both = "count(up{pod_template_hash!=\"\"}) == count(up{job=\"kubernetes-pods\"})";
    let record = run(&dashboard(both), &[]);
    assert_eq!(seen(&record, 600, 700)[0], 1.0);
    let updated = "sum(kube_deployment_status_replicas_updated)";
    let record = run(&dashboard(updated), &[]);
    assert_eq!(seen(&record, 600, 700)[0], 2.0);
}

const EXPORTER: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: ksm, namespace: shop}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: kube-state-metrics}}
  template:
    metadata: {labels: {app.kubernetes.io/name: kube-state-metrics}}
    spec:
      nodeSelector: {karpenter.sh/nodepool: default}
      containers: [{name: ksm, image: \"ksm:1\"}]
";

/// Machines of the pool die 480 seconds after the warm-up with all that runs on them, and nobody is there to replace
/// them. Their nodes go a minute later.
fn deaths() -> String {
    action(400, "stop = \"karpenter\"") + &action(420, "interrupt = { count = 9 }")
}

fn spot() -> String {
    POOL.replace("values: [on-demand]", "values: [spot]")
}

#[test]
fn nobody_answers_a_scrape_from_a_machine_that_is_gone() {
    let traefik = WEB.replacen(
        "    spec: {containers: [{name: traefik",
        "    spec: {nodeSelector: {karpenter.sh/nodepool: default}, containers: [{name: traefik",
        1,
    );
    assert_ne!(traefik, WEB);
    // From 1.34 on the kubelet of a machine that goes ends its pods before.
    let often = "[timing.prometheus]\nscrape_interval = \"15s\"\n";
    for job in ["kubernetes-pods", "kubernetes-service-endpoints"] {
        let record = run_at(
            33,
            &(often.to_owned() + &deaths() + &dashboard(&format!("sum(up{{job=\"{job}\"}})"))),
            &[
                ("manifests/web.yaml", &traefik),
                ("manifests/pool.yaml", &spot()),
                ("manifests/ksm.yaml", EXPORTER),
            ],
        );
        assert!(seen(&record, 300, 480).iter().all(|up| *up == 1.0), "{job}");
        let last = seen(&record, 480, 580);
        assert!(last.contains(&0.0), "{job}: {last:?}");
    }
}

// (metrics-server 0.7 pkg/scraper/scraper.go `Scrape`)
#[test]
fn metrics_server_knows_nothing_of_pods_on_a_machine_that_is_gone() {
    let nodes = "nodeSelector: {karpenter.sh/nodepool: default}";
    let cpu = "    - type: cpu\n      metricType: Utilization\n      metadata: {value: '50'}\n";
    let triggers = SCALED.find("    - type: prometheus").expect("a trigger");
    let object = format!("{}{cpu}", &SCALED[..triggers]);
    let record = run(
        &deaths(),
        &[
            ("manifests/web.yaml", &with(&web(|web| in_spec(web, nodes)))),
            ("manifests/pool.yaml", &spot()),
            ("manifests/scaled.yaml", object.as_str()),
        ],
    );
    let failed = |from: u64, until: u64| {
        let entries = record.log.iter().filter(|entry| entry.part == "hpa");
        let within = entries.filter(|entry| (from..until).contains(&entry.at.as_secs()));
        let said: Vec<bool> = within
            .map(|entry| format!("{entry:?}").contains("failure"))
            .collect();
        assert!(!said.is_empty());
        said.iter().all(|failed| *failed)
    };
    assert!(!failed(300, 480));
    assert!(failed(510, 540));
}

// (kubernetes 1.35 pkg/kubelet/status/status_manager.go `updateStatusInternal`)
#[test]
fn a_pod_has_a_start_time_before_its_images_are_there() {
    let query = "max(kube_pod_start_time{pod=~\"web-.*\"} - on(pod) kube_pod_created{pod=~\"web-.*\"})";
    // They wait a minute for a machine, and two and a half for their image.
    let image = "[image]\n\"web:1\" = { compressed = \"4G\", unpacked = \"8G\" }\n";
    let scaled = action(120, "scale = \"shop/web\"\nreplicas = 6");
    let record = run(&(image.to_owned() + &scaled + &dashboard(query)), &[]);
    let waits = seen(&record, 600, 700);
    assert!((20.0..120.0).contains(&waits[0]), "{waits:?}");
}

// (kubernetes 1.35 staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go
// `updateForGracefulDeletionAndFinalizers`)
#[test]
fn a_pod_without_grace_leaves_its_place_at_once() {
    let place = |grace: u32| {
        let web = web(|web| {
            let web = in_spec(web, &format!("terminationGracePeriodSeconds: {grace}"));
            web.replacen("spec:\n", "spec:\n  strategy: {type: Recreate}\n", 1)
        });
        let next = web.replace("web:1", "web:2");
        let deaf = "[application]\n\"shop/web\" = { shutdown = 10.0 }\n";
        let more = deaf.to_owned() + &action(420, "apply = \"later/web.yaml\"");
        let record = run(
            &more,
            &[("manifests/web.yaml", &with(&web)), ("later/web.yaml", &next)],
        );
        assert_eq!(record.curve("replicas_ready").last(), 1.0);
        after(&record, "PodScheduled")
    };
    assert!(place(0) < 1.0, "{}", place(0));
    assert!(place(30) > 10.0, "{}", place(30));
}

// (kubernetes 1.35 pkg/features/kube_features.go `DeploymentReplicaSetTerminatingReplicas`)
#[test]
fn before_1_35_recreate_waits_until_the_old_pods_are_gone() {
    let place = |minor: u32| {
        let web = web(|web| {
            web.replacen("spec:\n", "spec:\n  strategy: {type: Recreate}\n", 1)
                .replacen("replicas: 1", "replicas: 10", 1)
        });
        let next = web.replace("web:1", "web:2");
        let record = run_at(
            minor,
            &action(420, "apply = \"later/web.yaml\""),
            &[("manifests/web.yaml", &with(&web)), ("later/web.yaml", &next)],
        );
        after(&record, "PodScheduled")
    };
    // A container ends a tenth of a second after SIGTERM, and the object goes one to two seconds later: the last of ten
    // counts.
    assert!(place(35) < 1.0, "{}", place(35));
    assert!(place(34) > 1.7, "{}", place(34));
}

#[test]
fn a_release_is_no_part_of_the_way_to_capacity() {
    let scaled = SCALED.replace("threshold: '1'", "threshold: '10'");
    let load = "[[load.arrivals]]\nprocess = \"deterministic\"\nshape = \"step\"\nbefore = 0\nafter = 20\nat = \"300s\"\n";
    let more = load.to_owned() + &action(700, "apply = \"later/web.yaml\"");
    let manifests = [
        ("manifests/scaled.yaml", scaled.as_str()),
        ("later/web.yaml", &web(str::to_owned)),
    ];
    let record = run(&more, &manifests);
    let [way] = record.time_to_capacity[..] else {
        panic!("{:?}", record.time_to_capacity);
    };
    assert!(way.total.as_secs() < 300, "{way:?}");
    assert_eq!(record.unreached, []);
    // The release comes before the replicas are there, which it sends away.
    let more = load.to_owned() + &action(378, "apply = \"later/web.yaml\"");
    let record = run(&more, &manifests);
    assert_eq!(record.time_to_capacity, []);
    assert_eq!(record.unreached.len(), 1);
}

/// Nobody scales: that is no matter where the service does without, and no capacity where it does not.
#[test]
fn a_step_that_nobody_answers_is_not_reached_where_requests_fail() {
    let step = |after: u32| {
        let shape = "process = \"deterministic\"\nshape = \"step\"\nbefore = 0\nat = \"300s\"\n";
        run(&format!("[[load.arrivals]]\n{shape}after = {after}\n"), &[])
    };
    let record = step(10);
    assert_eq!((record.time_to_capacity.len(), record.unreached.len()), (0, 0));
    let record = step(600);
    assert_eq!((record.time_to_capacity.len(), record.unreached.len()), (0, 1));
}
