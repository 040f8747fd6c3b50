use sim::SortedMap;

use model::cluster::{Options, run};
use serde_json::Value;

use super::*;
use crate::traffic::tests::rehearsal;

fn file(name: &str) -> Value {
    let files: SortedMap<_, _> = files(&rehearsal()).into_iter().collect();
    serde_json::from_str(&files[name]).expect("JSON")
}

#[test]
fn types_are_those_that_the_pool_admits() {
    let types = file("instance-types.json");
    let types = types.as_array().unwrap();
    let names: Vec<&str> = types.iter().map(|own| own["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["m5.2xlarge", "m5.large", "m5.xlarge"]);
    // Allocatable of an m5.large is 1930m; the provider takes 100m off what it is given.
    assert_eq!(types[1]["resources"]["cpu"], "2030m");
    let offerings = types[1]["offerings"].as_array().unwrap();
    let on_demand = offerings
        .iter()
        .find(|own| own["Requirements"][0]["values"][0] == "on-demand")
        .unwrap();
    assert_eq!(on_demand["Price"], 0.096);
    let family = |own: &&Value| own["key"] == "karpenter.k8s.aws/instance-family";
    let family = on_demand["Requirements"].as_array().unwrap().iter().find(family);
    assert_eq!(family.unwrap()["values"][0], "m5");
}

#[test]
fn nodes_are_those_of_the_simulation() {
    let nodes = file("nodes.json");
    let nodes = nodes["items"].as_array().unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0]["status"]["allocatable"]["cpu"], "3920m");
    let labels = &nodes[0]["metadata"]["labels"];
    assert_eq!(labels["eks.amazonaws.com/nodegroup"], "system");
    assert_eq!(labels["kwok.x-k8s.io/node"], "fake");
    // A node that says Ready by itself would leave nothing to KWOK.
    assert_eq!(nodes[0]["status"]["conditions"], Value::Null);
}

#[test]
fn controllers_keep_the_times_of_the_scenario() {
    let settings = file("settings.json");
    let flags = settings["flags"]["kube-controller-manager"].to_string();
    assert!(
        flags.contains("--horizontal-pod-autoscaler-sync-period=5000ms"),
        "{flags}"
    );
    let text: SortedMap<_, _> = files(&rehearsal()).into_iter().collect();
    assert!(text["prometheus.yml"].contains("scrape_interval: 5000ms"));
    assert!(text["kwok.yaml"].contains("durationMilliseconds: 5000\n"));
    assert!(!text["kwok.yaml"].contains("NODE_READY"));
}

/// A KWOKNodeClass in the model: the cheapest type, registered after the delay and ready after the network's.
#[test]
fn made_up_machines_come_when_their_class_says() {
    let scenario = rehearsal();
    let record = run(&scenario, Options::of(&scenario));
    let when = |kind: &str| {
        let entry = record.log.iter().find(|entry| entry.kind == kind);
        entry.unwrap_or_else(|| panic!("no {kind}")).at
    };
    let launched = when("NodeClaimLaunched");
    assert!(launched.since(when("NodeClaimCreated")) < Duration::from_secs(1));
    let registration = when("NodeJoined").since(launched);
    assert!(
        registration.abs_diff(Duration::from_secs(15)) < Duration::from_millis(200),
        "{registration:?}"
    );
    // The load goes back to one client, and with it the machines.
    assert!(record.log.iter().any(|entry| entry.kind == "DisruptionStarted"));
    assert_eq!(record.rows.last().map(|row| row.nodes.iter().sum()), Some(1.0));
}
