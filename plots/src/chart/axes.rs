//! One panel of a chart: title, legend, rulers, and then what is drawn between them.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;

use super::marks::{draw_ink, heat, span};
use super::ruler::{Laid, digits_of};
use super::{ChartPanel, Dot, Ink, Ruler};
use crate::draw::{Outcome, Pen, rgb};
use crate::legend::{ROW, Swatch, draw_legend};
use crate::theme::Theme;
use crate::words::{Align, Type};

const TITLE: f64 = 13.5;
const LEGEND: f64 = 12.0;
const AXIS: f64 = 11.5;
/// From one row of names to the next.
const NAME: f64 = 15.0;

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
        pen.bold(TITLE, pen.theme.text).write_within(
            cell,
            &panel.title,
            (pen.px(12.0), pen.px(10.0)),
            width - pen.px(24.0),
        )?;
        top = pen.px(33.0);
    }
    top = draw_legends(cell, panel, pen, top)?;
    let style = pen.text(AXIS, pen.theme.faint);
    let (xs, ys) = (reach(panel, true), reach(panel, false));
    let y = Laid::new(&panel.y, &ys, 5);
    let widest = y.ticks.iter().map(|(_, label)| style.width(label)).max();
    let widest = widest.unwrap_or(0).min(width * 2 / 5);
    let y_label = label(&panel.y);
    if !y_label.is_empty() {
        style.write_within(cell, y_label, (pen.px(12.0), top), width - pen.px(24.0))?;
        top += pen.px(ROW);
    }
    let left = pen.px(12.0) + widest + pen.px(8.0);
    let right = width - pen.px(18.0);
    let x = Laid::new(
        &panel.x,
        &xs,
        (f64::from(right - left) / f64::from(pen.px(62.0))) as usize,
    );
    let x_label = label(&panel.x);
    let rows = match &panel.x {
        Ruler::Names { names, .. } => name_rows(names, right - left, &style, pen),
        Ruler::Numbers { .. } => 1,
    };
    let label_row = if x_label.is_empty() { 0.0 } else { ROW };
    let below = 27.0 + (rows - 1) as f64 * NAME + label_row;
    let field = Field {
        x,
        y,
        left,
        right,
        top: top + pen.px(4.0),
        bottom: height - pen.px(below),
        downwards: matches!(panel.y, Ruler::Names { .. }),
    };
    draw_rulers(cell, &field, panel, rows, pen)?;
    if !x_label.is_empty() {
        let centered = Type {
            align: Align::Center,
            ..style
        };
        let middle = (field.left + field.right) / 2;
        // As much as stands on both sides of the middle.
        let room = 2 * (width - middle - pen.px(12.0));
        centered.write_within(cell, x_label, (middle, height - pen.px(20.0)), room)?;
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

/// The rows that names need below a panel, one where they have room side by side: with two, each may be as wide as
/// two names' parts.
fn name_rows(names: &[String], across: i32, style: &Type, pen: &Pen<'_>) -> usize {
    let widest = names.iter().map(|name| style.width(name)).max().unwrap_or(0);
    if widest <= room(names.len(), across, 1, pen) {
        1
    } else {
        2
    }
}

/// The width that one of so many names has.
fn room(names: usize, across: i32, rows: usize, pen: &Pen<'_>) -> i32 {
    across * rows as i32 / names.max(1) as i32 - pen.px(6.0)
}

fn draw_rulers<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    panel: &ChartPanel,
    rows: usize,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let grid = pen.line(pen.theme.grid, 1.0);
    let style = pen.text(AXIS, pen.theme.faint);
    let is_heat = panel.inks.iter().any(|ink| matches!(ink, Ink::Cells { .. }));
    let centered = Type {
        align: Align::Center,
        ..style
    };
    let across = (field.right - field.left).max(1);
    let room = room(field.x.ticks.len(), across, rows, pen);
    let mut free = vec![i32::MIN; rows];
    for (n, (value, label)) in field.x.ticks.iter().enumerate() {
        let x = field.across(*value);
        if !is_heat && matches!(panel.x, Ruler::Numbers { .. }) {
            cell.draw(&PathElement::new(vec![(x, field.top), (x, field.bottom)], grid))?;
        }
        let label = match &panel.x {
            Ruler::Names { .. } => style.shortened(label, room),
            Ruler::Numbers { .. } => label.clone(),
        };
        // A number that would run into the one before it is left out, and none leaves the panel.
        let half = style.width(&label) / 2;
        let x = x.min(field.right + pen.px(12.0) - half).max(pen.px(6.0) + half);
        if x - half > free[n % rows] {
            let y = field.bottom + pen.px(7.0 + (n % rows) as f64 * NAME);
            centered.write(cell, &label, (x, y))?;
            free[n % rows] = x + half + pen.px(2.0);
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
        let label = style.shortened(label, field.left - pen.px(20.0));
        right.write(cell, &label, (field.left - pen.px(7.0), y - pen.px(5.0)))?;
    }
    Ok(())
}

/// Labels and what stands beside them; what has no label, and what has no points, is left out.
fn entries<'a>(panel: &'a ChartPanel, theme: &Theme) -> impl Iterator<Item = (&'a str, Swatch)> {
    let entry = move |ink: &'a Ink| -> Option<(&'a str, Swatch)> {
        match ink {
            Ink::Dots { label, at, dot } if !at.is_empty() => {
                let swatch = match dot {
                    Dot::Faint => Swatch::Dot(2.0, theme.nth(7), None),
                    Dot::Plain(n) => Swatch::Dot(3.0, theme.nth(*n), None),
                    Dot::Ringed(n) => Swatch::Dot(4.0, theme.nth(*n), Some(theme.text)),
                    Dot::Hidden => return None,
                };
                Some((label, swatch))
            }
            Ink::Path { label, color, .. } | Ink::Intervals { label, color, .. } => {
                Some((label, Swatch::Line(theme.nth(*color))))
            }
            Ink::Bars { label, color, .. } => Some((label, Swatch::Box(theme.nth(*color)))),
            Ink::Upright { label, .. } | Ink::Level { label, .. } => Some((label, Swatch::Rule(theme.mark))),
            Ink::Dots { .. } | Ink::Cells { .. } => None,
        }
    };
    let entries = panel.inks.iter().filter_map(entry);
    entries.filter(|(label, _)| !label.is_empty())
}

/// The legend and the scale of a heatmap; returns where they end.
fn draw_legends<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    panel: &ChartPanel,
    pen: &Pen<'_>,
    top: i32,
) -> Result<i32, DrawingAreaErrorKind<DB::ErrorType>> {
    let rows = draw_legend(cell, entries(panel, pen.theme), top, pen)?;
    let mut y = top + pen.px(rows as f64 * ROW);
    for ink in &panel.inks {
        if let Ink::Cells {
            values, digits, unit, ..
        } = ink
        {
            draw_scale(cell, (span(values), *digits, unit), y, pen)?;
            y += pen.px(ROW);
        }
    }
    Ok(if y > top { y + pen.px(6.0) } else { y })
}

/// From the least to the greatest value, in the colours of cells.
fn draw_scale<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    ((low, high), digits, unit): ((f64, f64), usize, &str),
    y: i32,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    const STEPS: u32 = 60;
    let style = pen.text(LEGEND, pen.theme.faint);
    let words = digits_of(low, digits);
    style.write(cell, &words, (pen.px(12.0), y))?;
    let mut x = pen.px(12.0) + style.width(&words) + pen.px(6.0);
    for step in 0..STEPS {
        let corners = [(x, y), (x + pen.px(2.0), y + pen.px(12.0))];
        let color = heat(f64::from(step) / f64::from(STEPS - 1), pen.theme);
        cell.draw(&Rectangle::new(corners, rgb(color).filled()))?;
        x += pen.px(2.0);
    }
    let words = format!("{} {unit}", digits_of(high, digits));
    style.write(cell, &words, (x + pen.px(6.0), y))
}
