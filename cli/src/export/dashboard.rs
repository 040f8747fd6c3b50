//! The dashboard people know, drawn from a run's files: nodes by type, request rate, pods, cost, latency.

use sim::SortedMap;

use live::compare::Run;
use live::compare::names::{self, NODES_OF, SEEN_NODES_OF};
use live::curves::instant;
use live::measured::{CurveName, Measured};
use plots::{Curve, Figure, Layer, Mark, Panel, Place, Stroke};

use super::summary::Summary;
use super::table::{HIGH, LOW, Table};

/// Width and height: the width of a README, so that nothing is shrunk there.
const SIZE: (u32, u32) = (960, 1020);

/// As many instance types as there are colours that can be told apart.
const MOST_TYPES: usize = 8;

/// What is drawn: `series.csv` and `summary.json` of one run, or of several seeds together.
pub(crate) struct Dashboard<'a> {
    pub(crate) table: &'a Table,
    pub(crate) summary: &'a Summary,
    /// Curves measured elsewhere.
    pub(crate) overlay: Option<Laid>,
}

/// Measured readings that are laid over simulated curves: time of the run, value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Laid {
    readings: SortedMap<&'static str, Vec<(f64, f64)>>,
}

impl Laid {
    /// Curves of files; `zero` is the run's second at their second zero.
    pub(crate) fn of(measured: &Measured, zero: f64) -> Self {
        let name = |curve: CurveName| match curve {
            CurveName::Rps => names::SEEN_RPS,
            CurveName::Pods => names::SEEN_PODS,
            CurveName::Nodes => names::NODES,
        };
        let moved =
            |readings: &Vec<(f64, f64)>| readings.iter().map(|&(at, value)| (zero + at, value)).collect();
        let readings = measured
            .curves
            .iter()
            .map(|(curve, own)| (name(*curve), moved(own)));
        Laid {
            readings: readings.collect(),
        }
    }

    /// Curves of a recorded run, at the given times as far as it reaches.
    pub(crate) fn of_run(run: &Run, times: &[f64]) -> Self {
        let end = run.end.as_secs_f64();
        let heard = |at: &f64| {
            let gap = run.gaps.iter().any(|gap| gap.from <= *at && *at <= gap.to);
            run.from <= *at && *at <= end && !gap
        };
        let readings = |name: &str| -> Option<Vec<(f64, f64)>> {
            let curve = run.curve(name)?;
            let heard = times.iter().filter(|at| heard(at));
            Some(
                heard
                    .map(|&seconds| (seconds, curve.at(instant(seconds))))
                    .collect(),
            )
        };
        let mut laid: SortedMap<&'static str, Vec<(f64, f64)>> = SortedMap::new();
        for name in [names::SEEN_RPS, names::SEEN_PODS, names::DESIRED] {
            laid.extend(readings(name).map(|own| (name, own)));
        }
        // Like is laid over like: what a dashboard shows, if it was asked.
        let nodes = readings(names::SEEN_NODES).or_else(|| readings(names::NODES));
        laid.extend(nodes.map(|own| (names::NODES, own)));
        // Without an answer there is no response time.
        let mut latency = readings(names::LATENCY).unwrap_or_default();
        latency.retain(|reading| reading.1 > 0.0);
        laid.insert(names::LATENCY, latency);
        Laid { readings: laid }
    }
}

impl Dashboard<'_> {
    /// The figure.
    pub(crate) fn figure(&self) -> Figure {
        let times = self.table.times();
        let span = (times.first().copied().unwrap_or(0.0), self.summary.end_s);
        let mark = |mark: &super::summary::Mark| Mark {
            at: mark.t_s,
            label: mark.label.clone(),
        };
        Figure {
            title: self.summary.scenario.clone(),
            subtitle: self.subtitle(),
            span,
            clock: self.summary.clock_s(),
            panels: vec![
                self.nodes(),
                self.rate(),
                self.pods(),
                self.cost(),
                self.latency(),
            ],
            marks: self.summary.marks.iter().map(mark).collect(),
            size: SIZE,
        }
    }

    fn subtitle(&self) -> String {
        let summary = self.summary;
        let seeds = match summary.replications {
            1 => format!("seed {}", summary.seed),
            n => format!("median of {n} seeds, bands hold 5–95 % of them"),
        };
        let what = format!("simulated, {} fidelity, {seeds}", summary.fidelity);
        let money = format!("{:.2} USD", summary.cost_usd);
        let requests = format!("{} requests served", thousands(summary.requests_served));
        format!("{what} · {money} · {requests}")
    }

    fn nodes(&self) -> Panel {
        let several = self.summary.replications > 1;
        // What the dashboard shows, and what was measured on one; before Prometheus knows anything, and where it is down,
        // what is true.
        let seen = self.any(names::SEEN_NODES);
        let (prefix, whole) = if seen {
            (SEEN_NODES_OF, names::SEEN_NODES)
        } else {
            (NODES_OF, names::NODES)
        };
        let types = self
            .table
            .types(prefix)
            .map(|name| (name.to_owned(), format!("{prefix}{name}")));
        let parts = types.filter(|(_, column)| self.any(column));
        let mut parts: Vec<(String, Vec<(f64, f64)>)> = parts
            .map(|(name, column)| (name, self.table.readings(&column)))
            .collect();
        let rest = several
            .then(|| rest(&parts, &self.table.readings(whole)))
            .flatten();
        self.together(&mut parts, MOST_TYPES - usize::from(rest.is_some()));
        if let Some(rest) = rest {
            // It is of no type: it gets the colour that no type has.
            parts.resize_with(MOST_TYPES - 1, Default::default);
            parts.push(("one or another type".to_owned(), rest));
        }
        let curve = |(name, readings)| (name, Curve::new(readings));
        let parts = parts.into_iter().map(curve).collect();
        let mut layers = vec![Layer::Stack { parts }];
        self.edges(&mut layers, whole);
        let line = if several {
            Some(("all types, median", whole))
        } else {
            seen.then_some(("joined", names::NODES))
        };
        layers.extend(line.map(|(label, column)| self.line(label, column, Stroke::Thin(7))));
        self.measured(&mut layers, "measured, all types", names::NODES);
        panel("Nodes by instance type", true, 0, None, layers)
    }

    /// Leaves at most so many types: those with the fewest node-hours become one part.
    fn together(&self, parts: &mut Vec<(String, Vec<(f64, f64)>)>, most: usize) {
        if parts.len() <= most {
            return;
        }
        let hours = |name: &str| self.summary.by_type.get(name).map_or(0.0, |own| own.node_hours);
        let mut largest: Vec<String> = parts.iter().map(|(name, _)| name.clone()).collect();
        largest.sort_by(|a, b| hours(b).total_cmp(&hours(a)));
        largest.truncate(most - 1);
        let (kept, others): (Vec<_>, Vec<_>) = std::mem::take(parts)
            .into_iter()
            .partition(|(name, _)| largest.contains(name));
        let count = others.len();
        let sum = others
            .into_iter()
            .map(|(_, readings)| readings)
            .reduce(|mut sum, more| {
                sum.iter_mut().zip(more).for_each(|(sum, more)| sum.1 += more.1);
                sum
            });
        *parts = kept;
        parts.extend(sum.map(|sum| (format!("{count} other types"), sum)));
    }

    fn rate(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, "seen.rps", 0);
        layers.push(self.line("served", "rps_served", Stroke::Thin(7)));
        if self.any("seen.rps") {
            layers.push(self.line("as Prometheus sees it", "seen.rps", Stroke::Series(0)));
        }
        if self.summary.requests_failed > 0.5 {
            layers.push(self.line("failed", "rps_failed", Stroke::Series(3)));
        }
        self.measured(&mut layers, "measured", names::SEEN_RPS);
        panel("Request rate (requests/s)", false, 1, Some(0), layers)
    }

    fn pods(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, "seen.pods", 4);
        layers.push(self.line("pending, all workloads", "pods_pending", Stroke::Series(3)));
        layers.push(self.line("ready", "replicas_ready", Stroke::Series(2)));
        layers.push(self.line("desired", "replicas_desired", Stroke::Series(1)));
        if self.any("seen.pods") {
            layers.push(self.line("pods, by Prometheus", "seen.pods", Stroke::Series(4)));
        }
        self.measured(&mut layers, "measured, all pods", names::SEEN_PODS);
        self.measured(&mut layers, "measured, desired", names::DESIRED);
        panel("Pods and replicas", true, 1, Some(1), layers)
    }

    fn cost(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, "cost_usd_per_hour", 2);
        layers.push(self.line("machines and volumes", "cost_usd_per_hour", Stroke::Series(2)));
        panel("Cost (USD/h)", false, 2, Some(0), layers)
    }

    fn latency(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, "latency_p95_s", 6);
        layers.push(self.line("95th percentile", "latency_p95_s", Stroke::Series(6)));
        self.measured(&mut layers, "measured", names::LATENCY);
        panel("Response time (s)", false, 2, Some(1), layers)
    }

    fn any(&self, column: &str) -> bool {
        self.table
            .column(column)
            .is_some_and(|values| values.iter().any(|value| *value > 0.0))
    }

    fn curve(&self, column: &str) -> Curve {
        Curve::new(self.table.readings(column))
    }

    fn line(&self, label: &str, column: &str, stroke: Stroke) -> Layer {
        Layer::Line {
            label: label.into(),
            curve: self.curve(column),
            stroke,
        }
    }

    fn measured(&self, layers: &mut Vec<Layer>, label: &str, curve: &str) {
        let readings = self
            .overlay
            .as_ref()
            .and_then(|overlay| overlay.readings.get(curve));
        if let Some(readings) = readings.filter(|readings| !readings.is_empty()) {
            layers.push(Layer::Line {
                label: label.into(),
                curve: Curve::new(readings.clone()),
                stroke: Stroke::Measured,
            });
        }
    }

    /// The 5–95 % band over replications, if there are any.
    fn band(&self, layers: &mut Vec<Layer>, column: &str, color: usize) {
        let [low, high] = [LOW, HIGH].map(|edge| format!("{column}{edge}"));
        if self.table.column(&low).is_some() {
            let (low, high) = (self.curve(&low), self.curve(&high));
            layers.push(Layer::Band {
                label: "5–95 %".into(),
                low,
                high,
                color,
            });
        }
    }

    /// The same as two thin lines, where there is a stack below.
    fn edges(&self, layers: &mut Vec<Layer>, column: &str) {
        let [low, high] = [LOW, HIGH].map(|edge| format!("{column}{edge}"));
        if self.table.column(&low).is_some() {
            layers.push(self.line("5 and 95 % of seeds", &low, Stroke::Thin(3)));
            layers.push(self.line("", &high, Stroke::Thin(3)));
        }
    }
}

/// What is left of the median of the whole above medians of its parts, which may add up to less: machines that are of
/// one type in some seeds and of another in others. `None` if there are none.
fn rest(parts: &[(String, Vec<(f64, f64)>)], whole: &[(f64, f64)]) -> Option<Vec<(f64, f64)>> {
    let left = |(row, &(time, whole)): (usize, &(f64, f64))| {
        let sum: f64 = parts.iter().map(|(_, part)| part[row].1).sum();
        (time, (whole - sum).max(0.0))
    };
    let rest: Vec<(f64, f64)> = whole.iter().enumerate().map(left).collect();
    rest.iter().any(|reading| reading.1 > 0.0).then_some(rest)
}

fn panel(title: &str, whole: bool, row: usize, half: Option<usize>, layers: Vec<Layer>) -> Panel {
    Panel {
        title: title.into(),
        whole,
        place: Place { row, half },
        layers,
        at_least: 0.0,
    }
}

/// 143210 as "143,210".
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.0].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    /// The parts of the stack of nodes, and how many layers there are with it.
    fn stacked(table: &Table, summary: &Summary) -> (Vec<(String, Curve)>, usize) {
        let dashboard = Dashboard {
            table,
            summary,
            overlay: None,
        };
        let layers = dashboard.nodes().layers;
        let Layer::Stack { parts } = &layers[0] else {
            panic!("the stack is at the bottom");
        };
        (parts.clone(), layers.len())
    }

    #[test]
    fn a_stack_of_medians_is_as_high_as_the_median_of_all() {
        // Two seeds of three have one large and no small, or the other way round, and five nodes are the median.
        let text = "time_s,nodes,nodes.small,nodes.large,nodes.p05,nodes.p95\n0,5,1,3,4,6\n15,2,0,0,2,2\n";
        let table = Table::from_csv(text).unwrap();
        let summary = |replications| Summary {
            replications,
            end_s: 30.0,
            ..Summary::default()
        };
        let stack = |replications| {
            let (parts, layers) = stacked(&table, &summary(replications));
            let sum = |second| {
                parts
                    .iter()
                    .map(|(_, part)| part.at(second).unwrap_or(0.0))
                    .sum::<f64>()
            };
            (sum(0.0), sum(15.0), layers)
        };
        assert_eq!(stack(1), (4.0, 0.0, 3));
        // What no type's median has is of one type or another; those of types are left as they are.
        assert_eq!(stack(3), (5.0, 2.0, 4));
    }

    #[test]
    fn small_types_share_a_colour_when_there_are_too_many() {
        let names: Vec<String> = (0..11).map(|n| format!("m{n}.large")).collect();
        let header: String = names.iter().map(|name| format!(",nodes.{name}")).collect();
        let table = Table::from_csv(&format!(
            "time_s,nodes{header}\n0,11{0}\n15,11{0}\n",
            ",1".repeat(11)
        ))
        .unwrap();
        let of_type = |(n, name): (usize, &String)| {
            let own = super::super::summary::TypeSummary {
                node_hours: n as f64,
                ..Default::default()
            };
            (name.clone(), own)
        };
        let summary = Summary {
            replications: 1,
            end_s: 30.0,
            by_type: names.iter().enumerate().map(of_type).collect(),
            ..Summary::default()
        };
        let (parts, _) = stacked(&table, &summary);
        let drawn: Vec<(&str, Option<f64>)> = parts
            .iter()
            .map(|(name, part)| (name.as_str(), part.at(0.0)))
            .collect();
        assert_eq!(drawn.len(), MOST_TYPES);
        assert_eq!(drawn[0], ("m4.large", Some(1.0)));
        assert_eq!(drawn.last(), Some(&("4 other types", Some(4.0))));
    }

    #[test]
    fn a_dashboard_shows_bands_and_measured_curves_where_there_are_any() {
        let text = "time_s,seen.rps,seen.rps.p05,seen.rps.p95\n0,1,0,2\n15,2,1,3\n";
        let table = Table::from_csv(text).unwrap();
        let summary = Summary {
            replications: 3,
            end_s: 30.0,
            ..Summary::default()
        };
        let labels = |overlay: Option<Laid>| -> Vec<String> {
            let figure = Dashboard {
                table: &table,
                summary: &summary,
                overlay,
            }
            .figure();
            let label = |layer: &Layer| match layer {
                Layer::Line { label, .. } | Layer::Band { label, .. } => label.clone(),
                Layer::Stack { .. } => "stack".to_owned(),
            };
            figure.panels[1].layers.iter().map(label).collect()
        };
        assert_eq!(labels(None), ["5–95 %", "served", "as Prometheus sees it"]);
        let curves = [(CurveName::Rps, vec![(0.0, 1.0)])].into();
        let measured = Measured {
            curves,
            ..Measured::default()
        };
        assert_eq!(
            labels(Some(Laid::of(&measured, 15.0))).last().unwrap(),
            "measured"
        );
    }
}
