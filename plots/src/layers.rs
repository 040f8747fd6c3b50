//! What is inside a panel's axes: lines, bands, stacks, measured dots.

use plotters::element::{Circle, Polygon, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::series::LineSeries;
use plotters::style::Color as _;

use crate::draw::{Outcome, Pen, rgb};
use crate::figure::{Curve, Layer, Stroke};
use crate::panel::Chart;
use crate::theme::{Color, Theme};

pub(crate) fn stroke_color(stroke: Stroke, theme: &Theme) -> Color {
    match stroke {
        Stroke::Series(n) | Stroke::Thin(n) => theme.nth(n),
        Stroke::Measured => theme.measured,
    }
}

/// The greatest value of a layer.
pub(crate) fn greatest(layer: &Layer) -> f64 {
    match layer {
        Layer::Line { curve, .. } => curve.max(),
        Layer::Band { high, .. } => high.max(),
        Layer::Stack { parts } => {
            let times = parts
                .iter()
                .flat_map(|(_, curve)| curve.points.iter().map(|point| point.0));
            let total = |time| parts.iter().filter_map(|(_, curve)| curve.at(time)).sum::<f64>();
            times.map(total).fold(0.0, f64::max)
        }
    }
}

pub(crate) fn draw_layer<DB: DrawingBackend>(
    chart: &mut Chart<'_, DB>,
    layer: &Layer,
    span: (f64, f64),
    pen: &Pen<'_>,
) -> Outcome<DB> {
    match layer {
        Layer::Line {
            curve,
            stroke: Stroke::Measured,
            ..
        } => draw_measured(chart, curve, span, pen),
        Layer::Line { curve, stroke, .. } => {
            let width = if matches!(stroke, Stroke::Thin(_)) {
                1.0
            } else {
                2.0
            };
            let style = pen.line(stroke_color(*stroke, pen.theme), width);
            for stretch in steps(curve, span) {
                chart.draw_series(LineSeries::new(stretch, style))?;
            }
            Ok(())
        }
        Layer::Band { low, high, color, .. } => {
            let style = rgb(pen.theme.nth(*color).over(pen.theme.panel, 0.4)).filled();
            for (upper, lower) in steps(high, span).into_iter().zip(steps(low, span)) {
                let outline: Vec<(f64, f64)> = upper.into_iter().chain(lower.into_iter().rev()).collect();
                chart.draw_series([Polygon::new(outline, style)])?;
            }
            Ok(())
        }
        Layer::Stack { parts } => draw_stack(chart, parts, span, pen),
    }
}

/// Measured curves are dots, readings thinned until one can see between them, so that the simulated line
/// stays visible underneath. A ring of the panel's colour keeps each apart from what it lies on.
fn draw_measured<DB: DrawingBackend>(
    chart: &mut Chart<'_, DB>,
    curve: &Curve,
    span: (f64, f64),
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let (pixels, _) = chart.plotting_area().dim_in_pixel();
    let apart = f64::from(pen.px(7.0)) / f64::from(pixels.max(1)) * (span.1 - span.0);
    let mut dots: Vec<(f64, f64)> = Vec::new();
    for &(time, value) in &curve.points {
        let inside = time >= span.0 && time <= span.1 && value.is_finite();
        if inside && dots.last().is_none_or(|last| time - last.0 >= apart * 0.999) {
            dots.push((time, value));
        }
    }
    let ring = rgb(pen.theme.panel).filled();
    let core = rgb(pen.theme.measured).filled();
    let (outer, inner) = (pen.px(2.9), pen.px(1.9));
    chart.draw_series(dots.iter().map(|&dot| Circle::new(dot, outer, ring)))?;
    chart.draw_series(dots.iter().map(|&dot| Circle::new(dot, inner, core)))?;
    Ok(())
}

fn draw_stack<DB: DrawingBackend>(
    chart: &mut Chart<'_, DB>,
    parts: &[(String, Curve)],
    span: (f64, f64),
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let mut times: Vec<f64> = parts
        .iter()
        .flat_map(|(_, c)| c.points.iter().map(|p| p.0))
        .collect();
    times.extend([span.0, span.1]);
    times.retain(|time| *time >= span.0 && *time <= span.1);
    times.sort_by(f64::total_cmp);
    times.dedup();
    let mut base = vec![0.0; times.len()];
    for (n, (_, curve)) in parts.iter().enumerate() {
        let color = rgb(pen.theme.nth(n).over(pen.theme.panel, 0.8)).filled();
        let tops: Vec<f64> = times
            .iter()
            .zip(&base)
            .map(|(&time, base)| base + curve.at(time).unwrap_or(0.0))
            .collect();
        let mut start = 0;
        for end in 1..times.len() {
            // One rectangle for each stretch of the same height, not for each reading.
            let same = end + 1 < times.len() && tops[end] == tops[start] && base[end] == base[start];
            if same {
                continue;
            }
            if tops[start] > base[start] {
                let corners = [(times[start], base[start]), (times[end], tops[start])];
                chart.draw_series([Rectangle::new(corners, color)])?;
            }
            start = end;
        }
        base = tops;
    }
    Ok(())
}

/// A step curve as the corners of its polylines within the span, one for each stretch without gap.
fn steps(curve: &Curve, span: (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let mut stretches = Vec::new();
    let mut corners: Vec<(f64, f64)> = Vec::new();
    let mut push = |corners: &mut Vec<(f64, f64)>| {
        if corners.len() > 1 {
            stretches.push(std::mem::take(corners));
        }
        corners.clear();
    };
    let ends = curve
        .points
        .iter()
        .skip(1)
        .map(|point| point.0)
        .chain([f64::INFINITY]);
    for (&(start, value), end) in curve.points.iter().zip(ends) {
        let (start, end) = (start.max(span.0), end.min(span.1));
        if !value.is_finite() {
            push(&mut corners);
        } else if start < end {
            // A value that goes on needs no corner of its own.
            if corners.last().is_some_and(|last| last.1 == value) {
                corners.pop();
            } else {
                corners.push((start, value));
            }
            corners.push((end, value));
        }
    }
    push(&mut corners);
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_cut_to_the_span_and_broken_at_gaps() {
        let curve = Curve::new(vec![
            (0.0, 1.0),
            (5.0, 1.0),
            (10.0, 2.0),
            (20.0, f64::NAN),
            (30.0, 3.0),
        ]);
        let drawn = steps(&curve, (2.0, 40.0));
        assert_eq!(drawn.len(), 2);
        assert_eq!(drawn[0], [(2.0, 1.0), (10.0, 1.0), (10.0, 2.0), (20.0, 2.0)]);
        assert_eq!(drawn[1], [(30.0, 3.0), (40.0, 3.0)]);
    }

    #[test]
    fn a_stack_is_as_high_as_its_sum() {
        let part = |value| {
            (
                "type".to_owned(),
                Curve::new(vec![(0.0, value), (10.0, 2.0 * value)]),
            )
        };
        assert_eq!(
            greatest(&Layer::Stack {
                parts: vec![part(2.0), part(3.0)]
            }),
            10.0
        );
    }
}
