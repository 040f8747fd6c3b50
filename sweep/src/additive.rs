//! What each axis adds, told apart from what the others add: least squares on indicators of levels.
//!
//! A sample meets the levels of an axis with different settings of the others, so that plain means over a level show
//! the others too. An additive model holds them: a level's mean is that of the model with the other axes in their
//! proportions (population marginal means: S. R. Searle, F. M. Speed, G. A. Milliken, The American Statistician 34,
//! 1980). What it cannot explain, interactions among it, is spread over configurations; that spread is what its
//! intervals are made of.
//!
//! The equations are solved by sweeping (J. H. Goodnight, "A tutorial on the SWEEP operator", The American
//! Statistician 33, 1979), which leaves out columns that say nothing new.

/// A pivot that is left of one this small is rounding.
const NOTHING: f64 = 1e-9;

/// Indicators of bins, and the inverse of their products.
pub(crate) struct Additive {
    /// For each row its columns, all of value one.
    rows: Vec<Vec<usize>>,
    /// By axis and bin its column; none for the bin that others are compared with, bins without rows, and axes that
    /// are not in the model.
    columns: Vec<Vec<Option<usize>>>,
    /// By axis and bin the rows.
    counts: Vec<Vec<usize>>,
    inverse: Vec<Vec<f64>>,
    rank: usize,
}

impl Additive {
    /// The model of some axes. `rows` holds the bin of each axis for each configuration, `bins` how many there are.
    pub(crate) fn new(rows: &[&[usize]], bins: &[usize], axes: &[usize]) -> Self {
        let mut counts: Vec<Vec<usize>> = bins.iter().map(|bins| vec![0; *bins]).collect();
        for row in rows {
            for (axis, bin) in row.iter().enumerate() {
                counts[axis][*bin] += 1;
            }
        }
        let mut width = 1;
        let mut columns: Vec<Vec<Option<usize>>> = bins.iter().map(|bins| vec![None; *bins]).collect();
        for axis in axes {
            let seen = (0..bins[*axis]).filter(|bin| counts[*axis][*bin] > 0);
            for bin in seen.skip(1) {
                columns[*axis][bin] = Some(width);
                width += 1;
            }
        }
        let of_row = |row: &&[usize]| -> Vec<usize> {
            let own = row
                .iter()
                .enumerate()
                .filter_map(|(axis, bin)| columns[axis][*bin]);
            std::iter::once(0).chain(own).collect()
        };
        let rows: Vec<Vec<usize>> = rows.iter().map(of_row).collect();
        let mut products = vec![vec![0.0; width]; width];
        for row in &rows {
            for one in row {
                for other in row {
                    products[*one][*other] += 1.0;
                }
            }
        }
        let (inverse, rank) = swept(products);
        Additive {
            rows,
            columns,
            counts,
            inverse,
            rank,
        }
    }

    /// Whether no column is a mixture of others: whatever the model says, the data tell.
    pub(crate) fn is_separable(&self) -> bool {
        self.rank == self.inverse.len()
    }

    /// Numbers that the model has to itself.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// Rows beyond those.
    pub(crate) fn freedom(&self) -> usize {
        self.rows.len() - self.rank
    }

    /// The columns' coefficients for a number of each row.
    pub(crate) fn fit(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.inverse.len()];
        for (row, value) in self.rows.iter().zip(values) {
            row.iter().for_each(|column| sums[*column] += value);
        }
        self.inverse.iter().map(|row| product(row, &sums)).collect()
    }

    /// The sum of the squares that the model leaves.
    pub(crate) fn left(&self, values: &[f64]) -> f64 {
        let fitted = self.fit(values);
        let of = |(row, value): (&Vec<usize>, &f64)| {
            let guess: f64 = row.iter().map(|column| fitted[*column]).sum();
            (value - guess).powi(2)
        };
        self.rows.iter().zip(values).map(of).sum()
    }

    /// What to weigh coefficients with for the mean of a bin, the other axes in the proportions of `shares`; `None` of
    /// a bin without rows.
    pub(crate) fn mean_of(&self, axis: usize, bin: usize, shares: &[Vec<f64>]) -> Option<Vec<f64>> {
        if self.counts[axis][bin] == 0 {
            return None;
        }
        let mut weights = vec![0.0; self.inverse.len()];
        weights[0] = 1.0;
        if let Some(column) = self.columns[axis][bin] {
            weights[column] = 1.0;
        }
        for other in (0..self.columns.len()).filter(|other| *other != axis) {
            let seen = |bin: &usize| self.counts[other][*bin] > 0;
            let all: f64 = (0..shares[other].len())
                .filter(seen)
                .map(|bin| shares[other][bin])
                .sum();
            for (bin, column) in self.columns[other].iter().enumerate() {
                if let Some(column) = column {
                    weights[*column] = shares[other][bin] / all;
                }
            }
        }
        Some(weights)
    }

    /// The variance of weighed coefficients, in units of that of a row.
    pub(crate) fn variance(&self, weights: &[f64]) -> f64 {
        let by_row = self.inverse.iter().map(|row| product(row, weights));
        by_row.zip(weights).map(|(own, weight)| own * weight).sum()
    }
}

/// The sum of products, pair by pair.
pub(crate) fn product(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// The inverse of a matrix of products, with zeros where a row says nothing new; and how many do.
fn swept(mut matrix: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, usize) {
    let width = matrix.len();
    let sizes: Vec<f64> = (0..width).map(|at| matrix[at][at]).collect();
    let mut kept = vec![false; width];
    for at in 0..width {
        let pivot = matrix[at][at];
        if pivot <= NOTHING * sizes[at] {
            continue;
        }
        kept[at] = true;
        let own = matrix[at].clone();
        for row in (0..width).filter(|row| *row != at) {
            let factor = matrix[row][at] / pivot;
            for column in (0..width).filter(|column| *column != at) {
                matrix[row][column] -= factor * own[column];
            }
            matrix[row][at] = -factor;
        }
        for column in 0..width {
            matrix[at][column] = own[column] / pivot;
        }
        matrix[at][at] = 1.0 / pivot;
    }
    for row in 0..width {
        for column in 0..width {
            if !(kept[row] && kept[column]) {
                matrix[row][column] = 0.0;
            }
        }
    }
    let rank = kept.iter().filter(|kept| **kept).count();
    (matrix, rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three bins and two, lopsided: the second axis is mostly 1 where the first is 2.
    const ROWS: [[usize; 2]; 8] = [[0, 0], [0, 0], [0, 1], [1, 0], [1, 1], [2, 1], [2, 1], [2, 0]];

    fn shares() -> Vec<Vec<f64>> {
        vec![vec![1.0 / 3.0; 3], vec![0.5; 2]]
    }

    #[test]
    fn parts_that_add_up_are_told_apart_however_lopsided_the_rows() {
        let rows: Vec<&[usize]> = ROWS.iter().map(<[usize; 2]>::as_slice).collect();
        let model = Additive::new(&rows, &[3, 2], &[0, 1]);
        assert!(model.is_separable());
        assert_eq!((model.rank(), model.freedom()), (4, 4));
        let value = |row: &[usize; 2]| 5.0 + [0.0, 10.0, 20.0][row[0]] + [0.0, -4.0][row[1]];
        let values: Vec<f64> = ROWS.iter().map(value).collect();
        assert!(model.left(&values) < 1e-18);
        let fitted = model.fit(&values);
        let mean = |axis: usize, bin: usize| {
            let weights = model.mean_of(axis, bin, &shares()).expect("is met");
            product(&weights, &fitted)
        };
        for (axis, bin, expected) in [
            (0, 0, 3.0),
            (0, 1, 13.0),
            (0, 2, 23.0),
            (1, 0, 15.0),
            (1, 1, 11.0),
        ] {
            let got = mean(axis, bin);
            assert!(
                (got - expected).abs() < 1e-9,
                "{axis} {bin}: {got} is not {expected}"
            );
        }
    }

    #[test]
    fn a_mean_of_rows_has_their_variance_by_their_number() {
        let rows: Vec<&[usize]> = ROWS.iter().map(<[usize; 2]>::as_slice).collect();
        let model = Additive::new(&rows, &[3, 2], &[0]);
        let variance = |bin| model.variance(&model.mean_of(0, bin, &shares()).expect("is met"));
        for (bin, rows) in [(0, 3.0), (1, 2.0), (2, 3.0)] {
            assert!((variance(bin) - 1.0 / rows).abs() < 1e-12, "{bin}");
        }
    }

    #[test]
    fn axes_that_go_together_are_not_separable() {
        let rows: [&[usize]; 4] = [&[0, 0], &[0, 0], &[1, 1], &[1, 1]];
        let model = Additive::new(&rows, &[2, 3], &[0, 1]);
        assert!(!model.is_separable());
        assert_eq!((model.rank(), model.freedom()), (2, 2));
        assert!((model.left(&[1.0, 3.0, 5.0, 9.0]) - 10.0).abs() < 1e-9);
        assert_eq!(model.mean_of(1, 2, &shares()), None);
    }
}
