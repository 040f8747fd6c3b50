//! A run as it goes on: measured and simulated curves side by side on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use live::cluster::run::{Caps, Progress};
use live::cluster::{Recorder, State};

use super::expect::{Curve, Expected};
use crate::talk;

/// Columns of a curve: the whole run.
const WIDTH: usize = 40;
/// Between two plain lines.
const PLAIN_PERIOD: f64 = 15.0;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What a person sees of a run.
pub(super) struct View<'a> {
    expected: Option<&'a Expected>,
    caps: Option<Caps>,
    /// How long the scenario is; none for a recording without an end.
    duration: Option<f64>,
    /// Where the pods are counted if Prometheus does not know them.
    namespace: Option<&'a str>,
    measured: [Vec<(f64, f64)>; 3],
    lines: Option<Lines>,
    said: f64,
}

/// The lines of a terminal.
struct Lines {
    _all: MultiProgress,
    head: ProgressBar,
    curves: Vec<[ProgressBar; 2]>,
    foot: ProgressBar,
}

impl<'a> View<'a> {
    pub(super) fn new(
        expected: Option<&'a Expected>,
        caps: Option<Caps>,
        duration: Option<Duration>,
        namespace: Option<&'a str>,
    ) -> Self {
        View {
            expected,
            caps,
            duration: duration.map(|duration| duration.as_secs_f64()),
            namespace,
            measured: [const { Vec::new() }; 3],
            lines: None,
            said: f64::NEG_INFINITY,
        }
    }

    /// Tells where a run is.
    pub(super) fn tell(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Saying(text) => {
                self.end();
                talk::say(&text);
            }
            Progress::Running { t, recorder } => self.running(t, recorder),
        }
    }

    /// Leaves the terminal as it is now.
    pub(super) fn end(&mut self) {
        if let Some(lines) = self.lines.take() {
            lines.head.abandon();
            lines.curves.iter().flatten().for_each(ProgressBar::abandon);
            lines.foot.abandon();
        }
    }

    fn running(&mut self, t: f64, recorder: &Recorder) {
        for (curve, measured) in Curve::ALL.into_iter().zip(&mut self.measured) {
            if let Some(value) = recorder.with_state(|state| now(curve, state, self.namespace)) {
                measured.push((t, value));
            }
        }
        let foot = self.foot(t, recorder);
        if std::io::stderr().is_terminal() {
            self.draw(t, &foot);
        } else if t - self.said >= PLAIN_PERIOD {
            self.said = t;
            talk::say(&format!("{} {}, {foot}", clock(t), self.plain(t)));
        }
    }

    /// Money, nodes, and what is not heard.
    fn foot(&self, t: f64, recorder: &Recorder) -> String {
        let (nodes, spent, silent) = recorder.with_state(|state| {
            let silent: Vec<String> = state
                .silent()
                .iter()
                .map(|(source, from)| format!("{source} not heard for {:.0} s", t - from))
                .collect();
            (state.our_nodes().count(), state.spent(t), silent)
        });
        let mut text = match &self.caps {
            Some(caps) => format!(
                "{nodes} new nodes of at most {}, {spent:.2} $ of at most {:.2}",
                caps.nodes, caps.cost_usd
            ),
            None => format!("{} nodes", recorder.with_state(|state| state.nodes().count())),
        };
        silent.iter().for_each(|one| text.push_str(&format!(", {one}")));
        text
    }

    /// The curves in words: what is, and in brackets what is simulated.
    fn plain(&self, t: f64) -> String {
        let one = |(curve, measured): (Curve, &Vec<(f64, f64)>)| {
            let now = measured
                .last()
                .map_or("–".to_owned(), |(_, value)| number(*value));
            match self.expected.and_then(|expected| expected.at(curve, t)) {
                Some(simulated) => format!("{} {now} (simulated {})", curve.title(), number(simulated)),
                None => format!("{} {now}", curve.title()),
            }
        };
        let all: Vec<String> = Curve::ALL.into_iter().zip(&self.measured).map(one).collect();
        all.join(", ")
    }

    fn draw(&mut self, t: f64, foot: &str) {
        let span = self.duration.unwrap_or(t.max(1.0));
        let lines = self.lines.get_or_insert_with(Lines::new);
        let of = match self.duration {
            Some(duration) => format!(" of {}", clock(duration)),
            None => String::new(),
        };
        lines.head.set_message(format!("{}{of}", clock(t)));
        for ((curve, measured), bars) in Curve::ALL.into_iter().zip(&self.measured).zip(&lines.curves) {
            let simulated: Vec<(f64, f64)> = (0..WIDTH)
                .map(|column| (column as f64 + 0.5) * span / WIDTH as f64)
                .filter_map(|at| Some((at, self.expected?.at(curve, at)?)))
                .collect();
            let top = measured
                .iter()
                .chain(&simulated)
                .map(|(_, value)| *value)
                .fold(1.0, f64::max);
            let now = |value: Option<f64>| value.map_or("–".to_owned(), number);
            let line = |who: &str, points: &[(f64, f64)], value: Option<f64>| {
                let title = if who == "measured" { curve.title() } else { "" };
                format!(
                    "{title:<11}{who:<10} {} {:>7}",
                    spark(points, span, top),
                    now(value)
                )
            };
            bars[0].set_message(line(
                "measured",
                measured,
                measured.last().map(|(_, value)| *value),
            ));
            if let Some(expected) = self.expected {
                bars[1].set_message(line("simulated", &simulated, expected.at(curve, t)));
            }
        }
        lines.foot.set_message(foot.to_owned());
    }
}

impl Lines {
    fn new() -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let line = || {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_style(style.clone());
            bar
        };
        let head = line();
        let curves = Curve::ALL.iter().map(|_| [line(), line()]).collect();
        let foot = line();
        Lines {
            head,
            curves,
            foot,
            _all: all,
        }
    }
}

/// What Prometheus answers, or what the API's objects say where it has no answer.
fn now(curve: Curve, state: &State, namespace: Option<&str>) -> Option<f64> {
    state.sample(curve.sample()).or_else(|| match curve {
        Curve::Requests => None,
        Curve::Pods => Some(state.pods(namespace?).0 as f64),
        Curve::Nodes => Some(state.nodes().count() as f64),
    })
}

/// A curve as blocks: each column shows the last value that it holds.
fn spark(points: &[(f64, f64)], span: f64, top: f64) -> String {
    let column = |at: f64| ((at / span * WIDTH as f64) as usize).min(WIDTH - 1);
    let mut columns = [None; WIDTH];
    for (at, value) in points {
        columns[column(*at)] = Some(*value);
    }
    let block = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) => {
            let height = (value / top * (BLOCKS.len() - 1) as f64).round();
            BLOCKS[(height.max(0.0) as usize).min(BLOCKS.len() - 1)]
        }
    };
    columns.iter().map(block).collect()
}

fn number(value: f64) -> String {
    // Minus zero is zero.
    let value = value + 0.0;
    match value.fract() == 0.0 {
        true => format!("{value:.0}"),
        false => format!("{value:.1}"),
    }
}

/// `12:05`, or `1:02:05` from an hour on.
pub(super) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use live::recording::{Change, Entry, Sample, Series};
    use serde_json::json;
    use sim::SortedMap;

    use super::*;
    use crate::experiment::tests::header;

    #[test]
    fn what_prometheus_does_not_know_the_objects_tell() {
        let dir = std::env::temp_dir().join(format!("scaletwin-view-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let state = State::new(Vec::new(), Arc::new(|_, _, _| None));
        let recorder = Recorder::begin(&dir, header(), state).expect("it can be written");
        let curves =
            |namespace| recorder.with_state(|state| Curve::ALL.map(|curve| now(curve, state, namespace)));
        assert_eq!(curves(Some("shop")), [None, Some(0.0), Some(0.0)]);
        for (kind, namespace, name) in [("Pod", "shop", "a"), ("Pod", "other", "b"), ("Node", "", "n")] {
            let metadata = json!({ "name": name, "namespace": namespace, "uid": name });
            recorder.hear_object(Change::Added, kind, &json!({ "metadata": metadata }));
        }
        assert_eq!(curves(Some("shop")), [None, Some(1.0), Some(1.0)]);
        assert_eq!(curves(None), [None, None, Some(1.0)]);
        for (n, curve) in Curve::ALL.into_iter().enumerate() {
            recorder.hear(Entry::Sample(Sample {
                name: curve.sample().to_owned(),
                series: vec![Series {
                    labels: SortedMap::new(),
                    points: vec![(0.0, Some(10.0 + n as f64))],
                }],
                ..Sample::default()
            }));
        }
        assert_eq!(curves(Some("shop")), [Some(10.0), Some(11.0), Some(12.0)]);
        std::fs::remove_dir_all(dir).expect("it can be removed");
    }

    #[test]
    fn a_curve_is_drawn_over_the_whole_run() {
        let drawn = spark(&[(0.0, 0.0), (50.0, 4.0), (99.0, 8.0)], 100.0, 8.0);
        let columns: Vec<char> = drawn.chars().collect();
        assert_eq!(columns.len(), WIDTH);
        assert_eq!((columns[0], columns[20], columns[39]), ('▁', '▅', '█'));
        assert!(columns[1..20].iter().all(|column| *column == ' '));
    }

    #[test]
    fn times_and_numbers() {
        assert_eq!(
            [clock(5.0), clock(725.9), clock(3725.0)],
            ["00:05", "12:05", "1:02:05"]
        );
        assert_eq!([number(3.0), number(2.34), number(-0.0)], ["3", "2.3", "0"]);
    }
}
