//! A simulated run as a recording: what a recorder beside that cluster would have written down.
//!
//! Objects are told when watches deliver them, machines when EC2 would say so, the dashboard's answers as
//! Prometheus gives them. Besides what a recorder hears, the response time and the served rate are told, under the
//! source `simulation`. What a comparison of a run with its own recording shows is thus an error of the comparison.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::api::{Owner, Pod, PodTemplate};
use model::cluster::record::{LogEntry, Record, Value as Logged};
use model::cluster::{self, Notice, Options, Seen, Watcher};
use model::ec2;
use model::id::{DaemonSetId, DeploymentId, HpaId, InstanceId, NodeClaimId, NodeId, PodId, ScaledObjectId};
use model::karpenter::CapacityType;
use model::manifest::{Document, convert};
use model::scenario::{self, Files, Objects, Scenario};
use serde_json::{Value, json};
use sim::{Instant, SortedMap, SortedSet};

use crate::heard::text;
use crate::objects::{Clock, write};
use crate::recording::{
    Action, Change, Durability, End, Entry, Error, Header, Instance, Instances, Line, Maker, Object, Price,
    Prices, SCENARIO, Sample, Series, Start, VERSION, Writer,
};

/// Runs a scenario and writes it down in `dir`, a copy of its files beside it.
///
/// # Errors
///
/// When there is a recording already, or the file system says no.
pub fn record(
    scenario: &Scenario,
    files: &Files,
    sets: &[String],
    options: Options,
    dir: &Path,
) -> Result<Record, Error> {
    let mut writer = Writer::create(dir, header(scenario, sets, options.seed), Durability::AtEnd)?;
    copy_scenario(files, &dir.join(SCENARIO))?;
    let mut watcher = Recorder::new(scenario, files, sets);
    let options = Options { log: true, ..options };
    let record = cluster::run_watched(scenario, options, &mut watcher);
    for line in watcher.finish(&record) {
        writer.write(line.t, line.entry)?;
    }
    Ok(record)
}

fn header(scenario: &Scenario, sets: &[String], seed: u64) -> Header {
    let stack = &scenario.stack;
    let versions = [
        ("kubernetes", format!("1.{}", stack.kubernetes)),
        ("keda", format!("2.{}", stack.keda)),
        ("karpenter", stack.karpenter.to_string()),
        ("prometheus", stack.prometheus.to_string()),
        ("scaletwin", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    Header {
        version: VERSION,
        run: format!("{}-seed-{seed}", scenario.name),
        made_by: Maker::Simulation,
        scenario: Some(scenario.name.clone()),
        sets: sets.to_vec(),
        epoch: scenario.epoch.to_string(),
        versions: versions.map(|(name, version)| (name.to_owned(), version)).into(),
        region: Some(scenario.region.clone()),
        cluster: None,
    }
}

/// Puts a copy of a scenario's files into a directory.
///
/// # Errors
///
/// When the file system says no.
pub fn copy_scenario(files: &Files, dir: &Path) -> Result<(), Error> {
    for source in files
        .manifests
        .iter()
        .chain(&files.traces)
        .chain([&files.scenario])
    {
        let path = dir.join(&source.path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, &source.text))
            .map_err(|error| Error::Io {
                doing: "write",
                path,
                error,
            })?;
    }
    Ok(())
}

/// A document of a manifest, as the API would say it and as the model has it.
struct Known {
    document: Document,
    said: Value,
    objects: Objects,
}

struct Recorder {
    clock: Clock,
    start: Instant,
    known: Vec<Known>,
    lines: Vec<Line>,
    /// What was said last of each object, by kind and uid.
    said: SortedMap<(&'static str, String), Object>,
    /// The spec of each template that was looked up; the template is kept so that its address stays its own.
    specs: SortedMap<*const PodTemplate, (Arc<PodTemplate>, Value)>,
    hpas: SortedMap<HpaId, model::hpa::Status>,
    states: SortedMap<InstanceId, ec2::State>,
    priced: SortedSet<(String, String)>,
    scaled_objects: SortedMap<String, String>,
}

impl Recorder {
    fn new(scenario: &Scenario, files: &Files, sets: &[String]) -> Self {
        let unseen = RefCell::new(Vec::new());
        let known = scenario::documents(files, sets)
            .into_iter()
            .map(|document| Known {
                said: write::document(&document.value),
                objects: convert(&[&document], &scenario.objects, &unseen),
                document,
            });
        let start = Start {
            clock: scenario.epoch.to_string(),
        };
        Recorder {
            clock: Clock(scenario.epoch),
            start: Instant::ZERO + scenario.warm_up,
            known: known.collect(),
            lines: vec![Line {
                t: 0.0,
                entry: Entry::Start(start),
            }],
            said: SortedMap::new(),
            specs: SortedMap::new(),
            hpas: SortedMap::new(),
            states: SortedMap::new(),
            priced: SortedSet::new(),
            scaled_objects: SortedMap::new(),
        }
    }

    fn tell(&mut self, now: Instant, entry: Entry) {
        let t = now.as_secs_f64();
        self.lines.push(Line { t, entry });
    }

    /// Tells an object, unless it is as it was.
    fn object(&mut self, now: Instant, kind: &'static str, uid: String, object: Value) {
        let key = (kind, uid.clone());
        let change = match self.said.get(&key) {
            Some(known) if known.object == object => return,
            Some(_) => Change::Modified,
            None => Change::Added,
        };
        let entry = Object {
            change,
            kind: kind.to_owned(),
            namespace: text(&object, "/metadata/namespace").to_owned(),
            name: text(&object, "/metadata/name").to_owned(),
            uid,
            object,
        };
        self.said.insert(key, entry.clone());
        self.tell(now, Entry::Object(entry));
    }

    fn gone(&mut self, now: Instant, kind: &'static str, uid: String) {
        if let Some(object) = self.said.remove(&(kind, uid)) {
            let change = Change::Deleted;
            self.tell(now, Entry::Object(Object { change, ..object }));
        }
    }

    /// The document of an object that the model's own is like.
    fn document(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        is: impl Fn(&Objects) -> bool,
    ) -> Option<&Value> {
        let named = |known: &&Known| {
            let document = &known.document;
            (
                document.kind.name,
                document.namespace.as_str(),
                document.name.as_str(),
            ) == (kind, namespace, name)
        };
        let all = || self.known.iter().filter(named);
        let known = all().find(|known| is(&known.objects)).or_else(|| all().next())?;
        Some(&known.said)
    }

    /// spec of a pod, as its workload's manifest has it. A ReplicaSet's template has one label more than that.
    fn template_spec(&mut self, pod: &Pod, seen: Seen<'_>) -> Value {
        let template = &pod.template;
        let key = Arc::as_ptr(template);
        if let Some((_, spec)) = self.specs.get(&key) {
            return spec.clone();
        }
        let set = match pod.owner {
            Owner::ReplicaSet(set, _) => seen.api.replica_sets.get(set),
            _ => None,
        };
        let written = set.map_or(template, |set| &set.made_of);
        let is = |objects: &Objects| {
            let deployments = objects.deployments.iter().map(|own| &own.object.template);
            let daemons = objects.daemon_sets.iter().map(|own| &own.template);
            deployments.chain(daemons).any(|own| **own == **written)
        };
        let known = self.known.iter().find(|known| is(&known.objects));
        let spec = known.and_then(|known| known.said.pointer("/spec/template/spec"));
        let spec = spec.cloned().unwrap_or_else(|| json!({ "containers": [] }));
        self.specs.insert(key, (template.clone(), spec.clone()));
        spec
    }

    fn pod(&mut self, now: Instant, id: PodId, seen: Seen<'_>) {
        if let Some(pod) = seen.api.pods.get(id) {
            let spec = self.template_spec(pod, seen);
            let object = write::pod(pod, seen.api, spec, self.clock);
            self.object(now, "Pod", format!("{id:?}"), object);
        }
    }

    fn node(&mut self, now: Instant, id: NodeId, seen: Seen<'_>) {
        if let Some(node) = seen.api.nodes.get(id) {
            let provider = node.instance.map_or(String::new(), |id| provider(seen, id));
            let object = write::node(node, format!("{id:?}"), &provider, self.clock);
            self.object(now, "Node", format!("{id:?}"), object);
        }
    }

    fn claim(&mut self, now: Instant, id: NodeClaimId, seen: Seen<'_>) {
        let uid = format!("{id:?}");
        let Some(claim) = seen.claims.get(id) else {
            return self.gone(now, "NodeClaim", uid);
        };
        let pool = seen.pools.get(claim.pool).map_or("", |pool| &*pool.name);
        let node = claim.node.and_then(|id| seen.api.nodes.get(id));
        let node = node.map_or("", |node| node.name.as_str());
        let provider = claim.instance.map_or(String::new(), |id| provider(seen, id));
        let object = write::claim(claim, uid.clone(), pool, node, &provider, self.clock);
        self.object(now, "NodeClaim", uid, object);
    }

    fn deployment(&mut self, now: Instant, id: DeploymentId, seen: Seen<'_>) {
        let uid = format!("{id:?}");
        let Some(deployment) = seen.api.deployments.get(id) else {
            return self.gone(now, "Deployment", uid);
        };
        let is = |objects: &Objects| {
            let mut own = objects.deployments.iter();
            own.any(|own| *own.object.template == *deployment.template)
        };
        let namespace = &deployment.template.namespace;
        let said = self
            .document("Deployment", namespace, &deployment.name, is)
            .cloned();
        if let Some(mut said) = said {
            said["spec"]["replicas"] = json!(deployment.replicas);
            self.object(now, "Deployment", uid, said);
        }
    }

    fn daemon_set(&mut self, now: Instant, id: DaemonSetId, seen: Seen<'_>) {
        let uid = format!("{id:?}");
        let Some(set) = seen.api.daemon_sets.get(id) else {
            return self.gone(now, "DaemonSet", uid);
        };
        let is = |objects: &Objects| {
            objects
                .daemon_sets
                .iter()
                .any(|own| *own.template == *set.template)
        };
        let said = self
            .document("DaemonSet", &set.template.namespace, &set.name, is)
            .cloned();
        if let Some(said) = said {
            self.object(now, "DaemonSet", uid, said);
        }
    }

    fn hpa(&mut self, now: Instant, id: HpaId, seen: Seen<'_>) {
        let uid = format!("{id:?}");
        let Some(hpa) = seen.hpas.get(id) else {
            self.hpas.remove(&id);
            return self.gone(now, "HorizontalPodAutoscaler", uid);
        };
        self.hpas.insert(id, hpa.status.clone());
        let target = seen.api.deployments.get(hpa.target);
        let target = target.map_or("", |target| target.name.as_str());
        let owner = hpa.owner.and_then(|owner| seen.scaled_objects.get(owner));
        let owner = owner.map(|owner| owner.name.as_str());
        let object = write::hpa(hpa, uid.clone(), target, owner, self.clock);
        self.object(now, "HorizontalPodAutoscaler", uid, object);
    }

    fn scaled_object(&mut self, now: Instant, id: ScaledObjectId, seen: Seen<'_>) {
        let uid = format!("{id:?}");
        let Some(own) = seen.scaled_objects.get(id) else {
            return self.gone(now, "ScaledObject", uid);
        };
        self.scaled_objects
            .insert(own.name.clone(), own.namespace.clone());
        let is = |objects: &Objects| objects.scaled_objects.iter().any(|other| other.spec == own.spec);
        let said = self
            .document("ScaledObject", &own.namespace, &own.name, is)
            .cloned();
        if let Some(mut said) = said {
            said["metadata"]["creationTimestamp"] = json!(self.clock.stamp(own.created));
            self.object(now, "ScaledObject", uid, said);
        }
    }

    fn pools(&mut self, now: Instant, seen: Seen<'_>) {
        for (id, pool) in seen.pools.iter() {
            let is = |objects: &Objects| objects.node_pools.iter().any(|own| own == pool);
            let said = self.document("NodePool", "", &pool.name, is).cloned();
            for kind in ["EC2NodeClass", "KWOKNodeClass"] {
                if let Some(class) = self.document(kind, "", &pool.node_class, |_| true).cloned() {
                    self.object(now, kind, format!("{kind}/{}", pool.node_class), class);
                }
            }
            if let Some(said) = said {
                self.object(now, "NodePool", format!("{id:?}"), said);
            }
        }
    }

    /// What DescribeInstances says, if it is not what it said last.
    fn machines(&mut self, now: Instant, seen: Seen<'_>) {
        let same = seen.instances.len() == self.states.len()
            && seen
                .instances
                .iter()
                .all(|(id, own)| self.states.get(&id) == Some(&own.state));
        if same {
            return;
        }
        self.states = seen.instances.iter().map(|(id, own)| (id, own.state)).collect();
        let recent = |own: &ec2::Instance| own.gone.is_none_or(|gone| now.since(gone).as_secs() < 3600);
        let told = seen
            .instances
            .iter()
            .map(|(_, own)| own)
            .filter(|own| recent(own));
        let instances: Vec<Instance> = told.map(|own| machine(own, self.clock)).collect();
        let mut prices = Vec::new();
        for (_, own) in seen.instances.iter() {
            let lifecycle = lifecycle(own.capacity_type);
            let zone = if lifecycle == "spot" {
                own.zone.to_string()
            } else {
                String::new()
            };
            if self.priced.insert((own.spec.name.to_owned(), zone.clone())) {
                prices.push(Price {
                    instance_type: own.spec.name.to_owned(),
                    zone,
                    lifecycle: lifecycle.to_owned(),
                    usd_per_hour: own.price.usd_per_hour(),
                    since: None,
                });
            }
        }
        if !prices.is_empty() {
            self.tell(now, Entry::Prices(Prices { prices }));
        }
        self.tell(now, Entry::Instances(Instances { instances }));
    }

    /// Everything, in the order of time.
    fn finish(mut self, record: &Record) -> Vec<Line> {
        self.rows(record);
        for entry in &record.log {
            self.poll(entry);
        }
        let end = self.start + record.end.since(Instant::ZERO);
        for (at, label) in &record.marks {
            let action = Action {
                verb: "act".into(),
                label: label.clone(),
                ..Action::default()
            };
            self.tell(self.start + at.since(Instant::ZERO), Entry::Action(action));
        }
        self.lines.sort_by(|a, b| a.t.total_cmp(&b.t));
        let reason = "finished".to_owned();
        self.tell(end, Entry::End(End { reason }));
        self.lines
    }

    /// The dashboard's answers, and what only a simulation knows.
    fn rows(&mut self, record: &Record) {
        for row in &record.rows {
            let now = self.start + row.at.since(Instant::ZERO);
            let t = now.as_secs_f64();
            let point = |value: f64| vec![(t, value.is_finite().then_some(value))];
            let mut tell = |source: &str, name: &str, series: Vec<Series>| {
                let sample = Sample {
                    source: source.into(),
                    name: name.into(),
                    series,
                    ..Sample::default()
                };
                self.lines.push(Line {
                    t,
                    entry: Entry::Sample(sample),
                });
            };
            let one = |value: f64| {
                vec![Series {
                    labels: SortedMap::new(),
                    points: point(value),
                }]
            };
            tell("prometheus", "seen.rps", one(row.seen_rps));
            tell("prometheus", "seen.pods", one(row.seen_pods));
            let nodes = record.instance_types.iter().zip(&row.seen_nodes);
            let of_type = |(name, count): (&String, &f64)| Series {
                labels: [("instance_type".to_owned(), name.clone())].into(),
                points: point(*count),
            };
            let present = nodes.filter(|(_, count)| **count > 0.0);
            tell("prometheus", "seen.nodes", present.map(of_type).collect());
            tell("simulation", "rps_served", one(row.rps_served));
            tell("simulation", "latency_p95_s", one(row.latency_p95));
        }
    }

    /// A poll of KEDA's, from the log.
    fn poll(&mut self, entry: &LogEntry) {
        if (entry.part, entry.kind) != ("keda", "Polled") {
            return;
        }
        let Some(namespace) = self.scaled_objects.get(&entry.object) else {
            return;
        };
        let name = format!("{namespace}/{}", entry.object);
        let now = self.start + entry.at.since(Instant::ZERO);
        let t = now.as_secs_f64();
        let values = entry.details.iter().find_map(|(key, value)| match value {
            Logged::List(values) if *key == "values" => Some(values),
            _ => None,
        });
        let series = values.into_iter().flatten().filter_map(|text| {
            let (metric, value) = text.rsplit_once(' ')?;
            let labels = [("scaledObject", name.as_str()), ("metric", metric)];
            Some(Series {
                labels: labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                points: vec![(t, value.parse().ok())],
            })
        });
        let sample = Sample {
            source: "keda".into(),
            name: "trigger".into(),
            series: series.collect(),
            ..Sample::default()
        };
        self.tell(now, Entry::Sample(sample));
    }
}

fn provider(seen: Seen<'_>, id: InstanceId) -> String {
    let own = seen.instances.get(id);
    own.map_or(String::new(), |own| format!("aws:///{}/{}", own.zone, own.name))
}

fn lifecycle(capacity_type: CapacityType) -> &'static str {
    match capacity_type {
        CapacityType::Spot => "spot",
        CapacityType::OnDemand => "on-demand",
        CapacityType::Reserved => "reserved",
    }
}

fn machine(own: &ec2::Instance, clock: Clock) -> Instance {
    let state = match own.state {
        ec2::State::Pending => "pending",
        ec2::State::Running => "running",
        ec2::State::ShuttingDown => "shutting-down",
        ec2::State::Terminated => "terminated",
    };
    Instance {
        id: own.name.clone(),
        instance_type: own.spec.name.to_owned(),
        zone: own.zone.to_string(),
        lifecycle: lifecycle(own.capacity_type).to_owned(),
        launched: clock.stamp(own.launched),
        state: state.to_owned(),
    }
}

impl Watcher for Recorder {
    fn look(&mut self, now: Instant, seen: Seen<'_>) {
        self.machines(now, seen);
        let changed: Vec<HpaId> = seen
            .hpas
            .iter()
            .filter(|(id, hpa)| self.hpas.get(id).is_some_and(|known| *known != hpa.status))
            .map(|(id, _)| id)
            .collect();
        for id in changed {
            self.hpa(now, id, seen);
        }
    }

    fn hear(&mut self, now: Instant, notice: Notice, seen: Seen<'_>) {
        match notice {
            Notice::PodCreated(id)
            | Notice::PodBound(id)
            | Notice::PodUnschedulable(id)
            | Notice::PodStatus(id)
            | Notice::PodDeleting(id)
            | Notice::PodEnded(id) => self.pod(now, id, seen),
            Notice::PodGone { pod, .. } => self.gone(now, "Pod", format!("{pod:?}")),
            Notice::NodeCreated(id) | Notice::NodeChanged(id) => self.node(now, id, seen),
            Notice::NodeGone(id) => self.gone(now, "Node", format!("{id:?}")),
            Notice::ClaimChanged(id) => self.claim(now, id, seen),
            Notice::Deployment(id) => self.deployment(now, id, seen),
            Notice::ReplicaSet(_) | Notice::Routes | Notice::Policies => {}
            Notice::DaemonSet(id) => self.daemon_set(now, id, seen),
            Notice::Hpa(id) => self.hpa(now, id, seen),
            Notice::ScaledObject(id) => self.scaled_object(now, id, seen),
            Notice::Pools => self.pools(now, seen),
        }
    }
}
