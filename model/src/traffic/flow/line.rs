//! What waits before a pod, as a fluid: how it is worked off, and for whom somebody still waits.
//!
//! A pod that works on all it has at once gives each request the same part of its CPU: a request is done when
//! what each has got since it came reaches its own work. The longer such a line, the less of its work is ever
//! done in time, though all of the CPU is used. With a limit of requests the others wait behind these, and where
//! that is few, or the work is a GPU's, all are done in turn. A pod goes on with requests whose senders have left.
//!
//! Requests that came one after the other are a batch; the more there are, the more batches are joined.

use std::collections::VecDeque;

use super::patience::{Level, Patience};

/// In which order a pod works on what it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// On so many at once.
    Together(f64),
    /// On the first, until it is done.
    InTurn,
}

/// Requests that come in a step, first and last sent at these times (seconds).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Came {
    pub(super) requests: f64,
    pub(super) sent: (f64, f64),
}

/// A stretch of time, seconds, and what a pod can do in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) from: f64,
    pub(super) to: f64,
    /// So much work, in requests.
    pub(super) most: f64,
    /// How long a request takes where nobody waits, seconds.
    pub(super) response: f64,
    /// Requests that are there where nobody waits.
    pub(super) usual: f64,
}

impl Step {
    fn middle(&self) -> f64 {
        (self.from + self.to) / 2.0
    }
}

/// Requests that are done while their senders wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) requests: f64,
    pub(super) sent: (f64, f64),
    /// When, on average, seconds.
    pub(super) at: f64,
}

impl Done {
    /// How long they took, seconds.
    pub(super) fn age(&self) -> f64 {
        (self.at - (self.sent.0 + self.sent.1) / 2.0).max(0.0)
    }
}

/// Requests that came one after the other.
#[derive(Debug, Clone, Copy)]
struct Batch {
    requests: f64,
    /// Those of them whose senders wait.
    alive: f64,
    /// How many levels of patience have passed.
    level: usize,
    /// When the first and the last was sent, seconds.
    sent: (f64, f64),
    /// What the line's clock says when the first and the last is done.
    done: (f64, f64),
}

impl From<Came> for Batch {
    fn from(came: Came) -> Self {
        Batch {
            requests: came.requests,
            alive: came.requests,
            level: 0,
            sent: came.sent,
            done: (0.0, 0.0),
        }
    }
}

impl Batch {
    /// Takes the first part away.
    fn take(&mut self, share: f64) -> Batch {
        let middle = |(first, last): (f64, f64)| first + (last - first) * share;
        let taken = Batch {
            requests: self.requests * share,
            alive: self.alive * share,
            level: self.level,
            sent: (self.sent.0, middle(self.sent)),
            done: (self.done.0, middle(self.done)),
        };
        self.requests -= taken.requests;
        self.alive -= taken.alive;
        (self.sent.0, self.done.0) = (taken.sent.1, taken.done.1);
        taken
    }

    /// When they were sent, on average, seconds.
    fn middle(&self) -> f64 {
        (self.sent.0 + self.sent.1) / 2.0
    }

    /// Done at some time, if somebody waits.
    fn answered(&self, at: f64) -> Option<Done> {
        (self.alive > 0.0).then_some(Done {
            requests: self.alive,
            sent: self.sent,
            at,
        })
    }
}

/// Appends a batch, or joins it to the last one if both together were sent within `span` seconds.
fn append(queue: &mut VecDeque<Batch>, batch: Batch, span: f64) {
    match queue.back_mut() {
        Some(last) if batch.level == last.level && batch.sent.1 - last.sent.0 <= span => {
            last.requests += batch.requests;
            last.alive += batch.alive;
            (last.sent.1, last.done.1) = (batch.sent.1, batch.done.1);
        }
        _ => queue.push_back(batch),
    }
}

/// Requests of like work.
#[derive(Debug, Clone)]
struct Kind {
    /// Their work over the mean.
    size: f64,
    /// First those whose senders have left, which came first.
    left: VecDeque<Batch>,
    waiting: VecDeque<Batch>,
}

impl Kind {
    fn new(size: f64) -> Self {
        Kind {
            size,
            left: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    fn first(&mut self) -> Option<&mut Batch> {
        self.left.front_mut().or_else(|| self.waiting.front_mut())
    }

    /// Takes the first batch, or `most` requests of it; and what is left of `most`.
    fn take_first(&mut self, most: f64) -> Option<(Batch, f64)> {
        let first = self.first()?;
        if first.requests <= most {
            let whole = *first;
            self.drop_first();
            return Some((whole, most - whole.requests));
        }
        // Nothing is left to the last bit, or there might be no end.
        Some((first.take(most / first.requests), 0.0))
    }

    fn drop_first(&mut self) {
        if self.left.pop_front().is_none() {
            self.waiting.pop_front();
        }
    }

    /// Adds a batch, which comes last, at some time (seconds).
    fn add(&mut self, batch: Batch, now: f64) {
        let queue = if batch.alive > 0.0 {
            &mut self.waiting
        } else {
            &mut self.left
        };
        let oldest = queue.front().map_or(now, |oldest| oldest.sent.0);
        append(queue, batch, GRAIN * (now - oldest));
    }

    /// Of those sent before some time (seconds) a share stays who have got as far as this level; how many leave.
    fn give_up(&mut self, before: f64, level: usize, stay: f64) -> f64 {
        let sent_before = |batch: &&mut Batch| batch.middle() <= before;
        let mut left = 0.0;
        for batch in self.waiting.iter_mut().take_while(sent_before) {
            if batch.level == level {
                left += batch.alive * (1.0 - stay);
                batch.alive *= stay;
                batch.level += 1;
            }
        }
        while self.waiting.front().is_some_and(|first| first.alive == 0.0) {
            if let Some(first) = self.waiting.pop_front() {
                self.add(first, before);
            }
        }
        left
    }

    fn batches(&mut self) -> impl Iterator<Item = &mut Batch> {
        self.left.iter_mut().chain(&mut self.waiting)
    }

    fn clear(&mut self) {
        self.left.clear();
        self.waiting.clear();
    }
}

/// The requests before one pod, those being answered among them.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// So many are worked on at once; none if all are in turn.
    slots: f64,
    /// Those that are worked on at once.
    kinds: Vec<Kind>,
    /// Those behind them.
    behind: Kind,
    /// What each request has got that was worked on all the time, in mean requests.
    clock: f64,
    /// Requests in batches, those worked on among them, and those whose senders wait.
    queued: f64,
    inside: f64,
    alive: f64,
    /// Requests that are here without waiting for one another.
    usual: f64,
}

/// Batches of a line are joined within this share of the age of its first.
const GRAIN: f64 = 0.02;
/// Fewer requests are none.
const NOBODY: f64 = 1e-9;

impl Line {
    /// An empty line for requests whose works are these, over the mean, each as likely.
    pub(super) fn new(order: Order, sizes: &[f64]) -> Self {
        let (slots, sizes) = match order {
            Order::Together(slots) => (slots, sizes),
            Order::InTurn => (0.0, &[][..]),
        };
        Line {
            slots,
            kinds: sizes.iter().map(|&size| Kind::new(size)).collect(),
            behind: Kind::new(1.0),
            clock: 0.0,
            queued: 0.0,
            inside: 0.0,
            alive: 0.0,
            usual: 0.0,
        }
    }

    /// Requests whose senders wait.
    pub(super) fn alive(&self) -> f64 {
        self.alive + self.usual
    }

    /// What the pod has before it, requests.
    pub(super) fn held(&self) -> f64 {
        self.queued + self.usual
    }

    /// What is left to be done of these, in mean requests.
    pub(super) fn work(&self) -> f64 {
        let left = |batch: &Batch| {
            let (first, last) = batch.done;
            let left = (first.max(self.clock) + last.max(self.clock)) / 2.0 - self.clock;
            batch.requests * left
        };
        let inside = self
            .kinds
            .iter()
            .flat_map(|kind| kind.left.iter().chain(&kind.waiting));
        inside.map(left).sum::<f64>() + (self.queued - self.inside).max(0.0) + self.usual
    }

    /// Whether there is more than the rate of arrivals makes it.
    pub(super) fn waits(&self) -> bool {
        self.queued > 0.0
    }

    /// Lets a step pass; says how much work was done, in requests, and for whom that was.
    pub(super) fn step(&mut self, came: Came, step: &Step, done: &mut Vec<Done>) -> f64 {
        if self.work() + came.requests - step.usual <= step.most {
            return self.clear(step.middle(), done) + self.pass(came, step, done);
        }
        let before = self.work();
        if self.slots > 0.0 && before <= step.most {
            return self.turn_over(came, before, step, done);
        }
        let here = Came {
            requests: std::mem::take(&mut self.usual),
            sent: (step.from - step.response, step.from),
        };
        let left = if self.slots > 0.0 {
            self.put(here.into(), self.clock, self.clock);
            self.share(came, step, done)
        } else {
            self.put_behind(here.into());
            self.put_behind(came.into());
            self.serve(step, done)
        };
        if self.queued < NOBODY {
            self.forget();
        }
        step.most - left
    }

    /// All that wait are done at some time; how much work that was.
    fn clear(&mut self, at: f64, done: &mut Vec<Done>) -> f64 {
        let work = self.work() - self.usual;
        if self.waits() {
            done.extend(self.batches().filter_map(|batch| batch.answered(at)));
            self.forget();
        }
        work
    }

    /// All that were here at the beginning of a step are done in it, of `before` requests' work, and some of those that
    /// came: who of them got how far nobody can tell within a step.
    fn turn_over(&mut self, came: Came, before: f64, step: &Step, done: &mut Vec<Done>) -> f64 {
        let usual = std::mem::take(&mut self.usual);
        if usual > 0.0 {
            done.push(Done {
                requests: usual,
                sent: (step.from - step.response, step.from),
                at: step.middle(),
            });
        }
        done.extend(self.batches().filter_map(|batch| batch.answered(step.middle())));
        self.forget();
        let mut rest = Batch::from(came);
        let now = came.requests.min(step.most - before);
        if now > 0.0 {
            let first = rest.take(now / came.requests);
            done.extend(first.answered(step.middle() + step.response));
        }
        if self.slots < rest.requests {
            let inside = rest.take(self.slots / rest.requests);
            self.put(inside, 0.0, 0.0);
            self.put_behind(rest);
        } else {
            self.put(rest, 0.0, 0.0);
        }
        before + now
    }

    /// Nobody waits for another.
    fn pass(&mut self, came: Came, step: &Step, done: &mut Vec<Done>) -> f64 {
        let here = self.usual + came.requests;
        let passed = (here - step.usual).max(0.0);
        self.usual = here - passed;
        if passed > 0.0 {
            // Those that were here were sent before; where some come they are as many as are here, and as old.
            let (sent, at) = match came.requests > 0.0 {
                true => (came.sent, step.middle()),
                false => ((step.from, step.from), step.from),
            };
            done.push(Done {
                requests: passed,
                sent,
                at: at + step.response,
            });
        }
        passed
    }

    /// Adds requests to those worked on; the clock says `first` and `last` when the first and the last of them begins.
    fn put(&mut self, batch: Batch, first: f64, last: f64) {
        if batch.requests < NOBODY {
            return;
        }
        self.queued += batch.requests;
        self.inside += batch.requests;
        self.alive += batch.alive;
        let share = 1.0 / self.kinds.len() as f64;
        for kind in &mut self.kinds {
            let part = Batch {
                requests: batch.requests * share,
                alive: batch.alive * share,
                level: batch.level,
                sent: batch.sent,
                done: (first + kind.size, last + kind.size),
            };
            kind.add(part, batch.sent.1);
        }
    }

    fn put_behind(&mut self, batch: Batch) {
        if batch.requests >= NOBODY {
            self.queued += batch.requests;
            self.alive += batch.alive;
            self.behind.add(batch, batch.sent.1);
        }
    }

    fn forget(&mut self) {
        self.all().for_each(Kind::clear);
        (self.clock, self.queued, self.inside, self.alive) = (0.0, 0.0, 0.0, 0.0);
    }

    /// The first of those behind take the slots that are free; the clock said `first` when the first slot was.
    fn admit(&mut self, first: f64) {
        while self.slots - self.inside > NOBODY {
            let Some((batch, _)) = self.behind.take_first(self.slots - self.inside) else {
                return;
            };
            self.queued -= batch.requests;
            self.alive -= batch.alive;
            self.put(batch, first, self.clock);
        }
    }

    /// Works on as many at once as may be; what is left of the step's work.
    fn share(&mut self, came: Came, step: &Step, done: &mut Vec<Done>) -> f64 {
        let begin = self.clock;
        let mut left = step.most;
        let full = self.inside + came.requests > self.slots || self.behind.first().is_some();
        let more = if full {
            self.put_behind(came.into());
            self.admit(begin);
            0.0
        } else {
            // They come evenly, and are here for half the step on average.
            came.requests / 2.0
        };
        while left > 0.0 && self.inside > NOBODY {
            // Whoever leaves is followed at once.
            let before = self.clock;
            left = self.share_turn(left, more, step, done);
            self.admit(before);
        }
        if full {
            return left;
        }
        if left == 0.0 {
            self.put(came.into(), begin, self.clock);
            return 0.0;
        }
        // All that was here is done, and some of those that came.
        self.forget();
        let now = came.requests.min(left);
        let mut rest = Batch::from(came);
        if now > 0.0 {
            let first = rest.take(now / came.requests);
            done.extend(first.answered(step.middle() + step.response));
        }
        self.put(rest, 0.0, 0.0);
        left - now
    }

    /// Works on those inside and so many `more` until the next batch begins or ends to be done, or the work is used up;
    /// what is left of it.
    fn share_turn(&mut self, before: f64, more: f64, step: &Step, done: &mut Vec<Done>) -> f64 {
        let sharing = self.inside + more;
        // Who leaves without a successor takes no share any more: of those that leave in a turn, half of it on average.
        let leaving = match self.behind.first() {
            Some(_) => 0.0,
            None => self.leaving(),
        };
        let next = self.next_turn();
        let turn = next - self.clock;
        let whole = turn * (sharing - leaving * turn.min(1e9) / 2.0);
        let left = if whole <= before {
            self.clock = next;
            before - whole
        } else {
            let fewer = (sharing * sharing - 2.0 * leaving * before).max(0.0);
            self.clock = next.min(self.clock + 2.0 * before / (sharing + libm::sqrt(fewer)));
            0.0
        };
        let at = |left: f64| {
            let gone = if step.most > 0.0 {
                1.0 - left / step.most
            } else {
                1.0
            };
            step.from + (step.to - step.from) * gone
        };
        self.leave((at(before), at(left)), done);
        left
    }

    /// How many leave while the clock goes on by one, of the batches that are being done.
    fn leaving(&mut self) -> f64 {
        let clock = self.clock;
        let leaving = |kind: &mut Kind| {
            let first = kind.first()?;
            let (begin, end) = first.done;
            (begin <= clock && end > clock).then(|| first.requests / (end - begin))
        };
        self.kinds.iter_mut().filter_map(leaving).sum()
    }

    /// Where on the clock the next batch begins or ends to be done.
    fn next_turn(&mut self) -> f64 {
        let clock = self.clock;
        let turn = |kind: &mut Kind| {
            let (first, last) = kind.first()?.done;
            Some(if first > clock { first } else { last.max(clock) })
        };
        self.kinds
            .iter_mut()
            .filter_map(turn)
            .fold(f64::INFINITY, f64::min)
    }

    /// Whoever is done by the clock leaves, one after the other in some time, or together at its end.
    fn leave(&mut self, (from, to): (f64, f64), done: &mut Vec<Done>) {
        for place in 0..self.kinds.len() {
            while let Some(first) = self.kinds[place].first() {
                let (begin, end) = first.done;
                if begin > self.clock || (begin == self.clock && end > begin) {
                    break;
                }
                let batch = if end <= self.clock {
                    let whole = *first;
                    self.kinds[place].drop_first();
                    whole
                } else {
                    first.take((self.clock - begin) / (end - begin))
                };
                self.inside = (self.inside - batch.requests).max(0.0);
                let at = if end > begin { (from + to) / 2.0 } else { to };
                self.is_done(batch, at, done);
                if end > self.clock {
                    break;
                }
            }
        }
    }

    fn is_done(&mut self, batch: Batch, at: f64, done: &mut Vec<Done>) {
        self.queued = (self.queued - batch.requests).max(0.0);
        self.alive = (self.alive - batch.alive).max(0.0);
        done.extend(batch.answered(at));
    }

    /// Works on one after the other; what is left of the step's work.
    fn serve(&mut self, step: &Step, done: &mut Vec<Done>) -> f64 {
        let mut left = step.most;
        while left > 0.0 {
            let Some((batch, rest)) = self.behind.take_first(left) else {
                break;
            };
            let gone = 1.0 - (left + rest) / 2.0 / step.most;
            left = rest;
            self.is_done(batch, step.from + (step.to - step.from) * gone, done);
        }
        left
    }

    /// At some time (seconds) those leave who have waited for as long as they do; how many of each level. Their work
    /// stays.
    pub(super) fn give_up(&mut self, now: f64, patience: &Patience, mut tell: impl FnMut(Level, f64)) {
        let mut gone = 0.0;
        for (number, &level) in patience.levels.iter().enumerate() {
            let stay = patience.stay(number);
            let left: f64 = self
                .all()
                .map(|kind| kind.give_up(now - level.seconds, number, stay))
                .sum();
            if left > 0.0 {
                tell(level, left);
                gone += left;
            }
        }
        self.alive = (self.alive - gone).max(0.0);
    }

    /// The senders of a share leave, whenever they came; how many. Their work stays.
    pub(super) fn abandon(&mut self, share: f64) -> f64 {
        let left = self.alive() * share;
        self.batches().for_each(|batch| batch.alive *= 1.0 - share);
        self.alive *= 1.0 - share;
        self.usual *= 1.0 - share;
        left
    }

    /// Takes a share of everything away, and says how many requests ended.
    pub(super) fn cut(&mut self, share: f64) -> f64 {
        let ended = self.abandon(share);
        self.batches().for_each(|batch| batch.requests *= 1.0 - share);
        self.queued *= 1.0 - share;
        self.inside *= 1.0 - share;
        ended
    }

    fn batches(&mut self) -> impl Iterator<Item = &mut Batch> {
        self.all().flat_map(Kind::batches)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Kind> {
        self.kinds.iter_mut().chain([&mut self.behind])
    }
}

#[cfg(test)]
mod tests;
