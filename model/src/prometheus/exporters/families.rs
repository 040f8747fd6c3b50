//! Families: metrics of one name over all objects of a kind.

use crate::api::Api;
use crate::prometheus::labels::{Labels, Sample};
use crate::prometheus::storage::Interest;

/// What a family looks at beside the object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) api: &'a Api,
    pub(super) now: sim::Instant,
    /// The wall-clock label of the start of the run in Unix milliseconds.
    pub(super) epoch: i64,
}

impl Context<'_> {
    /// An instant of the run in Unix seconds.
    pub(super) fn unix_seconds(&self, at: sim::Instant) -> f64 {
        // kube-state-metrics sees what the API stores: whole seconds.
        (self.epoch.div_euclid(1000) + at.as_secs() as i64) as f64
    }
}

/// An object and its number, which is never reused.
pub(super) type Object<'a, O> = (u32, &'a O);

/// Names and values of labels, in any order.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// One family.
#[derive(Debug)]
pub(super) struct Family<O: 'static> {
    /// The metric's name.
    pub(super) name: &'static str,
    /// What the labels depend on: while it stays the same, so do they.
    pub(super) stamp: fn(&Context<'_>, Object<'_, O>) -> u64,
    /// The labels of each of an object's series.
    pub(super) labels: fn(&Context<'_>, Object<'_, O>) -> Vec<Pairs>,
    /// The values of an object's series, in the same order.
    pub(super) values: fn(&Context<'_>, Object<'_, O>, &mut dyn FnMut(f64)),
}

/// The families of one kind of object that some query can select.
#[derive(Debug)]
pub(super) struct Families<O: 'static> {
    wanted: Vec<Memo<O>>,
}

/// A family, and the label sets of each object as of its stamp.
#[derive(Debug)]
struct Memo<O: 'static> {
    family: &'static Family<O>,
    sets: Vec<Option<(u64, Vec<Labels>)>>,
}

impl<O> Families<O> {
    pub(super) fn wanted(families: &'static [Family<O>], interest: &Interest) -> Self {
        let wanted = families.iter().filter(|family| interest.wants(family.name));
        let memo = |family| Memo {
            family,
            sets: Vec::new(),
        };
        Families {
            wanted: wanted.map(memo).collect(),
        }
    }

    /// Adds the samples of all objects, family by family.
    pub(super) fn expose<'a, I: Iterator<Item = Object<'a, O>>>(
        &mut self,
        context: &Context<'_>,
        objects: impl Fn() -> I,
        samples: &mut Vec<Sample>,
    ) where
        O: 'a,
    {
        for memo in &mut self.wanted {
            let family = memo.family;
            for object in objects() {
                let sets = memo.sets(context, object);
                let mut sets = sets.iter();
                let mut push = |value| {
                    let labels = sets.next().expect("a family has labels for each value");
                    samples.push(Sample::new(labels.clone(), value));
                };
                (family.values)(context, object, &mut push);
            }
        }
    }
}

impl<O> Memo<O> {
    fn sets(&mut self, context: &Context<'_>, object: Object<'_, O>) -> &[Labels] {
        let index = object.0 as usize;
        if self.sets.len() <= index {
            self.sets.resize(index + 1, None);
        }
        let stamp = (self.family.stamp)(context, object);
        let slot = &mut self.sets[index];
        if slot.as_ref().is_none_or(|(known, _)| *known != stamp) {
            let name = self.family.name;
            let set = |pairs: &Pairs| {
                Labels::of_metric(name, pairs.iter().map(|(name, value)| (*name, value.as_str())))
            };
            let sets = (self.family.labels)(context, object).iter().map(set).collect();
            *slot = Some((stamp, sets));
        }
        slot.as_ref().map_or(&[], |(_, sets)| sets)
    }
}

/// A value that is 1 or 0.
pub(super) fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
