//! Charts: dots, paths, intervals, bars and heatmaps over two rulers. What figures over time are to runs, charts are
//! to many runs.

mod axes;
mod draw;
mod marks;
mod ruler;

pub(crate) use draw::draw_chart;

/// One direction of a panel.
#[derive(Debug, Clone, PartialEq)]
pub enum Ruler {
    /// Numbers, as far as marks reach.
    Numbers {
        /// What they are, with the unit.
        label: String,
        /// Whether equal distances are equal ratios.
        logarithmic: bool,
        /// Whether zero is shown in any case.
        from_zero: bool,
    },
    /// Names, one after the other. Their coordinates are 0, 1, 2, …
    Names {
        /// What they are.
        label: String,
        /// In order.
        names: Vec<String>,
    },
}

/// Something drawn in a panel, at coordinates of its rulers.
#[derive(Debug, Clone, PartialEq)]
pub enum Ink {
    /// Dots.
    Dots {
        /// For the legend; empty to be left out of it.
        label: String,
        /// Where.
        at: Vec<(f64, f64)>,
        /// How they look.
        dot: Dot,
    },
    /// Points joined by straight lines.
    Path {
        /// For the legend; empty to be left out of it.
        label: String,
        /// Where.
        at: Vec<(f64, f64)>,
        /// The n-th colour of the theme.
        color: usize,
    },
    /// Intervals along y at points of x, with a dot in the middle.
    Intervals {
        /// For the legend; empty to be left out of it.
        label: String,
        /// x, and low, middle and high; the middle alone where an end is not finite.
        at: Vec<(f64, [f64; 3])>,
        /// The n-th colour of the theme.
        color: usize,
    },
    /// Bars along x at names of y, several side by side, with intervals.
    Bars {
        /// For the legend.
        label: String,
        /// Low, length and high, by name.
        values: Vec<[f64; 3]>,
        /// Which of how many beside each other.
        beside: (usize, usize),
        /// The n-th colour of the theme.
        color: usize,
    },
    /// A heatmap: one value for each pair of names, x first, NaN where there is none.
    Cells {
        /// Columns of values.
        values: Vec<Vec<f64>>,
        /// How a value is written into its cell.
        digits: usize,
        /// What is low and what is high, for the legend.
        unit: String,
        /// A cell to be framed.
        framed: Vec<(usize, usize)>,
        /// Cells of which there is a word to say in place of a value, and the word.
        said: Vec<((usize, usize), String)>,
    },
    /// A line across the panel at a value of x.
    Upright {
        /// For the legend; empty to be left out of it.
        label: String,
        /// Where.
        at: f64,
    },
    /// A line across the panel at a value of y.
    Level {
        /// For the legend; empty to be left out of it.
        label: String,
        /// Where.
        at: f64,
    },
}

/// How a dot looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dot {
    /// Small and faint: one of many.
    Faint,
    /// Of the n-th colour.
    Plain(usize),
    /// Large, of the n-th colour, with a ring around it.
    Ringed(usize),
    /// Not at all: it makes the ruler of y reach that far.
    Hidden,
}

/// One coordinate system.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartPanel {
    /// What is drawn; empty for none.
    pub title: String,
    /// From left to right.
    pub x: Ruler,
    /// From below to above; names from above to below.
    pub y: Ruler,
    /// What is drawn, back to front.
    pub inks: Vec<Ink>,
}

/// A picture of panels, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// What it is about.
    pub title: String,
    /// What one must know to read it, one line each.
    pub notes: Vec<String>,
    /// Panels side by side.
    pub columns: usize,
    /// The panels.
    pub panels: Vec<ChartPanel>,
    /// Width and height.
    pub size: (u32, u32),
}
