//! How a figure is put on a drawing area.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::DrawingBackend;
use plotters::series::LineSeries;
use plotters::style::{Color as _, IntoFont, RGBColor, ShapeStyle, TextStyle};

use crate::axis::TimeAxis;
use crate::figure::{Curve, Figure, Layer, Panel, Stroke};
use crate::theme::{Color, Theme};

type Outcome<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;
type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<TimeAxis, RangedCoordf64>>;

/// The height of the title block and the space around panels, at scale 1.
const HEAD: f64 = 62.0;
const GAP: f64 = 8.0;

fn rgb(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

/// Everything that depends on the theme and the scale.
struct Pen<'a> {
    theme: &'a Theme,
    scale: f64,
}

impl Pen<'_> {
    fn px(&self, length: f64) -> i32 {
        (length * self.scale).round() as i32
    }

    fn text(&self, size: f64, color: Color) -> TextStyle<'static> {
        ("sans-serif", size * self.scale).into_font().color(&rgb(color))
    }

    fn line(&self, color: Color, width: f64) -> ShapeStyle {
        rgb(color).stroke_width((width * self.scale).round().max(1.0) as u32)
    }
}

/// Draws a figure on an area that is `scale` times its size.
pub(crate) fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    figure: &Figure,
    theme: &Theme,
    scale: f64,
) -> Outcome<DB> {
    let pen = Pen { theme, scale };
    area.fill(&rgb(theme.background))?;
    let at = |x: f64, y: f64| (pen.px(x), pen.px(y));
    area.draw(&Text::new(
        figure.title.clone(),
        at(16.0, 12.0),
        pen.text(21.0, theme.text),
    ))?;
    area.draw(&Text::new(
        figure.subtitle.clone(),
        at(16.0, 38.0),
        pen.text(13.5, theme.faint),
    ))?;

    let rows = figure
        .panels
        .iter()
        .map(|panel| panel.place.row + 1)
        .max()
        .unwrap_or(1);
    let (width, height) = (f64::from(figure.size.0), f64::from(figure.size.1));
    let row_height = (height - HEAD - GAP * (rows as f64 + 1.0)) / rows as f64;
    for panel in &figure.panels {
        let y = HEAD + GAP + panel.place.row as f64 * (row_height + GAP);
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

fn draw_panel<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    figure: &Figure,
    panel: &Panel,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    cell.fill(&rgb(pen.theme.panel))?;
    let title = Text::new(
        panel.title.clone(),
        (pen.px(12.0), pen.px(9.0)),
        pen.text(15.0, pen.theme.text),
    );
    cell.draw(&title)?;
    draw_legend(cell, panel, pen)?;

    let top = nice_ceiling(panel.layers.iter().map(height).fold(0.0, f64::max));
    let ticks = time_ticks(figure, if panel.place.half.is_some() { 7 } else { 14 });
    let mut chart = ChartBuilder::on(cell)
        .margin_top(pen.px(50.0))
        .margin_right(pen.px(16.0))
        .margin_left(pen.px(4.0))
        .margin_bottom(pen.px(4.0))
        .x_label_area_size(pen.px(24.0))
        .y_label_area_size(pen.px(46.0))
        .build_cartesian_2d(TimeAxis::new(figure.span, ticks), 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(rgb(pen.theme.panel))
        .bold_line_style(pen.line(pen.theme.grid, 1.0))
        .axis_style(pen.line(pen.theme.grid, 1.0))
        .label_style(pen.text(12.5, pen.theme.faint))
        .x_labels(14)
        .y_labels(5)
        .x_label_formatter(&|time| time_label(*time, figure))
        .y_label_formatter(&|value| value_label(*value, top))
        .draw()?;
    for layer in &panel.layers {
        draw_layer(&mut chart, layer, figure.span, pen)?;
    }
    draw_marks(&chart, figure, top, pen)
}

/// Swatches and labels in one row under the title.
fn draw_legend<DB: DrawingBackend>(
    cell: &DrawingArea<DB, Shift>,
    panel: &Panel,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let style = pen.text(12.5, pen.theme.faint);
    let mut x = pen.px(12.0);
    let y = pen.px(31.0);
    for (label, color) in panel.layers.iter().flat_map(|layer| entries(layer, pen.theme)) {
        let swatch = [(x, y + pen.px(3.0)), (x + pen.px(10.0), y + pen.px(11.0))];
        cell.draw(&Rectangle::new(swatch, rgb(color).filled()))?;
        cell.draw(&Text::new(label.to_owned(), (x + pen.px(14.0), y), style.clone()))?;
        let (width, _) = cell.estimate_text_size(label, &style)?;
        x += i32::try_from(width).unwrap_or(0) + pen.px(30.0);
    }
    Ok(())
}

/// What a layer puts into the legend.
fn entries<'a>(layer: &'a Layer, theme: &Theme) -> Vec<(&'a str, Color)> {
    match layer {
        Layer::Line { label, stroke, .. } => vec![(label.as_str(), stroke_color(*stroke, theme))],
        Layer::Band { label, color, .. } => {
            let (a, b) = (theme.nth(*color), theme.panel);
            let mix = |a: u8, b: u8| ((u16::from(a) + 2 * u16::from(b)) / 3) as u8;
            vec![(label.as_str(), Color(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2)))]
        }
        Layer::Stack { parts } => parts
            .iter()
            .enumerate()
            .map(|(n, (label, _))| (label.as_str(), theme.nth(n)))
            .collect(),
    }
}

fn stroke_color(stroke: Stroke, theme: &Theme) -> Color {
    match stroke {
        Stroke::Series(n) | Stroke::Thin(n) => theme.nth(n),
        Stroke::Measured => theme.measured,
    }
}

fn draw_layer<DB: DrawingBackend>(
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
                1.8
            };
            let style = pen.line(stroke_color(*stroke, pen.theme), width);
            for stretch in steps(curve, span) {
                chart.draw_series(LineSeries::new(stretch, style))?;
            }
            Ok(())
        }
        Layer::Band { low, high, color, .. } => {
            let mut outline: Vec<(f64, f64)> = steps(high, span).into_iter().flatten().collect();
            outline.extend(steps(low, span).into_iter().flatten().rev());
            let style = rgb(pen.theme.nth(*color)).mix(0.28).filled();
            chart.draw_series([Polygon::new(outline, style)])?;
            Ok(())
        }
        Layer::Stack { parts } => draw_stack(chart, parts, span, pen),
    }
}

/// Measured curves are dotted, one dot a reading, so that the simulated line stays visible under them.
fn draw_measured<DB: DrawingBackend>(
    chart: &mut Chart<'_, DB>,
    curve: &Curve,
    span: (f64, f64),
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let style = rgb(pen.theme.measured).filled();
    let inside = |&&(time, value): &&(f64, f64)| time >= span.0 && time <= span.1 && value.is_finite();
    let radius = pen.px(1.6);
    chart.draw_series(
        curve
            .points
            .iter()
            .filter(inside)
            .map(|&point| Circle::new(point, radius, style)),
    )?;
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
        let color = rgb(pen.theme.nth(n));
        let tops: Vec<f64> = times
            .iter()
            .zip(&base)
            .map(|(&time, base)| base + curve.at(time).unwrap_or(0.0))
            .collect();
        for i in 0..times.len().saturating_sub(1) {
            if tops[i] > base[i] {
                let corners = [(times[i], base[i]), (times[i + 1], tops[i])];
                chart.draw_series([Rectangle::new(corners, color.mix(0.75).filled())])?;
            }
        }
        base = tops;
    }
    Ok(())
}

fn draw_marks<DB: DrawingBackend>(
    chart: &Chart<'_, DB>,
    figure: &Figure,
    top: f64,
    pen: &Pen<'_>,
) -> Outcome<DB> {
    let area = chart.plotting_area();
    let style = pen.text(11.5, pen.theme.mark);
    for mark in figure
        .marks
        .iter()
        .filter(|mark| mark.at > figure.span.0 && mark.at < figure.span.1)
    {
        area.draw(&PathElement::new(
            vec![(mark.at, 0.0), (mark.at, top)],
            pen.line(pen.theme.mark, 1.0),
        ))?;
        let (width, _) = area.estimate_text_size(&mark.label, &style)?;
        let (pixels, _) = area.dim_in_pixel();
        let width = f64::from(width) / f64::from(pixels.max(1)) * (figure.span.1 - figure.span.0);
        let margin = (figure.span.1 - figure.span.0) * 0.006;
        let fits = mark.at + margin + width < figure.span.1;
        let x = if fits {
            mark.at + margin
        } else {
            mark.at - margin - width
        };
        area.draw(&Text::new(mark.label.clone(), (x, top * 0.985), style.clone()))?;
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
            corners.extend([(start, value), (end, value)]);
        }
    }
    push(&mut corners);
    stretches
}

fn height(layer: &Layer) -> f64 {
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

/// A little above the greatest value, on a round number.
fn nice_ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let wanted = value * 1.12;
    let magnitude = 10f64.powf(wanted.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    magnitude
        * steps
            .into_iter()
            .find(|step| step * magnitude >= wanted)
            .unwrap_or(10.0)
}

/// At most so many times on the axis, on round minutes of the clock shown.
fn time_ticks(figure: &Figure, most: usize) -> Vec<f64> {
    let (from, to) = figure.span;
    let clock = figure.clock.unwrap_or(0.0);
    let minutes = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 1440.0];
    let fits = |step: &&f64| (to - from) / (**step * 60.0) < most as f64;
    let step = minutes.iter().find(fits).map_or(to - from, |step| step * 60.0);
    let first = ((from + clock) / step).ceil() * step - clock;
    (0..most)
        .map(|n| first + n as f64 * step)
        .filter(|time| *time <= to)
        .collect()
}

fn time_label(time: f64, figure: &Figure) -> String {
    match figure.clock {
        Some(start) => {
            let minutes = ((start + time) / 60.0).round() as i64;
            format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
        }
        None => format!("{} min", (time / 60.0).round()),
    }
}

fn value_label(value: f64, top: f64) -> String {
    let digits = match top {
        t if t >= 10.0 => 0,
        t if t >= 2.0 => 1,
        t if t >= 0.2 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_cut_to_the_span_and_broken_at_gaps() {
        let curve = Curve::new(vec![(0.0, 1.0), (10.0, 2.0), (20.0, f64::NAN), (30.0, 3.0)]);
        let drawn = steps(&curve, (5.0, 40.0));
        assert_eq!(drawn.len(), 2);
        assert_eq!(drawn[0], [(5.0, 1.0), (10.0, 1.0), (10.0, 2.0), (20.0, 2.0)]);
        assert_eq!(drawn[1], [(30.0, 3.0), (40.0, 3.0)]);
    }

    #[test]
    fn axes_end_on_round_numbers_above_the_data() {
        assert_eq!(
            [83.2, 8.0, 117.0, 0.0].map(nice_ceiling),
            [100.0, 10.0, 150.0, 1.0]
        );
    }
}
