//! The command itself, and the scenario it is put through.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use live::recording::{Entry, Gap, Recording};
use serde_json::{Value, json};

use super::control_plane::ControlPlane;

/// The scenario's namespace. It is made beforehand: nobody here could take it away.
pub(crate) const NAMESPACE: &str = "live-test";

/// A command of `scaletwin live` to the cluster of the tests.
pub(crate) fn live(kubeconfig: &Path, arguments: &[&str]) -> Command {
    live_in("test", kubeconfig, arguments)
}

/// A command of `scaletwin live` to a context.
pub(crate) fn live_in(context: &str, kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scaletwin"));
    let (verb, rest) = arguments.split_first().expect("a verb");
    command.args(["live", verb]).args(rest);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--context", context]);
    command.stdin(Stdio::null());
    command
}

/// A run that goes on.
pub(crate) struct Run {
    child: Child,
    pub(crate) dir: PathBuf,
    log: PathBuf,
}

impl Run {
    /// Starts one, of so many seconds.
    pub(crate) fn start(
        plane: &ControlPlane,
        kubeconfig: &Path,
        name: &str,
        seconds: u32,
        more: &[&str],
    ) -> Self {
        let scenario = scenario(plane.dir(), seconds);
        let mut command = live(kubeconfig, &["run", scenario.to_str().unwrap()]);
        command.args(more);
        Run::spawn(command, plane.dir(), name)
    }

    /// Starts one by a command of `live run`: its files and its log go into `dir`.
    pub(crate) fn spawn(mut command: Command, dir: &Path, name: &str) -> Self {
        let log = dir.join(format!("{name}.log"));
        let dir = dir.join(name);
        let output = fs::File::create(&log).unwrap();
        let child = command
            .args(["--yes", "--replications=1", "--poll=1s", "--out"])
            .arg(&dir)
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("scaletwin runs");
        Run { child, dir, log }
    }

    /// Waits until the recording has begun.
    pub(crate) fn wait_for_recording(&mut self) {
        let began = Instant::now();
        while !self.dir.join("recording.jsonl").exists() {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "it ended: {}",
                self.said()
            );
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "no recording: {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal: `INT`, `TERM`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Waits for its end: its exit status, if it has one.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn recording(&self) -> Recording {
        Recording::read(&self.dir).unwrap_or_else(|error| panic!("{error}\n{}", self.said()))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A copy of the scenario below `dir` that lasts so many seconds.
pub(crate) fn scenario(dir: &Path, seconds: u32) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/live/scenario");
    let to = dir.join(format!("scenario-{seconds}"));
    fs::create_dir_all(to.join("manifests")).unwrap();
    for file in ["manifests/web.yaml", "manifests/later.yaml"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let text = fs::read_to_string(from.join("scenario.toml")).unwrap();
    let text = text.replace("duration = \"20s\"", &format!("duration = \"{seconds}s\""));
    fs::write(to.join("scenario.toml"), text).unwrap();
    to
}

/// Objects of somebody else in the scenario's namespace, and how they were.
pub(crate) struct Strangers(Vec<Value>);

impl Strangers {
    pub(crate) fn settle(plane: &ControlPlane) -> Self {
        plane.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }));
        plane.create(&json!({ "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "theirs", "namespace": NAMESPACE, "labels": { "scaletwin.dev/run": "r-theirs" } },
            "spec": { "ports": [{ "port": 80 }] } }));
        plane.create(&json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "theirs", "namespace": NAMESPACE },
            "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": {
                "metadata": { "labels": { "a": "b" } },
                "spec": { "containers": [{ "name": "a", "image": "a" }] } } } }));
        Strangers(everything(plane))
    }

    /// Nothing of ours is left, and they are as they were.
    pub(crate) fn check(&self, plane: &ControlPlane, after: &str) {
        let now = everything(plane);
        let names = |all: &[Value]| -> Vec<String> {
            all.iter()
                .map(|object| {
                    format!(
                        "{} {}",
                        object["metadata"]["name"], object["metadata"]["resourceVersion"]
                    )
                })
                .collect()
        };
        assert_eq!(names(&now), names(&self.0), "after {after}");
    }
}

fn everything(plane: &ControlPlane) -> Vec<Value> {
    [
        ("v1", "Service"),
        ("apps/v1", "Deployment"),
        ("networking.k8s.io/v1", "Ingress"),
        ("v1", "ConfigMap"),
    ]
    .into_iter()
    .flat_map(|(api_version, kind)| plane.list(api_version, kind, NAMESPACE))
    .collect()
}

/// `scaletwin live clean` of a run's directory.
pub(crate) fn clean(kubeconfig: &Path, run: &Path) -> Output {
    live(kubeconfig, &["clean", run.to_str().unwrap()])
        .output()
        .expect("scaletwin runs")
}

/// A `scaletwin live clean` without a name finds no run of which something is left.
pub(crate) fn nothing_is_left(mut clean: Command) {
    let left = clean.output().expect("scaletwin runs");
    assert_eq!(
        String::from_utf8_lossy(&left.stdout),
        "nothing is left of any run\n"
    );
}

/// The gaps of a source, as they ended.
pub(crate) fn gaps(recording: &Recording, source: &str) -> Vec<Gap> {
    recording
        .gaps()
        .into_iter()
        .filter(|gap| gap.source == source)
        .collect()
}

/// The actions that were done, with how they went.
pub(crate) fn actions(recording: &Recording) -> Vec<String> {
    let told = |entry: &Entry| match entry {
        Entry::Action(action) => Some(format!(
            "{} {}{}",
            action.verb,
            action.object,
            if action.error.is_some() { " failed" } else { "" }
        )),
        _ => None,
    };
    recording
        .lines
        .iter()
        .filter_map(|line| told(&line.entry))
        .collect()
}
