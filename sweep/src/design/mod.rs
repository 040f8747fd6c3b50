//! Designs: which combinations of levels are run.
//!
//! All but the optimizer know their configurations before the first run, so that they can be split among
//! machines. None depends on anything but the sweep's file.

mod morris;
mod optimizer;
mod probe;
mod sample;
mod surrogate;

use model::document::Cursor;

use crate::axis::Axis;
use crate::plan::MOST_POINTS;

pub use morris::trajectories;
pub use optimizer::{Optimizer, Score};

/// A configuration: the level of each axis.
pub type Point = Vec<u32>;

/// A way to choose configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// Every combination of levels.
    Grid,
    /// Levels drawn alike, independently.
    Random {
        /// How many configurations.
        points: usize,
        /// Of the draw.
        seed: u64,
    },
    /// A Latin hypercube: each axis is cut into as many slices as there are points, and each slice is met once.
    /// (McKay, Beckman, Conover 1979)
    Latin {
        /// How many configurations.
        points: usize,
        /// Of the draw.
        seed: u64,
    },
    /// An Owen-scrambled Sobol' sequence. (Sobol' 1967, Owen 1995, Burley 2020)
    Sobol {
        /// How many configurations.
        points: usize,
        /// Of the scrambling.
        seed: u64,
    },
    /// Trajectories that move one axis at a time, for elementary effects. (Morris 1991)
    Morris {
        /// How many trajectories.
        trajectories: usize,
        /// Of the draw.
        seed: u64,
    },
    /// Configurations chosen by what was found so far.
    Optimize {
        /// How many configurations at most.
        budget: usize,
        /// Configurations in a generation.
        population: usize,
        /// Of all chance in it.
        seed: u64,
    },
}

impl Design {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Design::Grid => "grid",
            Design::Random { .. } => "random",
            Design::Latin { .. } => "latin",
            Design::Sobol { .. } => "sobol",
            Design::Morris { .. } => "morris",
            Design::Optimize { .. } => "optimize",
        }
    }

    /// The configurations that run: those of the design, and after them probes beside a sample's, which differ from
    /// them in one axis alone. `None` for the optimizer, which does not know yet.
    #[must_use]
    pub fn planned(self, axes: &[Axis]) -> Option<Vec<Point>> {
        let mut points = self.points(axes)?;
        points.extend(self.probes(axes, &points));
        Some(points)
    }

    /// The probes beside a sample; none beside other designs.
    #[must_use]
    pub fn probes(self, axes: &[Axis], own: &[Point]) -> Vec<Point> {
        match self {
            Design::Random { .. } | Design::Latin { .. } | Design::Sobol { .. } => probe::probes(axes, own),
            Design::Grid | Design::Morris { .. } | Design::Optimize { .. } => Vec::new(),
        }
    }

    /// The configurations, each once, in a fixed order; `None` for the optimizer, which does not know yet.
    #[must_use]
    pub fn points(self, axes: &[Axis]) -> Option<Vec<Point>> {
        let points = match self {
            Design::Grid => grid(axes),
            Design::Random { points, seed } => sample::random(axes, points, seed),
            Design::Latin { points, seed } => sample::latin(axes, points, seed),
            Design::Sobol { points, seed } => sample::sobol(axes, points, seed),
            Design::Morris { trajectories, seed } => sample::distinct(
                morris::trajectories(axes, trajectories, seed)
                    .into_iter()
                    .flatten(),
            ),
            Design::Optimize { .. } => return None,
        };
        Some(points)
    }
}

/// All combinations, the last axis fastest.
fn grid(axes: &[Axis]) -> Vec<Point> {
    let mut points: Vec<Point> = vec![Vec::new()];
    for axis in axes {
        let levels = 0..axis.levels.len() as u32;
        points = points
            .iter()
            .flat_map(|point| {
                levels.clone().map(move |level| {
                    let mut point = point.clone();
                    point.push(level);
                    point
                })
            })
            .collect();
    }
    points
}

/// Reads `[design]`.
pub(crate) fn read(at: &Cursor<'_>) -> Option<Design> {
    let kinds = ["grid", "random", "latin", "sobol", "morris", "optimize"].map(|kind| (kind, kind));
    let kind = if at.get("kind").is_given() {
        at.get("kind").one_of(&kinds)?
    } else {
        "grid"
    };
    let seed = at.get("seed").int(0..=i64::MAX).map_or(1, i64::unsigned_abs);
    let own: &[&str] = match kind {
        "grid" => &[],
        "morris" => &["trajectories", "seed"],
        "optimize" => &["budget", "population", "seed"],
        _ => &["points", "seed"],
    };
    for key in ["points", "trajectories", "budget", "population", "seed"] {
        if at.get(key).is_given() && !own.contains(&key) {
            let hint = match own {
                [] => "a grid has no settings".to_owned(),
                _ => format!("{kind} has {}", own.join(", ")),
            };
            at.get(key)
                .error("E004", format!("the design {kind} has no {key}"), &hint);
        }
    }
    let count = |key: &str, least: i64| {
        let most = if kind == "sobol" {
            sample::MOST_SOBOL
        } else {
            MOST_POINTS
        };
        Some(at.get(key).required().int(least..=most)? as usize)
    };
    Some(match kind {
        "random" => Design::Random {
            points: count("points", 1)?,
            seed,
        },
        "latin" => Design::Latin {
            points: count("points", 1)?,
            seed,
        },
        "sobol" => Design::Sobol {
            points: count("points", 1)?,
            seed,
        },
        "morris" => Design::Morris {
            trajectories: count("trajectories", 2)?,
            seed,
        },
        "optimize" => Design::Optimize {
            budget: count("budget", 4)?,
            population: match at.get("population").is_given() {
                true => count("population", 4)?,
                false => 10,
            },
            seed,
        },
        _ => Design::Grid,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::axis::Level;

    /// Axes of so many levels, numbered from 0.
    pub(crate) fn axes(sizes: &[usize]) -> Vec<Axis> {
        let level = |n: usize| Level {
            label: n.to_string(),
            number: Some(n as f64),
            sets: vec![format!("x={n}")],
        };
        let axis = |(index, size): (usize, &usize)| Axis {
            name: format!("a{index}"),
            fields: vec!["x".to_owned()],
            levels: (0..*size).map(level).collect(),
            numeric: true,
            logarithmic: false,
            fine: false,
            place: (1, 1),
        };
        sizes.iter().enumerate().map(axis).collect()
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let points = Design::Grid.points(&axes(&[2, 3])).expect("known beforehand");
        assert_eq!(points, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]);
    }

    #[test]
    fn every_design_is_the_same_each_time_and_has_no_point_twice() {
        let seed = 7;
        let designs = [
            Design::Random { points: 40, seed },
            Design::Latin { points: 40, seed },
            Design::Sobol { points: 40, seed },
            Design::Morris {
                trajectories: 8,
                seed,
            },
        ];
        let axes = axes(&[5, 7, 3]);
        for design in designs {
            let points = design.points(&axes).expect("known beforehand");
            assert_eq!(points, design.points(&axes).expect("known beforehand"));
            let distinct: sim::SortedSet<&Point> = points.iter().collect();
            assert_eq!(distinct.len(), points.len(), "{design:?}");
            let inside = |point: &Point| {
                point
                    .iter()
                    .zip(&axes)
                    .all(|(level, axis)| (*level as usize) < axis.levels.len())
            };
            assert!(points.iter().all(inside));
            if !matches!(design, Design::Morris { .. }) {
                assert_eq!(points.len(), 40, "{design:?}");
            }
        }
    }

    #[test]
    fn a_sample_of_more_than_there_is_is_all_there_is() {
        for design in [
            Design::Random { points: 50, seed: 1 },
            Design::Latin { points: 50, seed: 1 },
            Design::Sobol { points: 50, seed: 1 },
        ] {
            assert_eq!(
                design.points(&axes(&[2, 3])).expect("known").len(),
                6,
                "{design:?}"
            );
        }
    }
}
