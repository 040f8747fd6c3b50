//! The data plane, told by hand what an API server would say.

use std::time::Duration;

use model::scenario::{Files, ObjectName, Scenario, Source, load};
use model::traffic::Fidelity;
use sim::{Instant, SortedMap};

use super::plane::{DataPlane, MadeBy, Mark, NodeSeen, PodSeen, Seen, Write};

/// The scenario that rehearsals are shipped with.
pub(crate) fn rehearsal() -> Scenario {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    macro_rules! manifests {
        ($($name:literal),*) => {
            vec![$(source(
                concat!("manifests/", $name),
                include_str!(concat!("../../../scenarios/php-apache-rehearsal/manifests/", $name)),
            )),*]
        };
    }
    let files = Files {
        scenario: source(
            "scenario.toml",
            include_str!("../../../scenarios/php-apache-rehearsal/scenario.toml"),
        ),
        manifests: manifests!(
            "load-generator.yaml",
            "node-pool.yaml",
            "php-apache.yaml",
            "scaled-object.yaml",
            "system.yaml",
            "traefik.yaml"
        ),
        traces: Vec::new(),
    };
    match load(&files, &[]) {
        Ok((scenario, _)) => scenario,
        Err(report) => panic!("{:?}", report.problems),
    }
}

fn name(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn node(node: &str, karpenter: bool) -> NodeSeen {
    let mut labels = SortedMap::from([(
        "node.kubernetes.io/instance-type".to_owned(),
        "m5.xlarge".to_owned(),
    )]);
    if karpenter {
        labels.insert("karpenter.sh/nodepool".to_owned(), "default".to_owned());
    }
    NodeSeen {
        name: node.to_owned(),
        labels,
        ready: true,
        cpus: 4.0,
    }
}

/// A pod as it is bound: pending, on a node.
fn pod(uid: &str, deployment: ObjectName, node: &str) -> PodSeen {
    PodSeen {
        uid: uid.to_owned(),
        name: name(&deployment.namespace, uid),
        made_by: Some(MadeBy::Deployment(deployment.name)),
        node: Some(node.to_owned()),
        running: false,
        ready: false,
        ended: false,
        grace: None,
    }
}

/// A clock, and KWOK: what is written becomes true a moment later.
struct World {
    plane: DataPlane,
    now: Instant,
    pods: SortedMap<String, PodSeen>,
    marks: Vec<(String, Mark, f64)>,
}

impl World {
    fn new() -> Self {
        World {
            plane: DataPlane::new(&rehearsal(), Fidelity::Flow, 1),
            now: Instant::ZERO,
            pods: SortedMap::new(),
            marks: Vec::new(),
        }
    }

    fn node(&mut self, seen: NodeSeen) {
        self.plane.hear(self.now, Seen::Node(seen));
    }

    fn pod(&mut self, seen: PodSeen) {
        self.pods.insert(seen.uid.clone(), seen.clone());
        self.plane.hear(self.now, Seen::Pod(seen));
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.now < end {
            self.now += Duration::from_millis(10);
            for Write { uid, mark, .. } in self.plane.advance(self.now) {
                self.marks.push((uid.clone(), mark, self.now.as_secs_f64()));
                let Some(pod) = self.pods.get_mut(&uid) else {
                    continue;
                };
                pod.running = matches!(mark, Mark::Running | Mark::Ready);
                pod.ready = mark == Mark::Ready;
                pod.ended = mark == Mark::Stopped;
                let seen = match mark {
                    Mark::Removed => Seen::PodGone(uid),
                    _ => Seen::Pod(pod.clone()),
                };
                self.plane.hear(self.now, seen);
            }
        }
    }

    fn marks_of(&self, uid: &str) -> Vec<Mark> {
        let own = self.marks.iter().filter(|(other, ..)| other == uid);
        own.map(|(_, mark, _)| *mark).collect()
    }

    fn ready_at(&self, uid: &str) -> f64 {
        let ready = |(other, mark, _): &&(String, Mark, f64)| other == uid && *mark == Mark::Ready;
        self.marks.iter().find(ready).expect("it got Ready").2
    }
}

const SERVER: (&str, &str) = ("hpa-example", "php-apache");

#[test]
fn a_node_without_the_image_takes_longer() {
    let mut world = World::new();
    world.node(node("old", false));
    world.node(node("new", true));
    world.pod(pod("warm", name(SERVER.0, SERVER.1), "old"));
    world.pod(pod("cold", name(SERVER.0, SERVER.1), "new"));
    world.run(30);
    world.pod(pod("second", name(SERVER.0, SERVER.1), "new"));
    let asked = world.now.as_secs_f64();
    world.run(30);
    // 190 MB compressed and 480 MB unpacked, at 80 MB a second each.
    let pull = 190.0 / 80.0 + 480.0 / 80.0;
    let (warm, cold) = (world.ready_at("warm"), world.ready_at("cold"));
    assert!(warm < 4.0, "{warm}");
    assert!((pull..pull + 4.0).contains(&cold), "{cold}");
    assert!(world.ready_at("second") - asked < 4.0);
    assert_eq!(world.marks_of("warm").last(), Some(&Mark::Ready));
}

#[test]
fn counters_follow_the_clients() {
    let mut world = World::new();
    world.node(node("a", false));
    world.pod(pod("proxy", name("traefik", "traefik"), "a"));
    world.pod(pod("server", name(SERVER.0, SERVER.1), "a"));
    world.pod(pod("client", name("hpa-example", "load-generator"), "a"));
    world.run(20);
    let before = world.plane.stats(world.now).served;
    world.run(60);
    let rate = (world.plane.stats(world.now).served - before) / 60.0;
    // A cycle: half a second of sleep, 10 ms on the way, and some 45 ms of work.
    assert!((1.6..1.9).contains(&rate), "{rate}");
    let text = world.plane.exposition(world.now);
    let line = text
        .lines()
        .find(|line| line.starts_with("traefik_service_requests_total{"))
        .unwrap_or_else(|| panic!("{text}"));
    for part in [
        "code=\"200\"",
        "service=\"hpa-example-php-apache-80@kubernetes\"",
        "pod=\"proxy\"",
        "namespace=\"traefik\"",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(
        (value - world.plane.stats(world.now).served).abs() < 1.0,
        "{line}"
    );
}

#[test]
fn a_deleted_pod_stops_and_goes() {
    let mut world = World::new();
    world.node(node("a", false));
    world.pod(pod("server", name(SERVER.0, SERVER.1), "a"));
    world.run(10);
    assert_eq!(world.plane.servers(), 1);
    let mut deleted = world.pods["server"].clone();
    deleted.grace = Some(Duration::from_secs(30));
    world.pod(deleted.clone());
    // Told again, as a status update does: the same deletion.
    deleted.grace = Some(Duration::from_secs(29));
    world.pod(deleted);
    assert_eq!(world.plane.servers(), 0);
    let from = world.now.as_secs_f64();
    world.run(10);
    assert_eq!(
        world.marks_of("server"),
        [Mark::Accepted, Mark::Ready, Mark::Stopped, Mark::Removed]
    );
    let stopped = world
        .marks
        .iter()
        .find(|(_, mark, _)| *mark == Mark::Stopped)
        .unwrap()
        .2;
    // The application's second of shutdown, not the grace period.
    assert!((stopped - from - 1.0).abs() < 0.1, "{}", stopped - from);
}

#[test]
fn pods_of_nobody_are_left_to_kwok() {
    let mut world = World::new();
    world.node(node("a", false));
    world.pod(pod("other", name("default", "other"), "a"));
    world.pod(PodSeen {
        made_by: None,
        ..pod("bare", name(SERVER.0, SERVER.1), "a")
    });
    world.run(20);
    assert_eq!(world.marks, []);
}

#[test]
fn a_new_emulator_takes_over_what_runs() {
    let mut world = World::new();
    world.node(node("a", false));
    world.pod(PodSeen {
        running: true,
        ready: true,
        ..pod("server", name(SERVER.0, SERVER.1), "a")
    });
    world.pod(PodSeen {
        running: true,
        ..pod("late", name(SERVER.0, SERVER.1), "a")
    });
    world.run(1);
    assert_eq!(world.marks_of("server"), []);
    assert_eq!(world.marks_of("late"), [Mark::Ready]);
    assert_eq!(world.plane.servers(), 2);
}

#[test]
fn a_node_takes_its_pods_with_it() {
    let mut world = World::new();
    world.node(node("a", false));
    world.node(node("b", true));
    world.pod(pod("proxy", name("traefik", "traefik"), "a"));
    world.pod(pod("client", name("hpa-example", "load-generator"), "a"));
    world.pod(pod("server", name(SERVER.0, SERVER.1), "b"));
    world.run(30);
    world.plane.hear(world.now, Seen::NodeGone("b".to_owned()));
    let gone = world.plane.stats(world.now).served;
    world.run(30);
    assert_eq!(world.plane.stats(world.now).served, gone);
}
