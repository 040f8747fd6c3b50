//! The rim of the emulator: the wall clock, the API server, and an address that Prometheus scrapes.

use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use model::scenario::Scenario;
use model::traffic::{Fidelity, Stats};
use serde_json::json;
use sim::Instant;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::plane::{DataPlane, Write};
use super::watch::{self, Said};
use super::{MARK, serve};

/// How the emulator runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where Prometheus scrapes.
    pub listen: SocketAddr,
    /// How finely traffic is simulated.
    pub fidelity: Fidelity,
    /// The seed of all chance.
    pub seed: u64,
    /// The instant of the scenario's time zero, for load from outside; when the emulator starts, if none is given.
    pub start: Option<Timestamp>,
}

/// How things stand, once a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Since time zero.
    pub at: Duration,
    /// Totals of the traffic.
    pub stats: Stats,
    /// Servers that are Ready.
    pub servers: usize,
    /// What went wrong since the last time, and is tried again.
    pub problems: Vec<String>,
}

/// Writers of annotations that work side by side; a pod's marks all go through one, in order.
const WRITERS: usize = 8;
/// A write is tried again for so long; then its pod's kubelet is silent, and KWOK does without it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Emulates until `stop` is done. Nothing is left in the cluster but annotations of pods.
///
/// # Errors
///
/// When the address cannot be listened on. What the API server refuses is told as progress and tried again.
pub async fn emulate(
    client: Client,
    scenario: &Scenario,
    settings: &Settings,
    stop: impl Future<Output = ()>,
    mut progress: impl FnMut(Progress),
) -> std::io::Result<()> {
    let listener = TcpListener::bind(settings.listen).await?;
    let clock = Clock::starting(settings.start);
    let mut plane = DataPlane::new(scenario, settings.fidelity, settings.seed);
    let (tell, mut said) = mpsc::unbounded_channel();
    let (ask, mut scrapes) = mpsc::unbounded_channel();
    let (complain, mut complaints) = mpsc::unbounded_channel();
    // Dropped at the end, and all tasks with it.
    let mut tasks = JoinSet::new();
    tasks.spawn(watch::nodes(client.clone(), tell.clone()));
    tasks.spawn(watch::pods(client.clone(), tell));
    tasks.spawn(serve::serve(listener, ask));
    let writers: Vec<UnboundedSender<Write>> = (0..WRITERS)
        .map(|_| {
            let (give, taken) = mpsc::unbounded_channel();
            tasks.spawn(write_all(client.clone(), taken, complain.clone()));
            give
        })
        .collect();
    let mut problems = Vec::new();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut stop = pin!(stop);
    loop {
        let wait = plane
            .due()
            .map_or(Duration::from_secs(1), |due| due.since(clock.now()));
        tokio::select! {
            () = &mut stop => return Ok(()),
            Some(said) = said.recv() => match said {
                Said::Seen(seen) => plane.hear(clock.now(), seen),
                Said::Unheard(why) => problems.push(why),
            },
            Some(scrape) = scrapes.recv() => {
                // A scraper that has hung up needs no answer.
                let _ = scrape.send(plane.exposition(clock.now()));
            }
            Some(complaint) = complaints.recv() => problems.push(complaint),
            _ = second.tick() => progress(Progress {
                at: clock.now().since(Instant::ZERO),
                stats: plane.stats(clock.now()),
                servers: plane.servers(),
                problems: std::mem::take(&mut problems),
            }),
            () = tokio::time::sleep(wait) => {}
        }
        for write in plane.advance(clock.now()) {
            let mut hasher = DefaultHasher::new();
            write.uid.hash(&mut hasher);
            // Writers live as long as this loop.
            let _ = writers[hasher.finish() as usize % WRITERS].send(write);
        }
    }
}

/// Time since the scenario's time zero. It never goes back: the wall clock is read once.
struct Clock {
    began: std::time::Instant,
    ahead: Duration,
}

impl Clock {
    fn starting(zero: Option<Timestamp>) -> Self {
        let ahead = zero.map(|zero| Timestamp::now().duration_since(zero));
        Clock {
            began: std::time::Instant::now(),
            ahead: ahead
                .and_then(|ahead| Duration::try_from(ahead).ok())
                .unwrap_or_default(),
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.ahead + self.began.elapsed()
    }
}

async fn write_all(client: Client, mut writes: UnboundedReceiver<Write>, complain: UnboundedSender<String>) {
    while let Some(write) = writes.recv().await {
        let began = std::time::Instant::now();
        let mut pause = Duration::from_millis(100);
        while let Err(why) = write_one(&client, &write).await {
            let pod = &write.pod;
            if began.elapsed() > PATIENCE {
                let _ = complain.send(format!("gave up annotating pod {pod}: {why}"));
                break;
            }
            let _ = complain.send(format!("cannot annotate pod {pod} yet: {why}"));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}

/// Annotates a pod. One that is gone, or another of its name, needs no annotation.
async fn write_one(client: &Client, write: &Write) -> Result<(), kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &write.pod.namespace);
    let patch = json!({ "metadata": { "uid": write.uid, "annotations": { MARK: write.mark.as_str() } } });
    let patched = pods
        .patch_metadata(&write.pod.name, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}
