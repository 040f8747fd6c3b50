//! A recorder whose clock is wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use live::compare::{Kind, Target, recorded};
use live::recording::{Change, Entry};

use super::control_plane::ControlPlane;
use super::scaletwin::{Run, Strangers, live, scenario};

/// How far the recorder's clock is ahead, seconds.
const AHEAD: f64 = 3.0;

/// What the recorder's C library is asked for the time through: the wall clock is ahead.
const CLOCK: &str = "
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*own)(clockid_t, struct timespec *);
    if (!own) own = dlsym(RTLD_NEXT, \"clock_gettime\");
    int failed = own(clock, time);
    if (!failed && clock == CLOCK_REALTIME) time->tv_sec += AHEAD;
    return failed;
}
";

/// The clock as a library, if there is a C compiler.
fn clock(dir: &Path) -> Option<PathBuf> {
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    std::fs::write(&source, CLOCK).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg(format!("-DAHEAD={AHEAD}"))
        .arg("-ldl")
        .stderr(Stdio::null())
        .status();
    if built.is_ok_and(|status| status.success()) {
        return Some(library);
    }
    eprintln!("skipped: no cc, by which a clock could be set wrong");
    None
}

#[test]
fn a_clock_that_is_wrong_is_told_and_mended() {
    let Some(plane) = ControlPlane::start("skew", &[]) else {
        return;
    };
    let Some(library) = clock(plane.dir()) else {
        return;
    };
    let strangers = Strangers::settle(&plane);
    let scenario = scenario(plane.dir(), 30);
    let mut command = live(&plane.admin(), &["run", scenario.to_str().unwrap()]);
    command.env("LD_PRELOAD", &library);
    let mut run = Run::spawn(command, plane.dir(), "skewed");
    run.wait_for_recording();
    // Made while it is recorded: heard at once, and a second later at most by the API server's clock.
    std::thread::sleep(std::time::Duration::from_secs(12));
    let pod = |name: &str| {
        serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
            "spec": { "containers": [{ "name": "a", "image": "a" }] } })
    };
    plane.create(&pod("heard"));
    assert_eq!(run.end(), Some(0), "{}", run.said());
    plane.delete("v1", "Pod", "default", "heard");
    let mut recording = run.recording();
    assert!(recording.ended);
    let told = recording.lines.iter().find_map(|line| match &line.entry {
        Entry::Clock(clock) if clock.source == "api" => Some(clock.ahead_s),
        _ => None,
    });
    let told = told.expect("the API server's clock is told");
    assert!((told + AHEAD).abs() < 0.5, "{told}");
    // A recorder that begins later finds the pod there, and must tell its creation by the server's clock.
    let heard = recording.lines.iter_mut().find_map(|line| match &mut line.entry {
        Entry::Object(object) if object.name == "heard" => {
            object.change = Change::Listed;
            Some(line.t)
        }
        _ => None,
    });
    let heard = heard.expect("the pod was heard");
    let target = Target {
        namespace: "default".into(),
        name: "none".into(),
    };
    let lives = recorded(&recording, &target, 0.0).lives;
    let own = lives
        .iter()
        .find(|life| life.kind == Kind::Pod && life.name == "heard");
    let created = own.expect("the pod lived").created;
    assert!(
        (heard - created).abs() < 1.6,
        "heard at {heard}, created at {created}"
    );
    strangers.check(&plane, "a skewed clock");
}
