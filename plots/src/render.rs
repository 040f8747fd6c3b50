//! Figures as files.

use std::sync::Once;

use plotters::drawing::IntoDrawingArea;
use plotters::prelude::{BitMapBackend, SVGBackend};
use plotters::style::{FontStyle, register_font};

use crate::draw::draw;
use crate::figure::Figure;
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

/// The figure as SVG text.
///
/// # Errors
///
/// When the drawing library fails, which only a figure of no size does.
pub fn svg(figure: &Figure, theme: &Theme) -> Result<String, Error> {
    register_fonts();
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, figure.size).into_drawing_area();
        draw(&area, figure, theme, 1.0).map_err(|error| Error::Draw(error.to_string()))?;
    }
    Ok(text)
}

/// The figure as a PNG file of twice its size in pixels.
///
/// # Errors
///
/// When the drawing library or the encoder fails.
pub fn png(figure: &Figure, theme: &Theme) -> Result<Vec<u8>, Error> {
    register_fonts();
    let (width, height) = (figure.size.0 * PNG_SCALE, figure.size.1 * PNG_SCALE);
    let mut pixels = vec![0; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw(&area, figure, theme, f64::from(PNG_SCALE)).map_err(|error| Error::Draw(error.to_string()))?;
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

/// The fonts (Noto Sans, under the SIL Open Font License) are part of the program, so that a figure looks the
/// same on every machine. An SVG names "sans-serif" and takes the reader's own.
fn register_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (style, font) in [
            (FontStyle::Normal, notosans::REGULAR_TTF),
            (FontStyle::Bold, notosans::BOLD_TTF),
        ] {
            assert!(
                register_font("sans-serif", style, font).is_ok(),
                "the embedded font is a font"
            );
        }
    });
}
