//! Kubernetes manifests as users write them.
//!
//! Files hold several documents, exactly as one would `kubectl apply` them. Reading goes in two steps: the
//! text becomes a tree with places ([`crate::document`]); then each document is checked against the table of
//! its kind ([`kinds`]) and converted into the model's objects, every problem named by its field.
//!
//! What the tables say of a field decides what happens to it: simulated, ignored with a warning, refused.
//! Kinds are treated alike: those that take part, those without any effect here (ConfigMaps, roles), those
//! ignored with a warning, those refused because a run without them would be wrong (StatefulSets).

mod convert;
pub mod kinds;
mod network;
mod node_class;
mod node_pool;
mod pod;
mod pod_fields;
mod policy;
mod scaling;
mod selector;
mod workload;

use std::cell::RefCell;
use std::sync::Arc;

use crate::document::{Context, Cursor, Diagnostic, Place, Severity, Source, Value, parse_yaml};
use crate::scenario::ObjectName;
use kinds::{Fate, Kind};

use convert::Conversion;
pub use convert::convert;
pub use scaling::{HorizontalPodAutoscaler, ScaledObject};

/// One object of a manifest, before conversion.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file.
    pub file: String,
    /// What kind of object it is.
    pub kind: &'static Kind,
    /// metadata.namespace, `default` if none is given, empty for kinds of the whole cluster.
    pub namespace: String,
    /// metadata.name
    pub name: String,
    /// All of it.
    pub value: Arc<Value>,
    /// What it was converted into, for all clones: a sweep converts the same documents with each configuration.
    conversion: Conversion,
}

impl Document {
    /// `Kind/name`, for messages.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}/{}", self.kind.name, self.name)
    }

    /// All of it, to change it.
    pub(crate) fn value_mut(&mut self) -> &mut Value {
        self.conversion = Conversion::default();
        Arc::make_mut(&mut self.value)
    }

    /// Where it begins.
    #[must_use]
    pub fn place(&self) -> Place {
        self.value.place
    }
}

/// Reads the documents of a file that are of a kind known here, and reports everything else. Fields are not
/// looked at yet: overrides come first.
#[must_use]
pub fn read_documents(source: &Source, problems: &RefCell<Vec<Diagnostic>>) -> Vec<Document> {
    let (values, failure) = parse_yaml(&source.text);
    if let Some((place, message)) = failure {
        problems.borrow_mut().push(Diagnostic {
            severity: Severity::Error,
            code: "E001",
            file: source.path.clone(),
            line: place.line,
            column: place.column,
            field: String::new(),
            message: format!("not YAML that can be read: {message}"),
            hint: String::new(),
        });
    }
    let values = values.into_iter().flat_map(unfold);
    values
        .filter_map(|value| read_document(&source.path, value, problems))
        .collect()
}

/// A `List` is the objects in it.
fn unfold(value: Value) -> Vec<Value> {
    let is_list = value.get("kind").and_then(Value::text) == Some("List");
    match value.get("items").map(|items| items.shape.clone()) {
        Some(crate::document::Shape::List(items)) if is_list => items,
        _ => vec![value],
    }
}

fn read_document(file: &str, value: Value, problems: &RefCell<Vec<Diagnostic>>) -> Option<Document> {
    let context = Context::new(file, String::new(), problems);
    let root = context.root(&value);
    if !matches!(value.shape, crate::document::Shape::Map(_)) {
        root.error(
            "E003",
            format!("expected a Kubernetes object, found {}", value.describe()),
            "",
        );
        return None;
    }
    let (version, kind) = (root.get("apiVersion").required(), root.get("kind").required());
    let (version_text, kind_text) = (version.name()?, kind.name()?);
    let found = kinds::find(kind_text, version_text).map_err(|wrong| match wrong {
        kinds::Unknown::Kind(hint) => kind.error("E007", format!("unknown kind {kind_text:?}"), &hint),
        kinds::Unknown::Version(hint) => {
            version.error(
                "E007",
                format!("{kind_text} of {version_text:?} is not known here"),
                &hint,
            );
        }
    });
    let found = found.ok()?;
    match found.fate {
        Fate::Read => {}
        Fate::Quiet(_) => return None,
        Fate::Ignored(why) => {
            kind.warn("W002", format!("{kind_text} is ignored: {why}"), "");
            return None;
        }
        Fate::Refused(why) => {
            kind.error(
                "E008",
                format!("{kind_text} cannot be simulated: {why}"),
                "take it out of the manifests",
            );
            return None;
        }
    }
    let name = root.at("metadata.name").required().name()?.to_owned();
    let namespace = match (found.namespaced, root.at("metadata.namespace").name()) {
        (true, given) => given.unwrap_or("default").to_owned(),
        (false, _) => String::new(),
    };
    Some(Document {
        file: file.to_owned(),
        kind: found,
        namespace,
        name,
        value: Arc::new(value),
        conversion: Conversion::default(),
    })
}

/// What a document's readers need.
pub(crate) struct Reading<'a> {
    /// The cursor at the document's top.
    pub(crate) root: Cursor<'a>,
    /// metadata.namespace
    pub(crate) namespace: &'a str,
    /// metadata.name
    pub(crate) name: &'a str,
}

impl Reading<'_> {
    fn object(&self) -> ObjectName {
        ObjectName {
            namespace: self.namespace.to_owned(),
            name: self.name.to_owned(),
        }
    }
}
