//! Scraping: discovery, slots, failures, staleness.
//!
//! Discovery's finds reach the scrape manager in batches ([`pace`]). Each target is scraped at times that are
//! the same in every interval, its slot: a hash of its labels and the server's name, so that it survives
//! restarts, differs from target to target, and practically never falls on a whole second or on another's
//! (prometheus 3.5 scrape/target.go `offset`). Here the slot is drawn to the nanosecond from a stream named
//! by that hash. The samples of a scrape carry its start in milliseconds and can be queried when it is over.
//!
//! A series that a scrape does not bring ends with a stale marker; a failed scrape ends all of its target's
//! and gives `up` 0. The series of a target that is gone end 1.1 intervals after the tick that would have been
//! its next, at that tick's time: until then instant queries see the old and, if the target came back with
//! other labels, the new ones beside them. A server that goes down ends nothing, and nothing ends the series of samples that
//! carry a time of their own: cAdvisor's.

mod config;
mod discovery;
mod pace;
mod target;
#[cfg(test)]
mod tests;

use std::time::Duration;

use rand::RngExt;
use sim::{Component, Instant, Outbox, SortedMap, Stream, Streams};

pub use config::{Config, Job, JobConfig};
pub(crate) use discovery::{is_kube_state_metrics, label_name};
pub use target::{Failure, Source, Target, TargetId};
pub(crate) use target::{REPORTS, normalized_bound};

use self::discovery::Discovery;
use self::pace::Pace;
use self::target::{Pending, Reports, ScrapeLoop};
use super::labels::{Labels, Sample};
use super::promql::{EvalError, Query, Value};
use super::storage::{Interest, Storage};
use super::version::Profile;
use crate::api::Api;
use crate::id::{NodeId, PodId};

/// What happens to Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The run begins with a server that has been up for a while: it knows the targets of this moment.
    Running,
    /// The server comes up and discovers its targets.
    Started,
    /// The server goes down. What it has committed stays.
    Stopped,
    /// A pod was made, changed or removed.
    PodChanged(PodId),
    /// A node was made, changed or removed.
    NodeChanged(NodeId),
    /// Service discovery looks whether there is anything to send.
    Send,
    /// The scrape manager has its tick.
    Reload,
    /// A target's next scrape is due.
    Tick(TargetId),
    /// The answer to a scrape: the exposition as it was when the scrape began, or why there is none.
    Scraped(TargetId, Result<Vec<Sample>, Failure>),
    /// A scrape is over and its samples are committed.
    Commit(TargetId),
    /// The series of a target that was removed end.
    EndOfRun(TargetId),
}

/// What Prometheus asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Ask a target for its exposition, and answer with [`Input::Scraped`] at the same instant.
    Scrape(TargetId, Source),
}

/// What service discovery sees.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Pods and nodes.
    pub api: &'a Api,
}

/// A Prometheus server.
#[derive(Debug)]
pub struct Prometheus {
    config: Config,
    interest: Interest,
    reports: Reports,
    discovery: Discovery,
    storage: Storage,
    streams: Streams,
    durations: Stream,
    pace: Pace,
    up: bool,
    loops: SortedMap<TargetId, ScrapeLoop>,
    next_target: u32,
    send_alarm: Option<Instant>,
    reload_alarm: Option<Instant>,
    /// What was sent and not yet applied.
    sent: Option<Vec<Target>>,
}

type Out = Outbox<Input, Output>;

impl Prometheus {
    /// A server for a run in which these queries are asked. It is down until [`Input::Running`] or
    /// [`Input::Started`].
    #[must_use]
    pub fn new(config: Config, queries: &[Query], streams: &Streams) -> Self {
        let profile = Profile::of(config.version);
        let interest = Interest::of(queries);
        let pace = Pace::new(
            profile.discovery_backoff,
            config.discovery_reload_interval,
            streams.stream("prometheus/discovery", 0),
        );
        Prometheus {
            discovery: Discovery::new(&interest),
            storage: Storage::for_queries(profile, queries),
            reports: REPORTS.map(|name| interest.wants(name)),
            interest,
            streams: *streams,
            durations: streams.stream("prometheus/scrape-duration", 0),
            pace,
            config,
            up: false,
            loops: SortedMap::new(),
            next_target: 0,
            send_alarm: None,
            reload_alarm: None,
            sent: None,
        }
    }

    /// The same server, keeping only what these queries can select. It scrapes the same targets at the same
    /// times.
    #[must_use]
    pub fn keeping(self, queries: &[Query]) -> Self {
        let interest = Interest::of(queries);
        Prometheus {
            reports: REPORTS.map(|name| interest.wants(name)),
            interest,
            storage: Storage::for_queries(Profile::of(self.config.version), queries),
            ..self
        }
    }

    /// Which metrics exporters need to expose.
    #[must_use]
    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// The committed samples.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Whether the server is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// A target that is being scraped, or whose series have not ended yet.
    #[must_use]
    pub fn target(&self, id: TargetId) -> Option<&Target> {
        self.loops.get(&id).map(|scrape| &scrape.target)
    }

    /// An instant of the run as Unix milliseconds.
    #[must_use]
    pub fn unix_millis(&self, at: Instant) -> i64 {
        self.config.unix_millis(at)
    }

    /// Answers a query, put at a time in Unix milliseconds: what is committed now counts.
    ///
    /// # Errors
    ///
    /// When the server is down or the query fails.
    pub fn query(&self, query: &Query, at: i64) -> Result<Value, EvalError> {
        if self.up {
            query.evaluate(&self.storage, at, &self.config.settings())
        } else {
            Err(EvalError::Down)
        }
    }

    fn stop(&mut self) {
        self.up = false;
        self.loops.clear();
        self.send_alarm = None;
        self.reload_alarm = None;
        self.sent = None;
    }

    /// Discovery has something to send.
    fn changed(&mut self, now: Instant, out: &mut Out) {
        if self.up && self.send_alarm.is_none() {
            let due = self.pace.next_send(now);
            self.send_alarm = Some(due);
            out.wake_at(due, Input::Send);
        }
    }

    fn send(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        if self.send_alarm != Some(now) {
            return;
        }
        self.send_alarm = None;
        self.pace.sent(now);
        self.sent = Some(self.discovery.discover(view, &self.config));
        if self.reload_alarm.is_none() {
            self.reload(now, out);
        }
    }

    /// Applies what was sent, or waits for the next tick (prometheus 3.5 scrape/scrape.go `sync`).
    fn reload(&mut self, now: Instant, out: &mut Out) {
        self.reload_alarm = None;
        if self.sent.is_none() {
            return;
        }
        match self.pace.reload(now) {
            Ok(()) => {
                if let Some(targets) = self.sent.take() {
                    self.sync(now, targets, out);
                }
            }
            Err(due) => {
                self.reload_alarm = Some(due);
                out.wake_at(due, Input::Reload);
            }
        }
    }

    /// Starts loops of new targets and stops those of targets that are gone. A target is known by its labels
    /// and who answers.
    fn sync(&mut self, now: Instant, targets: Vec<Target>, out: &mut Out) {
        let active = self.loops.iter().filter(|(_, scrape)| scrape.ends.is_none());
        let key = |target: &Target| (target.source, target.labels.clone());
        let mut old: SortedMap<(Source, Labels), TargetId> =
            active.map(|(id, scrape)| (key(&scrape.target), *id)).collect();
        for target in targets {
            if old.remove(&key(&target)).is_none() {
                self.start_loop(now, target, out);
            }
        }
        for id in old.into_values() {
            self.stop_loop(id, out);
        }
    }

    fn start_loop(&mut self, now: Instant, target: Target, out: &mut Out) {
        let id = TargetId(self.next_target);
        self.next_target += 1;
        let next = self.next_slot(now, &target);
        self.loops.insert(
            id,
            ScrapeLoop::new(target, next, &Profile::of(self.config.version)),
        );
        out.wake_at(next, Input::Tick(id));
    }

    /// The next time of a target's slot, strictly after now.
    fn next_slot(&self, now: Instant, target: &Target) -> Instant {
        let interval = nanos(self.config.interval(target.job));
        let mut stream = self.streams.stream("prometheus/slot", hash(&target.labels));
        let known = self
            .config
            .jobs
            .get(&target.job)
            .and_then(|job| job.slot.as_ref());
        let slot = match known {
            Some(slot) => slot.sample_duration(&mut stream).as_nanos() as u64 % interval,
            None => stream.random_range(0..interval),
        };
        let epoch = i128::from(self.config.epoch) * 1_000_000;
        let unix = epoch + i128::from(now.as_nanos());
        let past = unix.rem_euclid(i128::from(interval)) as u64;
        let wait = interval - (past + interval - slot) % interval;
        now + Duration::from_nanos(wait)
    }

    /// Scraping ends; the series' end is due 1.1 intervals after what would have been the next scrape.
    fn stop_loop(&mut self, id: TargetId, out: &mut Out) {
        let Some(scrape) = self.loops.get_mut(&id) else {
            return;
        };
        if !scrape.scraped {
            self.loops.remove(&id);
            return;
        }
        let interval = self.config.interval(scrape.target.job);
        scrape.ends = Some(self.config.unix_millis(scrape.next));
        out.wake_at(scrape.next + interval + interval / 10, Input::EndOfRun(id));
    }

    fn tick(&mut self, now: Instant, id: TargetId, out: &mut Out) {
        let Some(scrape) = self.loops.get_mut(&id) else {
            return;
        };
        if scrape.ends.is_some() || scrape.next != now {
            return;
        }
        scrape.scraped = true;
        scrape.next = now + self.config.interval(scrape.target.job);
        out.wake_at(scrape.next, Input::Tick(id));
        out.emit(Output::Scrape(id, scrape.target.source));
    }

    fn scraped(&mut self, now: Instant, id: TargetId, result: Result<Vec<Sample>, Failure>, out: &mut Out) {
        let Some(scrape) = self.loops.get_mut(&id) else {
            return;
        };
        let timeout = self.config.timeout(scrape.target.job);
        let drawn = self.config.scrape_duration.sample_duration(&mut self.durations);
        let (result, duration) = match result {
            Ok(_) if drawn >= timeout => (Err(Failure::TimedOut), timeout),
            Ok(samples) => (Ok(samples), drawn),
            Err(Failure::TimedOut) => (Err(Failure::TimedOut), timeout),
            Err(Failure::Refused) => (Err(Failure::Refused), drawn.min(timeout)),
        };
        if !self.reports.contains(&true) && scrape.leaves_nothing(&result) {
            return;
        }
        scrape.pending = Some(Pending {
            at: self.config.unix_millis(now),
            duration: duration.as_secs_f64(),
            result,
        });
        out.wake_at(now + duration, Input::Commit(id));
    }
}

impl Component for Prometheus {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Outbox<Input, Output>) {
        match input {
            Input::Running => {
                self.up = true;
                self.pace.run(now);
                let targets = self.discovery.discover(&view, &self.config);
                self.sync(now, targets, out);
            }
            Input::Started => {
                self.up = true;
                self.pace.start(now);
                self.changed(now, out);
            }
            Input::Stopped => self.stop(),
            Input::PodChanged(id) => {
                if self.discovery.concerns_pod(id, &view) {
                    self.changed(now, out);
                }
            }
            Input::NodeChanged(id) => {
                if self.discovery.concerns_node(id, &view) {
                    self.changed(now, out);
                }
            }
            Input::Send => self.send(now, &view, out),
            Input::Reload => {
                if self.reload_alarm == Some(now) {
                    self.reload(now, out);
                }
            }
            Input::Tick(id) => self.tick(now, id, out),
            Input::Scraped(id, result) => self.scraped(now, id, result, out),
            Input::Commit(id) => {
                if let Some(scrape) = self.loops.get_mut(&id) {
                    scrape.commit(&self.interest, self.reports, &mut self.storage);
                }
            }
            Input::EndOfRun(id) => {
                if let Some(mut scrape) = self.loops.remove(&id) {
                    scrape.end(&mut self.storage);
                }
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// FNV-1a over the labels.
fn hash(labels: &Labels) -> u64 {
    let bytes = labels
        .iter()
        .flat_map(|(name, value)| [name, "\0", value, "\0"])
        .flat_map(str::bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
