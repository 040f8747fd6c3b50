//! Words and tables of the answer.

use sweep::measure::significant;
use sweep::statistics::Estimate;
use sweep::{Measure, Plan};

use super::run::Pace;
use crate::columns::aligned;

/// How one configuration of the front is chosen, in words.
pub(crate) fn chosen_by(plan: &Plan) -> String {
    match plan.recommend.by {
        None => "nearest to the best of all objectives at once".to_owned(),
        Some(by) => {
            let best = if by.more_is_better() { "most" } else { "least" };
            let kept = match plan.constraints.is_empty() {
                true => "",
                false => " of those that keep to the constraints",
            };
            let near = match (plan.replications, plan.objectives.len()) {
                (1, _) | (_, 1) => "",
                _ => {
                    "; of those that cannot be told apart from it, the nearest to the best of all objectives at once"
                }
            };
            format!("the {best} {}{kept}{near}", by.name())
        }
    }
}

pub(super) fn paced(pace: Pace) -> String {
    let known = match pace.known {
        0 => String::new(),
        known => format!("; {known} more were known"),
    };
    if pace.ran == 0 {
        return format!("nothing: {} runs were known", pace.known);
    }
    format!(
        "{} runs in {} s: {} a second, {} × real time{known}",
        pace.ran,
        significant(pace.seconds, 3),
        significant(pace.ran as f64 / pace.seconds, 3),
        sweep::plan::grouped(pace.real_time as u128)
    )
}

pub(super) fn headed(measure: Measure) -> String {
    match measure.display().1 {
        "" => measure.name().to_owned(),
        unit => format!("{} {unit}", measure.name()),
    }
}

/// A mean and half its interval, in the unit of tables.
pub(crate) fn spread(measure: Measure, estimate: Estimate) -> String {
    let (factor, _) = measure.display();
    if !estimate.mean.is_finite() {
        return "–".to_owned();
    }
    if !estimate.half.is_finite() {
        return significant(estimate.mean * factor, 4);
    }
    if estimate.half == 0.0 {
        return format!("{} ± 0", significant(estimate.mean * factor, 4));
    }
    // As many decimals as the interval has at two digits, and at most four significant ones of the mean.
    let half = estimate.half * factor;
    let mean = estimate.mean * factor;
    let decimals = (1.0 - half.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{mean:.decimals$} ± {half:.decimals$}")
}

/// A table below a line of the answer, numbered in its first column.
pub(super) fn indented(rows: &[Vec<String>]) -> String {
    let table = aligned(rows, &[0]);
    table.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_decide_how_many_digits_there_are() {
        let check = |measure, mean, half, expected: &str| {
            let estimate = Estimate { mean, half, count: 5 };
            assert_eq!(spread(measure, estimate), expected);
        };
        check(Measure::Cost, 0.921_234, 0.011_2, "0.921 ± 0.011");
        check(Measure::LatencyP95, 0.212_34, 0.012, "212 ± 12");
        check(Measure::Cost, 0.5, 0.0, "0.5 ± 0");
        check(Measure::Evictions, 12.0, f64::INFINITY, "12");
        check(Measure::LatencyP95, f64::NAN, 1.0, "–");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["".to_owned(), "cost".to_owned()],
            vec!["12".to_owned(), "0.1 ± 0.2".to_owned()],
        ];
        assert_eq!(indented(&rows), "      cost\n  12  0.1 ± 0.2\n");
    }
}
