//! Colours, dark and light.

/// An RGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// This colour laid over another, `share` of it.
    pub(crate) fn over(self, below: Color, share: f64) -> Color {
        let mix = |a: u8, b: u8| (f64::from(a) * share + f64::from(b) * (1.0 - share)).round() as u8;
        Color(mix(self.0, below.0), mix(self.1, below.1), mix(self.2, below.2))
    }
}

/// The colours of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Behind everything.
    pub background: Color,
    /// Behind a panel.
    pub panel: Color,
    /// Grid lines.
    pub grid: Color,
    /// Titles.
    pub text: Color,
    /// Axis labels and legends.
    pub faint: Color,
    /// What was measured, drawn over what was simulated.
    pub measured: Color,
    /// Marks of actions.
    pub mark: Color,
    /// Curves, in the order in which they are taken: after Okabe and Ito, so that they can be told apart
    /// with any colour vision; they differ in lightness too.
    pub series: [Color; 8],
}

impl Theme {
    /// Light on dark, as the dashboards people know.
    pub const DARK: Theme = Theme {
        background: Color(0x10, 0x12, 0x16),
        panel: Color(0x18, 0x1b, 0x20),
        grid: Color(0x2c, 0x31, 0x38),
        text: Color(0xee, 0xf0, 0xf4),
        faint: Color(0xb4, 0xbb, 0xc6),
        measured: Color(0xff, 0xff, 0xff),
        mark: Color(0x8f, 0x98, 0xa6),
        series: [
            Color(0x4a, 0xa8, 0xf0),
            Color(0xf0, 0xa8, 0x30),
            Color(0x2f, 0xc4, 0x8d),
            Color(0xf0, 0x6a, 0x3a),
            Color(0xd8, 0x8a, 0xc4),
            Color(0xf0, 0xe4, 0x60),
            Color(0x8c, 0x8c, 0xf5),
            Color(0x9a, 0xa3, 0xb0),
        ],
    };

    /// Dark on light, for paper.
    pub const LIGHT: Theme = Theme {
        background: Color(0xff, 0xff, 0xff),
        panel: Color(0xf8, 0xf9, 0xfb),
        grid: Color(0xe1, 0xe4, 0xe9),
        text: Color(0x16, 0x1a, 0x20),
        faint: Color(0x4b, 0x54, 0x60),
        measured: Color(0x0a, 0x0a, 0x0a),
        mark: Color(0x6b, 0x74, 0x80),
        series: [
            Color(0x1a, 0x7f, 0xd0),
            Color(0xe0, 0x8e, 0x00),
            Color(0x00, 0x97, 0x6c),
            Color(0xd5, 0x4e, 0x1a),
            Color(0xb0, 0x52, 0x94),
            Color(0x94, 0x86, 0x00),
            Color(0x5a, 0x5a, 0xd8),
            Color(0x74, 0x7d, 0x8a),
        ],
    };

    /// The colour of the n-th series, round and round.
    #[must_use]
    pub fn nth(&self, n: usize) -> Color {
        self.series[n % self.series.len()]
    }
}
