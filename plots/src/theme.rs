//! Colours, dark and light.

/// An RGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

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
    /// Curves, in the order in which they are taken. They differ in lightness too, so that they can be
    /// told apart without colour vision and in grey print.
    pub series: [Color; 8],
}

impl Theme {
    /// Light on dark, as the dashboards people know.
    pub const DARK: Theme = Theme {
        background: Color(0x11, 0x12, 0x17),
        panel: Color(0x18, 0x1b, 0x1f),
        grid: Color(0x2a, 0x2f, 0x36),
        text: Color(0xe8, 0xe8, 0xef),
        faint: Color(0x9f, 0xa7, 0xb3),
        measured: Color(0xff, 0xff, 0xff),
        mark: Color(0x8a, 0x93, 0xa0),
        series: [
            Color(0x5b, 0x9c, 0xf5),
            Color(0xf2, 0xa9, 0x3b),
            Color(0x63, 0xc1, 0x6b),
            Color(0xe0, 0x6c, 0x75),
            Color(0xb3, 0x8a, 0xe8),
            Color(0x4f, 0xc4, 0xcf),
            Color(0xd9, 0xd0, 0x5a),
            Color(0xe7, 0x8f, 0xc0),
        ],
    };

    /// Dark on light, for paper.
    pub const LIGHT: Theme = Theme {
        background: Color(0xff, 0xff, 0xff),
        panel: Color(0xfa, 0xfa, 0xfb),
        grid: Color(0xe3, 0xe5, 0xe9),
        text: Color(0x1b, 0x1f, 0x24),
        faint: Color(0x5a, 0x63, 0x6e),
        measured: Color(0x10, 0x10, 0x10),
        mark: Color(0x7a, 0x83, 0x8f),
        series: [
            Color(0x1f, 0x6f, 0xd6),
            Color(0xd9, 0x82, 0x0b),
            Color(0x2e, 0x93, 0x3c),
            Color(0xc2, 0x39, 0x47),
            Color(0x7f, 0x52, 0xc4),
            Color(0x0f, 0x8c, 0x9b),
            Color(0x9a, 0x8f, 0x0c),
            Color(0xbf, 0x4f, 0x8e),
        ],
    };

    /// The colour of the n-th series, round and round.
    #[must_use]
    pub fn nth(&self, n: usize) -> Color {
        self.series[n % self.series.len()]
    }
}
