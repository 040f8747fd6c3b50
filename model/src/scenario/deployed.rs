//! What manifests say of the parts that are simulated: flags and variables of Traefik, Prometheus, KEDA and Karpenter.
//!
//! They are fields of `scenario.toml` too. Where it does not state one, what the manifests say holds; where it does, it
//! counts, and a warning names what a manifest says otherwise. Manifests that actions apply say nothing here: a part
//! has one configuration in a run.

mod container;

use std::borrow::Cow;
use std::cell::RefCell;

use super::set;
use crate::document::{Context, Cursor, Diagnostic, Place, Scalar, Shape, Value, go_duration, parse_yaml};
use crate::karpenter;
use crate::karpenter::version::{DriftGate, ReservedCapacity};
use crate::manifest::Document;
use crate::prometheus::Job;
use crate::release::Release;
use container::{Container, truth};

/// What is looked at: the scenario as it is written, and the manifests that are applied at the start.
pub(super) struct Deployed<'a> {
    pub(super) tree: &'a Value,
    pub(super) documents: Vec<&'a Document>,
    /// [stack] karpenter
    pub(super) karpenter: Release,
}

/// A field of the scenario, and what a manifest says of it.
struct Stated<'c> {
    /// The flag or variable.
    at: Cursor<'c>,
    field: Cow<'static, str>,
    value: Value,
}

impl Deployed<'_> {
    /// The scenario's tree with what the manifests say of fields that it does not have; `None` if they say nothing of any.
    pub(super) fn filled(&self) -> Option<Value> {
        // Whoever reads the manifests reports what is wrong with them.
        let unheard = RefCell::new(Vec::new());
        let mut filled: Option<Value> = None;
        self.stated(&unheard, |own| {
            let tree = filled.as_ref().unwrap_or(self.tree);
            if set::look_up(&own.field, tree, &[]).is_none() {
                let mut next = tree.clone();
                if set::put_at(&mut next, &own.field, own.value) {
                    filled = Some(next);
                }
            }
        });
        filled
    }

    /// Warns of what manifests say otherwise than the scenario.
    pub(super) fn differences(&self, problems: &RefCell<Vec<Diagnostic>>) {
        self.stated(problems, |own| {
            let Some((counts, _)) = set::look_up(&own.field, self.tree, &[]) else {
                return;
            };
            if !is_same(counts, &own.value) {
                let (field, counts, value) = (own.field, shown(counts), shown(&own.value));
                let message =
                    format!("this says {value}, and scenario.toml has {field} = {counts}, which counts");
                let hint = format!("take {field} out of scenario.toml, and what the manifest says holds");
                own.at.warn("W012", message, &hint);
            }
        });
    }

    /// Hands out all that the manifests say.
    fn stated(&self, problems: &RefCell<Vec<Diagnostic>>, mut take: impl FnMut(Stated<'_>)) {
        let proxy = self
            .tree
            .get("proxy")
            .and_then(|proxy| proxy.get("deployment")?.text());
        let proxy = proxy.map(|text| text.split_once('/').unwrap_or(("default", text)));
        for document in &self.documents {
            let context = Context::new(&document.file, document.title(), problems);
            let root = context.root(&document.value);
            if let Some(at) = prometheus_yml(document, &root) {
                self.prometheus(&at, &mut take);
            }
            if document.kind.name != "Deployment" {
                continue;
            }
            for container in root.at("spec.template.spec.containers").items() {
                let image = container.get("image").written().unwrap_or_default();
                let own = Container::read(&container);
                if proxy == Some((&document.namespace, &document.name)) {
                    self.traefik(&own, &mut take);
                } else if image.contains("prometheus/prometheus:") {
                    own.duration(
                        "query.lookback-delta",
                        "",
                        "timing.prometheus.lookback_delta",
                        &mut take,
                    );
                } else if image.contains("kedacore/keda:") {
                    keda(&own, &mut take);
                } else if image.contains("karpenter/controller") {
                    self.karpenter(&own, &mut take);
                }
            }
        }
    }

    /// The configuration's `global`, and the jobs' own intervals.
    fn prometheus(&self, at: &Cursor<'_>, take: &mut impl FnMut(Stated<'_>)) {
        let (files, _) = parse_yaml(at.written().unwrap_or_default());
        let Some(file) = files.first() else { return };
        let mut say = |field: Cow<'static, str>, from: Option<&Value>| {
            let text = from.and_then(Value::text).unwrap_or_default();
            if go_duration(text).is_some_and(|duration| !duration.is_zero()) {
                let (at, value) = (at.clone(), Value::from_text(text));
                take(Stated { at, field, value });
            }
        };
        let global = |key: &str| file.get("global").and_then(|global| global.get(key));
        // A timeout belongs to its interval.
        let is_stated = |field: &str| set::look_up(field, self.tree, &[]).is_some();
        let own_interval = is_stated("timing.prometheus.scrape_interval");
        say(
            "timing.prometheus.scrape_interval".into(),
            global("scrape_interval"),
        );
        if !own_interval {
            say(
                "timing.prometheus.scrape_timeout".into(),
                global("scrape_timeout"),
            );
        }
        say(
            "timing.prometheus.evaluation_interval".into(),
            global("evaluation_interval"),
        );
        let jobs = match file.get("scrape_configs").map(|jobs| &jobs.shape) {
            Some(Shape::List(jobs)) => jobs.as_slice(),
            _ => &[],
        };
        for job in Job::ALL {
            let is_own = |own: &&Value| own.get("job_name").and_then(Value::text) == Some(job.name());
            let Some(own) = jobs.iter().find(is_own) else {
                continue;
            };
            let field = format!("timing.prometheus.job.{}", job.name());
            let interval = format!("{field}.scrape_interval");
            if !is_stated(&interval) {
                say(
                    format!("{field}.scrape_timeout").into(),
                    own.get("scrape_timeout"),
                );
            }
            say(interval.into(), own.get("scrape_interval"));
        }
    }

    /// (traefik 3.5 pkg/provider/kubernetes/ingress/kubernetes.go `Provider`,
    /// pkg/config/static/static_config.go `Providers`, pkg/types/metrics.go `Prometheus`)
    fn traefik(&self, own: &Container<'_>, take: &mut impl FnMut(Stated<'_>)) {
        own.duration("providers.providersThrottleDuration", "", "proxy.throttle", take);
        own.duration(
            "serversTransport.forwardingTimeouts.dialTimeout",
            "",
            "proxy.dial_timeout",
            take,
        );
        if let Some((at, text)) = own.find("metrics.prometheus.buckets", "") {
            let numbers: Result<Vec<f64>, _> = text.split(',').map(|own| own.trim().parse()).collect();
            let number = |number: &f64| scalar(Scalar::Float(*number), &number.to_string());
            if let Ok(numbers) = numbers {
                let shape = Shape::List(numbers.iter().map(number).collect());
                let value = Value {
                    shape,
                    ..scalar(Scalar::Null, "")
                };
                let field = "proxy.buckets".into();
                take(Stated { at, field, value });
            }
        }
        // What the routes come from decides; where they come from both, the two have to say the same.
        let ingress = self.has_route("Ingress");
        let route = self.has_route("IngressRoute");
        let says = [
            (ingress, "providers.kubernetesIngress.allowEmptyServices"),
            (route, "providers.kubernetesCRD.allowEmptyServices"),
        ];
        let asked: Vec<Option<(Cursor<'_>, bool)>> = says
            .iter()
            .filter(|(is_there, _)| *is_there)
            .map(|(_, flag)| {
                own.find(flag, "")
                    .and_then(|(at, text)| Some((at, truth(&text)?)))
            })
            .collect();
        let first = asked.iter().flatten().next();
        let is_said = |own: &Option<(Cursor<'_>, bool)>| own.as_ref().is_some_and(|(_, says)| *says);
        if let Some((at, says)) = first.filter(|(_, says)| asked.iter().all(|own| is_said(own) == *says)) {
            take(Stated {
                at: at.clone(),
                field: "proxy.allow_empty_services".into(),
                value: boolean(*says),
            });
        }
        for flag in ["addServicesLabels", "addEntryPointsLabels"] {
            if let Some((at, _)) = own
                .find(&format!("metrics.prometheus.{flag}"), "")
                .filter(|(_, text)| truth(text) == Some(false))
            {
                let metrics = match flag {
                    "addServicesLabels" => "traefik_service_",
                    _ => "traefik_entrypoint_",
                };
                let message = format!("with this Traefik has no {metrics} metrics; here it has them");
                at.warn("W012", message, "a query of them finds nothing in a cluster");
            }
        }
    }

    /// Whether Traefik's routes come from objects of a kind. Those to its own services, as its dashboard's, are none.
    fn has_route(&self, kind: &str) -> bool {
        let of_kind = self.documents.iter().filter(|own| own.kind.name == kind);
        let mut values = of_kind.map(|own| &*own.value);
        let list = |value: &Value, key: &str| match value.get(key).map(|own| own.shape.clone()) {
            Some(Shape::List(items)) => items,
            _ => Vec::new(),
        };
        values.any(|value| {
            let routes = value
                .get("spec")
                .map(|spec| list(spec, "routes"))
                .unwrap_or_default();
            let mut services = routes.iter().flat_map(|route| list(route, "services"));
            let to_service = |own: Value| own.get("kind").and_then(Value::text) != Some("TraefikService");
            kind == "Ingress" || services.any(to_service)
        })
    }

    /// (karpenter 1.14 pkg/operator/options/options.go `AddFlags`; karpenter-provider-aws v1.14.1
    /// pkg/operator/options/options.go `AddFlags`)
    fn karpenter(&self, own: &Container<'_>, take: &mut impl FnMut(Stated<'_>)) {
        let profile = karpenter::Profile::of(self.karpenter);
        for (flag, variable, field) in [
            (
                "batch-max-duration",
                "BATCH_MAX_DURATION",
                "timing.karpenter.batch_max_duration",
            ),
            (
                "batch-idle-duration",
                "BATCH_IDLE_DURATION",
                "timing.karpenter.batch_idle_duration",
            ),
        ] {
            own.duration(flag, variable, field, take);
        }
        let policies = [
            (
                profile.preference_policy,
                ("preference-policy", "PREFERENCE_POLICY"),
                ("Respect", "Ignore"),
                "timing.karpenter.ignore_preferences",
            ),
            (
                profile.min_values_policy,
                ("min-values-policy", "MIN_VALUES_POLICY"),
                ("Strict", "BestEffort"),
                "timing.karpenter.best_effort_min_values",
            ),
        ];
        for (exists, (flag, variable), (no, yes), field) in policies {
            if let Some((at, text)) = own.find(flag, variable)
                && exists
                && (text == no || text == yes)
            {
                let (value, field) = (boolean(text == yes), field.into());
                take(Stated { at, field, value });
            }
        }
        if let Some((at, text)) = own.find("interruption-queue", "INTERRUPTION_QUEUE") {
            let value = boolean(!text.is_empty());
            let field = "timing.karpenter.interruption_queue".into();
            take(Stated { at, field, value });
        }
        let gates = [
            (
                profile.reserved_capacity != ReservedCapacity::Unknown,
                "ReservedCapacity",
                "timing.karpenter.reserved_capacity",
            ),
            (
                profile.spot_to_spot,
                "SpotToSpotConsolidation",
                "timing.karpenter.spot_to_spot",
            ),
            (
                profile.drift != DriftGate::Gone,
                "Drift",
                "timing.karpenter.drift",
            ),
        ];
        let Some((at, text)) = own.find("feature-gates", "FEATURE_GATES") else {
            return;
        };
        for (name, says) in text.split(',').filter_map(|own| own.trim().split_once('=')) {
            let known = gates.iter().find(|(exists, own, _)| *exists && *own == name);
            if let (Some((_, _, field)), Some(says)) = (known, truth(says)) {
                take(Stated {
                    at: at.clone(),
                    field: (*field).into(),
                    value: boolean(says),
                });
            }
        }
    }
}

/// Where the file prometheus.yml of Prometheus' ConfigMap stands.
fn prometheus_yml<'c>(document: &Document, root: &Cursor<'c>) -> Option<Cursor<'c>> {
    let at = root.get("data").get("prometheus.yml");
    (document.kind.name == "ConfigMap" && at.is_given()).then_some(at)
}

/// In milliseconds (kedacore/keda 2.20 cmd/operator/main.go `main`).
fn keda(own: &Container<'_>, take: &mut impl FnMut(Stated<'_>)) {
    if let Some((at, text)) = own.find("", "KEDA_HTTP_DEFAULT_TIMEOUT")
        && text.parse::<u32>().is_ok()
    {
        let value = Value::from_text(&format!("{text}ms"));
        let field = "timing.keda.http_timeout".into();
        take(Stated { at, field, value });
    }
}

fn boolean(truth: bool) -> Value {
    scalar(Scalar::Bool(truth), if truth { "true" } else { "false" })
}

fn scalar(scalar: Scalar, text: &str) -> Value {
    Value {
        place: Place::default(),
        shape: Shape::Scalar(scalar, text.to_owned()),
    }
}

fn is_same(a: &Value, b: &Value) -> bool {
    let number = |own: &Scalar| match own {
        Scalar::Int(number) => Some(*number as f64),
        Scalar::Float(number) => Some(*number),
        _ => None,
    };
    match (&a.shape, &b.shape) {
        (Shape::List(a), Shape::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Shape::Scalar(a, one), Shape::Scalar(b, other)) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => one == other || go_duration(one).is_some_and(|one| Some(one) == go_duration(other)),
        },
        _ => false,
    }
}

fn shown(value: &Value) -> String {
    match &value.shape {
        Shape::Scalar(Scalar::Text, text) => format!("{text:?}"),
        Shape::Scalar(_, text) => text.clone(),
        Shape::List(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Shape::Map(_) => "a mapping".to_owned(),
    }
}
