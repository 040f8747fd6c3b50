//! `scaletwin sweep`

mod cluster;
mod figures;
mod load;
#[cfg(feature = "cluster")]
mod remote;
mod run;
mod text;
mod words;

use std::path::{Path, PathBuf};

use sweep::journal::{self, Known};
use sweep::{Configuration, Engine, Fate, Shard, Simulator, Store};

use super::Answer;
use crate::args::{FigureArgs, Format, MergeArgs, SweepArgs, SweepCommand};
use crate::failure::Failure;
use crate::output::OutputDir;
use crate::talk;
pub(super) use load::Sweep;
pub(super) use run::{assembled, halted, read as read_journal};
pub(super) use text::Answered;
pub(super) use words::{chosen_by, spread};

use run::{Bar, in_pool};

pub(crate) fn sweep(args: &SweepArgs) -> Result<Answer, Failure> {
    match (&args.command, &args.file) {
        (Some(SweepCommand::Merge(merge)), _) => self::merge(merge),
        (None, Some(file)) => one(args, file),
        (None, None) => unreachable!("the command line asks for one of them"),
    }
}

/// Runs a sweep, or a shard of it.
fn one(args: &SweepArgs, file: &Path) -> Result<Answer, Failure> {
    let sweep = Sweep::load(file)?;
    if args.cluster.on_cluster {
        return cluster::on_cluster(&sweep, &args.cluster, args.format);
    }
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let heatmaps = figures::heatmaps(&sweep.plan, &args.heatmaps)?;
    let path = args.out.clone().unwrap_or_else(|| sweep.default_out(shard));
    let out = OutputDir::open(&path)?;
    let copies = copies(args, shard, &path)?;
    let (journal, known) = run::open(&sweep, &path, args.resume, args.restart)?;
    talk::say(&sweep.opening(shard));
    talk::report(&sweep.warnings());
    if shard != Shard::WHOLE {
        let parts = sweep.plan.parts();
        if shard.index >= parts {
            talk::say(&format!(
                "this shard has no configuration of its own: {}",
                sweep.cut(parts)
            ));
        }
    }
    let reasons = sweep::check::without_effect(&sweep.plan, &sweep.base);
    let model = Simulator::new(&sweep.plan, &sweep.base);
    let bar = Bar::new(sweep.simulated());
    let store = Store {
        known,
        journal: Some(journal),
    };
    let held = sweep.held(&reasons);
    let engine = Engine::new(&sweep.plan, &model, store, &bar, sweep.seed, held);
    let found = in_pool(args.threads, || engine.run(shard))?;
    bar.end();
    // What was run is sent also if the sweep stopped.
    copies.map_or(Ok(()), Copies::end)?;
    let found = found.map_err(|halt| halted(&halt, &path))?;
    if shard != Shard::WHOLE {
        talk::say(&format!(
            "shard {} of {} is complete; `scaletwin sweep merge {} DIR…` puts all together",
            shard.index,
            shard.of,
            file.display()
        ));
        return Ok(Answer::Done);
    }
    let ends = End {
        sweep: &sweep,
        found: &found,
        reasons: &reasons,
        pace: Some(bar.pace()),
    };
    ends.tell(&out, args.format, args.figures, &heatmaps)
}

/// Copies of the journal to an object store.
#[cfg(feature = "cluster")]
type Copies = remote::Mirror;

/// Without an object store in this build there are none.
#[cfg(not(feature = "cluster"))]
enum Copies {}

#[cfg(not(feature = "cluster"))]
impl Copies {
    fn end(self) -> Result<(), Failure> {
        match self {}
    }
}

/// What this build cannot do.
#[cfg(not(feature = "cluster"))]
fn no_store() -> Failure {
    Failure::new("this build knows no object stores").hint("build with `--features cluster`")
}

/// Fetches what an object store has of this shard, and begins to send what comes.
#[cfg(feature = "cluster")]
fn copies(args: &SweepArgs, shard: Shard, dir: &Path) -> Result<Option<Copies>, Failure> {
    let Some(url) = &args.cluster.store else {
        return Ok(None);
    };
    let remote = remote::Remote::open(url)?;
    remote.fetch(shard.index, dir)?;
    Ok(Some(remote.mirror(shard.index, dir)))
}

#[cfg(not(feature = "cluster"))]
fn copies(args: &SweepArgs, _: Shard, _: &Path) -> Result<Option<Copies>, Failure> {
    match args.cluster.store {
        Some(_) => Err(no_store()),
        None => Ok(None),
    }
}

/// Whether a shard lies in an object store.
fn is_url(shard: &Path) -> bool {
    shard.to_string_lossy().contains("://")
}

/// The directories that an object store's shards are brought to.
#[cfg(feature = "cluster")]
fn fetched(url: &Path, whole: &Path) -> Result<Vec<PathBuf>, Failure> {
    remote::Remote::open(&url.to_string_lossy())?.fetch_all(&whole.join("shards"))
}

#[cfg(not(feature = "cluster"))]
fn fetched(_: &Path, _: &Path) -> Result<Vec<PathBuf>, Failure> {
    Err(no_store())
}

/// Puts shards together: what comes out is what one machine would have written.
fn merge(args: &MergeArgs) -> Result<Answer, Failure> {
    let sweep = Sweep::load(&args.file)?;
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| sweep.default_out(Shard::WHOLE));
    let whole = path.canonicalize().ok();
    let is_whole = |shard: &PathBuf| *shard == path || whole.is_some() && shard.canonicalize().ok() == whole;
    if args.shards.iter().any(is_whole) {
        return Err(Failure::new(format!("{} is one of the shards", path.display()))
            .hint("choose another directory for the whole with --out"));
    }
    // What lies here is read before anything is written.
    let mut known = Known::new();
    let (urls, dirs): (Vec<&PathBuf>, Vec<&PathBuf>) = args.shards.iter().partition(|shard| is_url(shard));
    for dir in dirs {
        known.extend(run::read(&sweep, dir)?);
    }
    let out = OutputDir::open(&path)?;
    for url in urls {
        for dir in fetched(url, &path)? {
            known.extend(run::read(&sweep, &dir)?);
        }
    }
    let (found, reasons) = run::assembled(&sweep, known.clone()).map_err(|halt| halted(&halt, &path))?;
    // The journals become one, so that the whole can be resumed, drawn again and asked for a recommendation.
    run::rewrite(&sweep, &path, &known)?;
    let ends = End {
        sweep: &sweep,
        found: &found,
        reasons: &reasons,
        pace: None,
    };
    ends.tell(&out, args.format, args.figures, &[])
}

/// A sweep that has run.
struct End<'a> {
    sweep: &'a Sweep,
    found: &'a [Configuration],
    reasons: &'a [Option<sweep::check::Reason>],
    pace: Option<run::Pace>,
}

impl End<'_> {
    /// That at least one configuration made a scenario.
    fn some_ran(&self) -> Result<(), Failure> {
        fn why(own: &Configuration) -> Option<&str> {
            match &own.fate {
                Fate::Refused(why) => Some(why),
                _ => None,
            }
        }
        let others = self.found.iter().filter(|own| own.point.is_some());
        match others.map(why).collect::<Option<Vec<&str>>>().as_deref() {
            Some([first, ..]) => Err(Failure::new(format!(
                "every configuration is refused; the first: {first}"
            ))
            .hint("change the axes, or what `set` says of all configurations")),
            _ => Ok(()),
        }
    }

    /// Writes results and figures, prints the answer.
    fn tell(
        &self,
        out: &OutputDir,
        format: Format,
        figures: FigureArgs,
        heatmaps: &[figures::Heat],
    ) -> Result<Answer, Failure> {
        let plan = &self.sweep.plan;
        self.some_ran()?;
        let mut files = vec![(
            "results.csv".to_owned(),
            sweep::results::csv(plan, self.found, self.sweep.seed),
        )];
        #[cfg(feature = "parquet")]
        files.push((
            "results.parquet".to_owned(),
            sweep::results::parquet(plan, self.found, self.sweep.seed),
        ));
        let answer = text::Answered::of(self.sweep, self.found, self.reasons);
        if let Some(colors) = figures.wanted() {
            files.extend(figures::draw(&answer, colors, heatmaps)?);
        }
        let written = out.write(&files, &[]).map_err(|failure| {
            failure.hint("every run is kept in the journal: make room, and --resume writes what is missing")
        })?;
        answer.print(format, self.pace, &written)?;
        Ok(match answer.chosen {
            Some(_) => Answer::Done,
            None => Answer::No,
        })
    }
}

/// The journal's name, for messages.
fn journal_of(dir: &Path) -> String {
    dir.join(journal::JOURNAL).display().to_string()
}
