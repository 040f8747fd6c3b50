use std::time::Duration;

use super::*;

const STEP: u64 = 100;

/// A world of whole seconds: Prometheus reads every 10 s, metrics-server at 3 s past.
#[derive(Default)]
struct World {
    notes: Notes,
    ready: Vec<(u64, f64)>,
}

fn at(second: u64) -> Instant {
    Instant::from_secs(second)
}

impl World {
    fn new() -> Self {
        let mut world = World::default();
        world.notes.scrapes = (0..100).map(|n| at(10 * n)).collect();
        world.notes.usage = (0..100).map(|n| at(10 * n + 3)).collect();
        world
    }

    /// The HPA looks, and writes where `after` is another size.
    fn sync(mut self, second: u64, current: i32, wanted: i32, after: i32) -> Self {
        self.notes.syncs.push(Sync {
            asked: at(second),
            at: at(second),
            current,
            wanted,
            by_usage: false,
        });
        if after != current {
            self.notes.resized(at(second), current, after);
        }
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

    fn way(mut self) -> Option<TimeToCapacity> {
        let mut ready = StepSeries::new();
        ready.set(at(0), 1.0);
        self.ready.sort_by_key(|(second, _)| *second);
        for (second, count) in self.ready {
            ready.set(at(second), count);
        }
        self.notes.way(at(STEP), at(900), &ready)
    }

    /// Scrape, rate window, HPA sync, node launch, pod start; they add up to the total.
    fn stages(self) -> [u64; 5] {
        let way = self.way().expect("capacity");
        let stages = [
            way.scrape,
            way.rate_window,
            way.hpa_sync,
            way.node_launch,
            way.pod_start,
        ];
        assert_eq!(way.total, stages.iter().sum::<Duration>());
        stages.map(|stage| stage.as_secs())
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
    let mut world = World::new().sync(115, 1, 2, 2).pod([115, 115, 120], 2.0);
    world.notes.syncs[0].by_usage = true;
    assert_eq!(world.stages(), [3, 0, 12, 0, 5]);
}

#[test]
fn kedas_raise_from_zero_waits_for_its_poll() {
    let mut world = World::new().pod([131, 131, 140], 2.0);
    world.notes.resized(at(130), 0, 2);
    assert_eq!(world.stages(), [10, 0, 20, 0, 10]);
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
