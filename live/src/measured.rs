//! A measured run: the curves that a dashboard showed, and how close a simulation has to come.
//!
//! A directory holds `PREFIX-rps.csv`, `PREFIX-pods.csv` and `PREFIX-nodes.csv`, any of them, in the layout of
//! [`crate::curves`], and may hold a `measured.toml`:
//!
//! ```toml
//! source = "where the curves come from"
//! curves = "timeline"          # the PREFIX, if there are several
//!
//! [[objective]]
//! curve = "rps"                # rps, pods or nodes
//! measure = "nmae"             # see Measure
//! at_most = 0.05
//! until = "14:20:00"           # or from = …: a window narrower than the measured one
//! fidelity = "flow"            # if it is for one fidelity only
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sim::SortedMap;

use crate::curves::{self, Curves};

/// Files of curves are small; a bigger one is a mistake.
const LARGEST: u64 = 64 << 20;
/// The prefix that is taken where several are there and none was named: the merged curves.
const WHOLE: &str = "timeline";

/// Why a directory of measured curves could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("cannot read {path}: {error}", path = path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// A file is too big to be one of ours.
    #[error("{path} is larger than {most} MiB", path = path.display(), most = LARGEST >> 20)]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// A CSV file is wrong.
    #[error("{path}: {error}", path = path.display())]
    Curves {
        /// Which.
        path: PathBuf,
        /// How.
        error: curves::Error,
    },
    /// `measured.toml` is wrong.
    #[error("{path}: {message}", path = path.display())]
    Objectives {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// What was named is no directory, nor does a run of the directory above begin so.
    #[error("{path} does not exist, nor does {path}-pods.csv, -rps.csv or -nodes.csv", path = path.display())]
    Missing {
        /// What was named.
        path: PathBuf,
    },
    /// There is nothing in the directory.
    #[error("{path} holds no *-rps.csv, *-pods.csv or *-nodes.csv", path = path.display())]
    Nothing {
        /// The directory.
        path: PathBuf,
    },
    /// There is more than one run in the directory.
    #[error("{path} holds several runs: name one of {prefixes}, as in {path}/PREFIX", path = path.display())]
    Several {
        /// The directory.
        path: PathBuf,
        /// What is there.
        prefixes: String,
    },
}

/// A curve of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CurveName {
    /// Requests a second, `seen.rps`.
    Rps,
    /// Pods of the namespace, `seen.pods`.
    Pods,
    /// Nodes of all types, the sum of `seen.nodes.*`.
    Nodes,
}

impl CurveName {
    /// The name as the simulated series have it.
    #[must_use]
    pub fn series(self) -> &'static str {
        match self {
            CurveName::Rps => "seen.rps",
            CurveName::Pods => "seen.pods",
            CurveName::Nodes => "seen.nodes",
        }
    }
}

/// A measure that an objective can be about; [`crate::accuracy`] defines each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Normalised mean absolute error, a share.
    Nmae,
    /// Share of time at which the two differ by at most 1.
    #[serde(rename = "within-1")]
    Within1,
    /// Share of time at which the two are equal.
    Equal,
    /// Share of time at which the measured curve is inside the 5–95 % band of the seeds.
    Coverage,
    /// 1 if the last measured reading is inside the 5–95 % band of the seeds, else 0.
    FinalInBand,
    /// Error of the first rise, seconds.
    FirstRise,
    /// Error of the first fall, seconds.
    FirstFall,
    /// Error of the last return to the final level, seconds.
    LastFall,
    /// Mean lag along the path of dynamic time warping, seconds.
    Lag,
    /// nMAE with that lag removed.
    Shape,
}

/// How close a simulation has to come in one respect.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Which curve.
    pub curve: CurveName,
    /// In which measure: its median over the seeds counts, of seconds without the sign.
    pub measure: Measure,
    /// No more than this.
    pub at_most: Option<f64>,
    /// No less than this.
    pub at_least: Option<f64>,
    /// From this time of day on, instead of from the first reading.
    pub from: Option<String>,
    /// Up to this time of day, instead of to the last reading.
    pub until: Option<String>,
    /// In this fidelity only.
    pub fidelity: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: Option<String>,
    curves: Option<String>,
    #[serde(default, rename = "objective")]
    objectives: Vec<Objective>,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// The prefix of its files.
    pub name: String,
    /// Where the curves come from.
    pub source: Option<String>,
    /// The time of day at second zero of the readings, in seconds, if the files say it.
    pub clock: Option<f64>,
    /// Each curve's readings: seconds since the files' zero, value.
    pub curves: SortedMap<CurveName, Vec<(f64, f64)>>,
    /// Nodes by instance type, as readings.
    pub nodes: SortedMap<String, Vec<(f64, f64)>>,
    /// What is asked of a simulation.
    pub objectives: Vec<Objective>,
}

impl Measured {
    /// Reads a directory, or one run of it as `DIR/PREFIX`.
    ///
    /// # Errors
    ///
    /// When nothing is there, too much is there, or a file is wrong.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let (dir, wanted) = match (path.is_dir(), path.parent(), path.file_name()) {
            (false, Some(dir), Some(name)) if dir.is_dir() => {
                (dir, Some(name.to_string_lossy().into_owned()))
            }
            _ => (path, None),
        };
        let is_named = wanted.is_some();
        let file = read_objectives(dir)?;
        let prefix = prefix(dir, wanted.or_else(|| file.curves.clone())).map_err(|error| match error {
            Error::Nothing { .. } if is_named => Error::Missing {
                path: path.to_owned(),
            },
            error => error,
        })?;
        let mut measured = Measured {
            name: prefix,
            source: file.source,
            objectives: file.objectives,
            ..Measured::default()
        };
        check_objectives(dir, &measured.objectives)?;
        for (curve, ending) in ENDINGS {
            measured.read_curve(dir, curve, ending)?;
        }
        if measured.curves.is_empty() {
            return Err(Error::Nothing { path: dir.to_owned() });
        }
        Ok(measured)
    }

    fn read_curve(&mut self, dir: &Path, curve: CurveName, ending: &str) -> Result<(), Error> {
        let path = dir.join(format!("{}{ending}", self.name));
        if !path.exists() {
            return Ok(());
        }
        let text = read_text(&path)?;
        let read = Curves::read(text.as_bytes()).map_err(|error| Error::Curves {
            path: path.clone(),
            error,
        })?;
        let column = if curve == CurveName::Nodes {
            "total"
        } else {
            "value"
        };
        let missing = || Error::Curves {
            path: path.clone(),
            error: curves::Error::Column(column),
        };
        self.curves
            .insert(curve, read.column(column).ok_or_else(missing)?.to_vec());
        self.clock = self.clock.or(read.clock);
        if curve == CurveName::Nodes {
            self.nodes = read
                .columns
                .into_iter()
                .filter(|(name, _)| name != "total")
                .collect();
        }
        Ok(())
    }

    /// The run's second at second zero of the readings: by their clocks if both have one, else their starts
    /// are the same.
    #[must_use]
    pub fn zero(&self, run_clock: Option<f64>) -> f64 {
        match (self.clock, run_clock) {
            (Some(own), Some(run)) => apart(run, own),
            _ => 0.0,
        }
    }

    /// The first and last reading, seconds since the files' zero.
    #[must_use]
    pub fn span(&self) -> (f64, f64) {
        curves::span(self.curves.values().flatten())
    }

    /// A time of day as seconds since the files' zero.
    #[must_use]
    pub fn seconds_at(&self, time_of_day: &str) -> Option<f64> {
        Some(apart(self.clock?, curves::time_of_day(time_of_day)?))
    }
}

const ENDINGS: [(CurveName, &str); 3] = [
    (CurveName::Rps, "-rps.csv"),
    (CurveName::Pods, "-pods.csv"),
    (CurveName::Nodes, "-nodes.csv"),
];

/// From one time of day to another, by the shorter way round midnight.
fn apart(from: f64, to: f64) -> f64 {
    let day = 86_400.0;
    let forwards = (to - from).rem_euclid(day);
    if forwards > day / 2.0 {
        forwards - day
    } else {
        forwards
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    let fail = |error| Error::Io {
        path: path.to_owned(),
        error,
    };
    if fs::metadata(path).map_err(fail)?.len() > LARGEST {
        return Err(Error::TooLarge {
            path: path.to_owned(),
        });
    }
    fs::read_to_string(path).map_err(fail)
}

fn read_objectives(dir: &Path) -> Result<File, Error> {
    let path = dir.join("measured.toml");
    if !path.exists() {
        return Ok(File::default());
    }
    let text = read_text(&path)?;
    toml::from_str(&text).map_err(|error| Error::Objectives {
        path,
        message: error.to_string().trim_end().to_owned(),
    })
}

fn check_objectives(dir: &Path, objectives: &[Objective]) -> Result<(), Error> {
    for (n, objective) in objectives.iter().enumerate() {
        let wrong = |what: String| {
            let message = format!("objective {}: {what}", n + 1);
            Err(Error::Objectives {
                path: dir.join("measured.toml"),
                message,
            })
        };
        if objective.at_most.is_some() == objective.at_least.is_some() {
            return wrong("expected one of at_most and at_least".to_owned());
        }
        for time in [&objective.from, &objective.until].into_iter().flatten() {
            if curves::time_of_day(time).is_none() {
                return wrong(format!("expected a time of day such as 14:20:00, found {time:?}"));
            }
        }
    }
    Ok(())
}

/// Which run of a directory is meant.
fn prefix(dir: &Path, wanted: Option<String>) -> Result<String, Error> {
    let fail = |error| Error::Io {
        path: dir.to_owned(),
        error,
    };
    let mut prefixes = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        prefixes.extend(
            ENDINGS
                .iter()
                .filter_map(|(_, ending)| name.strip_suffix(ending))
                .map(str::to_owned),
        );
    }
    prefixes.sort();
    prefixes.dedup();
    let named = |name: &str| prefixes.iter().find(|prefix| *prefix == name).cloned();
    match (wanted, prefixes.as_slice()) {
        (_, []) => Err(Error::Nothing { path: dir.to_owned() }),
        (Some(wanted), _) => named(&wanted).ok_or_else(|| Error::Several {
            path: dir.to_owned(),
            prefixes: prefixes.join(", "),
        }),
        (None, [only]) => Ok(only.clone()),
        (None, _) => named(WHOLE).ok_or_else(|| Error::Several {
            path: dir.to_owned(),
            prefixes: prefixes.join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("scaletwin-measured-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        for (file, text) in files {
            fs::write(dir.join(file), text).unwrap();
        }
        dir
    }

    const PODS: &str = "time,t_s,value\n13:40:45,15,79\n13:41:00,30,86\n";
    const NODES: &str = "time,t_s,c5.xlarge,total\n13:40:30,0,2,3\n";

    #[test]
    fn a_directory_is_read_and_put_on_the_runs_clock() {
        let dir = directory(
            "whole",
            &[("timeline-pods.csv", PODS), ("timeline-nodes.csv", NODES)],
        );
        let measured = Measured::read(&dir).unwrap();
        assert_eq!(measured.clock, Some(49_230.0), "13:40:30");
        assert_eq!(measured.zero(Some(49_200.0)), 30.0);
        assert_eq!(measured.zero(None), 0.0);
        assert_eq!(measured.seconds_at("13:41:30"), Some(60.0));
        assert_eq!(measured.span(), (0.0, 30.0));
        assert_eq!(measured.nodes["c5.xlarge"], [(0.0, 2.0)]);
        assert!(!measured.curves.contains_key(&CurveName::Rps));
    }

    #[test]
    fn one_of_several_runs_is_named_by_its_prefix() {
        let dir = directory("several", &[("a-pods.csv", PODS), ("b-pods.csv", PODS)]);
        assert!(Measured::read(&dir).unwrap_err().to_string().contains("a, b"));
        assert_eq!(Measured::read(&dir.join("b")).unwrap().name, "b");
    }

    #[test]
    fn what_does_not_exist_is_named_as_it_was_given() {
        let missing = directory("missing", &[]).join("curves");
        let error = Measured::read(&missing).unwrap_err().to_string();
        let expected = format!("{} does not exist", missing.display());
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn objectives_are_checked() {
        let read = |toml: &str| {
            let dir = directory(
                "objectives",
                &[("timeline-pods.csv", PODS), ("measured.toml", toml)],
            );
            Measured::read(&dir)
                .map(|measured| measured.objectives.len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            read("[[objective]]\ncurve = 'pods'\nmeasure = 'first-fall'\nat_most = 30"),
            Ok(1)
        );
        assert!(
            read("[[objective]]\ncurve = 'pods'\nmeasure = 'nmae'")
                .unwrap_err()
                .contains("at_most")
        );
        assert!(
            read("[[objective]]\ncurve = 'dogs'\nmeasure = 'nmae'")
                .unwrap_err()
                .contains("dogs")
        );
        let bad = "[[objective]]\ncurve = 'pods'\nmeasure = 'nmae'\nat_most = 1\nuntil = 'noon'";
        assert!(read(bad).unwrap_err().contains("noon"));
    }
}
