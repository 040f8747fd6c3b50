//! A sweep as a Kubernetes Indexed Job: each index runs one shard. Kubernetes distributes; there is nothing of our
//! own to keep alive.
//!
//! The sweep's file and its scenario travel in a ConfigMap, laid out so that relative paths still lead where they
//! led. Each pod runs `scaletwin sweep FILE --shard $(JOB_COMPLETION_INDEX)/N --resume`, so that one that was evicted
//! goes on where it stopped. Results go to a PersistentVolumeClaim that all pods mount, or to an object store.

use std::path::{Component, Path};

use model::scenario::Files;
use serde_json::{Value, json};

/// What a ConfigMap holds at most, with some room for its own fields.
pub const LARGEST: usize = 1_000_000;
/// Where input and results are in the pod.
const INPUT: &str = "/input";
const RESULTS: &str = "/results";

/// Where a shard's results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Results {
    /// A PersistentVolumeClaim that all pods can write to.
    Claim(String),
    /// An object store, as `s3://bucket/prefix`.
    Store(String),
}

/// How a sweep is to run on a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The sweep's name.
    pub name: String,
    /// The namespace; the client's own if empty.
    pub namespace: String,
    /// The image.
    pub image: String,
    /// Shards.
    pub shards: usize,
    /// Pods at a time.
    pub parallelism: usize,
    /// CPUs of each pod.
    pub cpus: usize,
    /// Where results go.
    pub results: Results,
    /// The service account that may write to the store, if it needs one.
    pub service_account: Option<String>,
    /// What decides the runs: two sweeps of a name do not share an object.
    pub fingerprint: u64,
}

/// Why a sweep cannot be sent to a cluster: lower case, no full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The files are too many.
    #[error("the sweep and its scenario have {bytes} bytes, and a ConfigMap holds {LARGEST}")]
    TooLarge {
        /// How many bytes.
        bytes: usize,
    },
    /// The scenario is named by a path that starts at the root.
    #[error("the scenario's path {path:?} is absolute, and means nothing in a pod")]
    Absolute {
        /// The path.
        path: String,
    },
}

/// The ConfigMap and the Job.
///
/// # Errors
///
/// When the files are too large, or the scenario's path is absolute.
pub fn manifests(order: &Order, text: &str, scenario: &str, files: &Files) -> Result<[Value; 2], Wrong> {
    let (sweep_path, scenario_path) = layout(scenario)?;
    let mut placed = vec![(sweep_path.clone(), text)];
    let all = std::iter::once(&files.scenario)
        .chain(&files.manifests)
        .chain(&files.traces);
    placed.extend(all.map(|source| (format!("{scenario_path}{}", source.path), source.text.as_str())));
    let bytes: usize = placed.iter().map(|(path, text)| path.len() + text.len()).sum();
    if bytes > LARGEST {
        return Err(Wrong::TooLarge { bytes });
    }
    let name = object_name(order);
    let labels = json!({ "app.kubernetes.io/name": "scaletwin", "app.kubernetes.io/instance": name });
    let mut metadata = json!({ "name": name, "labels": labels });
    if !order.namespace.is_empty() {
        metadata["namespace"] = json!(order.namespace);
    }
    let key = |index: usize| format!("file-{index}");
    let data: serde_json::Map<String, Value> = placed
        .iter()
        .enumerate()
        .map(|(index, (_, text))| (key(index), json!(text)))
        .collect();
    let items: Vec<Value> = placed
        .iter()
        .enumerate()
        .map(|(index, (path, _))| json!({ "key": key(index), "path": path }))
        .collect();
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data,
    });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
        "spec": {
            "completionMode": "Indexed",
            "completions": order.shards,
            "parallelism": order.parallelism.min(order.shards),
            // A pod that was evicted comes again and resumes; one that fails by itself fails each time.
            "backoffLimitPerIndex": 3,
            "ttlSecondsAfterFinished": 86_400,
            "template": { "metadata": { "labels": labels }, "spec": pod(order, &name, &sweep_path, &items) },
        },
    });
    Ok([config, job])
}

fn pod(order: &Order, name: &str, sweep_path: &str, items: &[Value]) -> Value {
    let shard = format!("$(JOB_COMPLETION_INDEX)/{}", order.shards);
    let out = format!("{RESULTS}/shard-$(JOB_COMPLETION_INDEX)");
    let file = format!("{INPUT}/{sweep_path}");
    let threads = order.cpus.to_string();
    let mut arguments = vec![
        "sweep",
        &file,
        "--shard",
        &shard,
        "--out",
        &out,
        "--resume",
        "--threads",
        &threads,
    ];
    let results = match &order.results {
        Results::Claim(claim) => {
            json!({ "name": "results", "persistentVolumeClaim": { "claimName": claim } })
        }
        Results::Store(url) => {
            arguments.extend(["--store", url]);
            json!({ "name": "results", "emptyDir": {} })
        }
    };
    let mut pod = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": order.service_account.is_some(),
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "sweep",
            "image": order.image,
            "args": arguments,
            "resources": {
                "requests": { "cpu": threads, "memory": "256Mi" },
                "limits": { "memory": "1Gi" },
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
            "volumeMounts": [
                { "name": "input", "mountPath": INPUT, "readOnly": true },
                { "name": "results", "mountPath": RESULTS },
            ],
        }],
        "volumes": [
            { "name": "input", "configMap": { "name": name, "items": items } },
            results,
        ],
    });
    if let Some(account) = &order.service_account {
        pod["serviceAccountName"] = json!(account);
    }
    pod
}

/// A name that Kubernetes takes: lower case, digits and dashes, at most 52 characters, so that pods' names fit.
#[must_use]
pub fn object_name(order: &Order) -> String {
    let plain: String = order
        .name
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .take(30)
        .collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let sum = order.fingerprint ^ (order.fingerprint >> 32);
    format!("sweep-{}-{:08x}", words.join("-"), sum as u32)
}

/// Where the sweep's file and its scenario lie, so that the relative path from one to the other holds.
fn layout(scenario: &str) -> Result<(String, String), Wrong> {
    let mut depth = 0;
    let mut below: Vec<&str> = Vec::new();
    for part in Path::new(scenario).components() {
        match part {
            Component::ParentDir if below.is_empty() => depth += 1,
            Component::ParentDir => {
                below.pop();
            }
            Component::Normal(name) => below.extend(name.to_str()),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => {
                return Err(Wrong::Absolute {
                    path: scenario.to_owned(),
                });
            }
        }
    }
    let sweep = format!("{}sweep.toml", "sweep/".repeat(depth));
    let scenario = below.iter().map(|part| format!("{part}/")).collect();
    Ok((sweep, scenario))
}

#[cfg(test)]
mod tests {
    use model::scenario::Source;

    use super::*;

    fn order(results: Results) -> Order {
        Order {
            name: "Threshold & cooldown".to_owned(),
            namespace: "tools".to_owned(),
            image: "scaletwin:0.1.0".to_owned(),
            shards: 4,
            parallelism: 9,
            cpus: 2,
            results,
            service_account: None,
            fingerprint: 0x1234_5678_9abc_def0,
        }
    }

    fn files(text: &str) -> Files {
        let source = |path: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        Files {
            scenario: source("scenario.toml"),
            manifests: vec![source("manifests/web.yaml")],
            traces: Vec::new(),
        }
    }

    #[test]
    fn each_index_runs_its_shard_and_resumes() {
        let made = manifests(
            &order(Results::Claim("results".to_owned())),
            "text",
            "../web",
            &files("a: 1"),
        );
        let [config, job] = made.expect("it fits");
        assert_eq!(config["metadata"]["name"], job["metadata"]["name"]);
        assert_eq!(job["metadata"]["name"], "sweep-threshold-cooldown-88888888");
        let spec = &job["spec"];
        assert_eq!(
            (
                &spec["completionMode"],
                &spec["completions"],
                &spec["parallelism"]
            ),
            (&json!("Indexed"), &json!(4), &json!(4))
        );
        let pod = &spec["template"]["spec"];
        let arguments = pod["containers"][0]["args"].as_array().expect("arguments");
        let line: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
        assert_eq!(
            line.join(" "),
            "sweep /input/sweep/sweep.toml --shard $(JOB_COMPLETION_INDEX)/4 --out /results/shard-$(JOB_COMPLETION_INDEX) --resume --threads 2"
        );
        assert_eq!(pod["volumes"][1]["persistentVolumeClaim"]["claimName"], "results");
        let paths: Vec<&str> = pod["volumes"][0]["configMap"]["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter_map(|item| item["path"].as_str())
            .collect();
        assert_eq!(
            paths,
            ["sweep/sweep.toml", "web/scenario.toml", "web/manifests/web.yaml"]
        );
        assert_eq!(config["data"].as_object().expect("data").len(), 3);
    }

    #[test]
    fn a_store_needs_no_claim_and_perhaps_an_account() {
        let order = Order {
            service_account: Some("sweeper".to_owned()),
            ..order(Results::Store("s3://bucket/prefix".to_owned()))
        };
        let [_, job] = manifests(&order, "text", "web", &files("a: 1")).expect("it fits");
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], "sweeper");
        let arguments = pod["containers"][0]["args"].to_string();
        assert!(arguments.contains(r#""/input/sweep.toml""#), "{arguments}");
        assert!(
            arguments.ends_with(r#""--store","s3://bucket/prefix"]"#),
            "{arguments}"
        );
    }

    #[test]
    fn relative_paths_lead_where_they_led() {
        let check = |scenario: &str, sweep: &str, expected: &str| {
            assert_eq!(
                layout(scenario),
                Ok((sweep.to_owned(), expected.to_owned())),
                "{scenario}"
            );
        };
        check("web", "sweep.toml", "web/");
        check("./a/../web", "sweep.toml", "web/");
        check("../../scenarios/web", "sweep/sweep/sweep.toml", "scenarios/web/");
        assert!(matches!(layout("/web"), Err(Wrong::Absolute { .. })));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let order = order(Results::Claim("results".to_owned()));
        let made = manifests(&order, "text", "web", &files(&"x".repeat(LARGEST)));
        assert!(matches!(made, Err(Wrong::TooLarge { .. })));
    }
}
