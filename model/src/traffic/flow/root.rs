//! Where a falling function crosses zero.

/// The root of `f` between `low`, where it is above zero, and `high`, where it is not, to within `tolerance`;
/// what comes back is on the low side. It interpolates, truncates and projects, which takes a third of the
/// looks that halving takes for a smooth function and never more than one beyond it for any
/// (Oliveira and Takahashi, ACM Transactions on Mathematical Software 47, 2020: the ITP method).
pub(super) fn falling(mut low: f64, mut high: f64, tolerance: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    if high - low <= tolerance {
        return low;
    }
    let (mut at_low, mut at_high) = (f(low), f(high));
    if at_high > 0.0 {
        return high;
    }
    if at_low <= 0.0 {
        return low;
    }
    let truncation = 0.2 / (high - low);
    // The width that halving would have reached by now, and one step more.
    let mut allowed = 2.0 * (high - low);
    while high - low > tolerance {
        allowed /= 2.0;
        let width = high - low;
        let middle = (low + high) / 2.0;
        let crossing = (high * at_low - low * at_high) / (at_low - at_high);
        let toward = middle - crossing;
        let cut = truncation * width * width;
        let cut = if cut <= toward.abs() {
            crossing + cut.copysign(toward)
        } else {
            middle
        };
        let radius = allowed - width / 2.0;
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
        if value > 0.0 {
            (low, at_low) = (guess, value);
        } else {
            (high, at_high) = (guess, value);
        }
    }
    low
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
