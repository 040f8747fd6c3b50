//! A sweep's figures: front, heatmaps, effects, sensitivity, and two dashboards side by side.

use sim::SortedSet;

use plots::{Beside, Chart, ChartPanel, Curve, Dot, Figure, Ink, Layer, Picture, Place, Ruler, Theme};
use sweep::effects::{Basis, Effect};
use sweep::plan::counted;
use sweep::sensitivity::{Indices, Sensitivity};
use sweep::statistics::{Estimate, mean};
use sweep::{Configuration, Fate, Measure, Plan};

use super::text::Answered;
use crate::args::{Colors, Fidelity};
use crate::experiment;
use crate::export::dashboard::Dashboard;
use crate::export::summary::Summary;
use crate::export::table::Table;
use crate::failure::Failure;

/// A heatmap: two axes and a measure.
pub(super) type Heat = (usize, usize, Measure);

/// Seeds of the dashboards.
const SEEDS: usize = 10;

/// Heatmaps as typed: X,Y,MEASURE.
pub(super) fn heatmaps(plan: &Plan, typed: &[String]) -> Result<Vec<Heat>, Failure> {
    let axis = |name: &str| {
        let found = plan.axes.iter().position(|axis| axis.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = plan.axes.iter().map(|axis| axis.name.as_str()).collect();
            Failure::new(format!("there is no axis {name:?}")).hint(format!("there are {}", names.join(", ")))
        })
    };
    let one = |text: &String| {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [x, y, measure] = parts.as_slice() else {
            return Err(Failure::new(format!(
                "expected X,Y,MEASURE for a heatmap, found {text:?}"
            )));
        };
        let known = Measure::named(measure).ok_or_else(|| {
            let names: Vec<&str> = Measure::all().map(Measure::name).collect();
            Failure::new(format!("there is no measure {measure:?}"))
                .hint(format!("there are {}", names.join(", ")))
        })?;
        if known.needs_latency() && !plan.needs_latency() {
            return Err(Failure::new(format!("{measure} was not measured"))
                .hint("response times are measured where an objective or a constraint asks for them"));
        }
        let (x, y) = (axis(x)?, axis(y)?);
        if x == y {
            return Err(Failure::new(format!(
                "a heatmap needs two different axes, found {text:?}"
            )));
        }
        Ok((x, y, known))
    };
    typed.iter().map(one).collect()
}

/// Objectives of which there is a value.
fn measured(answer: &Answered<'_>) -> Vec<Measure> {
    let is_known = |measure: &Measure| answer.found.iter().any(|own| own.mean(*measure).is_finite());
    let objectives = answer.sweep.plan.objectives.iter().copied();
    objectives.filter(is_known).collect()
}

/// All figures as files.
pub(super) fn draw(
    answer: &Answered<'_>,
    colors: Colors,
    typed: &[Heat],
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let theme = colors.theme();
    let mut files = Vec::new();
    if let [first, others @ ..] = measured(answer).as_slice()
        && !others.is_empty()
    {
        add(&mut files, "front", &front(answer, *first, others), theme)?;
    }
    let heats: Vec<Heat> = if typed.is_empty() {
        wanted(answer)
    } else {
        typed.to_vec()
    };
    for (n, heat) in heats.iter().enumerate() {
        let name = if n == 0 {
            "heatmap".to_owned()
        } else {
            format!("heatmap-{}", n + 1)
        };
        add(&mut files, &name, &heatmap(answer, *heat), theme)?;
    }
    if !answer.effects.is_empty() {
        add(&mut files, "effects", &effects(answer), theme)?;
    }
    if !answer.sensitivity.is_empty() {
        add(&mut files, "sensitivity", &sensitivities(answer), theme)?;
    }
    if let Some((current, chosen)) = dashboards(answer)? {
        let both = Beside {
            left: &current,
            right: &chosen,
        };
        add(&mut files, "dashboards", &both, theme)?;
    }
    Ok(files)
}

fn add(
    files: &mut Vec<(String, Vec<u8>)>,
    name: &str,
    picture: &(impl Picture + Sync),
    theme: &Theme,
) -> Result<(), Failure> {
    let fail = |error: plots::Error| Failure::new(error.to_string());
    let (svg, png) = rayon::join(|| plots::svg(picture, theme), || plots::png(picture, theme));
    files.push((format!("{name}.svg"), svg.map_err(fail)?.into_bytes()));
    files.push((format!("{name}.png"), png.map_err(fail)?));
    Ok(())
}

/// A measure's title with its unit, unless the title says it.
fn titled(measure: Measure) -> String {
    let (title, unit) = (measure.title(), measure.display().1);
    if unit.is_empty() || title.to_lowercase().starts_with(unit) {
        title.to_owned()
    } else {
        format!("{title} ({unit})")
    }
}

fn numbers(measure: Measure, from_zero: bool) -> Ruler {
    Ruler::Numbers {
        label: titled(measure),
        logarithmic: false,
        from_zero,
    }
}

fn shown(measure: Measure, value: f64) -> f64 {
    value * measure.display().0
}

/// What every chart says of itself.
fn about(answer: &Answered<'_>) -> String {
    let plan = &answer.sweep.plan;
    format!(
        "{}, {} each, simulated in {}",
        answer.how_many(),
        answer.seeds(),
        Fidelity::from(plan.fidelity).as_str()
    )
}

/// From which seeds means over configurations are, if not from all.
fn shared_seeds(answer: &Answered<'_>) -> String {
    if answer.shared < answer.sweep.plan.replications as usize {
        format!("; from the {} that all have", counted(answer.shared, "seed"))
    } else {
        String::new()
    }
}

/// The first objective against each other: all configurations, the front, the current one, the one to take.
fn front(answer: &Answered<'_>, first: Measure, others: &[Measure]) -> Chart {
    let plan = &answer.sweep.plan;
    let point =
        |own: &Configuration, other: Measure| (shown(first, own.mean(first)), shown(other, own.mean(other)));
    let panel = |other: Measure| {
        let of = |keeps: bool| -> Vec<(f64, f64)> {
            let with_runs = answer
                .found
                .iter()
                .filter(|own| !own.runs.is_empty() && own.point.is_some());
            with_runs
                .filter(|own| (own.violation(plan) <= 0.0) == keeps)
                .map(|own| point(own, other))
                .collect()
        };
        let members: Vec<(f64, f64)> = answer
            .front
            .iter()
            .map(|index| point(&answer.found[*index], other))
            .collect();
        let dots = |label: &str, at: Vec<(f64, f64)>, dot: Dot| Ink::Dots {
            label: label.to_owned(),
            at,
            dot,
        };
        let mut inks = Vec::new();
        if !plan.constraints.is_empty() {
            inks.push(dots("breaks a constraint", of(false), Dot::Plain(7)));
        }
        inks.push(dots("configurations", of(true), Dot::Plain(0)));
        if others.len() == 1 {
            inks.push(Ink::Path {
                label: String::new(),
                at: stairs(&members),
                color: 1,
            });
        }
        inks.push(dots("Pareto front", members, Dot::Plain(1)));
        if let Some(current) = sweep::answer::current(answer.found) {
            inks.push(dots("now", vec![point(current, other)], Dot::Ringed(3)));
        }
        if let Some(chosen) = answer.chosen.filter(|index| answer.found[*index].point.is_some()) {
            inks.push(dots(
                "recommended",
                vec![point(&answer.found[chosen], other)],
                Dot::Ringed(2),
            ));
        }
        ChartPanel {
            title: String::new(),
            x: numbers(first, false),
            y: numbers(other, false),
            inks,
        }
    };
    let panels: Vec<ChartPanel> = others.iter().map(|other| panel(*other)).collect();
    let columns = panels.len().min(2);
    let rows = panels.len().div_ceil(columns);
    let mut notes = vec![about(answer)];
    if let Some(chosen) = answer.chosen.map(|index| &answer.found[index]) {
        notes.push(format!("recommended: {}", answer.named(chosen)));
    }
    Chart {
        title: format!("{}: what can be had", plan.name),
        notes,
        columns,
        panels,
        size: (960, 100 + 460 * rows as u32),
    }
}

/// A front of two objectives as the corners of the region that it dominates.
fn stairs(members: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for &(x, y) in members {
        if let Some(&(_, before)) = corners.last() {
            corners.push((x, before));
        }
        corners.push((x, y));
    }
    corners
}

/// The heatmaps of the sweep's file, or one of the two axes that matter most to the first objective.
fn wanted(answer: &Answered<'_>) -> Vec<Heat> {
    let plan = &answer.sweep.plan;
    if !plan.heatmaps.is_empty() {
        return plan.heatmaps.clone();
    }
    let first = plan.objectives[0];
    let spread = |axis: usize| {
        let effect = answer
            .effects
            .iter()
            .find(|own| own.axis == axis && own.measure == first);
        let values = effect
            .iter()
            .flat_map(|own| &own.levels)
            .map(|level| level.value.mean);
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if low <= high { high - low } else { 0.0 }
    };
    let mut axes: Vec<usize> = (0..plan.axes.len()).collect();
    axes.sort_by(|a, b| spread(*b).total_cmp(&spread(*a)).then(a.cmp(b)));
    match axes.as_slice() {
        [x, y, ..] => vec![(*x, *y, first)],
        _ => Vec::new(),
    }
}

/// Means over all configurations with two levels.
fn heatmap(answer: &Answered<'_>, (x, y, measure): Heat) -> Chart {
    let plan = &answer.sweep.plan;
    let names = |axis: usize| sweep::effects::bins(&plan.axes[axis]);
    let bin = |axis: usize, level: u32| sweep::effects::bin(&plan.axes[axis], level);
    let mut sums = vec![vec![Vec::new(); names(y).len()]; names(x).len()];
    let mut refused = SortedSet::new();
    for own in answer.found {
        let Some(point) = &own.point else {
            continue;
        };
        let at = (bin(x, point[x]), bin(y, point[y]));
        match own.fate {
            Fate::Refused(_) => drop(refused.insert(at)),
            _ => sums[at.0][at.1].push(shown(measure, own.mean(measure))),
        }
    }
    // Where others of the cell ran, it has their mean.
    refused.retain(|at| sums[at.0][at.1].is_empty());
    let values: Vec<Vec<f64>> = sums
        .iter()
        .map(|column| column.iter().map(|cell| mean(cell)).collect())
        .collect();
    let chosen = answer.chosen.and_then(|index| answer.found[index].point.as_ref());
    let framed = chosen
        .map(|point| (bin(x, point[x]), bin(y, point[y])))
        .into_iter()
        .collect();
    let ruler = |axis: usize| Ruler::Names {
        label: plan.axes[axis].name.clone(),
        names: names(axis),
    };
    let mut notes = vec![
        about(answer),
        "each cell is the mean over all other axes; the frame is the recommended configuration's".to_owned(),
    ];
    if !refused.is_empty() {
        notes.push("refused: these settings together make no scenario, results.csv says why".to_owned());
    }
    Chart {
        title: format!(
            "{}: {} by {} and {}",
            plan.name,
            titled(measure),
            plan.axes[x].name,
            plan.axes[y].name
        ),
        notes,
        columns: 1,
        panels: vec![ChartPanel {
            title: String::new(),
            x: ruler(x),
            y: ruler(y),
            inks: vec![Ink::Cells {
                digits: digits(&values),
                values,
                unit: measure.display().1.to_owned(),
                framed,
                said: refused.into_iter().map(|at| (at, "refused".to_owned())).collect(),
            }],
        }],
        size: (960, 190 + 52 * names(y).len() as u32),
    }
}

/// Decimals at which cells can be told apart.
fn digits(values: &[Vec<f64>]) -> usize {
    let all = values.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let range = if high > low {
        high - low
    } else {
        high.abs().max(1.0)
    };
    (2.0 - range.log10().floor()).clamp(0.0, 5.0) as usize
}

/// A panel for each axis and objective: axes below each other, unless they are fewer than objectives.
fn effects(answer: &Answered<'_>) -> Chart {
    let plan = &answer.sweep.plan;
    let panel = |effect: &Effect| {
        let axis = &plan.axes[effect.axis];
        let at = effect
            .levels
            .iter()
            .enumerate()
            .map(|(n, level)| (n as f64, ends(effect.measure, level.value)));
        let at: Vec<(f64, [f64; 3])> = at.collect();
        let path = at.iter().map(|(x, values)| (*x, values[1])).collect();
        let color = plan
            .objectives
            .iter()
            .position(|own| *own == effect.measure)
            .unwrap_or(0);
        let color = [0, 1, 2, 4, 6, 3][color % 6];
        let joined = Ink::Path {
            label: String::new(),
            at: if axis.numeric { path } else { Vec::new() },
            color,
        };
        let idle = if answer.is_idle(effect.axis) {
            ": no effect"
        } else {
            ""
        };
        ChartPanel {
            title: format!("{}{idle}", axis.name),
            x: Ruler::Names {
                label: String::new(),
                names: effect.levels.iter().map(|level| level.label.clone()).collect(),
            },
            y: numbers(effect.measure, false),
            inks: vec![
                joined,
                Ink::Intervals {
                    label: String::new(),
                    at,
                    color,
                },
            ],
        }
    };
    // The same measure has the same scale in all its panels, or small effects would look large.
    let mut by_measure: Vec<Vec<ChartPanel>> = Vec::new();
    let measured = measured(answer);
    for measure in &measured {
        let mut panels = Vec::new();
        let own: Vec<&Effect> = answer
            .effects
            .iter()
            .filter(|effect| effect.measure == *measure)
            .collect();
        let all: Vec<f64> = own
            .iter()
            .flat_map(|effect| &effect.levels)
            .flat_map(|level| ends(*measure, level.value))
            .filter(|value| value.is_finite())
            .collect();
        let ends = [f64::INFINITY, f64::NEG_INFINITY];
        let [low, high] = all
            .iter()
            .fold(ends, |[low, high], value| [low.min(*value), high.max(*value)]);
        for effect in own {
            let mut panel = panel(effect);
            panel.inks.insert(
                0,
                Ink::Dots {
                    label: String::new(),
                    at: vec![(-9.0, low), (-9.0, high)],
                    dot: Dot::Hidden,
                },
            );
            panels.push(panel);
        }
        by_measure.push(panels);
    }
    let across = plan.axes.len() < measured.len();
    let grid = if across { by_measure } else { turned(by_measure) };
    let (rows, columns) = (grid.len() as u32, grid.first().map_or(1, Vec::len));
    let what = match answer.basis {
        Basis::All => "means over all configurations with the value; whiskers: 95 %, over seeds",
        Basis::Model => {
            "means with the other axes held (least squares); whiskers: 95 %, over seeds and the choice of configurations"
        }
        Basis::Plain => {
            "means of the configurations with the value; whiskers: 95 %, over seeds and the choice of configurations"
        }
    };
    Chart {
        title: format!("{}: what each setting does by itself", plan.name),
        notes: vec![about(answer), format!("dots: {what}{}", shared_seeds(answer))],
        columns,
        panels: grid.into_iter().flatten().collect(),
        size: (960.max(300 * columns as u32), 90 + 200 * rows),
    }
}

/// Rows as columns.
fn turned(rows: Vec<Vec<ChartPanel>>) -> Vec<Vec<ChartPanel>> {
    let mut columns: Vec<Vec<ChartPanel>> = Vec::new();
    for row in rows {
        for (n, panel) in row.into_iter().enumerate() {
            match columns.get_mut(n) {
                Some(column) => column.push(panel),
                None => columns.push(vec![panel]),
            }
        }
    }
    columns
}

/// The ends of an interval and its middle, within what a measure can be. Without an interval there is the middle alone.
fn ends(measure: Measure, estimate: Estimate) -> [f64; 3] {
    let most = if measure == Measure::FailedShare {
        1.0
    } else {
        f64::INFINITY
    };
    within(estimate, most).map(|value| shown(measure, value))
}

/// The ends of an interval and its middle, from zero to a limit.
fn within(estimate: Estimate, most: f64) -> [f64; 3] {
    let all = if estimate.half.is_finite() {
        [estimate.low(), estimate.mean, estimate.high()]
    } else {
        [f64::NAN, estimate.mean, f64::NAN]
    };
    all.map(|value| value.clamp(0.0, most))
}

/// A panel for each objective, bars by axis.
fn sensitivities(answer: &Answered<'_>) -> Chart {
    let plan = &answer.sweep.plan;
    let bars =
        |label: &str, estimates: &[Estimate], (factor, most): (f64, f64), beside: (usize, usize)| Ink::Bars {
            label: label.to_owned(),
            values: estimates
                .iter()
                .map(|own| within(*own, most).map(|value| value * factor))
                .collect(),
            beside,
            color: beside.0,
        };
    let panel = |own: &Sensitivity| {
        let (inks, label) = match &own.indices {
            Indices::Sobol { first, total } => {
                let of = 1 + usize::from(total.is_some());
                let mut inks = vec![bars("by itself", first, (100.0, 1.0), (0, of))];
                inks.extend(
                    total
                        .iter()
                        .map(|total| bars("with others", total, (100.0, 1.0), (1, of))),
                );
                (inks, "% of the variance".to_owned())
            }
            Indices::Morris(sizes) => {
                let (factor, unit) = own.measure.display();
                let label = if unit.is_empty() {
                    "mean size of a move's effect".to_owned()
                } else {
                    format!("mean size of a move's effect ({unit})")
                };
                (vec![bars("μ*", sizes, (factor, f64::INFINITY), (0, 1))], label)
            }
        };
        ChartPanel {
            title: own.measure.title().to_owned(),
            x: Ruler::Numbers {
                label,
                logarithmic: false,
                from_zero: true,
            },
            y: Ruler::Names {
                label: String::new(),
                names: plan.axes.iter().map(|axis| axis.name.clone()).collect(),
            },
            inks,
        }
    };
    let measured = measured(answer);
    let own = answer
        .sensitivity
        .iter()
        .filter(|own| measured.contains(&own.measure));
    let panels: Vec<ChartPanel> = own.map(panel).collect();
    let is_morris = matches!(
        answer.sensitivity.first().map(|own| &own.indices),
        Some(Indices::Morris(_))
    );
    let what = if is_morris {
        "Morris's elementary effects"
    } else {
        "Sobol' indices"
    };
    let columns = panels.len().clamp(1, 3);
    let rows = panels.len().div_ceil(columns) as u32;
    // Elementary effects are of each configuration's own seeds.
    let seeds = if is_morris {
        String::new()
    } else {
        shared_seeds(answer)
    };
    Chart {
        title: format!("{}: which setting matters", plan.name),
        notes: vec![format!("{what}, with 95 % intervals; {}{seeds}", about(answer))],
        columns,
        panels,
        size: (960, 70 + (120 + 44 * plan.axes.len() as u32) * rows),
    }
}

/// The dashboards of the current and of the recommended configuration, of the same seeds: narrow ones, so that both
/// together are as wide as a README.
fn dashboards(answer: &Answered<'_>) -> Result<Option<(Figure, Figure)>, Failure> {
    let Some(chosen) = answer.chosen.map(|index| &answer.found[index]) else {
        return Ok(None);
    };
    let Some(point) = &chosen.point else {
        return Ok(None);
    };
    let plan = &answer.sweep.plan;
    let settings = [None, Some(point.as_slice())].map(|point| lines(&answer.settings(point)));
    let most = settings.iter().map(Vec::len).max().unwrap_or(0);
    let one = |title: &str, mut notes: Vec<String>, sets: &[String]| -> Result<Figure, Failure> {
        let all: Vec<String> = plan.sets.iter().chain(sets).cloned().collect();
        let (scenario, _) = answer
            .sweep
            .base
            .with(&all)
            .map_err(|report| Failure::reported(report, "the configuration"))?;
        let seeds = SEEDS.min(plan.replications as usize);
        let outcomes = experiment::run(
            &scenario,
            answer.sweep.seed,
            seeds,
            plan.fidelity.into(),
            experiment::Keep::Rows,
        );
        let summaries: Vec<Summary> = outcomes.iter().map(|outcome| outcome.summary.clone()).collect();
        let tables: Vec<Table> = outcomes.iter().map(|outcome| outcome.table.clone()).collect();
        let figure = Dashboard {
            table: &Table::merged(&tables),
            summary: &Summary::merged(&summaries),
            overlay: None,
        }
        .figure();
        notes.resize(most, String::new());
        let (_, results) = figure.subtitle.split_once(" · ").unwrap_or_default();
        let band = if seeds > 1 { ", median and 5–95 %" } else { "" };
        notes.push(format!("{}{band} · {results}", counted(seeds, "seed")));
        let panel = |(row, panel): (usize, plots::Panel)| plots::Panel {
            place: Place { row, half: None },
            ..panel
        };
        Ok(Figure {
            title: title.to_owned(),
            subtitle: notes.join("\n"),
            panels: figure.panels.into_iter().enumerate().map(panel).collect(),
            size: (480, 1180),
            ..figure
        })
    };
    let [before, after] = settings;
    let mut now = one("now", before, &[])?;
    let title = format!("recommended: configuration {}", chosen.number);
    let mut then = one(&title, after, &plan.overrides(point))?;
    compare_fairly(&mut now, &mut then);
    Ok(Some((now, then)))
}

/// Pairs of names and values, as many in a line as a narrow dashboard has room for.
fn lines(pairs: &[String]) -> Vec<String> {
    const WIDEST: usize = 68;
    // Of a long one the end is kept, where its value is.
    let fitting = |pair: &String| match pair.chars().count() {
        0..=WIDEST => pair.clone(),
        length => format!("…{}", pair.chars().skip(length - WIDEST + 1).collect::<String>()),
    };
    let mut lines: Vec<String> = Vec::new();
    for pair in pairs.iter().map(fitting) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + pair.chars().count() <= WIDEST => {
                line.push_str(", ");
                line.push_str(&pair);
            }
            _ => lines.push(pair),
        }
    }
    lines
}

/// Panels of the same name reach equally high, and a machine type has the same colour in both, or the eye would
/// compare wrongly.
fn compare_fairly(one: &mut Figure, two: &mut Figure) {
    for (a, b) in one.panels.iter_mut().zip(&mut two.panels) {
        let most = plots::greatest(a).max(plots::greatest(b));
        a.at_least = most;
        b.at_least = most;
        for (a, b) in a.layers.iter_mut().zip(&mut b.layers) {
            if let (Layer::Stack { parts: a }, Layer::Stack { parts: b }) = (a, b) {
                let mut labels: Vec<String> = Vec::new();
                for (label, _) in a.iter().chain(b.iter()) {
                    if !labels.contains(label) {
                        labels.push(label.clone());
                    }
                }
                for parts in [a, b] {
                    let own = |label: &String| parts.iter().find(|(own, _)| own == label).cloned();
                    let part = |label: &String| own(label).unwrap_or((label.clone(), Curve::default()));
                    *parts = labels.iter().map(part).collect();
                }
            }
        }
    }
}
