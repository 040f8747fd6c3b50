//! Results as tables: one row for each configuration and seed.

use crate::engine::{Configuration, Fate};
use crate::measure::Measure;
use crate::plan::Plan;

/// A column of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Whole(&'static str),
    /// Texts.
    Text(String),
    /// Numbers, empty where a run has none.
    Number(String),
}

/// A cell of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A whole number; `None` for a seed of a configuration without runs.
    Whole(Option<u64>),
    /// A text.
    Text(String),
    /// A number, perhaps NaN.
    Number(f64),
}

/// The columns: configuration, fate, seed, axes, measures, constraints.
#[must_use]
pub fn columns(plan: &Plan) -> Vec<Column> {
    let mut columns = vec![
        Column::Whole("configuration"),
        Column::Text("fate".to_owned()),
        Column::Whole("seed"),
    ];
    columns.extend(plan.axes.iter().map(|axis| Column::Text(axis.name.clone())));
    columns.extend(shown(plan).map(|measure| Column::Number(measure.name().to_owned())));
    columns.extend(
        plan.constraints
            .iter()
            .map(|constraint| Column::Number(constraint.text.clone())),
    );
    columns
}

/// Measures that are worth a column: response times only where they were asked for, so that a sweep may do without.
fn shown(plan: &Plan) -> impl Iterator<Item = Measure> {
    let latency = plan.needs_latency();
    Measure::all().filter(move |measure| latency || !measure.needs_latency())
}

/// The rows of a configuration, one for each seed; one without numbers if it has none.
pub fn rows(plan: &Plan, configuration: &Configuration, first_seed: u64) -> Vec<Vec<Cell>> {
    let fate = match &configuration.fate {
        Fate::Ran => "ran".to_owned(),
        Fate::Beaten(0) => "beaten by the current configuration".to_owned(),
        Fate::Beaten(other) => format!("beaten by {other}"),
        Fate::Breaks => "breaks a constraint".to_owned(),
        Fate::Refused(why) => format!("refused: {why}"),
    };
    let axes: Vec<Cell> = match &configuration.point {
        Some(point) => plan
            .labels(point)
            .into_iter()
            .map(|label| Cell::Text(label.to_owned()))
            .collect(),
        None => vec![Cell::Text("current".to_owned()); plan.axes.len()],
    };
    let row = |seed: Option<u64>, numbers: Vec<f64>| {
        let mut row = vec![
            Cell::Whole(Some(u64::from(configuration.number))),
            Cell::Text(fate.clone()),
            Cell::Whole(seed),
        ];
        row.extend(axes.iter().cloned());
        row.extend(numbers.into_iter().map(Cell::Number));
        row
    };
    if configuration.runs.is_empty() {
        let width = shown(plan).count() + plan.constraints.len();
        return vec![row(None, vec![f64::NAN; width])];
    }
    let one = |(index, run): (usize, &Vec<f64>)| {
        let mut numbers: Vec<f64> = shown(plan).map(|measure| run[measure.index()]).collect();
        numbers.extend_from_slice(&run[Measure::COUNT..]);
        row(Some(first_seed.wrapping_add(index as u64)), numbers)
    };
    configuration.runs.iter().enumerate().map(one).collect()
}

/// `results.csv`
#[must_use]
pub fn csv(plan: &Plan, configurations: &[Configuration], first_seed: u64) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = columns(plan).into_iter().map(|column| match column {
        Column::Whole(name) => name.to_owned(),
        Column::Text(name) | Column::Number(name) => name,
    });
    writer.write_record(head).expect("memory can be written");
    for configuration in configurations {
        for row in rows(plan, configuration, first_seed) {
            let cells = row.into_iter().map(|cell| match cell {
                Cell::Whole(number) => number.map(|number| number.to_string()).unwrap_or_default(),
                Cell::Text(text) => text,
                Cell::Number(number) if number.is_nan() => String::new(),
                Cell::Number(number) => number.to_string(),
            });
            writer.write_record(cells).expect("rows are as long as the head");
        }
    }
    writer.into_inner().expect("memory can be written")
}
