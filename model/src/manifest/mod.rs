//! Kubernetes manifests as users write them.
//!
//! Files hold several documents, exactly as one would `kubectl apply` them. Reading goes in two steps: the
//! text becomes a tree with places ([`crate::document`]); then each document is checked against the table of
//! its kind ([`kinds`]) and converted into the model's objects, every problem named by its field.
//!
//! What the tables say of a field decides what happens to it: simulated, ignored with a warning, refused.
//! Kinds are treated alike: those that take part, those without any effect here (ConfigMaps, roles), those
//! ignored with a warning, those refused because a run without them would be wrong (StatefulSets).

mod admission;
mod convert;
mod data;
pub mod kinds;
mod network;
mod network_rules;
mod node_class;
mod node_pool;
mod pod;
mod pod_fields;
mod pod_rules;
mod pod_security;
mod policy;
mod route;
mod runtime_class;
mod scaling;
mod selector;
pub(crate) mod volume;
mod workload;

use std::cell::RefCell;
use std::sync::Arc;

use crate::document::{
    Context, Cursor, Diagnostic, Entry, Place, Severity, Shape, Source, Value, parse_yaml,
};
use crate::scenario::ObjectName;
use kinds::{Fate, Kind};

use convert::Conversion;
pub use convert::convert;
pub use runtime_class::RuntimeClass;
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
    /// Namespace and name.
    #[must_use]
    pub fn object(&self) -> ObjectName {
        ObjectName {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

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
    if is_kustomization(&source.path) {
        problems.borrow_mut().push(Diagnostic {
            severity: Severity::Warning,
            code: "W002",
            file: source.path.clone(),
            line: 0,
            column: 0,
            field: String::new(),
            message: "this file is ignored: manifests are read as they are".to_owned(),
            hint: "where it changes anything, put what `kubectl kustomize` prints into manifests/".to_owned(),
        });
        return Vec::new();
    }
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
            hint: reading_hint(&source.text, place).to_owned(),
        });
    }
    let values = values.into_iter().flat_map(unfold);
    values
        .filter_map(|value| read_document(&source.path, value, problems))
        .collect()
}

/// kustomize knows its file by the name; the kind is often left out.
fn is_kustomization(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, "kustomization.yaml" | "kustomization.yml")
}

/// What may be the matter with a text that is no YAML.
fn reading_hint(text: &str, place: Place) -> &'static str {
    let line = (place.line as usize)
        .checked_sub(1)
        .and_then(|n| text.lines().nth(n))
        .unwrap_or("");
    if text.contains("{{") || line.contains("${") {
        TEMPLATE_HINT
    } else if line.trim_start_matches(' ').starts_with('\t') {
        "YAML is indented by spaces; this line begins with a tab"
    } else {
        ""
    }
}

/// A `List` is the objects in it, and so is a `DeploymentList`, whose items need not say what they are.
fn unfold(value: Value) -> Vec<Value> {
    let of = value
        .get("kind")
        .and_then(Value::text)
        .and_then(|kind| kind.strip_suffix("List"));
    let (Some(of), Some(Shape::List(items))) = (of, value.get("items").map(|items| &items.shape)) else {
        return vec![value];
    };
    let mut items = items.clone();
    for item in &mut items {
        if let Shape::Map(entries) = &mut item.shape
            && !of.is_empty()
            && !entries.iter().any(|entry| entry.key == "kind")
        {
            let kind = Value {
                place: item.place,
                ..Value::from_text(of)
            };
            let version = value.get("apiVersion").cloned();
            let own = |key: &str, value| Entry {
                key: key.to_owned(),
                place: item.place,
                value,
            };
            entries.push(own("kind", kind));
            entries.extend(version.map(|version| own("apiVersion", version)));
        }
    }
    items
}

fn read_document(file: &str, value: Value, problems: &RefCell<Vec<Diagnostic>>) -> Option<Document> {
    let context = Context::new(file, String::new(), problems);
    let root = context.root(&value);
    if !matches!(value.shape, Shape::Map(_)) {
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
    if found.name == "VerticalPodAutoscaler" && only_recommends(&root) {
        return None;
    }
    if found.name == "HorizontalPodAutoscaler"
        && let Some(owner) = scaled_object(&root)
    {
        let message =
            format!("this HPA is ignored: KEDA made it for ScaledObject/{owner}, and makes it anew");
        kind.warn("W002", message, "");
        return None;
    }
    match found.fate {
        Fate::Read => {}
        // It says how Prometheus is set up.
        Fate::Quiet(_) if found.name == "ConfigMap" && root.get("data").get("prometheus.yml").is_given() => {}
        Fate::Quiet(_) => {
            check_types(file, found, &value, problems);
            return None;
        }
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
    let name_at = root.at("metadata.name").required();
    let name = name_at.name()?.to_owned();
    check_name(&name_at, &name, found.name);
    let namespace_at = root.at("metadata.namespace");
    if let (true, Some(namespace)) = (found.namespaced, namespace_at.name()) {
        check_name(&namespace_at, namespace, "Namespace");
    }
    let namespace = match (found.namespaced, namespace_at.value().and_then(Value::text)) {
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

/// What the fields of an object hold that is passed over.
fn check_types(file: &str, kind: &'static Kind, value: &Value, problems: &RefCell<Vec<Diagnostic>>) {
    if !kind.fields.is_empty() {
        let name = value
            .get("metadata")
            .and_then(|metadata| metadata.get("name")?.text());
        let title = format!("{}/{}", kind.name, name.unwrap_or_default());
        let context = Context::new(file, title, problems);
        kind.schema().check(&context.root(value));
    }
}

/// Whether a VerticalPodAutoscaler only recommends (kubernetes/autoscaler vertical-pod-autoscaler 1.4
/// pkg/apis/autoscaling.k8s.io/v1/types.go `UpdateModeOff`).
fn only_recommends(root: &Cursor<'_>) -> bool {
    root.at("spec.updatePolicy.updateMode").written() == Some("Off")
}

/// The ScaledObject whose HPA this is: what `kubectl get` shows of it, KEDA's webhook takes for the ScaledObject's own
/// (kedacore/keda 2.20 apis/keda/v1alpha1/scaledobject_webhook.go `verifyHpas`).
fn scaled_object(root: &Cursor<'_>) -> Option<String> {
    let owners = root.at("metadata.ownerReferences").items();
    let own = owners
        .iter()
        .find(|owner| owner.get("kind").written() == Some("ScaledObject"))?;
    Some(own.get("name").written().unwrap_or_default().to_owned())
}

/// What the API server takes for a name: a Service's becomes a word in DNS and begins with a letter, a namespace's
/// is one word, others may have dots (kubernetes 1.35 pkg/apis/core/validation/validation.go `ValidateServiceName`,
/// `ValidateNamespaceName`).
fn check_name(at: &Cursor<'_>, name: &str, kind: &str) {
    let dotted = !matches!(kind, "Service" | "Namespace");
    let begins = kind != "Service" || name.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && is_dns_name(name, dotted) {
        return;
    }
    let hint = match (name.contains("{{") || name.contains('$'), dotted) {
        (true, _) => TEMPLATE_HINT,
        (false, true) => "lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
        (false, false) => DNS_WORD,
    };
    at.error("E004", format!("{name:?} is no name for a {kind}"), hint);
}

const DNS_WORD: &str = "at most 63 lower-case letters, digits and '-', with a letter or digit at both ends";

/// Whether it is a word of DNS, or several with dots between them.
fn is_dns_name(name: &str, dotted: bool) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || (dotted && c == '.');
    let ends = |c: char| matches!(c, '-' | '.');
    let most = if dotted { 253 } else { 63 };
    name.len() <= most && name.chars().all(allowed) && !name.starts_with(ends) && !name.ends_with(ends)
}

const TEMPLATE_HINT: &str =
    "a template is no manifest yet: render it first, as `helm template` or `envsubst` do";

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
