//! What is drawn between the rulers.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;

use super::axes::Field;
use super::ruler::digits_of;
use super::{Dot, Ink};
use crate::draw::{Outcome, Pen, rgb};
use crate::theme::{Color, Theme};
use crate::words::{Align, Type};

pub(super) fn draw_ink<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    ink: &Ink,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    match ink {
        Ink::Dots { at, dot, .. } => draw_dots(cell, field, at, *dot, pen),
        Ink::Path { at, color, .. } => {
            let points: Vec<(i32, i32)> = finite(at).map(|point| field.at(point)).collect();
            cell.draw(&PathElement::new(points, pen.line(pen.theme.nth(*color), 2.0)))
        }
        Ink::Intervals { at, color, .. } => {
            let color = pen.theme.nth(*color);
            let line = pen.line(color, 1.5);
            for (x, [low, middle, high]) in at.iter().filter(|(_, values)| values[1].is_finite()) {
                let x = field.across(*x);
                if low.is_finite() && high.is_finite() {
                    let (foot, head, cap) = (field.up(*low), field.up(*high), pen.px(4.0));
                    cell.draw(&PathElement::new(vec![(x, foot), (x, head)], line))?;
                    cell.draw(&PathElement::new(vec![(x - cap, foot), (x + cap, foot)], line))?;
                    cell.draw(&PathElement::new(vec![(x - cap, head), (x + cap, head)], line))?;
                }
                cell.draw(&Circle::new(
                    (x, field.up(*middle)),
                    pen.px(3.5),
                    rgb(color).filled(),
                ))?;
            }
            Ok(())
        }
        Ink::Bars {
            values,
            beside,
            color,
            ..
        } => draw_bars(cell, field, values, *beside, pen.theme.nth(*color), pen),
        Ink::Cells {
            values,
            digits,
            framed,
            said,
            ..
        } => {
            draw_cells(cell, field, values, *digits, pen)?;
            draw_words(cell, field, said, pen)?;
            draw_frames(cell, field, framed, pen)
        }
        Ink::Upright { at, .. } => {
            let x = field.across(*at);
            let line = pen.line(pen.theme.mark, 1.0);
            cell.draw(&PathElement::new(vec![(x, field.top), (x, field.bottom)], line))
        }
        Ink::Level { at, .. } => {
            let y = field.up(*at);
            let line = pen.line(pen.theme.mark, 1.0);
            cell.draw(&PathElement::new(vec![(field.left, y), (field.right, y)], line))
        }
    }
}

fn finite(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    points
        .iter()
        .copied()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
}

fn draw_dots<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    at: &[(f64, f64)],
    dot: Dot,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let (radius, color, ring) = match dot {
        Dot::Hidden => return Ok(()),
        Dot::Faint => (2.4, pen.theme.nth(7).over(pen.theme.panel, 0.55), None),
        Dot::Plain(n) => (3.6, pen.theme.nth(n), Some((1.0, pen.theme.panel))),
        Dot::Ringed(n) => (5.5, pen.theme.nth(n), Some((2.0, pen.theme.text))),
    };
    for point in finite(at) {
        let center = field.at(point);
        if let Some((width, ring)) = ring {
            cell.draw(&Circle::new(center, pen.px(radius + width), rgb(ring).filled()))?;
        }
        cell.draw(&Circle::new(center, pen.px(radius), rgb(color).filled()))?;
    }
    Ok(())
}

fn draw_bars<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    values: &[[f64; 3]],
    (place, of): (usize, usize),
    color: Color,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let share = 0.72 / of.max(1) as f64;
    for (n, [low, length, high]) in values.iter().enumerate() {
        if !length.is_finite() {
            continue;
        }
        let top = n as f64 - 0.36 + place as f64 * share;
        let (head, foot) = (field.up(top), field.up(top + share * 0.92));
        let (left, right) = (field.across(0.0), field.across(*length));
        let corners = [(left.min(right), head), (left.max(right), foot)];
        cell.draw(&Rectangle::new(corners, rgb(color).filled()))?;
        if low.is_finite() && high > low {
            let middle = (head + foot) / 2;
            let whisker = vec![(field.across(*low), middle), (field.across(*high), middle)];
            cell.draw(&PathElement::new(whisker, pen.line(pen.theme.text, 1.5)))?;
        }
    }
    Ok(())
}

/// The least and the greatest value.
pub(super) fn span(values: &[Vec<f64>]) -> (f64, f64) {
    let all = values.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// From little, dark blue on a dark theme and pale on a light one, over the theme's blue to its yellow: even in
/// lightness, so that it reads in grey too.
pub(super) fn heat(share: f64, theme: &Theme) -> Color {
    let stops = [
        theme.nth(0).over(theme.panel, 0.18),
        theme.nth(0).over(theme.panel, 0.75),
        theme.nth(1),
    ];
    let share = share.clamp(0.0, 1.0) * 2.0;
    if share <= 1.0 {
        stops[1].over(stops[0], share)
    } else {
        stops[2].over(stops[1], share - 1.0)
    }
}

fn draw_cells<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    values: &[Vec<f64>],
    digits: usize,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let (low, high) = span(values);
    for (x, column) in values.iter().enumerate() {
        for (y, value) in column.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let share = if high > low {
                (value - low) / (high - low)
            } else {
                0.5
            };
            let color = heat(share, pen.theme);
            let corners = corners(field, (x, y));
            cell.draw(&Rectangle::new(corners, rgb(color).filled()))?;
            write_inside(cell, corners, &digits_of(*value, digits), readable(color), pen)?;
        }
    }
    Ok(())
}

/// Cells without a value: a word, or a stroke through one that is too small for it.
fn draw_words<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    said: &[((usize, usize), String)],
    pen: &Pen<'_>,
) -> Outcome<DB> {
    for (at, words) in said {
        let corners @ [from, to] = corners(field, *at);
        let line = pen.line(pen.theme.grid, 1.0);
        cell.draw(&Rectangle::new(corners, line))?;
        if !write_inside(cell, corners, words, pen.theme.faint, pen)? {
            let stroke = vec![(from.0, to.1), (to.0, from.1)];
            cell.draw(&PathElement::new(stroke, line))?;
        }
    }
    Ok(())
}

fn draw_frames<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    field: &Field,
    framed: &[(usize, usize)],
    pen: &Pen<'_>,
) -> Outcome<DB> {
    for at in framed {
        let [from, to] = corners(field, *at);
        let line = pen.line(pen.theme.text, 2.0);
        let frame = vec![from, (to.0, from.1), to, (from.0, to.1), from];
        cell.draw(&PathElement::new(frame, line))?;
    }
    Ok(())
}

/// The upper left and the lower right of a cell.
fn corners(field: &Field, (x, y): (usize, usize)) -> [(i32, i32); 2] {
    let (left, right) = (field.across(x as f64 - 0.5), field.across(x as f64 + 0.5));
    let (top, bottom) = (field.up(y as f64 - 0.5), field.up(y as f64 + 0.5));
    [(left + 1, top.min(bottom) + 1), (right - 1, top.max(bottom) - 1)]
}

/// Writes into the middle of a cell, if there is room; whether there was.
fn write_inside<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    [from, to]: [(i32, i32); 2],
    words: &str,
    color: Color,
    pen: &Pen<'_>,
) -> Result<bool, DrawingAreaErrorKind<DB::ErrorType>> {
    let style = Type {
        align: Align::Center,
        ..pen.text(11.5, color)
    };
    let room = to.0 - from.0 > style.width(words) + pen.px(4.0) && to.1 - from.1 > pen.px(14.0);
    if room {
        let middle = ((from.0 + to.0) / 2, (from.1 + to.1) / 2 - pen.px(6.0));
        style.write(cell, words, middle)?;
    }
    Ok(room)
}

/// Black or white, whichever stands out.
fn readable(below: Color) -> Color {
    let light = 0.299 * f64::from(below.0) + 0.587 * f64::from(below.1) + 0.114 * f64::from(below.2);
    if light > 128.0 {
        Color(0x10, 0x12, 0x16)
    } else {
        Color(0xf4, 0xf5, 0xf8)
    }
}
