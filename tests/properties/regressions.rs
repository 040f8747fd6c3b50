//! What went wrong once, each in a small form, under the auditor.

use sim::SortedSet;

use model::cluster::Record;
use model::cluster::record::LogEntry;

use crate::random::audited;
use crate::written::Case;

const HEAD: &str = "name = \"small\"\nduration = \"20m\"\nwarm_up = \"1m\"\n[stack]\nkubernetes = \"1.35\"\n\
    keda = \"2.20\"\nprometheus = \"3.5.0\"\ntraefik = \"3.5\"\nkarpenter = \"1.14\"\n[cloud]\n\
    region = \"us-west-2\"\ninterruption = \"never\"\nboot.fleet_call = 4\n[[node_group]]\nname = \"system\"\n\
    instance_type = \"m5.large\"\nnodes = 2\n[service]\ndeployment = \"shop/web\"\ncpu_per_request = 0.02\n\
    [proxy]\ndeployment = \"shop/traefik\"\n[[load.arrivals]]\nprocess = \"deterministic\"\nshape = \"constant\"\nrate = 5\n";

pub(crate) const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: \"web:1\", resources: {requests: {cpu: \"1\", memory: 256Mi}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: traefik, namespace: shop}
spec:
  selector: {matchLabels: {app: traefik}}
  template:
    metadata: {labels: {app: traefik}, annotations: {prometheus.io/scrape: \"true\", prometheus.io/port: \"9100\"}}
    spec: {containers: [{name: traefik, image: \"traefik:v3\", ports: [{containerPort: 9100}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
";

pub(crate) const POOL: &str = "apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements:
        - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
        - {key: karpenter.k8s.aws/instance-category, operator: In, values: [m]}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiSelectorTerms: [{alias: al2023@latest}]
  role: node
  subnetSelectorTerms: [{tags: {a: b}}]
  securityGroupSelectorTerms: [{tags: {a: b}}]
";

pub(crate) const SCALED: &str = "apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 1
  triggers:
    - type: prometheus
      metadata:
        serverAddress: http://prometheus
        threshold: '1'
        query: sum(rate(traefik_service_requests_total[3m]))
";

/// The EC2NodeClass of its NodePool.
pub(crate) fn node_class() -> &'static str {
    POOL.split("---\n").last().expect("two documents")
}

/// A run of the small shop, with more of `scenario.toml` and more manifests, or others in the place of its own.
pub(crate) fn run(more: &str, manifests: &[(&str, &str)]) -> Record {
    run_at(35, more, manifests)
}

/// On another minor release of Kubernetes.
pub(crate) fn run_at(minor: u32, more: &str, manifests: &[(&str, &str)]) -> Record {
    let own = [("manifests/web.yaml", WEB), ("manifests/pool.yaml", POOL)];
    let replaced = |(path, _): &&(&str, &str)| manifests.iter().any(|(other, _)| other == path);
    let manifests = own.iter().filter(|own| !replaced(own)).chain(manifests);
    let (known, wanted) = ("kubernetes = \"1.35\"", format!("kubernetes = \"1.{minor}\""));
    assert!(HEAD.contains(known));
    run_on(&format!("{}{more}", HEAD.replace(known, &wanted)), manifests)
}

fn run_on<'m>(toml: &str, manifests: impl Iterator<Item = &'m (&'m str, &'m str)>) -> Record {
    audited(&Case {
        seed: 1,
        requests: false,
        toml: toml.to_owned(),
        manifests: manifests
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect(),
    })
}

/// What of that kind is in the log.
pub(crate) fn told<'r>(record: &'r Record, kind: &'r str) -> impl Iterator<Item = &'r LogEntry> {
    record.log.iter().filter(move |entry| entry.kind == kind)
}

#[test]
fn a_machine_made_while_karpenter_is_away_is_found_and_terminated() {
    // The call is under way from about ten seconds after the pods are there, for four seconds.
    for second in [130, 132, 134] {
        let more = format!(
            "[[action]]\nat = \"120s\"\nscale = \"shop/web\"\nreplicas = 6\n\
             [[action]]\nat = \"{second}s\"\nstop = \"karpenter\"\nfor = \"100s\"\n"
        );
        let record = run(&more, &[]);
        let ready = record.curve("replicas_ready");
        assert_eq!(ready.last(), 6.0, "stopped at {second} s");
    }
}

#[test]
fn a_pool_may_go_while_its_machine_is_being_launched() {
    for second in [128, 130, 132, 134] {
        let more = format!(
            "[[action]]\nat = \"120s\"\nscale = \"shop/web\"\nreplicas = 6\n\
             [[action]]\nat = \"{second}s\"\ndelete = \"NodePool/default\"\n"
        );
        let record = run(&more, &[]);
        assert!(record.curve("nodes").last() <= 2.0, "deleted at {second} s");
        let deleted = told(&record, "NodeClaimDeleted").map(|entry| format!("{entry:?}"));
        let with_pool = deleted.filter(|text| text.contains("node_pool_deleted"));
        assert_eq!(with_pool.count(), 1, "deleted at {second} s");
    }
}

#[test]
fn an_hpa_goes_on_after_keda_and_its_object_were_away() {
    let more = "[timing]\nquery = 2.0\n\
        [[action]]\nat = \"300s\"\nstop = \"keda\"\nfor = \"20s\"\n\
        [[action]]\nat = \"331s\"\nstop = \"keda\"\nfor = \"3s\"\n\
        [[action]]\nat = \"346s\"\nstop = \"hpa\"\nfor = \"1s\"\n\
        [[action]]\nat = \"362s\"\nstop = \"hpa\"\nfor = \"4s\"\n\
        [[action]]\nat = \"400s\"\nscale = \"shop/web\"\nreplicas = 2\n";
    let record = run(more, &[("manifests/scaled.yaml", SCALED)]);
    // Five requests a second at a threshold of one.
    assert_eq!(record.curve("replicas_desired").last(), 5.0);
    let end = record.log.iter().rev().find(|entry| entry.part == "hpa");
    let last = end.expect("the HPA decides").at;
    assert!(
        record.end.since(last) < std::time::Duration::from_secs(60),
        "it decided last at {last}"
    );
}

#[test]
fn an_interruption_notice_waits_in_the_queue_for_karpenter() {
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"400s\"\nstop = \"karpenter\"\nfor = \"60s\"\n\
        [[action]]\nat = \"410s\"\ninterrupt = { count = 1 }\n";
    let record = run(more, &[]);
    assert_eq!(record.counts.interruptions, 1);
    // It leaves by eviction, before EC2 takes the machine.
    assert!(record.counts.evictions > 0, "{:?}", record.counts);
    assert!(told(&record, "InstanceShuttingDown").count() > 0);
}

/// A run on spot machines whose results count from minute 50, when EC2 takes one back or the pods are given up.
fn run_counted_late(action: &str) -> Record {
    let more =
        format!("[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n[[action]]\n{action}\n");
    let (warm_up, pool) = ("warm_up = \"1m\"", "values: [on-demand]");
    assert!(HEAD.contains(warm_up) && POOL.contains(pool));
    let late = HEAD
        .replace(warm_up, "warm_up = \"50m\"")
        .replace("duration = \"20m\"", "duration = \"60m\"");
    let pool = POOL.replace(pool, "values: [spot]");
    let manifests = [("manifests/web.yaml", WEB), ("manifests/pool.yaml", &pool)];
    run_on(&format!("{late}{more}"), manifests.iter())
}

#[test]
fn a_free_first_hour_is_no_credit_for_the_warm_up() {
    // Nobody drains: EC2 takes the machine, so that its first hour is free.
    let action = "at = \"51m\"\ninterrupt = { capacity_type = \"spot\", count = 1 }\n\
        [timing.karpenter]\ninterruption_queue = false";
    let record = run_counted_late(action);
    assert_eq!(record.counts.interruptions, 1);
    for (name, cost) in &record.costs {
        assert!(
            cost.instance_usd >= 0.0 && cost.volume_usd > 0.0,
            "{name}: {cost:?}"
        );
    }
}

#[test]
fn machines_that_went_in_the_warm_up_are_not_among_the_results() {
    let record = run_counted_late("at = \"20m\"\nscale = \"shop/web\"\nreplicas = 1");
    let nodes: u32 = record.costs.values().map(|cost| cost.nodes).sum();
    assert!(
        record.costs.values().all(|cost| cost.node_hours > 0.0),
        "{:?}",
        record.costs
    );
    let curve = record.curve("nodes");
    assert_eq!(f64::from(nodes), curve.last(), "{:?}", record.costs);
}

/// What is waited for counts from a restart: the list of pods that a new process gets is an event for each of them.
#[test]
fn a_restart_of_karpenter_starts_the_clocks_anew() {
    let pool = POOL.replacen("spec:\n", "spec:\n  disruption: {consolidateAfter: 300s}\n", 1);
    let manifests = [("manifests/web.yaml", WEB), ("manifests/pool.yaml", &pool)];
    let stop = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"240s\"\nstop = \"karpenter\"\nfor = \"60s\"\n";
    let record = run_on(&format!("{HEAD}{stop}"), manifests.iter());
    // Results count from the end of the first minute.
    let ripe: Vec<f64> = told(&record, "Consolidatable")
        .map(|entry| entry.at.as_secs_f64())
        .collect();
    assert!(!ripe.is_empty(), "nodes are at rest in the end");
    assert!(ripe.iter().all(|at| *at >= 240.0 + 300.0), "{ripe:?}");
}

/// It knows what is offered before it looks for nodes to disrupt, and gives other names than the process before it:
/// the auditor looks at them.
#[test]
fn a_new_process_of_karpenter_goes_on_where_the_old_one_was() {
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"240s\"\nstop = \"karpenter\"\nfor = \"60s\"\n\
        [[action]]\nat = \"300s\"\nscale = \"shop/web\"\nreplicas = 16\n";
    let record = run(more, &[]);
    let blocked = told(&record, "DisruptionBlocked").map(|entry| format!("{entry:?}"));
    let offerless: Vec<String> = blocked.filter(|text| text.contains("offers nothing")).collect();
    assert!(offerless.is_empty(), "{offerless:?}");
    assert!(told(&record, "NodeClaimCreated").any(|entry| entry.at.as_secs() >= 240));
    assert_eq!(record.curve("replicas_ready").last(), 16.0);
}

/// A drain that ends with the machine while Karpenter is away: the node is given up as soon as it is back, and the claim
/// with it. That none stays is the auditor's.
#[test]
fn the_claim_of_a_machine_that_ended_while_karpenter_was_away_goes() {
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"400s\"\ninterrupt = { count = 1 }\n\
        [[action]]\nat = \"405s\"\nstop = \"karpenter\"\nfor = \"300s\"\n";
    let record = run(more, &[]);
    let deleted: Vec<_> = told(&record, "NodeClaimDeleted").collect();
    assert!(
        deleted.iter().any(|entry| entry.at.as_secs() < 345),
        "{deleted:?}"
    );
    assert_eq!(record.curve("replicas_ready").last(), 6.0);
}

/// A class that changes while a machine is on its way changes nothing about that machine: it holds what it was bought for,
/// and is found to have drifted.
#[test]
fn a_machine_is_set_up_as_it_was_launched() {
    let still = "spec:\n  disruption: {consolidateAfter: 5m, budgets: [{nodes: '0'}]}\n  template:";
    let pool = POOL.replacen("spec:\n  template:", still, 1);
    let class = node_class().replace("  role: node", "  kubelet: {maxPods: 3}\n  role: node");
    assert!(pool != POOL && class != node_class());
    let manifests = [
        ("manifests/web.yaml", WEB),
        ("manifests/pool.yaml", &pool),
        ("later.yaml", &class),
    ];
    // During the call, and while it boots.
    for second in [132, 140] {
        let more = format!(
            "[[action]]\nat = \"120s\"\nscale = \"shop/web\"\nreplicas = 6\n\
             [[action]]\nat = \"{second}s\"\napply = \"later.yaml\"\n"
        );
        let record = run_on(&format!("{HEAD}{more}"), manifests.iter());
        assert_eq!(record.curve("replicas_ready").last(), 6.0, "{second}");
        assert_eq!(record.counts.launches, 1, "{second}");
        let drifted: Vec<_> = told(&record, "Drifted").collect();
        assert_eq!(drifted.len(), 1, "{second}: {drifted:?}");
    }
}

/// What has its notice is not wanted back again: each action takes other machines, until there are none.
#[test]
fn two_interruptions_take_two_machines() {
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 12\n\
        [[action]]\nat = \"400s\"\ninterrupt = { count = 1 }\n[[action]]\nat = \"430s\"\ninterrupt = { count = 1 }\n";
    let pool = POOL.replace(
        "values: [m]}",
        "values: [m]}\n        - {key: node.kubernetes.io/instance-type, operator: In, values: [m5.xlarge]}",
    );
    let manifests = [("manifests/web.yaml", WEB), ("manifests/pool.yaml", &pool)];
    let record = run_on(&format!("{HEAD}{more}"), manifests.iter());
    let noticed: Vec<(f64, &str)> = told(&record, "InterruptionNotice")
        .map(|entry| (entry.at.as_secs_f64(), entry.object.as_str()))
        .collect();
    assert_eq!(noticed.len(), 2, "{noticed:?}");
    // After a minute of warm-up.
    assert_eq!([noticed[0].0, noticed[1].0], [340.0, 370.0]);
    assert_ne!(noticed[0].1, noticed[1].1);
}

#[test]
fn evicted_pods_are_replaced_once() {
    // All replicas are on one machine, and all replacements wait for the next.
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n\
        [[action]]\nat = \"400s\"\ninterrupt = { count = 1 }\n";
    let record = run(more, &[]);
    let notice = told(&record, "InterruptionNotice")
        .next()
        .expect("EC2 wants it back")
        .at;
    let new: SortedSet<&str> = ["PodUnschedulable", "PodScheduled"]
        .into_iter()
        .flat_map(|kind| told(&record, kind))
        .filter(|entry| entry.at >= notice)
        .map(|entry| entry.object.as_str())
        .collect();
    assert!(record.counts.evictions >= 4, "{:?}", record.counts);
    assert_eq!(new.len(), record.counts.evictions as usize, "{new:?}");
}

#[test]
fn a_class_without_an_image_launches_nothing() {
    let pool = POOL.replace("al2023@latest", "al2@latest");
    let manifests = [("manifests/web.yaml", WEB), ("manifests/pool.yaml", &pool)];
    let more = "[[action]]\nat = \"60s\"\nscale = \"shop/web\"\nreplicas = 6\n";
    let record = run_on(&format!("{HEAD}{more}"), manifests.iter());
    assert_eq!((record.counts.launches, record.curve("nodes").last()), (0, 2.0));
    let failed = told(&record, "FailedScheduling").next().expect("pods wait");
    let why = failed
        .details
        .iter()
        .find(|(key, _)| *key == "node_classes_not_ready");
    assert!(why.is_some(), "{failed:?}");
}
