//! The dashboard people know, drawn from a run: nodes by type, request rate, pods, cost, latency.

use model::cluster::record::{Record, Row};
use plots::{Curve, Figure, Layer, Mark, Panel, Place, Stroke};

/// Curves measured elsewhere, in the run's own seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overlay {
    pub(crate) rps: Vec<(f64, f64)>,
    pub(crate) pods: Vec<(f64, f64)>,
    pub(crate) nodes: Vec<(f64, f64)>,
}

/// What is drawn: one run, and a band if there were several.
pub(crate) struct Dashboard<'a> {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// The run that is shown: the only one, or the median one.
    pub(crate) record: &'a Record,
    /// All runs, the one shown among them.
    pub(crate) replications: &'a [Record],
    pub(crate) overlay: Option<&'a Overlay>,
    /// The time of day at the start of the run, in seconds.
    pub(crate) clock: Option<f64>,
    /// From when on, seconds.
    pub(crate) from: f64,
}

impl Dashboard<'_> {
    /// The figure.
    pub(crate) fn figure(&self) -> Figure {
        let end = self.record.end.as_secs_f64();
        let marks = self.record.marks.iter();
        Figure {
            title: self.title.clone(),
            subtitle: self.subtitle.clone(),
            span: (self.from, end),
            clock: self.clock,
            panels: vec![self.nodes(), self.rate(), self.pods(), self.cost(), self.latency()],
            marks: marks.map(|(at, label)| Mark { at: at.as_secs_f64(), label: label.clone() }).collect(),
            size: (1280, 1120),
        }
    }

    fn nodes(&self) -> Panel {
        let curve = |n: usize| {
            let at = |row: &Row| row.nodes.get(n).copied().unwrap_or(0.0);
            (self.record.instance_types[n].clone(), self.curve(at))
        };
        let parts = (0..self.record.instance_types.len()).map(curve).collect();
        let mut layers = vec![Layer::Stack { parts }];
        self.measured(&mut layers, "measured, all types", |overlay| &overlay.nodes);
        Panel { title: "Nodes by instance type".into(), place: Place { row: 0, half: None }, layers }
    }

    fn rate(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, 0, |row| row.seen_rps);
        layers.push(Layer::Line {
            label: "served".into(),
            curve: self.curve(|row| row.rps_served),
            stroke: Stroke::Thin(5),
        });
        layers.push(Layer::Line {
            label: "as Prometheus sees it".into(),
            curve: self.curve(|row| row.seen_rps),
            stroke: Stroke::Series(0),
        });
        if self.record.failed > 0.5 {
            layers.push(Layer::Line {
                label: "failed".into(),
                curve: self.curve(|row| row.rps_failed),
                stroke: Stroke::Series(3),
            });
        }
        self.measured(&mut layers, "measured", |overlay| &overlay.rps);
        Panel { title: "Request rate, requests/s".into(), place: Place { row: 1, half: Some(0) }, layers }
    }

    fn pods(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, 4, |row| row.seen_pods);
        let lines: [(&str, usize, fn(&Row) -> f64); 4] = [
            ("pods in the namespace", 4, |row| row.seen_pods),
            ("replicas desired", 1, |row| row.replicas_desired),
            ("replicas ready", 2, |row| row.replicas_ready),
            ("pending", 3, |row| row.pods_pending),
        ];
        for (label, color, of) in lines {
            let stroke = Stroke::Series(color);
            layers.push(Layer::Line { label: label.into(), curve: self.curve(of), stroke });
        }
        self.measured(&mut layers, "measured", |overlay| &overlay.pods);
        Panel { title: "Pods and replicas".into(), place: Place { row: 1, half: Some(1) }, layers }
    }

    fn cost(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, 2, |row| row.cost_per_hour);
        layers.push(Layer::Line {
            label: "machines and volumes".into(),
            curve: self.curve(|row| row.cost_per_hour),
            stroke: Stroke::Series(2),
        });
        Panel { title: "Cost, USD/h".into(), place: Place { row: 2, half: Some(0) }, layers }
    }

    fn latency(&self) -> Panel {
        let mut layers = Vec::new();
        self.band(&mut layers, 6, |row| row.latency_p95);
        layers.push(Layer::Line {
            label: "95th percentile".into(),
            curve: self.curve(|row| row.latency_p95),
            stroke: Stroke::Series(6),
        });
        Panel { title: "Response time, s".into(), place: Place { row: 2, half: Some(1) }, layers }
    }

    fn curve(&self, of: impl Fn(&Row) -> f64) -> Curve {
        Curve::new(self.record.rows.iter().map(|row| (row.at.as_secs_f64(), of(row))).collect())
    }

    fn measured(&self, layers: &mut Vec<Layer>, label: &str, of: impl Fn(&Overlay) -> &Vec<(f64, f64)>) {
        if let Some(points) = self.overlay.map(of).filter(|points| !points.is_empty()) {
            let curve = Curve::new(points.clone());
            layers.push(Layer::Line { label: label.into(), curve, stroke: Stroke::Measured });
        }
    }

    /// The 5–95 % band over replications, row by row.
    fn band(&self, layers: &mut Vec<Layer>, color: usize, of: impl Fn(&Row) -> f64) {
        if self.replications.len() < 2 {
            return;
        }
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for (n, row) in self.record.rows.iter().enumerate() {
            let rows = self.replications.iter().filter_map(|record| record.rows.get(n));
            let mut values: Vec<f64> = rows.map(&of).filter(|value| value.is_finite()).collect();
            values.sort_by(f64::total_cmp);
            let at = row.at.as_secs_f64();
            low.push((at, quantile(&values, 0.05)));
            high.push((at, quantile(&values, 0.95)));
        }
        let (low, high) = (Curve::new(low), Curve::new(high));
        layers.push(Layer::Band { label: "5–95 % of seeds".into(), low, high, color });
    }
}

/// A quantile of sorted values, interpolated; NaN of none.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let position = q * (sorted.len() - 1) as f64;
    let (below, share) = (position.floor() as usize, position.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * share
}
