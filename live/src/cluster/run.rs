//! A run: the scenario's objects made, its actions done in time, everything heard, everything taken away.
//!
//! Whatever ends a run, be it its time, an error, a signal or a cap, leads to the same clean-up. A write to the
//! cluster is never abandoned half-way: a stop is heeded between writes, so that nothing is made that is not
//! in the journal.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;
use kube::api::{DynamicObject, ListParams};
use serde::Serialize;
use serde_json::Value;
use sim::{SortedMap, SortedSet};
use tokio::sync::watch;

use super::apply::{Applied, create, delete, scale, update};
use super::clean::{Cleaned, Options, clean, is_passing};
use super::client::Connection;
use super::error::{Error, Result, explain};
use super::journal::{Journal, Run};
use super::kinds::Served;
use super::listen::{Hear, Listener, done};
use super::manifest::{Name, acts};
use super::plan::{Plan, Planned, PlannedAct, PlannedStep};
use super::recorder::Recorder;
use super::state::{PriceOf, State};
use crate::recording::{Entry, Header, Price, Prices, Start};

/// How often caps are looked at and progress is told.
const TICK: Duration = Duration::from_secs(1);
/// How long a write is tried while the API server cannot be used.
const OUTAGE: Duration = Duration::from_secs(120);
/// Between two tries, and two looks at whether workloads have settled.
const PAUSE: Duration = Duration::from_secs(2);
/// Workloads have settled when nothing changed for so long.
const STILL: Duration = Duration::from_secs(6);

/// What ends a run that costs too much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Caps {
    /// Dollars that nodes of our NodePools may cost.
    pub cost_usd: f64,
    /// Nodes of our NodePools that there may be at once.
    pub nodes: usize,
    /// How long it may take, from the first object made to the beginning of the clean-up.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// How a run is made.
pub struct Setup {
    /// Where the journal and the recording go.
    pub dir: PathBuf,
    /// The recording's header; its epoch is set when the recording begins.
    pub header: Header,
    /// The scenario's own clock at time zero.
    pub clock: Timestamp,
    /// How long the scenario is, from time zero.
    pub duration: Duration,
    /// How long workloads may take to settle before time zero; none if the scenario starts in an empty cluster.
    pub settle: Option<Duration>,
    /// What ends it early.
    pub caps: Caps,
    /// What is heard.
    pub hear: Hear,
    /// What machines cost.
    pub prices: std::sync::Arc<PriceOf>,
    /// How it is cleaned up.
    pub clean: Options,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how", content = "why")]
pub enum Ending {
    /// Its time was over.
    Finished,
    /// Somebody stopped it: the signal.
    Interrupted(String),
    /// It would have cost too much.
    Capped(String),
    /// Something went wrong.
    Failed(String),
}

impl Ending {
    /// In words.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Ending::Finished => "finished".to_owned(),
            Ending::Interrupted(signal) => format!("interrupted: {signal}"),
            Ending::Capped(why) => format!("cap reached: {why}"),
            Ending::Failed(why) => format!("failed: {why}"),
        }
    }
}

/// Where a run is.
#[derive(Clone)]
pub enum Progress<'a> {
    /// Something is being done, in words.
    Saying(String),
    /// The scenario runs.
    Running {
        /// Seconds since time zero.
        t: f64,
        /// What there is.
        recorder: &'a Recorder,
    },
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What became of its objects.
    pub cleaned: Cleaned,
    /// Dollars that nodes of its NodePools cost, as far as prices are known.
    pub cost_usd: f64,
    /// The most nodes of its NodePools that there were at once.
    pub most_nodes: usize,
}

/// Runs. `stop` holds a signal's name once there is one.
///
/// # Errors
///
/// When the journal cannot be written, before anything was made; or when the clean-up could not be done, which
/// must be repeated then.
pub async fn run(
    connection: &Connection,
    served: &Served,
    plan: &Plan,
    setup: &Setup,
    stop: watch::Receiver<Option<String>>,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome> {
    let whose = Run {
        run: plan.run.clone(),
        context: connection.context.clone(),
        server: connection.server.clone(),
    };
    let mut driver = Driver {
        client: &connection.client,
        served,
        plan,
        setup,
        stop,
        tell,
        journal: Journal::begin(&setup.dir, &whose)?,
        started: Instant::now(),
        most_nodes: 0,
        spent: 0.0,
    };
    let ending = match driver.drive().await {
        Ok(()) => Ending::Finished,
        Err(ending) => ending,
    };
    let (cost_usd, most_nodes) = (driver.spent, driver.most_nodes);
    let say = driver.tell;
    say(Progress::Saying(format!("{}; cleaning up", ending.reason())));
    let cleaned = clean(
        &connection.client,
        served,
        &plan.run,
        driver.journal.all(),
        &setup.clean,
        &mut |text| say(Progress::Saying(text.to_owned())),
    )
    .await?;
    Ok(Outcome {
        ending,
        cleaned,
        cost_usd,
        most_nodes,
    })
}

struct Driver<'a> {
    client: &'a Client,
    served: &'a Served,
    plan: &'a Plan,
    setup: &'a Setup,
    stop: watch::Receiver<Option<String>>,
    tell: &'a mut dyn FnMut(Progress<'_>),
    journal: Journal,
    started: Instant,
    most_nodes: usize,
    spent: f64,
}

/// On, or how the run ends.
type Going<T> = std::result::Result<T, Ending>;

impl Driver<'_> {
    async fn drive(&mut self) -> Going<()> {
        let plan = self.plan;
        let settle = self.setup.settle;
        let (later, first): (Vec<&Planned>, Vec<&Planned>) = plan
            .create
            .iter()
            .partition(|planned| settle.is_some() && acts(&planned.object.name.kind));
        self.create_all(&first, None).await?;
        if let Some(limit) = settle {
            self.settle(limit).await?;
        }
        // Time zero.
        let state = State::new(plan.pools(), self.setup.prices.clone());
        let recorder = Recorder::begin(&self.setup.dir, self.setup.header.clone(), state).map_err(failed)?;
        recorder.hear(Entry::Start(Start {
            clock: self.setup.clock.to_string(),
        }));
        let listener =
            Listener::start(self.client, self.served, &recorder, self.setup.hear.clone()).map_err(failed)?;
        let going = self.timeline(&recorder, &later).await;
        self.spent = recorder.with_state(|state| state.spent(recorder.now()));
        let reason = match &going {
            Ok(()) => Ending::Finished.reason(),
            Err(ending) => ending.reason(),
        };
        (self.tell)(Progress::Saying("fetching the whole of the curves".to_owned()));
        listener.end(&reason).await;
        going
    }

    /// From time zero to the end.
    async fn timeline(&mut self, recorder: &Recorder, at_zero: &[&Planned]) -> Going<()> {
        self.create_all(at_zero, Some(recorder)).await?;
        let plan = self.plan;
        let mut steps = plan.steps.iter().peekable();
        let mut priced = SortedSet::new();
        let end = self.setup.duration.as_secs_f64();
        loop {
            let now = recorder.now();
            self.look(recorder, &mut priced)?;
            if let Some(step) = steps.next_if(|step| step.at.as_secs_f64() <= now) {
                self.step(step, recorder).await?;
                continue;
            }
            if now >= end {
                return Ok(());
            }
            let next = steps.peek().map_or(end, |step| step.at.as_secs_f64()).min(end);
            let wait = Duration::from_secs_f64((next - now).max(0.0)).min(TICK);
            self.sleep(wait).await?;
        }
    }

    /// Caps, prices, progress.
    fn look(&mut self, recorder: &Recorder, priced: &mut SortedSet<(String, u64)>) -> Going<()> {
        if let Some(why) = recorder.failure() {
            return Err(Ending::Failed(format!("the recording cannot be written: {why}")));
        }
        let now = recorder.now();
        let (nodes, spent, prices) = recorder.with_state(|state| {
            let nodes = state.our_nodes().count();
            (nodes, state.spent(now), new_prices(state, priced))
        });
        if !prices.is_empty() {
            recorder.hear(Entry::Prices(Prices { prices }));
        }
        self.most_nodes = self.most_nodes.max(nodes);
        (self.tell)(Progress::Running { t: now, recorder });
        self.caps(nodes, spent)
    }

    fn caps(&self, nodes: usize, spent: f64) -> Going<()> {
        let caps = &self.setup.caps;
        if nodes > caps.nodes {
            return Err(Ending::Capped(format!(
                "{nodes} nodes, above --max-nodes {}",
                caps.nodes
            )));
        }
        if spent > caps.cost_usd {
            return Err(Ending::Capped(format!(
                "{spent:.2} $ spent, above --max-cost {}",
                caps.cost_usd
            )));
        }
        if self.started.elapsed() > caps.duration {
            let seconds = caps.duration.as_secs();
            return Err(Ending::Capped(format!("{seconds} s, the --max-duration")));
        }
        Ok(())
    }

    async fn create_all(&mut self, planned: &[&Planned], recorder: Option<&Recorder>) -> Going<()> {
        for planned in planned {
            self.create(planned, recorder, "create", "").await?;
        }
        Ok(())
    }

    async fn create(
        &mut self,
        planned: &Planned,
        recorder: Option<&Recorder>,
        verb: &str,
        label: &str,
    ) -> Going<()> {
        let name = planned.object.name.to_string();
        if recorder.is_none() {
            (self.tell)(Progress::Saying(format!("creating {name}")));
        }
        let (client, plan) = (self.client, self.plan);
        let made = self
            .persist(|| create(client, &planned.kind, &planned.object, &plan.run))
            .await?;
        if let Some(recorder) = recorder {
            let error = made.as_ref().err().map(ToString::to_string);
            recorder.hear(done(verb, &name, label, error));
        }
        let made = made.map_err(failed)?;
        self.journal.made(made).map_err(failed)
    }

    async fn step(&mut self, step: &PlannedStep, recorder: &Recorder) -> Going<()> {
        let (client, plan) = (self.client, self.plan);
        match &step.act {
            PlannedAct::Apply(objects) => {
                // One mark for all of them.
                let mut label = step.label.as_str();
                for planned in objects {
                    match self.ours(&planned.object.name) {
                        None => self.create(planned, Some(recorder), "apply", label).await?,
                        Some(ours) => {
                            let changed = self
                                .persist(|| update(client, &planned.kind, &planned.object, &ours, &plan.run))
                                .await?;
                            self.said(recorder, "apply", &planned.object.name, label, changed)?;
                        }
                    }
                    label = "";
                }
            }
            PlannedAct::Scale(kind, name, replicas) => {
                let ours = self.must_be_ours(name)?;
                let scaled = self.persist(|| scale(client, kind, &ours, *replicas)).await?;
                self.said(recorder, "scale", name, &step.label, scaled)?;
            }
            PlannedAct::Delete(kind, name) => {
                let ours = self.must_be_ours(name)?;
                let deleted = self.persist(|| delete(client, kind, &ours)).await?;
                self.said(recorder, "delete", name, &step.label, deleted)?;
            }
        }
        Ok(())
    }

    fn said(
        &mut self,
        recorder: &Recorder,
        verb: &str,
        name: &Name,
        label: &str,
        answer: Result<()>,
    ) -> Going<()> {
        let error = answer.as_ref().err().map(ToString::to_string);
        recorder.hear(done(verb, &name.to_string(), label, error));
        answer.map_err(failed)
    }

    /// What we made under a name, last.
    fn ours(&self, name: &Name) -> Option<Applied> {
        let made = self.journal.all().iter().rev();
        made.into_iter().find(|made| made.title() == *name).cloned()
    }

    fn must_be_ours(&self, name: &Name) -> Going<Applied> {
        self.ours(name)
            .ok_or_else(|| Ending::Failed(format!("{name} was not made by this run")))
    }

    /// Waits until every Deployment of ours has all its pods, Ready or without a place, and nothing changes.
    async fn settle(&mut self, limit: Duration) -> Going<()> {
        let began = Instant::now();
        let mut last: Option<(Vec<Standing>, Instant)> = None;
        loop {
            let answer = self.standings().await;
            let standings = match answer {
                Ok(standings) => standings,
                Err(error) if is_passing(&explain(&error)) && began.elapsed() < limit => {
                    self.sleep(PAUSE).await?;
                    continue;
                }
                Err(error) => return Err(Ending::Failed(explain(&error))),
            };
            let open: Vec<String> = standings
                .iter()
                .filter(|standing| !standing.settled())
                .map(Standing::text)
                .collect();
            let since = match &last {
                Some((before, since)) if *before == standings => *since,
                _ => Instant::now(),
            };
            last = Some((standings, since));
            if open.is_empty() && since.elapsed() >= STILL {
                return Ok(());
            }
            (self.tell)(Progress::Saying(match open.is_empty() {
                true => "settled; waiting for changes to cease".to_owned(),
                false => format!("settling: {}", open.join(", ")),
            }));
            if began.elapsed() >= limit {
                return Err(Ending::Failed(format!(
                    "the workloads have not settled in {} s: {}",
                    limit.as_secs(),
                    if open.is_empty() {
                        "pods come and go".to_owned()
                    } else {
                        open.join(", ")
                    }
                )));
            }
            self.caps(0, 0.0)?;
            self.sleep(PAUSE).await?;
        }
    }

    async fn standings(&self) -> std::result::Result<Vec<Standing>, kube::Error> {
        let mut pods: SortedMap<&str, Vec<Value>> = SortedMap::new();
        let mut standings = Vec::new();
        let Some(pod_kind) = self.served.find("", "Pod") else {
            return Ok(standings);
        };
        for planned in &self.plan.create {
            let name = &planned.object.name;
            if name.kind != "Deployment" {
                continue;
            }
            if !pods.contains_key(name.namespace.as_str()) {
                let list = pod_kind
                    .api(self.client, &name.namespace)
                    .list(&ListParams::default())
                    .await?;
                let all = list.items.iter().filter_map(|pod| serde_json::to_value(pod).ok());
                pods.insert(&name.namespace, all.collect());
            }
            let there: DynamicObject = planned
                .kind
                .api(self.client, &name.namespace)
                .get(&name.name)
                .await?;
            standings.push(Standing::of(name, &there.data, &pods[name.namespace.as_str()]));
        }
        Ok(standings)
    }

    /// Waits, unless the run is stopped.
    async fn sleep(&mut self, time: Duration) -> Going<()> {
        let stopped = self.stop.wait_for(Option::is_some);
        match tokio::time::timeout(time, stopped).await {
            Ok(Ok(signal)) => Err(Ending::Interrupted(signal.clone().unwrap_or_default())),
            // Nobody can stop it any more.
            Ok(Err(_)) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Tries again while the API server cannot be used, for a while, unless the run is stopped.
    async fn persist<T, F>(&mut self, mut ask: impl FnMut() -> F) -> Going<Result<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let began = Instant::now();
        loop {
            match ask().await {
                Err(Error::Request { why, .. }) if is_passing(&why) && began.elapsed() < OUTAGE => {
                    self.sleep(PAUSE).await?;
                }
                // A stop is heeded by the next wait: what was made must get into the journal first.
                answer => return Ok(answer),
            }
        }
    }
}

fn failed(error: Error) -> Ending {
    Ending::Failed(error.to_string())
}

/// Prices of machines that were not there before.
fn new_prices(state: &State, priced: &mut SortedSet<(String, u64)>) -> Vec<Price> {
    let mut prices = Vec::new();
    for node in state.nodes() {
        let Some(price) = node.price else { continue };
        let key = (
            format!("{} {} {}", node.instance_type, node.lifecycle, node.zone),
            price.to_bits(),
        );
        if priced.insert(key) {
            prices.push(Price {
                instance_type: node.instance_type.clone(),
                zone: if node.lifecycle == "spot" {
                    node.zone.clone()
                } else {
                    String::new()
                },
                lifecycle: node.lifecycle.to_owned(),
                usd_per_hour: price,
                since: None,
            });
        }
    }
    prices
}

/// How a Deployment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    name: String,
    wanted: i64,
    ready: i64,
    /// Pods for which the scheduler has no place.
    placeless: i64,
}

impl Standing {
    /// From a Deployment, and the pods of its namespace.
    fn of(name: &Name, deployment: &Value, pods: &[Value]) -> Self {
        let selector = deployment["spec"]["selector"]["matchLabels"].as_object();
        let own = |pod: &&Value| {
            let labels = &pod["metadata"]["labels"];
            selector.is_some_and(|selector| selector.iter().all(|(key, value)| labels[key] == *value))
        };
        let placeless = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|condition| {
                condition["type"] == "PodScheduled" && condition["reason"] == "Unschedulable"
            })
        };
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        Standing {
            name: name.to_string(),
            wanted: deployment["spec"]["replicas"].as_i64().unwrap_or(1),
            ready: number(&deployment["status"]["readyReplicas"]),
            placeless: i64::try_from(pods.iter().filter(own).filter(placeless).count()).unwrap_or(i64::MAX),
        }
    }

    fn settled(&self) -> bool {
        self.ready + self.placeless >= self.wanted
    }

    fn text(&self) -> String {
        let Standing {
            name, wanted, ready, ..
        } = self;
        match self.placeless {
            0 => format!("{name} has {ready} of {wanted} pods Ready"),
            placeless => format!("{name} has {ready} of {wanted} pods Ready, {placeless} find no place"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_has_settled_when_each_pod_is_ready_or_has_no_place() {
        let deployment = json!({ "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" } } },
                                 "status": { "readyReplicas": 1 } });
        let pod = |app: &str, reason: &str| {
            json!({ "metadata": { "labels": { "app": app } },
                    "status": { "conditions": [{ "type": "PodScheduled", "status": "False", "reason": reason }] } })
        };
        let name = Name::parse("Deployment/n/web").unwrap();
        let pods = [
            pod("web", "Unschedulable"),
            pod("other", "Unschedulable"),
            pod("web", ""),
        ];
        let standing = Standing::of(&name, &deployment, &pods);
        assert!(!standing.settled());
        assert_eq!(
            standing.text(),
            "Deployment/n/web has 1 of 3 pods Ready, 1 find no place"
        );
        let settled = Standing::of(&name, &deployment, &[pods[0].clone(), pods[0].clone()]);
        assert!(settled.settled());
    }
}
