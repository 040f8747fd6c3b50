//! Figures as files.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::prelude::{DrawingBackend, SVGBackend};

use crate::chart::{Chart, draw_chart};
use crate::draw::{Outcome, draw};
use crate::figure::Figure;
use crate::pixels::Pixels;
use crate::theme::Theme;

/// The picture in the README is shown at half its pixels: crisp on today's screens.
const PNG_SCALE: u32 = 2;

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The drawing library failed.
    #[error("could not draw the figure: {0}")]
    Draw(String),
    /// The PNG encoder failed.
    #[error("could not encode the picture: {0}")]
    Encode(#[from] png::EncodingError),
}

/// What can be drawn.
pub trait Picture {
    /// Width and height.
    fn size(&self) -> (u32, u32);

    #[doc(hidden)]
    fn draw_on<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        scale: f64,
    ) -> Outcome<DB>;
}

impl Picture for Figure {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn draw_on<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        scale: f64,
    ) -> Outcome<DB> {
        draw(area, self, theme, scale)
    }
}

impl Picture for Chart {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn draw_on<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        scale: f64,
    ) -> Outcome<DB> {
        draw_chart(area, self, theme, scale)
    }
}

/// Two figures side by side.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// On the left.
    pub left: &'a Figure,
    /// On the right.
    pub right: &'a Figure,
}

impl Picture for Beside<'_> {
    fn size(&self) -> (u32, u32) {
        let (left, right) = (self.left.size, self.right.size);
        (left.0 + right.0, left.1.max(right.1))
    }

    fn draw_on<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        scale: f64,
    ) -> Outcome<DB> {
        let px = |length: u32| (f64::from(length) * scale).round() as i32;
        let (left, right) = (self.left.size, self.right.size);
        let cell = |x: u32, size: (u32, u32)| area.clone().shrink((px(x), 0), (px(size.0), px(size.1)));
        draw(&cell(0, left), self.left, theme, scale)?;
        draw(&cell(left.0, right), self.right, theme, scale)
    }
}

/// The picture as SVG text.
///
/// # Errors
///
/// When the drawing library fails, which only a picture of no size does.
pub fn svg(picture: &impl Picture, theme: &Theme) -> Result<String, Error> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, picture.size()).into_drawing_area();
        picture
            .draw_on(&area, theme, 1.0)
            .map_err(|error| Error::Draw(error.to_string()))?;
    }
    Ok(text)
}

/// The picture as a PNG file of twice its size in pixels.
///
/// # Errors
///
/// When the drawing library or the encoder fails.
pub fn png(picture: &impl Picture, theme: &Theme) -> Result<Vec<u8>, Error> {
    let size = picture.size();
    let (width, height) = (size.0 * PNG_SCALE, size.1 * PNG_SCALE);
    let mut pixels = vec![0; width as usize * height as usize * 3];
    {
        let area = Pixels::new(&mut pixels, (width, height)).into_drawing_area();
        picture
            .draw_on(&area, theme, f64::from(PNG_SCALE))
            .map_err(|error| Error::Draw(error.to_string()))?;
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    // To try every filter for each row would make the file a twentieth smaller and take a third longer.
    encoder.set_filter(png::Filter::Paeth);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Curve, Layer, Mark, Panel, Place, Stroke};

    fn sample(labels: usize) -> Figure {
        let curve = || Curve::new(vec![(0.0, 1.0), (600.0, 3.0), (1200.0, f64::NAN), (1500.0, 2.0)]);
        let line = |n: usize| {
            let stroke = if n == 0 {
                Stroke::Measured
            } else {
                Stroke::Series(n)
            };
            Layer::Line {
                label: format!("a rather long label {n}"),
                curve: curve(),
                stroke,
            }
        };
        let stack = Layer::Stack {
            parts: vec![("m5.large".into(), curve()), ("c5 & <co>".into(), curve())],
        };
        let band = Layer::Band {
            label: "5–95 %".into(),
            low: curve(),
            high: curve(),
            color: 1,
        };
        let panel = |title: &str, half: Option<usize>, layers| Panel {
            title: title.into(),
            whole: true,
            place: Place {
                row: usize::from(half.is_some()),
                half,
            },
            layers,
            at_least: 0.0,
        };
        let mark = |at, label: &str| Mark {
            at,
            label: label.into(),
        };
        Figure {
            title: "php-apache".into(),
            subtitle: "simulated".into(),
            span: (0.0, 1800.0),
            clock: Some(49_200.0),
            panels: vec![
                panel("Nodes", None, vec![stack]),
                panel("Rate", Some(0), (0..labels).map(line).collect()),
                panel("Pods", Some(1), vec![band]),
            ],
            marks: vec![
                mark(300.0, "NodePool applied"),
                mark(310.0, "scale"),
                mark(1790.0, "at the very end"),
            ],
            size: (600, 500),
        }
    }

    /// The places of texts in an SVG: x, y and the text.
    fn texts(svg: &str) -> Vec<(i32, i32, String)> {
        let number = |tag: &str, name: &str| -> i32 {
            let from = tag.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
            tag[from..].split('"').next().unwrap().parse().unwrap()
        };
        let text = |part: &str| {
            let (tag, rest) = part.split_once('>')?;
            let words = rest.split('<').next()?.trim().to_owned();
            Some((number(tag, "x"), number(tag, "y"), words))
        };
        svg.split("<text").skip(1).filter_map(text).collect()
    }

    #[test]
    fn an_svg_holds_all_words_once() {
        let svg = svg(&sample(2), &Theme::LIGHT).unwrap();
        let texts = texts(&svg);
        let times = |words: &str| texts.iter().filter(|(_, _, text)| text == words).count();
        for words in [
            "php-apache",
            "simulated",
            "Nodes",
            "Rate",
            "Pods",
            "m5.large",
            "5–95 %",
            "NodePool applied",
        ] {
            assert_eq!(times(words), 1, "{words} in {texts:?}");
        }
        assert_eq!(times("13:50"), 3, "each panel has its own time axis");
        assert_eq!(
            times("c5 &amp; &lt;co&gt;"),
            1,
            "what is special in XML is escaped"
        );
    }

    #[test]
    fn words_of_marks_do_not_run_into_one_another() {
        let svg = svg(&sample(2), &Theme::LIGHT).unwrap();
        let texts = texts(&svg);
        let at = |words: &str| {
            let (x, y, _) = texts.iter().find(|(_, _, text)| text == words).unwrap();
            (*x, *y)
        };
        assert_ne!(
            at("NodePool applied").1,
            at("scale").1,
            "ten seconds apart: on two rows"
        );
        assert!(at("at the very end").0 < 520, "moved left until it fits");
    }

    #[test]
    fn a_legend_that_is_too_wide_takes_another_row() {
        let rows = |labels: usize| {
            let svg = svg(&sample(labels), &Theme::DARK).unwrap();
            let texts = texts(&svg);
            let rows = texts
                .iter()
                .filter(|(_, _, text)| text.starts_with("a rather"))
                .map(|(_, y, _)| *y);
            rows.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!([rows(1), rows(4)], [1, 4]);
    }

    #[test]
    fn pictures_are_the_same_every_time_and_twice_as_large() {
        let picture = png(&sample(2), &Theme::DARK).unwrap();
        assert_eq!(picture, png(&sample(2), &Theme::DARK).unwrap());
        let mut reader = png::Decoder::new(std::io::Cursor::new(&picture))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!((reader.info().width, reader.info().height), (1200, 1000));
        let count = |color: [u8; 3]| pixels.chunks(3).filter(|pixel| **pixel == color).count();
        let Theme {
            background, measured, ..
        } = Theme::DARK;
        assert!(count([background.0, background.1, background.2]) > 10_000);
        assert!(
            count([measured.0, measured.1, measured.2]) > 100,
            "measured dots are there"
        );
    }
}
