//! What went wrong once, each in a small form, under the auditor.

use model::cluster::Record;
use model::cluster::record::LogEntry;

use crate::random::audited;
use crate::written::Case;

const HEAD: &str = "name = \"small\"\nduration = \"20m\"\nwarm_up = \"1m\"\n[stack]\nkubernetes = \"1.35\"\n\
    keda = \"2.20\"\nprometheus = \"3.5.0\"\ntraefik = \"3.5\"\nkarpenter = \"1.14\"\n[cloud]\n\
    region = \"us-west-2\"\ninterruption = \"never\"\nboot.fleet_call = 4\n[[node_group]]\nname = \"system\"\n\
    instance_type = \"m5.large\"\nnodes = 2\n[service]\ndeployment = \"shop/web\"\ncpu_per_request = 0.02\n\
    [proxy]\ndeployment = \"shop/traefik\"\n[[load.arrivals]]\nshape = \"constant\"\nrate = 5\n";

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

const POOL: &str = "apiVersion: karpenter.sh/v1
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

/// A run of the small shop, with more of `scenario.toml` and more manifests, or others in the place of its own.
pub(crate) fn run(more: &str, manifests: &[(&str, &str)]) -> Record {
    let own = [("manifests/web.yaml", WEB), ("manifests/pool.yaml", POOL)];
    let replaced = |(path, _): &&(&str, &str)| manifests.iter().any(|(other, _)| other == path);
    let manifests = own.iter().filter(|own| !replaced(own)).chain(manifests);
    audited(&Case {
        seed: 1,
        requests: false,
        toml: format!("{HEAD}{more}"),
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
