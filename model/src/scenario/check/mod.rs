//! Advice.
use std::cell::RefCell;

use super::Scenario;
use crate::document::{Cursor, Diagnostic};
use crate::manifest::Document;

pub(super) fn check(
    scenario: &Scenario,
    root: &Cursor<'_>,
    documents: &[Document],
    problems: &RefCell<Vec<Diagnostic>>,
) {
    let _ = (scenario, root, documents, problems);
}
