//! A bitmap as a drawing backend that knows what a straight line is.
//!
//! plotters makes a polygon of every line that is thicker than a pixel and fills it column by column, sorting its
//! edges for each. Grid lines and marks are rectangles, and were half of the time that a picture took to draw.

use plotters::prelude::{BitMapBackend, DrawingBackend};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, DrawingErrorKind};

/// Pixels in memory, three bytes each.
pub(crate) struct Pixels<'a>(BitMapBackend<'a>);

type Outcome = Result<(), DrawingErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

impl<'a> Pixels<'a> {
    pub(crate) fn new(pixels: &'a mut [u8], size: (u32, u32)) -> Self {
        Pixels(BitMapBackend::with_buffer(pixels, size))
    }
}

impl DrawingBackend for Pixels<'_> {
    type ErrorType = <BitMapBackend<'static> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Outcome {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Outcome {
        self.0.present()
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Outcome {
        self.0.draw_pixel(at, color)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Outcome {
        self.0.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        lower_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Outcome {
        self.0.draw_rect(upper_left, lower_right, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Outcome {
        let path: Vec<BackendCoord> = path.into_iter().collect();
        let (solid, width) = (style.color().alpha >= 1.0, style.stroke_width());
        let rectangles = match path[..] {
            _ if !solid || width < 2 => None,
            [from, to] => straight(from, to, width).map(|one| vec![one]),
            _ => stairs(&path, width),
        };
        let Some(rectangles) = rectangles else {
            return self.0.draw_path(path, style);
        };
        rectangles.into_iter().try_for_each(|(upper_left, lower_right)| {
            self.draw_rect(upper_left, lower_right, &style.color(), true)
        })
    }
}

/// The first column or row of a line of some width, and the first after it.
fn edges(middle: i32, width: u32) -> (i32, i32) {
    let half = f64::from(width) / 2.0;
    let edge = |offset: f64| (f64::from(middle) + offset).round() as i32;
    (edge(-half), edge(half) + 1)
}

/// The rectangles of a polyline that only goes up, down and sideways, as step curves do, each with its corners; `None`
/// for any other. In plotters' polygon of the whole, what two close edges both cover is left out: a spike is hollow.
fn stairs(path: &[BackendCoord], width: u32) -> Option<Vec<(BackendCoord, BackendCoord)>> {
    let last = path.len().checked_sub(1)?;
    // Corners are filled; the ends are not longer than the line.
    let reach = |at: usize, middle: i32| match at {
        0 => (middle, middle),
        at if at == last => (middle, middle),
        _ => edges(middle, width),
    };
    let range = |at: usize, from: i32, to: i32| {
        if from == to {
            return edges(from, width);
        }
        let (one, two) = (reach(at, from), reach(at + 1, to));
        (one.0.min(two.0), one.1.max(two.1))
    };
    let segment = |(at, ends): (usize, &[BackendCoord])| {
        let (from, to) = (ends[0], ends[1]);
        let (left, right) = range(at, from.0, to.0);
        let (top, bottom) = range(at, from.1, to.1);
        (from.0 == to.0 || from.1 == to.1).then_some(((left, top), (right, bottom)))
    };
    path.windows(2).enumerate().map(segment).collect()
}

/// The rectangle that plotters' polygon of an upright or level line fills: corners, of which the second is the first
/// outside. It leaves out the last column or row.
fn straight(from: BackendCoord, to: BackendCoord, width: u32) -> Option<(BackendCoord, BackendCoord)> {
    let long = |from: i32, to: i32| from.abs_diff(to) > width + 1;
    if from.1 == to.1 && long(from.0, to.0) {
        let (top, bottom) = edges(from.1, width);
        Some(((from.0.min(to.0), top), (from.0.max(to.0), bottom)))
    } else if from.0 == to.0 && long(from.1, to.1) {
        let (left, right) = edges(from.0, width);
        Some(((left, from.1.min(to.1)), (right, from.1.max(to.1))))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use plotters::style::{RGBColor, ShapeStyle};

    use super::*;

    #[test]
    fn a_spike_is_solid_up_to_its_peak() {
        let (width, height) = (60, 40);
        let mut pixels = vec![0; width * height * 3];
        let style = ShapeStyle::from(RGBColor(10, 200, 30)).stroke_width(4);
        let path = [(2, 30), (29, 30), (29, 6), (31, 6), (31, 30), (55, 30)];
        Pixels::new(&mut pixels, (width as u32, height as u32))
            .draw_path(path, &style)
            .unwrap();
        let is_drawn = |x: usize, y: usize| pixels[(y * width + x) * 3] > 0;
        for y in 4..=32 {
            assert!((27..=33).all(|x| is_drawn(x, y)), "row {y}");
        }
        assert!(!is_drawn(30, 3) && !is_drawn(26, 15) && !is_drawn(34, 15));
        assert!(!is_drawn(1, 30) && is_drawn(2, 30) && is_drawn(54, 30) && !is_drawn(55, 30));
    }

    #[test]
    fn a_straight_line_is_the_one_that_plotters_draws() {
        let size = (40, 30);
        let lines = [
            ((5, 10), (35, 10)),
            ((35, 10), (5, 10)),
            ((7, 25), (7, 3)),
            ((0, 0), (39, 0)),
            ((20, 5), (20, 8)),
            ((3, 3), (30, 20)),
        ];
        for (from, to) in lines {
            for width in 1..6 {
                let style = ShapeStyle::from(RGBColor(10, 200, 30)).stroke_width(width);
                let (mut own, mut theirs) = (vec![0; 3600], vec![0; 3600]);
                Pixels::new(&mut own, size).draw_path([from, to], &style).unwrap();
                let mut plain = BitMapBackend::with_buffer(&mut theirs, size);
                plain.draw_path([from, to], &style).unwrap();
                drop(plain);
                assert!(own == theirs, "{from:?} to {to:?}, {width} wide");
                assert!(own.iter().any(|&value| value > 0));
            }
        }
    }
}
