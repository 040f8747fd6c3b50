//! What is worked out once for all pods of a template.

use std::sync::Arc;

use super::pod::PodTemplate;

/// Something about each template, found by where the template lies in memory. There are few templates.
#[derive(Debug, Clone)]
pub(crate) struct ByTemplate<T> {
    known: Vec<(Arc<PodTemplate>, T)>,
    /// By some bits of its address: the place of the template that was asked for last of all that have them.
    last: [usize; SLOTS],
}

const SLOTS: usize = 32;

/// Where to remember a template's place.
fn slot(template: &Arc<PodTemplate>) -> usize {
    (Arc::as_ptr(template).addr() / size_of::<PodTemplate>()) % SLOTS
}

impl<T> Default for ByTemplate<T> {
    fn default() -> Self {
        ByTemplate {
            known: Vec::new(),
            last: [0; SLOTS],
        }
    }
}

impl<T> ByTemplate<T> {
    /// The place of a template.
    fn place(&mut self, template: &Arc<PodTemplate>) -> Option<usize> {
        let is_own = |(own, _): &(Arc<PodTemplate>, T)| Arc::ptr_eq(own, template);
        let last = &mut self.last[slot(template)];
        if !self.known.get(*last).is_some_and(is_own) {
            *last = self.known.iter().position(is_own)?;
        }
        Some(*last)
    }

    /// What is known of a template.
    pub(crate) fn get(&mut self, template: &Arc<PodTemplate>) -> Option<&T> {
        let place = self.place(template)?;
        Some(&self.known[place].1)
    }

    /// The same; what is not known yet is worked out.
    pub(crate) fn get_or(&mut self, template: &Arc<PodTemplate>, make: impl FnOnce() -> T) -> &T {
        let place = self.place(template).unwrap_or_else(|| {
            self.insert(template.clone(), make());
            self.known.len() - 1
        });
        &self.known[place].1
    }

    /// Keeps something about a template of which nothing was known.
    pub(crate) fn insert(&mut self, template: Arc<PodTemplate>, value: T) {
        self.known.push((template, value));
    }
}
