use std::time::Duration;

use super::*;

const STEP: u64 = 100;

/// A world of whole seconds: Prometheus reads every 10 s, metrics-server at 3 s past.
struct World {
    notes: Notes,
    path: Path,
    ready: Vec<(u64, f64)>,
}

fn at(second: u64) -> Instant {
    Instant::from_secs(second)
}

impl World {
    fn new() -> Self {
        let notes = Notes {
            scrapes: (0..100).map(|n| at(10 * n)).collect(),
            usage: (0..100).map(|n| at(10 * n + 3)).collect(),
            ..Notes::default()
        };
        World {
            notes,
            path: Path::Pull,
            ready: Vec::new(),
        }
    }

    /// The HPA looks, and writes where `after` is another size.
    fn sync(mut self, second: u64, current: i32, wanted: i32, after: i32) -> Self {
        self.notes.syncs.push(Sync {
            asked: at(second),
            at: at(second),
            current,
            wanted,
            tolerated: false,
            path: self.path,
        });
        if after != current {
            self.notes.resized(at(second), current, after, Some(Part::Hpa));
        }
        self
    }

    /// That sync found the target exceeded, but not by enough.
    fn tolerated(mut self) -> Self {
        self.notes.syncs.last_mut().expect("a sync").tolerated = true;
        self
    }

    /// Metrics come that way from here on.
    fn by(mut self, path: Path) -> Self {
        self.path = path;
        self
    }

    /// KEDA polls at these seconds.
    fn polls(mut self, seconds: &[u64]) -> Self {
        self.notes.polls.extend(seconds.iter().map(|second| at(*second)));
        self
    }

    /// A part is away.
    fn stop(mut self, part: Part, from: u64, until: u64) -> Self {
        self.notes.stopped(part, at(from));
        self.notes.started(part, at(until));
        self
    }

    /// A pod is made, bound and Ready at these seconds; so many are Ready then.
    fn pod(mut self, [created, bound, ready]: [u64; 3], count: f64) -> Self {
        let id = PodId(self.notes.starts.len() as u32);
        self.notes.bound(id, at(created), at(bound));
        self.notes.ready(id, at(ready));
        self.ready.push((ready, count));
        self
    }

    /// So many requests a second are served, fail and come to stand in line from a second on until another.
    fn flow(mut self, from: u64, until: u64, [served, failed, grown]: [f64; 3]) -> Self {
        let (first, step) = (self.notes.flow.last().copied(), 15);
        let mut sums = first.map_or([0.0; 3], |last| [last.served, last.failed, last.in_flight]);
        for second in (from..=until).step_by(step as usize) {
            self.notes.flows(at(second), sums);
            for (sum, rate) in sums.iter_mut().zip([served, failed, grown]) {
                *sum += rate * step as f64;
            }
        }
        self
    }

    fn way(mut self) -> Option<TimeToCapacity> {
        let mut ready = StepSeries::new();
        ready.set(at(0), 1.0);
        self.ready.sort_by_key(|(second, _)| *second);
        for (second, count) in self.ready {
            ready.set(at(second), count);
        }
        self.notes.way(at(STEP), at(900), &ready)
    }

    /// Scrape, rate window, KEDA poll, HPA sync, stopped parts, node launch, image pull, pod start; they add up to the
    /// total, where nothing was within the tolerance.
    fn all_stages(self) -> [u64; 8] {
        let way = self.way().expect("capacity");
        let stages = [
            way.scrape,
            way.rate_window,
            way.keda_poll,
            way.hpa_sync,
            way.stopped,
            way.node_launch,
            way.image_pull,
            way.pod_start,
        ];
        assert_eq!(way.total, stages.iter().sum::<Duration>());
        stages.map(|stage| stage.as_secs())
    }

    /// Scrape, rate window, HPA sync, node launch, pod start, where nothing else was waited for.
    fn stages(self) -> [u64; 5] {
        let [scrape, window, poll, sync, stopped, node, image, start] = self.all_stages();
        assert_eq!([poll, stopped, image], [0; 3]);
        [scrape, window, sync, node, start]
    }
}

#[test]
fn one_raise_waits_for_each_thing_in_turn() {
    // Seen at 110; the window shows it at 130, and the HPA looks at 134.
    let world = World::new()
        .sync(104, 1, 1, 1)
        .sync(119, 1, 1, 1)
        .sync(134, 1, 2, 2)
        .pod([135, 190, 260], 2.0);
    assert_eq!(world.stages(), [10, 10, 14, 55, 71]);
}

#[test]
fn what_the_tolerance_holds_back_is_no_window() {
    let world = World::new()
        .sync(114, 1, 1, 1)
        .sync(129, 1, 1, 1)
        .tolerated()
        .sync(144, 1, 1, 1)
        .tolerated()
        .sync(159, 1, 2, 2)
        .pod([160, 160, 165], 2.0);
    // It is above the target at 129, and above the tolerance with the scrape at 150.
    let way = world.way().expect("capacity");
    let stages = [
        way.scrape,
        way.rate_window,
        way.tolerance,
        way.hpa_sync,
        way.pod_start,
    ];
    assert_eq!(stages.map(|stage| stage.as_secs()), [10, 19, 21, 9, 6]);
    assert_eq!(way.total, stages.iter().sum::<Duration>());
}

#[test]
fn rounds_that_wait_for_replicas_are_not_the_hpas() {
    // What a bert-gpu does: the second raise comes when the first one's replica serves.
    let world = World::new()
        .sync(105, 1, 1, 1)
        .sync(115, 1, 2, 2)
        .pod([116, 170, 240], 2.0)
        .sync(175, 2, 2, 2)
        .sync(235, 2, 2, 2)
        .sync(255, 2, 4, 4)
        .pod([256, 300, 320], 3.0)
        .pod([256, 310, 400], 4.0);
    // The scrapes at 110 and 250, the HPA 5 s after each.
    assert_eq!(world.stages(), [10 + 10, 0, 5 + 5, 54 + 54, 71 + 91]);
}

#[test]
fn a_raise_that_did_not_wait_for_replicas_is_the_metrics_and_the_hpas() {
    // The window goes on filling while the first pod starts: only the last pod's start counts.
    let world = World::new()
        .sync(115, 1, 2, 2)
        .pod([116, 116, 170], 2.0)
        .sync(135, 2, 4, 4)
        .pod([136, 136, 190], 4.0);
    assert_eq!(world.stages(), [10 + 5, 0, 5 + 15, 0, 55]);
}

#[test]
fn what_limits_hold_back_is_the_hpas() {
    // It wants 8 at once and may add 3 a minute.
    let world = World::new()
        .sync(115, 1, 8, 4)
        .pod([116, 116, 120], 4.0)
        .sync(145, 4, 8, 4)
        .sync(175, 4, 8, 8)
        .pod([176, 176, 180], 8.0);
    assert_eq!(world.stages(), [10, 0, 5 + 60, 0, 5]);
    // Or it waits until its stabilization window has ended.
    let world = World::new()
        .sync(115, 1, 2, 1)
        .sync(145, 1, 2, 2)
        .pod([146, 146, 150], 2.0);
    assert_eq!(world.stages(), [10, 0, 35, 0, 5]);
}

#[test]
fn the_last_replica_may_be_of_an_earlier_raise() {
    // Its machine is refused until long after the second raise, whose pod finds room.
    let world = World::new()
        .sync(115, 1, 2, 2)
        .pod([116, 300, 340], 3.0)
        .sync(135, 2, 3, 3)
        .pod([136, 136, 140], 2.0);
    assert_eq!(world.stages(), [10, 0, 5, 184, 41]);
}

#[test]
fn a_metric_of_use_is_read_by_metrics_server() {
    let world = World::new()
        .by(Path::Usage)
        .sync(115, 1, 2, 2)
        .pod([115, 115, 120], 2.0);
    assert_eq!(world.stages(), [3, 0, 12, 0, 5]);
}

#[test]
fn kedas_raise_from_zero_waits_for_its_poll() {
    let raised = || {
        let mut world = World::new().pod([131, 131, 140], 2.0);
        world.notes.resized(at(130), 0, 2, Some(Part::Keda));
        world
    };
    assert_eq!(raised().all_stages(), [10, 0, 20, 0, 0, 0, 0, 10]);
    // A poll at 115 had found nothing yet: what the one at 130 goes by was there since 120.
    let world = raised().polls(&[85, 115, 130]);
    assert_eq!(world.all_stages(), [10, 10, 10, 0, 0, 0, 0, 10]);
}

#[test]
fn what_polls_keep_is_waited_for_until_the_next_poll() {
    // The reading of 110 is taken by the poll at 135; until then the HPA is given that of 105.
    let kept = || {
        World::new()
            .by(Path::Poll)
            .sync(104, 1, 1, 1)
            .sync(119, 1, 1, 1)
            .sync(134, 1, 1, 1)
    };
    let raised = |world: World| world.sync(149, 1, 2, 2).pod([150, 150, 160], 2.0);
    let world = raised(kept().polls(&[75, 105, 135]));
    assert_eq!(world.all_stages(), [10, 0, 25, 14, 0, 0, 0, 11]);
    // The poll at 115 had the first reading, which did not show it: the window was filling until 120.
    let world = raised(kept().polls(&[85, 115, 145]));
    assert_eq!(world.all_stages(), [10, 10, 25, 4, 0, 0, 0, 11]);
    // Polls that are more frequent than syncs: of those since 134 the first that had a new reading.
    let world = raised(kept().polls(&[128, 133, 138, 143, 148]));
    assert_eq!(world.all_stages(), [10, 30, 3, 6, 0, 0, 0, 11]);
    // It had polled before the step, and that was enough.
    let world = World::new()
        .by(Path::Poll)
        .polls(&[95])
        .sync(104, 1, 2, 2)
        .pod([105, 105, 110], 2.0);
    assert_eq!(world.all_stages(), [0, 0, 0, 4, 0, 0, 0, 6]);
}

#[test]
fn what_is_stopped_is_told_apart() {
    // Nobody answers the HPA from 112 to 300: that it asked at 119 is no reading that showed nothing.
    let world = World::new().sync(104, 1, 1, 1);
    let asks_in_vain = |world: World| world.sync(119, 1, 1, 1).sync(239, 1, 1, 1);
    let answered = |world: World| world.sync(304, 1, 2, 2).pod([304, 304, 310], 2.0);
    let world = answered(asks_in_vain(world).stop(Part::Keda, 112, 300));
    assert_eq!(world.all_stages(), [10, 0, 0, 6, 188, 0, 0, 6]);
    // Prometheus and KEDA at once are not waited for twice; there is no scrape meanwhile.
    let mut world = asks_in_vain(World::new())
        .stop(Part::Prometheus, 90, 200)
        .stop(Part::Keda, 150, 300);
    world
        .notes
        .scrapes
        .retain(|scrape| !(at(90)..at(200)).contains(scrape));
    assert_eq!(answered(world).all_stages(), [0, 0, 0, 4, 200, 0, 0, 6]);
    // What only others wait for does not count.
    let world = World::new()
        .by(Path::Usage)
        .sync(115, 1, 2, 2)
        .pod([115, 115, 120], 2.0);
    let world = world.stop(Part::Prometheus, 90, 200).stop(Part::Keda, 90, 200);
    assert_eq!(world.stages(), [3, 0, 12, 0, 5]);
    // The HPA itself, while limits hold it back.
    let world = World::new()
        .sync(115, 1, 8, 4)
        .pod([116, 116, 120], 4.0)
        .stop(Part::Hpa, 120, 170)
        .sync(175, 4, 8, 8)
        .pod([176, 176, 180], 8.0);
    assert_eq!(world.all_stages(), [10, 0, 0, 5 + 10, 50, 0, 0, 5]);
}

#[test]
fn pulling_images_is_no_start_of_a_pod() {
    let mut world = World::new().sync(115, 1, 2, 2).pod([116, 150, 240], 2.0);
    world.notes.has_images(PodId(0), at(152), at(221));
    assert_eq!(world.all_stages(), [10, 0, 0, 5, 0, 34, 69, 2 + 20]);
}

#[test]
fn replicas_that_never_all_came_are_no_capacity() {
    let raised = || World::new().sync(115, 1, 20, 20).pod([116, 170, 240], 2.0);
    assert_eq!(raised().way(), None);
    // Nor those of which some were given up first.
    let given_up = raised().sync(500, 20, 2, 2).pod([116, 170, 600], 20.0);
    assert_eq!(given_up.way(), None);
    assert_eq!(
        World::new().sync(115, 2, 1, 1).way(),
        None,
        "nothing was asked for"
    );
}

#[test]
fn what_comes_after_a_step_down_is_not_of_the_step() {
    let world = World::new()
        .sync(115, 1, 2, 2)
        .pod([116, 116, 120], 2.0)
        .sync(400, 2, 1, 1)
        .sync(700, 1, 2, 2)
        .pod([701, 701, 710], 2.0);
    assert_eq!(world.stages(), [10, 0, 5, 0, 5]);
}

#[test]
fn what_an_action_writes_ends_the_answer_and_is_none_of_it() {
    let answered = |second, after: i32| {
        let mut world = World::new().sync(134, 1, 3, 3).pod([134, 135, 150], 3.0);
        world.notes.resized(at(second), 3, after, None);
        world.sync(334, after, 3, 3).pod([334, 335, 350], 3.0)
    };
    let total = |world: World| world.way().map(|way| way.total.as_secs());
    assert_eq!(total(answered(300, 1)), Some(50));
    assert_eq!(total(answered(300, 6)), Some(50));
    assert_eq!(total(answered(140, 1)), None, "it came before the replicas did");
    let mut by_hand = World::new();
    by_hand.notes.resized(at(120), 1, 3, None);
    assert_eq!(total(by_hand.pod([120, 121, 150], 3.0)), None, "nobody answered");
}

/// Answered at once, two of two replicas Ready at 150; the step lasts until 900.
fn answered() -> World {
    World::new().sync(110, 1, 2, 2).pod([110, 115, 150], 2.0)
}

#[test]
fn a_service_that_fails_with_all_its_replicas_has_no_capacity() {
    assert!(answered().flow(0, 900, [95.0, 5.0, 0.0]).way().is_some());
    assert_eq!(answered().flow(0, 900, [94.0, 6.0, 0.0]).way(), None);
    // What had piled up is worked off: it is the end that counts.
    let drained = answered()
        .flow(0, 495, [10.0, 90.0, 0.0])
        .flow(510, 900, [100.0, 0.0, 0.0]);
    assert!(drained.way().is_some());
    // The load falls by an action: what is served of it afterwards says nothing.
    let mut fallen = answered()
        .flow(0, 495, [10.0, 90.0, 0.0])
        .flow(510, 900, [10.0, 0.0, 0.0]);
    fallen.notes.acted(at(510));
    assert_eq!(fallen.way(), None);
}

#[test]
fn a_line_that_grows_is_no_capacity() {
    assert_eq!(answered().flow(0, 900, [90.0, 0.0, 10.0]).way(), None);
    assert!(answered().flow(0, 900, [100.0, 0.0, 1.0]).way().is_some());
    // A few more in line than five minutes before are chance.
    assert!(answered().flow(0, 900, [0.1, 0.0, 0.01]).way().is_some());
}

/// As at maxReplicas; one that is above its target within the tolerance asks for nothing.
#[test]
fn an_autoscaler_that_gets_no_more_is_not_done() {
    let held = |wanted: fn(u64) -> i32| {
        let syncs = (160..900).step_by(15);
        syncs.fold(answered(), |world, second| {
            world.sync(second, 2, wanted(second), 2)
        })
    };
    let is_short = |world: World| world.way().expect("the service keeps up").short;
    assert!(is_short(held(|_| 5)));
    assert!(!is_short(held(|_| 2)));
    // For the most part of the last five minutes.
    assert!(!is_short(held(|second| if second < 700 { 5 } else { 2 })));
}
