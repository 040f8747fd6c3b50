//! When HPAs are looked at: the whole controller, with its queue, its workers and its calls.

use std::sync::Arc;
use std::time::Duration;

use model::api::{
    Api, Deployment, LabelSelector, Labels, Owner, Phase, Pod, PodSpec, PodTemplate, ReplicaSet, Restarts,
    Strategy,
};
use model::hpa::{
    Calls, Config, Controller, Failure, Hpa, Input, Metric, Output, Reading, Source, Spec, Status, Target,
    View,
};
use model::id::{DeploymentId, HpaId, Table};
use model::quantity::Quantity;
use serde::Deserialize;
use sim::{Action, Agenda, Component, Instant, Outbox, SortedMap, Streams};
use support::Outcome;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    id: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    concurrent_syncs: usize,
    sync_period_ms: u64,
    duration_ms: u64,
    hpas: Vec<HpaJson>,
    evaluation_start_ms: SortedMap<String, Vec<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HpaJson {
    name: String,
    created_at_ms: u64,
    get_scale_ms: u64,
    metric_ms: u64,
    update_scale_ms: u64,
    update_status_ms: u64,
    spec_edited_at_ms: Option<u64>,
    #[serde(default)]
    steady_metric: bool,
    #[serde(default)]
    metric_fails: bool,
}

/// The recorded runs came to rest after four scale-ups.
const MAX_REPLICAS: i32 = 32;

enum Event {
    Controller(Input),
    Create(usize),
    Edit(usize),
    Answer(HpaId),
}

/// What surrounds the controller: one Deployment for each HPA, and the API that holds them.
struct World<'a> {
    case: &'a Case,
    api: Api,
    hpas: Table<HpaId, Hpa>,
    /// Which HPA of the case each object is.
    index: SortedMap<HpaId, usize>,
    readings: SortedMap<HpaId, u64>,
    starts: Vec<(String, u64)>,
}

impl World<'_> {
    fn create(&mut self, index: usize, now: Instant) -> HpaId {
        let json = &self.case.hpas[index];
        let labels = Labels::from([("app".to_owned(), json.name.clone())]);
        let template = Arc::new(PodTemplate {
            namespace: "default".to_owned(),
            labels: labels.clone(),
            annotations: Labels::new(),
            spec: PodSpec::default(),
        });
        let target = self.api.deployments.insert(Deployment {
            name: json.name.clone(),
            replicas: 0,
            selector: LabelSelector::from_labels(&labels),
            strategy: Strategy::default(),
            min_ready: Duration::ZERO,
            template: template.clone(),
        });
        self.api.replica_sets.insert(ReplicaSet {
            name: json.name.clone(),
            deployment: target,
            replicas: 0,
            desired: 0,
            template: template.clone(),
            made_of: template,
            created: now,
        });
        self.scale(target, 2, now);
        let id = self.hpas.insert(Hpa {
            name: json.name.clone(),
            namespace: "default".to_owned(),
            created: now,
            owner: None,
            target,
            spec: Arc::new(Spec {
                min_replicas: 1,
                max_replicas: MAX_REPLICAS,
                metrics: vec![Metric {
                    source: Source::External {
                        name: "rps".to_owned(),
                        selector: None,
                    },
                    target: Target::AverageValue(Quantity::from_whole(1000)),
                }],
                behavior: None,
            }),
            status: Status::default(),
        });
        self.index.insert(id, index);
        id
    }

    /// The Deployment and all its pods at once.
    fn scale(&mut self, target: DeploymentId, replicas: i32, now: Instant) {
        let deployment = self.api.deployments.get_mut(target).expect("a target");
        deployment.replicas = replicas;
        let template = deployment.template.clone();
        let (set, _) = self.api.replica_sets_of(target).next().expect("a set");
        let owner = Owner::ReplicaSet(set, target);
        for number in self.api.pods_of(owner).len()..replicas as usize {
            self.api.add_pod(Pod {
                name: format!("pod-{number}"),
                uid: 0,
                template: template.clone(),
                owner,
                created: now,
                deletion: None,
                node: None,
                only_node: None,
                nominated_node: None,
                phase: Phase::Pending,
                ready: None,
                unschedulable: false,
                started: None,
                restarts: Restarts::default(),
            });
        }
    }

    /// The metric of the recorded runs: another value each time, and every sixth time twice the target.
    fn reading(&mut self, id: HpaId) -> Reading {
        let json = &self.case.hpas[self.index[&id]];
        if json.metric_fails {
            return Reading::External(Err(Failure::Unavailable));
        }
        let count = self.readings.entry(id).or_default();
        *count += 1;
        let target = self.hpas.get(id).expect("an HPA").target;
        let replicas = i64::from(self.api.deployments.get(target).expect("a target").replicas);
        let total = match *count % 6 {
            _ if json.steady_metric => replicas * 1000,
            3 => 2 * replicas * 1000,
            _ => replicas * 1000 + *count as i64,
        };
        Reading::External(Ok(vec![Quantity::from_whole(total)]))
    }
}

/// The starts of all syncs, in order of time, with ties broken by a seed.
fn run(case: &Case, seed: u64) -> Vec<u64> {
    let period = Duration::from_millis(case.sync_period_ms);
    let mut config = Config {
        sync_period: period,
        workers: case.concurrent_syncs,
        resync_phase: period - Duration::from_millis(100),
        ..Config::default()
    };
    let mut agenda = Agenda::new();
    let mut by_creation: Vec<usize> = (0..case.hpas.len()).collect();
    by_creation.sort_by_key(|&index| case.hpas[index].created_at_ms);
    for (order, &index) in by_creation.iter().enumerate() {
        let json = &case.hpas[index];
        let calls = Calls {
            get_scale: Duration::from_millis(json.get_scale_ms),
            update_scale: Duration::from_millis(json.update_scale_ms),
            update_status: Duration::from_millis(json.update_status_ms),
        };
        config.calls_of.insert(HpaId(order as u32), calls);
        agenda.at(Instant::from_millis(json.created_at_ms), Event::Create(index));
        if let Some(at) = json.spec_edited_at_ms {
            agenda.at(Instant::from_millis(at), Event::Edit(index));
        }
    }
    let mut controller = Controller::new(config, &Streams::new(seed));
    let mut world = World {
        case,
        api: Api::default(),
        hpas: Table::new(),
        index: SortedMap::new(),
        readings: SortedMap::new(),
        starts: Vec::new(),
    };
    let mut out = Outbox::new();
    controller.start(&mut out);
    perform(&mut out, &mut agenda, &mut world, Instant::ZERO);
    while let Some((now, event)) = agenda.pop() {
        if now > Instant::from_millis(case.duration_ms) {
            break;
        }
        let input = match event {
            Event::Controller(input) => input,
            Event::Create(index) => Input::Changed(world.create(index, now)),
            Event::Edit(index) => {
                let id = world.index.iter().find(|(_, other)| **other == index);
                Input::Changed(*id.expect("created before it is edited").0)
            }
            Event::Answer(id) => Input::Metric(id, world.reading(id)),
        };
        let view = View {
            api: &world.api,
            hpas: &world.hpas,
        };
        controller.handle(now, input, view, &mut out);
        perform(&mut out, &mut agenda, &mut world, now);
    }
    world.starts.sort_by_key(|(_, at)| *at);
    world.starts.into_iter().map(|(_, at)| at).collect()
}

fn perform(out: &mut Outbox<Input, Output>, agenda: &mut Agenda<Event>, world: &mut World<'_>, now: Instant) {
    for action in out.drain().collect::<Vec<_>>() {
        match action {
            Action::WakeAt(at, input) => agenda.at(at, Event::Controller(input)),
            Action::Emit(Output::FetchMetric { hpa, .. }) => {
                let json = &world.case.hpas[world.index[&hpa]];
                // A sync starts with its first call, reading the scale.
                let start = now.as_millis() - json.get_scale_ms;
                world.starts.push((json.name.clone(), start));
                agenda.after(Duration::from_millis(json.metric_ms), Event::Answer(hpa));
            }
            Action::Emit(Output::PatchScale { target, replicas, .. }) => world.scale(target, replicas, now),
            Action::Emit(Output::UpdateStatus(id, status)) => {
                world.hpas.get_mut(id).expect("an HPA").status = *status;
            }
            Action::Emit(Output::Publish(_)) => {}
        }
    }
}

/// In which order HPAs that are due at once get the free workers is arbitrary in the real controller, and
/// with a call that takes longer now and then it shows in the times. So other orders are drawn before a
/// case is given up.
fn agrees(case: &Case) -> Result<(), String> {
    let mut expected: Vec<u64> = case.evaluation_start_ms.values().flatten().copied().collect();
    expected.sort_unstable();
    // The last syncs were recorded while the controller was being stopped.
    let before_the_end = |at: &u64| *at < case.duration_ms - 100;
    expected.retain(before_the_end);
    let mut first = None;
    for seed in 0..SEEDS {
        let mut found = run(case, seed);
        found.retain(before_the_end);
        if found == expected {
            return Ok(());
        }
        first.get_or_insert(found);
    }
    Err(format!(
        "{}: expected {expected:?}, found {:?}",
        case.id,
        first.unwrap_or_default()
    ))
}

const SEEDS: u64 = 3000;

#[test]
fn syncs_start_when_upstreams_do() {
    let check = |case: &Case| agrees(case).err();
    Outcome::of_golden("hpa/sync-timing.jsonl", super::RECORDED, check).settle();
}
