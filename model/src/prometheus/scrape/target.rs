//! Targets: what is scraped, and what is known of their series.

use sim::Instant;

use super::config::Job;
use crate::id::{NodeId, PodId};
use crate::prometheus::labels::{Labels, Sample};
use crate::prometheus::storage::{Interest, SeriesId, Storage};
use crate::prometheus::version::Profile;

/// A target, from its discovery to its removal. Never reused within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetId(pub u32);

/// Who answers a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A pod with the scrape annotation, at a port.
    Pod(PodId, u16),
    /// A node's kubelet.
    Kubelet(NodeId),
    /// The cAdvisor in a node's kubelet.
    Cadvisor(NodeId),
    /// kube-state-metrics, and the pod that it is, if a manifest has it.
    KubeStateMetrics(Option<PodId>),
}

/// Why a scrape brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens, or the answer was no exposition: known at once.
    Refused,
    /// No answer within the timeout.
    TimedOut,
}

/// Something that is scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The job that found it.
    pub job: Job,
    /// Who answers.
    pub source: Source,
    /// The labels put onto its series, `job` and `instance` among them.
    pub labels: Labels,
}

impl Target {
    /// The labels of a stored series. Of a label that both have, the exposition's wins if the job honours
    /// labels, and is renamed `exported_…` if it does not
    /// (prometheus 3.5 scrape/scrape.go `mutateSampleLabels`, `resolveConflictingExposedLabels`).
    #[must_use]
    pub fn series_labels(&self, exposed: &Labels) -> Labels {
        if self.job.honor_labels() {
            return self.labels.under(exposed);
        }
        let mut names: Vec<String> = Vec::new();
        for (name, _) in exposed.iter() {
            let mut renamed = name.to_owned();
            let taken = |name: &str, names: &[String]| {
                !self.labels.get(name).is_empty() || names.iter().any(|other| other == name)
            };
            while taken(&renamed, &names) || renamed != name && !exposed.get(&renamed).is_empty() {
                renamed.insert_str(0, "exported_");
            }
            names.push(renamed);
        }
        let exposed = names
            .iter()
            .map(String::as_str)
            .zip(exposed.iter().map(|(_, value)| value));
        Labels::new(exposed.chain(self.labels.iter()))
    }
}

/// One series of a target, as it was exposed last.
#[derive(Debug, Clone)]
struct Known {
    exposed: Labels,
    /// `None` if no query can select it.
    series: Option<SeriesId>,
}

/// What a scrape brought, until it is committed.
#[derive(Debug)]
pub(super) struct Pending {
    /// The scrape's start in Unix milliseconds: the timestamp of its samples.
    pub(super) at: i64,
    /// How long it took, in seconds.
    pub(super) duration: f64,
    pub(super) result: Result<Vec<Sample>, Failure>,
}

/// The scrape loop of a target.
#[derive(Debug)]
pub(super) struct ScrapeLoop {
    pub(super) target: Target,
    /// When the next scrape is due.
    pub(super) next: Instant,
    pub(super) pending: Option<Pending>,
    /// Whether it was scraped at all.
    pub(super) scraped: bool,
    /// The target is gone; its series end at this time, in Unix milliseconds.
    pub(super) ends: Option<i64>,
    /// The series of the last scrape, in the exposition's order.
    known: Vec<Known>,
    /// The server's own series of the target, by name.
    reports: Vec<(&'static str, SeriesId)>,
    /// Whether the release writes bounds of buckets its own way.
    normalized_bounds: bool,
}

/// The series that the server adds for each target (prometheus 3.5 scrape/scrape.go `report`).
pub(crate) const REPORTS: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// Which of them some query can select.
pub(super) type Reports = [bool; REPORTS.len()];

impl ScrapeLoop {
    pub(super) fn new(target: Target, next: Instant, profile: &Profile) -> Self {
        ScrapeLoop {
            target,
            next,
            pending: None,
            scraped: false,
            ends: None,
            known: Vec::new(),
            reports: Vec::new(),
            normalized_bounds: profile.normalized_bounds,
        }
    }

    /// Whether a scrape with this result, of which nobody wants to know how it went, leaves anything behind.
    pub(super) fn leaves_nothing(&self, result: &Result<Vec<Sample>, Failure>) -> bool {
        self.known.is_empty() && result.as_ref().is_ok_and(Vec::is_empty)
    }

    /// Stores what a scrape brought: samples, stale markers of what is missing, the server's own series
    /// (prometheus 3.5 scrape/scrape.go `scrapeAndReport`).
    pub(super) fn commit(&mut self, interest: &Interest, reports: Reports, storage: &mut Storage) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let at = pending.at;
        let (up, scraped, added) = match pending.result {
            Ok(samples) => {
                let added = self.append(at, &samples, interest, storage);
                (1.0, samples.len(), added)
            }
            Err(_) => {
                self.end_series(at, storage);
                (0.0, 0, 0)
            }
        };
        let values = [up, pending.duration, scraped as f64, scraped as f64, added as f64];
        for ((name, value), wanted) in REPORTS.into_iter().zip(values).zip(reports) {
            if wanted {
                let series = self.report(name, storage);
                storage.append(series, at, value);
            }
        }
    }

    fn report(&mut self, name: &'static str, storage: &mut Storage) -> SeriesId {
        if let Some(&(_, series)) = self.reports.iter().find(|(own, _)| *own == name) {
            return series;
        }
        let series = storage.series(&Labels::of_metric(name, self.target.labels.iter()));
        self.reports.push((name, series));
        series
    }

    /// Stores samples and ends the series that are missing. Returns how many are new.
    ///
    /// Expositions mostly list the same series in the same order as before, so that the list is walked beside
    /// the last one, and only what is out of step is looked up.
    fn append(&mut self, at: i64, samples: &[Sample], interest: &Interest, storage: &mut Storage) -> usize {
        let in_step = |(old, sample): (&Known, &Sample)| old.exposed.same(&sample.labels);
        if self.known.len() == samples.len() && self.known.iter().zip(samples).all(in_step) {
            for (known, sample) in self.known.iter().zip(samples) {
                if let Some(series) = known.series {
                    storage.append(series, at, sample.value);
                }
            }
            return 0;
        }
        let before = std::mem::take(&mut self.known);
        let mut known: Vec<Option<Known>> = Vec::with_capacity(samples.len());
        let mut skipped: Vec<Known> = Vec::new();
        let mut rest = before.into_iter();
        for sample in samples {
            let same = |old: &Known| old.exposed.same(&sample.labels);
            let Some(ahead) = rest.as_slice().iter().position(same) else {
                known.push(None);
                continue;
            };
            skipped.extend(rest.by_ref().take(ahead));
            known.push(rest.next());
        }
        skipped.extend(rest);
        if known.iter().any(Option::is_none) {
            skipped.sort_by(|a, b| a.exposed.cmp(&b.exposed));
        }
        let mut found = vec![false; skipped.len()];
        let mut added = 0;
        for (sample, slot) in samples.iter().zip(&mut known) {
            let entry = slot.get_or_insert_with(|| {
                let exposed = sample.labels.clone();
                match skipped.binary_search_by(|old| old.exposed.cmp(&exposed)) {
                    Ok(place) => {
                        found[place] = true;
                        Known {
                            exposed,
                            series: skipped[place].series,
                        }
                    }
                    Err(_) => {
                        added += 1;
                        let wanted = interest.wants(exposed.metric());
                        let read = match self.normalized_bounds {
                            true => normalized(&exposed),
                            false => exposed.clone(),
                        };
                        let series = wanted.then(|| storage.series(&self.target.series_labels(&read)));
                        Known { exposed, series }
                    }
                }
            });
            if let Some(series) = entry.series {
                storage.append(series, at, sample.value);
            }
        }
        let marked = !self.stamps();
        let missing = skipped.iter().zip(found).filter(|(_, found)| marked && !found);
        for (old, _) in missing {
            if let Some(series) = old.series {
                storage.mark_stale(series, at);
            }
        }
        self.known = known.into_iter().flatten().collect();
        added
    }

    fn end_series(&mut self, at: i64, storage: &mut Storage) {
        let marked = !self.stamps();
        for known in self.known.drain(..).filter(|_| marked) {
            if let Some(series) = known.series {
                storage.mark_stale(series, at);
            }
        }
    }

    /// Whether the exposition says of when its samples are, as cAdvisor's does. Their series never end with a marker, unless
    /// the job sets `track_timestamps_staleness`: instant queries find them for the look-back after their last sample
    /// (prometheus 3.5 scrape/scrape.go `append`).
    fn stamps(&self) -> bool {
        matches!(self.target.source, Source::Cadvisor(_))
    }

    /// Ends all series of a target that is gone, the server's own too
    /// (prometheus 3.5 scrape/scrape.go `endOfRunStaleness`). Those of a target that has come back meanwhile
    /// have later samples, so that the marker is refused.
    pub(super) fn end(&mut self, storage: &mut Storage) {
        let Some(at) = self.ends else { return };
        self.end_series(at, storage);
        for (_, series) in self.reports.drain(..) {
            storage.mark_stale(series, at);
        }
    }
}

/// The labels of a series as a server reads them that writes bounds of buckets its own way.
fn normalized(exposed: &Labels) -> Labels {
    match exposed.get("le") {
        bound if !bound.is_empty() && exposed.metric().ends_with("_bucket") => {
            exposed.with("le", &normalized_bound(bound))
        }
        _ => exposed.clone(),
    }
}

/// A bound as OpenMetrics writes it: the shortest decimal, with a point or an exponent
/// (prometheus 3.5 model/textparse/protobufparse.go `formatOpenMetricsFloat`).
pub(crate) fn normalized_bound(text: &str) -> String {
    let Ok(bound) = text.parse::<f64>() else {
        return text.to_owned();
    };
    if !bound.is_finite() {
        return match bound {
            f64::INFINITY => "+Inf",
            f64::NEG_INFINITY => "-Inf",
            _ => "NaN",
        }
        .to_owned();
    }
    let scientific = format!("{bound:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if bound != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = bound.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_floats() {
        for (text, expected) in [
            ("5", "5.0"),
            ("0", "0.0"),
            ("0.1", "0.1"),
            ("1.20", "1.2"),
            ("250", "250.0"),
            ("1e-05", "1e-05"),
            ("100000", "100000.0"),
            ("1000000", "1e+06"),
            ("+Inf", "+Inf"),
            ("x", "x"),
        ] {
            assert_eq!(normalized_bound(text), expected);
        }
    }

    fn target(job: Job, labels: &[(&str, &str)]) -> Target {
        Target {
            job,
            source: Source::KubeStateMetrics(None),
            labels: Labels::new(labels.iter().copied()),
        }
    }

    #[test]
    fn labels_of_target_and_exposition_meet() {
        let own = [("job", "j"), ("service", "svc"), ("node", "a")];
        let exposed = Labels::new([
            ("service", "web@kubernetes"),
            ("exported_service", "x"),
            ("code", "200"),
        ]);
        let honoured = target(Job::KubernetesPods, &own).series_labels(&exposed);
        assert_eq!(honoured, exposed.with("job", "j").with("node", "a"));
        let renamed = target(Job::KubernetesNodes, &own).series_labels(&exposed);
        let expected = [
            ("code", "200"),
            ("exported_exported_service", "web@kubernetes"),
            ("exported_service", "x"),
            ("job", "j"),
            ("node", "a"),
            ("service", "svc"),
        ];
        assert_eq!(renamed, Labels::new(expected));
    }
}
