//! Label sets and samples.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";

/// A label set, sorted by name, without empty values. A clone is the same set in memory, and comparing a
/// set with its clone costs nothing: exporters keep the sets they expose.
#[derive(Clone, Default)]
pub struct Labels(Arc<Set>);

/// All names and values in one text, in order, and where each name and value ends.
#[derive(PartialEq, Eq, Default)]
struct Set {
    text: String,
    ends: Vec<(u32, u32)>,
}

impl Labels {
    /// The set without labels.
    #[must_use]
    pub fn empty() -> Self {
        Labels::default()
    }

    /// A set from names and values in any order. An empty value is no label; of a name given twice the last
    /// value counts.
    ///
    /// ```
    /// use model::prometheus::Labels;
    ///
    /// let labels = Labels::new([("pod", "web-1"), ("__name__", "up"), ("zone", "")]);
    /// assert_eq!(labels.get("pod"), "web-1");
    /// assert_eq!(labels.to_string(), r#"up{pod="web-1"}"#);
    /// ```
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Labels::of_pairs(pairs.into_iter().collect())
    }

    /// The same, compiled once for all iterators.
    fn of_pairs(mut pairs: Vec<(&str, &str)>) -> Self {
        pairs.sort_by_key(|&(name, _)| name);
        let last_of_name = |i: usize| pairs.get(i + 1).is_none_or(|next| next.0 != pairs[i].0);
        let kept = (0..pairs.len()).filter(|&i| last_of_name(i)).map(|i| pairs[i]);
        Labels::from_sorted(kept)
    }

    /// A set of one metric: its name and its other labels.
    pub fn of_metric<'a>(metric: &'a str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Labels::new(std::iter::once((METRIC_NAME, metric)).chain(pairs))
    }

    /// A set from pairs that are sorted already, each name once.
    pub(super) fn from_sorted<'a, P>(pairs: P) -> Self
    where
        P: IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>,
    {
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let (count, size) = pairs.clone().fold((0, 0), |(count, size), (name, value)| {
            (count + 1, size + name.len() + value.len())
        });
        let mut set = Set {
            text: String::with_capacity(size),
            ends: Vec::with_capacity(count),
        };
        for (name, value) in pairs {
            set.text.push_str(name);
            let name_end = set.text.len() as u32;
            set.text.push_str(value);
            set.ends.push((name_end, set.text.len() as u32));
        }
        Labels(Arc::new(set))
    }

    /// The labels of both; of a name that both have, the other's value.
    pub(super) fn under(&self, other: &Labels) -> Labels {
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(self.len() + other.len());
        let mut own = self.iter().peekable();
        for theirs in other.iter() {
            while let Some(pair) = own.next_if(|(name, _)| *name < theirs.0) {
                pairs.push(pair);
            }
            own.next_if(|(name, _)| *name == theirs.0);
            pairs.push(theirs);
        }
        pairs.extend(own);
        Labels::from_sorted(pairs.iter().copied())
    }

    /// The value of a label, or the empty text.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.iter()
            .find(|(own, _)| *own == name)
            .map_or("", |(_, value)| value)
    }

    /// The metric name, or the empty text.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// Names and values in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone + '_ {
        self.iter_from(0)
    }

    /// The same without the first few.
    fn iter_from(&self, first: usize) -> impl Iterator<Item = (&str, &str)> + Clone + '_ {
        let mut start = first
            .checked_sub(1)
            .map_or(0, |last| self.0.ends[last].1 as usize);
        self.0.ends[first..].iter().map(move |&(name_end, value_end)| {
            let (name_end, value_end) = (name_end as usize, value_end as usize);
            let pair = (&self.0.text[start..name_end], &self.0.text[name_end..value_end]);
            start = value_end;
            pair
        })
    }

    /// How many labels at the beginning both have, name and value.
    fn shared_with(&self, other: &Labels) -> usize {
        let alike = common_prefix(self.0.text.as_bytes(), other.0.text.as_bytes());
        let (own, others) = (&self.0.ends, &other.0.ends);
        let most = own.len().min(others.len());
        let parts = |&at: &usize| own[at] != others[at] || own[at].1 as usize > alike;
        (0..most).find(parts).unwrap_or(most)
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Whether this is a clone of the other: the same set, found without comparing.
    #[must_use]
    pub fn same(&self, other: &Labels) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that is the same for equal sets.
    pub(super) fn hash(&self) -> u64 {
        let mix = |hash: u64, part: u64| (hash ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let (words, rest) = self.0.text.as_bytes().as_chunks::<8>();
        let hash = words
            .iter()
            .fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word)));
        rest.iter().fold(hash, |hash, &byte| mix(hash, u64::from(byte)))
    }

    /// The labels for which `keep` holds.
    #[must_use]
    pub(super) fn filter(&self, keep: impl Fn(&str) -> bool) -> Labels {
        Labels::from_sorted(self.iter().filter(|(name, _)| keep(name)))
    }

    /// The set with one label more or one value changed; an empty value takes the label away.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Labels {
        Labels::new(self.iter().chain([(name, value)]))
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Labels) -> bool {
        self.same(other) || self.0 == other.0
    }
}

impl Eq for Labels {}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Labels) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By name, then value, label by label; a set comes before its extensions
/// (prometheus 3.5 model/labels/labels.go `Compare`).
impl Ord for Labels {
    fn cmp(&self, other: &Labels) -> Ordering {
        if self.same(other) {
            return Ordering::Equal;
        }
        // Sets of one metric begin alike; the first pair that is not shared decides.
        let shared = self.shared_with(other);
        self.iter_from(shared).next().cmp(&other.iter_from(shared).next())
    }
}

/// How many bytes at the beginning are the same.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let (own, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let most = own.len().min(others.len());
    let words = (0..most).find(|&at| own[at] != others[at]).unwrap_or(most) * 8;
    let most = one.len().min(other.len());
    (words..most).find(|&at| one[at] != other[at]).unwrap_or(most)
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric())?;
        f.write_str("{")?;
        let mut separator = "";
        for (name, value) in self.iter().filter(|(name, _)| *name != METRIC_NAME) {
            write!(f, "{separator}{name}={value:?}")?;
            separator = ", ";
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One line of an exposition: a series and its value at the moment. The labels hold the metric name, and
/// lack what the server adds (`job`, `instance`, …).
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name and labels. Keep them between scrapes and hand out clones: a set that the server has just seen
    /// in this place of the exposition costs it nothing.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

impl Sample {
    /// A sample.
    #[must_use]
    pub fn new(labels: Labels, value: f64) -> Self {
        Sample { labels, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_ordered_label_by_label() {
        let sets = [
            Labels::new([]),
            Labels::new([("a", "1")]),
            Labels::new([("a", "1"), ("b", "1")]),
            Labels::new([("a", "2")]),
            Labels::new([("ab", "0")]),
        ];
        assert!(sets.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_last_value_of_a_name_counts_and_empty_values_are_no_labels() {
        let labels = Labels::new([("b", "1"), ("a", "x"), ("b", "2"), ("a", "")]);
        assert_eq!(labels, Labels::new([("b", "2")]));
        assert_eq!(labels.with("b", ""), Labels::empty());
    }
}
