//! One panel of a chart: title, legend, rulers, and then what is drawn between them.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;

use super::marks::{draw_ink, heat};
use super::ruler::Laid;
use super::{ChartPanel, Dot, Ink, Ruler};
use crate::draw::{Outcome, Pen, rgb};
use crate::words::{Align, Type};

const TITLE: f64 = 13.5;
const LEGEND: f64 = 12.0;
const AXIS: f64 = 11.5;
const ROW: f64 = 18.0;

/// Where coordinates are in pixels of the panel's cell.
pub(super) struct Field {
    pub(super) x: Laid,
    pub(super) y: Laid,
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    pub(super) bottom: i32,
    /// Names run from above to below.
    pub(super) downwards: bool,
}

impl Field {
    pub(super) fn across(&self, x: f64) -> i32 {
        self.left + (self.x.share(x) * f64::from(self.right - self.left)).round() as i32
    }

    pub(super) fn up(&self, y: f64) -> i32 {
        let share = if self.downwards {
            self.y.share(y)
        } else {
            1.0 - self.y.share(y)
        };
        self.top + (share * f64::from(self.bottom - self.top)).round() as i32
    }

    pub(super) fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (self.across(x), self.up(y))
    }
}

fn label(ruler: &Ruler) -> &str {
    match ruler {
        Ruler::Numbers { label, .. } | Ruler::Names { label, .. } => label,
    }
}

pub(super) fn draw_panel<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    panel: &ChartPanel,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    cell.fill(&rgb(pen.theme.panel))?;
    let (width, height) = cell.dim_in_pixel();
    let (width, height) = (width as i32, height as i32);
    let mut top = pen.px(12.0);
    if !panel.title.is_empty() {
        pen.bold(TITLE, pen.theme.text)
            .write(cell, &panel.title, (pen.px(12.0), pen.px(10.0)))?;
        top = pen.px(33.0);
    }
    top = draw_legend(cell, panel, pen, top, width)?;
    let style = pen.text(AXIS, pen.theme.faint);
    let (xs, ys) = (reach(panel, true), reach(panel, false));
    let y = Laid::new(&panel.y, &ys, 5);
    let widest = y
        .ticks
        .iter()
        .map(|(_, label)| style.width(label))
        .max()
        .unwrap_or(0);
    let y_label = label(&panel.y);
    if !y_label.is_empty() {
        style.write(cell, y_label, (pen.px(12.0), top))?;
        top += pen.px(ROW);
    }
    let left = pen.px(12.0) + widest + pen.px(8.0);
    let right = width - pen.px(18.0);
    let x = Laid::new(
        &panel.x,
        &xs,
        (f64::from(right - left) / f64::from(pen.px(75.0))) as usize,
    );
    let x_label = label(&panel.x);
    let below = if x_label.is_empty() { 27.0 } else { 45.0 };
    let field = Field {
        x,
        y,
        left,
        right,
        top: top + pen.px(4.0),
        bottom: height - pen.px(below),
        downwards: matches!(panel.y, Ruler::Names { .. }),
    };
    draw_rulers(cell, &field, panel, pen)?;
    if !x_label.is_empty() {
        let centered = Type {
            align: Align::Center,
            ..style
        };
        let middle = (field.left + field.right) / 2;
        centered.write(cell, x_label, (middle, height - pen.px(20.0)))?;
    }
    panel
        .inks
        .iter()
        .try_for_each(|ink| draw_ink(cell, &field, ink, pen))
}

/// Every coordinate that must be inside, of x or of y.
fn reach(panel: &ChartPanel, across: bool) -> Vec<f64> {
    let of = |ink: &Ink| -> Vec<f64> {
        match ink {
            Ink::Dots { dot: Dot::Hidden, .. } if across => Vec::new(),
            Ink::Dots { at, .. } | Ink::Path { at, .. } => {
                at.iter().map(|(x, y)| if across { *x } else { *y }).collect()
            }
            Ink::Intervals { at, .. } if across => at.iter().map(|(x, _)| *x).collect(),
            Ink::Intervals { at, .. } => at.iter().flat_map(|(_, values)| *values).collect(),
            Ink::Bars { values, .. } if across => values.iter().flatten().copied().chain([0.0]).collect(),
            Ink::Upright { at, .. } if across => vec![*at],
            Ink::Level { at, .. } if !across => vec![*at],
            Ink::Bars { .. } | Ink::Cells { .. } | Ink::Upright { .. } | Ink::Level { .. } => Vec::new(),
        }
    };
    panel.inks.iter().flat_map(of).collect()
}

fn draw_rulers<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    panel: &ChartPanel,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let grid = pen.line(pen.theme.grid, 1.0);
    let style = pen.text(AXIS, pen.theme.faint);
    let is_heat = panel.inks.iter().any(|ink| matches!(ink, Ink::Cells { .. }));
    let centered = Type {
        align: Align::Center,
        ..style
    };
    let mut free = i32::MIN;
    for (value, label) in &field.x.ticks {
        let x = field.across(*value);
        if !is_heat && matches!(panel.x, Ruler::Numbers { .. }) {
            cell.draw(&PathElement::new(vec![(x, field.top), (x, field.bottom)], grid))?;
        }
        // A label that would run into the one before it is left out.
        let half = style.width(label) / 2;
        let x = x.min(field.right + pen.px(12.0) - half);
        if x - half > free {
            centered.write(cell, label, (x, field.bottom + pen.px(7.0)))?;
            free = x + half + pen.px(6.0);
        }
    }
    let right = Type {
        align: Align::Right,
        ..style
    };
    for (value, label) in &field.y.ticks {
        let y = field.up(*value);
        if !is_heat && matches!(panel.y, Ruler::Numbers { .. }) {
            cell.draw(&PathElement::new(vec![(field.left, y), (field.right, y)], grid))?;
        }
        right.write(cell, label, (field.left - pen.px(7.0), y - pen.px(5.0)))?;
    }
    Ok(())
}

/// What stands beside a label.
enum Swatch {
    Dot(i32, usize, bool),
    Line(usize),
    Box(usize),
    Rule,
}

fn entries(panel: &ChartPanel) -> Vec<(&str, Swatch)> {
    let entry = |ink: &'_ Ink| match ink {
        Ink::Dots { dot, .. } => match dot {
            Dot::Faint => Swatch::Dot(2, 7, false),
            Dot::Plain(n) => Swatch::Dot(3, *n, false),
            Dot::Ringed(n) => Swatch::Dot(4, *n, true),
            Dot::Hidden => Swatch::Rule,
        },
        Ink::Path { color, .. } | Ink::Intervals { color, .. } => Swatch::Line(*color),
        Ink::Bars { color, .. } => Swatch::Box(*color),
        Ink::Cells { .. } | Ink::Upright { .. } | Ink::Level { .. } => Swatch::Rule,
    };
    let label = |ink: &'_ Ink| -> Option<usize> {
        match ink {
            Ink::Dots { label, .. }
            | Ink::Path { label, .. }
            | Ink::Intervals { label, .. }
            | Ink::Bars { label, .. }
            | Ink::Upright { label, .. }
            | Ink::Level { label, .. } => (!label.is_empty()).then_some(label.len()),
            Ink::Cells { .. } => None,
        }
    };
    panel
        .inks
        .iter()
        .filter(|ink| label(ink).is_some())
        .map(|ink| (name(ink), entry(ink)))
        .collect()
}

fn name(ink: &Ink) -> &str {
    match ink {
        Ink::Dots { label, .. }
        | Ink::Path { label, .. }
        | Ink::Intervals { label, .. }
        | Ink::Bars { label, .. }
        | Ink::Upright { label, .. }
        | Ink::Level { label, .. } => label,
        Ink::Cells { unit, .. } => unit,
    }
}

/// The legend; returns where it ends.
fn draw_legend<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    panel: &ChartPanel,
    pen: &Pen<'_>,
    top: i32,
    width: i32,
) -> Result<i32, plotters::drawing::DrawingAreaErrorKind<DB::ErrorType>> {
    let style = pen.text(LEGEND, pen.theme.faint);
    let (mut x, mut y) = (pen.px(12.0), top);
    let mut any = false;
    for (label, swatch) in entries(panel) {
        let needed = pen.px(19.0) + style.width(label);
        if x + needed > width - pen.px(12.0) && x > pen.px(12.0) {
            (x, y) = (pen.px(12.0), y + pen.px(ROW));
        }
        any = true;
        let middle = y + pen.px(6.0);
        match swatch {
            Swatch::Dot(radius, color, ringed) => {
                let center = (x + pen.px(7.0), middle);
                let radius = pen.px(f64::from(radius));
                if ringed {
                    cell.draw(&Circle::new(
                        center,
                        radius + pen.px(1.5),
                        rgb(pen.theme.text).filled(),
                    ))?;
                }
                cell.draw(&Circle::new(center, radius, rgb(pen.theme.nth(color)).filled()))?;
            }
            Swatch::Line(color) => {
                let corners = [
                    (x, middle - pen.px(1.0)),
                    (x + pen.px(14.0), middle + pen.px(1.0)),
                ];
                cell.draw(&Rectangle::new(corners, rgb(pen.theme.nth(color)).filled()))?;
            }
            Swatch::Box(color) => {
                let corners = [
                    (x + pen.px(2.0), middle - pen.px(5.0)),
                    (x + pen.px(12.0), middle + pen.px(5.0)),
                ];
                cell.draw(&Rectangle::new(corners, rgb(pen.theme.nth(color)).filled()))?;
            }
            Swatch::Rule => {
                let line = pen.line(pen.theme.mark, 1.0);
                cell.draw(&PathElement::new(
                    vec![(x, middle), (x + pen.px(14.0), middle)],
                    line,
                ))?;
            }
        }
        style.write(cell, label, (x + pen.px(19.0), y))?;
        x += needed + pen.px(16.0);
    }
    for ink in &panel.inks {
        if let Ink::Cells {
            values, digits, unit, ..
        } = ink
        {
            any = true;
            let (low, high) = super::marks::span(values);
            let words = format!("{low:.digits$}");
            style.write(cell, &words, (x, y))?;
            x += style.width(&words) + pen.px(6.0);
            for step in 0..24 {
                let corners = [(x, y), (x + pen.px(5.0), y + pen.px(12.0))];
                let color = heat(f64::from(step) / 23.0, pen.theme);
                cell.draw(&Rectangle::new(corners, rgb(color).filled()))?;
                x += pen.px(5.0);
            }
            let words = format!("{high:.digits$} {unit}");
            style.write(cell, &words, (x + pen.px(6.0), y))?;
        }
    }
    Ok(if any { y + pen.px(ROW + 6.0) } else { y })
}
