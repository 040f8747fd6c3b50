//! All documents of a scenario, or of one `apply`, as objects.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use sim::SortedMap;

use super::pod::PriorityClasses;
use super::{
    Document, Reading, network, network_rules, node_class, node_pool, policy, route, runtime_class, scaling,
    workload,
};
use crate::document::{Context, Cursor, Diagnostic, Severity};
use crate::karpenter::NodePool;
use crate::scenario::{ObjectName, Objects, PriorityClass};

/// Converts documents. What they refer to in each other is resolved among them and `before`, the objects that
/// are there already.
#[must_use]
pub fn convert(documents: &[&Document], before: &Objects, problems: &RefCell<Vec<Diagnostic>>) -> Objects {
    report_twins(documents, problems);
    report_default_classes(documents, before, problems);
    super::pod_security::check(documents, problems);
    let mut classes = policy::system_priority_classes().to_vec();
    classes.extend_from_slice(&before.priority_classes);
    for document in documents
        .iter()
        .filter(|document| document.kind.name == "PriorityClass")
    {
        classes.extend_from_slice(&document.convert(&[]).objects.priority_classes);
    }
    let converted: Vec<Arc<Converted>> = documents
        .iter()
        .map(|document| {
            let has_pods = matches!(document.kind.name, "Deployment" | "DaemonSet");
            document.convert(if has_pods { &classes } else { &[] })
        })
        .collect();
    let said = |said: fn(&Converted) -> &[Diagnostic]| {
        problems
            .borrow_mut()
            .extend(converted.iter().flat_map(|one| said(one)).cloned());
    };
    said(|one| &one.checked);
    said(|one| &one.read);
    let mut objects = Objects::default();
    for one in &converted {
        objects.append(&one.objects);
    }
    for document in documents
        .iter()
        .filter(|document| document.kind.name == "NodePool")
    {
        let context = Context::new(&document.file, document.title(), problems);
        pass_kubelet_on(&context.root(&document.value), &mut objects);
    }
    runtime_class::admit(documents, before, &mut objects, problems);
    objects
}

/// What a document is converted into, once somebody has done it.
pub(super) type Conversion = Arc<Mutex<Option<Arc<Converted>>>>;

/// What a document alone says.
#[derive(Debug)]
pub(super) struct Converted {
    /// The PriorityClasses that there are for its pods.
    classes: Vec<PriorityClass>,
    /// Its objects.
    objects: Objects,
    /// What is wrong with its fields as such.
    checked: Vec<Diagnostic>,
    /// What is wrong with what they say.
    read: Vec<Diagnostic>,
}

impl Document {
    /// What it says where there are these PriorityClasses.
    fn convert(&self, classes: &[PriorityClass]) -> Arc<Converted> {
        let mut known = self.conversion.lock().expect("nobody panics while he holds it");
        if let Some(known) = known.as_ref().filter(|known| known.classes == classes) {
            return known.clone();
        }
        let converted = Arc::new(self.convert_anew(classes));
        *known = Some(converted.clone());
        converted
    }

    fn convert_anew(&self, classes: &[PriorityClass]) -> Converted {
        let problems = RefCell::default();
        let context = Context::new(&self.file, self.title(), &problems);
        let root = context.root(&self.value);
        self.kind.schema().check(&root);
        // What labels hold is checked of every object, whoever reads them.
        let _ = super::selector::labels(&root.at("metadata.labels"));
        let checked = problems.take();
        let reading = Reading {
            root,
            namespace: &self.namespace,
            name: &self.name,
        };
        let by_name = classes.iter().map(|class| (class.name.clone(), class.clone()));
        let mut objects = Objects::default();
        read(self, &reading, &by_name.collect(), &mut objects);
        Converted {
            classes: classes.to_vec(),
            objects,
            checked,
            read: problems.take(),
        }
    }
}

/// In `karpenter.sh/v1beta1` the kubelet's settings are the NodePool's; here they are always the class's.
fn pass_kubelet_on(root: &Cursor<'_>, objects: &mut Objects) {
    let at = root.at("spec.template.spec.kubelet");
    let named = |pool: &&NodePool| root.at("metadata.name").written() == Some(&*pool.name);
    let own = objects.node_pools.iter().find(named);
    let Some(kubelet) = own.and_then(|pool| pool.kubelet.clone()) else {
        return;
    };
    let name = root.at("spec.template.spec.nodeClassRef.name");
    let shared = objects
        .node_pools
        .iter()
        .filter(|pool| name.value().and_then(|v| v.text()) == Some(&*pool.node_class));
    if shared.count() > 1 {
        let hint = "give each NodePool an EC2NodeClass of its own";
        at.error(
            "E006",
            "kubelet settings of NodePools that share an EC2NodeClass are not simulated",
            hint,
        );
    }
    for class in &mut objects.node_classes {
        if name.written() == Some(&*class.name) {
            class.kubelet = kubelet.clone();
        }
    }
}

fn read(document: &Document, reading: &Reading<'_>, classes: &PriorityClasses, objects: &mut Objects) {
    let version = document.kind.version();
    let v1 = !version.ends_with("v1beta1");
    match document.kind.name {
        "Deployment" => objects
            .deployments
            .push(workload::read_deployment(reading, classes)),
        "DaemonSet" => objects
            .daemon_sets
            .push(workload::read_daemon_set(reading, classes)),
        "Service" => {
            network_rules::check_service(reading);
            let (service, ports) = network::read_service(reading);
            objects.service_ports.insert(reading.object(), ports);
            objects.services.push(service);
        }
        "Ingress" => {
            network_rules::check_ingress(reading);
            objects.routes.extend(route::read_ingress(reading));
        }
        "IngressRoute" => objects.routes.extend(route::read_ingress_route(reading)),
        "HorizontalPodAutoscaler" => objects
            .hpas
            .extend(scaling::read_hpa(reading, version == "autoscaling/v1")),
        "ScaledObject" => objects
            .scaled_objects
            .extend(scaling::read_scaled_object(reading)),
        "NodePool" => objects.node_pools.push(node_pool::read_node_pool(reading, v1)),
        "PodDisruptionBudget" => objects
            .pod_disruption_budgets
            .extend(policy::read_pod_disruption_budget(reading)),
        "Namespace" => {
            objects
                .namespaces
                .insert(document.name.clone(), policy::read_namespace(reading));
        }
        "EC2NodeClass" => objects
            .node_classes
            .push(node_class::read_node_class(reading, v1)),
        "KWOKNodeClass" => objects
            .node_classes
            .push(node_class::read_kwok_node_class(reading)),
        "RuntimeClass" => objects
            .runtime_classes
            .push(runtime_class::read_runtime_class(reading)),
        "PriorityClass" => objects
            .priority_classes
            .push(policy::read_priority_class(reading)),
        // What it says is no object's.
        "ConfigMap" => {}
        other => unreachable!("{other} takes part and is read"),
    }
}

/// Only one PriorityClass may be the default one
/// (kubernetes 1.35 plugin/pkg/admission/priority/admission.go `validatePriorityClass`).
fn report_default_classes(documents: &[&Document], before: &Objects, problems: &RefCell<Vec<Diagnostic>>) {
    let of_before = before.priority_classes.iter().find(|class| class.global_default);
    let mut first = of_before.map(|class| class.name.clone());
    for document in documents.iter().filter(|own| own.kind.name == "PriorityClass") {
        let context = Context::new(&document.file, document.title(), problems);
        let at = context.root(&document.value).get("globalDefault");
        if at.written() != Some("true") {
            continue;
        }
        match first.as_ref().filter(|first| **first != document.name) {
            Some(first) => {
                at.error(
                    "E004",
                    format!("{first} is the default PriorityClass already"),
                    "one can be",
                );
            }
            None => first = Some(document.name.clone()),
        }
    }
}

/// Two documents about one object: the second would replace the first, which nobody means.
fn report_twins(documents: &[&Document], problems: &RefCell<Vec<Diagnostic>>) {
    let mut seen: SortedMap<(&str, ObjectName), &Document> = SortedMap::new();
    for document in documents {
        let name = document.object();
        match seen.get(&(document.kind.name, name.clone())) {
            None => {
                seen.insert((document.kind.name, name), document);
            }
            Some(first) => problems.borrow_mut().push(Diagnostic {
                severity: Severity::Error,
                code: "E010",
                file: document.file.clone(),
                line: document.place().line,
                column: document.place().column,
                field: document.title(),
                message: format!(
                    "this object is given twice, first in {}:{}",
                    first.file,
                    first.place().line
                ),
                hint: "take one of the two out".to_owned(),
            }),
        }
    }
}
