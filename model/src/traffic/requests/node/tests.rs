//! Threads of one node, alone and side by side.

use super::*;

const ALONE: Machine = Machine {
    vcpus: 4.0,
    cores: 2.0,
    speed: 1.0,
    system_cpu: 0.0,
    gpu: None,
};

fn task(number: u32) -> Task {
    Task {
        job: Job::Serve(number),
        pod: number,
    }
}

/// Runs until nothing is left; when each task was done, in milliseconds, and the vCPU-ms it used.
fn run(node: &mut Node) -> Vec<(u32, u64, u64)> {
    let mut ends = Vec::new();
    loop {
        let next = node.plan();
        if next == Instant::MAX {
            return ends;
        }
        let mut done = Vec::new();
        node.advance(next, &mut done);
        done.sort_by_key(|(task, _)| task.pod);
        let in_millis = |(task, used): (Task, f64)| (task.pod, next.as_millis(), (used * 1e3).round() as u64);
        ends.extend(done.into_iter().map(in_millis));
    }
}

#[test]
fn a_thread_alone_runs_at_full_speed() {
    let mut node = Node::new(Instant::ZERO, ALONE, 0.25);
    let group = node.add_group(204.0, None);
    node.add_task(group, task(1), 0.064);
    assert_eq!(run(&mut node), [(1, 64, 64)]);
}

#[test]
fn four_threads_share_two_cores() {
    let mut node = Node::new(Instant::ZERO, ALONE, 0.25);
    for number in 1..=4 {
        let group = node.add_group(204.0, None);
        node.add_task(group, task(number), 0.0625);
    }
    let expected = [1, 2, 3, 4].map(|number| (number, 100, 100));
    assert_eq!(run(&mut node), expected);
}

#[test]
fn a_quota_throttles_until_its_refill() {
    let mut node = Node::new(Instant::ZERO, ALONE, 0.25);
    let group = node.add_group(204.0, Some((0.05, 0.1, 0.08)));
    node.add_task(group, task(1), 0.064);
    // 50 ms, then nothing until 80 ms, then 14 ms.
    assert_eq!(run(&mut node), [(1, 94, 64)]);
    // Alone in the next period, full budget at 180 ms and again at 280 ms.
    let mut late = Node::new(Instant::ZERO, ALONE, 0.25);
    let group = late.add_group(204.0, Some((0.05, 0.1, 0.03)));
    late.add_task(group, task(1), 0.2);
    // 30 ms; from 30: 50 of 100; from 130: 50; from 230: 50; from 330: 20.
    assert_eq!(run(&mut late), [(1, 350, 200)]);
}

#[test]
fn a_quota_that_does_not_bind_costs_no_event() {
    let mut node = Node::new(Instant::ZERO, ALONE, 0.25);
    let group = node.add_group(204.0, Some((0.1, 0.1, 0.03)));
    node.add_task(group, task(1), 10.0);
    assert_eq!(node.plan(), Instant::from_secs(10));
}

#[test]
fn best_effort_gets_what_is_left() {
    let machine = Machine {
        vcpus: 1.0,
        cores: 1.0,
        ..ALONE
    };
    let mut node = Node::new(Instant::ZERO, machine, 0.25);
    let group = node.add_group(204.0, None);
    node.add_task(group, task(1), 0.100);
    node.add_task(BEST_EFFORT, task(2), 0.010);
    assert_eq!(run(&mut node), [(1, 100, 100), (2, 110, 10)]);
}
