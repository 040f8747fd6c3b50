//! Before anything: is the cluster what the scenario thinks it is, and may we do what we are about to do?
//!
//! Everything is looked at, and every problem told at once: a run that fails on the third permission after
//! the second was granted helps nobody.

use std::time::Duration;

use futures::TryFutureExt as _;
use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ListParams};
use kube::client::Body;
use kube::{Client, ResourceExt as _};
use serde::Serialize;
use sim::{SortedMap, SortedSet};

use super::client::Connection;
use super::error::{Result, explain, in_time};
use super::finding::Finding;
use super::kinds::{Served, ServedKind, There, Watched, discover};
use super::permission::{self, Permission};
use super::prometheus::{Place, Prometheus, series};

/// How long the API server may take for its first answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// The API's clock is told in whole seconds: less than this is no difference.
const SKEW: f64 = 2.0;

/// Something that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// apiVersion, as in the manifest.
    pub api_version: String,
    /// kind
    pub kind: String,
    /// metadata.namespace; empty for objects of the whole cluster, and where none was written.
    pub namespace: String,
    /// metadata.name
    pub name: String,
    /// What will be done: `create`, `patch`, `delete`; or of a subresource, `scale:patch`.
    pub verbs: Vec<&'static str>,
}

/// What is asked of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Releases that the scenario simulates, by part: `kubernetes`, `keda`, `karpenter`, `prometheus`, `traefik`.
    pub stack: SortedMap<String, String>,
    /// What will be written.
    pub writes: Vec<Write>,
    /// Parts that the scenario cannot do without: `KEDA`, `Karpenter`.
    pub parts: Vec<&'static str>,
    /// Where measurements come from.
    pub prometheus: Option<Place>,
    /// Nothing is measured: not to know a Prometheus is no finding.
    pub unmeasured: bool,
    /// Queries that will be asked there: name and PromQL.
    pub queries: Vec<(String, String)>,
}

/// What was found out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Facts {
    /// The kubeconfig's context.
    pub context: String,
    /// The API server's address.
    pub server: String,
    /// Releases by part, without a `v`; those that nothing tells are not there.
    pub versions: SortedMap<String, String>,
    /// Nodes that are there now, by instance type.
    pub nodes: SortedMap<String, usize>,
    /// Where measurements come from, if they can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<String>,
    /// How many seconds the API server's clock is ahead of ours; negative if behind.
    pub clock_ahead_s: f64,
}

/// A look at a cluster.
#[derive(Debug, Clone, Default)]
pub struct Preflight {
    /// What was found out.
    pub facts: Facts,
    /// What there is to say about it.
    pub findings: Vec<Finding>,
    /// What the API server serves.
    pub served: Served,
}

/// Looks at a cluster. Nothing is changed.
///
/// An API server that does not answer is a finding, the only one.
///
/// # Errors
///
/// When the API server stops answering in between.
pub async fn preflight(connection: &Connection, wishes: &Wishes) -> Result<Preflight> {
    let client = &connection.client;
    let mut look = Preflight::default();
    look.facts.context.clone_from(&connection.context);
    look.facts.server.clone_from(&connection.server);
    match in_time(PATIENCE, server(client).map_err(|error| explain(&error))).await {
        Ok((version, ahead)) => {
            look.facts.versions.insert("kubernetes".to_owned(), version);
            look.facts.clock_ahead_s = ahead;
        }
        Err(why) => {
            look.findings.push(unreachable(connection, &why));
            return Ok(look);
        }
    }
    if look.facts.clock_ahead_s.abs() >= SKEW {
        let (seconds, way) = match look.facts.clock_ahead_s {
            ahead if ahead > 0.0 => (ahead, "ahead of"),
            behind => (-behind, "behind"),
        };
        look.findings.push(Finding::warning(
            format!("the API server's clock is {seconds:.0} s {way} this machine's"),
            "the recording says so, and times are compared with that in mind; better is a time service on both",
        ));
    }
    look.served = discover(client).await?;
    for silent in look.served.silent.clone() {
        look.findings.push(Finding::warning(
            format!("an API does not answer: {silent}"),
            "`kubectl get apiservices` shows which is not available",
        ));
    }
    look.parts(wishes);
    look.permissions(client, wishes).await?;
    look.releases(client).await;
    look.nodes(client).await;
    look.measurements(client, wishes).await;
    look.differences(wishes);
    look.findings.sort_by_key(|finding| finding.level);
    Ok(look)
}

fn unreachable(connection: &Connection, why: &str) -> Finding {
    Finding::problem(
        format!(
            "the API server of context {:?} at {} cannot be used: {why}",
            connection.context, connection.server
        ),
        "`kubectl --context … get --raw /version` should work",
    )
}

/// The API server's release, and how far its clock is ahead.
async fn server(client: &Client) -> Result<(String, f64), kube::Error> {
    let request = Request::get("/version")
        .body(Body::empty())
        .map_err(kube::Error::HttpError)?;
    let response = client.send(request).await?;
    let ahead = response
        .headers()
        .get("date")
        .and_then(|date| date.to_str().ok())
        .and_then(clock_ahead)
        .unwrap_or(0.0);
    let info = client.apiserver_version().await?;
    let plain = format!("{}.{}", info.major, info.minor.trim_end_matches('+'));
    let version = plain_version(&info.git_version)
        .filter(|version| version.starts_with(&plain))
        .unwrap_or(plain);
    Ok((version, ahead))
}

/// How many seconds a `Date` header is ahead of this machine's clock. The header is cut to whole seconds.
fn clock_ahead(date: &str) -> Option<f64> {
    Some(date_of(date)? + 0.5 - Timestamp::now().as_millisecond() as f64 / 1000.0)
}

/// A `Date` header in Unix seconds.
pub(super) fn date_of(date: &str) -> Option<f64> {
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp().as_second() as f64)
}

/// `1.33.4` of `v1.33.4-eks-1234`, `2.12.1` of `ghcr.io/kedacore/keda:2.12.1@sha256:…`.
#[must_use]
pub fn plain_version(text: &str) -> Option<String> {
    let is_version = |text: &str| {
        text.trim_start_matches('v')
            .starts_with(|c: char| c.is_ascii_digit())
    };
    let text = match is_version(text) {
        true => text,
        false => text.split('@').next()?.rsplit(':').next()?,
    };
    let text = text.trim_start_matches('v');
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let version = text[..end].trim_end_matches('.');
    (version.contains('.') && version.starts_with(|c: char| c.is_ascii_digit())).then(|| version.to_owned())
}

/// The two numbers that say how a part behaves: 2.12 of 2.12.1.
fn release(version: &str) -> &str {
    let mut dots = version.match_indices('.').map(|(at, _)| at);
    match dots.nth(1) {
        Some(second) => &version[..second],
        None => version,
    }
}

impl Preflight {
    /// Kinds without which a part is not there.
    fn parts(&mut self, wishes: &Wishes) {
        for watched in Watched::ALL {
            let There::With(part) = watched.there else {
                continue;
            };
            if self.served.find(watched.group, watched.kind).is_some() {
                continue;
            }
            let message = format!(
                "{part} is not installed: there is no {} of {}",
                watched.kind, watched.group
            );
            self.findings.push(match wishes.parts.contains(&part) {
                true => Finding::problem(
                    message,
                    format!("the scenario needs it: install {part} with its CRDs"),
                ),
                false => Finding::note(message),
            });
        }
    }

    async fn permissions(&mut self, client: &Client, wishes: &Wishes) -> Result<()> {
        let mut wanted = watching(&self.served);
        let mut unknown = SortedSet::new();
        for write in &wishes.writes {
            let Some(kind) = self.served.exactly(&write.api_version, &write.kind) else {
                unknown.insert((write.kind.clone(), write.api_version.clone()));
                continue;
            };
            if write.kind == "Namespace" {
                wanted.append(&mut self.for_namespace(client, &write.name).await);
                continue;
            }
            wanted.extend(write.verbs.iter().map(|verb| permission_of(kind, write, verb)));
        }
        for (kind, api_version) in unknown {
            self.findings.push(self.not_served(&kind, &api_version));
        }
        if let Some(place) = &wishes.prometheus {
            wanted.extend(place.permission());
        }
        for missing in permission::missing(client, wanted).await? {
            self.findings.push(Finding::problem(
                format!("not allowed: {missing}"),
                "live/README.md has the roles that are needed",
            ));
        }
        Ok(())
    }

    /// What a namespace takes: nothing if it is there, since it stays as it is. Else to make it, and to prove at the
    /// end that it holds nothing of others.
    async fn for_namespace(&self, client: &Client, name: &str) -> Vec<Permission> {
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        if let Ok(Some(_)) = api.get_metadata_opt(name).await {
            return Vec::new();
        }
        let own = ["get", "create", "delete"].map(|verb| Permission::everywhere(verb, "", "namespaces"));
        let inside = self
            .served
            .kinds
            .iter()
            .filter(|kind| kind.namespaced && kind.can("list") && kind.can("create"))
            .map(|kind| {
                Permission::everywhere("list", &kind.resource.group, &kind.resource.plural).within(name)
            });
        own.into_iter().chain(inside).collect()
    }

    /// A kind that is in a manifest and not in the cluster.
    fn not_served(&self, kind: &str, api_version: &str) -> Finding {
        let others: Vec<&str> = self
            .served
            .kinds
            .iter()
            .filter(|served| served.resource.kind == kind)
            .map(|served| served.resource.api_version.as_str())
            .collect();
        let hint = match others[..] {
            [] => "install what brings its CRD, or name it in `omit` of live.toml".to_owned(),
            _ => format!("the cluster has it as {}", others.join(", ")),
        };
        Finding::problem(format!("the cluster knows no {kind} of {api_version}"), hint)
    }

    /// Releases, from the Deployments that the parts' charts make.
    async fn releases(&mut self, client: &Client) {
        let deployments: Api<Deployment> = Api::all(client.clone());
        for (part, name) in [
            ("keda", "keda-operator"),
            ("karpenter", "karpenter"),
            ("traefik", "traefik"),
        ] {
            let labels = ListParams::default().labels(&format!("app.kubernetes.io/name={name}"));
            let Ok(list) = deployments.list(&labels).await else {
                continue;
            };
            if let Some(version) = list.iter().find_map(deployed) {
                self.facts.versions.insert(part.to_owned(), version);
            }
        }
    }

    async fn nodes(&mut self, client: &Client) {
        let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(client.clone());
        // A list that is not allowed was told with the permissions.
        let Ok(list) = nodes.list(&ListParams::default()).await else {
            return;
        };
        for node in list {
            let labels = node.labels();
            let instance_type = labels.get("node.kubernetes.io/instance-type");
            let name = instance_type.map_or("unknown", String::as_str);
            *self.facts.nodes.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// Prometheus, and whether it knows what will be asked.
    async fn measurements(&mut self, client: &Client, wishes: &Wishes) {
        let Some(place) = &wishes.prometheus else {
            if wishes.unmeasured {
                return;
            }
            self.findings.push(Finding::warning(
                "no Prometheus is known: requests a second will not be measured",
                "name it with --prometheus URL or --prometheus NAMESPACE/SERVICE:PORT",
            ));
            return;
        };
        let answer = match Prometheus::new(place, client) {
            Ok(prometheus) => prometheus.version().await.map(|version| (prometheus, version)),
            Err(error) => Err(error),
        };
        let (prometheus, version) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.findings.push(Finding::problem(
                    format!("the Prometheus at {place} cannot be used: {error}"),
                    "name it with --prometheus URL or --prometheus NAMESPACE/SERVICE:PORT",
                ));
                return;
            }
        };
        if let Some(version) = version {
            self.facts.versions.insert("prometheus".to_owned(), version);
        }
        self.facts.prometheus = Some(place.to_string());
        for (name, query) in &wishes.queries {
            match prometheus.query(query).await {
                Ok(data) if series(&data).is_empty() => self.findings.push(Finding::warning(
                    format!("Prometheus has nothing for {name} now: {query}"),
                    "that is right before the workload runs; otherwise the query's labels are not those of this cluster",
                )),
                Ok(_) => {}
                Err(error) => self.findings.push(Finding::problem(
                    format!("Prometheus refuses the query of {name}: {error}"),
                    query,
                )),
            }
        }
    }

    /// Where the cluster's releases are not those that are simulated.
    fn differences(&mut self, wishes: &Wishes) {
        for (part, simulated) in &wishes.stack {
            match self.facts.versions.get(part) {
                Some(found) if release(found) == release(simulated) => {}
                Some(found) => self.findings.push(Finding::warning(
                    format!("the cluster runs {part} {found}, the scenario simulates {simulated}"),
                    format!("set [stack] {part} = \"{}\" in scenario.toml to simulate what runs", release(found)),
                )),
                None => self.findings.push(Finding::note(format!(
                    "nothing tells which release of {part} the cluster runs; the scenario simulates {simulated}"
                ))),
            }
        }
    }
}

/// `patch` of a resource, `scale:patch` of its subresource.
fn permission_of(kind: &ServedKind, write: &Write, verb: &'static str) -> Permission {
    let (resource, verb) = match verb.split_once(':') {
        Some((subresource, verb)) => (format!("{}/{subresource}", kind.resource.plural), verb),
        None => (kind.resource.plural.clone(), verb),
    };
    let permission = Permission::everywhere(verb, &kind.resource.group, &resource);
    match (kind.namespaced, write.namespace.as_str()) {
        (false, _) => permission,
        (true, "") => permission.within("default"),
        (true, namespace) => permission.within(namespace),
    }
}

/// What watching needs.
#[must_use]
pub fn watching(served: &Served) -> Vec<Permission> {
    let of = |watched: Watched| {
        ["get", "list", "watch"].map(|verb| Permission::everywhere(verb, watched.group, watched.plural))
    };
    Watched::ALL
        .into_iter()
        .filter(|watched| {
            watched.there == There::Always || served.find(watched.group, watched.kind).is_some()
        })
        .flat_map(of)
        .collect()
}

/// The release of a Deployment: of its image, or as its chart labels it.
fn deployed(deployment: &Deployment) -> Option<String> {
    let containers = deployment
        .spec
        .as_ref()?
        .template
        .spec
        .as_ref()?
        .containers
        .iter();
    let image = containers
        .filter_map(|container| container.image.as_deref())
        .find_map(plain_version);
    let label = || deployment.labels().get("app.kubernetes.io/version").cloned();
    image.or_else(|| label().and_then(|label| plain_version(&label)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::finding::Level;
    use super::super::testing::{Asked, Fake, block_on};
    use super::*;

    fn answer(request: &Asked) -> (u16, Value) {
        let kind = |plural: &str, kind: &str| json!({ "name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": [] });
        let list =
            |items: Value| json!({ "kind": "List", "apiVersion": "v1", "metadata": {}, "items": items });
        let node = json!({ "metadata": { "name": "a", "labels": { "node.kubernetes.io/instance-type": "m5.large" } } });
        match request.path.as_str() {
            "/version" => (
                200,
                json!({ "major": "1", "minor": "33+", "gitVersion": "v1.33.4-eks-1", "gitCommit": "",
                "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
            ),
            "/apis" => (
                200,
                json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [
                { "name": "keda.sh", "versions": [{ "groupVersion": "keda.sh/v1alpha1", "version": "v1alpha1" }] } ] }),
            ),
            "/api/v1" => (
                200,
                json!({ "groupVersion": "v1", "resources": [kind("pods", "Pod")] }),
            ),
            "/apis/keda.sh/v1alpha1" => (
                200,
                json!({ "groupVersion": "keda.sh/v1alpha1",
                "resources": [kind("scaledobjects", "ScaledObject")] }),
            ),
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
                let asked = &request.body["spec"]["resourceAttributes"];
                let allowed = !(asked["resource"] == "nodes" && asked["verb"] == "watch");
                (
                    201,
                    json!({ "metadata": {}, "spec": request.body["spec"].clone(), "status": { "allowed": allowed } }),
                )
            }
            "/apis/apps/v1/deployments" if request.query.contains("keda-operator") => (
                200,
                list(json!([
                { "metadata": { "name": "keda" }, "spec": { "selector": {}, "template": { "spec": { "containers":
                    [{ "name": "a", "image": "ghcr.io/kedacore/keda:2.13.0@sha256:12" }] } } } } ])),
            ),
            "/apis/apps/v1/deployments" => (200, list(json!([]))),
            "/api/v1/nodes" => (200, list(json!([node]))),
            path if path.ends_with("/proxy/api/v1/status/buildinfo") => (
                200,
                json!({ "status": "success", "data": { "version": "2.48.1" } }),
            ),
            path if path.ends_with("/proxy/api/v1/query") => (
                200,
                json!({ "status": "success", "data": { "resultType": "vector", "result": [] } }),
            ),
            path => panic!("unexpected request {path}"),
        }
    }

    fn connection(fake: &Fake) -> Connection {
        Connection {
            client: fake.client(),
            context: "test".to_owned(),
            server: "https://api".to_owned(),
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let fake = Fake::new(answer);
        let stack = [("kubernetes", "1.33"), ("keda", "2.12"), ("karpenter", "1.5")];
        let wishes = Wishes {
            stack: stack
                .map(|(part, release)| (part.to_owned(), release.to_owned()))
                .into(),
            writes: vec![Write {
                api_version: "karpenter.sh/v1".to_owned(),
                kind: "NodePool".to_owned(),
                namespace: String::new(),
                name: "pool".to_owned(),
                verbs: vec!["create"],
            }],
            parts: vec!["KEDA", "Karpenter"],
            prometheus: Some(Place::parse("mon/prom:9090").unwrap()),
            queries: vec![("rps".to_owned(), "rate(a[1m])".to_owned())],
            unmeasured: false,
        };
        let look = block_on(preflight(&connection(&fake), &wishes)).unwrap();
        let told: Vec<(Level, &str)> = look
            .findings
            .iter()
            .map(|finding| (finding.level, finding.message.as_str()))
            // The fake's clock stands still in 2025.
            .filter(|(_, message)| !message.contains("clock"))
            .collect();
        assert_eq!(
            told,
            [
                (
                    Level::Problem,
                    "Karpenter is not installed: there is no NodeClaim of karpenter.sh"
                ),
                (
                    Level::Problem,
                    "Karpenter is not installed: there is no NodePool of karpenter.sh"
                ),
                (Level::Problem, "the cluster knows no NodePool of karpenter.sh/v1"),
                (Level::Problem, "not allowed: watch nodes"),
                (Level::Warning, "Prometheus has nothing for rps now: rate(a[1m])"),
                (
                    Level::Warning,
                    "the cluster runs keda 2.13.0, the scenario simulates 2.12"
                ),
                (
                    Level::Note,
                    "nothing tells which release of karpenter the cluster runs; the scenario simulates 1.5"
                ),
            ]
        );
        let versions: Vec<(&str, &str)> = look
            .facts
            .versions
            .iter()
            .map(|(part, version)| (part.as_str(), version.as_str()))
            .collect();
        assert_eq!(
            versions,
            [
                ("keda", "2.13.0"),
                ("kubernetes", "1.33.4"),
                ("prometheus", "2.48.1")
            ]
        );
        assert_eq!(look.facts.nodes, SortedMap::from([("m5.large".to_owned(), 1)]));
    }

    #[test]
    fn a_prometheus_is_missed_only_where_something_is_measured() {
        let misses = |unmeasured| {
            let fake = Fake::new(answer);
            let wishes = Wishes {
                unmeasured,
                ..Wishes::default()
            };
            let look = block_on(preflight(&connection(&fake), &wishes)).unwrap();
            let found = look.findings.iter();
            found
                .filter(|finding| finding.message.contains("no Prometheus is known"))
                .count()
        };
        assert_eq!((misses(false), misses(true)), (1, 0));
    }

    #[test]
    fn a_silent_api_server_is_one_problem() {
        let fake = Fake::new(|_| (401, Fake::status(401, "Unauthorized", "Unauthorized")));
        let look = block_on(preflight(&connection(&fake), &Wishes::default())).unwrap();
        let told: Vec<&str> = look
            .findings
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            told,
            [
                "the API server of context \"test\" at https://api cannot be used: the API server answered 401: Unauthorized"
            ]
        );
    }

    #[test]
    fn versions_in_images_and_labels() {
        let check = |text: &str| plain_version(text);
        assert_eq!(check("v1.33.4-eks-1234").as_deref(), Some("1.33.4"));
        assert_eq!(check("quay.io:443/a/b:v3.1").as_deref(), Some("3.1"));
        assert_eq!(check("a/b:latest"), None);
        assert_eq!(check("v0.0.0-master+$Format:%H$").as_deref(), Some("0.0.0"));
        assert_eq!(release("2.12.1"), "2.12");
        assert_eq!(release("1.33"), "1.33");
    }
}
