//! The engine: which runs are needed, and where they come from.
//!
//! What is needed is decided by the plan and by earlier results alone, never by time or threads. Where a run comes
//! from makes no difference: the journal remembers it, or it is run now and kept there. So an interrupted sweep,
//! one on many machines, and one on a single thread all end in the same bytes.
//!
//! Where configurations race each other, designs that know them are cut into blocks of [`BLOCK`], each of configurations
//! from all over the design. A block is raced by itself, and shards take whole blocks. Without a race each configuration
//! is a block of its own.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use sim::SortedMap;

use crate::design::{Design, Optimizer, Point, Score};
use crate::journal::{Error, Journal, Known};
use crate::measure::Measure;
use crate::plan::Plan;
use crate::race::{Rival, Runs, stopped};
use crate::statistics::mean;

/// Configurations that race each other.
pub const BLOCK: usize = 64;
/// The number of the current configuration: the scenario as it is. Those of the design count from 1.
pub const CURRENT: u32 = 0;

/// What runs configurations. A pure function: the same overrides and seed give the same numbers.
pub trait Model: Sync {
    /// A configuration that can run.
    type Prepared: Send + Sync;

    /// Resolves a configuration, or says why there is none such.
    ///
    /// # Errors
    ///
    /// When the overrides make no scenario.
    fn prepare(&self, sets: &[String]) -> Result<Self::Prepared, String>;

    /// The numbers of one run: all measures, then one for each constraint.
    fn run(&self, prepared: &Self::Prepared, seed: u64) -> Vec<f64>;
}

/// Who hears how far it is. Called from many threads.
pub trait Watch: Sync {
    /// So many more runs will be needed, at most.
    fn planned(&self, runs: usize);
    /// So many of them were known from the journal.
    fn known(&self, runs: usize);
    /// One was run.
    fn ran(&self);
    /// So many of them turned out not to be needed.
    fn spared(&self, runs: usize);
}

/// Where runs come from.
#[derive(Debug)]
pub struct Store {
    /// Runs that are known.
    pub known: Known,
    /// Where new ones are kept; without a journal none are run.
    pub journal: Option<Journal>,
}

/// Which part of the design is run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };
}

/// A configuration and what was found of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Its number: 0 for the current one, then in the order of the design.
    pub number: u32,
    /// Its levels; `None` for the current configuration.
    pub point: Option<Point>,
    /// What became of it.
    pub fate: Fate,
    /// Its runs, seed by seed: all measures, then one number for each constraint.
    pub runs: Runs,
}

/// What became of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It ran with all seeds.
    Ran,
    /// It was stopped early, because a configuration of this number is surely better.
    Beaten(u32),
    /// It was stopped early, because it surely breaks a constraint.
    Breaks,
    /// It makes no scenario; why.
    Refused(String),
}

impl Configuration {
    /// The values of a measure, seed by seed.
    #[must_use]
    pub fn values(&self, measure: Measure) -> Vec<f64> {
        self.column(measure.index())
    }

    /// The values that a constraint is about.
    #[must_use]
    pub fn constrained(&self, constraint: usize) -> Vec<f64> {
        self.column(Measure::COUNT + constraint)
    }

    fn column(&self, index: usize) -> Vec<f64> {
        self.runs.iter().map(|run| run[index]).collect()
    }

    /// The mean of a measure; NaN without runs.
    #[must_use]
    pub fn mean(&self, measure: Measure) -> f64 {
        mean(&self.values(measure))
    }

    /// The objectives' means, turned so that less is better.
    #[must_use]
    pub fn score(&self, plan: &Plan) -> Vec<f64> {
        let sign = |measure: &Measure| if measure.more_is_better() { -1.0 } else { 1.0 };
        plan.objectives
            .iter()
            .map(|measure| sign(measure) * self.mean(*measure))
            .collect()
    }

    /// By how much the means miss the constraints together, each in parts of its bound; 0 if all are kept.
    #[must_use]
    pub fn violation(&self, plan: &Plan) -> f64 {
        let of = |(index, constraint): (usize, &crate::constraint::Constraint)| {
            constraint.violation(mean(&self.constrained(index)))
        };
        plan.constraints.iter().enumerate().map(of).sum()
    }
}

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] Error),
    /// The scenario as it is makes no scenario.
    #[error("the current configuration cannot run: {0}")]
    Current(String),
    /// Runs are missing that nobody is to run now.
    #[error("{missing} configurations are not complete")]
    Incomplete {
        /// How many configurations lack runs.
        missing: usize,
    },
    /// An optimizer cannot be split.
    #[error("an optimizer chooses by what came before and cannot be split into shards")]
    Indivisible,
}

/// A sweep at work.
pub struct Engine<'a, M: Model> {
    plan: &'a Plan,
    model: &'a M,
    watch: &'a dyn Watch,
    store: Store,
    /// The first seed.
    seed: u64,
    /// Levels that the optimizer holds.
    held: Vec<Option<u32>>,
    halted: AtomicBool,
}

/// A configuration in the middle of being run.
struct Contestant<P> {
    number: u32,
    point: Option<Point>,
    prepared: Option<Result<P, String>>,
    runs: Runs,
}

impl<'a, M: Model> Engine<'a, M> {
    /// An engine. `seed` is the first seed of every configuration; `held` are levels that the optimizer keeps.
    pub fn new(
        plan: &'a Plan,
        model: &'a M,
        store: Store,
        watch: &'a dyn Watch,
        seed: u64,
        held: Vec<Option<u32>>,
    ) -> Self {
        Engine {
            plan,
            model,
            watch,
            store,
            seed,
            held,
            halted: AtomicBool::new(false),
        }
    }

    /// Runs what is needed, and returns the configurations in the order of their numbers, the current one first.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written, or runs are missing that must not be run.
    pub fn run(&self, shard: Shard) -> Result<Vec<Configuration>, Halt> {
        let current = self.current()?;
        let mut all = vec![current];
        match self.plan.design {
            Design::Optimize {
                budget,
                population,
                seed,
            } => {
                if shard != Shard::WHOLE {
                    return Err(Halt::Indivisible);
                }
                self.optimize(budget, population, seed, &mut all)?;
            }
            design => {
                let points = design.planned(&self.plan.axes).unwrap_or_default();
                self.blocks(points, shard, &mut all)?;
            }
        }
        all.sort_by_key(|configuration| configuration.number);
        Ok(all)
    }

    fn current(&self) -> Result<Configuration, Halt> {
        let mut contestant = Contestant::new(CURRENT, None);
        self.watch.planned(self.plan.replications as usize);
        self.extend(&mut contestant, self.plan.replications)?;
        match contestant.prepared {
            Some(Err(why)) => Err(Halt::Current(why)),
            _ => Ok(contestant.end(Fate::Ran)),
        }
    }

    fn blocks(&self, points: Vec<Point>, shard: Shard, all: &mut Vec<Configuration>) -> Result<(), Halt> {
        let count = points.len().div_ceil(self.plan.block()).max(1);
        let mut blocks: SortedMap<usize, Vec<(u32, Point)>> = SortedMap::new();
        for (index, point) in points.into_iter().enumerate() {
            let block = index % count;
            if block % shard.of == shard.index {
                blocks.entry(block).or_default().push((index as u32 + 1, point));
            }
        }
        let blocks: Vec<Vec<(u32, Point)>> = blocks.into_values().collect();
        let runs: usize = blocks.iter().map(Vec::len).sum::<usize>() * self.plan.replications as usize;
        self.watch.planned(runs);
        let current = all[0].runs.clone();
        let done: Vec<Result<Vec<Configuration>, Halt>> = blocks
            .into_par_iter()
            .map(|block| self.block(block, &current))
            .collect();
        let mut missing = 0;
        for block in done {
            match block {
                Ok(mut block) => all.append(&mut block),
                Err(Halt::Incomplete { missing: own }) => missing += own,
                Err(other) => return Err(other),
            }
        }
        if missing > 0 {
            Err(Halt::Incomplete { missing })
        } else {
            Ok(())
        }
    }

    /// Runs a block, with a race if there is one.
    fn block(&self, block: Vec<(u32, Point)>, current: &Runs) -> Result<Vec<Configuration>, Halt> {
        let most = self.plan.replications;
        let size = block.len();
        let mut active: Vec<Contestant<M::Prepared>> = block
            .into_iter()
            .map(|(number, point)| Contestant::new(number, Some(point)))
            .collect();
        let mut ended = Vec::new();
        let mut seeds = self.plan.race.map_or(most, |race| race.first.min(most));
        loop {
            self.extend_all(&mut active, seeds)?;
            active = self.without_refused(active, &mut ended);
            let Some(race) = self.plan.race.filter(|_| seeds < most) else {
                break;
            };
            let runs: Vec<&Runs> = active.iter().map(|contestant| &contestant.runs).collect();
            let fates = stopped(self.plan, race, size, current, &runs);
            let numbers: Vec<u32> = active.iter().map(|contestant| contestant.number).collect();
            let mut left = Vec::new();
            for (contestant, fate) in active.into_iter().zip(fates) {
                let fate = match fate {
                    None => {
                        left.push(contestant);
                        continue;
                    }
                    Some(Rival::Constraint) => Fate::Breaks,
                    Some(Rival::Current) => Fate::Beaten(CURRENT),
                    Some(Rival::Other(place)) => Fate::Beaten(numbers[place]),
                };
                self.watch.spared((most - seeds) as usize);
                ended.push(contestant.end(fate));
            }
            active = left;
            seeds = (seeds + race.first).min(most);
        }
        ended.extend(active.into_iter().map(|contestant| contestant.end(Fate::Ran)));
        Ok(ended)
    }

    fn without_refused(
        &self,
        active: Vec<Contestant<M::Prepared>>,
        ended: &mut Vec<Configuration>,
    ) -> Vec<Contestant<M::Prepared>> {
        let mut left = Vec::new();
        for mut contestant in active {
            match contestant.prepared.take() {
                Some(Err(why)) => {
                    self.watch.spared(self.plan.replications as usize);
                    ended.push(contestant.end(Fate::Refused(why)));
                }
                prepared => left.push(Contestant {
                    prepared,
                    ..contestant
                }),
            }
        }
        left
    }

    /// Brings all contestants to so many seeds.
    fn extend_all(&self, active: &mut [Contestant<M::Prepared>], seeds: u32) -> Result<(), Halt> {
        let done: Vec<Result<(), Halt>> = active
            .par_iter_mut()
            .map(|contestant| self.extend(contestant, seeds))
            .collect();
        let mut missing = 0;
        for result in done {
            match result {
                Err(Halt::Incomplete { missing: own }) => missing += own,
                other => other?,
            }
        }
        if missing > 0 {
            Err(Halt::Incomplete { missing })
        } else {
            Ok(())
        }
    }

    /// Brings one contestant to so many seeds: from the journal, or by running them.
    fn extend(&self, contestant: &mut Contestant<M::Prepared>, seeds: u32) -> Result<(), Halt> {
        let first = contestant.runs.len() as u32;
        let number = contestant.number;
        let known = |seed: &u32| self.store.known.contains_key(&(number, *seed));
        let wanted: Vec<u32> = (first..seeds).collect();
        let missing = wanted.iter().any(|seed| !known(seed));
        if missing && contestant.prepared.is_none() {
            contestant.prepared = Some(self.model.prepare(&self.sets(contestant.point.as_deref())));
        }
        if missing && matches!(contestant.prepared, Some(Err(_))) {
            return Ok(());
        }
        if missing && self.store.journal.is_none() {
            return Err(Halt::Incomplete { missing: 1 });
        }
        let prepared = contestant.prepared.as_ref();
        let runs: Vec<Option<Result<Vec<f64>, Halt>>> = wanted
            .into_par_iter()
            .map(|seed| self.one(number, seed, prepared))
            .collect();
        for run in runs {
            match run {
                Some(run) => contestant.runs.push(run?),
                // Somebody else could not write, and says so.
                None => break,
            }
        }
        Ok(())
    }

    fn one(
        &self,
        number: u32,
        seed: u32,
        prepared: Option<&Result<M::Prepared, String>>,
    ) -> Option<Result<Vec<f64>, Halt>> {
        if let Some(values) = self.store.known.get(&(number, seed)) {
            self.watch.known(1);
            return Some(Ok(values.to_vec()));
        }
        if self.halted.load(Ordering::Relaxed) {
            return None;
        }
        let prepared = prepared?.as_ref().ok()?;
        let values = self.model.run(prepared, self.seed.wrapping_add(u64::from(seed)));
        let kept = self.store.journal.as_ref()?.keep((number, seed), &values);
        self.watch.ran();
        Some(match kept {
            Ok(()) => Ok(values),
            Err(error) => {
                self.halted.store(true, Ordering::Relaxed);
                Err(error.into())
            }
        })
    }

    /// The overrides of a configuration.
    fn sets(&self, point: Option<&[u32]>) -> Vec<String> {
        let own = point.map(|point| self.plan.overrides(point));
        self.plan.sets_with(own.unwrap_or_default())
    }

    fn optimize(
        &self,
        budget: usize,
        population: usize,
        seed: u64,
        all: &mut Vec<Configuration>,
    ) -> Result<(), Halt> {
        let mut optimizer = Optimizer::new(&self.plan.axes, &self.held, budget, population, seed);
        self.watch.planned(budget * self.plan.replications as usize);
        let mut number = CURRENT;
        loop {
            let proposed = optimizer.propose();
            if proposed.is_empty() {
                break;
            }
            let mut active: Vec<Contestant<M::Prepared>> = Vec::new();
            for point in proposed {
                number += 1;
                active.push(Contestant::new(number, Some(point)));
            }
            self.extend_all(&mut active, self.plan.replications)?;
            let mut ended = Vec::new();
            let active = self.without_refused(active, &mut ended);
            ended.extend(active.into_iter().map(|contestant| contestant.end(Fate::Ran)));
            ended.sort_by_key(|configuration| configuration.number);
            let found = ended.iter().filter_map(|configuration| {
                let score = match configuration.fate {
                    Fate::Refused(_) => Score {
                        objectives: vec![f64::NAN; self.plan.objectives.len()],
                        violation: f64::INFINITY,
                    },
                    _ => Score {
                        objectives: configuration.score(self.plan),
                        violation: configuration.violation(self.plan),
                    },
                };
                Some((configuration.point.clone()?, score))
            });
            optimizer.tell(found.collect::<Vec<_>>());
            all.append(&mut ended);
        }
        let unspent = budget.saturating_sub(number as usize);
        self.watch.spared(unspent * self.plan.replications as usize);
        Ok(())
    }
}

impl<P> Contestant<P> {
    fn new(number: u32, point: Option<Point>) -> Self {
        Contestant {
            number,
            point,
            prepared: None,
            runs: Runs::new(),
        }
    }

    fn end(self, fate: Fate) -> Configuration {
        Configuration {
            number: self.number,
            point: self.point,
            fate,
            runs: self.runs,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::journal;
    use crate::tests::{Dir, plan};

    /// Cost and latency of made-up settings: `x=3`, `y=1`, and luck that all configurations share.
    struct Toy;

    impl Model for Toy {
        type Prepared = [f64; 2];

        fn prepare(&self, sets: &[String]) -> Result<[f64; 2], String> {
            let value = |name: &str| {
                let found = sets
                    .iter()
                    .rev()
                    .find_map(|set| set.strip_prefix(name)?.strip_prefix('='));
                found.map_or(5.0, |value| value.parse().expect("a number"))
            };
            let (x, y) = (value("x"), value("y"));
            if x + y > 15.0 {
                Err("x and y are too much together".to_owned())
            } else {
                Ok([x, y])
            }
        }

        fn run(&self, [x, y]: &[f64; 2], seed: u64) -> Vec<f64> {
            let luck = (seed as f64 * 12.9898).sin().abs();
            let mut values = vec![0.0; Measure::COUNT];
            values[Measure::Cost.index()] = x + 0.1 * y + luck;
            values[Measure::LatencyP95.index()] = 1.0 / (1.0 + x) + luck + 0.01 * y;
            values
        }
    }

    #[derive(Default)]
    pub(crate) struct Counter {
        ran: AtomicUsize,
    }

    impl Watch for Counter {
        fn planned(&self, _: usize) {}
        fn known(&self, _: usize) {}
        fn ran(&self) {
            self.ran.fetch_add(1, Ordering::Relaxed);
        }
        fn spared(&self, _: usize) {}
    }

    const AXES: &str = "
        [[axis]]
        name = 'x'
        field = 'x'
        from = 0
        to = 9
        steps = 10
        [[axis]]
        name = 'y'
        field = 'y'
        from = 0
        to = 9
        steps = 10
    ";

    fn run(plan: &Plan, dir: &Dir, shard: Shard, threads: usize) -> (Vec<Configuration>, usize) {
        let (journal, known) = Journal::open(&dir.0, 1, plan.width()).expect("opens");
        let store = Store {
            known,
            journal: Some(journal),
        };
        let watch = Counter::default();
        let engine = Engine::new(plan, &Toy, store, &watch, 1, vec![None; 2]);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads start");
        let found = pool.install(|| engine.run(shard)).expect("runs");
        (found, watch.ran.load(Ordering::Relaxed))
    }

    #[test]
    fn a_killed_sweep_ends_as_if_nothing_had_happened() {
        for extra in [
            "[race]\nfirst = 2",
            "[design]\nkind = 'optimize'\nbudget = 40\npopulation = 8",
        ] {
            let plan = plan(&format!("replications = 6\n{extra}\n{AXES}"));
            let whole = Dir::new("whole");
            let (expected, all) = run(&plan, &whole, Shard::WHOLE, 2);
            let bytes = std::fs::read(whole.0.join(journal::JOURNAL)).expect("reads");
            for part in [1, 3, 7] {
                let dir = Dir::new("killed");
                std::fs::write(dir.0.join(journal::JOURNAL), &bytes[..bytes.len() * part / 8])
                    .expect("writes");
                let (found, ran) = run(&plan, &dir, Shard::WHOLE, 1);
                assert_eq!(found, expected);
                assert!(ran < all && ran > 0, "{ran} of {all} were run again");
            }
        }
    }

    #[test]
    fn threads_and_shards_make_no_difference() {
        let all = shared_out("");
        assert_eq!(all.len(), 101);
        let refused = all.iter().any(|own| matches!(own.fate, Fate::Refused(_)));
        assert!(refused, "some make no sense");
        // Seventy, the current one, and probes in the blocks of two shards.
        let some = shared_out("[design]\nkind = 'latin'\npoints = 70");
        assert!(some.len() > 71, "{}", some.len());
    }

    /// A sweep with any threads and of merged shards.
    fn shared_out(design: &str) -> Vec<Configuration> {
        let plan = plan(&format!("replications = 6\n[race]\nfirst = 2\n{design}\n{AXES}"));
        let (one, two) = (Dir::new("one"), Dir::new("two"));
        let (expected, _) = run(&plan, &one, Shard::WHOLE, 1);
        assert_eq!(run(&plan, &two, Shard::WHOLE, 4).0, expected);
        assert!(
            expected.iter().any(|own| matches!(own.fate, Fate::Beaten(_))),
            "the race stops some"
        );

        let shards: Vec<Dir> = (0..4).map(|index| Dir::new(&format!("shard{index}"))).collect();
        let mut known = Known::new();
        for (index, dir) in shards.iter().enumerate() {
            run(&plan, dir, Shard { index, of: 4 }, 1);
            known.extend(journal::read(&dir.0, 1, plan.width()).expect("reads"));
        }
        let merge = |known: Known| {
            let store = Store { known, journal: None };
            Engine::new(&plan, &Toy, store, &Counter::default(), 1, vec![None; 2]).run(Shard::WHOLE)
        };
        assert_eq!(merge(known.clone()).expect("is complete"), expected);
        let lost = *known.keys().next_back().expect("has runs");
        known.remove(&lost);
        assert!(matches!(merge(known), Err(Halt::Incomplete { missing: 1 })));
        expected
    }

    #[test]
    fn a_full_disk_stops_the_sweep_and_says_so() {
        // A device that is always full.
        let full = PathBuf::from("/dev/full");
        let Ok(file) = std::fs::OpenOptions::new().write(true).open(&full) else {
            return;
        };
        let plan = plan(&format!("replications = 6\n{AXES}"));
        let store = Store {
            known: Known::new(),
            journal: Some(Journal::on(full, file)),
        };
        let watch = Counter::default();
        let engine = Engine::new(&plan, &Toy, store, &watch, 1, vec![None; 2]);
        let halt = engine.run(Shard::WHOLE).expect_err("nothing can be written");
        assert!(halt.to_string().contains("No space left"), "{halt}");
        assert!(watch.ran.load(Ordering::Relaxed) < 20, "it stops at once");
    }

    #[test]
    fn an_optimizer_cannot_be_split() {
        let plan = plan(&format!("[design]\nkind = 'optimize'\nbudget = 40\n{AXES}"));
        let dir = Dir::new("split");
        let (journal, known) = Journal::open(&dir.0, 1, plan.width()).expect("opens");
        let store = Store {
            known,
            journal: Some(journal),
        };
        let watch = Counter::default();
        let engine = Engine::new(&plan, &Toy, store, &watch, 1, vec![None; 2]);
        assert!(matches!(
            engine.run(Shard { index: 0, of: 2 }),
            Err(Halt::Indivisible)
        ));
    }
}
