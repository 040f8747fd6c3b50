//! What several modules' tests need.

use std::path::PathBuf;

use model::document::Source;

use crate::design::{Design, Point};
use crate::engine::{Configuration, Fate};
use crate::measure::Measure;
use crate::plan::Plan;

/// A directory that ends with the test.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("scaletwin-sweep-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory can be made");
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A plan with two small axes, unless the text brings its own.
pub(crate) fn plan(text: &str) -> Plan {
    let (top, tables) = match text.find("\n[") {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let axes = if text.contains("[[axis]]") {
        ""
    } else {
        "\n[[axis]]\nname = 'x'\nfield = 'x'\nvalues = [1, 2]\n[[axis]]\nname = 'y'\nfield = 'y'\nvalues = [1, 2, 3]\n"
    };
    let text = format!("name = 'toy'\nscenario = 'toy'\n{top}\n{tables}{axes}");
    Plan::read(&Source {
        path: "toy.toml".to_owned(),
        text: text.clone(),
    })
    .unwrap_or_else(|report| panic!("{text}\n{report}"))
}

/// All configurations of a plan's design and those beside it, with a made-up cost; three seeds each. All other numbers are 0.
pub(crate) fn configurations(plan: &Plan, cost: impl Fn(&Point, usize) -> f64) -> Vec<Configuration> {
    let points = plan.design.planned(&plan.axes);
    let points = points.unwrap_or_else(|| Design::Grid.points(&plan.axes).expect("a grid is known"));
    let runs = |point: Option<&Point>| {
        let run = |seed: usize| {
            let mut run = vec![0.0; plan.width()];
            run[Measure::Cost.index()] = point.map_or(100.0, |point| cost(point, seed));
            run
        };
        (0..3).map(run).collect()
    };
    let one = |(number, point): (usize, Option<Point>)| Configuration {
        number: number as u32,
        fate: Fate::Ran,
        runs: runs(point.as_ref()),
        point,
    };
    std::iter::once(None)
        .chain(points.into_iter().map(Some))
        .enumerate()
        .map(one)
        .collect()
}
