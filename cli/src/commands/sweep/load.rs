//! A sweep's file and its scenario, read and held against each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use model::scenario::{Base, Report, Source};
use sweep::check::{Reason, Tried};
use sweep::plan::counted;
use sweep::{Design, Plan, Shard};

use crate::failure::Failure;
use crate::files::{read_scenario, read_text};

/// A sweep that can run.
pub(crate) struct Sweep {
    pub(crate) plan: Plan,
    pub(crate) base: Base,
    /// The file, as typed.
    pub(crate) file: PathBuf,
    /// The first seed.
    pub(crate) seed: u64,
    /// What is simulated of each run, warm-up included.
    pub(crate) duration: Duration,
    /// What counts of each run.
    pub(crate) counted: Duration,
    /// What is said of each value by itself.
    tried: Tried,
}

impl Sweep {
    /// Reads everything, and reports everything that is wrong.
    pub(crate) fn load(file: &Path) -> Result<Self, Failure> {
        if file.is_dir() {
            return Err(Failure::new(format!("{} is a directory", file.display()))
                .hint("name the sweep's file, as in scenarios/sweeps/threshold-cooldown.toml"));
        }
        let source = Source {
            path: file.display().to_string(),
            text: read_text(file)?,
        };
        let fail = |report| Failure::reported(report, &file.display().to_string());
        let plan = Plan::read(&source).map_err(fail)?;
        let dir = file.parent().unwrap_or(Path::new("")).join(&plan.scenario);
        let base = Base::read(read_scenario(&dir)?);
        let (scenario, _) = base
            .with(&plan.sets)
            .map_err(|report| Failure::reported(report, &dir.display().to_string()))?;
        let tried = Tried::new(&plan, &base);
        let problems = tried.problems(&plan, &base, &source.path);
        if problems.has_errors() {
            return Err(fail(problems));
        }
        Ok(Sweep {
            seed: plan.seed.unwrap_or(scenario.seed),
            duration: scenario.duration,
            counted: scenario.duration.saturating_sub(scenario.warm_up),
            file: file.to_owned(),
            plan,
            base,
            tried,
        })
    }

    /// What a person should know of the values before the sweep begins.
    pub(crate) fn warnings(&self) -> Report {
        self.tried
            .warnings(&self.plan, &self.base, &self.file.display().to_string())
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.plan.fingerprint(self.base.files())
    }

    /// Simulated seconds of a run.
    pub(crate) fn simulated(&self) -> f64 {
        self.duration.as_secs_f64()
    }

    /// Where results go unless said otherwise.
    pub(crate) fn default_out(&self, shard: Shard) -> PathBuf {
        let name = format!("sweep-{}", self.plan.name);
        let own = match shard {
            Shard::WHOLE => name,
            Shard { index, of } => format!("{name}-{index}-of-{of}"),
        };
        Path::new("out").join(own)
    }

    /// Into how many shards the work can be cut, in words.
    pub(crate) fn cut(&self, parts: usize) -> String {
        let why = match self.plan.race {
            Some(_) => "configurations race each other in blocks, and a block is not cut",
            None => "there are no more configurations",
        };
        format!("at most {parts} have work; {why}")
    }

    /// What is said before anything is run.
    pub(crate) fn opening(&self, shard: Shard) -> String {
        let plan = &self.plan;
        let what = match plan.design {
            Design::Optimize { budget, .. } => format!(
                "at most {budget} of {} configurations",
                sweep::plan::grouped(plan.grid_size())
            ),
            design => {
                let own = design.points(&plan.axes).unwrap_or_default();
                let count = own.len();
                let drawn = match design {
                    Design::Random { points, .. }
                    | Design::Latin { points, .. }
                    | Design::Sobol { points, .. }
                        if points > count =>
                    {
                        format!(
                            ", the different ones of {} drawn",
                            sweep::plan::grouped(points as u128)
                        )
                    }
                    _ => String::new(),
                };
                let beside = match design.probes(&plan.axes, &own).len() {
                    0 => String::new(),
                    probes => format!(" and {} beside them", counted(probes, "probe")),
                };
                counted(count, "configuration") + &drawn + &beside
            }
        };
        let part = match shard {
            Shard::WHOLE => String::new(),
            Shard { index, of } => format!(", shard {index} of {of}"),
        };
        let seeds = plan.replications;
        format!(
            "sweeping {}: {what} ({}), seeds {} to {}{part}",
            plan.name,
            plan.design.as_str(),
            self.seed,
            self.seed.wrapping_add(u64::from(seeds) - 1)
        )
    }

    /// Levels that the optimizer holds: axes that have no effect stay where they are now, or at their first level.
    pub(crate) fn held(&self, reasons: &[Option<Reason>]) -> Vec<Option<u32>> {
        let written = self.base.written(&self.plan.sets);
        let level = |(axis, reason): (&sweep::Axis, &Option<Reason>)| {
            reason.as_ref()?;
            let now = axis.fields.first().and_then(|field| written.field(field));
            let now = now.and_then(|(value, _)| value.text());
            let level = now.and_then(|text| axis.labelled(text)).unwrap_or(0);
            Some(level as u32)
        };
        self.plan.axes.iter().zip(reasons).map(level).collect()
    }
}
