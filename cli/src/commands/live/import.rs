//! `scaletwin live import`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use live::calibrate::short;
use live::cluster::finding::{Finding, Level};
use live::cluster::import::{Found, Load, find, load};
use live::cluster::manifest::Object;
use live::cluster::preflight::{Facts, Wishes, plain_version, preflight};
use live::cluster::prometheus::{Place, Prometheus};
use live::cluster::{Connection, connect};
use model::document::go_duration;
use serde_json::{Value, json};

use super::args::ImportArgs;
use super::draft::Draft;
use super::intent::server_address;
use super::{block_on, print_findings};
use crate::args::Format;
use crate::commands::Answer;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

/// Between two scrapes, if Prometheus does not tell, seconds.
const SCRAPE: f64 = 15.0;
/// A rate over so many scrapes has two of them although one failed.
const SCRAPES: f64 = 3.0;
/// Where Traefik's chart serves metrics.
const METRICS: i64 = 9100;
/// Results count from here on, seconds, or from a sixth of the time if that is less: rate windows fill, and what was
/// there settles.
const WARM_UP: f64 = 300.0;
/// Without a load, a scenario is so long, seconds.
const LENGTH: f64 = 3600.0;
/// What is simulated of a part whose release nothing tells.
const RELEASES: [(&str, &str); 5] = [
    ("kubernetes", "1.35"),
    ("keda", "2.20"),
    ("prometheus", "3.5.0"),
    ("traefik", "3.5"),
    ("karpenter", "1.14"),
];

pub(super) fn import(args: &ImportArgs) -> Result<Answer, Failure> {
    if args.out.exists() {
        return Err(Failure::new(format!("{} exists already", args.out.display()))
            .hint("name a new directory with --out: nothing is overwritten"));
    }
    let (facts, found, past, findings) = block_on(read(args))??;
    let load = past.load.as_ref();
    if findings.iter().any(|finding| finding.level == Level::Problem) {
        print_findings(&findings, args.format)?;
        return Ok(Answer::No);
    }
    let mut draft = Draft {
        left_out: found.left_out.clone(),
        ..Draft::default()
    };
    found.objects.iter().cloned().for_each(|object| draft.add(object));
    let roles = Roles::of(args, &draft)?;
    roles.stand_ins(&mut draft);
    if load.is_some() || args.clients.is_some() {
        roles.scrape_proxy(&mut draft);
    }
    node_classes(&mut draft);
    if let Some(load) = load {
        draft.traces.insert("traces/load.csv".to_owned(), trace(load));
    } else if args.clients.is_none() {
        draft
            .left_out
            .push("the load: nothing tells how many requests there were, so there are none".to_owned());
    }
    draft.left_out.push(
        "environments, commands, arguments and volumes of containers: they may hold secrets, and decide nothing in a simulation"
            .to_owned(),
    );
    draft.left_out.push(
        "the HPA controller's flags (sync period, tolerance, stabilization): no API tells them, a cluster's defaults are \
         simulated; `run --set timing.hpa.sync_period=5s` says otherwise"
            .to_owned(),
    );
    draft.scenario = scenario_toml(args, &facts, &found, &roles, &past, &mut draft.left_out);
    let mut report = draft.settle()?;
    // Of what is left: a query that cannot be simulated is no panel either.
    if let Some(query) = asked(&draft, &roles.service) {
        let table = format!(
            "\n# What the autoscaler sees.\n[dashboard]\nrps = {}\n",
            quoted(query)
        );
        draft.scenario.push_str(&table);
        report = draft.settle()?;
    }
    talk::report(&report);
    write(&args.out, &draft)?;
    tell(args, &draft)
}

/// What Prometheus tells.
#[derive(Default)]
struct Past {
    load: Option<Load>,
    /// Scrape interval and time-out, as in its configuration.
    scraping: Option<(String, String)>,
    /// The shortest mean response time, as Traefik saw it, seconds.
    response_time: Option<f64>,
}

/// Everything that is asked of the cluster.
type Read = (Facts, Found, Past, Vec<Finding>);

async fn read(args: &ImportArgs) -> Result<Read, Failure> {
    let connection = connect(&args.cluster.access()).await?;
    // Which Prometheus is known when the objects are.
    let wishes = Wishes {
        unmeasured: true,
        ..Wishes::default()
    };
    let look = preflight(&connection, &wishes).await?;
    let findings = look.findings;
    if look.served.kinds.is_empty() {
        return Ok((look.facts, Found::default(), Past::default(), findings));
    }
    let mut found = find(&connection.client, &look.served, &args.namespace).await?;
    let mut facts = look.facts;
    let mut past = Past::default();
    if let Err(why) = ask(args, &connection, &found, &mut facts, &mut past).await {
        found.left_out.push(format!("what Prometheus knows: {why}"));
    }
    Ok((facts, found, past, findings))
}

/// Its release, how often it scrapes, and the load of the past.
async fn ask(
    args: &ImportArgs,
    connection: &Connection,
    found: &Found,
    facts: &mut Facts,
    past: &mut Past,
) -> Result<(), String> {
    let of_objects = || {
        let objects = found.objects.iter().cloned();
        let address = |body| {
            let object = Object::new(body, "").ok()?;
            Place::of_server_address(server_address(&object)?)
        };
        objects.filter_map(address).next()
    };
    let place = match &args.prometheus {
        Some(text) => Some(Place::parse(text).map_err(|error| error.to_string())?),
        None => of_objects(),
    };
    let place = place.ok_or("no Prometheus is known; name it with --prometheus")?;
    let prometheus = Prometheus::new(&place, &connection.client).map_err(|error| error.to_string())?;
    // Without what whoever built it added, as in 2.42.0+ds.
    if let Ok(Some(version)) = prometheus.version().await
        && let Some(version) = plain_version(&version)
    {
        facts.versions.insert("prometheus".to_owned(), version);
    }
    let scraping = prometheus.scraping().await.map_err(|error| error.to_string())?;
    let interval = go_duration(&scraping.0).map_or(SCRAPE, |interval| interval.as_secs_f64());
    past.scraping = Some(scraping);
    if args.clients.is_some() {
        return Ok(());
    }
    let window = interval * SCRAPES;
    let of_services = |metric: &str| {
        format!(
            "sum(rate(traefik_service_{metric}{{service=~\"{}-.*\"}}[{window:.0}s]))",
            args.namespace
        )
    };
    // Of a query of one's own nothing tells the window.
    let (query, window) = match &args.query {
        Some(query) => (query.clone(), 0.0),
        None => (of_services("requests_total"), window),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (now, seconds) = (now.as_secs_f64(), args.past.as_secs_f64());
    let rates = load(&prometheus, &query, now, seconds, interval, window);
    past.load = Some(rates.await.map_err(|error| error.to_string())?);
    let [sum, count] = ["sum", "count"].map(|part| of_services(&format!("request_duration_seconds_{part}")));
    let means = load(
        &prometheus,
        &format!("{sum} / {count}"),
        now,
        seconds,
        interval,
        window,
    )
    .await;
    // Not every Traefik tells.
    past.response_time = means.ok().and_then(|means| {
        let seconds = means.readings.into_iter().map(|(_, seconds)| seconds);
        seconds.filter(|seconds| *seconds > 0.0).reduce(f64::min)
    });
    Ok(())
}

/// Who plays which role, as NAMESPACE/NAME.
struct Roles {
    service: String,
    proxy: String,
    clients: Option<String>,
    /// The proxy is not in the cluster.
    proxy_stands_in: bool,
}

impl Roles {
    fn of(args: &ImportArgs, draft: &Draft) -> Result<Self, Failure> {
        let deployments: BTreeSet<String> = draft.of_kind("Deployment").map(full_name).collect();
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

    /// Adds what a scenario cannot do without: a proxy, and a way from it to the service.
    fn stand_ins(&self, draft: &mut Draft) {
        let (namespace, name) = self.service.split_once('/').unwrap_or(("default", &self.service));
        if self.proxy_stands_in {
            let (namespace, name) = self.proxy.split_once('/').unwrap_or(("traefik", "traefik"));
            draft.add(json!({ "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": name, "namespace": namespace },
                "spec": { "replicas": 1, "selector": { "matchLabels": { "app": name } },
                    "template": { "metadata": { "labels": { "app": name } },
                        "spec": { "containers": [{ "name": name, "image": "traefik:v3.5" }] } } } }));
            draft
                .left_out
                .push("no Deployment is Traefik: one without requests stands in for it".to_owned());
        }
        let labels = draft
            .of_kind("Deployment")
            .find(|object| full_name(object) == self.service)
            .map(|object| object["spec"]["template"]["metadata"]["labels"].clone())
            .unwrap_or_default();
        let selects = |service: &&Value| {
            let selector = service["spec"]["selector"].as_object();
            service["metadata"]["namespace"] == namespace
                && selector.is_some_and(|selector| {
                    !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
                })
        };
        let service = draft.of_kind("Service").find(selects).cloned();
        let service = match service {
            Some(service) => service,
            None => {
                let service = json!({ "apiVersion": "v1", "kind": "Service",
                    "metadata": { "name": name, "namespace": namespace },
                    "spec": { "selector": labels, "ports": [{ "port": 80 }] } });
                draft.add(service.clone());
                draft.left_out.push(format!(
                    "no Service selects the pods of {}: one was added",
                    self.service
                ));
                service
            }
        };
        let routed = draft.of_kind("Ingress").chain(draft.of_kind("IngressRoute"));
        let target = service["metadata"]["name"].clone();
        let leads = |route: &Value| route["metadata"]["namespace"] == namespace && mentions(route, &target);
        if !routed.into_iter().any(leads) {
            let port = service["spec"]["ports"][0]["port"].clone();
            draft.add(json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "metadata": { "name": name, "namespace": namespace },
                "spec": { "rules": [{ "http": { "paths": [{ "path": "/", "pathType": "Prefix",
                    "backend": { "service": { "name": target, "port": { "number": port } } } }] } }] } }));
            draft
                .left_out
                .push(format!("no Ingress leads to {}: one was added", self.service));
        }
    }

    /// The simulated Prometheus finds pods by annotations; a cluster's may do so by other means.
    fn scrape_proxy(&self, draft: &mut Draft) {
        let proxy = draft
            .of_kind_mut("Deployment")
            .find(|object| full_name(object) == self.proxy);
        let Some(proxy) = proxy else {
            return;
        };
        let template = &mut proxy["spec"]["template"];
        if template["metadata"]["annotations"]["prometheus.io/scrape"] == "true" {
            return;
        }
        let ports = template
            .pointer("/spec/containers/0/ports")
            .and_then(Value::as_array);
        let metrics = ports.into_iter().flatten().find(|port| port["name"] == "metrics");
        let port = metrics
            .and_then(|port| port["containerPort"].as_i64())
            .unwrap_or(METRICS);
        template["metadata"]["annotations"]["prometheus.io/scrape"] = json!("true");
        template["metadata"]["annotations"]["prometheus.io/port"] = json!(port.to_string());
        if !self.proxy_stands_in {
            let title = &self.proxy;
            draft.left_out.push(format!(
                "how Prometheus finds the pods of {title}: by no annotations of theirs, so prometheus.io/scrape was added"
            ));
        }
    }
}

fn mentions(value: &Value, text: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(fields) => {
            fields.get("name") == Some(text) || fields.values().any(|field| mentions(field, text))
        }
        _ => false,
    }
}

fn full_name(object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("default");
    format!("{}/{}", text("namespace"), text("name"))
}

/// What the first autoscaler scales.
fn scaled(draft: &Draft) -> Option<String> {
    let scalers = draft
        .of_kind("ScaledObject")
        .chain(draft.of_kind("HorizontalPodAutoscaler"));
    scalers.filter_map(target).next()
}

/// What an autoscaler scales, as NAMESPACE/NAME.
fn target(scaler: &Value) -> Option<String> {
    let namespace = scaler["metadata"]["namespace"].as_str().unwrap_or("default");
    let name = scaler["spec"]["scaleTargetRef"]["name"].as_str()?;
    Some(format!("{namespace}/{name}"))
}

/// The rate of requests by which a ScaledObject scales a Deployment.
fn asked<'d>(draft: &'d Draft, deployment: &str) -> Option<&'d str> {
    let of_it = |scaler: &&Value| target(scaler).as_deref() == Some(deployment);
    let triggers = draft.of_kind("ScaledObject").find(of_it)?["spec"]["triggers"].as_array()?;
    let prometheus = triggers.iter().find(|trigger| trigger["type"] == "prometheus")?;
    let query = prometheus["metadata"]["query"].as_str()?;
    query.contains("_requests_total").then_some(query)
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

/// NodePools whose NodeClass is not there, or of a kind that is not simulated, get an EC2NodeClass instead.
fn node_classes(draft: &mut Draft) {
    let known: BTreeSet<(String, String)> = ["EC2NodeClass", "KWOKNodeClass"]
        .into_iter()
        .flat_map(|kind| draft.of_kind(kind))
        .filter_map(|class| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            Some((text(&class["kind"])?, text(&class["metadata"]["name"])?))
        })
        .collect();
    let mut missing = BTreeMap::new();
    for pool in draft.of_kind_mut("NodePool") {
        let api_version = match pool["apiVersion"].as_str() {
            Some("karpenter.sh/v1beta1") => "karpenter.k8s.aws/v1beta1",
            _ => "karpenter.k8s.aws/v1",
        };
        let reference = &mut pool["spec"]["template"]["spec"]["nodeClassRef"];
        let name = reference["name"].as_str().unwrap_or("default").to_owned();
        let kind = reference["kind"].as_str().unwrap_or("EC2NodeClass").to_owned();
        if known.contains(&(kind.clone(), name.clone())) {
            continue;
        }
        if kind != "EC2NodeClass" {
            *reference = json!({ "group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": name });
        }
        missing.insert(name, (api_version, kind));
    }
    for (name, (api_version, kind)) in missing {
        let term = json!([{ "tags": { "karpenter.sh/discovery": "cluster" } }]);
        draft.add(json!({ "apiVersion": api_version, "kind": "EC2NodeClass", "metadata": { "name": name },
            "spec": { "amiFamily": "AL2023", "amiSelectorTerms": [{ "alias": "al2023@latest" }], "role": "node",
                      "subnetSelectorTerms": term, "securityGroupSelectorTerms": term } }));
        draft.left_out.push(format!(
            "{kind}/{name}: an EC2NodeClass of the family AL2023 stands in for it"
        ));
    }
}

fn trace(load: &Load) -> String {
    let mut text = "seconds,rate\n".to_owned();
    for (at, rate) in &load.readings {
        text.push_str(&format!("{at},{rate:.4}\n"));
    }
    text
}

/// A text as TOML has it: JSON's escapes are TOML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn scenario_toml(
    args: &ImportArgs,
    facts: &Facts,
    found: &Found,
    roles: &Roles,
    past: &Past,
    left_out: &mut Vec<String>,
) -> String {
    let load = past.load.as_ref();
    let length = load
        .and_then(|load| load.readings.last())
        .map_or(LENGTH, |(last, _)| last.max(1.0).round());
    let warm_up = WARM_UP.min((length / 6.0).floor());
    let name = format!("imported-{}", args.namespace);
    let mut text = format!(
        "# What ran in namespace {} of context {}. IMPORT.md lists what could not be taken along.\n\n\
         name = {}\nquestion = \"What does the cluster as it is make of this load?\"\nseed = 1\n\
         duration = \"{length}s\"\nwarm_up = \"{warm_up}s\"\n",
        args.namespace,
        facts.context,
        quoted(&name)
    );
    // The load's own time: a recording of it can be compared.
    if let Some(began) = load.and_then(|load| Timestamp::from_millisecond((load.began * 1000.0) as i64).ok())
    {
        text.push_str(&format!("epoch = {began}\n"));
    }
    text.push_str("\n[stack]\n");
    for (part, default) in RELEASES {
        let release = match facts.versions.get(part) {
            Some(version) => version.clone(),
            None => {
                left_out.push(format!(
                    "which release of {part} runs: nothing tells, {default} is simulated"
                ));
                default.to_owned()
            }
        };
        text.push_str(&format!("{part} = {}\n", quoted(&release)));
    }
    text.push_str("\n[cloud]\n");
    match &found.region {
        Some(region) => text.push_str(&format!("region = {}\n", quoted(region))),
        None => left_out.push("the region: no node tells it, us-west-2 is simulated".to_owned()),
    }
    if let Some(seconds) = found.until_ready {
        text.push_str(&format!("# From joining to Ready: the middle one of the nodes that are there.\nboot = {{ network = {seconds} }}\n"));
    }
    for (group, count) in &found.groups {
        text.push_str(&format!(
            "\n[[node_group]]\nname = {}\ninstance_type = {}\nnodes = {count}\ncapacity_type = {}\n",
            quoted(&group.name),
            quoted(&group.instance_type),
            quoted(&group.capacity_type)
        ));
        if let Some(pods) = group.max_pods {
            text.push_str(&format!("max_pods = {pods}\n"));
        }
    }
    if found.karpenter_nodes > 0 {
        left_out.push(format!(
            "{} nodes that Karpenter has now: the simulated one brings its own",
            found.karpenter_nodes
        ));
    }
    text.push_str(&format!("\n[service]\ndeployment = {}\n", quoted(&roles.service)));
    match past.response_time {
        Some(seconds) => text.push_str(&format!(
            "# The shortest mean response time of the past, as Traefik saw it: what waits and what is no CPU is in it.\n\
             cpu_per_request = {}\n",
            short(seconds)
        )),
        None => {
            left_out.push(
                "the CPU of a request: nothing tells Traefik's response times, and a constant stands in for it; write what is \
                 known as service.cpu_per_request"
                    .to_owned(),
            );
        }
    }
    text.push_str(&format!("\n[proxy]\ndeployment = {}\n", quoted(&roles.proxy)));
    match (&roles.clients, load) {
        (Some(clients), _) => {
            text.push_str(&format!("\n[load.clients]\ndeployment = {}\n", quoted(clients)));
        }
        (None, Some(_)) => {
            text.push_str("\n[[load.arrivals]]\nshape = \"trace\"\ntrace = \"traces/load.csv\"\n");
        }
        (None, None) => text.push_str("\n[[load.arrivals]]\nshape = \"constant\"\nrate = 0\n"),
    }
    if let Some((interval, timeout)) = &past.scraping {
        text.push_str(&format!(
            "\n[timing.prometheus]\nscrape_interval = {}\nscrape_timeout = {}\n",
            quoted(interval),
            quoted(timeout)
        ));
    }
    text
}

/// Writes a scenario under another name first: it is there whole, or not at all.
fn write(out: &Path, draft: &Draft) -> Result<(), Failure> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let partial = out.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_into(&partial, draft).and_then(|()| {
        fs::rename(&partial, out)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", out.display())))
    });
    if written.is_err() {
        drop(fs::remove_dir_all(&partial));
    }
    written
}

fn write_into(dir: &Path, draft: &Draft) -> Result<(), Failure> {
    let files = draft.files()?;
    let mut all: Vec<(String, String)> = vec![
        ("scenario.toml".to_owned(), files.scenario.text),
        ("IMPORT.md".to_owned(), notes(draft)),
    ];
    let sources = files.manifests.into_iter().chain(files.traces);
    all.extend(sources.map(|source| (source.path, source.text)));
    for (path, text) in all {
        let target = dir.join(&path);
        let parent = target.parent().unwrap_or(dir);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&target, text))
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", target.display())))?;
    }
    Ok(())
}

fn notes(draft: &Draft) -> String {
    let mut text = "# What could not be taken along\n\n".to_owned();
    for one in &draft.left_out {
        text.push_str(&format!("- {one}\n"));
    }
    text
}

fn tell(args: &ImportArgs, draft: &Draft) -> Result<Answer, Failure> {
    match args.format {
        Format::Json => print_json(
            "imported",
            json!({ "dir": args.out, "objects": draft.manifests.len(), "left_out": draft.left_out }),
        )?,
        Format::Text => {
            let mut text = format!(
                "{:<18} {} objects in {}\n",
                "imported",
                draft.manifests.len(),
                args.out.display()
            );
            for one in &draft.left_out {
                text.push_str(&format!("{:<18} {one}\n", "left out"));
            }
            print(&text)?;
        }
    }
    Ok(Answer::Done)
}
