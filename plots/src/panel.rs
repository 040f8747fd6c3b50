//! One panel: title, legend, axes, layers, marks.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;

use crate::draw::{Outcome, Pen, rgb};
use crate::figure::{Figure, Layer, Panel, Stroke};
use crate::layers::{draw_layer, greatest, stroke_color};
use crate::scale::{Axis, time_label, time_ticks, value_label, value_ticks};
use crate::theme::Color;

pub(crate) type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<Axis, Axis>>;

const LEGEND: f64 = 15.5;
const LEGEND_ROW: f64 = 18.0;
/// From the panel's upper edge to the legend.
const TITLE: f64 = 31.0;

pub(crate) fn draw_panel<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    figure: &Figure,
    panel: &Panel,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    cell.fill(&rgb(pen.theme.panel))?;
    cell.draw(&Text::new(
        panel.title.clone(),
        (pen.px(12.0), pen.px(8.0)),
        pen.bold(17.0, pen.theme.text),
    ))?;
    let legend_rows = draw_legend(cell, panel, pen)?;
    let mark_rows = if panel.place.half.is_none() {
        mark_rows(cell, figure, pen)?
    } else {
        Vec::new()
    };
    let mark_height = mark_rows.iter().map(|row| row + 1).max().unwrap_or(0) as f64 * 17.0;

    let values = value_ticks(panel.layers.iter().map(greatest).fold(0.0, f64::max), panel.whole);
    let step = values[1] - values[0];
    let top = values[values.len() - 1];
    let times = time_ticks(figure, if panel.place.half.is_some() { 6 } else { 12 });
    let mut chart = ChartBuilder::on(cell)
        .margin_top(pen.px(TITLE + legend_rows as f64 * LEGEND_ROW + 9.0 + mark_height))
        .margin_right(pen.px(18.0))
        .margin_left(pen.px(4.0))
        .margin_bottom(pen.px(5.0))
        .x_label_area_size(pen.px(26.0))
        .y_label_area_size(pen.px(44.0))
        .build_cartesian_2d(Axis::new(figure.span, times), Axis::new((0.0, top), values))?;
    chart
        .configure_mesh()
        .light_line_style(rgb(pen.theme.panel))
        .bold_line_style(pen.line(pen.theme.grid, 1.0))
        .axis_style(pen.line(pen.theme.grid, 1.0))
        .label_style(pen.text(15.0, pen.theme.faint))
        .x_label_formatter(&|time| time_label(*time, figure))
        .y_label_formatter(&|value| value_label(*value, step))
        .draw()?;
    draw_marks(cell, &chart, figure, &mark_rows, (top, mark_height), pen)?;
    for layer in &panel.layers {
        draw_layer(&mut chart, layer, figure.span, pen)?;
    }
    Ok(())
}

/// What stands beside a label in the legend.
enum Swatch {
    Line(Color),
    Box(Color),
    Dot(Color),
}

/// Swatches and labels under the title, in as many rows as they need.
fn draw_legend<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    panel: &Panel,
    pen: &Pen<'_>,
) -> Result<usize, plotters::drawing::DrawingAreaErrorKind<DB::ErrorType>> {
    let style = pen.text(LEGEND, pen.theme.faint);
    let (width, _) = cell.dim_in_pixel();
    let right = i32::try_from(width).unwrap_or(i32::MAX) - pen.px(12.0);
    let (mut x, mut row) = (pen.px(12.0), 0);
    for (label, swatch) in panel.layers.iter().flat_map(|layer| entries(layer, pen)) {
        let (text, _) = cell.estimate_text_size(label, &style)?;
        let needed = pen.px(20.0) + i32::try_from(text).unwrap_or(0);
        if x + needed > right && x > pen.px(12.0) {
            (x, row) = (pen.px(12.0), row + 1);
        }
        let y = pen.px(TITLE + row as f64 * LEGEND_ROW);
        let middle = y + pen.px(8.5);
        match swatch {
            Swatch::Line(color) => {
                let corners = [
                    (x, middle - pen.px(1.0)),
                    (x + pen.px(14.0), middle + pen.px(1.5)),
                ];
                cell.draw(&Rectangle::new(corners, rgb(color).filled()))?;
            }
            Swatch::Box(color) => {
                let corners = [
                    (x + pen.px(1.0), middle - pen.px(5.0)),
                    (x + pen.px(12.0), middle + pen.px(5.0)),
                ];
                cell.draw(&Rectangle::new(corners, rgb(color).filled()))?;
            }
            Swatch::Dot(color) => {
                for dx in [2.5, 10.5] {
                    cell.draw(&Circle::new(
                        (x + pen.px(dx), middle),
                        pen.px(2.2),
                        rgb(color).filled(),
                    ))?;
                }
            }
        }
        cell.draw(&Text::new(label.to_owned(), (x + pen.px(19.0), y), style.clone()))?;
        x += needed + pen.px(16.0);
    }
    Ok(row + 1)
}

/// What a layer puts into the legend.
fn entries<'a>(layer: &'a Layer, pen: &Pen<'_>) -> Vec<(&'a str, Swatch)> {
    match layer {
        Layer::Line {
            label,
            stroke: Stroke::Measured,
            ..
        } => {
            vec![(label.as_str(), Swatch::Dot(pen.theme.measured))]
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
            let entry = |(n, (label, _)): (usize, &'a (String, _))| {
                (
                    label.as_str(),
                    Swatch::Box(pen.theme.nth(n).over(pen.theme.panel, 0.8)),
                )
            };
            parts.iter().enumerate().map(entry).collect()
        }
    }
}

const MARK: f64 = 14.5;

/// On which row above the chart each mark's words stand, so that none runs into another.
fn mark_rows<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    figure: &Figure,
    pen: &Pen<'_>,
) -> Result<Vec<usize>, plotters::drawing::DrawingAreaErrorKind<DB::ErrorType>> {
    let (width, _) = cell.dim_in_pixel();
    let mut ends: Vec<f64> = Vec::new();
    let mut rows = Vec::new();
    for mark in shown(figure) {
        let (text, _) = cell.estimate_text_size(&mark.label, &pen.text(MARK, pen.theme.mark))?;
        let (start, end) = mark_extent(figure, mark.at, f64::from(text), f64::from(width), pen);
        let row = ends.iter().position(|taken| *taken < start).unwrap_or(ends.len());
        if row == ends.len() {
            ends.push(end);
        } else {
            ends[row] = end;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The words of a mark start at its line, or end there if the panel is too narrow.
fn mark_extent(figure: &Figure, at: f64, text: f64, width: f64, pen: &Pen<'_>) -> (f64, f64) {
    let (left, right) = (f64::from(pen.px(48.0)), width - f64::from(pen.px(18.0)));
    let x = left + (at - figure.span.0) / (figure.span.1 - figure.span.0) * (right - left);
    let gap = f64::from(pen.px(5.0));
    if x + text < right {
        (x - gap, x + text + gap)
    } else {
        (right - text - gap, right + gap)
    }
}

fn shown(figure: &Figure) -> impl Iterator<Item = &crate::figure::Mark> {
    figure
        .marks
        .iter()
        .filter(|mark| mark.at >= figure.span.0 && mark.at < figure.span.1)
}

fn draw_marks<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    chart: &Chart<'_, DB>,
    figure: &Figure,
    rows: &[usize],
    (top, height): (f64, f64),
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let area = chart.plotting_area();
    let (cell_x, cell_y) = cell.get_base_pixel();
    for (n, mark) in shown(figure).enumerate() {
        let style = pen.line(pen.theme.mark, 1.0);
        area.draw(&PathElement::new(vec![(mark.at, 0.0), (mark.at, top)], style))?;
        let Some(row) = rows.get(n) else { continue };
        let style = pen.text(MARK, pen.theme.mark);
        let (text, _) = cell.estimate_text_size(&mark.label, &style)?;
        let (width, _) = cell.dim_in_pixel();
        let (start, _) = mark_extent(figure, mark.at, f64::from(text), f64::from(width), pen);
        let (x, y) = area.map_coordinate(&(mark.at, top));
        let (x, y) = (x - cell_x, y - cell_y);
        let words_y = y - pen.px(height) + pen.px(*row as f64 * 17.0);
        cell.draw(&PathElement::new(
            vec![(x, y), (x, words_y + pen.px(15.0))],
            pen.line(pen.theme.mark, 1.0),
        ))?;
        let words_x = start.round() as i32 + pen.px(5.0);
        cell.draw(&Text::new(mark.label.clone(), (words_x, words_y), style))?;
    }
    Ok(())
}
