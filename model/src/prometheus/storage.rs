//! The head of the database: one list of samples per series.
//!
//! A sample is kept if it is later than the last one of its series; late and doubled ones are refused, as
//! the head refuses them (prometheus 3.5 tsdb/head_append.go `appendable`, without an out-of-order window).

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use sim::{SortedMap, SortedSet};

use super::labels::{Labels, METRIC_NAME};
use super::promql::{Query, Selector};
use super::version::Profile;

/// The value that marks a series as ended (prometheus 3.5 model/value/value.go `StaleNaN`).
pub(crate) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is the stale marker, and not some other NaN.
pub(crate) fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// A series of one [`Storage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesId(u32);

/// A sample: Unix milliseconds and value.
pub(crate) type Point = (i64, f64);

/// Which metrics some query of the run can select: others need not be stored, nor computed.
#[derive(Debug, Clone)]
pub struct Interest {
    names: SortedSet<String>,
    /// Selectors that fix no name.
    open: Vec<Selector>,
}

impl Interest {
    /// What these queries can select.
    pub fn of<'a>(queries: impl IntoIterator<Item = &'a Query>) -> Self {
        let mut interest = Interest {
            names: SortedSet::new(),
            open: Vec::new(),
        };
        for selector in queries.into_iter().flat_map(Query::selectors) {
            match selector.metric() {
                Some(name) => {
                    interest.names.insert(name.to_owned());
                }
                None => interest.open.push(selector.clone()),
            }
        }
        interest
    }

    /// Whether some query can select this metric.
    #[must_use]
    pub fn wants(&self, metric: &str) -> bool {
        let open = |selector: &Selector| {
            let named = |m: &&super::Matcher| m.name == METRIC_NAME;
            selector.matchers.iter().filter(named).all(|m| m.matches(metric))
        };
        self.names.contains(metric) || self.open.iter().any(open)
    }

    /// Whether some query can select one of these metrics.
    #[must_use]
    pub fn wants_any(&self, metrics: &[&str]) -> bool {
        metrics.iter().any(|metric| self.wants(metric))
    }
}

#[derive(Debug, Clone)]
struct Series {
    labels: Labels,
    /// The labels without the metric name, which is what most functions return; made when one first does.
    nameless: OnceLock<Labels>,
    samples: Vec<Point>,
}

/// The series a selector of a known query matches, kept up to date as series are born.
#[derive(Debug, Clone)]
struct Standing {
    selector: Selector,
    /// The metric name that it fixes.
    metric: Option<String>,
    series: Vec<SeriesId>,
}

/// All series and their samples.
#[derive(Debug, Clone)]
pub struct Storage {
    profile: Profile,
    series: Vec<Series>,
    /// By the labels' hash.
    known: SortedMap<u64, Vec<SeriesId>>,
    standing: SortedMap<Arc<str>, Standing>,
    /// How long samples are kept, in milliseconds; `None` is for ever.
    retention: Option<i64>,
}

/// `--storage.tsdb.retention.time`, in milliseconds: 15 days by default (prometheus 3.5 cmd/prometheus/main.go
/// `defaultRetentionDuration`).
const RETENTION: i64 = 15 * 24 * 3_600_000;

/// Samples of a series are thinned out when so many are older than the retention.
const SPARE: usize = 256;

impl Storage {
    /// A storage that any query may be put to; it keeps everything.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Storage {
            profile,
            series: Vec::new(),
            known: SortedMap::new(),
            standing: SortedMap::new(),
            retention: None,
        }
    }

    /// A storage for these queries: it finds their series without searching. Others can be put to it too. It
    /// keeps what the server keeps by default.
    #[must_use]
    pub fn for_queries(profile: Profile, queries: &[Query]) -> Self {
        let mut storage = Storage::new(profile);
        for selector in queries.iter().flat_map(Query::selectors) {
            let standing = Standing {
                selector: selector.clone(),
                metric: selector.metric().map(str::to_owned),
                series: Vec::new(),
            };
            storage.standing.entry(selector.key().clone()).or_insert(standing);
        }
        storage.retention = Some(RETENTION);
        storage
    }

    /// The series with these labels, made if it is new.
    pub fn series(&mut self, labels: &Labels) -> SeriesId {
        let known = self.known.entry(labels.hash()).or_default();
        let same = |id: &&SeriesId| self.series[id.0 as usize].labels == *labels;
        if let Some(&id) = known.iter().find(same) {
            return id;
        }
        let id = SeriesId(u32::try_from(self.series.len()).expect("fewer than 2^32 series"));
        known.push(id);
        self.series.push(Series {
            labels: labels.clone(),
            nameless: OnceLock::new(),
            samples: Vec::new(),
        });
        let metric = labels.metric();
        let named = |own: &Option<String>| own.as_ref().is_none_or(|own| own == metric);
        for standing in self.standing.values_mut() {
            if named(&standing.metric) && standing.selector.matches(labels) {
                let at = if self.profile.creation_order {
                    standing.series.len()
                } else {
                    let before = |other: &SeriesId| self.series[other.0 as usize].labels < *labels;
                    standing.series.partition_point(before)
                };
                standing.series.insert(at, id);
            }
        }
        id
    }

    /// Adds a sample at a time in Unix milliseconds. Returns whether it was taken: it is refused if the
    /// series has one at that time or later.
    pub fn append(&mut self, id: SeriesId, at: i64, value: f64) -> bool {
        let samples = &mut self.series[id.0 as usize].samples;
        if samples.last().is_some_and(|&(last, _)| last >= at) {
            return false;
        }
        if let Some(retention) = self.retention
            && samples.get(SPARE).is_some_and(|&(old, _)| old < at - retention)
        {
            samples.drain(..SPARE);
        }
        samples.push((at, value));
        true
    }

    /// Ends a series at a time in Unix milliseconds.
    pub fn mark_stale(&mut self, id: SeriesId, at: i64) {
        self.append(id, at, STALE);
    }

    /// The labels of a series.
    #[must_use]
    pub fn labels(&self, id: SeriesId) -> &Labels {
        &self.series[id.0 as usize].labels
    }

    /// The labels of a series without the metric name.
    pub(crate) fn nameless(&self, id: SeriesId) -> &Labels {
        let series = &self.series[id.0 as usize];
        let made = || series.labels.filter(|name| name != METRIC_NAME);
        series.nameless.get_or_init(made)
    }

    /// The samples of a series, oldest first, stale markers among them.
    pub(crate) fn samples(&self, id: SeriesId) -> &[Point] {
        &self.series[id.0 as usize].samples
    }

    /// The series a selector matches, in the order in which the release returns them.
    pub(crate) fn select(&self, selector: &Selector) -> Cow<'_, [SeriesId]> {
        if let Some(standing) = self.standing.get(selector.key()) {
            return Cow::Borrowed(&standing.series);
        }
        let all = (0..).map(SeriesId).zip(&self.series);
        let matching = all.filter(|(_, series)| selector.matches(&series.labels));
        let mut found: Vec<SeriesId> = matching.map(|(id, _)| id).collect();
        if !self.profile.creation_order {
            found.sort_by(|&a, &b| self.labels(a).cmp(self.labels(b)));
        }
        Cow::Owned(found)
    }
}
