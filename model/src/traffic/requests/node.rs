//! One node's CPUs: who runs how fast until something changes.
//!
//! Groups (cgroups) compete: one for each pod with a CPU request, one for all BestEffort pods together. A
//! group is *full* if it gets all it can use, a vCPU for each task; *limited* if it gets its weight's part of
//! the level to which the CPUs fill up; or *held* by its quota. Its tasks share what it gets equally.
//!
//! What a group has done is thus a difference of two readings of the node's own [`Clocks`], and when its next
//! task ends is a reading that does not move when others come and go. Nothing is done to a group between
//! two changes of its own; an event costs one pass over a few numbers for each group that has tasks. Quotas
//! are refilled lazily: a group that cannot use up its budget in a period costs hardly an event.

use std::collections::VecDeque;

use sim::Instant;

use super::quota::{History, Quota, nanos, reading};
use crate::traffic::config::Machine;
use crate::traffic::physics::{self, BEST_EFFORT_WEIGHT};

/// Work or budget below this counts as nothing, seconds: what a nanosecond of rounding leaves.
pub(super) const NOTHING: f64 = 2e-9;

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

/// How a group fares at present: the place of its readings among the clocks'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pace {
    /// It gets nothing: it has just come, or its quota is used up.
    #[default]
    Held,
    /// Each task has a vCPU.
    Full,
    /// It gets its weight's part.
    Limited,
}

/// What a group of weight 1 would have used and done by now that always went at one pace: vCPU-seconds and core-seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Clocks {
    cpu: [f64; 3],
    work: [f64; 3],
}

impl Clocks {
    #[inline]
    fn of(&self, pace: Pace) -> (f64, f64) {
        (self.cpu[pace as usize], self.work[pace as usize])
    }

    #[inline]
    fn work(&self) -> f64 {
        self.work[Pace::Full as usize]
    }

    #[inline]
    fn limited_cpu(&self) -> f64 {
        self.cpu[Pace::Limited as usize]
    }

    #[inline]
    fn limited_work(&self) -> f64 {
        self.work[Pace::Limited as usize]
    }
}

#[derive(Debug, Clone, Default)]
struct Group {
    /// Soonest done first.
    tasks: VecDeque<Running>,
    weight: f64,
    /// Work done by each task that has always been here, core-seconds.
    clock: f64,
    /// vCPU-seconds of the same.
    cpu_clock: f64,
    quota: Option<Quota>,
    /// What the clocks of its pace (CPU and work) said when all this was true.
    seen: (f64, f64),
    /// Its place among the active, if it has tasks.
    place: Option<usize>,
}

/// What planning needs to know of a group with tasks.
#[derive(Debug, Clone, Copy)]
struct Active {
    group: usize,
    pace: Pace,
    /// Its quota is used up.
    throttled: bool,
    /// It gets all it wants: an intermediate result.
    content: bool,
    tasks: f64,
    weight: f64,
    /// All of it is written down at this time, nanoseconds.
    caught_up: u64,
    /// What follows is out of date: it is said anew when the node is planned.
    is_stale: bool,
    /// What part of its pace's clocks each task gets.
    share: f64,
    /// What is next in it.
    coming: Readings,
}

impl Active {
    /// Says anew what is next in a group that has caught up.
    fn expect(&mut self, group: &Group, now: u64) {
        self.is_stale = false;
        let mut coming = NEVER;
        let soonest = group.tasks.front().map_or(f64::INFINITY, |running| running.end);
        let rest = soonest - group.clock;
        let quota = group.quota.as_ref();
        match self.pace {
            Pace::Held => {
                self.share = 0.0;
                coming[next::TURN] = quota.map_or(f64::INFINITY, |quota| reading(quota.refill()));
            }
            Pace::Full => {
                self.share = 1.0;
                coming[next::DONE] = group.seen.1 + rest;
                coming[next::TURN] = quota.map_or(f64::INFINITY, |quota| quota.used_up_at(now, self.tasks));
            }
            Pace::Limited => {
                self.share = self.weight / self.tasks;
                coming[next::LIMITED_DONE] = group.seen.1 + rest / self.share;
                if let Some(quota) = quota.filter(|quota| self.tasks > quota.rate()) {
                    coming[next::SPENT] = group.seen.0 + quota.rest() / self.weight;
                }
            }
        }
        self.coming = coming;
    }

    #[inline]
    fn pace_in(&self, division: Division) -> Pace {
        match division {
            _ if self.throttled => Pace::Held,
            Division::Plenty => Pace::Full,
            Division::Scarce => Pace::Limited,
            Division::Mixed if self.content => Pace::Full,
            Division::Mixed => Pace::Limited,
        }
    }
}

/// What can be next in a group: a reading of one of the clocks, or endless.
mod next {
    /// A task is done, of a full group: its work clock.
    pub(super) const DONE: usize = 0;
    /// The same of a limited group.
    pub(super) const LIMITED_DONE: usize = 1;
    /// A limited group's quota may be used up: its CPU clock.
    pub(super) const SPENT: usize = 2;
    /// Another's quota is used up or refilled: nanoseconds.
    pub(super) const TURN: usize = 3;
    /// How many there are.
    pub(super) const KINDS: usize = 4;
}

type Readings = [f64; next::KINDS];

const NEVER: Readings = [f64::INFINITY; next::KINDS];

/// How the CPUs are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Division {
    /// There is enough for all.
    Plenty,
    /// Nobody gets all it can use.
    Scarce,
    /// Some do.
    Mixed,
}

/// The CPUs of a node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    machine: Machine,
    smt_gain: f64,
    /// vCPU for pods.
    free: f64,
    groups: Vec<Group>,
    free_groups: Vec<usize>,
    active: Vec<Active>,
    /// What was next in any of the active when all was planned.
    first: Readings,
    /// Groups whose quota was used up or refilled since the last plan.
    turned: Vec<usize>,
    /// What the active that are not throttled want, vCPU, and their weights.
    wanted: f64,
    weights: f64,
    /// No group weighs more.
    heaviest: f64,
    division: Division,
    clocks: Clocks,
    /// vCPU that are busy at present, and the work of one of them a second.
    busy: f64,
    sigma: f64,
    /// vCPU of a limited group for each unit of its weight at present.
    level: f64,
    history: History,
    /// Something has happened since it was planned.
    pub(super) is_stale: bool,
    /// All of the above is true at this time, nanoseconds.
    at: u64,
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
            free: (machine.vcpus - machine.system_cpu).max(0.0),
            groups: vec![best_effort],
            free_groups: Vec::new(),
            active: Vec::new(),
            first: NEVER,
            turned: Vec::new(),
            wanted: 0.0,
            weights: 0.0,
            heaviest: BEST_EFFORT_WEIGHT,
            division: Division::Plenty,
            clocks: Clocks::default(),
            busy: 0.0,
            sigma: machine.speed,
            level: 0.0,
            history: History::default(),
            is_stale: false,
            at: now.as_nanos(),
        }
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Makes room for a pod with a group of its own. The quota's first refill is `phase` from now (seconds).
    pub(super) fn add_group(&mut self, weight: f64, quota: Option<(f64, f64, f64)>) -> usize {
        let at = self.at;
        let quota =
            quota.map(|(budget, period, phase)| Quota::new(budget, nanos(period), at + nanos(phase).max(1)));
        if let Some(quota) = &quota {
            self.history.keep(quota.period());
        }
        self.heaviest = self.heaviest.max(weight);
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
    pub(super) fn remove_group(&mut self, group: usize) {
        self.deactivate(group);
        self.groups[group] = Group::default();
        self.free_groups.push(group);
    }

    /// Takes the tasks that `which` names out of a group, and says how many vCPU-seconds they had used.
    pub(super) fn remove_tasks(&mut self, group: usize, which: impl Fn(Task) -> bool) -> f64 {
        let Some(place) = self.groups[group].place else {
            return 0.0;
        };
        self.catch_up(place);
        let known = &mut self.groups[group];
        let clock = known.cpu_clock;
        let gone = known.tasks.iter().filter(|running| which(running.task));
        let used = gone.map(|running| clock - running.cpu_begin).sum();
        known.tasks.retain(|running| !which(running.task));
        if known.tasks.is_empty() {
            self.deactivate(group);
        } else {
            self.recount(place);
        }
        used
    }

    /// A new task of `work` core-seconds; the caller has advanced the node and will plan it anew.
    pub(super) fn add_task(&mut self, group: usize, task: Task, work: f64) {
        let place = match self.groups[group].place {
            Some(place) => {
                self.catch_up(place);
                place
            }
            None => self.activate(group),
        };
        let known = &mut self.groups[group];
        let running = Running {
            task,
            end: known.clock + work,
            cpu_begin: known.cpu_clock,
        };
        if known.tasks.back().is_none_or(|last| last.end <= running.end) {
            known.tasks.push_back(running);
        } else {
            let position = known.tasks.partition_point(|other| other.end <= running.end);
            known.tasks.insert(position, running);
        }
        self.recount(place);
    }

    /// vCPU-seconds that a pod's unfinished tasks in a group have used.
    pub(super) fn used_by(&self, group: usize, pod: u32) -> f64 {
        let known = &self.groups[group];
        let Some(place) = known.place else { return 0.0 };
        let active = &self.active[place];
        let gone = (self.clocks.of(active.pace).0 - known.seen.0) * active.share;
        let of_pod = known.tasks.iter().filter(|running| running.task.pod == pod);
        of_pod
            .map(|running| known.cpu_clock + gone - running.cpu_begin)
            .sum()
    }

    /// A group gets its first task; a quota that slept over refills wakes in the present period.
    fn activate(&mut self, group: usize) -> usize {
        let place = self.active.len();
        let known = &mut self.groups[group];
        if let Some(quota) = &mut known.quota {
            quota.wake(self.at);
        }
        known.place = Some(place);
        let throttled = known.quota.as_ref().is_some_and(Quota::is_used_up);
        if !throttled {
            self.weights += known.weight;
        }
        // If the division stays what it is, it need not be looked at again.
        let pace = match self.division {
            _ if throttled => Pace::Held,
            Division::Plenty => Pace::Full,
            Division::Scarce => Pace::Limited,
            Division::Mixed => Pace::Held,
        };
        known.seen = self.clocks.of(pace);
        self.active.push(Active {
            group,
            pace,
            throttled,
            content: false,
            tasks: 0.0,
            weight: known.weight,
            caught_up: self.at,
            is_stale: true,
            share: 0.0,
            coming: NEVER,
        });
        place
    }

    fn deactivate(&mut self, group: usize) {
        let Some(place) = self.groups[group].place.take() else {
            return;
        };
        let gone = self.active.swap_remove(place);
        if !gone.throttled {
            self.wanted -= gone.tasks;
            self.weights -= gone.weight;
        }
        if let Some(moved) = self.active.get(place) {
            self.groups[moved.group].place = Some(place);
        }
    }

    /// Writes down what a group has done by now.
    fn catch_up(&mut self, place: usize) {
        let active = &mut self.active[place];
        if active.caught_up == self.at {
            return;
        }
        active.caught_up = self.at;
        let group = &mut self.groups[active.group];
        let (cpu, work) = self.clocks.of(active.pace);
        let used = cpu - group.seen.0;
        group.cpu_clock += used * active.share;
        group.clock += (work - group.seen.1) * active.share;
        group.seen = (cpu, work);
        let Some(quota) = &mut group.quota else { return };
        let whole = active.share * active.tasks;
        let (at, limited) = (self.at, self.clocks.limited_cpu());
        quota.advance(at, whole * used, |refill| match active.pace {
            Pace::Held => 0.0,
            Pace::Full => whole * reading(at - refill) * 1e-9,
            Pace::Limited => whole * (limited - self.history.at(refill)),
        });
        if active.throttled != quota.is_used_up() {
            active.throttled = !active.throttled;
            let sign = if active.throttled { -1.0 } else { 1.0 };
            self.wanted += sign * active.tasks;
            self.weights += sign * active.weight;
            self.turned.push(active.group);
        }
    }

    /// The tasks of a group that has caught up are others.
    #[inline]
    fn recount(&mut self, place: usize) {
        let active = &mut self.active[place];
        let tasks = self.groups[active.group].tasks.len() as f64;
        if !active.throttled {
            self.wanted += tasks - active.tasks;
        }
        active.tasks = tasks;
        active.is_stale = true;
    }

    /// Goes on to `now` and puts tasks that are done into `done`, with the vCPU-seconds each used.
    #[inline]
    pub(super) fn advance(&mut self, now: Instant, done: &mut Vec<(Task, f64)>) {
        let to = now.as_nanos();
        if to == self.at {
            return;
        }
        let seconds = reading(to - self.at) * 1e-9;
        self.at = to;
        let Clocks { cpu, work } = &mut self.clocks;
        cpu[Pace::Full as usize] += seconds;
        work[Pace::Full as usize] += self.sigma * seconds;
        cpu[Pace::Limited as usize] += self.level * seconds;
        work[Pace::Limited as usize] += self.level * self.sigma * seconds;
        // What is left of a limited group is less than a reading's difference by its weight.
        let ripe = self.clocks.work() + NOTHING >= self.first[next::DONE];
        let limited = self.clocks.limited_work() + NOTHING >= self.first[next::LIMITED_DONE];
        if ripe || limited {
            self.take_done(done);
        }
    }

    fn take_done(&mut self, done: &mut Vec<(Task, f64)>) {
        let (ripe, limited) = (self.clocks.work() + NOTHING, self.clocks.limited_work());
        let mut place = 0;
        while let Some(active) = self.active.get(place) {
            if active.coming[next::DONE] > ripe
                && (active.coming[next::LIMITED_DONE] - limited) * active.share > NOTHING
            {
                place += 1;
                continue;
            }
            let number = active.group;
            self.catch_up(place);
            let group = &mut self.groups[number];
            let over = group.clock + NOTHING * 1.5;
            while let Some(running) = group.tasks.front().copied().filter(|running| running.end <= over) {
                group.tasks.pop_front();
                done.push((running.task, group.cpu_clock - running.cpu_begin));
            }
            if group.tasks.is_empty() {
                self.deactivate(number);
            } else {
                self.recount(place);
                place += 1;
            }
        }
    }

    /// Divides the CPUs anew and says when something happens here next.
    pub(super) fn plan(&mut self) -> Instant {
        self.is_stale = false;
        // What was first when all was planned last: no group whose turn it is has changed since.
        let spent = (self.first[next::SPENT] - self.clocks.limited_cpu()) * BEST_EFFORT_WEIGHT <= NOTHING;
        if spent || self.first[next::TURN] <= reading(self.at) {
            self.turn_quotas();
        }
        let free = self.free;
        let level = if self.wanted <= free {
            0.0
        } else {
            free / self.weights
        };
        let division = if self.wanted <= free {
            Division::Plenty
        } else if level * self.heaviest < 1.0 {
            Division::Scarce
        } else {
            Division::Mixed
        };
        let level = if division == Division::Mixed {
            self.fill(free)
        } else {
            level
        };
        if level != self.level {
            self.level = level;
            self.history.note(self.at, self.clocks.limited_cpu(), level);
        }
        let busy = least(
            self.machine.system_cpu + least(self.wanted, free),
            self.machine.vcpus,
        );
        if busy != self.busy {
            self.busy = busy;
            self.sigma = physics::sigma(&self.machine, self.smt_gain, busy);
        }
        if division == self.division && division != Division::Mixed {
            while let Some(group) = self.turned.pop() {
                if let Some(place) = self.groups[group].place {
                    self.set_pace(place);
                }
            }
        } else {
            self.turned.clear();
            self.division = division;
            for place in 0..self.active.len() {
                self.set_pace(place);
            }
        }
        self.look_ahead();
        self.next()
    }

    /// Sees to quotas that are used up or refilled.
    fn turn_quotas(&mut self) {
        for place in 0..self.active.len() {
            let active = &self.active[place];
            let left = (active.coming[next::SPENT] - self.clocks.limited_cpu()) * active.weight;
            if active.coming[next::TURN] <= reading(self.at) || left <= NOTHING {
                self.catch_up(place);
                self.active[place].is_stale = true;
            }
        }
    }

    /// Fills groups up to the level at which `free` vCPU are used: those that want less are content.
    fn fill(&mut self, free: f64) -> f64 {
        for active in &mut self.active {
            active.content = active.throttled;
        }
        let (mut left, mut weights) = (free, self.weights);
        loop {
            let level = left.max(0.0) / weights;
            let before = weights;
            for active in self.active.iter_mut().filter(|active| !active.content) {
                if active.tasks <= level * active.weight {
                    active.content = true;
                    left -= active.tasks;
                    weights -= active.weight;
                }
            }
            if weights == before {
                return level;
            }
            if weights <= 0.0 {
                return 0.0;
            }
        }
    }

    /// Lets a group run as the division says; most run so already.
    #[inline]
    fn set_pace(&mut self, place: usize) {
        let pace = self.active[place].pace_in(self.division);
        if self.active[place].pace != pace {
            self.change_pace(place, pace);
        }
    }

    fn change_pace(&mut self, place: usize, pace: Pace) {
        self.catch_up(place);
        let active = &mut self.active[place];
        active.pace = pace;
        active.is_stale = true;
        self.groups[active.group].seen = self.clocks.of(pace);
    }

    /// Says anew what is next in the groups that have changed, and what is next in all.
    fn look_ahead(&mut self) {
        let [mut done, mut limited_done, mut spent, mut turn] = NEVER;
        for active in &mut self.active {
            if active.is_stale {
                active.expect(&self.groups[active.group], self.at);
            }
            let coming = &active.coming;
            done = least(coming[next::DONE], done);
            limited_done = least(coming[next::LIMITED_DONE], limited_done);
            spent = least(coming[next::SPENT], spent);
            turn = least(coming[next::TURN], turn);
        }
        self.first = [done, limited_done, spent, turn];
    }

    /// When the first of what is next is due.
    #[inline]
    fn next(&self) -> Instant {
        let mut soonest = f64::INFINITY;
        let mut reach = |kind: usize, clock: f64, pace: f64| {
            let rest = self.first[kind] - clock;
            if self.first[kind] < f64::INFINITY && pace > 0.0 {
                soonest = least(if rest > 0.0 { rest } else { 0.0 } / pace, soonest);
            }
        };
        reach(next::DONE, self.clocks.work(), self.sigma);
        reach(
            next::LIMITED_DONE,
            self.clocks.limited_work(),
            self.level * self.sigma,
        );
        reach(next::SPENT, self.clocks.limited_cpu(), self.level);
        let mut due = u64::MAX;
        if soonest < f64::INFINITY {
            due = self.at.saturating_add(nanos(soonest).max(1));
        }
        let turn = self.first[next::TURN];
        if turn < f64::INFINITY {
            due = due.min(turn as i64 as u64);
        }
        Instant::from_nanos(due)
    }
}

/// The lesser of two numbers: `f64::min` also looks whether they are any.
#[inline]
fn least(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests;
