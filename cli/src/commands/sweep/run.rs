//! The journal on disk, the threads, the bar.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use sweep::check::{Reason, without_effect};
use sweep::journal::{self, JOURNAL, Journal, Known};
use sweep::{Configuration, Engine, Halt, Shard, Simulator, Store, Watch};

use super::journal_of;
use super::load::Sweep;
use crate::failure::Failure;
use crate::talk;

/// Opens the journal of a directory; what it knows already is only taken if that was asked for.
pub(super) fn open(
    sweep: &Sweep,
    dir: &Path,
    resume: bool,
    restart: bool,
) -> Result<(Journal, Known), Failure> {
    let path = dir.join(JOURNAL);
    if restart && path.exists() {
        fs::remove_file(&path)
            .map_err(|error| Failure::new(format!("cannot remove {}: {error}", path.display())))?;
    }
    let width = sweep.plan.width();
    let (journal, known) =
        Journal::open(dir, sweep.fingerprint(), width).map_err(|error| journal_failure(&error))?;
    if !known.is_empty() && !resume {
        return Err(Failure::new(format!(
            "{} has {} runs of this sweep already",
            journal_of(dir),
            known.len()
        ))
        .hint("--resume takes them and runs what is missing, --restart begins anew"));
    }
    Ok((journal, known))
}

/// Reads the journal of a shard.
pub(crate) fn read(sweep: &Sweep, dir: &Path) -> Result<Known, Failure> {
    journal::read(dir, sweep.fingerprint(), sweep.plan.width()).map_err(|error| journal_failure(&error))
}

/// All configurations from runs that are known, with what `check` says of each axis. Nothing is run.
pub(crate) fn assembled(
    sweep: &Sweep,
    known: Known,
) -> Result<(Vec<Configuration>, Vec<Option<Reason>>), Halt> {
    let reasons = without_effect(&sweep.plan, &sweep.base);
    let model = Simulator::new(&sweep.plan, &sweep.base);
    let bar = Bar::on(ProgressBar::hidden(), 0.0);
    let store = Store { known, journal: None };
    let engine = Engine::new(&sweep.plan, &model, store, &bar, sweep.seed, sweep.held(&reasons));
    Ok((engine.run(Shard::WHOLE)?, reasons))
}

/// Writes a journal of all that is known, in order.
pub(super) fn rewrite(sweep: &Sweep, dir: &Path, known: &Known) -> Result<(), Failure> {
    let fail = |error: journal::Error| journal_failure(&error);
    let (journal, before) = Journal::open(dir, sweep.fingerprint(), sweep.plan.width()).map_err(fail)?;
    for (key, values) in known.iter().filter(|(key, _)| !before.contains_key(key)) {
        journal.keep(*key, values).map_err(fail)?;
    }
    Ok(())
}

fn journal_failure(error: &journal::Error) -> Failure {
    let hint = match error {
        journal::Error::Other { .. } => {
            "its scenario, axes, design or constraints are not those of this file; name another directory, or begin anew with `sweep --restart`"
        }
        journal::Error::Damaged { .. } => {
            "the file is no journal or was changed; name another directory, or begin anew with `sweep --restart`"
        }
        journal::Error::Busy { .. } => "wait for it, or choose another directory with --out",
        journal::Error::Io { .. } => "choose another directory with --out",
    };
    Failure::new(error.to_string()).hint(hint)
}

/// Why a sweep stopped, and what to do about it.
pub(crate) fn halted(halt: &Halt, dir: &Path) -> Failure {
    let failure = Failure::new(halt.to_string());
    match halt {
        Halt::Journal(_) => failure.hint(format!(
            "what was run before is kept in {}: make room, and go on with --resume",
            journal_of(dir)
        )),
        Halt::Incomplete { .. } => failure
            .hint("name the directories of all shards; a shard that was interrupted goes on with --resume"),
        Halt::Indivisible => failure.hint("split a grid or a sample, or run the optimizer on one machine"),
        Halt::Current(_) => failure,
    }
}

/// Runs something on so many threads; on all there are if none is said.
pub(super) fn in_pool<R: Send>(
    threads: Option<usize>,
    work: impl FnOnce() -> R + Send,
) -> Result<R, Failure> {
    let Some(threads) = threads else {
        return Ok(work());
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Failure::new(format!("cannot start {threads} threads: {error}")))?;
    Ok(pool.install(work))
}

/// How fast it went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Runs that were run.
    pub(super) ran: usize,
    /// Runs that the journal knew.
    pub(super) known: usize,
    /// Wall-clock seconds.
    pub(super) seconds: f64,
    /// Simulated seconds a wall-clock second.
    pub(super) real_time: f64,
}

/// A bar with rate, time left and how many times faster than real time, on a terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    started: Instant,
    /// Simulated seconds of a run.
    simulated: f64,
    ran: AtomicUsize,
    known: AtomicUsize,
}

/// Between two texts of the bar.
const REFRESH: usize = 16;

impl Bar {
    pub(super) fn new(simulated: f64) -> Self {
        Bar::on(talk::sweep_progress(), simulated)
    }

    fn on(bar: ProgressBar, simulated: f64) -> Self {
        bar.enable_steady_tick(Duration::from_millis(250));
        Bar {
            bar,
            started: Instant::now(),
            simulated,
            ran: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn pace(&self) -> Pace {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let ran = self.ran.load(Ordering::Relaxed);
        Pace {
            ran,
            known: self.known.load(Ordering::Relaxed),
            seconds,
            real_time: ran as f64 * self.simulated / seconds,
        }
    }
}

impl Watch for Bar {
    fn planned(&self, runs: usize) {
        self.bar.inc_length(runs as u64);
    }

    fn known(&self, runs: usize) {
        self.known.fetch_add(runs, Ordering::Relaxed);
        self.bar.inc(runs as u64);
    }

    fn ran(&self) {
        self.bar.inc(1);
        let ran = self.ran.fetch_add(1, Ordering::Relaxed) + 1;
        if ran.is_multiple_of(REFRESH) {
            let pace = self.pace();
            let rate = pace.ran as f64 / pace.seconds;
            self.bar.set_message(format!(
                "{rate:.0} runs/s, {} × real time",
                sweep::plan::grouped(pace.real_time as u128)
            ));
        }
    }

    fn spared(&self, runs: usize) {
        let length = self.bar.length().unwrap_or(0);
        self.bar.set_length(length.saturating_sub(runs as u64));
    }
}
