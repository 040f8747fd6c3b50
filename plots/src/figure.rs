//! What is to be seen.

/// A piecewise constant curve: the value from each time on, times in seconds, not falling.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Times in seconds and the values from then on. A NaN is a gap.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// A curve of these points.
    #[must_use]
    pub fn new(points: Vec<(f64, f64)>) -> Self {
        Curve { points }
    }

    /// The value at a time; `None` before the first point and in gaps.
    #[must_use]
    pub fn at(&self, time: f64) -> Option<f64> {
        let n = self.points.partition_point(|&(at, _)| at <= time);
        let value = self.points.get(n.checked_sub(1)?)?.1;
        value.is_finite().then_some(value)
    }

    /// The greatest value, or zero.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.points
            .iter()
            .map(|&(_, value)| value)
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max)
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// The n-th colour of the theme.
    Series(usize),
    /// The n-th colour, thin.
    Thin(usize),
    /// What was measured: dots in a colour that no series has.
    Measured,
}

/// One thing drawn in a panel.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// A step curve.
    Line {
        /// For the legend; empty to be left out of it.
        label: String,
        /// What is drawn.
        curve: Curve,
        /// How.
        stroke: Stroke,
    },
    /// The space between two curves.
    Band {
        /// For the legend.
        label: String,
        /// The lower edge.
        low: Curve,
        /// The upper edge.
        high: Curve,
        /// The n-th colour of the theme.
        color: usize,
    },
    /// Areas on top of one another.
    Stack {
        /// Label and height of each, from the bottom up. One without points only keeps its colour, so that figures
        /// side by side give the same label the same one.
        parts: Vec<(String, Curve)>,
    },
}

/// Where a panel sits on the figure's grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From the top, counting from zero.
    pub row: usize,
    /// `None` for the whole width, else 0 for the left and 1 for the right half.
    pub half: Option<usize>,
}

/// One coordinate system.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What is drawn, with its unit.
    pub title: String,
    /// Whether values are counts, so that the axis shows whole numbers only.
    pub whole: bool,
    /// Where.
    pub place: Place,
    /// What, back to front.
    pub layers: Vec<Layer>,
    /// The axis reaches at least to this value; 0 leaves it to the curves. For figures that stand side by side.
    pub at_least: f64,
}

/// A moment worth knowing about: a line in every panel, words in those of full width.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Seconds.
    pub at: f64,
    /// A few words.
    pub label: String,
}

/// A picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figure {
    /// What it is about.
    pub title: String,
    /// What one must know to read it, one line or several.
    pub subtitle: String,
    /// The stretch of time shown, seconds.
    pub span: (f64, f64),
    /// The time of day at second zero, in seconds, or `None` to label the axis with minutes since then.
    pub clock: Option<f64>,
    /// The panels.
    pub panels: Vec<Panel>,
    /// The marks.
    pub marks: Vec<Mark>,
    /// Width and height.
    pub size: (u32, u32),
}
