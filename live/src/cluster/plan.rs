//! What a run will do to a cluster, all of it, before it does anything.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject};
use serde::Serialize;
use sim::{SortedMap, SortedSet};

use super::apply::{RUN_LABEL, try_create};
use super::error::{Error, Result, explain};
use super::finding::Finding;
use super::kinds::{Served, ServedKind};
use super::manifest::{Name, Object, rank};

/// What a scenario wants.
#[derive(Debug, Clone, Default)]
pub struct Intent {
    /// The run's name: the value of its label.
    pub run: String,
    /// What is made at the start.
    pub make: Vec<Object>,
    /// What should be there.
    pub present: Vec<Object>,
    /// What is done later, in order of time.
    pub steps: Vec<Step>,
}

/// Something that is done at one time.
#[derive(Debug, Clone)]
pub struct Step {
    /// When: since time zero.
    pub at: Duration,
    /// What figures call it.
    pub label: String,
    /// What is done.
    pub act: Act,
}

/// What is done.
#[derive(Debug, Clone)]
pub enum Act {
    /// Objects are made, or changed if they are ours.
    Apply(Vec<Object>),
    /// A Deployment of ours gets another size.
    Scale {
        /// Which.
        deployment: Name,
        /// spec.replicas
        replicas: i32,
    },
    /// An object of ours is deleted.
    Delete(Name),
    /// A real cluster cannot be made to do this; why.
    Impossible(String),
}

/// An object to make, and its kind as the cluster serves it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The kind.
    pub kind: ServedKind,
    /// The object, in its namespace.
    pub object: Object,
}

/// What a run will do.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The run's name.
    pub run: String,
    /// What is made at the start, in this order.
    pub create: Vec<Planned>,
    /// Namespaces of the scenario that are there: they are used, and left as they are.
    pub used: Vec<String>,
    /// What is done later.
    pub steps: Vec<PlannedStep>,
    /// What speaks against it.
    pub findings: Vec<Finding>,
}

/// A step, its kinds resolved.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// When: since time zero.
    pub at: Duration,
    /// What figures call it.
    pub label: String,
    /// What is done.
    pub act: PlannedAct,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum PlannedAct {
    /// Makes or changes.
    Apply(Vec<Planned>),
    /// Scales a Deployment.
    Scale(ServedKind, Name, i32),
    /// Deletes.
    Delete(ServedKind, Name),
}

/// One line of a plan, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Seconds since time zero; 0 is at the start.
    pub at_s: u64,
    /// `create`, `apply`, `scale`, `delete`
    pub verb: &'static str,
    /// `Deployment/web/api`
    pub object: String,
    /// The manifest, or what is special.
    pub detail: String,
}

impl Plan {
    /// Plans. Asks the cluster what is there and whether it would take what is to be made; changes nothing.
    ///
    /// # Errors
    ///
    /// When the API server stops answering.
    pub async fn make(client: &Client, served: &Served, intent: Intent) -> Result<Self> {
        let mut planner = Planner {
            client,
            served,
            plan: Plan {
                run: intent.run,
                ..Plan::default()
            },
            ours: SortedSet::new(),
            asked: SortedMap::new(),
        };
        let mut make = intent.make;
        make.sort_by_key(|object| rank(&object.name.kind));
        let planned = planner.objects(make).await?;
        planner.plan.create = planned;
        planner.present(&intent.present).await?;
        for step in intent.steps {
            planner.step(step).await?;
        }
        planner.plan.findings.sort_by_key(|finding| finding.level);
        Ok(planner.plan)
    }

    /// All of it, line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let create = self.create.iter().map(|planned| Line {
            at_s: 0,
            verb: "create",
            object: planned.object.name.to_string(),
            detail: planned.object.file.clone(),
        });
        let mut lines: Vec<Line> = create.collect();
        for step in &self.steps {
            let line = |verb, object: &Name, detail: &str| Line {
                at_s: step.at.as_secs(),
                verb,
                object: object.to_string(),
                detail: detail.to_owned(),
            };
            match &step.act {
                PlannedAct::Apply(objects) => lines.extend(
                    objects
                        .iter()
                        .map(|planned| line("apply", &planned.object.name, &planned.object.file)),
                ),
                PlannedAct::Scale(_, name, replicas) => {
                    lines.push(line("scale", name, &format!("to {replicas} replicas")));
                }
                PlannedAct::Delete(_, name) => lines.push(line("delete", name, "")),
            }
        }
        lines
    }

    /// NodePools that the run makes.
    #[must_use]
    pub fn pools(&self) -> Vec<String> {
        let applied = self.steps.iter().filter_map(|step| match &step.act {
            PlannedAct::Apply(objects) => Some(objects),
            _ => None,
        });
        let all = self.create.iter().chain(applied.flatten());
        all.filter(|planned| planned.object.name.kind == "NodePool")
            .map(|planned| planned.object.name.name.clone())
            .collect()
    }

    /// The namespaces in which the run makes something.
    #[must_use]
    pub fn namespaces(&self) -> SortedSet<String> {
        let namespaces = self
            .create
            .iter()
            .map(|planned| planned.object.name.namespace.clone());
        namespaces.filter(|namespace| !namespace.is_empty()).collect()
    }
}

struct Planner<'a> {
    client: &'a Client,
    served: &'a Served,
    plan: Plan,
    /// What will be ours by now.
    ours: SortedSet<Name>,
    /// What was found in the cluster, by name.
    asked: SortedMap<Name, Option<DynamicObject>>,
}

impl Planner<'_> {
    /// Objects to make. Those that cannot be made are findings, and are not among those that come back.
    async fn objects(&mut self, objects: Vec<Object>) -> Result<Vec<Planned>> {
        let mut planned = Vec::new();
        for mut object in objects {
            // A kind that is not served is a finding of the preflight.
            let Some(kind) = self
                .served
                .exactly(&object.api_version, &object.name.kind)
                .cloned()
            else {
                continue;
            };
            if kind.namespaced && object.name.namespace.is_empty() {
                object.set_namespace("default");
            }
            if !self.ours.contains(&object.name) {
                match self.there(&kind, &object.name).await? {
                    Some(_) if object.name.kind == "Namespace" => {
                        self.plan.used.push(object.name.name);
                        continue;
                    }
                    Some(there) => {
                        let finding = in_the_way(&object, &there);
                        self.plan.findings.push(finding);
                        continue;
                    }
                    None => self.rehearse(&kind, &object).await,
                }
            }
            self.ours.insert(object.name.clone());
            planned.push(Planned { kind, object });
        }
        Ok(planned)
    }

    /// What the cluster has by a name.
    async fn there(&mut self, kind: &ServedKind, name: &Name) -> Result<Option<DynamicObject>> {
        if let Some(known) = self.asked.get(name) {
            return Ok(known.clone());
        }
        let api: Api<DynamicObject> = kind.api(self.client, &name.namespace);
        let found = match api.get_opt(&name.name).await {
            Ok(found) => found,
            // That it may not be asked for was told with the permissions.
            Err(kube::Error::Api(status)) if status.is_forbidden() => None,
            Err(error) => return Err(Error::request(format!("look for {name}"), &error)),
        };
        self.asked.insert(name.clone(), found.clone());
        Ok(found)
    }

    /// Has the cluster check an object without making it. In a namespace that is yet to be made it is checked
    /// as if it were for the namespace `default`.
    async fn rehearse(&mut self, kind: &ServedKind, object: &Object) {
        let namespace = Name {
            kind: "Namespace".to_owned(),
            namespace: String::new(),
            name: object.name.namespace.clone(),
        };
        let mut tried = object.clone();
        if self.ours.contains(&namespace) {
            tried.set_namespace("default");
        }
        let Err(error) = try_create(self.client, kind, &tried).await else {
            return;
        };
        if let kube::Error::Api(status) = &error
            && (status.is_forbidden() || status.is_already_exists() || status.is_not_found())
        {
            // Permissions are told elsewhere; the others come of the other namespace.
            return;
        }
        let unsupported = matches!(&error, kube::Error::Api(status) if status.message.contains("dry run"));
        self.plan.findings.push(match unsupported {
            true => Finding::note(format!(
                "{} could not be checked: {}",
                object.name,
                explain(&error)
            )),
            false => Finding::problem(
                format!(
                    "{}: the cluster refuses {}: {}",
                    object.file,
                    object.name,
                    explain(&error)
                ),
                "change the manifest, or what is sent by a [[patch]] in live.toml",
            ),
        });
    }

    /// What should be there.
    async fn present(&mut self, objects: &[Object]) -> Result<()> {
        for object in objects {
            let Some(kind) = self
                .served
                .exactly(&object.api_version, &object.name.kind)
                .cloned()
            else {
                continue;
            };
            let mut name = object.name.clone();
            if kind.namespaced && name.namespace.is_empty() {
                "default".clone_into(&mut name.namespace);
            }
            if self.there(&kind, &name).await?.is_none() {
                self.plan.findings.push(Finding::note(format!(
                    "{name} of {} is simulated, and not in the cluster",
                    object.file
                )));
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        let act = match step.act {
            Act::Apply(objects) => PlannedAct::Apply(self.objects(objects).await?),
            Act::Scale { deployment, replicas } => {
                let Some(kind) = self.ours_of("Deployment", &deployment, &step.label) else {
                    return Ok(());
                };
                PlannedAct::Scale(kind, deployment, replicas)
            }
            Act::Delete(name) => {
                let Some(kind) = self.ours_of(&name.kind.clone(), &name, &step.label) else {
                    return Ok(());
                };
                self.ours.remove(&name);
                PlannedAct::Delete(kind, name)
            }
            Act::Impossible(why) => {
                self.plan.findings.push(Finding::problem(
                    format!("{:?} cannot be done to a real cluster: {why}", step.label),
                    "take the action out of the scenario for this run",
                ));
                return Ok(());
            }
        };
        self.plan.steps.push(PlannedStep {
            at: step.at,
            label: step.label,
            act,
        });
        Ok(())
    }

    /// The kind of an object that will be ours; that it will not be is a problem.
    fn ours_of(&mut self, kind: &str, name: &Name, label: &str) -> Option<ServedKind> {
        if self.ours.contains(name) {
            let api_version = self
                .plan
                .create
                .iter()
                .find(|planned| planned.object.name == *name)
                .map(|planned| planned.kind.clone());
            let applied = || {
                self.served
                    .kinds
                    .iter()
                    .find(|served| served.resource.kind == kind && served.can("delete"))
                    .cloned()
            };
            return api_version.or_else(applied);
        }
        self.plan.findings.push(Finding::problem(
            format!("{label:?} would change {name}, which the run does not make"),
            "a run changes only what it made: take the object out of `present`, or the action out of the scenario",
        ));
        None
    }
}

fn in_the_way(object: &Object, there: &DynamicObject) -> Finding {
    let labels = there.metadata.labels.as_ref();
    let message = format!("{} of {} exists already", object.name, object.file);
    match labels.and_then(|labels| labels.get(RUN_LABEL)) {
        Some(run) => Finding::problem(
            format!("{message}, left by run {run}"),
            format!("`scaletwin live clean {run}` takes it away"),
        ),
        None => Finding::problem(
            format!("{message}, and is not ours: it would have to be changed"),
            "name it in `present` of live.toml if it is the platform's, or use another cluster",
        ),
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ApiResource;
    use serde_json::{Value, json};

    use super::super::testing::{Asked, Fake, block_on};
    use super::*;

    fn served() -> Served {
        let kind = |group: &str, kind: &str, plural: &str, namespaced: bool| {
            let api_version = if group.is_empty() {
                "v1".to_owned()
            } else {
                format!("{group}/v1")
            };
            ServedKind {
                resource: ApiResource {
                    group: group.to_owned(),
                    version: "v1".to_owned(),
                    api_version,
                    kind: kind.to_owned(),
                    plural: plural.to_owned(),
                },
                namespaced,
                verbs: vec!["delete".to_owned()],
                subresources: Vec::new(),
            }
        };
        Served {
            kinds: vec![
                kind("", "Namespace", "namespaces", false),
                kind("apps", "Deployment", "deployments", true),
                kind("karpenter.sh", "NodePool", "nodepools", false),
            ],
            silent: Vec::new(),
        }
    }

    fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Object {
        let body = json!({ "apiVersion": api_version, "kind": kind,
                           "metadata": { "name": name, "namespace": namespace } });
        Object::new(body, "manifests/a.yaml").unwrap()
    }

    fn answer(request: &Asked) -> (u16, Value) {
        if request.method == "POST" {
            assert!(request.query.contains("dryRun=All"), "nothing is made");
            return match request.body["metadata"]["name"].as_str() {
                Some("bad") => (422, Fake::status(422, "Invalid", "spec.replicas: Invalid value")),
                _ => (201, request.body.clone()),
            };
        }
        let there = |labels: Value| json!({ "metadata": { "name": "x", "labels": labels } });
        match request.path.as_str() {
            "/api/v1/namespaces/old" => (200, there(json!({}))),
            "/apis/apps/v1/namespaces/old/deployments/foreign" => (200, there(json!({}))),
            "/apis/apps/v1/namespaces/old/deployments/stale" => (200, there(json!({ RUN_LABEL: "r0" }))),
            _ => (404, Fake::status(404, "NotFound", "not found")),
        }
    }

    fn deployment(namespace: &str, name: &str) -> Object {
        object("apps/v1", "Deployment", namespace, name)
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn step(label: &str, act: Act) -> Step {
        Step {
            at: Duration::from_secs(60),
            label: label.to_owned(),
            act,
        }
    }

    fn make(intent: Intent) -> Plan {
        let fake = Fake::new(answer);
        block_on(Plan::make(&fake.client(), &served(), intent)).unwrap()
    }

    #[test]
    fn a_plan_says_all_it_will_do_in_order() {
        let plan = make(Intent {
            run: "r1".to_owned(),
            make: vec![
                object("karpenter.sh/v1", "NodePool", "", "pool"),
                deployment("new", "web"),
                object("v1", "Namespace", "", "new"),
                object("v1", "Namespace", "", "old"),
            ],
            steps: vec![
                step(
                    "grow",
                    Act::Scale {
                        deployment: name("Deployment/new/web"),
                        replicas: 9,
                    },
                ),
                step("change", Act::Apply(vec![deployment("new", "web")])),
                step("go", Act::Delete(name("Deployment/new/web"))),
            ],
            ..Intent::default()
        });
        assert_eq!(plan.findings, []);
        assert_eq!(plan.used, ["old"]);
        assert_eq!(plan.pools(), ["pool"]);
        let lines: Vec<String> = plan
            .lines()
            .iter()
            .map(|line| format!("{} {} {}", line.at_s, line.verb, line.object))
            .collect();
        assert_eq!(
            lines,
            [
                "0 create Namespace/new",
                "0 create NodePool/pool",
                "0 create Deployment/new/web",
                "60 scale Deployment/new/web",
                "60 apply Deployment/new/web",
                "60 delete Deployment/new/web",
            ]
        );
    }

    #[test]
    fn what_is_not_ours_is_refused_all_of_it_at_once() {
        let plan = make(Intent {
            run: "r1".to_owned(),
            make: vec![
                deployment("old", "foreign"),
                deployment("old", "stale"),
                deployment("old", "bad"),
            ],
            present: vec![deployment("old", "platform")],
            steps: vec![
                step(
                    "grow",
                    Act::Scale {
                        deployment: name("Deployment/old/foreign"),
                        replicas: 1,
                    },
                ),
                step("keda stops", Act::Impossible("KEDA is not ours".to_owned())),
            ],
        });
        let told: Vec<&str> = plan
            .findings
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(
            told,
            [
                "Deployment/old/foreign of manifests/a.yaml exists already, and is not ours: it would have to be changed",
                "Deployment/old/stale of manifests/a.yaml exists already, left by run r0",
                "manifests/a.yaml: the cluster refuses Deployment/old/bad: the API server answered 422: spec.replicas: Invalid value",
                "\"grow\" would change Deployment/old/foreign, which the run does not make",
                "\"keda stops\" cannot be done to a real cluster: KEDA is not ours",
                "Deployment/old/platform of manifests/a.yaml is simulated, and not in the cluster",
            ]
        );
    }
}
