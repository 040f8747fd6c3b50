//! What fields refer to: Deployments, Services, routes, classes, metrics.

use std::cell::RefCell;
use std::sync::Arc;

use sim::SortedSet;

use super::read::object_to_delete;
use super::{Deletable, ObjectName, Objects, Route, Scenario, ports};
use crate::api::Gated;
use crate::document::{Context, Cursor, Diagnostic, closest};
use crate::ec2::Interruption;
use crate::hpa::Source;
use crate::karpenter::Profile;
use crate::keda::spec::Trigger;
use crate::manifest::Document;

/// Fills in what follows from other fields, and reports references to nothing.
pub(super) fn resolve(
    scenario: &mut Scenario,
    root: &Cursor<'_>,
    documents: &[Document],
    problems: &RefCell<Vec<Diagnostic>>,
) {
    roles(scenario, root);
    service(scenario, root);
    dashboard(scenario, root);
    durations(scenario, root);
    gated_fields(scenario, root);
    unserved_fields(scenario);
    names(scenario, root);
    for (name, query) in &scenario.metric_rules {
        check_query(&root.get("metric").get(name), query, scenario);
    }
    named_objects(scenario, root);
    for document in documents {
        let context = Context::new(&document.file, document.title(), problems);
        references(scenario, document, &context.root(&document.value));
    }
}

/// All objects that are there at some time.
pub(crate) fn everything(scenario: &Scenario) -> Vec<&Objects> {
    let applied = scenario.actions.iter().filter_map(|action| match &action.act {
        super::Act::Apply(objects) => Some(&**objects),
        _ => None,
    });
    std::iter::once(&scenario.objects).chain(applied).collect()
}

fn has_deployment(scenario: &Scenario, name: &ObjectName) -> bool {
    let named = |objects: &&Objects| {
        objects
            .deployments
            .iter()
            .any(|deployment| deployment.name() == *name)
    };
    everything(scenario).iter().any(named)
}

fn require_deployment(at: &Cursor<'_>, name: &ObjectName, scenario: &Scenario) {
    require_object(at, Deletable::Deployment, name, scenario);
}

fn roles(scenario: &Scenario, root: &Cursor<'_>) {
    let roles = &scenario.roles;
    if let Some(client) = &roles.client {
        require_deployment(&root.at("load.clients.deployment"), client, scenario);
    }
    require_deployment(&root.at("proxy.deployment"), &roles.proxy, scenario);
    require_deployment(&root.at("service.deployment"), &roles.server, scenario);
    if roles.server == roles.proxy || roles.client.as_ref() == Some(&roles.server) {
        let message = "client, proxy and service must be different Deployments";
        root.at("service.deployment").error("E004", message, "");
    }
}

/// Objects that the start and actions are about.
fn named_objects(scenario: &Scenario, root: &Cursor<'_>) {
    for (key, at) in root.at("start.replicas").entries() {
        require_deployment(&at, &deployment_named(key), scenario);
    }
    let written = |at: &Cursor<'_>| at.written().map(str::to_owned);
    for action in root.get("action").items() {
        let scaled = action.get("scale");
        if let Some(text) = written(&scaled) {
            require_deployment(&scaled, &deployment_named(&text), scenario);
        }
        let deleted = action.get("delete");
        if let Some((kind, name)) = written(&deleted).and_then(|text| object_to_delete(&text).ok()) {
            require_object(&deleted, kind, &name, scenario);
        }
        let interrupted = action.get("interrupt");
        if interrupted.is_given() && everything(scenario).iter().all(|o| o.node_pools.is_empty()) {
            let message = "only machines of NodePools are taken back, and no manifest has a NodePool";
            let hint =
                "a node group would replace what was taken: its machines are there from beginning to end";
            interrupted.error("E006", message, hint);
        }
    }
    spot_groups(scenario, root);
}

/// `namespace/name`; in the namespace default without one.
fn deployment_named(text: &str) -> ObjectName {
    let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
    ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn require_object(at: &Cursor<'_>, kind: Deletable, name: &ObjectName, scenario: &Scenario) {
    let all = everything(scenario);
    let names: Vec<ObjectName> = all.iter().flat_map(|objects| objects.named(kind)).collect();
    if names.contains(name) {
        return;
    }
    let kind = kind.as_str();
    let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
    let elsewhere = names.iter().position(|other| other.name == name.name);
    let near = || closest(&name.to_string(), texts.iter().map(String::as_str)).map(str::to_owned);
    let hint = match elsewhere.map(|place| texts[place].clone()).or_else(near) {
        Some(near) => format!("did you mean {near:?}?"),
        None if names.is_empty() => "put its manifest into manifests/".to_owned(),
        None => format!("there are {}", texts.join(", ")),
    };
    at.error(
        "E009",
        format!("no manifest has the {kind} {:?}", name.to_string()),
        &hint,
    );
}

/// Machines of node groups are not taken back, spot or not.
fn spot_groups(scenario: &Scenario, root: &Cursor<'_>) {
    if scenario.config.ec2.interruption == Interruption::Never {
        return;
    }
    for group in root.get("node_group").items() {
        let at = group.get("capacity_type");
        if at.written() == Some("spot") {
            let message = "cloud.interruption is ignored for a node group's machines: EC2 takes back those of NodePools alone";
            at.warn(
                "W001",
                message,
                "a node group would replace what was taken, which is not simulated",
            );
        }
    }
}

/// The route that leads to the service, what Traefik calls it, and where its requests come in.
fn service(scenario: &mut Scenario, root: &Cursor<'_>) {
    let at = root.at("service.deployment");
    let routes = routes(scenario);
    let Some(first) = routes.first() else {
        if has_deployment(scenario, &scenario.roles.server) {
            let hint = "add a Service that selects its pods and an Ingress or IngressRoute to that Service";
            at.error("E009", "no Ingress leads to a Service of this Deployment", hint);
        }
        return;
    };
    let written = root.at("proxy.entry_point");
    let entry_point = match (written.is_given(), first.entry_points.first()) {
        (false, Some(own)) => own.clone(),
        _ => scenario.traffic.traefik.entry_point.clone(),
    };
    let listens =
        |route: &&&Route| route.entry_points.is_empty() || route.entry_points.contains(&entry_point);
    let own = routes.iter().find(listens);
    if own.is_none() {
        let known: SortedSet<&str> = routes
            .iter()
            .flat_map(|own| &own.entry_points)
            .map(String::as_str)
            .collect();
        let known: Vec<&str> = known.into_iter().collect();
        let message =
            format!("no route to the service listens at {entry_point:?}: Traefik answers 404 there");
        let hint = format!("take one of {}, or leave it out", known.join(", "));
        written.error("E009", message, &hint);
    }
    let service = own.unwrap_or(first).traefik_service.clone();
    scenario.traffic.traefik.service = service;
    scenario.traffic.traefik.entry_point = entry_point;
}

/// The routes to a Service that selects the server's pods.
fn routes(scenario: &Scenario) -> Vec<&Route> {
    let server = &scenario.roles.server;
    let objects = everything(scenario);
    let mut deployments = objects.iter().flat_map(|o| &o.deployments);
    let Some(deployment) = deployments.find(|deployment| deployment.name() == *server) else {
        return Vec::new();
    };
    let template = &deployment.object.template;
    let services = objects.iter().flat_map(|o| &o.services);
    let services: Vec<&crate::api::Service> = services.filter(|own| own.selects(template)).collect();
    let leads = |route: &&Route| {
        services
            .iter()
            .any(|service| route.service.name == service.name && route.service.namespace == service.namespace)
    };
    objects.iter().flat_map(|o| &o.routes).filter(leads).collect()
}

/// The walkthrough's three panels, about this scenario's service.
fn dashboard(scenario: &mut Scenario, root: &Cursor<'_>) {
    let service = &scenario.traffic.traefik.service;
    let namespace = &scenario.roles.server.namespace;
    let defaults = [
        format!("sum(rate(traefik_service_requests_total{{service=\"{service}\",code=\"200\"}}[2m]))"),
        format!("count(kube_pod_info{{namespace=\"{namespace}\"}})"),
        "count(kubelet_node_name) by (beta_kubernetes_io_instance_type)".to_owned(),
    ];
    let dashboard = &mut scenario.dashboard;
    for (query, default) in [&mut dashboard.rps, &mut dashboard.pods, &mut dashboard.nodes]
        .into_iter()
        .zip(defaults)
    {
        if query.is_empty() {
            *query = default;
        }
    }
    for (key, query) in scenario.dashboard.panels() {
        check_query(&root.at("dashboard").get(key), query, scenario);
    }
}

/// The queries of triggers and of metric rules.
pub(crate) fn queries(scenario: &Scenario) -> Vec<&String> {
    let objects = everything(scenario).into_iter();
    let scaled = objects.flat_map(|objects| &objects.scaled_objects);
    let triggers = scaled.flat_map(|object| &object.spec.triggers);
    let triggers = triggers.filter_map(Trigger::query);
    triggers.chain(scenario.metric_rules.values()).collect()
}

/// Every query that something in a run asks: the dashboard's too.
pub(crate) fn all_queries(scenario: &Scenario) -> impl Iterator<Item = &String> {
    let panels = scenario.dashboard.panels().map(|(_, query)| query);
    panels.into_iter().chain(queries(scenario))
}

/// Duration histograms cost time in flow: they are kept if a query reads them, unless the scenario says.
fn durations(scenario: &mut Scenario, root: &Cursor<'_>) {
    if !root.at("proxy.durations").is_given() {
        let asked = all_queries(scenario).any(|query| query.contains("_duration_seconds"));
        scenario.traffic.traefik.durations = asked;
    }
}

/// The same, to be changed.
fn everything_mut(scenario: &mut Scenario) -> impl Iterator<Item = &mut Objects> {
    let applied = scenario
        .actions
        .iter_mut()
        .filter_map(|action| match &mut action.act {
            super::Act::Apply(objects) => Some(&mut **objects),
            _ => None,
        });
    std::iter::once(&mut scenario.objects).chain(applied)
}

/// What the custom resources of the scenario's Karpenter do not have. `check` says so where it is written.
fn unserved_fields(scenario: &mut Scenario) {
    let profile = Profile::of(scenario.stack.karpenter);
    for objects in everything_mut(scenario) {
        for pool in &mut objects.node_pools {
            pool.drop_unserved(&profile);
        }
        for class in &mut objects.node_classes {
            class.drop_unserved(&profile);
        }
    }
}

/// What the API server of the scenario's release does not keep of a pod.
fn gated_fields(scenario: &mut Scenario, root: &Cursor<'_>) {
    let minor = scenario.stack.kubernetes;
    if Gated::missing_in(minor).next().is_none() {
        return;
    }
    let mut dropped = SortedSet::new();
    for objects in everything_mut(scenario) {
        let deployments = objects
            .deployments
            .iter_mut()
            .map(|deployment| &mut deployment.object.template);
        for template in deployments.chain(objects.daemon_sets.iter_mut().map(|set| &mut set.template)) {
            dropped.extend(Arc::make_mut(template).spec.drop_gated(minor));
        }
    }
    for field in dropped {
        if field == Gated::Sidecars {
            let message = format!("on Kubernetes 1.{minor} pods with sidecars never start");
            let hint = "without restartPolicy it is an init container, whose end is waited for; take sidecars out, or a release \
                from 1.29 on";
            root.at("stack.kubernetes").error("E006", message, hint);
            continue;
        }
        let message = format!("Kubernetes 1.{minor} drops {field}");
        let hint = format!("the API server keeps it from 1.{} on", field.since());
        root.at("stack.kubernetes").warn("W006", message, &hint);
    }
}

/// Names of images, applications and instance types that nothing has.
fn names(scenario: &Scenario, root: &Cursor<'_>) {
    let objects = everything(scenario);
    let deployments = objects
        .iter()
        .flat_map(|o| &o.deployments)
        .map(|d| (d.name(), &d.object.template));
    let sets = objects.iter().flat_map(|o| &o.daemon_sets).map(|set| {
        let name = ObjectName {
            namespace: set.template.namespace.clone(),
            name: set.name.clone(),
        };
        (name, &set.template)
    });
    let workloads: Vec<_> = deployments.chain(sets).collect();
    let images: Vec<&str> = workloads
        .iter()
        .flat_map(|(_, template)| {
            template
                .spec
                .containers
                .iter()
                .chain(&template.spec.init_containers)
        })
        .map(|container| container.image.as_str())
        .collect();
    for (name, at) in root.get("image").entries() {
        if name != "default" && !images.contains(&name) {
            at.error(
                "E009",
                format!("no container has the image {name:?}"),
                &did_you_mean(name, images.iter().copied()),
            );
        }
    }
    let titles: Vec<String> = workloads.iter().map(|(name, _)| name.to_string()).collect();
    for (name, at) in root.get("application").entries() {
        if !titles.iter().any(|title| title == name) {
            let hint = did_you_mean(name, titles.iter().map(String::as_str));
            at.error(
                "E009",
                format!("no manifest has the Deployment or DaemonSet {name:?}"),
                &hint,
            );
        }
    }
    let entries = scenario.catalog.entries();
    for (name, at) in root.at("cpu.speeds").entries() {
        if crate::catalog::find(name).is_none() {
            let hint = did_you_mean(name, entries.iter().map(|entry| entry.spec.name));
            at.error("E009", format!("there is no instance type {name:?}"), &hint);
        }
    }
    let known_type = |at: &Cursor<'_>| {
        let Some(text) = at.written() else { return };
        let pattern = crate::ec2::TypePattern(text.to_owned());
        if !entries.iter().any(|entry| pattern.matches(entry.spec.name)) {
            let hint = did_you_mean(text, entries.iter().map(|entry| entry.spec.name));
            at.error(
                "E009",
                format!("{} offers no instance type {text:?}", scenario.region),
                &hint,
            );
        }
    };
    root.at("cloud.deep_pools").items().iter().for_each(known_type);
    for action in root.get("action").items() {
        known_type(&action.at("shortage.instance_type"));
        known_type(&action.at("interrupt.instance_type"));
        let zones = scenario.catalog.zones();
        for at in [action.at("shortage.zone"), action.at("interrupt.zone")] {
            let text = at.written();
            if let Some(zone) = text.filter(|text| !zones.iter().any(|zone| *zone.name == **text)) {
                at.error("E009", format!("{} has no zone {zone:?}", scenario.region), "");
            }
        }
    }
}

fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, candidates)
        .map(|near| format!("did you mean {near:?}?"))
        .unwrap_or_default()
}

/// Reports a query that the release would refuse, or that cannot be answered here.
fn check_query(at: &Cursor<'_>, query: &str, scenario: &Scenario) {
    let parsed = match scenario.query(query) {
        Ok(parsed) => parsed,
        Err(error) => {
            at.error(
                "E012",
                format!(
                    "Prometheus {} does not take this query: {error}",
                    scenario.stack.prometheus
                ),
                "",
            );
            return;
        }
    };
    for missing in parsed.unsupported() {
        at.error(
            "E012",
            format!("the simulated Prometheus cannot answer this query: {missing}"),
            "",
        );
    }
}

fn references(scenario: &Scenario, document: &Document, root: &Cursor<'_>) {
    match document.kind.name {
        "ScaledObject" => {
            require_target(root, document, scenario);
            for trigger in root.at("spec.triggers").items() {
                let query = trigger.at("metadata.query");
                let is_prometheus = trigger.get("type").written() == Some("prometheus");
                if let Some(text) = query.written().filter(|_| is_prometheus) {
                    check_query(&query, text, scenario);
                }
            }
        }
        "HorizontalPodAutoscaler" => {
            require_target(root, document, scenario);
            require_rules(root, document, scenario);
        }
        "NodePool" => {
            require_class(root, scenario);
            require_policy(root, scenario);
        }
        "EC2NodeClass" => require_image(root, scenario, document),
        "Deployment" | "DaemonSet" => ports::of_probes(root),
        "Service" => ports::of_service(document, root, scenario),
        "Ingress" | "IngressRoute" => require_services(document, root, scenario),
        _ => {}
    }
}

fn require_target(root: &Cursor<'_>, document: &Document, scenario: &Scenario) {
    let at = root.at("spec.scaleTargetRef.name");
    if let Some(name) = at.written() {
        let name = ObjectName {
            namespace: document.namespace.clone(),
            name: name.to_owned(),
        };
        require_deployment(&at, &name, scenario);
    }
}

/// Metrics of an HPA that KEDA does not serve need a query.
fn require_rules(root: &Cursor<'_>, document: &Document, scenario: &Scenario) {
    let all = everything(scenario);
    let own = |hpa: &&crate::manifest::HorizontalPodAutoscaler| {
        hpa.name.name == document.name && hpa.name.namespace == document.namespace
    };
    let Some(hpa) = all.iter().flat_map(|objects| &objects.hpas).find(own) else {
        return;
    };
    for (metric, at) in hpa.spec.metrics.iter().zip(root.at("spec.metrics").items()) {
        let name = match &metric.source {
            Source::External { name, .. } | Source::Object { name, .. } | Source::Pods { name, .. } => name,
            Source::Resource(_) | Source::ContainerResource { .. } => continue,
        };
        if !scenario.metric_rules.contains_key(name) {
            let hint = format!("add to scenario.toml: [metric] {name:?} = \"a PromQL query\"");
            at.error("E009", format!("nothing says what the metric {name:?} is"), &hint);
        }
    }
}

fn require_class(root: &Cursor<'_>, scenario: &Scenario) {
    let at = root.at("spec.template.spec.nodeClassRef.name");
    let Some(name) = at.written() else {
        return;
    };
    let all = everything(scenario);
    let names: Vec<&str> = all
        .iter()
        .flat_map(|objects| &objects.node_classes)
        .map(|class| &*class.name)
        .collect();
    if !names.contains(&name) {
        let hint = closest(name, names.iter().copied()).map(|near| format!("did you mean {near:?}?"));
        let hint =
            hint.unwrap_or_else(|| "add its manifest: without it the NodePool launches nothing".to_owned());
        at.error("E009", format!("there is no node class {name:?}"), &hint);
    }
}

/// A policy that the release's custom resource does not list is refused (karpenter v1.13.0
/// pkg/apis/v1/nodepool.go `Disruption`).
fn require_policy(root: &Cursor<'_>, scenario: &Scenario) {
    let release = scenario.stack.karpenter;
    let at = root.at("spec.disruption.consolidationPolicy");
    let is_balanced = at.written() == Some("Balanced");
    if is_balanced && !Profile::of(release).balanced {
        let message = format!("the API server refuses Balanced for Karpenter {release}");
        at.error(
            "E004",
            message,
            "the policy came with 1.14; before, WhenEmptyOrUnderutilized",
        );
    }
}

fn require_image(root: &Cursor<'_>, scenario: &Scenario, document: &Document) {
    let all = everything(scenario);
    let mut classes = all.iter().flat_map(|objects| &objects.node_classes);
    let own = classes.find(|class| *class.name == *document.name);
    if own.is_some_and(|class| class.lacks_image(scenario.stack.kubernetes)) {
        let message = format!(
            "there is no image of al2 for Kubernetes 1.{}: the class never gets ready, and its NodePools launch nothing",
            scenario.stack.kubernetes
        );
        let at = root.at("spec.amiSelectorTerms");
        at.warn("W008", message, "take al2023@latest");
    }
}

fn require_services(document: &Document, root: &Cursor<'_>, scenario: &Scenario) {
    let all = everything(scenario);
    let own = |route: &&Route| route.name.name == document.name && route.name.namespace == document.namespace;
    for route in all.iter().flat_map(|objects| &objects.routes).filter(own) {
        let ports = all
            .iter()
            .find_map(|objects| objects.service_ports.get(&route.service));
        let at = root.get("spec");
        match ports {
            None => {
                let message = format!("there is no Service {:?}", route.service.to_string());
                at.error("E009", message, "Traefik skips what leads to nothing");
            }
            Some(ports)
                if !ports
                    .iter()
                    .any(|(name, number)| *name == route.port || *number == route.port) =>
            {
                let known: Vec<&str> = ports.iter().map(|(_, number)| number.as_str()).collect();
                let message = format!(
                    "the Service {:?} has no port {:?}",
                    route.service.to_string(),
                    route.port
                );
                at.error("E009", message, &format!("it has {}", known.join(", ")));
            }
            Some(_) => {}
        }
    }
}
