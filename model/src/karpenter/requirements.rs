//! Requirements by label key (karpenter v1.14 pkg/scheduling/requirements.go).

use std::fmt;

use super::labels;
use super::requirement::{Name, Requirement};
use crate::api::{Expression, Labels, PodSpec};

/// Requirements by label key, in order of the keys. A key that is not there allows every value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    entries: Vec<(Name, Requirement)>,
}

/// Why requirements cannot be met together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incompatible<'a> {
    /// The label key.
    pub key: &'a Name,
    /// What is asked.
    pub incoming: &'a Requirement,
    /// What there is; `None` if the key is not defined at all.
    pub existing: Option<&'a Requirement>,
}

impl fmt::Display for Incompatible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Incompatible {
            key,
            incoming,
            existing,
        } = self;
        match existing {
            Some(existing) => write!(f, "key {key}: {incoming} does not meet {existing}"),
            None => write!(f, "label {key} is not defined"),
        }
    }
}

impl Requirements {
    /// No requirements.
    #[must_use]
    pub const fn new() -> Self {
        Requirements { entries: Vec::new() }
    }

    /// Requirements whose keys are current, sorted and all different.
    pub(crate) fn from_sorted(entries: Vec<(Name, Requirement)>) -> Self {
        debug_assert!(
            entries.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "keys are sorted"
        );
        Requirements { entries }
    }

    /// The requirements that a node with these labels meets exactly.
    #[must_use]
    pub fn from_labels(labels: &Labels) -> Self {
        labels
            .iter()
            .map(|(key, value)| (Name::from(key.as_str()), Requirement::only(value.as_str())))
            .collect()
    }

    /// The requirements of a list of expressions, all of which must hold.
    #[must_use]
    pub fn from_expressions(expressions: &[Expression]) -> Self {
        expressions
            .iter()
            .map(|e| (Name::from(e.key.as_str()), Requirement::from_expression(e)))
            .collect()
    }

    /// What a pod asks of its node's labels, its heaviest node preference counted as required. Of several
    /// required terms only the first counts; the others are reached by relaxing (`NewPodRequirements`).
    #[must_use]
    pub fn of_pod(pod: &PodSpec) -> Self {
        let mut requirements = Requirements::strict_of_pod(pod);
        if let Some(heaviest) = super::scheduling::heaviest(&pod.affinity.node_preferred, |term| term.weight)
        {
            let preference = &pod.affinity.node_preferred[heaviest].term;
            requirements.add_all(&Requirements::from_expressions(&preference.expressions));
        }
        requirements
    }

    /// The same without preferences (`NewStrictPodRequirements`).
    #[must_use]
    pub fn strict_of_pod(pod: &PodSpec) -> Self {
        let mut requirements = Requirements::from_labels(&pod.node_selector);
        if let Some(first) = pod
            .affinity
            .node_required
            .as_ref()
            .and_then(|terms| terms.first())
        {
            requirements.add_all(&Requirements::from_expressions(&first.expressions));
        }
        requirements
    }

    /// Narrows one key. Former names of labels are translated.
    pub fn add(&mut self, key: impl Into<Name>, requirement: Requirement) {
        let mut key = key.into();
        let current = labels::normalized(&key);
        if current != &*key {
            key = current.into();
        }
        match self.position(&key) {
            Ok(at) => {
                let own = &mut self.entries[at].1;
                *own = requirement.intersection(own);
            }
            Err(at) => self.entries.insert(at, (key, requirement)),
        }
    }

    /// Narrows by all of another's.
    pub fn add_all(&mut self, others: &Requirements) {
        for (key, requirement) in others.iter() {
            self.add(key.clone(), requirement.clone());
        }
    }

    /// Puts a requirement in place of the one for the key.
    pub fn replace(&mut self, key: impl Into<Name>, requirement: Requirement) {
        let key = key.into();
        match self.position(&key) {
            Ok(at) => self.entries[at].1 = requirement,
            Err(at) => self.entries.insert(at, (key, requirement)),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Requirement> {
        let at = self.position(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// The requirement on a key, if there is one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Requirement> {
        self.position(key).ok().map(|at| &self.entries[at].1)
    }

    /// Whether a value is allowed for a key.
    #[must_use]
    pub fn allows(&self, key: &str, value: &str) -> bool {
        self.get(key).is_none_or(|requirement| requirement.has(value))
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|(own, _)| (**own).cmp(key))
    }

    /// All requirements, in order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Requirement)> + '_ {
        self.entries.iter().map(|(key, requirement)| (key, requirement))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any key asks for a number of distinct values.
    #[must_use]
    pub fn has_min_values(&self) -> bool {
        self.entries
            .iter()
            .any(|(_, requirement)| requirement.min_values().is_some())
    }

    /// Whether `incoming` can be met: keys in common must have a value in common, and keys that are not
    /// defined here only pass if well known or if `incoming` is content without them
    /// (`Compatible` with `AllowUndefinedWellKnownLabels`).
    ///
    /// # Errors
    ///
    /// The first key that stands in the way.
    pub fn compatible<'a>(&'a self, incoming: &'a Requirements) -> Result<(), Incompatible<'a>> {
        self.check(incoming, labels::is_well_known)
    }

    /// The same with no key allowed to be undefined (`Compatible` without options).
    ///
    /// # Errors
    ///
    /// The first key that stands in the way.
    pub fn compatible_strictly<'a>(&'a self, incoming: &'a Requirements) -> Result<(), Incompatible<'a>> {
        self.check(incoming, |_| false)
    }

    /// The same with every key allowed to be undefined (`Intersects`).
    ///
    /// # Errors
    ///
    /// The first key that stands in the way.
    pub fn intersects<'a>(&'a self, incoming: &'a Requirements) -> Result<(), Incompatible<'a>> {
        self.check(incoming, |_| true)
    }

    /// Whether some key is content without its label that was not so in `before`. Such requirements may meet what
    /// those did not: `NotIn` and `DoesNotExist` meet where `Exists` and `DoesNotExist` do not, and a label that was
    /// undefined is defined.
    pub(crate) fn begin_to_allow_absence(&self, before: &Requirements) -> bool {
        self.iter()
            .filter(|(_, requirement)| requirement.allows_absence())
            .any(|(key, _)| !before.get(key).is_some_and(Requirement::allows_absence))
    }

    fn check<'a>(
        &'a self,
        incoming: &'a Requirements,
        may_be_undefined: fn(&str) -> bool,
    ) -> Result<(), Incompatible<'a>> {
        for (key, requirement) in incoming.iter() {
            let existing = self.get(key);
            let met = match existing {
                Some(existing) => existing.meets(requirement),
                None => requirement.allows_absence() || may_be_undefined(key),
            };
            if !met {
                return Err(Incompatible {
                    key,
                    incoming: requirement,
                    existing,
                });
            }
        }
        Ok(())
    }

    /// The labels that follow: every key with exactly one value, hostname left out, as they are put on a
    /// NodeClaim (`Requirements.Labels`).
    #[must_use]
    pub fn labels(&self) -> Labels {
        let single = |(key, requirement): (&Name, &Requirement)| {
            let value = requirement.single()?;
            (&**key != labels::HOSTNAME).then(|| (key.to_string(), value.to_string()))
        };
        self.iter().filter_map(single).collect()
    }
}

impl<K: Into<Name>> FromIterator<(K, Requirement)> for Requirements {
    fn from_iter<I: IntoIterator<Item = (K, Requirement)>>(iter: I) -> Self {
        let mut requirements = Requirements::new();
        for (key, requirement) in iter {
            requirements.add(key, requirement);
        }
        requirements
    }
}

impl<K: Into<Name>, const N: usize> From<[(K, Requirement); N]> for Requirements {
    fn from(entries: [(K, Requirement); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, requirement)) in self.iter().enumerate() {
            write!(f, "{}{key} {requirement}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
