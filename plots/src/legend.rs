//! The legend of a panel: swatches and labels, in as many rows as they need.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;

use crate::draw::{Outcome, Pen, rgb, width};
use crate::theme::Color;

const SIZE: f64 = 12.0;
/// From one row to the next.
pub(crate) const ROW: f64 = 18.0;
/// From the panel's edges.
const SIDE: f64 = 12.0;
/// From a swatch's left edge to its label, and from a label to the next swatch.
const LABEL: f64 = 19.0;
const APART: f64 = 16.0;

/// What stands beside a label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Swatch {
    /// A thick line.
    Line(Color),
    /// A thin line across the panel.
    Rule(Color),
    /// An area.
    Box(Color),
    /// Two readings.
    Dots(Color),
    /// One dot: its radius, and a ring around it.
    Dot(f64, Color, Option<Color>),
}

/// Draws a legend whose first row begins at `top`; how many rows it has.
pub(crate) fn draw_legend<'a, DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    entries: impl Iterator<Item = (&'a str, Swatch)>,
    top: i32,
    pen: &Pen<'_>,
) -> Result<usize, DrawingAreaErrorKind<DB::ErrorType>> {
    let style = pen.text(SIZE, pen.theme.faint);
    let (left, right) = (pen.px(SIDE), width(cell) - pen.px(SIDE));
    let (mut x, mut row) = (left, 0);
    let mut rows = 0;
    for (label, swatch) in entries {
        let needed = pen.px(LABEL) + style.width(label);
        if x + needed > right && x > left {
            (x, row) = (left, row + 1);
        }
        let y = top + pen.px(row as f64 * ROW);
        draw_swatch(cell, swatch, (x, y + pen.px(6.0)), pen)?;
        style.write(cell, label, (x + pen.px(LABEL), y))?;
        x += needed + pen.px(APART);
        rows = row + 1;
    }
    Ok(rows)
}

/// A swatch at the left of its row's middle.
fn draw_swatch<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    swatch: Swatch,
    (x, middle): (i32, i32),
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let dot = |center: f64, radius: f64, color: Color| {
        Circle::new((x + pen.px(center), middle), pen.px(radius), rgb(color).filled())
    };
    let filled = |from: f64, to: f64, half: f64, color: Color| {
        let corners = [
            (x + pen.px(from), middle - pen.px(half)),
            (x + pen.px(to), middle + pen.px(half)),
        ];
        Rectangle::new(corners, rgb(color).filled())
    };
    match swatch {
        Swatch::Line(color) => cell.draw(&filled(0.0, 14.0, 1.0, color)),
        Swatch::Box(color) => cell.draw(&filled(2.0, 12.0, 5.0, color)),
        Swatch::Rule(color) => {
            let ends = vec![(x, middle), (x + pen.px(14.0), middle)];
            cell.draw(&PathElement::new(ends, pen.line(color, 1.0)))
        }
        Swatch::Dots(color) => {
            cell.draw(&dot(3.0, 2.0, color))?;
            cell.draw(&dot(10.0, 2.0, color))
        }
        Swatch::Dot(radius, color, ring) => {
            if let Some(ring) = ring {
                cell.draw(&dot(7.0, radius + 1.5, ring))?;
            }
            cell.draw(&dot(7.0, radius, color))
        }
    }
}
