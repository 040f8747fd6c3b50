//! What is worked out once for all pods of a template.

use std::sync::Arc;

use super::pod::PodTemplate;

/// Something about each template, found by where the template lies in memory. There are few templates, and whoever
/// asks for one mostly asks for the same next.
#[derive(Debug, Clone)]
pub(crate) struct ByTemplate<T> {
    known: Vec<(Arc<PodTemplate>, T)>,
    /// The place of the one that was asked for last.
    last: usize,
}

impl<T> Default for ByTemplate<T> {
    fn default() -> Self {
        ByTemplate {
            known: Vec::new(),
            last: 0,
        }
    }
}

impl<T> ByTemplate<T> {
    /// What is known of a template.
    pub(crate) fn get(&mut self, template: &Arc<PodTemplate>) -> Option<&T> {
        let is_own = |(own, _): &(Arc<PodTemplate>, T)| Arc::ptr_eq(own, template);
        if !self.known.get(self.last).is_some_and(is_own) {
            self.last = self.known.iter().position(is_own)?;
        }
        self.known.get(self.last).map(|(_, own)| own)
    }

    /// The same; what is not known yet is worked out.
    pub(crate) fn get_or(&mut self, template: &Arc<PodTemplate>, make: impl FnOnce() -> T) -> &T {
        if self.get(template).is_none() {
            self.insert(template.clone(), make());
        }
        &self.known[self.last].1
    }

    /// Keeps something about a template of which nothing was known.
    pub(crate) fn insert(&mut self, template: Arc<PodTemplate>, value: T) {
        self.last = self.known.len();
        self.known.push((template, value));
    }
}
