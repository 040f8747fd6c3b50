//! Who plays which role: named by the user, or guessed from what the objects say.

use sim::SortedSet;

use serde_json::Value;

use super::super::args::ImportArgs;
use super::draft::Draft;
use crate::failure::Failure;

/// Who plays which role, as NAMESPACE/NAME.
pub(super) struct Roles {
    pub(super) service: String,
    pub(super) proxy: String,
    pub(super) clients: Option<String>,
    /// The proxy is not in the cluster.
    pub(super) proxy_stands_in: bool,
}

impl Roles {
    pub(super) fn of(args: &ImportArgs, draft: &Draft) -> Result<Self, Failure> {
        let deployments: SortedSet<String> = draft.of_kind("Deployment").map(full_name).collect();
        let own: Vec<&String> = deployments
            .iter()
            .filter(|name| name.starts_with(&format!("{}/", args.namespace)))
            .collect();
        let listed = |names: &[&String]| match names {
            [] => "there is none".to_owned(),
            names => format!(
                "there is {}",
                names
                    .iter()
                    .map(|name| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        let service = match &args.deployment {
            Some(name) => Some(format!("{}/{name}", args.namespace)),
            None => scaled(draft).or_else(|| match own[..] {
                [only] => Some(only.clone()),
                _ => None,
            }),
        };
        let service = service.ok_or_else(|| {
            Failure::new(format!(
                "nothing tells which Deployment of namespace {} answers requests",
                args.namespace
            ))
            .hint(format!("name it with --deployment: {}", listed(&own)))
        })?;
        for name in [Some(&service), args.clients.as_ref(), args.proxy.as_ref()]
            .into_iter()
            .flatten()
        {
            if !deployments.contains(name) {
                return Err(Failure::new(format!("there is no Deployment {name}")).hint(listed(&own)));
            }
        }
        let proxy = args.proxy.clone().or_else(|| traefik(draft));
        Ok(Roles {
            service,
            proxy_stands_in: proxy.is_none(),
            proxy: proxy.unwrap_or_else(|| "traefik/traefik".to_owned()),
            clients: args.clients.clone(),
        })
    }
}

/// An object's NAMESPACE/NAME.
pub(super) fn full_name(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("default");
    format!("{}/{}", text("namespace"), text("name"))
}

/// What an autoscaler scales: one that counts requests if there is any, as workers are scaled too.
fn scaled(draft: &Draft) -> Option<String> {
    let scalers: Vec<&Value> = draft
        .of_kind("ScaledObject")
        .chain(draft.of_kind("HorizontalPodAutoscaler"))
        .collect();
    let by_requests = scalers.iter().filter(|scaler| requests_of(scaler).is_some());
    by_requests.chain(&scalers).find_map(|scaler| target(scaler))
}

/// The Deployment that an autoscaler scales, as NAMESPACE/NAME.
fn target(scaler: &Value) -> Option<String> {
    let namespace = scaler["metadata"]["namespace"].as_str().unwrap_or("default");
    let reference = &scaler["spec"]["scaleTargetRef"];
    let is_deployment = reference["kind"].as_str().is_none_or(|kind| kind == "Deployment");
    let name = reference["name"].as_str().filter(|_| is_deployment)?;
    Some(format!("{namespace}/{name}"))
}

/// The rate of requests by which a ScaledObject scales.
fn requests_of(scaler: &Value) -> Option<&str> {
    let triggers = scaler["spec"]["triggers"].as_array()?;
    let prometheus = triggers.iter().filter(|trigger| trigger["type"] == "prometheus");
    let mut queries = prometheus.filter_map(|trigger| trigger["metadata"]["query"].as_str());
    queries.find(|query| query.contains("_requests_total"))
}

/// The rate of requests by which a Deployment is scaled.
pub(super) fn asked<'d>(draft: &'d Draft, deployment: &str) -> Option<&'d str> {
    let mut of_it = draft
        .of_kind("ScaledObject")
        .filter(|scaler| target(scaler).as_deref() == Some(deployment));
    of_it.find_map(requests_of)
}

/// The Deployment that is Traefik, by its label, name or image.
fn traefik(draft: &Draft) -> Option<String> {
    let is_it = |object: &&Value| {
        let label = &object["metadata"]["labels"]["app.kubernetes.io/name"];
        let image = object.pointer("/spec/template/spec/containers/0/image");
        let image = image.and_then(Value::as_str).unwrap_or("");
        label == "traefik"
            || object["metadata"]["name"] == "traefik"
            || image.contains("/traefik:")
            || image.starts_with("traefik:")
    };
    draft.of_kind("Deployment").find(is_it).map(full_name)
}
