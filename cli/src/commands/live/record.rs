//! `scaletwin live record`

use std::sync::Arc;

use live::cluster::finding::any_problem;
use live::cluster::listen::{Hear, Listener};
use live::cluster::preflight::{Wishes, preflight};
use live::cluster::prometheus::Place;
use live::cluster::run::Progress;
use live::cluster::{PriceOf, Recorder, State, connect};
use live::recording::{Header, Maker, SCENARIO, VERSION};
use serde_json::json;
use sim::SortedMap;
use tokio::time::{Duration, timeout};

use super::args::RecordArgs;
use super::expect::prices;
use super::intent::Scene;
#[cfg(feature = "ec2")]
use super::machines;
use super::preflight::facts_text;
use super::run::copy_scenario;
use super::signals::stop;
use super::view::{View, clock};
use super::{block_on, count_text, findings_text};
use crate::args::Format;
use crate::commands::Answer;
use crate::failure::Failure;
use crate::output::{OutputDir, print, print_json};
use crate::talk;

pub(super) fn record(args: &RecordArgs) -> Result<Answer, Failure> {
    let scene = args.scenario.as_deref().map(Scene::read).transpose()?;
    let named = args.prometheus.as_deref();
    let wishes = wishes(args, scene.as_ref(), named)?;
    OutputDir::open(&args.out)?;
    block_on(async {
        let connection = connect(&args.cluster.access()).await?;
        let look = preflight(&connection, &wishes).await?;
        talk::say(facts_text(&look.facts).trim_end());
        talk::say((findings_text(&look.findings) + &count_text(&look.findings)).trim_end());
        if any_problem(&look.findings) {
            return Ok(Answer::No);
        }
        if let Some(scene) = &scene {
            copy_scenario(&scene.dir, &args.out.join(SCENARIO))?;
        }
        let run = "recorded".to_owned();
        let mut versions: SortedMap<String, String> = look.facts.versions.clone();
        versions.insert("scaletwin".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let header = Header {
            version: VERSION,
            run,
            made_by: Maker::Live,
            scenario: scene.as_ref().map(|scene| scene.scenario.name.clone()),
            epoch: String::new(),
            versions,
            sets: Vec::new(),
            region: scene.as_ref().map(|scene| scene.scenario.region.clone()),
            cluster: Some(connection.context.clone()),
        };
        let price: Arc<PriceOf> = match &scene {
            Some(scene) => prices(scene.scenario.catalog.clone()),
            None => Arc::new(|_, _, _| None),
        };
        let mut stop = stop("What was heard is in the recording".to_owned())?;
        let recorder = Recorder::begin(&args.out, header, State::new(Vec::new(), price))?;
        let hear = Hear {
            prometheus: wishes.prometheus.clone(),
            queries: wishes.queries.clone(),
            period: args.poll,
            #[cfg(feature = "ec2")]
            machines: machines(
                args.ec2.as_ref(),
                scene.as_ref().map(|scene| scene.scenario.region.as_str()),
            )
            .await,
        };
        let listener = Listener::start(&connection.client, &look.served, &recorder, hear)?;
        let server = scene.as_ref().map(|scene| &scene.scenario.roles.server);
        let namespace = server.map(|server| server.namespace.as_str());
        let mut view = View::new(None, None, args.duration, namespace);
        let reason = loop {
            if let Some(why) = recorder.failure() {
                return Err(Failure::new(why));
            }
            let now = recorder.now();
            if args
                .duration
                .is_some_and(|duration| now >= duration.as_secs_f64())
            {
                break "finished".to_owned();
            }
            view.tell(Progress::Running {
                t: now,
                recorder: &recorder,
            });
            let left = args.duration.map_or(1.0, |duration| duration.as_secs_f64() - now);
            let wait = Duration::from_secs_f64(left.clamp(0.0, 1.0));
            if let Ok(Ok(signal)) = timeout(wait, stop.wait_for(Option::is_some)).await {
                break format!("interrupted: {}", signal.clone().unwrap_or_default());
            }
        };
        view.end();
        listener.end(&reason).await;
        if let Some(why) = recorder.failure() {
            return Err(Failure::new(why));
        }
        match args.format {
            Format::Text => print(&format!(
                "{:<18} {} in {}, {reason}\n",
                "recorded",
                clock(recorder.now()),
                args.out.display()
            ))?,
            Format::Json => print_json(
                "recording",
                json!({ "dir": args.out, "seconds": recorder.now(), "ended": reason }),
            )?,
        }
        Ok(Answer::Done)
    })?
}

/// What a recording asks of a cluster: to look, and nothing else.
fn wishes(args: &RecordArgs, scene: Option<&Scene>, named: Option<&str>) -> Result<Wishes, Failure> {
    let mut wishes = match scene {
        Some(scene) => Wishes {
            writes: Vec::new(),
            parts: Vec::new(),
            ..scene.wishes(named)?
        },
        None => Wishes {
            prometheus: named.map(Place::parse).transpose()?,
            ..Wishes::default()
        },
    };
    wishes.queries.extend(args.queries.iter().cloned());
    Ok(wishes)
}
