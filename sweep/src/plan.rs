//! A sweep's file: the scenario, what is varied over it, and what is asked.

use std::cell::RefCell;

use model::document::fields::{Field, Schema, noted, table};
use model::document::{Context, Cursor, Diagnostic, Place, Report, Severity, Source, parse_toml};
use model::traffic::Fidelity;

use crate::axis::{self, Axis};
use crate::constraint::Constraint;
use crate::design::Design;
use crate::engine::BLOCK;
use crate::field;
use crate::measure::Measure;

/// Grids larger than this are not run unless a budget is given.
pub const LARGEST_GRID: u128 = 100_000;
/// No design asks for more configurations.
pub(crate) const MOST_POINTS: i64 = 1_000_000;

/// A sweep, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// The question it asks, for people.
    pub question: String,
    /// The scenario's directory, relative to the sweep's file.
    pub scenario: String,
    /// How requests are simulated.
    pub fidelity: Fidelity,
    /// Overrides of every configuration, the current one too.
    pub sets: Vec<String>,
    /// The first seed; the scenario's if absent.
    pub seed: Option<u64>,
    /// Seeds of each configuration.
    pub replications: u32,
    /// How configurations are stopped early, if they are.
    pub race: Option<Race>,
    /// What is varied.
    pub axes: Vec<Axis>,
    /// Which combinations.
    pub design: Design,
    /// What is to be good, the most important first.
    pub objectives: Vec<Measure>,
    /// What must be kept to.
    pub constraints: Vec<Constraint>,
    /// Heatmaps that are wanted: two axes and a measure.
    pub heatmaps: Vec<(usize, usize, Measure)>,
    /// How one configuration is chosen.
    pub recommend: Recommend,
}

/// Racing: after some seeds, configurations that are surely worse than another get no more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Race {
    /// Seeds that every configuration gets.
    pub first: u32,
    /// How sure one must be, all comparisons of a block together.
    pub confidence: f64,
}

/// How one configuration of the front is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recommend {
    /// The objective that decides among those that keep to the constraints; `None` takes the configuration nearest
    /// to the best of all objectives at once.
    pub by: Option<Measure>,
    /// Fresh seeds on which the chosen and the current configuration are compared.
    pub confirm: u32,
}

const FILE: &[Field] = &[
    noted("name", "the sweep's name"),
    noted("question", "the question it asks, for people"),
    noted("scenario", "the scenario's directory, relative to this file"),
    noted("fidelity", "flow (default) or requests"),
    noted("set", "overrides of every configuration, as for --set"),
    noted("seed", "the first seed; the scenario's if absent"),
    noted("replications", "seeds of each configuration; 5 if absent"),
    noted(
        "race.first",
        "seeds after which configurations that are surely worse stop",
    ),
    noted("race.confidence", "how sure one must be; 0.95 if absent"),
    noted("objectives", "what is to be good, the most important first"),
    noted("constraints", "MEASURE <= VALUE, or MEASURE <= VALUE for 99%"),
    noted(
        "design.kind",
        "grid (default), random, latin, sobol, morris or optimize",
    ),
    noted(
        "design.points",
        "random, latin, sobol: how many configurations, without the probes beside them",
    ),
    noted("design.trajectories", "morris: how many"),
    noted("design.budget", "optimize: how many configurations at most"),
    noted("design.population", "optimize: configurations in a generation"),
    noted("design.seed", "of the choice of configurations; 1 if absent"),
    table("axis[]", AXIS),
    noted("heatmap[].x", "an axis"),
    noted("heatmap[].y", "an axis"),
    noted("heatmap[].of", "a measure"),
    noted(
        "recommend.by",
        "the objective that decides, of what cannot be told apart in it the balance; or \"balance\" (default without constraints)",
    ),
    noted(
        "recommend.confirm",
        "fresh seeds for the comparison with the current configuration; 20 if absent",
    ),
];

const AXIS: &[Field] = &[
    noted("name", "what tables and figures call it"),
    noted(
        "field",
        "the field as --set names it, or a list of fields that get the same value",
    ),
    noted("values", "a list"),
    noted("from", "a range: a number or a duration"),
    noted("to", "a range: a number or a duration"),
    noted("steps", "values of the range, ends included; needed in a grid"),
    noted("scale", "linear (default) or log"),
    noted("categories", "by label, a table of fields and values"),
];

/// The fields of a sweep's file.
#[must_use]
pub fn field_table() -> Vec<(String, Field)> {
    model::document::fields::rows(FILE)
}

impl Plan {
    /// Reads a sweep's file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn read(source: &Source) -> Result<Plan, Report> {
        let problems = RefCell::new(Vec::new());
        let (tree, failures) = parse_toml(&source.text);
        for (place, message) in failures {
            problems.borrow_mut().push(broken(source, place, &message));
        }
        let context = Context::new(&source.path, String::new(), &problems);
        let root = context.root(&tree);
        Schema::new(FILE).check(&root);
        let plan = plan(&root);
        let report = Report::new(problems.take());
        match plan {
            Some(plan) if !report.has_errors() => Ok(plan),
            _ => Err(report),
        }
    }

    /// How many configurations all levels together make.
    #[must_use]
    pub fn grid_size(&self) -> u128 {
        self.axes
            .iter()
            .map(|axis| axis.levels.len() as u128)
            .fold(1, u128::saturating_mul)
    }

    /// How many configurations are run together: those that race each other, or each by itself.
    pub(crate) fn block(&self) -> usize {
        if self.race.is_some() { BLOCK } else { 1 }
    }

    /// How many shards find work. An optimizer cannot be split.
    #[must_use]
    pub fn parts(&self) -> usize {
        let points = self.design.planned(&self.axes);
        points.map_or(1, |points| points.len().div_ceil(self.block()))
    }

    /// Whether any question needs response times.
    #[must_use]
    pub fn needs_latency(&self) -> bool {
        let heat = self.heatmaps.iter().any(|(_, _, of)| of.needs_latency());
        self.objectives.iter().any(|measure| measure.needs_latency())
            || self.constraints.iter().any(Constraint::needs_latency)
            || heat
    }

    /// How many numbers a run leaves: all measures, then one for each constraint.
    #[must_use]
    pub fn width(&self) -> usize {
        Measure::COUNT + self.constraints.len()
    }
}

fn broken(source: &Source, place: Place, message: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "E001",
        file: source.path.clone(),
        line: place.line,
        column: place.column,
        field: String::new(),
        message: format!("not TOML that can be read: {message}"),
        hint: String::new(),
    }
}

fn plan(root: &Cursor<'_>) -> Option<Plan> {
    let name = root.get("name").required().name().map(str::to_owned);
    let scenario = root.get("scenario").required().name().map(str::to_owned);
    let axes_at = root.get("axis");
    let items = axes_at.items();
    let axes: Vec<Axis> = items.iter().filter_map(axis::read).collect();
    if items.is_empty() {
        axes_at.error(
            "E005",
            "a sweep needs at least one axis",
            "write [[axis]] with name, field and values",
        );
    }
    for (index, axis) in axes.iter().enumerate() {
        if axes[..index].iter().any(|other| other.name == axis.name) {
            axes_at.error("E010", format!("two axes are called {:?}", axis.name), "");
        }
    }
    if items.len() == axes.len() {
        items
            .iter()
            .zip(&axes)
            .for_each(|(at, axis)| comparable(at, axis));
        apart(&items, &axes);
    }
    let objectives = objectives(&root.get("objectives"));
    let constraints = constraints(&root.get("constraints"));
    let replications = root.get("replications");
    let most = if replications.is_given() {
        replications.int(1..=10_000).unwrap_or(1) as u32
    } else {
        5
    };
    let race = race(&root.get("race"), most);
    let fidelity = root.get("fidelity");
    let fidelity = if fidelity.is_given() {
        fidelity.one_of(&[("flow", Fidelity::Flow), ("requests", Fidelity::Requests)])
    } else {
        Some(Fidelity::Flow)
    };
    let design = crate::design::read(&root.get("design"));
    let heatmap = |at: &Cursor<'_>| heatmap(at, &axes);
    let heatmaps = root.get("heatmap").items().iter().filter_map(heatmap).collect();
    let recommend = recommend(&root.get("recommend"), &objectives, &constraints);
    let sets = root.get("set").items();
    let plan = Plan {
        name: name?,
        question: root.get("question").text().unwrap_or_default().to_owned(),
        scenario: scenario?,
        fidelity: fidelity?,
        sets: sets
            .iter()
            .filter_map(|at| at.name().map(str::to_owned))
            .collect(),
        seed: root.get("seed").int(0..=i64::MAX).map(i64::unsigned_abs),
        replications: most,
        race,
        design: design?,
        objectives,
        constraints,
        heatmaps,
        recommend: recommend?,
        axes,
    };
    size(&plan, root);
    Some(plan)
}

/// What must be the same in all configurations, or their numbers could not be compared.
fn comparable(at: &Cursor<'_>, axis: &Axis) {
    const HELD: [(&str, &str); 3] = [
        (
            "seed",
            "every configuration gets the same seeds, and `replications` says how many",
        ),
        (
            "duration",
            "costs and counts of a shorter run are smaller: make a sweep for each duration",
        ),
        (
            "warm_up",
            "costs and counts of a shorter run are smaller: make a sweep for each warm-up",
        ),
    ];
    for (held, why) in HELD {
        if axis.fields.iter().any(|own| field::same(own, held)) {
            at.error("E004", format!("{held} cannot be varied over a sweep"), why);
        }
    }
}

/// Two axes that set the same field: only the later would have an effect.
fn apart(items: &[Cursor<'_>], axes: &[Axis]) {
    for (index, axis) in axes.iter().enumerate() {
        for other in &axes[..index] {
            let mut pairs = axis
                .fields
                .iter()
                .flat_map(|own| other.fields.iter().map(move |before| (own, before)));
            if let Some((own, before)) = pairs.find(|(own, before)| field::overlap(own, before)) {
                let message = if field::same(own, before) {
                    format!("the axis {:?} sets {own} too", other.name)
                } else {
                    format!(
                        "the axis {:?} sets {before}, which {own} is a part of, or has as one",
                        other.name
                    )
                };
                items[index].error(
                    "E010",
                    message,
                    "the later would win: vary a field by one axis only",
                );
            }
        }
    }
}

/// A grid that nobody has time for is said to be one.
fn size(plan: &Plan, root: &Cursor<'_>) {
    if plan.design != Design::Grid {
        return;
    }
    let at = root.get("design");
    for axis in plan.axes.iter().filter(|axis| axis.fine) {
        let message = format!(
            "the axis {:?} is a range without steps, of which there is no grid",
            axis.name
        );
        at.error(
            "E004",
            message,
            "give it steps, or choose another design: sobol, latin, random, optimize",
        );
    }
    let size = plan.grid_size();
    if size > LARGEST_GRID {
        let message = format!("the grid has {} configurations", grouped(size));
        let hint = format!(
            "at most {} are run without a budget: write [design] kind = \"optimize\" with budget = 500, or kind = \"sobol\" with points = 500",
            grouped(LARGEST_GRID)
        );
        at.error("E004", message, &hint);
    }
}

/// 1000000 as "1,000,000".
#[must_use]
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: "1 seed", "12,000 seeds".
#[must_use]
pub fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number as u128))
}

fn objectives(at: &Cursor<'_>) -> Vec<Measure> {
    if !at.is_given() {
        return vec![Measure::Cost, Measure::LatencyP95];
    }
    let items = at.items();
    let read: Vec<Measure> = items.iter().filter_map(measure).collect();
    if items.is_empty() && at.is_list() {
        at.error(
            "E004",
            "expected a list of measures, as in [\"cost\", \"latency_p95\"]",
            "",
        );
    }
    for (index, own) in read.iter().enumerate() {
        if read[..index].contains(own) {
            at.error("E010", format!("the objective {} is given twice", own.name()), "");
        }
    }
    read
}

fn measure(at: &Cursor<'_>) -> Option<Measure> {
    let names: Vec<(&str, Measure)> = Measure::all().map(|measure| (measure.name(), measure)).collect();
    at.one_of(&names)
}

fn constraints(at: &Cursor<'_>) -> Vec<Constraint> {
    let mut read: Vec<Constraint> = Vec::new();
    for item in at.items() {
        let own = match item.name().map(str::parse::<Constraint>) {
            None => continue,
            Some(Err(wrong)) => {
                item.error("E003", wrong.0, "");
                continue;
            }
            Some(Ok(own)) => own,
        };
        if let Some(other) = read.iter().find(|other| own.excludes(other)) {
            let message = format!("no run can keep to {:?} and to {:?}", own.text, other.text);
            item.error("E004", message, "take one of them out, or change its bound");
        }
        read.push(own);
    }
    read
}

fn race(at: &Cursor<'_>, replications: u32) -> Option<Race> {
    at.value()?;
    let first = at.get("first");
    let first = if first.is_given() {
        first.int(2..=10_000).unwrap_or(3) as u32
    } else {
        3
    };
    let confidence = at.get("confidence").number(0.5..=0.9999).unwrap_or(0.95);
    if first >= replications {
        at.error(
            "E004",
            format!("a race after {first} seeds saves nothing: there are {replications} replications"),
            "ask for more replications, or take the race out",
        );
    }
    Some(Race { first, confidence })
}

fn heatmap(at: &Cursor<'_>, axes: &[Axis]) -> Option<(usize, usize, Measure)> {
    let names: Vec<(&str, usize)> = axes
        .iter()
        .enumerate()
        .map(|(index, axis)| (axis.name.as_str(), index))
        .collect();
    let x = at.get("x").required().one_of(&names)?;
    let y = at.get("y").required().one_of(&names)?;
    if x == y {
        at.error("E004", "a heatmap needs two different axes", "");
        return None;
    }
    Some((x, y, measure(&at.get("of").required())?))
}

fn recommend(at: &Cursor<'_>, objectives: &[Measure], constraints: &[Constraint]) -> Option<Recommend> {
    let by_at = at.get("by");
    let by = if by_at.is_given() {
        let mut names: Vec<(&str, Option<Measure>)> = objectives
            .iter()
            .map(|measure| (measure.name(), Some(*measure)))
            .collect();
        names.push(("balance", None));
        by_at.one_of(&names)?
    } else if constraints.is_empty() {
        None
    } else {
        objectives.first().copied()
    };
    let confirm = at.get("confirm");
    let confirm = if confirm.is_given() {
        confirm.int(2..=10_000)? as u32
    } else {
        20
    };
    Some(Recommend { by, confirm })
}

impl Plan {
    /// The overrides of a configuration, axis by axis.
    #[must_use]
    pub fn overrides(&self, point: &[u32]) -> Vec<String> {
        let level = |(axis, level): (&Axis, &u32)| axis.levels[*level as usize].sets.clone();
        self.axes.iter().zip(point).flat_map(level).collect()
    }

    /// The overrides of all configurations, and these.
    pub(crate) fn sets_with(&self, more: impl IntoIterator<Item = String>) -> Vec<String> {
        self.sets.iter().cloned().chain(more).collect()
    }

    /// The overrides of a configuration without those of some axes, which are as they are for all then.
    #[must_use]
    pub fn sets_without(&self, point: &[u32], axes: &[usize]) -> Vec<String> {
        let kept = (0..self.axes.len()).filter(|axis| !axes.contains(axis));
        self.sets_with(
            kept.flat_map(|axis| self.axes[axis].levels[point[axis] as usize].sets.iter().cloned()),
        )
    }

    /// The labels of a configuration, axis by axis.
    #[must_use]
    pub fn labels<'a>(&'a self, point: &[u32]) -> Vec<&'a str> {
        let label = |(axis, level): (&'a Axis, &u32)| axis.levels[*level as usize].label.as_str();
        self.axes.iter().zip(point).map(label).collect()
    }

    /// What decides which runs there are and what their numbers mean, as a number. `files` are the scenario's texts.
    #[must_use]
    pub fn fingerprint(&self, files: &model::scenario::Files) -> u64 {
        let levels: Vec<Vec<&Vec<String>>> = self
            .axes
            .iter()
            .map(|axis| axis.levels.iter().map(|level| &level.sets).collect())
            .collect();
        let bounded: Vec<_> = self
            .constraints
            .iter()
            .map(|own| (&own.what, own.at_most, own.bound))
            .collect();
        let mut text = format!(
            "{} {:?} {:?} {:?} {levels:?} {:?} {bounded:?} {}",
            env!("CARGO_PKG_VERSION"),
            self.fidelity,
            self.sets,
            self.seed,
            self.design,
            self.needs_latency(),
        );
        // Which configurations an optimizer tries depends on all that it was told.
        if matches!(self.design, Design::Optimize { .. }) {
            text.push_str(&format!("{:?} {}", self.objectives, self.replications));
        }
        for source in std::iter::once(&files.scenario)
            .chain(&files.manifests)
            .chain(&files.traces)
        {
            text.push_str(&format!(
                "\n{} {}\n{}",
                source.path,
                source.text.len(),
                source.text
            ));
        }
        crate::journal::hash(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Plan, String> {
        let axis = "\n[[axis]]\nname = 'x'\nfield = 'x'\nvalues = [1, 2]\n";
        let source = Source {
            path: "s.toml".to_owned(),
            text: format!(
                "name = 's'\nscenario = 'd'\n{text}{}",
                if text.contains("[[axis]]") { "" } else { axis }
            ),
        };
        Plan::read(&source).map_err(|report| report.to_string())
    }

    fn check(text: &str, expected: &[&str]) {
        let report = read(text).expect_err(text);
        for part in expected {
            assert!(report.contains(part), "{text}\nlacks {part:?}:\n{report}");
        }
    }

    #[test]
    fn what_is_absent_has_a_default() {
        let plan = read("").expect("the least there is");
        assert_eq!(
            (plan.replications, plan.race, plan.design),
            (5, None, Design::Grid)
        );
        assert_eq!(plan.objectives, [Measure::Cost, Measure::LatencyP95]);
        assert_eq!(plan.recommend.by, None);
        let bound = read("constraints = ['failed_share <= 1%']").expect("reads");
        assert_eq!(bound.recommend.by, Some(Measure::Cost));
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_place() {
        check(
            "objectives = ['cots', 'latency_p95']\nconstraints = ['x <= 1']\nreplications = 0\n[desing]\nkind = 'grid'\n",
            &[
                "s.toml:3:",
                "did you mean \"cost\"?",
                "s.toml:4:",
                "there is no measure \"x\"",
                "s.toml:5:",
                "did you mean \"design\"?",
            ],
        );
        check("name = 1", &["s.toml:", "duplicate"]);
        check("[[axis]]\nname = 'x'\n", &["axis needs values"]);
        check("[design]\nkind = 'sobol'\n", &["points is missing"]);
        check(
            "[design]\nkind = 'grid'\npoints = 3\n",
            &["the design grid has no points"],
        );
        check(
            "replications = 3\n[race]\nfirst = 3\n",
            &["a race after 3 seeds saves nothing"],
        );
        check(
            "[[heatmap]]\nx = 'x'\ny = 'z'\nof = 'cost'\n",
            &["expected x, found \"z\""],
        );
        check(
            "constraints = ['served >= 10', 'cost <= 1', 'served <= 9']",
            &["no run can keep to \"served <= 9\" and to \"served >= 10\""],
        );
        read("constraints = ['served >= 9', 'served <= 9']").expect("nine will do");
    }

    #[test]
    fn axes_that_get_into_each_others_way_are_refused() {
        let axis = |name: &str, field: &str| {
            format!("[[axis]]\nname = '{name}'\nfield = '{field}'\nvalues = [1, 2]\n")
        };
        let both = |one: &str, other: &str| axis("a", one) + &axis("b", other);
        check(
            &both("HPA/shop/web: spec.x", "HPA/web: spec.x"),
            &["s.toml:7:", "the axis \"a\" sets HPA/web: spec.x too"],
        );
        check(
            &both("HPA/web: spec", "HPA/web: spec.x[0]"),
            &["the axis \"a\" sets HPA/web: spec, which"],
        );
        read(&both("HPA/web: spec.x", "HPA/other: spec.x")).expect("two objects");
        for field in ["seed", "duration", "warm_up"] {
            check(
                &axis("a", field),
                &["s.toml:3:", &format!("{field} cannot be varied")],
            );
        }
    }

    #[test]
    fn work_is_cut_into_blocks_where_configurations_race() {
        let axes = "[[axis]]\nname = 'x'\nfield = 'x'\nfrom = 1\nto = 65\nsteps = 65\n";
        let parts = |text: &str| read(&format!("{text}{axes}")).expect(text).parts();
        assert_eq!(parts(""), 65);
        assert_eq!(parts("[race]\nfirst = 3\n"), 2);
        assert_eq!(parts("[design]\nkind = 'optimize'\nbudget = 40\n"), 1);
    }

    #[test]
    fn a_grid_that_nobody_has_time_for_says_its_size() {
        let axis = |name: &str| {
            format!("[[axis]]\nname = '{name}'\nfield = '{name}'\nfrom = 1\nto = 1000\nsteps = 1000\n")
        };
        let axes = ["a", "b", "c"].map(axis).concat();
        check(
            &axes,
            &["the grid has 1,000,000,000 configurations", "budget = 500"],
        );
        let budget = format!("[design]\nkind = 'optimize'\nbudget = 100\n{axes}");
        assert_eq!(
            read(&budget).expect("a budget is given").grid_size(),
            1_000_000_000
        );
        check(
            "[[axis]]\nname = 'x'\nfield = 'x'\nfrom = 0.0\nto = 1.0\n",
            &["a range without steps, of which there is no grid"],
        );
    }

    #[test]
    fn only_what_decides_the_runs_is_in_the_fingerprint() {
        let files = model::scenario::Files::default();
        let of = |text: &str| read(text).expect(text).fingerprint(&files);
        assert_eq!(of(""), of("# a comment\nreplications = 9\nquestion = 'why?'"));
        assert_ne!(of(""), of("constraints = ['cost <= 1']"));
        assert_ne!(of(""), of("[[axis]]\nname = 'x'\nfield = 'x'\nvalues = [1, 3]\n"));
    }
}
