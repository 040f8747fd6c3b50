//! Which version of an object there is when.
//!
//! Actions apply and delete manifests, so an object can have several versions, and two objects of different files need
//! not meet. A rule about a document looks at what that document itself applies, and at what is there with it.

use super::Facts;
use crate::api::PodTemplate;
use crate::document::Cursor;
use crate::keda::generated;
use crate::manifest::{Document, HorizontalPodAutoscaler, ScaledObject};
use crate::scenario::{Act, Deletable, Deployment, ObjectName, Objects, Scenario};

/// What changes the objects, in order of time.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Apply(&'a Objects),
    Delete(Deletable, &'a ObjectName),
}

pub(super) fn steps(scenario: &Scenario) -> impl Iterator<Item = Step<'_>> {
    let later = scenario.actions.iter().filter_map(|action| match &action.act {
        Act::Apply(objects) => Some(Step::Apply(objects)),
        Act::Delete { kind, object } => Some(Step::Delete(*kind, object)),
        _ => None,
    });
    std::iter::once(Step::Apply(&scenario.objects)).chain(later)
}

impl<'a> Facts<'a> {
    /// What is applied with a document: its file's objects, or all that is there from the start.
    pub(super) fn beside(&self, document: &Document) -> &'a Objects {
        let of_file = self.objects.iter().find(|own| own.file == document.file);
        of_file.unwrap_or(&self.objects[0])
    }

    /// A document's own Deployment.
    pub(super) fn own_deployment(&self, document: &Document) -> Option<&'a Deployment> {
        named(self.beside(document), &document.object())
    }

    /// The pods of a document that is a Deployment or a DaemonSet.
    pub(super) fn own_template(&self, document: &Document) -> Option<&'a PodTemplate> {
        if document.kind.name != "DaemonSet" {
            return Some(&self.own_deployment(document)?.object.template);
        }
        let name = document.object();
        let mut sets = self.beside(document).daemon_sets.iter();
        let own = sets.find(|set| super::gpu::is_named(set, &name));
        own.map(|set| &*set.template)
    }

    /// The version of a Deployment that a document meets: the one that is there when it is applied, or else the next.
    pub(super) fn deployment_met(&self, document: &Document, name: &ObjectName) -> Option<&'a Deployment> {
        let own = self.beside(document);
        let (mut there, mut applied) = (None, false);
        for step in steps(self.scenario) {
            match step {
                Step::Apply(objects) => {
                    there = named(objects, name).or(there);
                    applied |= std::ptr::eq(objects, own);
                }
                Step::Delete(Deletable::Deployment, other) if other == name => there = None,
                Step::Delete(..) => {}
            }
            if applied && there.is_some() {
                break;
            }
        }
        there.or_else(|| self.deployment(name))
    }
}

fn named<'a>(objects: &'a Objects, name: &ObjectName) -> Option<&'a Deployment> {
    let mut all = objects.deployments.iter();
    all.find(|deployment| deployment.name() == *name)
}

/// A Deployment's selector is immutable in apps/v1: an update that changes it is refused (kubernetes 1.35
/// pkg/registry/apps/deployment/strategy.go `ValidateUpdate`).
pub(super) fn selector(facts: &Facts<'_>, document: &Document, root: &Cursor<'_>) {
    let Some(new) = facts.own_deployment(document) else {
        return;
    };
    let name = new.name();
    let there = before(facts, document, Deletable::Deployment, &name, |objects| {
        named(objects, &name)
    });
    if there.is_some_and(|old| old.object.selector != new.object.selector) {
        let message =
            format!("{name} is there with another selector, which cannot be changed: `kubectl apply` fails");
        let hint = "keep the selector, give the Deployment another name, or delete it by an action before";
        root.at("spec.selector").error("E004", message, hint);
    }
}

/// The version of a ScaledObject that is there when a document's is applied.
pub(super) fn scaled_object_before<'a>(
    facts: &Facts<'a>,
    document: &Document,
    name: &ObjectName,
) -> Option<&'a ScaledObject> {
    before(facts, document, Deletable::ScaledObject, name, |objects| {
        let mut all = objects.scaled_objects.iter();
        all.find(|object| object.name == *name)
    })
}

/// What there is of an object when a document's are applied.
fn before<'a, T>(
    facts: &Facts<'a>,
    document: &Document,
    kind: Deletable,
    name: &ObjectName,
    find: impl Fn(&'a Objects) -> Option<&'a T>,
) -> Option<&'a T> {
    let own = facts.beside(document);
    let mut there = None;
    for step in steps(facts.scenario) {
        match step {
            Step::Apply(objects) if std::ptr::eq(objects, own) => break,
            Step::Apply(objects) => there = find(objects).or(there),
            Step::Delete(deleted, other) if deleted == kind && other == name => there = None,
            Step::Delete(..) => {}
        }
    }
    there
}

/// An autoscaler of a target.
#[derive(Clone, Copy)]
enum Autoscaler<'a> {
    Hpa(&'a HorizontalPodAutoscaler),
    ScaledObject(&'a ScaledObject),
}

impl<'a> Autoscaler<'a> {
    fn is(&self, kind: Deletable, name: &ObjectName) -> bool {
        match self {
            Autoscaler::Hpa(hpa) => kind == Deletable::HorizontalPodAutoscaler && hpa.name == *name,
            Autoscaler::ScaledObject(own) => kind == Deletable::ScaledObject && own.name == *name,
        }
    }

    fn is_same(&self, other: &Autoscaler<'_>) -> bool {
        match other {
            Autoscaler::Hpa(hpa) => self.is(Deletable::HorizontalPodAutoscaler, &hpa.name),
            Autoscaler::ScaledObject(own) => self.is(Deletable::ScaledObject, &own.name),
        }
    }

    /// Those that objects have for a target.
    fn of(objects: &'a Objects, target: &ObjectName) -> impl Iterator<Item = Autoscaler<'a>> {
        let hpas = objects.hpas.iter().filter(move |hpa| hpa.target == *target);
        let scaled = objects.scaled_objects.iter();
        let scaled = scaled.filter(move |own| own.target == *target);
        hpas.map(Autoscaler::Hpa)
            .chain(scaled.map(Autoscaler::ScaledObject))
    }
}

/// Two autoscalers of one target at one time. One that several files or actions apply is the same one.
pub(super) fn same_target(facts: &Facts<'_>, document: &Document, at: &Cursor<'_>, target: &ObjectName) {
    let kind = match document.kind.name {
        "ScaledObject" => Deletable::ScaledObject,
        _ => Deletable::HorizontalPodAutoscaler,
    };
    let name = document.object();
    let own = facts.beside(document);
    let mut there: Vec<Autoscaler<'_>> = Vec::new();
    for step in steps(facts.scenario) {
        match step {
            Step::Apply(objects) => {
                for new in Autoscaler::of(objects, target) {
                    there.retain(|old| !old.is_same(&new));
                    there.push(new);
                }
                let mine = there.iter().copied().find(|one| one.is(kind, &name));
                if let Some(mine) = mine.filter(|_| std::ptr::eq(objects, own)) {
                    let clash = there.iter().filter(|one| !one.is_same(&mine));
                    if let Some(message) = clash
                        .filter_map(|other| clash_of(facts, &mine, other, target))
                        .next()
                    {
                        return at.error("E013", message, "keep one of them");
                    }
                }
            }
            Step::Delete(kind, name) => there.retain(|old| !old.is(kind, name)),
        }
    }
}

/// What becomes of an autoscaler whose target has another, unless both are one. KEDA's webhook lets an HPA be taken over by
/// a ScaledObject that names it, and looks past HPAs that are annotated so (kedacore/keda 2.20
/// apis/keda/v1alpha1/scaledobject_webhook.go `verifyHpas`).
fn clash_of(
    facts: &Facts<'_>,
    mine: &Autoscaler<'_>,
    other: &Autoscaler<'_>,
    target: &ObjectName,
) -> Option<String> {
    let (hpa, scaled) = match (mine, other) {
        (Autoscaler::Hpa(hpa), Autoscaler::ScaledObject(own))
        | (Autoscaler::ScaledObject(own), Autoscaler::Hpa(hpa)) => (hpa, own),
        (Autoscaler::Hpa(_), Autoscaler::Hpa(_)) => {
            return Some(format!(
                "{target} has another HorizontalPodAutoscaler: neither scales it"
            ));
        }
        (Autoscaler::ScaledObject(_), Autoscaler::ScaledObject(_)) => {
            return Some(format!(
                "{target} has another autoscaler: KEDA's webhook refuses the second"
            ));
        }
    };
    let release = facts.scenario.stack.keda;
    let says = |annotations: &crate::api::Labels, key: &str, wanted: &str| {
        annotations.get(key).is_some_and(|text| text == wanted)
    };
    let takes_over = release >= 11 && says(&scaled.annotations, TRANSFER, "true");
    let unseen = release >= 14 && says(&hpa.annotations, UNSEEN, "false");
    let named = generated::hpa_name(&scaled.name.name, &scaled.spec) == hpa.name.name;
    match (named, takes_over, unseen) {
        (true, true, _) | (true, _, true) => None,
        (false, true, false) => Some(format!(
            "KEDA's webhook refuses to take {} over: advanced.horizontalPodAutoscalerConfig.name is not its name",
            hpa.name
        )),
        (false, _, true) => Some(format!(
            "{target} has the HorizontalPodAutoscaler {} beside KEDA's: neither scales it",
            hpa.name
        )),
        (_, false, false) => Some(format!(
            "{target} has another autoscaler: KEDA's webhook refuses the second"
        )),
    }
}

/// Of a ScaledObject: that it takes an HPA over (2.11).
const TRANSFER: &str = "scaledobject.keda.sh/transfer-hpa-ownership";
/// Of an HPA: that the webhook looks past it (2.14).
const UNSEEN: &str = "validations.keda.sh/hpa-ownership";
