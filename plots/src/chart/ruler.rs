//! From coordinates to shares of a panel's width or height, and what is written beside them.

use super::Ruler;
use crate::scale::value_label;

/// A ruler laid along a side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Laid {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Coordinates with a line and a label.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Laid {
    /// A ruler that reaches over all values.
    pub(super) fn new(ruler: &Ruler, values: &[f64], wanted: usize) -> Self {
        match ruler {
            Ruler::Names { names, .. } => Laid {
                low: -0.5,
                high: names.len().max(1) as f64 - 0.5,
                logarithmic: false,
                ticks: names
                    .iter()
                    .enumerate()
                    .map(|(n, name)| (n as f64, name.clone()))
                    .collect(),
            },
            Ruler::Numbers {
                logarithmic,
                from_zero,
                ..
            } => {
                let usable = |value: &&f64| value.is_finite() && (!logarithmic || **value > 0.0);
                let mut values: Vec<f64> = values.iter().filter(usable).copied().collect();
                if *from_zero && !logarithmic {
                    values.push(0.0);
                }
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
                if *logarithmic {
                    logarithms(low.max(1e-12), high.max(1e-12))
                } else {
                    numbers(low, high, wanted)
                }
            }
        }
    }

    /// Where a coordinate is, from 0 at the ruler's beginning to 1 at its end.
    pub(super) fn share(&self, value: f64) -> f64 {
        if self.logarithmic {
            let (low, high) = (self.low.ln(), self.high.ln());
            return (value.max(self.low).ln() - low) / (high - low);
        }
        (value - self.low) / (self.high - self.low)
    }
}

/// Round numbers, with some air at both ends.
fn numbers(low: f64, high: f64, wanted: usize) -> Laid {
    // Sums of the same numbers in another order differ in their last digits.
    let is_wide = high - low > 1e-9 * high.abs().max(low.abs());
    let width = if is_wide {
        high - low
    } else {
        low.abs().max(1.0) * 0.2
    };
    let air = width * 0.06;
    let start = if low >= 0.0 && low - air < 0.0 {
        low.min(0.0)
    } else {
        low - air
    };
    let end = high + air;
    let rough = (end - start) / wanted.max(2) as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * magnitude);
    let first = (start / step).ceil() as i64;
    let ticks = (first..)
        .map(|n| n as f64 * step)
        .take_while(|value| *value <= end)
        .take(40)
        .map(|value| (value, thousands(&value_label(value + 0.0, step))))
        .collect();
    Laid {
        low: start,
        high: end,
        logarithmic: false,
        ticks,
    }
}

/// One, two and five of each power of ten; over many powers only the powers.
fn logarithms(low: f64, high: f64) -> Laid {
    let (start, end) = (low / 1.15, high * 1.15);
    let (first, last) = (start.log10().floor() as i32, end.log10().ceil() as i32);
    let factors: &[f64] = if last - first > 4 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    let ticks = (first..=last)
        .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
        .filter(|value| *value >= start && *value <= end)
        .map(|value| (value, plain(value)))
        .collect();
    Laid {
        low: start,
        high: end,
        logarithmic: true,
        ticks,
    }
}

/// A number with so many decimals.
pub(super) fn digits_of(value: f64, digits: usize) -> String {
    thousands(&format!("{value:.digits$}"))
}

/// 1250000 as 1,250,000, and all shorter numbers as they are.
fn thousands(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

fn plain(value: f64) -> String {
    let digits = (-value.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(values: &[f64], logarithmic: bool, from_zero: bool) -> Laid {
        let ruler = Ruler::Numbers {
            label: String::new(),
            logarithmic,
            from_zero,
        };
        Laid::new(&ruler, values, 5)
    }

    fn labels(laid: &Laid) -> Vec<&str> {
        laid.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn numbers_are_round_and_all_values_are_inside() {
        let ruler = laid(&[0.31, 0.47, f64::NAN], false, false);
        assert_eq!(labels(&ruler), ["0.35", "0.40", "0.45"]);
        assert!(ruler.share(0.31) > 0.0 && ruler.share(0.47) < 1.0);
        let ruler = laid(&[3.0], false, true);
        assert_eq!(ruler.share(0.0), 0.0);
        let ruler = laid(&[-1.0, 1.0], false, false);
        assert!(labels(&ruler).contains(&"0.0"), "{ruler:?}");
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (text, expected) in [
            ("1250000", "1,250,000"),
            ("-1250.5", "-1,250.5"),
            ("999", "999"),
            ("-100", "-100"),
            ("0.25", "0.25"),
        ] {
            assert_eq!(thousands(text), expected);
        }
    }

    #[test]
    fn one_value_or_none_is_no_trouble() {
        for values in [&[][..], &[0.0], &[5.0], &[f64::NAN]] {
            for logarithmic in [false, true] {
                let ruler = laid(values, logarithmic, false);
                assert!(
                    ruler.share(5.0).is_finite() && !ruler.ticks.is_empty(),
                    "{values:?} {ruler:?}"
                );
            }
        }
    }

    #[test]
    fn equal_ratios_are_equal_distances() {
        let ruler = laid(&[1.0, 100.0], true, false);
        assert_eq!(labels(&ruler), ["1", "2", "5", "10", "20", "50", "100"]);
        let step = ruler.share(10.0) - ruler.share(1.0);
        assert!((ruler.share(100.0) - ruler.share(10.0) - step).abs() < 1e-12);
    }

    #[test]
    fn names_stand_in_the_middle_of_their_part() {
        let ruler = Ruler::Names {
            label: String::new(),
            names: vec!["a".into(), "b".into()],
        };
        let laid = Laid::new(&ruler, &[], 5);
        assert_eq!((laid.share(0.0), laid.share(1.0)), (0.25, 0.75));
    }
}
