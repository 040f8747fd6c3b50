//! Imports of clusters that are written down here: who plays which role, what is written, and what is told.

use clap::{Args as _, Command, FromArgMatches as _};
use live::cluster::import::{Found, Group, Load, Machines};
use live::cluster::preflight::Facts;
use model::scenario::Severity;
use serde_json::{Value, json};

use super::ask::Past;
use super::*;

fn typed(more: &[&str]) -> ImportArgs {
    let own = ["import", "--namespace", "shop", "--out", "unused"];
    let command = ImportArgs::augment_args(Command::new("import"));
    let matches = command.get_matches_from(own.iter().chain(more));
    ImportArgs::from_arg_matches(&matches).expect("it is typed right")
}

fn deployment(namespace: &str, name: &str, image: &str) -> Value {
    let labels = json!({ "app": name });
    json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": name, "image": image,
                "resources": { "requests": { "cpu": "100m" } } }] } } } })
}

fn scaled(name: &str, kind: &str, target: &str, query: &str) -> Value {
    json!({ "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": { "scaleTargetRef": { "kind": kind, "name": target }, "triggers": [{ "type": "prometheus",
            "metadata": { "serverAddress": "http://prometheus.mon:9090", "query": query, "threshold": "5" } }] } })
}

const REQUESTS: &str = "sum(rate(traefik_service_requests_total{service=~\"shop-.*\"}[1m]))";

/// A cluster that tells everything: a web service behind Traefik, scaled by its requests.
fn whole() -> Heard {
    let mut machines = Machines {
        region: Some("eu-west-1".to_owned()),
        of_karpenter: 2,
        until_ready: Some(7.5),
        ..Machines::default()
    };
    let group = Group {
        name: "system".to_owned(),
        instance_type: "m5.large".to_owned(),
        capacity_type: "on-demand".to_owned(),
        max_pods: Some(29),
    };
    machines.groups.insert(group, 3);
    machines.images.see(&json!({ "status": { "images": [
        { "names": ["docker.io/library/web:1"], "sizeBytes": 123_456_789 } ] } }));
    let route = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": "front", "namespace": "shop" },
        "spec": { "rules": [{ "http": { "paths": [{ "path": "/", "pathType": "Prefix",
            "backend": { "service": { "name": "front", "port": { "number": 80 } } } }] } }] } });
    let service = json!({ "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "front", "namespace": "shop" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] } });
    let mut proxy = deployment("edge", "ingress", "docker.io/traefik:v3.5");
    proxy["spec"]["template"]["metadata"]["annotations"] =
        json!({ "prometheus.io/scrape": "true", "prometheus.io/port": "9100" });
    let versions = [
        ("kubernetes", "1.33"),
        ("keda", "2.16.1"),
        ("prometheus", "3.1.0"),
        ("traefik", "3.5"),
        ("karpenter", "1.5.5"),
    ];
    Heard {
        facts: Facts {
            context: "prod".to_owned(),
            versions: versions
                .map(|(part, release)| (part.to_owned(), release.to_owned()))
                .into(),
            ..Facts::default()
        },
        found: Found {
            objects: vec![
                deployment("shop", "web", "web:1"),
                proxy,
                service,
                route,
                scaled("web", "Deployment", "web", REQUESTS),
            ],
            machines,
            left_out: Vec::new(),
        },
        past: Past {
            load: Some(Load {
                began: 1_769_860_800.0,
                readings: vec![(0.0, 2.0), (15.0, 2.5), (3600.0, 4.0)],
            }),
            scraping: Some(("15s".to_owned(), "10s".to_owned())),
            response_time: Some(0.0401),
        },
        findings: Vec::new(),
    }
}

fn imported(more: &[&str], heard: &Heard) -> Draft {
    match put_together(&typed(more), heard) {
        Ok((draft, report)) => {
            assert!(
                report
                    .problems
                    .iter()
                    .all(|problem| problem.severity != Severity::Error)
            );
            draft
        }
        Err(failure) => panic!("{failure:?}"),
    }
}

fn roles(more: &[&str], objects: impl IntoIterator<Item = Value>) -> Result<[String; 2], String> {
    let mut draft = Draft::default();
    objects.into_iter().for_each(|object| draft.add(object));
    let roles = Roles::of(&typed(more), &draft).map_err(|failure| format!("{failure:?}"))?;
    Ok([roles.service, roles.proxy])
}

#[test]
fn a_cluster_that_tells_all_is_written_as_it_is() {
    let draft = imported(&[], &whole());
    let expected = r#"# What ran in namespace shop of context prod. IMPORT.md lists what could not be taken along.

name = "imported-shop"
question = "What does the cluster as it is make of this load?"
seed = 1
duration = "3600s"
warm_up = "300s"
epoch = 2026-01-31T12:00:00Z

[stack]
kubernetes = "1.33"
keda = "2.16.1"
prometheus = "3.1.0"
traefik = "3.5"
karpenter = "1.5.5"

[cloud]
region = "eu-west-1"
# From joining to Ready: the middle one of the nodes that are there.
boot = { network = 7.5 }

[[node_group]]
name = "system"
instance_type = "m5.large"
nodes = 3
capacity_type = "on-demand"
max_pods = 29

[service]
deployment = "shop/web"
# The shortest mean response time of the past, as Traefik saw it: what waits and what is no CPU is in it.
cpu_per_request = 0.0401

[proxy]
deployment = "edge/ingress"

[[load.arrivals]]
shape = "trace"
trace = "traces/load.csv"

[timing.prometheus]
scrape_interval = "15s"
scrape_timeout = "10s"

# As the nodes that have them report them.
[image]
"web:1" = { compressed = "123456789" }

# What the autoscaler sees.
[dashboard]
rps = "sum(rate(traefik_service_requests_total{service=~\"shop-.*\"}[1m]))"
"#;
    assert_eq!(draft.scenario, expected);
    assert_eq!(
        draft.traces["traces/load.csv"],
        "seconds,rate\n0,2.0000\n15,2.5000\n3600,4.0000\n"
    );
    let told: Vec<&str> = draft
        .left_out
        .iter()
        .map(|one| one.split(':').next().unwrap_or(""))
        .collect();
    assert_eq!(
        told,
        [
            "environments, commands, arguments and volumes of containers",
            "the HPA controller's flags (sync period, tolerance, stabilization)",
            "2 nodes that Karpenter has now",
            "the size of the image docker.io/traefik",
        ]
    );
}

#[test]
fn a_cluster_that_tells_little_gets_stand_ins_and_says_so() {
    let mut pool = json!({ "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": { "name": "default" },
        "spec": { "template": { "spec": { "nodeClassRef":
            { "group": "karpenter.kwok.sh", "kind": "OtherNodeClass", "name": "odd" }, "requirements": [] } } } });
    pool["spec"]["weird"] = json!(1);
    let mut web = deployment("shop", "web", "web:1");
    web["spec"]["template"]["spec"]["initContainers"] = json!([{ "name": "i", "image": "init" }]);
    let heard = Heard {
        found: Found {
            objects: vec![web, pool],
            left_out: vec!["what Prometheus knows: nothing".to_owned()],
            ..Found::default()
        },
        ..Heard::default()
    };
    let draft = imported(&[], &heard);
    let files: Vec<&str> = draft.manifests.keys().map(String::as_str).collect();
    assert_eq!(
        files,
        [
            "manifests/deployment-shop-web.yaml",
            "manifests/deployment-traefik-traefik.yaml",
            "manifests/ec2nodeclass-odd.yaml",
            "manifests/ingress-shop-web.yaml",
            "manifests/nodepool-default.yaml",
            "manifests/service-shop-web.yaml",
        ]
    );
    let service = &draft.manifests["manifests/service-shop-web.yaml"];
    assert_eq!(service["spec"]["selector"], json!({ "app": "web" }));
    let class =
        &draft.manifests["manifests/nodepool-default.yaml"]["spec"]["template"]["spec"]["nodeClassRef"];
    assert_eq!(
        class,
        &json!({ "group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "odd" })
    );
    let part = "[[load.arrivals]]\nshape = \"constant\"\nrate = 0\n";
    assert!(draft.scenario.ends_with(part), "{}", draft.scenario);
    assert!(draft.scenario.contains("kubernetes = \"1.35\""));
    let told = draft.left_out.join("\n");
    assert!(
        told.starts_with("what Prometheus knows: nothing\nno Deployment is Traefik"),
        "{told}"
    );
    for expected in [
        "no Service selects the pods of shop/web: one was added",
        "no Ingress leads to shop/web: one was added",
        "OtherNodeClass/odd: an EC2NodeClass of the family AL2023 stands in for it",
        "the load: nothing tells how many requests there were, so there are none",
        "which release of keda runs: nothing tells, 2.20 is simulated",
        "the region: no node tells it, us-west-2 is simulated",
        "the CPU of a request: nothing tells Traefik's response times",
        "the sizes of the images init, traefik:v3.5, web:1: no node tells, 50 MB over the network are simulated",
        "NodePool/default: spec.weird",
    ] {
        assert!(told.contains(expected), "{expected} is not told:\n{told}");
    }
}

#[test]
fn clients_in_the_cluster_are_the_load_and_their_proxy_is_scraped() {
    let mut heard = whole();
    heard.past.load = None;
    heard.found.objects.push(deployment("shop", "users", "k6:1"));
    let ingress = deployment("edge", "ingress", "traefik:v3.5");
    heard.found.objects[1] = ingress;
    let draft = imported(&["--clients", "shop/users"], &heard);
    let part = "[load.clients]\ndeployment = \"shop/users\"\n";
    assert!(draft.scenario.contains(part), "{}", draft.scenario);
    assert!(draft.traces.is_empty() && !draft.scenario.contains("arrivals"));
    let proxy = &draft.manifests["manifests/deployment-edge-ingress.yaml"];
    assert_eq!(
        proxy["spec"]["template"]["metadata"]["annotations"],
        json!({ "prometheus.io/scrape": "true", "prometheus.io/port": "9100" })
    );
    let told = draft.left_out.join("\n");
    assert!(
        told.contains("how Prometheus finds the pods of edge/ingress"),
        "{told}"
    );
    assert!(!told.contains("the load:"), "{told}");
}

#[test]
fn the_service_is_what_is_scaled_by_requests() {
    let web = || deployment("shop", "web", "web");
    let worker = || deployment("shop", "a-worker", "worker");
    let traefik = deployment("edge", "other", "docker.io/library/traefik:v3");
    let expected = |service: &str, proxy: &str| Ok([service.to_owned(), proxy.to_owned()]);
    assert_eq!(
        roles(
            &[],
            [
                web(),
                worker(),
                traefik,
                scaled("a", "Deployment", "a-worker", "queue_length"),
                scaled("b", "StatefulSet", "db", REQUESTS),
                scaled("c", "Deployment", "web", REQUESTS),
            ]
        ),
        expected("shop/web", "edge/other")
    );
    // Without one that counts requests, what is scaled; else what is there alone, or named.
    let hpa = json!({ "kind": "HorizontalPodAutoscaler", "metadata": { "name": "h", "namespace": "shop" },
        "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "a-worker" } } });
    assert_eq!(
        roles(&[], [web(), worker(), hpa]),
        expected("shop/a-worker", "traefik/traefik")
    );
    assert_eq!(
        roles(&[], [web(), deployment("other", "x", "x")]),
        expected("shop/web", "traefik/traefik")
    );
    assert_eq!(
        roles(
            &["--deployment", "web", "--proxy", "shop/a-worker"],
            [web(), worker()]
        ),
        expected("shop/web", "shop/a-worker")
    );
    let unclear = roles(&[], [web(), worker()]).expect_err("either may be it");
    assert!(
        unclear.contains("nothing tells which Deployment of namespace shop"),
        "{unclear}"
    );
    assert!(unclear.contains("there is shop/a-worker, shop/web"), "{unclear}");
    let absent = roles(&["--clients", "shop/nobody"], [web()]).expect_err("there is no such");
    assert!(absent.contains("there is no Deployment shop/nobody"), "{absent}");
}

#[test]
fn what_cannot_be_represented_is_in_the_list_beside_the_files() {
    let dir = std::env::temp_dir().join(format!("scaletwin-import-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    let draft = imported(&[], &whole());
    files::write(&dir, &draft).expect("it can be written");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect(name);
    assert_eq!(read("scenario.toml"), draft.scenario);
    let notes = read("IMPORT.md");
    assert!(
        notes.starts_with("# What could not be taken along\n\n- "),
        "{notes}"
    );
    assert_eq!(notes.lines().count(), 2 + draft.left_out.len());
    assert!(read("manifests/deployment-shop-web.yaml").contains("image: web:1"));
    assert!(
        files::write(&dir, &draft).is_err(),
        "what is there is not overwritten"
    );
    std::fs::remove_dir_all(&dir).expect("it can be removed");
}
