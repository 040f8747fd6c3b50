//! A chart on a drawing area: the head, panels row by row.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::prelude::DrawingBackend;

use super::Chart;
use super::axes::draw_panel;
use crate::draw::{GAP, Outcome, Pen, draw_head};
use crate::theme::Theme;

pub(crate) fn draw_chart<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    chart: &Chart,
    theme: &Theme,
    scale: f64,
) -> Outcome<DB> {
    let pen = Pen { theme, scale };
    let head = draw_head(area, &chart.title, chart.notes.iter().map(String::as_str), &pen)?;
    let columns = chart.columns.max(1);
    let rows = chart.panels.len().div_ceil(columns).max(1);
    let (width, height) = (f64::from(chart.size.0), f64::from(chart.size.1));
    let w = (width - GAP * (columns as f64 + 1.0)) / columns as f64;
    let h = (height - head - GAP * (rows as f64 + 1.0)) / rows as f64;
    for (n, panel) in chart.panels.iter().enumerate() {
        let x = GAP + (n % columns) as f64 * (w + GAP);
        let y = head + GAP + (n / columns) as f64 * (h + GAP);
        let at = |x: f64, y: f64| (pen.px(x), pen.px(y));
        draw_panel(&area.clone().shrink(at(x, y), at(w, h)), panel, &pen)?;
    }
    area.present()
}
