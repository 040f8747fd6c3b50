//! An API server that has more to do than it takes.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::spawn;

use super::control_plane::ControlPlane;
use super::roles::{grant, kubeconfig};
use super::scaletwin::{Run, Strangers};

/// Others keep it busy; what it refuses is asked again.
#[test]
fn a_server_that_says_429_is_asked_again() {
    let flags = [
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=2",
        "--max-mutating-requests-inflight=1",
    ];
    let Some(plane) = ControlPlane::start("throttled", &flags) else {
        return;
    };
    let strangers = Strangers::settle(&plane);
    grant(&plane);
    // Members of system:masters are never refused.
    let kubeconfig = kubeconfig(&plane);
    let token = plane.token("scaletwin", "scaletwin-live", 3600);
    let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut run = Run::start(&plane, &kubeconfig, "throttled-run", 30, &[]);
    run.wait_for_recording();
    let others: Vec<_> = (0..6)
        .map(|_| {
            let (stop, refused, token) = (stop.clone(), refused.clone(), token.clone());
            let url = format!("https://127.0.0.1:{}/api/v1/pods", plane.port());
            spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let asked = Command::new("curl")
                        .args(["-sk", "-o", "/dev/null", "-w", "%{http_code}", "-H"])
                        .args([format!("Authorization: Bearer {token}"), url.clone()])
                        .output();
                    if asked.is_ok_and(|output| output.stdout == b"429") {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let status = run.end();
    stop.store(true, Ordering::SeqCst);
    others.into_iter().for_each(|other| other.join().unwrap());
    println!(
        "{} requests of others were refused",
        refused.load(Ordering::SeqCst)
    );
    assert_eq!(status, Some(0), "{}", run.said());
    assert!(run.recording().ended);
    strangers.check(&plane, "a busy server");
}
