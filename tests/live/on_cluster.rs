//! `sweep --on-cluster`: the Job as a real API server took it, done by hand, puts together what one machine writes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sim::SortedMap;

use super::control_plane::ControlPlane;
use super::moto::Moto;

const SWEEP: &str = "
name = 'small'
scenario = '../php-apache'
replications = 2
objectives = ['cost', 'pending']
set = ['duration = \"9m\"']
[[axis]]
name = 'threshold'
field = 'ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.threshold'
values = [1, 2, 4]
[[axis]]
name = 'replicas'
field = 'start.replicas.\"hpa-example/php-apache\"'
values = [20, 39]
";
const SHARDS: usize = 3;

#[test]
fn the_shards_of_a_job_are_what_one_machine_writes() {
    let (Some(plane), Some(moto)) = (ControlPlane::start("on-cluster", &[]), Moto::start()) else {
        return;
    };
    let dir = plane.dir().to_owned();
    let file = sweep_file(&dir);
    bucket(&moto);
    let scaletwin = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scaletwin"));
        command.args(arguments).envs(moto.environment());
        command.env("KUBECONFIG", plane.admin()).stdin(Stdio::null());
        command
    };
    let shards = SHARDS.to_string();
    let mut submit = scaletwin(&["sweep", path(&file), "--on-cluster", "--namespace", "default"]);
    submit.args(["--store", "s3://sweeps/here", "--shards", &shards]);
    submit.stdout(Stdio::piped()).stderr(Stdio::piped());
    let waits = submit.spawn().expect("scaletwin runs");

    let (job, config) = applied(&plane);
    let input = dir.join("input");
    mount(&config, &job, &input);
    for index in 0..SHARDS {
        // What a kubelet puts into the container.
        let arguments: Vec<String> = strings(&job["spec"]["template"]["spec"]["containers"][0]["args"])
            .map(|text| {
                text.replace("$(JOB_COMPLETION_INDEX)", &index.to_string())
                    .replace("/input", path(&input))
                    .replace("/results", path(&dir.join("results")))
            })
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        succeeds(&scaletwin(&arguments).output().expect("scaletwin runs"));
    }
    complete(&plane, &job);
    let said = waits.wait_with_output().expect("it ends");
    succeeds(&said);
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(told.contains("scaletwin sweep merge"), "{told}");

    let (whole, merged) = (dir.join("whole"), dir.join("merged"));
    let one = scaletwin(&["sweep", path(&file), "--out", path(&whole)]).output();
    succeeds(&one.expect("scaletwin runs"));
    let together = [
        "sweep",
        "merge",
        path(&file),
        "s3://sweeps/here",
        "--out",
        path(&merged),
    ];
    succeeds(&scaletwin(&together).output().expect("scaletwin runs"));
    let files = |dir: &Path| -> SortedMap<OsString, Vec<u8>> {
        let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let files = all.filter(|entry| entry.path().is_file());
        // Its lines come in the order in which runs end.
        let files = files.filter(|entry| entry.file_name() != "journal.txt");
        files
            .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
            .collect()
    };
    let (whole, merged) = (files(&whole), files(&merged));
    assert!(whole.contains_key(OsStr::new("results.csv")));
    assert!(
        whole.keys().eq(merged.keys()),
        "{:?}, {:?}",
        whole.keys(),
        merged.keys()
    );
    for (name, bytes) in &whole {
        assert!(*bytes == merged[name], "{name:?} differs");
    }
}

/// The sweep's file, and its scenario where its path leads.
fn sweep_file(dir: &Path) -> PathBuf {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/php-apache");
    std::os::unix::fs::symlink(scenario, dir.join("php-apache")).unwrap();
    let file = dir.join("sweeps/small.toml");
    fs::create_dir_all(dir.join("sweeps")).unwrap();
    fs::write(&file, SWEEP).unwrap();
    file
}

/// An empty bucket.
fn bucket(moto: &Moto) {
    let made = Command::new("curl")
        .args(["--silent", "--fail", "--request", "PUT"])
        .arg(format!("{}/sweeps", moto.url()))
        .status();
    assert!(made.is_ok_and(|status| status.success()), "the bucket is made");
}

/// The Job and its ConfigMap, as soon as the API server has them.
fn applied(plane: &ControlPlane) -> (Value, Value) {
    let began = Instant::now();
    loop {
        let jobs = plane.list("batch/v1", "Job", "default");
        if let Some(job) = jobs.into_iter().next() {
            let name = &job["metadata"]["name"];
            let configs = plane.list("v1", "ConfigMap", "default");
            let config = configs
                .into_iter()
                .find(|config| config["metadata"]["name"] == *name);
            return (
                job.clone(),
                config.expect("the Job's files were applied before it"),
            );
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no Job was applied");
        sleep(Duration::from_millis(200));
    }
}

/// Writes the Job's volume `input` as a kubelet does.
fn mount(config: &Value, job: &Value, to: &Path) {
    let volumes = job["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    let input = volumes.iter().find(|volume| volume["name"] == "input").unwrap();
    for item in input["configMap"]["items"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let file = to.join(text(&item["path"]));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text(&config["data"][text(&item["key"])])).unwrap();
    }
}

/// Says what the Job controller says of a Job whose pods have all succeeded.
fn complete(plane: &ControlPlane, job: &Value) {
    let now = "2026-01-01T00:00:00Z";
    let condition = |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": now });
    plane.set_job_status(
        "default",
        job["metadata"]["name"].as_str().expect("a name"),
        &json!({
            "succeeded": SHARDS, "completedIndexes": format!("0-{}", SHARDS - 1),
            "startTime": now, "completionTime": now, "uncountedTerminatedPods": {},
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
        }),
    );
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().unwrap().iter().filter_map(Value::as_str)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of the test's own")
}

fn succeeds(done: &Output) {
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}");
}
