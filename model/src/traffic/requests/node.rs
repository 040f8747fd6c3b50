//! One node's CPUs: who runs how fast until something changes.
//!
//! Groups (cgroups) compete: one for each pod with a CPU request, one for all BestEffort pods together.
//! Between two changes every group runs at a constant rate, and the tasks of one group share it equally, so
//! that a group needs one clock of work and its tasks only the reading at which they end. Quotas are
//! refilled lazily: a group that cannot use up its budget in a period costs no event.

use sim::Instant;

use crate::traffic::config::Machine;
use crate::traffic::physics::{self, BEST_EFFORT_WEIGHT, Claim};

/// Work or budget below this counts as nothing, seconds: what a nanosecond of rounding leaves.
const NOTHING: f64 = 2e-9;

/// The group of the BestEffort pods.
pub(super) const BEST_EFFORT: usize = 0;

/// Something that needs CPU: its owner's word for it, handed back when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    /// What it is for.
    pub(super) job: Job,
    /// The slot of the pod that does it.
    pub(super) pod: u32,
}

/// What a task is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// A client loop prepares its request.
    Prepare(u32),
    /// A proxy passes a request on.
    Forward(u32),
    /// A server answers a request.
    Serve(u32),
}

#[derive(Debug, Clone, Copy)]
struct Running {
    task: Task,
    /// The group's clock when it is done.
    end: f64,
    /// The group's CPU clock when it began.
    cpu_begin: f64,
}

#[derive(Debug, Clone, Default)]
struct Group {
    /// Soonest done first.
    tasks: Vec<Running>,
    weight: f64,
    /// vCPU of each task at present.
    rate: f64,
    /// Work done by each task that has always been here, core-seconds.
    clock: f64,
    /// vCPU-seconds of the same.
    cpu_clock: f64,
    quota: Option<Quota>,
    active: bool,
}

#[derive(Debug, Clone, Copy)]
struct Quota {
    /// vCPU-seconds a period.
    budget: f64,
    /// Nanoseconds.
    period: u64,
    /// When the budget is full again, nanoseconds.
    refill: u64,
    used: f64,
    throttled: bool,
}

/// The CPUs of a node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    machine: Machine,
    smt_gain: f64,
    groups: Vec<Group>,
    free_groups: Vec<usize>,
    /// Groups with tasks, in order of their coming.
    active: Vec<usize>,
    /// Work of one busy vCPU a second at present.
    sigma: f64,
    /// All of the above is true at this time, nanoseconds.
    at: u64,
    claims: Vec<Claim>,
}

impl Node {
    pub(super) fn new(now: Instant, machine: Machine, smt_gain: f64) -> Self {
        let best_effort = Group {
            weight: BEST_EFFORT_WEIGHT,
            ..Group::default()
        };
        Node {
            machine,
            smt_gain,
            groups: vec![best_effort],
            free_groups: Vec::new(),
            active: Vec::new(),
            sigma: machine.speed,
            at: now.as_nanos(),
            claims: Vec::new(),
        }
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Makes room for a pod with a group of its own. The quota's first refill is `phase` from now (seconds).
    pub(super) fn add_group(&mut self, weight: f64, quota: Option<(f64, f64, f64)>) -> usize {
        let quota = quota.map(|(budget, period, phase)| Quota {
            budget,
            period: nanos(period),
            refill: self.at + nanos(phase).max(1),
            used: 0.0,
            throttled: false,
        });
        let group = Group {
            weight,
            quota,
            ..Group::default()
        };
        match self.free_groups.pop() {
            Some(place) => {
                self.groups[place] = group;
                place
            }
            None => {
                self.groups.push(group);
                self.groups.len() - 1
            }
        }
    }

    /// Ends a pod's group with all it does; the caller has advanced the node.
    pub(super) fn remove_group(&mut self, place: usize) {
        self.groups[place] = Group::default();
        self.active.retain(|&active| active != place);
        self.free_groups.push(place);
    }

    /// Takes the tasks that `which` names out of a group, and says how many vCPU-seconds they had used.
    pub(super) fn remove_tasks(&mut self, place: usize, which: impl Fn(Task) -> bool) -> f64 {
        let group = &mut self.groups[place];
        let clock = group.cpu_clock;
        let mut used = 0.0;
        group.tasks.retain(|running| {
            let goes = which(running.task);
            if goes {
                used += clock - running.cpu_begin;
            }
            !goes
        });
        self.settle(place);
        used
    }

    /// A new task of `work` core-seconds; the caller has advanced the node and will plan it anew.
    pub(super) fn add_task(&mut self, place: usize, task: Task, work: f64) {
        let group = &mut self.groups[place];
        let running = Running {
            task,
            end: group.clock + work,
            cpu_begin: group.cpu_clock,
        };
        let position = group.tasks.partition_point(|other| other.end <= running.end);
        group.tasks.insert(position, running);
        if !group.active {
            group.active = true;
            group.rate = 0.0;
            self.active.push(place);
            self.catch_up(place);
        }
    }

    /// vCPU-seconds that a pod's unfinished tasks in a group have used.
    pub(super) fn used_by(&self, place: usize, pod: u32) -> f64 {
        let group = &self.groups[place];
        let of_pod = group.tasks.iter().filter(|running| running.task.pod == pod);
        of_pod.map(|running| group.cpu_clock - running.cpu_begin).sum()
    }

    /// Moves a quota that slept over refills to the present period.
    fn catch_up(&mut self, place: usize) {
        if let Some(quota) = &mut self.groups[place].quota
            && quota.refill <= self.at
        {
            let missed = (self.at - quota.refill) / quota.period + 1;
            quota.refill += missed * quota.period;
            quota.used = 0.0;
            quota.throttled = false;
        }
    }

    fn settle(&mut self, place: usize) {
        if self.groups[place].tasks.is_empty() && self.groups[place].active {
            self.groups[place].active = false;
            self.active.retain(|&active| active != place);
        }
    }

    /// Goes on to `now` and puts tasks that are done into `done`, with the vCPU-seconds each used.
    pub(super) fn advance(&mut self, now: Instant, done: &mut Vec<(Task, f64)>) {
        let to = now.as_nanos();
        if to == self.at {
            return;
        }
        let seconds = (to - self.at) as f64 * 1e-9;
        self.at = to;
        let mut finished = false;
        for &place in &self.active {
            let group = &mut self.groups[place];
            group.clock += group.rate * self.sigma * seconds;
            group.cpu_clock += group.rate * seconds;
            if let Some(quota) = &mut group.quota {
                let pace = group.rate * group.tasks.len() as f64;
                quota.advance(to, pace, seconds);
            }
            finished |= group
                .tasks
                .first()
                .is_some_and(|first| first.end <= group.clock + NOTHING);
        }
        if finished {
            self.take_done(done);
        }
    }

    fn take_done(&mut self, done: &mut Vec<(Task, f64)>) {
        let mut emptied = false;
        for &place in &self.active {
            let group = &mut self.groups[place];
            let count = group
                .tasks
                .partition_point(|running| running.end <= group.clock + NOTHING);
            for running in group.tasks.drain(..count) {
                done.push((running.task, group.cpu_clock - running.cpu_begin));
            }
            group.active = !group.tasks.is_empty();
            emptied |= !group.active;
        }
        if emptied {
            let groups = &self.groups;
            self.active.retain(|&place| groups[place].active);
        }
    }

    /// Divides the CPUs anew and says when something happens here next.
    pub(super) fn plan(&mut self) -> Instant {
        self.claims.clear();
        for &place in &self.active {
            let group = &self.groups[place];
            let throttled = group.quota.is_some_and(|quota| quota.throttled);
            let demand = if throttled { 0.0 } else { group.tasks.len() as f64 };
            self.claims.push(Claim {
                demand,
                weight: group.weight,
                share: 0.0,
            });
        }
        let free = (self.machine.vcpus - self.machine.system_cpu).max(0.0);
        physics::divide(free, &mut self.claims);
        let used: f64 = self.claims.iter().map(|claim| claim.share).sum();
        let busy = (self.machine.system_cpu + used).min(self.machine.vcpus);
        self.sigma = physics::sigma(&self.machine, self.smt_gain, busy);
        let mut next = u64::MAX;
        for (&place, claim) in self.active.iter().zip(&self.claims) {
            let group = &mut self.groups[place];
            group.rate = claim.share / group.tasks.len() as f64;
            if let Some(quota) = &group.quota {
                next = next.min(quota.next(self.at, claim.share));
            }
            let pace = group.rate * self.sigma;
            if pace > 0.0 {
                let rest = (group.tasks[0].end - group.clock).max(0.0) / pace;
                next = next.min(self.at.saturating_add(nanos(rest).max(1)));
            }
        }
        Instant::from_nanos(next)
    }
}

impl Quota {
    /// Uses budget at `pace` vCPU for `seconds` up to `to`. There is no exhaustion inside that time: it would
    /// have been an event.
    fn advance(&mut self, to: u64, pace: f64, seconds: f64) {
        if to >= self.refill {
            let late = (to - self.refill) % self.period;
            self.refill = to - late + self.period;
            self.used = pace * late as f64 * 1e-9;
            self.throttled = false;
        } else {
            self.used += pace * seconds;
        }
        if self.used >= self.budget - NOTHING {
            self.throttled = true;
        }
    }

    /// When a group that uses `pace` vCPU from `now` on is throttled, or freed if it is.
    fn next(&self, now: u64, pace: f64) -> u64 {
        if self.throttled {
            return self.refill;
        }
        if pace <= 0.0 {
            return u64::MAX;
        }
        let exhausted = now + nanos((self.budget - self.used) / pace).max(1);
        if exhausted < self.refill {
            return exhausted;
        }
        let full = nanos(self.budget / pace);
        if full < self.period {
            self.refill + full.max(1)
        } else {
            u64::MAX
        }
    }
}

/// Seconds in nanoseconds, rounded up. Conversions are cheaper here than a call of `ceil`, and as exact.
fn nanos(seconds: f64) -> u64 {
    let exact = seconds * 1e9;
    let whole = exact as u64;
    whole.saturating_add(u64::from((whole as f64) < exact))
}

#[cfg(test)]
mod tests {
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
            let in_millis =
                |(task, used): (Task, f64)| (task.pod, next.as_millis(), (used * 1e3).round() as u64);
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
}
