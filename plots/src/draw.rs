//! How a figure is put on a drawing area: the head, and a grid of panels below it.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::prelude::DrawingBackend;
use plotters::style::{RGBColor, ShapeStyle};

use crate::figure::Figure;
use crate::panel::draw_panel;
use crate::theme::{Color, Theme};
use crate::words::{Align, Type};

pub(crate) type Outcome<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// The space between and around panels.
pub(crate) const GAP: f64 = 10.0;
/// From one line of notes below the title to the next.
const NOTE: f64 = 18.0;

pub(crate) fn rgb(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

/// Everything that depends on the theme and the scale. Lengths are given at scale 1.
pub(crate) struct Pen<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) scale: f64,
}

impl Pen<'_> {
    pub(crate) fn px(&self, length: f64) -> i32 {
        (length * self.scale).round() as i32
    }

    /// Text of so many pixels to the em, at the left of its point.
    pub(crate) fn text(&self, size: f64, color: Color) -> Type {
        Type {
            size: size * self.scale,
            bold: false,
            color,
            align: Align::Left,
        }
    }

    pub(crate) fn bold(&self, size: f64, color: Color) -> Type {
        Type {
            bold: true,
            ..self.text(size, color)
        }
    }

    pub(crate) fn line(&self, color: Color, width: f64) -> ShapeStyle {
        ShapeStyle::from(rgb(color)).stroke_width((width * self.scale).round().max(1.0) as u32)
    }
}

pub(crate) fn width<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>) -> i32 {
    i32::try_from(area.dim_in_pixel().0).unwrap_or(i32::MAX)
}

/// Fills the background and writes title and notes; the height of both.
pub(crate) fn draw_head<'a, DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    title: &str,
    notes: impl Iterator<Item = &'a str>,
    pen: &Pen<'_>,
) -> Result<f64, DrawingAreaErrorKind<DB::ErrorType>> {
    area.fill(&rgb(pen.theme.background))?;
    let at = |y: f64| (pen.px(GAP + 4.0), pen.px(y));
    let room = width(area) - 2 * pen.px(GAP + 4.0);
    // A long title is set smaller before it is cut.
    let sizes = [19.0, 17.0, 15.0, 13.5].map(|size| pen.bold(size, pen.theme.text));
    let fitting = sizes.iter().find(|style| style.width(title) <= room);
    fitting
        .unwrap_or(&sizes[sizes.len() - 1])
        .write_within(area, title, at(12.0), room)?;
    let mut height = 42.0;
    for note in notes {
        pen.text(13.0, pen.theme.faint)
            .write_within(area, note, at(height - 2.0), room)?;
        height += NOTE;
    }
    Ok(height)
}

/// Draws a figure on an area that is `scale` times its size.
pub(crate) fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    figure: &Figure,
    theme: &Theme,
    scale: f64,
) -> Outcome<DB> {
    let pen = Pen { theme, scale };
    let head = draw_head(area, &figure.title, figure.subtitle.lines(), &pen)?;
    let at = |x: f64, y: f64| (pen.px(x), pen.px(y));

    let rows = figure
        .panels
        .iter()
        .map(|panel| panel.place.row + 1)
        .max()
        .unwrap_or(1);
    let (width, height) = (f64::from(figure.size.0), f64::from(figure.size.1));
    let row_height = (height - head - GAP * (rows as f64 + 1.0)) / rows as f64;
    for panel in &figure.panels {
        let y = head + GAP + panel.place.row as f64 * (row_height + GAP);
        let half = (width - 3.0 * GAP) / 2.0;
        let (x, w) = match panel.place.half {
            None => (GAP, width - 2.0 * GAP),
            Some(n) => (GAP + n as f64 * (half + GAP), half),
        };
        let cell = area.clone().shrink(at(x, y), at(w, row_height));
        draw_panel(&cell, figure, panel, &pen)?;
    }
    area.present()
}
