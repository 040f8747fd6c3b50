//! Cut lines, signals, kills, outages: nothing of ours is left, nothing foreign is touched, and the recording says
//! what it could not hear.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use live::recording::{Entry, Recording};

use super::control_plane::ControlPlane;
use super::prometheus::Prometheus;
use super::proxy::{Line, Proxy};
use super::scaletwin::{Run, Strangers, actions, clean, gaps, live, nothing_is_left, scenario};

/// One control plane for all that leaves it as it was.
#[test]
fn whatever_ends_a_run_it_leaves_nothing_and_touches_nobody() {
    let Some(plane) = ControlPlane::start("faults", &[]) else {
        return;
    };
    let strangers = Strangers::settle(&plane);
    a_plan_does_nothing(&plane);
    strangers.check(&plane, "a dry run");
    a_whole_run(&plane);
    strangers.check(&plane, "a whole run");
    an_object_in_the_way(&plane);
    signals(&plane, &strangers);
    a_cap(&plane);
    strangers.check(&plane, "a cap");
    a_recording(&plane);
    strangers.check(&plane, "a recording");
}

fn a_plan_does_nothing(plane: &ControlPlane) {
    let scenario = scenario(plane.dir(), 12);
    let arguments = ["run", scenario.to_str().unwrap(), "--replications=1"];
    let shown = live(&plane.admin(), &arguments)
        .arg("--dry-run")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout);
    assert_eq!(shown.status.code(), Some(0), "{text}");
    assert!(text.contains("create Deployment/live-test/web"), "{text}");
    // Without a terminal nobody can confirm.
    let refused = live(&plane.admin(), &arguments).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nobody has confirmed the plan"));
}

fn a_whole_run(plane: &ControlPlane) {
    let prometheus = Prometheus::start();
    let mut run = Run::start(
        plane,
        &plane.admin(),
        "whole",
        20,
        &["--prometheus", &prometheus.url()],
    );
    run.wait_for_recording();
    sleep(Duration::from_secs(3));
    prometheus.set_down(true);
    sleep(Duration::from_secs(5));
    prometheus.set_down(false);
    assert_eq!(run.end(), Some(0), "{}", run.said());
    let recording = run.recording();
    assert!(recording.ended);
    assert_eq!(
        actions(&recording),
        [
            "scale Deployment/live-test/clients",
            "apply Service/live-test/later",
            "delete Service/live-test/later",
        ]
    );
    let down = gaps(&recording, "prometheus");
    assert!(
        matches!(&down[..], [gap] if gap.to.is_some_and(|to| to - gap.from > 3.0)),
        "{down:?}"
    );
    let clock = recording.lines.iter().find_map(|line| match &line.entry {
        Entry::Clock(clock) => Some(clock.ahead_s),
        _ => None,
    });
    // Both clocks are one machine's.
    assert!(clock.is_some_and(|ahead| ahead.abs() < 0.5), "{clock:?}");
    let ranges = recording.lines.iter().filter(|line| match &line.entry {
        Entry::Sample(sample) => sample.series.iter().any(|series| series.points.len() > 1),
        _ => false,
    });
    assert_eq!(
        ranges.count(),
        3,
        "each of the dashboard's curves is fetched whole"
    );
}

/// What a run of a scenario of so many seconds says that is refused.
fn refused(plane: &ControlPlane, seconds: u32, flag: &str) -> String {
    let scenario = scenario(plane.dir(), seconds);
    let refused = live(
        &plane.admin(),
        &["run", scenario.to_str().unwrap(), "--yes", flag],
    )
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    text
}

/// What the scenario would make is there already: the plan says so, and nothing else happens.
fn an_object_in_the_way(plane: &ControlPlane) {
    let object = serde_json::json!({ "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "web", "namespace": "live-test" }, "spec": { "ports": [{ "port": 1 }] } });
    plane.create(&object);
    let text = refused(plane, 12, "--replications=1");
    assert!(
        text.contains("Service/live-test/web of manifests/web.yaml exists already, and is not ours"),
        "{text}"
    );
    let services = plane.list("v1", "Service", "live-test");
    let own = services
        .iter()
        .find(|service| service["metadata"]["name"] == "web")
        .unwrap();
    assert_eq!(own["spec"]["ports"][0]["port"], 1);
    plane.delete("v1", "Service", "live-test", "web");
}

/// Connections are reset, and new ones refused, for a minute.
#[test]
fn a_line_that_is_cut_for_a_minute_is_a_gap() {
    an_outage("cut", Line::Cut);
}

/// Connections stay, and nothing comes through them for a minute.
#[test]
fn a_line_that_is_silent_for_a_minute_is_a_gap() {
    an_outage("stalled", Line::Stalled);
}

fn an_outage(name: &str, line: Line) {
    let Some(plane) = ControlPlane::start(name, &[]) else {
        return;
    };
    let strangers = Strangers::settle(&plane);
    let proxy = Proxy::before(plane.port());
    let outage = Duration::from_secs(60);
    let mut run = Run::start(&plane, &plane.admin_by(proxy.port()), "run", 105, &[]);
    run.wait_for_recording();
    sleep(Duration::from_secs(10));
    proxy.set(line);
    // Something happens that cannot be heard, and is over before it can.
    plane.create(&serde_json::json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "unheard", "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": {
            "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "a", "image": "a" }] } } } }));
    sleep(outage);
    proxy.set(Line::Open);
    assert_eq!(run.end(), Some(0), "{}", run.said());
    let recording = run.recording();
    assert!(recording.ended);
    let unheard = gaps(&recording, "api");
    let [gap] = &unheard[..] else {
        panic!("expected one gap of the API, found {unheard:?}");
    };
    let to = gap.to.expect("it was heard again");
    assert!(to - gap.from >= outage.as_secs_f64(), "{gap:?}");
    assert!(to - gap.from <= outage.as_secs_f64() + 40.0, "{gap:?}");
    // A watch that resumes hears it late.
    let late = recording.lines.iter().any(|line| match &line.entry {
        Entry::Object(object) => object.name == "unheard" && line.t > gap.from,
        _ => false,
    });
    assert!(late, "what happened in between is heard afterwards");
    plane.delete("apps/v1", "Deployment", "default", "unheard");
    strangers.check(&plane, "an outage");
}

fn signals(plane: &ControlPlane, strangers: &Strangers) {
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    println!("seed {seed}");
    let mut random = u64::from(seed);
    let mut draw = move |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for (n, signal) in ["INT", "TERM", "KILL", "KILL", "KILL"].into_iter().enumerate() {
        let mut run = Run::start(plane, &plane.admin(), &format!("signal-{n}"), 40, &[]);
        // From before the first object is made to the middle of the run.
        let moment = Duration::from_millis(draw(9000) + 500);
        println!("SIG{signal} after {moment:?}");
        sleep(moment);
        run.signal(signal);
        let status = run.end();
        if signal == "KILL" {
            let journal = run.dir.join("journal.jsonl");
            if journal.exists() {
                let cleaned = clean(&plane.admin(), &run.dir);
                let said = String::from_utf8_lossy(&cleaned.stdout).into_owned();
                assert_eq!(cleaned.status.code(), Some(0), "{said}");
                // Once more changes nothing.
                let again = clean(&plane.admin(), &run.dir);
                assert!(String::from_utf8_lossy(&again.stdout).contains("nothing is left"));
            }
        } else {
            // Before the recorder listens to signals, it dies of them and has made nothing.
            assert!(matches!(status, Some(1) | None), "{status:?}: {}", run.said());
        }
        strangers.check(plane, &format!("SIG{signal} after {moment:?}"));
        if run.dir.join("recording.jsonl").exists() {
            let recording = Recording::read(&run.dir).unwrap();
            assert_eq!(recording.ended, signal != "KILL");
        }
    }
    nothing_is_left(live(&plane.admin(), &["clean"]));
}

fn a_cap(plane: &ControlPlane) {
    // It begins to count before time zero, and so it ends before the scenario does.
    let mut run = Run::start(plane, &plane.admin(), "cap", 15, &["--max-duration=15s"]);
    assert_eq!(run.end(), Some(1), "{}", run.said());
    assert!(
        run.said().contains("cap reached: 15 s, the --max-duration"),
        "{}",
        run.said()
    );
    let text = refused(plane, 40, "--max-duration=5s");
    assert!(
        text.contains("the scenario takes 00:40, above --max-duration"),
        "{text}"
    );
}

fn a_recording(plane: &ControlPlane) {
    let out = plane.dir().join("recorded");
    let to = format!("--out={}", out.display());
    let done = live(&plane.admin(), &["record", "--duration=8s", &to])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}");
    let recording = Recording::read(&out).unwrap();
    assert!(recording.ended && actions(&recording).is_empty());
    let heard = recording.lines.iter().any(|line| match &line.entry {
        Entry::Object(object) => object.kind == "Deployment" && object.name == "theirs",
        _ => false,
    });
    assert!(heard);
}

/// A restarted API server has forgotten the past: watches begin anew.
#[test]
fn a_restarted_api_server_is_heard_again() {
    let Some(mut plane) = ControlPlane::start("restart", &[]) else {
        return;
    };
    let strangers = Strangers::settle(&plane);
    let mut run = Run::start(&plane, &plane.admin(), "restarted", 60, &[]);
    run.wait_for_recording();
    sleep(Duration::from_secs(10));
    plane.restart_api();
    assert_eq!(run.end(), Some(0), "{}", run.said());
    let recording = run.recording();
    assert!(recording.ended);
    let closed = gaps(&recording, "api");
    assert!(closed.iter().any(|gap| gap.to.is_some()), "{closed:?}");
    let anew = recording
        .gaps()
        .into_iter()
        .any(|gap| gap.source.starts_with("api/") && gap.to.is_some());
    assert!(anew, "{:?}", recording.gaps());
    strangers.check(&plane, "a restart");
}

/// The token ends in the middle of a run, and a new one comes.
#[test]
fn a_token_that_ends_is_a_gap() {
    let Some(plane) = ControlPlane::start("token", &[]) else {
        return;
    };
    let strangers = Strangers::settle(&plane);
    super::roles::grant(&plane);
    let file = plane.dir().join("token");
    let write = |expires| std::fs::write(&file, plane.token("scaletwin", "scaletwin-live", expires)).unwrap();
    // The API server allows a minute more, and remembers tokens for ten seconds.
    write(-35);
    let user = format!("tokenFile: '{}'", file.display());
    let kubeconfig = plane.kubeconfig("token", plane.port(), &user);
    let mut run = Run::start(&plane, &kubeconfig, "token-run", 130, &[]);
    run.wait_for_recording();
    sleep(Duration::from_secs(45));
    write(3600);
    assert_eq!(run.end(), Some(0), "{}", run.said());
    let recording = run.recording();
    let refused = gaps(&recording, "api");
    assert!(
        refused
            .iter()
            .any(|gap| gap.to.is_some() && gap.reason.contains("401")),
        "{refused:?}"
    );
    strangers.check(&plane, "a token's end");
}
