//! One pod on one node, from its binding to its end.

use std::sync::Arc;

use sim::{Action, Agenda};

use super::*;
use crate::api::{Container, HttpProbe};
use crate::karpenter::fixture::{World, template};

/// What the API server hears of a pod that is deleted at second 300, and in which second.
fn life(edit: impl FnOnce(&mut crate::api::PodSpec)) -> Vec<(u64, Output)> {
    life_as(edit, None)
}

/// The same of a pod whose controller's lifecycle is told.
fn life_as(edit: impl FnOnce(&mut crate::api::PodSpec), lifecycle: Option<Lifecycle>) -> Vec<(u64, Output)> {
    life_until(edit, lifecycle, None)
}

/// The same of a pod whose machine ends.
fn life_until(
    edit: impl FnOnce(&mut crate::api::PodSpec),
    lifecycle: Option<Lifecycle>,
    down: Option<Instant>,
) -> Vec<(u64, Output)> {
    let mut world = World::new(&[4]);
    let claim = world.add_node(4, "spot");
    let node = world.node_of(claim);
    let mut template = template(100, "web");
    template.spec.termination_grace = Duration::from_secs(30);
    edit(&mut template.spec);
    let owner = Owner::DaemonSet(DaemonSetId(0));
    let pod = world.add_pod_like(Some(claim), Arc::new(template), owner);
    let config = Config {
        sandbox: Distribution::Constant(1.0),
        container_start: Distribution::Constant(0.1),
        ..Config::default()
    };
    let mut kubelets = Kubelets::new(config, Streams::new(1));
    let mut agenda = Agenda::new();
    for input in [Input::NodeUp(node), Input::NetworkReady(node)] {
        agenda.now_at(input);
    }
    // The kubelet is older than any period of a probe.
    agenda.at(Instant::from_secs(100), Input::Bound(pod));
    agenda.at(Instant::from_secs(300), Input::Deleted(pod));
    if let Some(at) = down {
        agenda.at(at, Input::NodeDown(node));
    }
    let mut heard = Vec::new();
    while let Some((now, input)) = agenda.pop() {
        if let Input::Deleted(_) = input {
            let at = Deletion {
                at: now,
                grace: Duration::from_secs(30),
            };
            world.api.pods.get_mut(pod).unwrap().deletion = Some(at);
        }
        let mut out = Outbox::new();
        let mut lifecycles = Lifecycles::default();
        if let Some(own) = &lifecycle {
            lifecycles.daemon_sets.insert(DaemonSetId(0), own.clone());
        }
        let view = View {
            api: &world.api,
            lifecycles: &lifecycles,
        };
        kubelets.handle(now, input, view, &mut out);
        for action in out.drain() {
            match action {
                Action::WakeAt(at, input) => agenda.at(at, input),
                Action::Emit(Output::ImagePresent(..)) => {}
                Action::Emit(output) => heard.push((now.as_secs(), output)),
            }
        }
    }
    heard
}

// (kubernetes 1.35 pkg/kubelet/status/status_manager.go `updateStatusInternal`)
#[test]
fn the_kubelet_takes_a_pod_before_anything_of_it_runs() {
    let heard = life(|_| {});
    assert_eq!(
        second(&heard, |output| matches!(output, Output::PodAccepted(_))),
        100
    );
    assert!(second(&heard, |output| matches!(output, Output::PodRunning(..))) > 101);
}

#[test]
fn init_containers_run_one_after_another_before_the_application() {
    let init = |seconds: u64| Container {
        sleeps: Some(Duration::from_secs(seconds)),
        ..Container::default()
    };
    let running = |of: &dyn Fn(&mut crate::api::PodSpec), told: Option<f64>| {
        let lifecycles = told.map(|seconds| Lifecycle {
            init: Some(Distribution::Constant(seconds)),
            startup: Distribution::Constant(0.0),
            shutdown: None,
            device_plugin: false,
            startup_taint: None,
        });
        second(&life_as(of, lifecycles), |output| {
            matches!(output, Output::PodRunning(..))
        })
    };
    let none = running(&|_| {}, None);
    // Each end is seen within a second.
    let both = running(&|spec| spec.init_containers = vec![init(30), init(20)], None);
    assert!((none + 50..=none + 53).contains(&both), "{both} after {none}");
    let told = running(&|spec| spec.init_containers = vec![init(30), init(20)], Some(7.0));
    assert!((none + 7..=none + 10).contains(&told), "{told} after {none}");
    assert_eq!(running(&|_| {}, Some(7.0)), none, "it has none");
}

fn second(heard: &[(u64, Output)], is: impl Fn(&Output) -> bool) -> u64 {
    heard.iter().find(|(_, output)| is(output)).unwrap().0
}

fn sidecar() -> Container {
    Container {
        name: "proxy".to_owned(),
        restartable: true,
        ..Container::default()
    }
}

fn slow_probe() -> Option<HttpProbe> {
    Some(HttpProbe {
        initial_delay: Duration::from_secs(60),
        period: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        success_threshold: 1,
        failure_threshold: 3,
    })
}

#[test]
fn a_sidecar_that_is_not_ready_keeps_its_pod_unready() {
    let heard = life(|spec| {
        let readiness_probe = slow_probe();
        spec.init_containers = vec![Container {
            readiness_probe,
            ..sidecar()
        }];
    });
    let running = second(&heard, |output| matches!(output, Output::PodRunning(..)));
    let ready = second(&heard, |output| matches!(output, Output::PodReady(_)));
    assert!(running < 115, "running at {running}");
    assert!((160..175).contains(&ready), "ready at {ready}");
}

#[test]
fn the_next_container_waits_for_a_sidecars_startup_probe() {
    let heard = life(|spec| {
        let startup_probe = slow_probe();
        spec.init_containers = vec![Container {
            startup_probe,
            ..sidecar()
        }];
    });
    let running = second(&heard, |output| matches!(output, Output::PodRunning(..)));
    assert!((160..175).contains(&running), "running at {running}");
}

#[test]
fn a_sidecar_outlasts_the_application() {
    let heard = life(|spec| {
        spec.init_containers = vec![Container {
            pre_stop_sleep: Duration::from_secs(20),
            ..sidecar()
        }];
    });
    let exited = second(&heard, |output| matches!(output, Output::AppExited(_)));
    let stopped = second(&heard, |output| matches!(output, Output::PodStopped(_)));
    assert_eq!((exited, stopped), (300, 320));
    let heard = life(|_| {});
    assert!(
        !heard
            .iter()
            .any(|(_, output)| matches!(output, Output::AppExited(_)))
    );
    assert_eq!(
        second(&heard, |output| matches!(output, Output::PodStopped(_))),
        300
    );
}

// (kubernetes 1.35 pkg/kubelet/kubelet.go `SyncTerminatedPod`)
#[test]
fn what_has_ended_goes_although_its_machine_ends_too() {
    let removed = |down| {
        let heard = life_until(|_| {}, None, Some(Instant::from_millis(down)));
        heard
            .iter()
            .find(|(_, output)| matches!(output, Output::RemovePod(_)))
            .map(|(second, _)| *second)
    };
    // It ends within a tenth of a second.
    assert!(matches!(removed(300_500), Some(301..=302)));
    assert_eq!(removed(300_050), None, "nobody is left to say that it has ended");
}

// (kubernetes 1.35 pkg/kubelet/nodeshutdown/nodeshutdown_manager.go `killPods`)
#[test]
fn a_machine_that_goes_down_waits_for_its_pods_and_then_for_critical_ones() {
    let mut world = World::new(&[4]);
    let claim = world.add_node(4, "spot");
    let node = world.node_of(claim);
    let mut add = |grace: u64, priority: i32| {
        let mut template = template(100, "web");
        template.spec.termination_grace = Duration::from_secs(grace);
        template.spec.priority = priority;
        // It is busy for as long as it may.
        template.spec.containers[0].pre_stop_sleep = Duration::from_secs(1000);
        world.add_pod_like(Some(claim), Arc::new(template), Owner::None)
    };
    let pods = [add(40, 0), add(600, 1000), add(600, 2_000_000_000)];
    let mut kubelets = Kubelets::new(Config::default(), Streams::new(1));
    let mut agenda = Agenda::new();
    for input in [Input::NodeUp(node), Input::NetworkReady(node)] {
        agenda.now_at(input);
    }
    for pod in pods {
        agenda.at(Instant::from_secs(100), Input::Bound(pod));
    }
    agenda.at(Instant::from_secs(300), Input::ShutDown(node));
    let mut heard = Vec::new();
    while let Some((now, input)) = agenda.pop() {
        let mut out = Outbox::new();
        let lifecycles = Lifecycles::default();
        let view = View {
            api: &world.api,
            lifecycles: &lifecycles,
        };
        kubelets.handle(now, input, view, &mut out);
        for action in out.drain() {
            match action {
                Action::WakeAt(at, input) => agenda.at(at, input),
                Action::Emit(output) if now >= Instant::from_secs(300) => heard.push((now.as_secs(), output)),
                Action::Emit(_) => {}
            }
        }
    }
    // Two seconds are left between SIGTERM and SIGKILL; these need a tenth.
    assert_eq!(
        heard,
        [
            (340, Output::PodStopped(pods[0])),
            (420, Output::PodStopped(pods[1])),
            (450, Output::PodStopped(pods[2])),
            (450, Output::NodeStopped(node)),
        ]
    );
}
