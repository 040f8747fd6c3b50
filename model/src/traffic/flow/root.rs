//! Where a falling function crosses zero.

/// The root of `f` between `low`, where it is above zero, and `high`, where it is not, to within `tolerance`;
/// what comes back is on the low side.
pub(super) fn falling(low: f64, high: f64, tolerance: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    let mut search = Search::begin(low, high, tolerance, &mut f);
    while search.is_open() {
        search.step(&mut f);
    }
    search.low
}

/// A search for a root. It interpolates, truncates and projects, which takes a third of the looks that halving takes
/// for a smooth function and never more than one beyond it for any
/// (Oliveira and Takahashi, ACM Transactions on Mathematical Software 47, 2020: the ITP method).
///
/// A step waits for divisions, each for the last; several searches that take turns wait for theirs together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Search {
    low: f64,
    high: f64,
    at_low: f64,
    at_high: f64,
    truncation: f64,
    /// The width that halving would have reached by now, and one step more.
    allowed: f64,
    tolerance: f64,
}

impl Search {
    /// A search as `falling` makes it.
    pub(super) fn begin(low: f64, high: f64, tolerance: f64, mut f: impl FnMut(f64) -> f64) -> Self {
        let known = |root: f64| Search {
            low: root,
            high: root,
            ..Search::default()
        };
        if high - low <= tolerance {
            return known(low);
        }
        let (at_low, at_high) = (f(low), f(high));
        if at_high > 0.0 {
            return known(high);
        }
        if at_low <= 0.0 {
            return known(low);
        }
        Search {
            low,
            high,
            at_low,
            at_high,
            truncation: 0.2 / (high - low),
            allowed: 2.0 * (high - low),
            tolerance,
        }
    }

    /// What it has found: the root, once it is over.
    pub(super) fn low(&self) -> f64 {
        self.low
    }

    /// Whether the root is not known well enough yet.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.high - self.low > self.tolerance
    }

    /// One look.
    #[inline]
    pub(super) fn step(&mut self, mut f: impl FnMut(f64) -> f64) {
        let Search {
            low,
            high,
            at_low,
            at_high,
            ..
        } = *self;
        self.allowed /= 2.0;
        let width = high - low;
        let middle = (low + high) / 2.0;
        let crossing = (high * at_low - low * at_high) / (at_low - at_high);
        let toward = middle - crossing;
        let cut = self.truncation * width * width;
        let cut = if cut <= toward.abs() {
            crossing + cut.copysign(toward)
        } else {
            middle
        };
        let radius = self.allowed - width / 2.0;
        let guess = if (cut - middle).abs() <= radius {
            cut
        } else {
            middle - radius.copysign(toward)
        };
        let guess = if guess > low && guess < high {
            guess
        } else {
            middle
        };
        let value = f(guess);
        let is_low = value > 0.0;
        self.low = if is_low { guess } else { low };
        self.at_low = if is_low { value } else { at_low };
        self.high = if is_low { high } else { guess };
        self.at_high = if is_low { at_high } else { value };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_found_in_few_looks() {
        type Case = (fn(f64) -> f64, f64);
        let functions: [Case; 4] = [
            (|x| 0.7 - x, 0.7),
            (|x| 2.0 - x * x * x, 1.259_921_049_894_873),
            (
                |x| if x < 1.5 { 1.0 / (1.5 - x) - 1e5 * x } else { -1e9 },
                6.666_696_3e-6,
            ),
            (|x| if x < 0.123 { 1.0 } else { -1.0 }, 0.123),
        ];
        for (f, root) in functions {
            let mut looks = 0;
            let found = falling(0.0, 2.0, 1e-7, |x| {
                looks += 1;
                f(x)
            });
            assert!(found <= root && root - found <= 1e-7, "{found} is not {root}");
            assert!(looks <= 29, "{looks} looks");
        }
        assert_eq!(falling(0.0, 2.0, 1e-7, |_| 1.0), 2.0);
        assert_eq!(falling(0.0, 2.0, 1e-7, |_| -1.0), 0.0);
    }
}
