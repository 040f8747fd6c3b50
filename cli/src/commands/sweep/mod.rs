//! `scaletwin sweep`

mod figures;
mod load;
mod run;
mod text;

use std::path::Path;

use sweep::journal::{self, Known};
use sweep::{Configuration, Engine, Shard, Simulator, Store};

use super::Answer;
use crate::args::{MergeArgs, SweepArgs, SweepCommand};
use crate::failure::Failure;
use crate::output::OutputDir;
use crate::talk;
pub(super) use load::Sweep;
pub(super) use run::{Bar, halted, read as read_journal};
pub(super) use text::{Answered, spread};

use run::in_pool;

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
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let heatmaps = figures::heatmaps(&sweep.plan, &args.heatmaps)?;
    let path = args.out.clone().unwrap_or_else(|| sweep.default_out(shard));
    let out = OutputDir::open(&path)?;
    let (journal, known) = run::open(&sweep, &path, args.resume, args.restart)?;
    talk::say(&sweep.opening(shard));
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
    ends.tell(
        &out,
        args.format,
        if args.no_plots {
            None
        } else {
            Some((args.theme, &heatmaps))
        },
    )
}

/// Puts shards together: what comes out is what one machine would have written.
fn merge(args: &MergeArgs) -> Result<Answer, Failure> {
    let sweep = Sweep::load(&args.file)?;
    let mut known = Known::new();
    for dir in &args.shards {
        known.extend(run::read(&sweep, dir)?);
    }
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| sweep.default_out(Shard::WHOLE));
    if args.shards.contains(&path) {
        return Err(Failure::new(format!("{} is one of the shards", path.display()))
            .hint("choose another directory for the whole with --out"));
    }
    let out = OutputDir::open(&path)?;
    let reasons = sweep::check::without_effect(&sweep.plan, &sweep.base);
    let model = Simulator::new(&sweep.plan, &sweep.base);
    let bar = Bar::hidden();
    let store = Store {
        known: known.clone(),
        journal: None,
    };
    let engine = Engine::new(&sweep.plan, &model, store, &bar, sweep.seed, sweep.held(&reasons));
    let found = engine.run(Shard::WHOLE).map_err(|halt| halted(&halt, &path))?;
    // The journals become one, so that the whole can be resumed, drawn again and asked for a recommendation.
    run::rewrite(&sweep, &path, &known)?;
    let ends = End {
        sweep: &sweep,
        found: &found,
        reasons: &reasons,
        pace: None,
    };
    ends.tell(
        &out,
        args.format,
        if args.no_plots {
            None
        } else {
            Some((args.theme, &[]))
        },
    )
}

/// A sweep that has run.
struct End<'a> {
    sweep: &'a Sweep,
    found: &'a [Configuration],
    reasons: &'a [Option<sweep::check::Reason>],
    pace: Option<run::Pace>,
}

impl End<'_> {
    /// Writes results and figures, prints the answer.
    fn tell(
        &self,
        out: &OutputDir,
        format: crate::args::Format,
        figures: Option<(crate::args::Colors, &[figures::Heat])>,
    ) -> Result<Answer, Failure> {
        let plan = &self.sweep.plan;
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
        if let Some((theme, heatmaps)) = figures {
            files.extend(figures::draw(&answer, theme, heatmaps)?);
        }
        let named: Vec<(&str, Vec<u8>)> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.clone()))
            .collect();
        let written = out.write(&named, &[])?;
        answer.print(format, self.pace, &written)?;
        Ok(Answer::Done)
    }
}

/// The journal's name, for messages.
fn journal_of(dir: &Path) -> String {
    dir.join(journal::JOURNAL).display().to_string()
}
