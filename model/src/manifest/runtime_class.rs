//! RuntimeClasses, and what admission makes of the pods that name one: their overhead, node selector and tolerations are
//! the class's too (kubernetes 1.35 plugin/pkg/admission/runtimeclass/admission.go `Admit`). What the runtime itself does
//! plays no part.

use std::cell::RefCell;
use std::sync::Arc;

use super::pod_fields::{METADATA, TOLERATIONS, TOP};
use super::selector::labels;
use super::{Document, Reading, pod};
use crate::api::{Labels, PodTemplate, Toleration};
use crate::document::fields::Holds::{Text, TextMap};
use crate::document::fields::{Field, noted, quiet, simulated, table};
use crate::document::{Context, Cursor, Diagnostic, closest};
use crate::quantity::Resources;
use crate::scenario::Objects;

/// The table of RuntimeClasses.
pub(super) const RUNTIME_CLASS: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    quiet("handler", "how a node runs containers plays no part").of(Text),
    noted("overhead.podFixed", "added to the requests of pods of the class"),
    simulated("scheduling.nodeSelector").of(TextMap),
    table("scheduling.tolerations[]", TOLERATIONS),
];

/// A RuntimeClass.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeClass {
    /// metadata.name
    pub name: String,
    /// overhead.podFixed
    pub overhead: Option<Resources>,
    /// scheduling.nodeSelector
    pub node_selector: Labels,
    /// scheduling.tolerations
    pub tolerations: Vec<Toleration>,
}

/// A RuntimeClass.
pub(super) fn read_runtime_class(reading: &Reading<'_>) -> RuntimeClass {
    let root = &reading.root;
    let _ = root.get("handler").required();
    let (overhead, scheduling) = (root.at("overhead.podFixed"), root.get("scheduling"));
    RuntimeClass {
        name: reading.name.to_owned(),
        overhead: overhead.is_given().then(|| pod::resources(&overhead).0),
        node_selector: labels(&scheduling.get("nodeSelector")),
        tolerations: pod::tolerations(&scheduling.get("tolerations")),
    }
}

/// Gives the pods of the documents what their classes say. A DaemonSet's controller decides by its own template where pods
/// belong: it gets the overhead alone.
pub(super) fn admit(
    documents: &[&Document],
    before: &Objects,
    objects: &mut Objects,
    problems: &RefCell<Vec<Diagnostic>>,
) {
    let classes = [&*before.runtime_classes, &*objects.runtime_classes].concat();
    for document in documents {
        let own = |namespace: &str, name: &str| namespace == document.namespace && name == document.name;
        let (template, is_daemon) = match document.kind.name {
            "Deployment" => {
                let mut all = objects.deployments.iter_mut();
                let found = all.find(|set| own(&set.object.template.namespace, &set.object.name));
                (found.map(|set| &mut set.object.template), false)
            }
            "DaemonSet" => {
                let mut all = objects.daemon_sets.iter_mut();
                let found = all.find(|set| own(&set.template.namespace, &set.name));
                (found.map(|set| &mut set.template), true)
            }
            _ => continue,
        };
        let context = Context::new(&document.file, document.title(), problems);
        let spec = context.root(&document.value).at("spec.template.spec");
        let class = class(&spec.get("runtimeClassName"), &classes);
        check_overhead(&spec, class);
        if let (Some(template), Some(class)) = (template, class) {
            apply(class, template, is_daemon, &spec);
        }
    }
}

fn class<'c>(at: &Cursor<'_>, classes: &'c [RuntimeClass]) -> Option<&'c RuntimeClass> {
    let name = at.name()?;
    // Of two versions the later one counts.
    let found = classes.iter().rev().find(|class| class.name == name);
    if found.is_none() {
        let hint = match closest(name, classes.iter().map(|class| class.name.as_str())) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "add it to the manifests, as `kubectl get runtimeclass -o yaml` prints it: the API server refuses pods of a class that it does not know".to_owned(),
        };
        at.error("E009", format!("there is no RuntimeClass {name:?}"), &hint);
    }
    found
}

/// A pod's own overhead is its class's (kubernetes 1.35 plugin/pkg/admission/runtimeclass/admission.go `validateOverhead`).
fn check_overhead(spec: &Cursor<'_>, class: Option<&RuntimeClass>) {
    let at = spec.get("overhead");
    let known = class.and_then(|class| class.overhead.as_ref());
    // Where the class is not known, that is said already.
    let is_unknown = spec.get("runtimeClassName").is_given() && class.is_none();
    if at.is_given() && !is_unknown && known != Some(&pod::resources(&at).0) {
        let hint = "take it out: a RuntimeClass's overhead is written into its pods";
        at.error("E004", "the overhead is not that of the pod's RuntimeClass", hint);
    }
}

/// (kubernetes 1.35 plugin/pkg/admission/runtimeclass/admission.go `setOverhead`, `setScheduling`)
fn apply(class: &RuntimeClass, template: &mut Arc<PodTemplate>, is_daemon: bool, at: &Cursor<'_>) {
    let adds_nothing =
        class.overhead.is_none() && class.node_selector.is_empty() && class.tolerations.is_empty();
    if adds_nothing {
        return;
    }
    let spec = &mut Arc::make_mut(template).spec;
    if let Some(overhead) = &class.overhead {
        spec.overhead = overhead.clone();
    }
    if is_daemon {
        return;
    }
    for (key, value) in &class.node_selector {
        let own = spec
            .node_selector
            .entry(key.clone())
            .or_insert_with(|| value.clone());
        if own != value {
            let message = format!(
                "{key} is {own:?}, and {value:?} in the RuntimeClass {}",
                class.name
            );
            at.get("nodeSelector").get(key).error("E004", message, "");
        }
    }
    for toleration in &class.tolerations {
        if !spec.tolerations.contains(toleration) {
            spec.tolerations.push(toleration.clone());
        }
    }
}
