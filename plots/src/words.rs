//! Text, set glyph by glyph: with kerning, side bearings and fractions of pixels, which plotters' own text
//! leaves out. The fonts (Noto Sans, under the SIL Open Font License) are part of the program, so that a
//! figure looks the same on every machine; an SVG names them and takes the reader's own sans-serif.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Drawable, PointCollection};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontFamily, FontStyle,
};

use crate::draw::Outcome;
use crate::theme::Color;

static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| font(notosans::REGULAR_TTF));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| font(notosans::BOLD_TTF));

fn font(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font is a font")
}

const FAMILY: &str = "Noto Sans, Open Sans, Segoe UI, Helvetica, Arial, sans-serif";
/// From the top of a line of text to its baseline, in parts of the font's size; SVG's plotters has the same.
const BASELINE: f32 = 0.76;
/// What plotters divides a size by before it writes it into an SVG.
const SVG_SIZE: f64 = 1.24;

/// Where text stands relative to its point, whose height is the top of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    /// Pixels to the em.
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) color: Color,
    pub(crate) align: Align,
}

impl Type {
    fn font(&self) -> &'static FontRef<'static> {
        if self.bold { &BOLD } else { &REGULAR }
    }

    fn scale(&self) -> PxScale {
        // ab_glyph's scale is the height of ascent and descent together.
        let font = self.font();
        let per_em = font.units_per_em().unwrap_or(1000.0);
        PxScale::from(self.size as f32 * font.height_unscaled() / per_em)
    }

    /// Each glyph's offset from the start, and the width of all.
    fn layout(&self, text: &str) -> (Vec<(char, f32)>, f32) {
        let font = self.font().as_scaled(self.scale());
        let (mut x, mut last) = (0.0, None);
        let mut places = Vec::new();
        for letter in text.chars() {
            let glyph = font.glyph_id(letter);
            x += last.map_or(0.0, |last| font.kern(last, glyph));
            places.push((letter, x));
            x += font.h_advance(glyph);
            last = Some(glyph);
        }
        (places, x)
    }

    /// The width of a text in pixels.
    pub(crate) fn width(&self, text: &str) -> i32 {
        self.layout(text).1.ceil() as i32
    }

    /// The text, or its beginning and end where all of it is wider than so many pixels.
    pub(crate) fn shortened(&self, text: &str, room: i32) -> String {
        let letters: Vec<char> = text.chars().collect();
        let cut = |kept: usize| -> String {
            let (head, tail) = (kept.div_ceil(2), kept / 2);
            letters[..head]
                .iter()
                .chain(&['…'])
                .chain(&letters[letters.len() - tail..])
                .collect()
        };
        if self.width(text) <= room {
            return text.to_owned();
        }
        (2..letters.len())
            .rev()
            .map(cut)
            .find(|short| self.width(short) <= room)
            .unwrap_or_else(|| text.to_owned())
    }

    /// Writes a text, shortened to so many pixels.
    pub(crate) fn write_within<DB: DrawingBackend>(
        self,
        area: &DrawingArea<DB, Shift>,
        text: &str,
        at: BackendCoord,
        room: i32,
    ) -> Outcome<DB> {
        self.write(area, &self.shortened(text, room), at)
    }

    /// Writes a text.
    pub(crate) fn write<DB: DrawingBackend>(
        self,
        area: &DrawingArea<DB, Shift>,
        text: &str,
        at: BackendCoord,
    ) -> Outcome<DB> {
        area.draw(&Words {
            text,
            at,
            style: self,
        })
    }
}

struct Words<'a> {
    text: &'a str,
    at: BackendCoord,
    style: Type,
}

impl<'a> PointCollection<'a, BackendCoord> for &'a Words<'_> {
    type Point = &'a BackendCoord;
    type IntoIter = std::iter::Once<&'a BackendCoord>;

    fn point_iter(self) -> Self::IntoIter {
        std::iter::once(&self.at)
    }
}

impl<DB: DrawingBackend> Drawable<DB> for Words<'_> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        mut at: I,
        backend: &mut DB,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<DB::ErrorType>> {
        at.next()
            .map_or(Ok(()), |at| backend.draw_text(self.text, &self.style, at))
    }
}

impl BackendTextStyle for Type {
    type FontError = std::convert::Infallible;

    fn color(&self) -> BackendColor {
        BackendColor {
            alpha: 1.0,
            rgb: (self.color.0, self.color.1, self.color.2),
        }
    }

    fn size(&self) -> f64 {
        self.size * SVG_SIZE
    }

    fn style(&self) -> FontStyle {
        if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        }
    }

    fn anchor(&self) -> Pos {
        let h_pos = match self.align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        Pos {
            h_pos,
            v_pos: VPos::Top,
        }
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FAMILY)
    }

    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Self::FontError> {
        Ok(((0, 0), (self.width(text), self.size.round() as i32)))
    }

    fn draw<E, DrawFunc: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (x0, y0): BackendCoord,
        mut draw: DrawFunc,
    ) -> Result<Result<(), E>, Self::FontError> {
        let (font, scale) = (self.font(), self.scale());
        let baseline = (self.size as f32 * BASELINE).round();
        for (letter, x) in self.layout(text).0 {
            let place = ab_glyph::point(x0 as f32 + x, y0 as f32 + baseline);
            let glyph = font.glyph_id(letter).with_scale_and_position(scale, place);
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            let mut outcome = Ok(());
            outline.draw(|x, y, coverage| {
                if outcome.is_ok() && coverage > 0.0 {
                    let color = BackendColor {
                        alpha: f64::from(coverage.min(1.0)),
                        ..self.color()
                    };
                    outcome = draw(corner.x as i32 + x as i32, corner.y as i32 + y as i32, color);
                }
            });
            if outcome.is_err() {
                return Ok(outcome);
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_grow_with_text_size_and_weight() {
        let style = |size, bold| Type {
            size,
            bold,
            color: Color(0, 0, 0),
            align: Align::Left,
        };
        let width = |text: &str| style(20.0, false).width(text);
        assert_eq!(width(""), 0);
        assert!(width("a b") > width("ab"));
        assert!(style(40.0, false).width("nodes") > 19 * width("nodes") / 10);
        assert!(style(20.0, true).width("nodes") > width("nodes"));
    }

    #[test]
    fn every_letter_that_figures_use_has_a_glyph() {
        for letter in "0123456789 azAZ.,:/()–·×≤%–".chars() {
            assert_ne!(REGULAR.glyph_id(letter).0, 0, "{letter:?}");
            assert_ne!(BOLD.glyph_id(letter).0, 0, "{letter:?}");
        }
    }
}
