//! Tables of measures, for a terminal, for a document, for a program.

use live::accuracy::{Line, Unit};
use serde_json::{Value, json};

use crate::columns::aligned;

const HEADER: [&str; 5] = ["curve", "measure", "median", "5–95 %", "objective"];

/// Aligned lines for a terminal.
pub(crate) fn table(lines: &[Line]) -> String {
    let rows = std::iter::once(HEADER.map(str::to_owned)).chain(lines.iter().map(row));
    aligned(&rows.collect::<Vec<_>>(), &[2, 3])
}

/// The same as a table of Markdown.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let mut text = format!("| {} |\n| --- | --- | ---: | ---: | --- |\n", HEADER.join(" | "));
    for cells in lines.iter().map(row) {
        let cells = cells.map(|cell| cell.trim_end().replace('|', "\\|"));
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

/// Whether all objectives are met, if there are any.
pub(crate) fn met(lines: &[Line]) -> Option<bool> {
    let mut objectives = lines.iter().filter(|line| line.objective.is_some()).peekable();
    objectives
        .peek()
        .is_some()
        .then(|| objectives.all(|line| line.met))
}

/// How many objectives are met, if there are any.
pub(crate) fn objectives(lines: &[Line]) -> Option<String> {
    let objectives = || lines.iter().filter(|line| line.objective.is_some());
    let (met, all) = (objectives().filter(|line| line.met).count(), objectives().count());
    (all > 0).then(|| format!("{met} of {all} objectives met"))
}

fn row(line: &Line) -> [String; 5] {
    let (low, high) = line.band;
    let band = if low == high || low.is_nan() || line.together {
        String::new()
    } else {
        format!("{} … {}", number(low, line.unit), number(high, line.unit))
    };
    let objective = line.objective.as_ref().map_or_else(String::new, |objective| {
        let bound = match (objective.at_most, objective.at_least) {
            (Some(most), _) => format!("≤ {}", number(most, line.unit)),
            (_, Some(least)) => format!("≥ {}", number(least, line.unit)),
            (None, None) => String::new(),
        };
        format!("{bound:<9} {}", if line.met { "met" } else { "MISSED" })
    });
    [
        line.subject.clone(),
        line.measure.clone(),
        number(line.median, line.unit),
        band,
        objective,
    ]
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        _ if value.is_nan() => "–".to_owned(),
        _ if value.is_infinite() => "never".to_owned(),
        Unit::Share => format!("{} %", rounded(value * 100.0, 1)),
        Unit::Seconds => format!("{} s", rounded(value, 0)),
        Unit::Count => rounded(value, 1),
        Unit::Hours => format!("{} h", rounded(value, 2)),
    }
}

/// What rounds to nothing has no sign.
fn rounded(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|digit| matches!(digit, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// One measure, for a program.
pub(crate) fn as_json(line: &Line) -> Value {
    let finite = |value: f64| value.is_finite().then_some(value);
    json!({
        "curve": line.subject,
        "measure": line.measure,
        "unit": match line.unit {
            Unit::Share => "share",
            Unit::Seconds => "s",
            Unit::Count => "count",
            Unit::Hours => "h",
        },
        "median": finite(line.median),
        "p05": finite(line.band.0),
        "p95": finite(line.band.1),
        "at_most": line.objective.as_ref().and_then(|objective| objective.at_most),
        "at_least": line.objective.as_ref().and_then(|objective| objective.at_least),
        "met": line.objective.is_some().then_some(line.met),
    })
}

#[cfg(test)]
mod tests {
    use live::accuracy::Bound;

    use super::*;

    #[test]
    fn only_an_objective_can_be_met() {
        let line = |objective| Line {
            subject: "seen.rps".to_owned(),
            measure: "nMAE".to_owned(),
            unit: Unit::Share,
            median: 0.02,
            band: (0.01, 0.03),
            together: false,
            objective,
            met: true,
        };
        let bound = Bound {
            at_most: Some(0.05),
            at_least: None,
        };
        assert_eq!(as_json(&line(Some(bound)))["met"], true);
        let free = line(None);
        assert_eq!(as_json(&free)["met"], Value::Null);
        assert_eq!(met(std::slice::from_ref(&free)), None);
        assert_eq!(met(&[free, line(Some(bound))]), Some(true));
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(number(-0.0004, Unit::Share), "0.0 %");
        assert_eq!(number(0.004, Unit::Share), "0.4 %");
        assert_eq!(number(-0.3, Unit::Seconds), "0 s");
        assert_eq!(number(-12.0, Unit::Seconds), "-12 s");
        assert_eq!(number(f64::INFINITY, Unit::Seconds), "never");
        assert_eq!(number(f64::NAN, Unit::Hours), "–");
    }

    #[test]
    fn a_missed_objective_is_seen_in_both_tables() {
        let bound = live::accuracy::Bound {
            at_most: Some(0.05),
            at_least: None,
        };
        let line = Line::of("pods", "nMAE".into(), Unit::Share, &[0.1]).bounded(bound);
        assert!(
            table(std::slice::from_ref(&line))
                .lines()
                .nth(1)
                .unwrap()
                .ends_with("≤ 5.0 %   MISSED")
        );
        let row = "| pods | nMAE | 10.0 % |  | ≤ 5.0 %   MISSED |";
        assert_eq!(markdown(&[line]).lines().nth(2), Some(row));
    }
}
