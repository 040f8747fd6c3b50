//! One panel: title, legend, axes, layers, marks.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::DrawingArea;
use plotters::element::PathElement;
use plotters::prelude::DrawingBackend;

use crate::draw::{Outcome, Pen, rgb, width};
use crate::figure::{Curve, Figure, Layer, Mark, Panel, Stroke};
use crate::layers::{draw_layer, greatest, stroke_color};
use crate::legend::{ROW, Swatch, draw_legend};
use crate::scale::{Axis, time_label, time_ticks, value_label, value_ticks};
use crate::words::{Align, Type};

pub(crate) type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<Axis, Axis>>;

const TITLE_SIZE: f64 = 13.5;
const AXIS_SIZE: f64 = 11.5;
const MARK_SIZE: f64 = 11.5;
/// The width that a time on the axis has.
const TIME: f64 = 78.0;
/// From the panel's upper edge to the legend.
const LEGEND_TOP: f64 = 33.0;
const MARK_ROW: f64 = 16.0;
/// What is left around the axes for their labels.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 27.0;

/// The greatest value of a panel's curves, or zero.
#[must_use]
pub fn greatest_of(panel: &Panel) -> f64 {
    panel.layers.iter().map(greatest).fold(0.0, f64::max)
}

pub(crate) fn draw_panel<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    figure: &Figure,
    panel: &Panel,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    cell.fill(&rgb(pen.theme.panel))?;
    pen.bold(TITLE_SIZE, pen.theme.text).write_within(
        cell,
        &panel.title,
        (pen.px(12.0), pen.px(10.0)),
        width(cell) - pen.px(24.0),
    )?;
    let entries = panel.layers.iter().flat_map(|layer| entries(layer, pen));
    let entries = entries.filter(|(label, _)| !label.is_empty());
    let legend_rows = draw_legend(cell, entries, pen.px(LEGEND_TOP), pen)?.max(1);
    let words = if panel.place.half.is_none() {
        place_words(cell, figure, pen)
    } else {
        Vec::new()
    };
    let word_rows = words.iter().map(|words| words.row + 1).max().unwrap_or(0);

    let values = value_ticks(greatest_of(panel).max(panel.at_least), panel.whole);
    let room = f64::from(width(cell)) / f64::from(pen.px(TIME));
    let times = time_ticks(figure, room.round().max(2.0) as usize);
    let ticks = Ticks { values, times };
    let top = *ticks.values.last().expect("an axis has ticks");
    let above = LEGEND_TOP + legend_rows as f64 * ROW + 8.0 + word_rows as f64 * MARK_ROW;
    let mut chart = ChartBuilder::on(cell)
        .margin_top(pen.px(above))
        .margin_right(pen.px(RIGHT))
        .margin_left(pen.px(LEFT))
        .margin_bottom(pen.px(BOTTOM))
        .build_cartesian_2d(Axis(figure.span), Axis((0.0, top)))?;
    draw_axes(cell, &chart, figure, &ticks, pen)?;
    draw_marks(cell, &chart, figure, &words, top, pen)?;
    for layer in &panel.layers {
        draw_layer(&mut chart, layer, figure.span, pen)?;
    }
    Ok(())
}

struct Ticks {
    values: Vec<f64>,
    times: Vec<f64>,
}

/// Grid lines with their labels.
fn draw_axes<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    chart: &Chart<'_, DB>,
    figure: &Figure,
    ticks: &Ticks,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let area = chart.plotting_area();
    let (base_x, base_y) = cell.get_base_pixel();
    let style = pen.text(AXIS_SIZE, pen.theme.faint);
    let top = *ticks.values.last().expect("an axis has ticks");
    let line = |points: [(f64, f64); 2]| PathElement::new(points.to_vec(), pen.line(pen.theme.grid, 1.0));
    for &time in &ticks.times {
        area.draw(&line([(time, 0.0), (time, top)]))?;
        let (x, y) = area.map_coordinate(&(time, 0.0));
        let style = Type {
            align: Align::Center,
            ..style
        };
        style.write(
            cell,
            &time_label(time, figure),
            (x - base_x, y - base_y + pen.px(7.0)),
        )?;
    }
    for &value in &ticks.values {
        area.draw(&line([(figure.span.0, value), (figure.span.1, value)]))?;
        let (x, y) = area.map_coordinate(&(figure.span.0, value));
        let style = Type {
            align: Align::Right,
            ..style
        };
        let label = value_label(value, ticks.values[1]);
        style.write(cell, &label, (x - base_x - pen.px(7.0), y - base_y - pen.px(4.5)))?;
    }
    Ok(())
}

/// What a layer puts into the legend.
fn entries<'a>(layer: &'a Layer, pen: &Pen<'_>) -> Vec<(&'a str, Swatch)> {
    match layer {
        Layer::Line {
            label,
            stroke: Stroke::Measured,
            ..
        } => {
            vec![(label.as_str(), Swatch::Dots(pen.theme.measured))]
        }
        Layer::Line { label, stroke, .. } => {
            vec![(label.as_str(), Swatch::Line(stroke_color(*stroke, pen.theme)))]
        }
        Layer::Band { label, color, .. } => {
            vec![(
                label.as_str(),
                Swatch::Box(pen.theme.nth(*color).over(pen.theme.panel, 0.4)),
            )]
        }
        Layer::Stack { parts } => {
            let entry = |(n, (label, _)): (usize, &'a (String, Curve))| {
                (
                    label.as_str(),
                    Swatch::Box(pen.theme.nth(n).over(pen.theme.panel, 0.8)),
                )
            };
            let drawn = |(_, (_, curve)): &(usize, &(String, Curve))| !curve.points.is_empty();
            parts.iter().enumerate().filter(drawn).map(entry).collect()
        }
    }
}

/// The words of a mark above the chart: where they start, and on which row from the top.
struct PlacedWords {
    x: i32,
    row: usize,
}

/// Puts the words of marks on rows so that none runs into another. Words begin at their line, or end at the
/// panel's edge if there is no room.
fn place_words<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    figure: &Figure,
    pen: &Pen<'_>,
) -> Vec<PlacedWords> {
    let style = pen.text(MARK_SIZE, pen.theme.mark);
    let (left, right) = (pen.px(LEFT), width(cell) - pen.px(RIGHT));
    let mut ends: Vec<i32> = Vec::new();
    let mut placed = Vec::new();
    for mark in shown(figure) {
        let share = (mark.at - figure.span.0) / (figure.span.1 - figure.span.0);
        let at = left + (share * f64::from(right - left)).round() as i32;
        let words = style.width(&mark.label);
        let x = at.min(right - words).max(pen.px(12.0));
        let row = ends.iter().position(|end| *end < x).unwrap_or(ends.len());
        let end = x + words + pen.px(14.0);
        match ends.get_mut(row) {
            Some(taken) => *taken = end,
            None => ends.push(end),
        }
        placed.push(PlacedWords { x, row });
    }
    placed
}

fn shown(figure: &Figure) -> impl Iterator<Item = &Mark> {
    figure
        .marks
        .iter()
        .filter(|mark| mark.at >= figure.span.0 && mark.at < figure.span.1)
}

fn draw_marks<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    chart: &Chart<'_, DB>,
    figure: &Figure,
    words: &[PlacedWords],
    top: f64,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let area = chart.plotting_area();
    let (base_x, base_y) = cell.get_base_pixel();
    let rows = words.iter().map(|words| words.row + 1).max().unwrap_or(0);
    let line = pen.line(pen.theme.mark.over(pen.theme.panel, 0.7), 1.0);
    for (n, mark) in shown(figure).enumerate() {
        area.draw(&PathElement::new(vec![(mark.at, 0.0), (mark.at, top)], line))?;
        let Some(words) = words.get(n) else { continue };
        let (x, y) = area.map_coordinate(&(mark.at, top));
        let (x, y) = (x - base_x, y - base_y);
        let words_y = y - pen.px((rows - words.row) as f64 * MARK_ROW + 2.0);
        cell.draw(&PathElement::new(vec![(x, y), (x, words_y + pen.px(14.0))], line))?;
        pen.text(MARK_SIZE, pen.theme.mark)
            .write(cell, &mark.label, (words.x, words_y))?;
    }
    Ok(())
}
