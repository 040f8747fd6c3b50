//! The controllers, one input at a time. Steps of rollouts and the choice of victims have tests of their own.

use std::sync::Arc;
use std::time::Duration;

use sim::{Action, Component, Instant, Outbox, Streams};

use super::controllers::{Config, Controllers, Input, Output};
use crate::api::{
    Api, Condition, DaemonSet, Deletion, Deployment, IntOrPercent, LabelSelector, Owner, Phase, PodTemplate,
    ReplicaSet, RollingUpdateDaemonSet, Strategy, Taint, TaintEffect,
};
use crate::id::{DaemonSetId, DeploymentId, NodeId, PodId, ReplicaSetId};
use crate::karpenter::fixture::{World, template};

/// What the controllers write on an input, and when they want to be woken.
fn hear(
    controllers: &mut Controllers,
    now: u64,
    input: Input,
    api: &Api,
) -> (Vec<Output>, Vec<(u64, Input)>) {
    let (mut written, mut alarms) = (Vec::new(), Vec::new());
    let mut out = Outbox::new();
    controllers.handle(Instant::from_secs(now), input, api, &mut out);
    for action in out.drain() {
        match action {
            Action::Emit(output) => written.push(output),
            Action::WakeAt(at, input) => alarms.push((at.as_secs(), input)),
        }
    }
    (written, alarms)
}

fn controllers() -> Controllers {
    Controllers::new(Config::default(), Streams::new(1))
}

/// A Deployment of as many pods, of which none is there yet.
fn add_deployment(world: &mut World, replicas: i32) -> (DeploymentId, ReplicaSetId) {
    let template = Arc::new(template(100, "web"));
    let deployment = world.api.deployments.insert(Deployment {
        name: "web".to_owned(),
        replicas,
        selector: LabelSelector::from_labels(&template.labels),
        strategy: Strategy::RollingUpdate {
            max_surge: IntOrPercent::Int(1),
            max_unavailable: IntOrPercent::Int(0),
        },
        min_ready: Duration::ZERO,
        template: template.clone(),
    });
    (deployment, add_set(world, deployment, replicas, template))
}

fn add_set(
    world: &mut World,
    deployment: DeploymentId,
    replicas: i32,
    template: Arc<PodTemplate>,
) -> ReplicaSetId {
    world.api.replica_sets.insert(ReplicaSet {
        name: format!("web-{}", world.api.replica_sets.next_id().0),
        deployment,
        replicas,
        desired: replicas,
        made_of: template.clone(),
        template,
        created: Instant::ZERO,
    })
}

// spec.minReadySeconds (kubernetes 1.35 pkg/api/v1/pod/util.go `IsPodAvailable`): an old pod stays until the new one has
// been ready for as long.
#[test]
fn a_rollout_waits_until_the_new_pod_has_been_ready_long_enough() {
    let mut world = World::new(&[4]);
    let (deployment, old) = add_deployment(&mut world, 1);
    let new = Arc::new(template(200, "web"));
    let object = world.api.deployments.get_mut(deployment).unwrap();
    object.min_ready = Duration::from_secs(30);
    object.template = new.clone();
    let newer = add_set(&mut world, deployment, 1, new);
    for (set, ready) in [(old, 0), (newer, 100)] {
        let template = world.api.replica_sets.get(set).unwrap().template.clone();
        let pod = world.add_pod_like(None, template, Owner::ReplicaSet(set, deployment));
        world.api.pods.get_mut(pod).unwrap().ready = Some(Condition {
            status: true,
            since: Instant::from_secs(ready),
        });
    }
    let mut controllers = controllers();
    let input = Input::Deployment(deployment);
    let waits = (vec![], vec![(130, input)]);
    assert_eq!(hear(&mut controllers, 129, input, &world.api), waits);
    let shrinks = Output::ScaleReplicaSet {
        id: old,
        replicas: 0,
        desired: 1,
    };
    assert_eq!(
        hear(&mut controllers, 130, input, &world.api),
        (vec![shrinks], vec![])
    );
}

// What is expected (kubernetes 1.35 pkg/controller/controller_utils.go `ControllerExpectations`): as many as were written must be seen
// before anything is decided anew.
#[test]
fn a_replica_set_decides_anew_when_it_has_seen_its_own_writes() {
    let mut world = World::new(&[4]);
    let (_, set) = add_deployment(&mut world, 3);
    let mut controllers = controllers();
    let mut alarms = |input| hear(&mut controllers, 0, input, &world.api).1.len();
    assert_eq!(alarms(Input::ReplicaSet(set)), 3);
    assert_eq!(alarms(Input::ReplicaSet(set)), 0, "its pods are on their way");
    assert_eq!([(); 2].map(|()| alarms(Input::PodCreated(set))), [0, 0]);
    // All three are seen, and gone again at once.
    assert_eq!(alarms(Input::PodCreated(set)), 3);
}

// By UID (kubernetes 1.35 pkg/controller/controller_utils.go `UIDTrackingControllerExpectations.DeletionObserved`): what
// others delete is no creation that was seen, and no deletion of one's own.
#[test]
fn evictions_are_not_taken_for_what_a_replica_set_wrote() {
    let mut world = World::new(&[4]);
    let (deployment, set) = add_deployment(&mut world, 3);
    let template = world.api.replica_sets.get(set).unwrap().template.clone();
    let pods =
        [(); 3].map(|()| world.add_pod_like(None, template.clone(), Owner::ReplicaSet(set, deployment)));
    let mut controllers = controllers();
    let mut evict = |world: &mut World, pod| {
        world.api.pods.get_mut(pod).unwrap().deletion = Some(Deletion {
            at: Instant::ZERO,
            grace: Duration::from_secs(30),
        });
        hear(&mut controllers, 0, Input::PodDeleted(set, pod), &world.api).1
    };
    let replacement = [(0, Input::Create(set))];
    assert_eq!(evict(&mut world, pods[0]), replacement);
    assert_eq!(
        evict(&mut world, pods[1]),
        [],
        "the first replacement is on its way"
    );
    let api = &mut world.api;
    api.add_pod(api.pods.get(pods[2]).unwrap().clone());
    assert_eq!(
        hear(&mut controllers, 0, Input::PodCreated(set), api).1,
        replacement
    );

    // Of three that it deletes itself one is evicted before its turn; a fourth that somebody evicts is none of them.
    api.add_pod(api.pods.get(pods[2]).unwrap().clone());
    api.replica_sets.get_mut(set).unwrap().replicas = 0;
    let deletions = hear(&mut controllers, 0, Input::PodCreated(set), api).1;
    let victims: Vec<_> = deletions
        .iter()
        .map(|(_, input)| match input {
            Input::Delete(pod) => *pod,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(victims.len(), 3);
    api.replica_sets.get_mut(set).unwrap().replicas = 5;
    let mut seen = |pod| {
        hear(&mut controllers, 0, Input::PodDeleted(set, pod), api)
            .1
            .len()
    };
    assert_eq!(seen(pods[0]), 0);
    assert_eq!([victims[0], victims[1], victims[0]].map(&mut seen), [0, 0, 0]);
    assert_eq!(seen(victims[2]), 2);
}

/// A DaemonSet, a node that it tolerates, and one that it does not.
fn daemon_set() -> (World, DaemonSetId, [NodeId; 2]) {
    let mut world = World::new(&[4]);
    let set = world.api.daemon_sets.insert(DaemonSet {
        name: "agent".to_owned(),
        template: Arc::new(template(100, "agent")),
        rolling: Some(RollingUpdateDaemonSet::default()),
        min_ready: Duration::ZERO,
    });
    let nodes = [(); 2].map(|()| {
        let claim = world.add_node(4, "on-demand");
        world.node_of(claim)
    });
    let taint = Taint::new("example.com/reserved", TaintEffect::NoSchedule);
    world.api.nodes.get_mut(nodes[1]).unwrap().taints.push(taint);
    (world, set, nodes)
}

// (kubernetes 1.35 pkg/controller/daemon/update.go `rollingUpdate`)
#[test]
fn a_changed_daemon_set_replaces_its_pods_one_by_one() {
    let (mut world, set, [good, other]) = daemon_set();
    world.api.nodes.get_mut(other).unwrap().taints.clear();
    let owner = Owner::DaemonSet(set);
    let old = world.api.daemon_sets.get(set).unwrap().template.clone();
    let ready = Condition {
        status: true,
        since: Instant::ZERO,
    };
    let mut pods = [good, other].map(|node| {
        let pod = world.add_pod_like(None, old.clone(), owner);
        let object = world.api.pods.get_mut(pod).unwrap();
        (object.only_node, object.ready) = (Some(node), Some(ready));
        (object.phase, object.node) = (Phase::Running, Some(node));
        pod
    });
    let mut controllers = controllers();
    let deletions = |controllers: &mut Controllers, world: &World| {
        let asked = hear(controllers, 0, Input::DaemonSet(set), &world.api).1;
        let deleted = asked.into_iter().filter_map(|(_, input)| match input {
            Input::Delete(pod) => Some(pod),
            _ => None,
        });
        let deleted: Vec<PodId> = deleted.collect();
        for pod in &deleted {
            hear(controllers, 0, Input::Delete(*pod), &world.api);
        }
        deleted
    };
    assert_eq!(deletions(&mut controllers, &world), [], "as they should be");
    let edit = |world: &mut World, rolling| {
        let object = world.api.daemon_sets.get_mut(set).unwrap();
        object.template = Arc::new(template(200, "agent"));
        object.rolling = rolling;
    };
    edit(&mut world, None);
    assert_eq!(deletions(&mut controllers, &world), [], "OnDelete");
    edit(&mut world, Some(RollingUpdateDaemonSet::default()));
    assert_eq!(deletions(&mut controllers, &world), [pods[0]]);
    let deletion = Deletion {
        at: Instant::ZERO,
        grace: Duration::ZERO,
    };
    world.api.pods.get_mut(pods[0]).unwrap().deletion = Some(deletion);
    assert_eq!(deletions(&mut controllers, &world), [], "one is away");
    // It is replaced, and the new one is not Ready at once.
    world.api.remove_pod(pods[0]);
    let new = world.api.daemon_sets.get(set).unwrap().template.clone();
    pods[0] = world.add_pod_like(None, new, owner);
    world.api.pods.get_mut(pods[0]).unwrap().only_node = Some(good);
    assert_eq!(deletions(&mut controllers, &world), [], "not Ready yet");
    let object = world.api.pods.get_mut(pods[0]).unwrap();
    (object.phase, object.ready) = (Phase::Running, Some(ready));
    assert_eq!(deletions(&mut controllers, &world), [pods[1]]);
}

// maxSurge and minReadySeconds (kubernetes 1.35 pkg/controller/daemon/update.go `rollingUpdate`): the old pod stays
// until the new one has been Ready for as long, and the next node waits as well.
#[test]
fn a_surging_daemon_set_waits_for_its_new_pod() {
    let (mut world, set, nodes) = daemon_set();
    world.api.nodes.get_mut(nodes[1]).unwrap().taints.clear();
    let owner = Owner::DaemonSet(set);
    let add = |world: &mut World, node| {
        let template = world.api.daemon_sets.get(set).unwrap().template.clone();
        let pod = world.add_pod_like(None, template, owner);
        let object = world.api.pods.get_mut(pod).unwrap();
        (object.only_node, object.node, object.phase) = (Some(node), Some(node), Phase::Running);
        pod
    };
    let ready = |world: &mut World, pod, since| {
        let ready = Condition {
            status: true,
            since: Instant::from_secs(since),
        };
        world.api.pods.get_mut(pod).unwrap().ready = Some(ready);
    };
    let old = nodes.map(|node| add(&mut world, node));
    old.iter().for_each(|pod| ready(&mut world, *pod, 0));
    let object = world.api.daemon_sets.get_mut(set).unwrap();
    object.template = Arc::new(template(200, "agent"));
    object.min_ready = Duration::from_secs(30);
    object.rolling = Some(RollingUpdateDaemonSet {
        max_surge: IntOrPercent::Int(1),
        max_unavailable: IntOrPercent::Int(0),
    });
    let mut controllers = controllers();
    let mut look = |now, input, world: &World| hear(&mut controllers, now, input, &world.api);
    let changed = Input::DaemonSet(set);
    let create = |node| Input::CreateDaemonPod(set, node);
    assert_eq!(look(100, changed, &world).1, [(100, create(nodes[0]))]);
    assert_eq!(look(100, changed, &world).1, [], "it is on its way");
    let made = look(100, create(nodes[0]), &world).0;
    assert_eq!(made, [Output::CreateDaemonPod(set, nodes[0])]);
    let new = add(&mut world, nodes[0]);
    assert_eq!(look(101, changed, &world).1, [], "not Ready yet");
    ready(&mut world, new, 110);
    assert_eq!(
        look(110, changed, &world).1,
        [(140, changed)],
        "not for long enough"
    );
    assert_eq!(look(140, changed, &world).1, [(140, Input::Delete(old[0]))]);
    let deleted = look(140, Input::Delete(old[0]), &world).0;
    assert_eq!(deleted, [Output::DeletePod(old[0])]);
    let deletion = Deletion {
        at: Instant::from_secs(140),
        grace: Duration::from_secs(30),
    };
    world.api.pods.get_mut(old[0]).unwrap().deletion = Some(deletion);
    // A node's news are enough.
    assert_eq!(
        look(141, Input::Node(nodes[0]), &world).1,
        [(141, create(nodes[1]))]
    );
    assert_eq!(look(141, create(nodes[1]), &world).0.len(), 1);
    // Without surge the one pod that may be away is the one that is not available yet.
    let object = world.api.daemon_sets.get_mut(set).unwrap();
    object.rolling = Some(RollingUpdateDaemonSet::default());
    world.api.remove_pod(old[0]);
    ready(&mut world, new, 150);
    assert_eq!(look(160, changed, &world).1, [(180, changed)]);
    assert_eq!(look(180, changed, &world).1, [(180, Input::Delete(old[1]))]);
}

#[test]
fn a_node_is_given_its_daemon_pod_once() {
    let (world, set, [good, tainted]) = daemon_set();
    let mut controllers = controllers();
    let mut asked = |node| hear(&mut controllers, 0, Input::Node(node), &world.api).1;
    assert_eq!(asked(good), [(0, Input::CreateDaemonPod(set, good))]);
    assert_eq!(asked(good), [], "it is on its way");
    assert_eq!(asked(tainted), []);
}

#[test]
fn no_daemon_pod_is_made_for_a_node_that_has_gone() {
    let (mut world, set, [good, _]) = daemon_set();
    let mut controllers = controllers();
    let input = Input::CreateDaemonPod(set, good);
    let made = [Output::CreateDaemonPod(set, good)];
    assert_eq!(hear(&mut controllers, 1, input, &world.api).0, made);
    world.api.nodes.remove(good);
    assert_eq!(hear(&mut controllers, 1, input, &world.api).0, []);
}

// tolerationSeconds (kubernetes 1.35 pkg/controller/tainteviction/taint_eviction.go `processPodOnNode`).
#[test]
fn a_pod_leaves_a_tainted_node_when_its_toleration_is_over() {
    let mut world = World::new(&[4]);
    let node = world.add_node(4, "on-demand");
    let node = world.node_of(node);
    world.api.nodes.get_mut(node).unwrap().taints = vec![Taint::new("drain", TaintEffect::NoExecute)];
    let mut own = template(100, "web");
    own.spec.tolerations = vec![crate::api::Toleration {
        key: "drain".to_owned(),
        value: None,
        effect: Some(TaintEffect::NoExecute),
        seconds: Some(60),
    }];
    let pod = world.add_pod_like(None, Arc::new(own), Owner::None);
    let stranger = world.add_pod_like(None, Arc::new(template(100, "web")), Owner::None);
    let mut controllers = controllers();
    for pod in [pod, stranger] {
        world.api.bind_pod(pod, node);
    }
    let (written, alarms) = hear(&mut controllers, 5, Input::Bound(pod), &world.api);
    assert_eq!((written, alarms), (vec![], vec![(65, Input::Evict(pod))]));
    let (written, _) = hear(&mut controllers, 5, Input::Bound(stranger), &world.api);
    assert_eq!(
        written,
        [Output::EvictPod(stranger)],
        "it does not tolerate the taint"
    );
    // Another look at the node prolongs nothing.
    let (written, alarms) = hear(&mut controllers, 30, Input::Node(node), &world.api);
    assert_eq!((written, alarms), (vec![Output::EvictPod(stranger)], vec![]));
    let (written, _) = hear(&mut controllers, 65, Input::Evict(pod), &world.api);
    assert_eq!(written, [Output::EvictPod(pod)]);
    // Without the taint nothing is due any more.
    let late = world.add_pod_like(
        None,
        world.api.pods.get(pod).unwrap().template.clone(),
        Owner::None,
    );
    world.api.bind_pod(late, node);
    hear(&mut controllers, 70, Input::Bound(late), &world.api);
    world.api.nodes.get_mut(node).unwrap().taints.clear();
    hear(&mut controllers, 80, Input::Node(node), &world.api);
    let (written, _) = hear(&mut controllers, 130, Input::Evict(late), &world.api);
    assert_eq!(written, []);
}
