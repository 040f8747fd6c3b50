//! Samples as Prometheus' text format writes them, version 0.0.4.

use std::fmt::Write as _;

use model::traffic::Sample;
use sim::SortedMap;

/// The content type of what [`text`] returns; Prometheus 3 refuses an exposition without one.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The labels of a process, and what it counts.
pub type Process = (Vec<(&'static str, String)>, Vec<Sample>);

/// What several processes answer, each with labels of its own, as one exposition.
#[must_use]
pub fn text(processes: &[Process]) -> String {
    // The lines of a metric must stand together.
    let mut families: SortedMap<&str, String> = SortedMap::new();
    for (own, samples) in processes {
        for sample in samples {
            let lines = families.entry(sample.name).or_default();
            lines.push_str(sample.name);
            let labels = sample.labels.iter().chain(own);
            for (number, (name, value)) in labels.enumerate() {
                lines.push(if number == 0 { '{' } else { ',' });
                // Writing to a String cannot fail.
                let _ = write!(lines, "{name}=\"{}\"", escaped(value));
            }
            if sample.labels.len() + own.len() > 0 {
                lines.push('}');
            }
            let _ = writeln!(lines, " {}", sample.value);
        }
    }
    let mut text = String::new();
    let mut declared = "";
    for (name, lines) in &families {
        let (family, kind) = family(name);
        if family != declared {
            let _ = writeln!(text, "# TYPE {family} {kind}");
            declared = family;
        }
        text.push_str(lines);
    }
    text
}

/// The family that a metric belongs to, and its type, by the endings that Traefik keeps to.
fn family(name: &str) -> (&str, &'static str) {
    for ending in ["_bucket", "_sum", "_count"] {
        if let Some(family) = name.strip_suffix(ending) {
            return (family, "histogram");
        }
    }
    match name.ends_with("_total") {
        true => (name, "counter"),
        false => (name, "gauge"),
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &'static str, code: &str, value: f64) -> Sample {
        Sample {
            name,
            labels: [("code", code.to_owned())].into(),
            value,
        }
    }

    #[test]
    fn lines_of_a_metric_stand_together() {
        let pod = |name: &str| vec![("pod", name.to_owned())];
        let processes = [
            (
                pod("a"),
                vec![sample("x_total", "200", 1.5), sample("y", "\"\\\n", 2.0)],
            ),
            (pod("b"), vec![sample("x_total", "200", 3.0)]),
        ];
        assert_eq!(
            text(&processes),
            "# TYPE x_total counter\n\
             x_total{code=\"200\",pod=\"a\"} 1.5\n\
             x_total{code=\"200\",pod=\"b\"} 3\n\
             # TYPE y gauge\n\
             y{code=\"\\\"\\\\\\n\",pod=\"a\"} 2\n"
        );
    }

    #[test]
    fn a_histogram_is_declared_once() {
        let names = ["d_seconds_bucket", "d_seconds_sum", "d_seconds_count"];
        let samples = names.map(|name| sample(name, "200", 1.0)).to_vec();
        let text = text(&[(Vec::new(), samples)]);
        assert_eq!(text.matches("# TYPE").count(), 1, "{text}");
        assert!(text.starts_with("# TYPE d_seconds histogram\n"), "{text}");
    }
}
