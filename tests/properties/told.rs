//! What the log and the counters tell of small runs, under the auditor.

use model::cluster::record::{LogEntry, Value};
use sim::{Instant, SortedMap};

use crate::regressions::{POOL, SCALED, WEB, run, told};

fn detail<'e>(details: &'e [(&'static str, Value)], name: &str) -> Option<&'e Value> {
    let found = details.iter().find(|(own, _)| *own == name);
    found.map(|(_, value)| value)
}

fn text<'e>(entry: &'e LogEntry, name: &str) -> &'e str {
    match detail(&entry.details, name) {
        Some(Value::Text(text)) => text,
        other => panic!("{entry:?} has no text {name}: {other:?}"),
    }
}

fn numbers(details: &[(&'static str, Value)], names: [&str; 2]) -> [f64; 2] {
    names.map(|name| match detail(details, name) {
        Some(Value::Number(number)) => *number,
        other => panic!("no number {name}: {other:?}"),
    })
}

#[test]
fn a_size_that_the_manifest_before_wrote_is_one_when_the_next_does_not() {
    let action = |second: u32, what: &str| format!("[[action]]\nat = \"{second}s\"\n{what}\n");
    let applied = |manifest: &str, size: f64| {
        let more =
            action(120, "scale = \"shop/web\"\nreplicas = 3") + &action(300, "apply = \"later/web.yaml\"");
        let record = run(&more, &[("later/web.yaml", manifest)]);
        assert_eq!(record.curve("replicas_desired").last(), size, "{manifest}");
    };
    let bare = WEB.replacen("  replicas: 1\n", "", 1);
    applied(&bare, 1.0);
    applied(&WEB.replacen("  replicas: 1\n", "  replicas: 2\n", 1), 2.0);
    // Twice without it: the size that something else wrote stays.
    let more = action(120, "apply = \"later/web.yaml\"")
        + &action(240, "scale = \"shop/web\"\nreplicas = 3")
        + &action(360, "apply = \"later/web.yaml\"");
    let record = run(&more, &[("later/web.yaml", bare.as_str())]);
    assert_eq!(record.curve("replicas_desired").last(), 3.0);
}

#[test]
fn each_metric_of_an_hpa_keeps_its_own_numbers() {
    let cron = "    - type: cron\n      metadata: {timezone: UTC, start: 0 0 1 1 *, end: 1 0 1 1 *, desiredReplicas: '2'}\n";
    let cpu = "    - type: cpu\n      metricType: Utilization\n      metadata: {value: '50'}\n";
    let object = format!("{SCALED}{cron}{cpu}");
    let record = run("", &[("manifests/scaled.yaml", object.as_str())]);
    // Five requests a second at a threshold of one.
    let held = told(&record, "Held").last().expect("it looks every 15 s");
    let Some(Value::Entries(metrics)) = detail(&held.details, "metrics") else {
        panic!("{held:?}");
    };
    let name = |metric: &Vec<(&'static str, Value)>| match detail(metric, "name") {
        Some(Value::Text(name)) => name.clone(),
        other => panic!("{other:?}"),
    };
    let of = |word: &str| {
        let found = metrics.iter().find(|metric| name(metric).contains(word));
        found.unwrap_or_else(|| panic!("no {word} in {metrics:?}"))
    };
    assert_eq!(metrics.len(), 3);
    let [value, target] = numbers(of("s0-prometheus"), ["value", "target"]);
    assert_eq!(target, 1.0, "in whole units");
    assert!(value > 0.9, "{value}");
    assert!(detail(of("s1-cron"), "failure").is_some() || detail(of("s1-cron"), "value").is_some());
    assert_eq!(detail(of("cpu"), "unit"), Some(&Value::Text("%".into())));
    assert!(text(held, "decisive").contains("s0-prometheus"), "{held:?}");
}

#[test]
fn what_keda_writes_is_told_with_its_reason() {
    let annotated = |annotation: &str| {
        let named = "metadata: {name: web, namespace: shop";
        SCALED.replacen(named, &format!("{named}, annotations: {{{annotation}}}"), 1)
    };
    let paused = annotated("autoscaling.keda.sh/paused-replicas: \"2\"");
    let bounded = SCALED.replacen(
        "minReplicaCount: 1",
        "minReplicaCount: 1\n  maxReplicaCount: 7",
        1,
    );
    let more = "[[action]]\nat = \"300s\"\napply = \"later/paused.yaml\"\n\
        [[action]]\nat = \"500s\"\napply = \"later/resumed.yaml\"\n\
        [[action]]\nat = \"700s\"\napply = \"later/bounded.yaml\"\n\
        [[action]]\nat = \"900s\"\ndelete = \"ScaledObject/shop/web\"\n";
    let record = run(
        more,
        &[
            ("manifests/scaled.yaml", SCALED),
            ("later/paused.yaml", paused.as_str()),
            ("later/resumed.yaml", SCALED),
            ("later/bounded.yaml", bounded.as_str()),
        ],
    );
    let kinds = ["TargetScaled", "HpaCreated", "HpaUpdated", "HpaDeleted"];
    let entries = record.log.iter().filter(|entry| kinds.contains(&entry.kind));
    let said: Vec<String> = entries
        .map(|entry| format!("{} {}: {}", entry.kind, entry.object, text(entry, "reason")))
        .collect();
    assert_eq!(
        said,
        [
            "TargetScaled web: paused by annotation",
            "HpaDeleted keda-hpa-web: paused by annotation",
            "HpaCreated keda-hpa-web: paused no more",
            "HpaUpdated keda-hpa-web: the ScaledObject has changed",
            "HpaDeleted keda-hpa-web: the ScaledObject is gone",
        ]
    );
    let updated = told(&record, "HpaUpdated").next().expect("it is there");
    let changes = Value::List(vec!["maxReplicas 100 to 7".into()]);
    assert_eq!(detail(&updated.details, "changes"), Some(&changes));
}

const AGENT: &str = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: \"agent:1\", resources: {requests: {cpu: 50m, memory: 32Mi}}}]}
";

/// Pods that may not be disrupted are never evicted: when the node's time is over they are deleted, each once.
#[test]
fn deletions_by_a_grace_period_are_counted() {
    let web = WEB.replacen(
        "metadata: {labels: {app: web}}",
        "metadata: {labels: {app: web}, annotations: {karpenter.sh/do-not-disrupt: \"true\"}}",
        1,
    );
    let pool = POOL.replace(
        "      requirements:",
        "      expireAfter: 9m\n      terminationGracePeriod: 2m\n      requirements:",
    );
    assert!(web != WEB && pool != POOL);
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n";
    let record = run(
        more,
        &[("manifests/web.yaml", &web), ("manifests/pool.yaml", &pool)],
    );
    let counts = record.counts;
    assert!(counts.launches >= 2 && counts.evictions == 0, "{counts:?}");
    // Two of the six run on the node group's machines.
    assert_eq!(counts.forced_deletions, 4, "{counts:?}");
}

#[test]
fn evictions_are_of_workloads_and_those_of_daemon_sets_are_counted_apart() {
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"410s\"\ninterrupt = { count = 1 }\n";
    let record = run(more, &[("manifests/agent.yaml", AGENT)]);
    let evicted = |agents: bool| {
        let evicted = told(&record, "PodEvicted");
        evicted
            .filter(|entry| entry.object.starts_with("agent-") == agents)
            .count() as u32
    };
    assert_eq!(record.counts.daemon_evictions, evicted(true));
    assert_eq!(record.counts.evictions, evicted(false));
    assert!(
        record.counts.daemon_evictions > 0 && record.counts.evictions > 0,
        "{:?}",
        record.counts
    );
}

#[test]
fn a_nomination_is_told_once_and_times_count_from_the_end_of_the_warm_up() {
    let more = "[[action]]\nat = \"120s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"600s\"\nscale = \"shop/web\"\nreplicas = 1\n";
    let record = run(more, &[("manifests/agent.yaml", AGENT)]);
    let mut last: SortedMap<&str, &str> = SortedMap::new();
    for entry in told(&record, "PodNominated") {
        let target = text(entry, "target");
        assert_ne!(last.insert(&entry.object, target), Some(target), "{entry:?}");
    }
    assert!(!last.is_empty());
    let mut consolidatable = 0;
    for entry in told(&record, "Consolidatable") {
        let Some(Value::Number(since)) = detail(&entry.details, "since") else {
            panic!("{entry:?}");
        };
        assert!(*since <= entry.at.as_secs_f64(), "{entry:?}");
        consolidatable += 1;
    }
    assert!(consolidatable > 0);
    for entry in told(&record, "BatchLost") {
        assert!(text(entry, "reason").contains("no instance yet"));
    }
}

#[test]
fn nothing_is_served_while_no_ingress_leads_to_a_service() {
    let split = |kind: &str| {
        let documents: Vec<&str> = WEB.split("---\n").collect();
        let (later, start): (Vec<&str>, Vec<&str>) = documents
            .into_iter()
            .partition(|own| own.contains(&format!("kind: {kind}\n")));
        (start.join("---\n"), later.join("---\n"))
    };
    for kind in ["Service", "Ingress"] {
        let (start, later) = split(kind);
        let more = format!(
            "[[action]]\nat = \"400s\"\napply = \"later/way.yaml\"\n\
             [[action]]\nat = \"800s\"\ndelete = \"{kind}/shop/web\"\n"
        );
        let record = run(
            &more,
            &[("manifests/web.yaml", &start), ("later/way.yaml", &later)],
        );
        // Results count from the end of the warm-up.
        let served = [240, 600, 960].map(|second| {
            let row = record
                .rows
                .iter()
                .find(|row| row.at >= Instant::from_secs(second));
            row.expect("a row").rps_served > 0.0
        });
        assert_eq!(served, [false, true, false], "{kind}");
    }
}

#[test]
fn an_autoscaler_finds_a_deployment_that_was_made_again() {
    let more = "[[action]]\nat = \"200s\"\ndelete = \"Deployment/shop/web\"\n\
        [[action]]\nat = \"400s\"\napply = \"later/web.yaml\"\n";
    let web = WEB.split("---\n").next().expect("the first document");
    let record = run(
        more,
        &[("manifests/scaled.yaml", SCALED), ("later/web.yaml", web)],
    );
    // Five requests a second at a threshold of one.
    assert_eq!(record.curve("replicas_desired").last(), 5.0);
}

#[test]
fn an_autoscaler_that_comes_before_its_deployment_waits_for_it() {
    let documents: Vec<&str> = WEB.split("---\n").collect();
    let later = "[[action]]\nat = \"100s\"\napply = \"later/web.yaml\"\n";
    let rest = documents[1..].join("---\n");
    let with = |scaler: &str| {
        let manifests = [
            ("manifests/web.yaml", rest.as_str()),
            ("manifests/scaled.yaml", scaler),
            ("later/web.yaml", documents[0]),
        ];
        run(later, &manifests)
    };
    let record = with(SCALED);
    assert_eq!(record.curve("replicas_desired").last(), 5.0);
    // It looks again after 5 ms, twice that and so on: 82 s after the start, when the warm-up is over, and 164 s after it.
    let failed: Vec<&LogEntry> = told(&record, "ScaledObjectCheckFailed").collect();
    let [failed] = failed[..] else {
        panic!("{failed:?}");
    };
    let Some(Value::Number(retry)) = detail(&failed.details, "retry") else {
        panic!("{failed:?}");
    };
    assert_eq!(
        (*retry, text(failed, "reason")),
        (81.92, "there is no Deployment web")
    );
    let made = told(&record, "HpaCreated").next();
    let made = made.expect("the Deployment came");
    let after = made.at.as_secs_f64() + 60.0;
    assert!((163.0..=165.0).contains(&after), "{after}");

    let hpa = "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 9
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
";
    let record = with(hpa);
    let first = told(&record, "Held").next().expect("a sync");
    assert_eq!(text(first, "able_to_scale"), "FailedGetScale");
    assert_eq!(record.curve("replicas_desired").last(), 3.0);
}

#[test]
fn a_change_while_the_deployment_is_away_is_a_change() {
    let changed = SCALED.replacen("minReplicaCount: 1", "minReplicaCount: 8", 1);
    let more = "[[action]]\nat = \"200s\"\ndelete = \"Deployment/shop/web\"\n\
        [[action]]\nat = \"300s\"\napply = \"later/scaled.yaml\"\n\
        [[action]]\nat = \"400s\"\napply = \"later/web.yaml\"\n";
    let web = WEB.split("---\n").next().expect("the first document");
    let record = run(
        more,
        &[
            ("manifests/scaled.yaml", SCALED),
            ("later/scaled.yaml", &changed),
            ("later/web.yaml", web),
        ],
    );
    assert_eq!(record.curve("replicas_desired").last(), 8.0);
    assert_eq!(told(&record, "ScaledObjectCheckFailed").count(), 0, "it is known");
}

#[test]
fn another_target_of_a_scaled_object_is_its_hpas_too() {
    let web = WEB.split("---\n").next().expect("the first document");
    let other = web.replace("web", "other");
    let moved = SCALED.replacen("{name: web}", "{name: other}", 1);
    assert_ne!(moved, SCALED);
    let record = run(
        "[[action]]\nat = \"400s\"\napply = \"later/scaled.yaml\"\n",
        &[
            ("manifests/other.yaml", &other),
            ("manifests/scaled.yaml", SCALED),
            ("later/scaled.yaml", &moved),
        ],
    );
    let updated = told(&record, "HpaUpdated").next().expect("it has changed");
    let changes = Value::List(vec!["scaleTargetRef to other".into()]);
    assert_eq!(detail(&updated.details, "changes"), Some(&changes));
    let late = |entry: &&LogEntry| entry.part == "hpa" && entry.at > updated.at;
    let objects: Vec<&str> = record
        .log
        .iter()
        .filter(late)
        .map(|entry| entry.object.as_str())
        .collect();
    let mut after = objects.iter().skip(2);
    assert!(
        after.len() > 10 && after.all(|name| *name == "other"),
        "{objects:?}"
    );
}

#[test]
fn what_an_action_does_not_find_is_said() {
    let more = "[[action]]\nat = \"120s\"\ndelete = \"Deployment/shop/web\"\n\
        [[action]]\nat = \"180s\"\nscale = \"shop/web\"\nreplicas = 4\n\
        [[action]]\nat = \"240s\"\ninterrupt = { count = 1 }\n";
    let record = run(more, &[]);
    let of = |kind| {
        told(&record, kind)
            .map(|entry| entry.object.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("ActionTaken"), ["delete Deployment web"]);
    assert_eq!(of("ActionFailed"), ["scale web to 4", "interrupt capacity"]);
    let marks: Vec<&str> = record.marks.iter().map(|(_, label)| label.as_str()).collect();
    assert_eq!(marks, ["delete Deployment web"], "what did not happen is no mark");
    let reasons: Vec<&str> = record
        .failed_actions
        .iter()
        .map(|own| own.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "there is no Deployment shop/web",
            "no such machine of a NodePool runs"
        ]
    );
    let record = run(more, &[("manifests/scaled.yaml", SCALED)]);
    let late = |entry: &&LogEntry| entry.kind == "TargetScaled" || entry.object.starts_with("DeploymentId");
    assert_eq!(
        record.log.iter().find(late),
        None,
        "KEDA scales nothing that is gone"
    );
}

const GUARDED: &str = "apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: web}}}
";

// Found by an audit: the loop remembered for five minutes that it had found nothing.
#[test]
fn a_disruption_budget_that_is_deleted_lets_drift_go_on() {
    let late = "[[action]]\nat = \"300s\"\napply = \"later/class.yaml\"\n\
        [[action]]\nat = \"513s\"\ndelete = \"PodDisruptionBudget/shop/web\"\n";
    let class = crate::regressions::node_class().replace("role: node", "role: other");
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n".to_owned() + late;
    let record = run(
        &more,
        &[("manifests/guard.yaml", GUARDED), ("later/class.yaml", &class)],
    );
    let drifted = told(&record, "Drifted")
        .next()
        .expect("the class has another role");
    assert_eq!(text(drifted, "reason"), "NodeClass");
    let started = told(&record, "DisruptionStarted")
        .next()
        .expect("nothing is in the way");
    // Results count from the end of the warm-up.
    let after = started.at.as_secs_f64() - (513.0 - 60.0);
    assert!((0.0..=25.0).contains(&after), "{after} s after the budget went");
}

// Two replicas on a node group that tolerates nobody for longer than a minute: they go, and come again, for ever.
#[test]
fn a_toleration_ends_after_its_seconds() {
    let tainted = "[[node_group]]\nname = \"hostile\"\ninstance_type = \"m5.large\"\nnodes = 1\n\
        labels = { place = \"hostile\" }\ntaints = [\"hostile:NoExecute\"]\n";
    let guest = "apiVersion: apps/v1
kind: Deployment
metadata: {name: guest, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: guest}}
  template:
    metadata: {labels: {app: guest}}
    spec:
      nodeSelector: {place: hostile}
      tolerations: [{key: hostile, operator: Exists, effect: NoExecute, tolerationSeconds: 60}]
      containers: [{name: guest, image: \"guest:1\"}]
";
    let record = run(tainted, &[("manifests/guest.yaml", guest)]);
    let evicted: Vec<f64> = told(&record, "TaintManagerEviction")
        .map(|entry| entry.at.as_secs_f64())
        .collect();
    assert!(evicted.len() >= 10, "{evicted:?}");
    // The next one is bound when it has been made anew: a few seconds later.
    for pair in evicted.windows(2) {
        assert!((60.0..=75.0).contains(&(pair[1] - pair[0])), "{evicted:?}");
    }
}

#[test]
fn a_startup_taint_goes_when_its_agent_is_ready() {
    let agent = AGENT.replace(
        "spec: {containers:",
        "spec: {tolerations: [{operator: Exists}], containers:",
    );
    let pool = crate::regressions::POOL.replace(
        "      requirements:",
        "      startupTaints: [{key: agent/not-ready, effect: NoExecute}]\n      requirements:",
    );
    let served = |more: &str| {
        let scaled = "[[action]]\nat = \"120s\"\nscale = \"shop/web\"\nreplicas = 6\n";
        let manifests = [
            ("manifests/agent.yaml", agent.as_str()),
            ("manifests/pool.yaml", &pool),
        ];
        run(&format!("{more}{scaled}"), &manifests)
            .curve("replicas_ready")
            .last()
    };
    assert!(served("") < 6.0, "nobody takes the taint away");
    assert_eq!(
        served("[application.\"shop/agent\"]\nstartup = 20\nstartup_taint = \"agent/not-ready\"\n"),
        6.0
    );
}

#[test]
fn interruptions_are_of_types_by_pattern() {
    let more = "[[action]]\nat = \"120s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"410s\"\ninterrupt = { instance_type = \"m*\" }\n\
        [[action]]\nat = \"420s\"\nstop = \"keda\"\n\
        [[action]]\nat = \"430s\"\nstop = \"keda\"\n";
    let record = run(more, &[]);
    assert_eq!(record.counts.interruptions, 1);
    let failed: Vec<&str> = record
        .failed_actions
        .iter()
        .map(|own| own.reason.as_str())
        .collect();
    assert_eq!(failed, ["it stands still already"]);
}
