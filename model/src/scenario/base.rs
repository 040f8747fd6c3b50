//! Files that are read once and resolved many times, each time with other overrides.
//!
//! A sweep asks for thousands of scenarios that differ in a field or two. What was written is parsed once; what
//! it means is resolved for each, with every check, because an override may make a reference point nowhere.
//! Catalog, instance types and probes are shared by all.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use super::{Files, Report, Scenario, Shared, read, set};
use crate::catalog::Catalog;
use crate::document::{Diagnostic, Value};
use crate::manifest::Document;

/// The files of a scenario, parsed but not yet resolved.
#[derive(Debug)]
pub struct Base {
    files: Files,
    tree: Value,
    documents: Vec<Document>,
    /// What is wrong with the files as texts, whatever is overridden.
    problems: Vec<Diagnostic>,
    /// The catalog of the files as written.
    catalog: OnceLock<Option<Arc<Catalog>>>,
    shared: Shared,
}

/// What is written, overrides applied.
#[derive(Debug, Clone)]
pub struct Written {
    /// `scenario.toml`
    pub scenario: Value,
    /// Every manifest of a kind that is read.
    pub documents: Vec<Document>,
}

impl Base {
    /// Parses the files. What is wrong with them is reported when they are resolved.
    #[must_use]
    pub fn read(files: Files) -> Self {
        let problems = RefCell::new(Vec::new());
        let tree = read::read_scenario(&files.scenario, &problems);
        let documents = read::read_all(&files, &problems);
        Base {
            files,
            tree,
            documents,
            problems: problems.take(),
            catalog: OnceLock::new(),
            shared: Shared::default(),
        }
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The scenario with overrides, as [`super::load`] has it.
    ///
    /// # Errors
    ///
    /// When any problem is an error.
    pub fn with(&self, sets: &[String]) -> Result<(Scenario, Report), Report> {
        let problems = RefCell::new(self.problems.clone());
        let (mut tree, mut documents) = (self.tree.clone(), self.documents.clone());
        set::apply(sets, &mut tree, &mut documents, &problems);
        let own = !sets.iter().any(|set| set.trim_start().starts_with("cloud"));
        let known = if own {
            self.catalog.get_or_init(|| read::catalog_of(&self.tree)).clone()
        } else {
            None
        };
        read::resolve_all(
            &self.files,
            &tree,
            &documents,
            problems,
            known,
            self.shared.clone(),
        )
    }

    /// What is written once overrides are applied; those that cannot be are left out.
    #[must_use]
    pub fn written(&self, sets: &[String]) -> Written {
        let (mut scenario, mut documents) = (self.tree.clone(), self.documents.clone());
        set::apply(sets, &mut scenario, &mut documents, &RefCell::default());
        Written { scenario, documents }
    }
}

impl Written {
    /// The value of a field named as an override names it, and the manifest that it stands in; `None` if nothing
    /// is written there.
    #[must_use]
    pub fn field(&self, target: &str) -> Option<(&Value, Option<&Document>)> {
        set::look_up(target, &self.scenario, &self.documents)
    }
}

/// A step of a path to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// The value of a mapping's key.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// A field as an override names it: `KIND/NAME` or `KIND/NAMESPACE/NAME` of the manifest, `None` for the scenario's
/// own fields, and the path. `None` if it is no name of a field.
#[must_use]
pub fn parse_field(target: &str) -> Option<(Option<&str>, Vec<Segment>)> {
    let (object, field) = set::target(target);
    Some((object, set::segments(field)?))
}
