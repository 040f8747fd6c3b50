//! `scaletwin compare`

use std::path::{Path, PathBuf};

use live::accuracy::{Comparison, Simulated};
use live::compare::{self, Bounds, CURVES, Gap, LIVES, Run, Target, names};
use live::curves::{instant, step_curve};
use live::measured::{CurveName, Measured};
use live::recording::{self, Recording};
use live::shadow::{Agreement, Divergence, Part, shadow};
use model::scenario::Scenario;
use serde_json::{Value, json};
use sim::SortedMap;

use super::Answer;
use super::plot::{FIGURES, draw, read};
use crate::args::{CompareArgs, Format, ShadowPart};
use crate::experiment;
use crate::export::dashboard::{Dashboard, Laid};
use crate::export::measures;
use crate::export::summary::{Summary, time_of_day};
use crate::export::table::Table;
use crate::failure::Failure;
use crate::files::read_text;
use crate::output::{OutputDir, print, print_json};

pub(crate) fn compare(args: &CompareArgs) -> Result<Answer, Failure> {
    let sim = Sim::read(&args.sim)?;
    let rec = Rec::read(args, &sim)?;
    let out = args.out.clone().unwrap_or_else(|| args.sim.join("compare"));
    let bounds = bounds(args, rec.scenario.as_ref())?;
    let comparison = rec.compared(&sim, &bounds);
    if comparison.window.is_none() {
        return Err(Failure::new(format!(
            "{} and {} have no time in common",
            args.sim.display(),
            args.rec.display()
        ))
        .hint("is it a recording of this scenario? its entry `start` says when the scenario's time began"));
    }
    let agreements = rec.shadows(args)?;
    let out = OutputDir::open(&out)?;
    let report = Report {
        sim: &sim,
        rec: &rec,
        comparison: &comparison,
        agreements: &agreements,
    };
    let mut files = vec![
        ("compare.json", pretty(&report.json())),
        ("compare.md", report.markdown().into_bytes()),
    ];
    let mut stale = FIGURES.to_vec();
    if let Some(colors) = args.figures.wanted() {
        let overlay = Some(Laid::of_run(&rec.run, sim.table.times()));
        let figure = Dashboard {
            table: &sim.table,
            summary: &sim.summary,
            overlay,
        }
        .figure();
        files.extend(draw(&figure, colors)?);
        stale.clear();
    }
    let written = out.write(&files, &stale)?;
    report.tell(&written, args.format)?;
    let agreed = agreements.iter().all(|own| own.divergences.is_empty());
    Ok(if comparison.met() && agreed {
        Answer::Done
    } else {
        Answer::No
    })
}

fn bounds(args: &CompareArgs, scenario: Option<&Scenario>) -> Result<Bounds, Failure> {
    for (flag, share) in [
        ("--replicas-nmae", args.replicas_nmae),
        ("--replicas-within", args.replicas_within),
        ("--nodes-within", args.nodes_within),
    ] {
        if !(0.0..=1.0).contains(&share) {
            return Err(
                Failure::new(format!("{flag}: expected a share from 0 to 1, found {share}"))
                    .hint("0.05 is 5 %"),
            );
        }
    }
    if let Some(sync) = args.sync.filter(|sync| !(0.0..=3600.0).contains(sync)) {
        return Err(Failure::new(format!(
            "--sync: expected seconds from 0 to 3600, found {sync}"
        )));
    }
    let own = scenario.map(|scenario| scenario.config.hpa.sync_period.as_secs_f64());
    Ok(Bounds {
        replicas_nmae: args.replicas_nmae,
        replicas_within: args.replicas_within,
        nodes_within: args.nodes_within,
        sync: args.sync.or(own).unwrap_or(Bounds::default().sync),
    })
}

/// The simulated side: what `run` wrote.
struct Sim {
    summary: Summary,
    table: Table,
    seeds: Vec<Run>,
}

impl Sim {
    fn read(dir: &Path) -> Result<Self, Failure> {
        if !dir.is_dir() {
            return Err(
                Failure::new(format!("the directory {} does not exist", dir.display()))
                    .hint("name the directory that `scaletwin run` wrote to"),
            );
        }
        Ok(Sim {
            summary: read(dir, "summary.json", Summary::from_json)?,
            table: read(dir, "series.csv", Table::from_csv)?,
            seeds: seeds(dir)?,
        })
    }
}

/// The exact curves and lives of a run's seeds.
fn seeds(dir: &Path) -> Result<Vec<Run>, Failure> {
    if !dir.join(CURVES).exists() {
        return Err(Failure::new(format!("{} holds no {CURVES}", dir.display()))
            .hint("an older scaletwin wrote it: run the scenario again"));
    }
    let mut runs = read(dir, CURVES, compare::read_curves)?;
    let path = dir.join(LIVES);
    compare::read_lives(&read_text(&path)?, &mut runs)
        .map_err(|message| Failure::new(format!("{}: {message}", path.display())))?;
    let with_nodes = runs.into_values().map(|mut run| {
        run.add_up(names::SEEN_NODES_OF, names::SEEN_NODES);
        run
    });
    Ok(with_nodes.collect())
}

/// The side that is taken for real.
struct Rec {
    what: String,
    run: Run,
    /// The recording's second at the run's second zero.
    zero: f64,
    scenario: Option<Scenario>,
    /// What is to be said of it besides numbers.
    notes: Vec<String>,
    recording: Option<Recording>,
    measured: Option<(Measured, f64)>,
}

impl Rec {
    fn read(args: &CompareArgs, sim: &Sim) -> Result<Self, Failure> {
        let dir = &args.rec;
        if dir.join(recording::FILE).exists() {
            return Rec::recording(args, sim);
        }
        let scenario = args
            .scenario
            .as_deref()
            .map(|dir| experiment::load(dir, &[]))
            .transpose()?;
        let scenario = scenario.map(|(scenario, _)| scenario);
        if dir.join("summary.json").exists() {
            let summary: Summary = read(dir, "summary.json", Summary::from_json)?;
            let run = seeds(dir)?.into_iter().next();
            return Ok(Rec {
                what: format!("{}, seed {}, simulated", summary.scenario, summary.seed),
                run: run.ok_or_else(|| Failure::new(format!("{} holds no seed", dir.display())))?,
                zero: 0.0,
                scenario,
                notes: vec![
                    "both sides are simulated: this is how far chance, or a changed scenario, moves them"
                        .into(),
                ],
                recording: None,
                measured: None,
            });
        }
        let measured = Measured::read(dir).map_err(|error| {
            Failure::new(error.to_string())
                .hint("expected a recording, a directory that `scaletwin run` wrote, or curves as CSV files")
        })?;
        let zero = measured.zero(sim.summary.clock_s());
        Ok(Rec {
            what: format!("{:?}, curves of a dashboard", measured.name),
            run: of_curves(&measured, zero),
            zero,
            scenario,
            notes: measured
                .source
                .iter()
                .map(|source| format!("measured: {source}"))
                .collect(),
            recording: None,
            measured: Some((measured, zero)),
        })
    }

    fn recording(args: &CompareArgs, sim: &Sim) -> Result<Self, Failure> {
        let recording = Recording::read(&args.rec).map_err(|error| Failure::new(error.to_string()))?;
        let scenario = experiment::recorded(args.scenario.as_deref(), &recording)
            .map(|(dir, sets)| experiment::load(&dir, &sets))
            .transpose()?;
        let scenario = scenario.map(|(scenario, _)| scenario);
        let target = target(args, scenario.as_ref(), &recording)?;
        let epoch = sim.summary.epoch.parse().map_err(|_| {
            Failure::new(format!(
                "{}: expected a time in epoch, found {:?}",
                args.sim.join("summary.json").display(),
                sim.summary.epoch
            ))
        })?;
        // Another scenario's times mean another day: the two have only the wall clock in common.
        let same = recording
            .header
            .scenario
            .as_ref()
            .is_none_or(|name| *name == sim.summary.scenario);
        let by_the_wall = || compare::wall_zero(&recording, epoch, sim.summary.end_s);
        let zero = (!same).then(by_the_wall).flatten();
        let zero = zero.or_else(|| compare::zero(&recording, epoch, scenario.as_ref()));
        let zero = zero.ok_or_else(|| {
            Failure::new(format!(
                "{}: expected a time in the header's epoch",
                args.rec.display()
            ))
        })?;
        let mut run = compare::recorded(&recording, &target, zero);
        run.add_up(names::SEEN_NODES_OF, names::SEEN_NODES);
        let header = &recording.header;
        let versions: Vec<String> = header
            .versions
            .iter()
            .map(|(part, own)| format!("{part} {own}"))
            .collect();
        let by = match header.made_by {
            recording::Maker::Live => "recorded",
            recording::Maker::Simulation => "recorded from a simulation",
        };
        let what = format!("{}, {by}, {}/{}", header.run, target.namespace, target.name);
        let mut notes = vec![format!("releases: {}", versions.join(", "))];
        if let Some(line) = recording.torn {
            notes.push(format!(
                "line {line} of the recording is torn, the recorder was stopped in it; it is left out"
            ));
        }
        if !recording.ended {
            notes.push(
                "the recording has no end: the recorder was killed, and what it heard until then is compared"
                    .into(),
            );
        }
        Ok(Rec {
            what,
            run,
            zero,
            scenario,
            notes,
            recording: Some(recording),
            measured: None,
        })
    }

    fn compared(&self, sim: &Sim, bounds: &Bounds) -> Comparison {
        let steps: Vec<(f64, String)> = sim
            .summary
            .marks
            .iter()
            .map(|mark| (mark.t_s, mark.label.clone()))
            .collect();
        let mut comparison = compare::compare(&sim.seeds, &self.run, bounds, &steps);
        // Curves that come with objectives of their own are held against those.
        if let Some((measured, zero)) = self
            .measured
            .as_ref()
            .filter(|(own, _)| !own.objectives.is_empty())
        {
            let scope = live::accuracy::Scope {
                zero: *zero,
                end: sim.seeds.iter().map(|seed| seed.end).min().unwrap_or_default(),
                fidelity: sim.summary.fidelity.clone(),
                prices: SortedMap::new(),
            };
            let seeds: Vec<Simulated> = sim.seeds.iter().map(as_shown).collect();
            let mut own = live::accuracy::compare(&seeds, measured, &scope).lines;
            own.retain(|line| line.objective.is_some());
            comparison.lines.retain(|line| line.objective.is_none());
            own.append(&mut comparison.lines);
            comparison.lines = own;
        }
        comparison
    }
}

impl Rec {
    /// The shadows that were asked for.
    fn shadows(&self, args: &CompareArgs) -> Result<Vec<Agreement>, Failure> {
        let mut parts = args.shadow.clone();
        parts.sort_unstable();
        parts.dedup();
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let Some(recording) = &self.recording else {
            return Err(Failure::new(format!(
                "{} is no recording: it holds no inputs to decide on",
                args.rec.display()
            ))
            .hint("--shadow needs what `scaletwin live run`, `live record` or `run --record` wrote"));
        };
        let Some(scenario) = &self.scenario else {
            return Err(
                Failure::new("a shadow needs the scenario's releases and settings")
                    .hint("name it with --scenario DIR"),
            );
        };
        let part = |part: ShadowPart| match part {
            ShadowPart::Hpa => Part::Hpa,
            ShadowPart::Keda => Part::Keda,
            ShadowPart::KarpenterProvisioning => Part::Provisioning,
            ShadowPart::Consolidation => Part::Consolidation,
        };
        Ok(parts
            .into_iter()
            .map(|own| shadow(part(own), recording, scenario))
            .collect())
    }
}

/// A run's curves as a dashboard shows them.
fn as_shown(run: &Run) -> Simulated {
    let curve = |name: &str| run.curve(name).cloned().unwrap_or_default();
    let curves = [
        (CurveName::Rps, curve(names::SEEN_RPS)),
        (CurveName::Pods, curve(names::SEEN_PODS)),
        (CurveName::Nodes, curve(names::SEEN_NODES)),
    ];
    let types = run.types(names::SEEN_NODES_OF);
    Simulated {
        curves: curves.into(),
        nodes: types
            .map(|name| (name.to_owned(), curve(&format!("{}{name}", names::SEEN_NODES_OF))))
            .collect(),
    }
}

/// Curves of files as a run.
fn of_curves(measured: &Measured, zero: f64) -> Run {
    let (first, last) = measured.span();
    let mut run = Run {
        from: zero + first,
        end: instant(zero + last),
        ..Run::default()
    };
    for (curve, readings) in &measured.curves {
        let own = step_curve(readings, zero);
        if *curve == CurveName::Nodes {
            run.curves.insert(names::NODES.into(), own.clone());
        }
        run.curves.insert(curve.series().to_owned(), own);
    }
    for (name, readings) in &measured.nodes {
        let own = step_curve(readings, zero);
        run.curves.insert(format!("{}{name}", names::SEEN_NODES_OF), own);
    }
    run
}

/// What is scaled: as asked for, or the scenario's service, or what the only HPA scales.
fn target(args: &CompareArgs, scenario: Option<&Scenario>, recording: &Recording) -> Result<Target, Failure> {
    if let Some(named) = &args.target {
        let (namespace, name) = named
            .split_once('/')
            .ok_or_else(|| Failure::new(format!("--target: expected NAMESPACE/NAME, found {named:?}")))?;
        return Ok(Target {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
    }
    if let Some(scenario) = scenario {
        return Ok((&scenario.roles.server).into());
    }
    Target::of(recording).map_err(|error| {
        Failure::new(error.to_string())
            .hint("name it with --target NAMESPACE/NAME, or the scenario with --scenario")
    })
}

/// A second of the run by a clock that shows `clock` seconds of the day at its second zero, and how many days on.
fn on_day(clock: f64, seconds: f64) -> String {
    let at = (clock + seconds).round();
    let time = time_of_day(at);
    match (at / 86_400.0).floor() {
        0.0 => time,
        days => format!("{time} {days:+} d"),
    }
}

struct Report<'a> {
    sim: &'a Sim,
    rec: &'a Rec,
    comparison: &'a Comparison,
    agreements: &'a [Agreement],
}

impl Report<'_> {
    fn title(&self) -> String {
        let summary = &self.sim.summary;
        let seeds = match summary.replications {
            1 => format!("seed {}", summary.seed),
            n => format!("{n} seeds from {}", summary.seed),
        };
        format!(
            "{}, {seeds} in {}, against {}",
            summary.scenario, summary.fidelity, self.rec.what
        )
    }

    fn of_day(&self, seconds: f64) -> String {
        match self.sim.summary.clock_s() {
            Some(clock) => on_day(clock, seconds),
            None => format!("{seconds:.0} s"),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some((from, to)) = self.comparison.window {
            let (from, to) = (self.of_day(from.as_secs_f64()), self.of_day(to.as_secs_f64()));
            notes.push(format!("compared from {from} to {to}"));
        }
        notes.extend(self.rec.notes.iter().cloned());
        let gap = |gap: &Gap| {
            let (from, to) = (self.of_day(gap.from), self.of_day(gap.to));
            format!(
                "not heard: {} from {from} to {to} ({}); left out of its curves",
                gap.source, gap.reason
            )
        };
        notes.extend(self.rec.run.gaps.iter().map(gap));
        notes
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.title());
        for note in self.notes() {
            text.push_str(&format!("{note}\n"));
        }
        text.push('\n');
        text.push_str(&measures::table(&self.comparison.lines));
        if let Some(objectives) = measures::objectives(&self.comparison.lines) {
            text.push_str(&format!("\n{objectives}\n"));
        }
        for agreement in self.agreements {
            text.push_str(&format!("\n{}\n", agreed(agreement)));
            for own in &agreement.divergences {
                let at = self.of_day(own.t - self.rec.zero);
                text.push_str(&format!(
                    "{at}  {}\n  expected  {}\n  actual    {}\n  inputs    {}\n",
                    own.object, own.expected, own.actual, own.inputs
                ));
            }
            for note in &agreement.notes {
                text.push_str(&format!("  note: {note}\n"));
            }
        }
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.title());
        for note in self.notes() {
            text.push_str(&format!("- {note}\n"));
        }
        let (asked, more): (Vec<_>, Vec<_>) = self
            .comparison
            .lines
            .iter()
            .cloned()
            .partition(|line| line.objective.is_some());
        if let Some(objectives) = measures::objectives(&asked) {
            text.push_str(&format!(
                "\n## Objectives: {objectives}\n\n{}",
                measures::markdown(&asked)
            ));
        }
        for agreement in self.agreements {
            text.push_str(&format!("\n## {}\n\n", agreed(agreement)));
            for note in &agreement.notes {
                text.push_str(&format!("- {note}\n"));
            }
            if !agreement.divergences.is_empty() {
                text.push_str(
                    "\n| time | of | expected | actual | inputs |\n| --- | --- | --- | --- | --- |\n",
                );
            }
            for own in &agreement.divergences {
                let at = self.of_day(own.t - self.rec.zero);
                let cells = [&at, &own.object, &own.expected, &own.actual, &own.inputs];
                let cells = cells.map(|cell| cell.replace('|', "\\|"));
                text.push_str(&format!("| {} |\n", cells.join(" | ")));
            }
        }
        text.push_str(&format!("\n## Every measure\n\n{}", measures::markdown(&more)));
        text.push_str(
            "\nnMAE: time-weighted mean of the difference over the time-weighted mean of the recorded curve. \
             Within 1: share of time at which the two differ by at most one. Lag: mean lag along the path of dynamic \
             time warping, positive when the simulation is late. Errors in seconds are simulated less recorded.\n",
        );
        text
    }

    fn json(&self) -> Value {
        let gaps = self.rec.run.gaps.iter();
        let gap = |gap: &Gap| json!({ "source": gap.source, "from_s": gap.from, "to_s": gap.to, "reason": gap.reason });
        let (from, to) = self.comparison.window.unwrap_or_default();
        json!({
            "scenario": self.sim.summary.scenario,
            "against": self.rec.what,
            "notes": self.rec.notes,
            "from_s": from.as_secs_f64(),
            "to_s": to.as_secs_f64(),
            "gaps": gaps.map(gap).collect::<Vec<_>>(),
            "met": measures::met(&self.comparison.lines),
            "shadows": self.agreements.iter().map(|own| self.shadow(own)).collect::<Vec<_>>(),
            "measures": self.comparison.lines.iter().map(measures::as_json).collect::<Vec<_>>(),
        })
    }

    fn shadow(&self, agreement: &Agreement) -> Value {
        let divergence = |own: &Divergence| {
            json!({
                "part": agreement.part.as_str(),
                "time_s": own.t - self.rec.zero,
                "object": own.object,
                "expected": own.expected,
                "actual": own.actual,
                "inputs": own.inputs,
            })
        };
        json!({
            "part": agreement.part.as_str(),
            "decisions": agreement.decisions,
            "agreement": agreement.share(),
            "divergences": agreement.divergences.iter().map(divergence).collect::<Vec<_>>(),
            "notes": agreement.notes,
        })
    }

    fn tell(&self, written: &[PathBuf], format: Format) -> Result<(), Failure> {
        match format {
            Format::Text => {
                let mut text = self.text();
                for path in written {
                    text.push_str(&format!("{}\n", path.display()));
                }
                print(&text)
            }
            Format::Json => {
                for line in &self.comparison.lines {
                    print_json("measure", measures::as_json(line))?;
                }
                for agreement in self.agreements {
                    print_json("shadow", self.shadow(agreement))?;
                }
                print_json(
                    "result",
                    json!({ "met": measures::met(&self.comparison.lines), "against": self.rec.what }),
                )?;
                print_json("files", json!(written))
            }
        }
    }
}

/// A shadow in one line.
fn agreed(agreement: &Agreement) -> String {
    let agreed = agreement.decisions - agreement.divergences.len().min(agreement.decisions);
    format!(
        "shadow {}: {agreed} of {} decisions agree, {:.1} %",
        agreement.part.as_str(),
        agreement.decisions,
        agreement.share() * 100.0
    )
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("a value can be written");
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_another_day_says_so() {
        let two = 7_200.0;
        assert_eq!(on_day(two, 0.0), "02:00:00");
        assert_eq!(on_day(two, 86_400.0), "02:00:00 +1 d");
        assert_eq!(on_day(two, 79_199.6), "00:00:00 +1 d");
        assert_eq!(on_day(two, -7_201.0), "23:59:59 -1 d");
    }
}
