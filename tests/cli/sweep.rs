//! Sweeps: the same bytes however they are run, and clear words where they cannot be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sim::SortedMap;

use super::{Said, directory, path, repository, scaletwin};

/// Two axes that matter a little within minutes, one that has no effect, and a race.
const SMALL: &str = "
replications = 6
objectives = ['cost', 'pending']
set = ['duration = \"9m\"']
[race]
first = 3
confidence = 0.7
[[axis]]
name = 'threshold'
field = 'ScaledObject/keda-prometheus-hpa: spec.triggers[0].metadata.threshold'
values = [1, 2, 4]
[[axis]]
name = 'replicas'
field = 'start.replicas.\"hpa-example/php-apache\"'
values = [2, 39]
[[axis]]
name = 'cooldown'
field = 'ScaledObject/keda-prometheus-hpa: spec.cooldownPeriod'
values = [30, 300]
";

/// A sweep over php-apache in a directory of its own.
pub(super) fn file(name: &str, text: &str) -> PathBuf {
    let dir = directory(name);
    let scenario = repository().join("scenarios/php-apache");
    let file = dir.join("small.toml");
    fs::write(
        &file,
        format!("name = 'small'\nscenario = '{}'\n{text}", scenario.display()),
    )
    .expect("writes");
    file
}

pub(super) fn sweep(file: &Path, out: &Path, more: &[&str]) -> Said {
    let mut args = vec!["sweep", path(file), "--out", path(out)];
    args.extend(more);
    scaletwin(&args)
}

/// All files of a directory but the journal, whose lines come in the order in which runs end.
fn results(dir: &Path) -> SortedMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir)
        .expect("lists")
        .map(|entry| entry.expect("lists"));
    entries
        .filter(|entry| entry.path().is_file() && entry.file_name() != "journal.txt")
        .map(|entry| {
            (
                entry.file_name().into_string().expect("a name"),
                fs::read(entry.path()).expect("reads"),
            )
        })
        .collect()
}

fn assert_same(one: &Path, two: &Path, what: &str) {
    let (one, two) = (results(one), results(two));
    let names = |files: &SortedMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&two), "{what}");
    for (name, bytes) in &one {
        assert!(two[name] == *bytes, "{what}: {name} differs");
    }
}

#[test]
fn killed_ten_times_and_resumed_the_bytes_are_the_same() {
    let file = file("sweep-killed", SMALL);
    let dir = file.parent().expect("a directory").to_owned();
    let (whole, killed) = (dir.join("whole"), dir.join("killed"));
    let said = sweep(&file, &whole, &[]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let lines =
        |out: &Path| fs::read_to_string(out.join("journal.txt")).map_or(0, |text| text.lines().count());
    let all = lines(&whole);
    // Moments are drawn by the clock: what is tested is that none of them matters.
    let mut luck = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .subsec_nanos() as usize
        | 1;
    let mut interrupted = 0;
    for kill in 0..10 {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // After so many lines more, and some milliseconds, so that a line may be half-written.
        let until = lines(&killed) + 1 + luck / 1024 % (all / 12).max(1);
        let mut child = Command::new(env!("CARGO_BIN_EXE_scaletwin"))
            .args([
                "sweep",
                path(&file),
                "--out",
                path(&killed),
                "--resume",
                "--no-plots",
            ])
            .current_dir(repository())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        while lines(&killed) < until && child.try_wait().expect("is known").is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_micros((luck % 5000) as u64));
        child.kill().expect("can be killed");
        let status = child.wait().expect("ends");
        interrupted += usize::from(!status.success());
        assert!(lines(&killed) <= all, "kill {kill}: nothing is run twice");
    }
    assert!(
        interrupted >= 5,
        "only {interrupted} of 10 were killed before their end"
    );
    let said = sweep(&file, &killed, &["--resume"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_same(&whole, &killed, "killed ten times");
    assert_eq!(lines(&killed), all, "every run is kept once");
}

#[test]
fn one_thread_two_threads_and_four_shards_give_the_same_bytes() {
    let file = file("sweep-same", SMALL);
    let dir = file.parent().expect("a directory").to_owned();
    let run = |name: &str, more: &[&str]| {
        let out = dir.join(name);
        let said = sweep(&file, &out, more);
        assert_eq!(said.status, 0, "{name}: {}", said.stderr);
        out
    };
    let one = run("one", &["--threads", "1"]);
    let two = run("two", &["--threads", "2"]);
    assert!(results(&one).len() > 4, "there are results and figures");
    assert_same(&one, &two, "one and two threads");

    let shards: Vec<PathBuf> = (0..4)
        .map(|index| run(&format!("shard{index}"), &["--shard", &format!("{index}/4")]))
        .collect();
    let merged = dir.join("merged");
    let mut args = vec!["sweep", "merge", path(&file)];
    args.extend(shards.iter().map(|shard| path(shard)));
    args.extend(["--out", path(&merged)]);
    let said = scaletwin(&args);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_same(&one, &merged, "four shards merged");

    // A shard is missing: said, and nothing written.
    let none = dir.join("none");
    let said = scaletwin(&[
        "sweep",
        "merge",
        path(&file),
        path(&shards[1]),
        "--out",
        path(&none),
    ]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("not complete") && said.stderr.contains("all shards"),
        "{}",
        said.stderr
    );
    assert!(results(&none).is_empty());
    // Shards of an object store need a build that knows some; a directory of that name is not looked for.
    let said = scaletwin(&[
        "sweep",
        "merge",
        path(&file),
        "nowhere://bucket",
        "--out",
        path(&none),
    ]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("object store") && !said.stderr.contains("journal"),
        "{}",
        said.stderr
    );
}

#[test]
fn the_answer_says_what_has_no_effect_and_why() {
    let file = file("sweep-answer", SMALL);
    let out = file.parent().expect("a directory").join("out");
    let said = sweep(&file, &out, &[]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let figure = fs::read_to_string(out.join("effects.svg")).expect("reads");
    assert!(
        figure.contains("12 configurations (grid), 3–6 seeds each")
            && figure.contains("from the 3 seeds that all have"),
        "what was stopped early has fewer seeds"
    );
    for expected in [
        "3–6 seeds each",
        "Pareto front",
        "now",
        "no effect",
        "cooldown: the same results to the last digit",
        "[K001]",
        "next",
    ] {
        assert!(
            said.stdout.contains(expected),
            "expected {expected:?} in\n{}",
            said.stdout
        );
    }
    assert!(
        said.stderr.contains("12 configurations (grid), seeds 1 to 6"),
        "{}",
        said.stderr
    );
    let header = fs::read_to_string(out.join("results.csv")).expect("reads");
    assert!(
        header.starts_with("configuration,fate,seed,threshold,replicas,cooldown,cost,"),
        "{header}"
    );

    let said = scaletwin(&["recommend", path(&file), "--results", path(&out), "--seeds", "3"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    for expected in [
        "recommended",
        "saves",
        "fresh seeds",
        "kubectl patch scaledobject keda-prometheus-hpa --namespace hpa-example",
        "+++ b/manifests/scaled-object.yaml",
    ] {
        assert!(
            said.stdout.contains(expected),
            "expected {expected:?} in\n{}",
            said.stdout
        );
    }
    assert!(
        !said.stdout.contains("cooldownPeriod\",\"value"),
        "what has no effect is left alone"
    );
    let json = scaletwin(&[
        "recommend",
        path(&file),
        "--results",
        path(&out),
        "--seeds",
        "3",
        "--format",
        "json",
    ]);
    let value: serde_json::Value = serde_json::from_str(&json.stdout).expect("is JSON");
    assert_eq!(value["type"], "recommendation");
    assert!(value["data"]["differences"]["cost"]["low"].is_number(), "{value}");
}

/// A sweep that cannot be, and what must be said of it.
fn check(name: &str, text: &str, more: &[&str], expected: &[&str]) {
    let file = file(&format!("sweep-bad-{name}"), text);
    let out = file.parent().expect("a directory").join("out");
    let said = sweep(&file, &out, more);
    assert_eq!(said.status, 2, "{name}: {}", said.stderr);
    assert_eq!(said.stdout, "", "{name}: nothing is data");
    assert!(!out.exists(), "{name}: nothing is left behind");
    for expected in expected {
        assert!(
            said.stderr.contains(expected),
            "{name}: expected {expected:?} in\n{}",
            said.stderr
        );
    }
}

fn axis(field: &str, values: &str) -> String {
    format!("[[axis]]\nname = 'a'\nfield = '{field}'\nvalues = {values}\n")
}

#[test]
fn axes_that_are_none_are_told_with_their_place() {
    let scaled = "ScaledObject/keda-prometheus-hpa: spec";
    check(
        "field",
        &axis(&format!("{scaled}.triggers[0].metadata.treshold"), "[1]"),
        &[],
        &["small.toml:3:", "did you mean \"threshold\"?"],
    );
    check(
        "object",
        &axis("ScaledObject/keda: spec.cooldownPeriod", "[1]"),
        &[],
        &["small.toml:3:", "there is no object \"ScaledObject/keda\""],
    );
    // The second of two fields.
    check(
        "second",
        &format!(
            "[[axis]]\nname = 'a'\nfield = ['Deployment/php-apache: spec.template.spec.containers[0].resources.limits.cpu', '{scaled}.cooldownPeriod']\nvalues = [2.5]\n"
        ),
        &[],
        &[
            "expected a whole number",
            "`scaletwin check --fields ScaledObject` lists",
        ],
    );
    check(
        "scenario-field",
        &axis("stak.keda", "['2.12']"),
        &[],
        &["unknown field \"stak\"", "did you mean \"stack\"?"],
    );
    check(
        "type",
        &axis(&format!("{scaled}.cooldownPeriod"), "['soon']"),
        &[],
        &["axis a: the value soon", "expected a whole number"],
    );
    check(
        "empty",
        &axis("service.concurrency", "[]"),
        &[],
        &["the grid is empty"],
    );
    let wide = |name: &str| {
        format!("[[axis]]\nname = '{name}'\nfield = '{name}'\nfrom = 1\nto = 1000\nsteps = 1000\n")
    };
    let wide = ["a", "b", "c"].map(wide).concat();
    check(
        "billion",
        &wide,
        &[],
        &["1,000,000,000 configurations", "budget = 500"],
    );
    check(
        "constraint",
        &format!(
            "constraints = ['latency <= 1s']\n{}",
            axis("service.concurrency", "[1]")
        ),
        &[],
        &["small.toml:3:", "no measure \"latency\""],
    );
}

#[test]
fn what_cannot_be_compared_or_kept_is_no_answer() {
    let axis = axis(
        "ScaledObject/keda-prometheus-hpa: spec.cooldownPeriod",
        "[30, 300]",
    );
    let head = "replications = 1\nset = ['duration = \"6m\"']\n";
    let text = |more: &str| format!("{head}{more}\n{axis}");
    let end = |name: &str, more: &str| {
        let file = file(name, &text(more));
        let out = file.parent().expect("a directory").join("out");
        sweep(&file, &out, &["--no-plots"])
    };
    // Nothing rises in six minutes: there is no way to capacity.
    let said = end("sweep-valueless", "objectives = ['cost', 'time_to_capacity']");
    assert_eq!(said.status, 1, "{}", said.stderr);
    for expected in [
        "time_to_capacity in 3 of 3 configurations",
        "has no value in any configuration",
    ] {
        assert!(said.stdout.contains(expected), "{}", said.stdout);
    }
    let said = end(
        "sweep-broken",
        "objectives = ['cost']\nconstraints = ['served >= 1000000000']",
    );
    assert_eq!(said.status, 1, "{}", said.stderr);
    let expected =
        "no configuration keeps to the constraints; nearest to them is the scenario as it is, which misses";
    assert!(said.stdout.contains(expected), "{}", said.stdout);
    // A new warning of a value is told of its axis.
    let file = file(
        "sweep-newer",
        &format!(
            "replications = 1\nset = ['duration = \"6m\"']\nobjectives = ['cost']\n{}",
            self::axis("stack.kubernetes", "['1.28', '1.99']")
        ),
    );
    let out = file.parent().expect("a directory").join("out");
    let said = sweep(&file, &out, &["--no-plots"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stderr.contains("axis a: the value 1.99: ") && said.stderr.contains("W007"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("the value 1.28"), "{}", said.stderr);
}

#[test]
fn values_that_are_refused_are_told_first_and_stand_in_the_heatmap() {
    let scaled = "ScaledObject/keda-prometheus-hpa: spec";
    let axis = |name: &str, field: &str, values: &str| {
        format!("[[axis]]\nname = '{name}'\nfield = '{scaled}.{field}'\nvalues = {values}\n")
    };
    let text = |cooldowns: &str| {
        let head = "replications = 1\nobjectives = ['cost', 'pending']\nset = ['duration = \"9m\"']\n";
        let axes = [
            axis("cooldown", "cooldownPeriod", cooldowns),
            // 60 is too much for the first of the next axis, and for no other.
            axis("least", "minReplicaCount", "[1, 60]"),
            axis("most", "maxReplicaCount", "[50, 100]"),
        ];
        format!(
            "{head}{}[[heatmap]]\nx = 'cooldown'\ny = 'least'\nof = 'cost'\n",
            axes.concat()
        )
    };
    let some = file("sweep-refused", &text("[-5, 300]"));
    let out = some.parent().expect("a directory").join("out");
    let said = sweep(&some, &out, &[]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let told: Vec<&str> = said
        .stderr
        .lines()
        .filter(|line| line.contains("makes no scenario"))
        .collect();
    assert_eq!(told.len(), 1, "{}", said.stderr);
    assert!(
        told[0].contains("the value -5 makes no scenario, whatever else is set: ScaledObject/keda-prometheus-hpa: spec.cooldownPeriod"),
        "{}",
        told[0]
    );
    assert!(said.stderr.contains("small.toml:6:"), "{}", said.stderr);
    assert!(said.stdout.contains("5 make no scenario"), "{}", said.stdout);
    let figure = fs::read_to_string(out.join("heatmap.svg")).expect("reads");
    assert_eq!(
        figure.matches("\nrefused\n").count(),
        2,
        "a cell for each other value"
    );

    let none = file("sweep-all-refused", &text("[-5, -6]"));
    let out = none.parent().expect("a directory").join("out");
    let said = sweep(&none, &out, &[]);
    assert_eq!((said.status, &*said.stdout), (2, ""), "{}", said.stderr);
    assert!(
        said.stderr
            .contains("every configuration is refused; the first: "),
        "{}",
        said.stderr
    );
    assert!(!out.join("results.csv").exists(), "there are none");
}

#[test]
fn shards_and_options_out_of_range_are_told() {
    let good = axis("service.concurrency", "[1, 2]");
    check(
        "shard",
        &good,
        &["--shard", "4/4"],
        &["there is no shard 4 of 4", "0 to 3"],
    );
    check("shard-words", &good, &["--shard", "first"], &["expected I/N"]);
    check(
        "threads",
        &good,
        &["--threads", "0"],
        &["expected a number from 1"],
    );
    check(
        "heatmap",
        &good,
        &["--heatmap", "a,b,cost"],
        &["there is no axis \"b\""],
    );
    check(
        "heatmap-line",
        &good,
        &["--heatmap", "a,a,cost"],
        &["two different axes"],
    );
    check(
        "nowhere",
        &good,
        &["--on-cluster"],
        &["nowhere to put their results", "--claim"],
    );
    let optimizer = format!("[design]\nkind = 'optimize'\nbudget = 10\n{good}");
    check(
        "optimizer",
        &optimizer,
        &["--on-cluster", "--claim", "c"],
        &["cannot be split"],
    );
}

#[test]
fn results_of_another_sweep_are_left_alone() {
    let file = file(
        "sweep-other",
        &format!(
            "replications = 2\nset = ['duration = \"6m\"']\nobjectives = ['cost']\n{}",
            axis("start.settled", "[true]")
        ),
    );
    let out = file.parent().expect("a directory").join("out");
    assert_eq!(sweep(&file, &out, &["--no-plots"]).status, 0);
    let before = fs::read(out.join("journal.txt")).expect("reads");

    let said = sweep(&file, &out, &["--no-plots"]);
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("4 runs of this sweep already") && said.stderr.contains("--resume"),
        "{}",
        said.stderr
    );

    let text = fs::read_to_string(&file).expect("reads");
    fs::write(&file, text.replace("[true]", "[false]")).expect("writes");
    for more in [&["--resume", "--no-plots"][..], &["--no-plots"]] {
        let said = sweep(&file, &out, more);
        assert_eq!(said.status, 2);
        assert!(
            said.stderr.contains("is of another sweep") && said.stderr.contains("--restart"),
            "{}",
            said.stderr
        );
    }
    assert_eq!(fs::read(out.join("journal.txt")).expect("reads"), before);
    let said = scaletwin(&["recommend", path(&file), "--results", path(&out)]);
    assert_eq!(said.status, 2);
    assert!(said.stderr.contains("is of another sweep"), "{}", said.stderr);
    let none = out.join("none");
    let said = scaletwin(&["recommend", path(&file), "--results", path(&none)]);
    assert!(
        said.stderr.contains("has no results of a sweep"),
        "{}",
        said.stderr
    );
    assert_eq!(sweep(&file, &out, &["--restart", "--no-plots"]).status, 0);
}

#[test]
fn a_job_for_a_cluster_is_printed() {
    let sweeps = "scenarios/sweeps/threshold-cooldown.toml";
    let said = scaletwin(&[
        "sweep",
        sweeps,
        "--on-cluster",
        "--dry-run",
        "--shards",
        "3",
        "--claim",
        "results",
    ]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let documents: Vec<serde_json::Value> = said
        .stdout
        .split("---\n")
        .skip(1)
        .map(|text| serde_json::from_str(text).expect("is JSON"))
        .collect();
    let kinds: Vec<&str> = documents.iter().filter_map(|own| own["kind"].as_str()).collect();
    assert_eq!(kinds, ["ConfigMap", "Job"]);
    assert_eq!(documents[1]["spec"]["completions"], 3);
    // What lies in the pod is the same sweep: its shards would merge with those of this machine.
    let dir = directory("sweep-pod");
    let items = documents[1]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["items"]
        .as_array()
        .expect("items")
        .clone();
    for item in &items {
        let target = dir.join(item["path"].as_str().expect("a path"));
        fs::create_dir_all(target.parent().expect("a directory")).expect("can be made");
        let text = documents[0]["data"][item["key"].as_str().expect("a key")]
            .as_str()
            .expect("a text");
        fs::write(target, text).expect("writes");
    }
    let again = scaletwin(&[
        "sweep",
        path(&dir.join("sweep/sweep.toml")),
        "--on-cluster",
        "--dry-run",
        "--claim",
        "results",
        "--shards",
        "3",
    ]);
    assert_eq!(again.stdout, said.stdout, "{}", again.stderr);
}
