//! What is asked of the cluster and of its Prometheus. Nothing is changed.

use std::time::{SystemTime, UNIX_EPOCH};

use live::cluster::finding::{Finding, Level};
use live::cluster::import::{Found, Load, find, load};
use live::cluster::manifest::Object;
use live::cluster::preflight::{Facts, Wishes, plain_version, preflight};
use live::cluster::prometheus::{Place, Prometheus};
use live::cluster::{Connection, connect};
use model::document::go_duration;

use super::super::args::ImportArgs;
use super::super::intent::server_address;
use crate::failure::Failure;

/// Between two scrapes, if Prometheus does not tell, seconds.
const SCRAPE: f64 = 15.0;
/// A rate over so many scrapes has two of them although one failed.
const SCRAPES: f64 = 3.0;

/// Everything that a cluster told.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) facts: Facts,
    pub(super) found: Found,
    pub(super) past: Past,
    pub(super) findings: Vec<Finding>,
}

impl Heard {
    /// Whether the cluster cannot be read.
    pub(super) fn is_in_vain(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.level == Level::Problem)
    }
}

/// What Prometheus tells.
#[derive(Default)]
pub(super) struct Past {
    pub(super) load: Option<Load>,
    /// Scrape interval and time-out, as in its configuration.
    pub(super) scraping: Option<(String, String)>,
    /// The shortest mean response time, as Traefik saw it, seconds.
    pub(super) response_time: Option<f64>,
}

/// Reads a cluster.
pub(super) async fn hear(args: &ImportArgs) -> Result<Heard, Failure> {
    let connection = connect(&args.cluster.access()).await?;
    // Which Prometheus is known when the objects are.
    let wishes = Wishes {
        unmeasured: true,
        ..Wishes::default()
    };
    let look = preflight(&connection, &wishes).await?;
    let mut heard = Heard {
        facts: look.facts,
        findings: look.findings,
        ..Heard::default()
    };
    if look.served.kinds.is_empty() {
        return Ok(heard);
    }
    heard.found = find(&connection.client, &look.served, &args.namespace).await?;
    if let Err(why) = ask(args, &connection, &mut heard).await {
        heard.found.left_out.push(format!("what Prometheus knows: {why}"));
    }
    Ok(heard)
}

/// Its release, how often it scrapes, and the load of the past.
async fn ask(args: &ImportArgs, connection: &Connection, heard: &mut Heard) -> Result<(), String> {
    let Heard {
        facts, found, past, ..
    } = heard;
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
