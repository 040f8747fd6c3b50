//! What KEDA's webhook and the API server refuse of a ScaledObject in one release and take in another.
//!
//! What no release takes is refused when the manifest is read.

use super::{Deployment, Facts, utilization};
use crate::document::{Context, Cursor, Severity};
use crate::keda::generated;
use crate::keda::spec::{FallbackBehavior, MetricType, Spec, Trigger, TriggerKind};
use crate::manifest::{Document, ScaledObject};

/// Refuses what the scenario's release of KEDA refuses. `root` is the object.
pub(super) fn check(
    facts: &Facts<'_>,
    document: &Document,
    context: &Context<'_>,
    object: &ScaledObject,
    root: &Cursor<'_>,
) {
    let webhook = Webhook {
        release: facts.scenario.stack.keda,
        context,
        spec: &object.spec,
        at: &root.get("spec"),
    };
    webhook.names(object, root);
    webhook.cron();
    webhook.metric_type_in_metadata();
    webhook.fallback();
    webhook.requests(facts.deployment_met(document, &object.target), object);
}

/// The most characters of a label's value.
const LABEL_VALUE: usize = 63;

struct Webhook<'a> {
    /// The minor release of KEDA 2.
    release: u16,
    context: &'a Context<'a>,
    spec: &'a Spec,
    at: &'a Cursor<'a>,
}

impl Webhook<'_> {
    fn refuse(&self, at: &Cursor<'_>, what: &str, hint: &str) {
        let message = format!("KEDA 2.{} refuses {what}", self.release);
        self.context.report(Severity::Error, "E004", at, message, hint);
    }

    /// The names of the object and of its HPA become values of labels, which hold 63 characters: 2.20 refuses longer ones
    /// (apis/keda/v1alpha1/scaledobject_webhook.go `verifyName`), before, the write of the label fails, and no HPA comes of it.
    fn names(&self, object: &ScaledObject, root: &Cursor<'_>) {
        let own = &object.name.name;
        let made = generated::hpa_name(own, self.spec);
        let (at, what, length) = if own.len() > LABEL_VALUE {
            (root.at("metadata.name"), "ScaledObject", own.len())
        } else if made.len() > LABEL_VALUE {
            let written = self.at.at("advanced.horizontalPodAutoscalerConfig.name");
            let at = if written.is_given() {
                written
            } else {
                root.at("metadata.name")
            };
            (at, "HPA", made.len())
        } else {
            return;
        };
        let message = format!(
            "KEDA 2.{} scales nothing by this: the name of the {what} has {length} characters, and it is the value of a label",
            self.release
        );
        let hint = format!(
            "at most {LABEL_VALUE}; the HPA is called keda-hpa-NAME unless advanced.horizontalPodAutoscalerConfig.name says \
             otherwise"
        );
        at.error("E004", message, &hint);
    }

    /// kedacore/keda 2.16 pkg/scalers/cron_scaler.go `Validate`
    fn cron(&self) {
        let triggers = self.at.get("triggers").items();
        for (trigger, at) in self.spec.triggers.iter().zip(&triggers) {
            if let TriggerKind::Cron(cron) = &trigger.kind
                && cron.desired_replicas == 0
                && self.release >= 16
            {
                let hint = "outside of its window a cron trigger asks for no replicas anyway: give the hours of work, with 1 or more";
                self.refuse(&at.at("metadata.desiredReplicas"), "desiredReplicas 0", hint);
            }
        }
    }

    /// kedacore/keda 2.18 pkg/scalers/cpu_memory_scaler.go
    fn metric_type_in_metadata(&self) {
        for trigger in self.at.get("triggers").items() {
            let kind = trigger.get("type");
            let kind = kind.value().and_then(|kind| kind.text());
            let former = trigger.at("metadata.type");
            if matches!(kind, Some("cpu" | "memory")) && former.is_given() && self.release >= 18 {
                let hint = "write metricType: Utilization or AverageValue beside the trigger's type";
                self.refuse(&former, "metadata.type: it left with 2.18", hint);
            }
        }
    }

    /// A fallback needs a trigger that it can stand in for (kedacore/keda 2.17 apis/keda/v1alpha1/scaledobject_types.go
    /// `CheckFallbackValid`; until 2.16 the webhook only writes it into its log), and its behavior a formula (2.20
    /// apis/keda/v1alpha1/scaledobject_webhook.go `verifyScaledObjects`).
    fn fallback(&self) {
        let Some(fallback) = &self.spec.fallback else {
            return;
        };
        let modifiers = self.spec.advanced.scaling_modifiers.as_ref();
        let only_average = self.release == 17;
        let helps = match modifiers {
            Some(modifiers) => !only_average || modifiers.metric_type == MetricType::AverageValue,
            None => self.spec.triggers.iter().any(|trigger| {
                is_external(trigger) && (!only_average || trigger.metric_type == MetricType::AverageValue)
            }),
        };
        let at = self.at.get("fallback");
        if self.release >= 17 && !helps {
            let (what, hint) = match self.spec.triggers.iter().any(is_external) {
                false => (
                    "a fallback where all triggers are cpu or memory",
                    "take it out: it never comes into force",
                ),
                true => (
                    "a fallback without a metric of type AverageValue",
                    "from 2.18 on Value will do",
                ),
            };
            self.refuse(&at, what, hint);
        }
        if fallback.behavior == FallbackBehavior::ScalingModifiers {
            let at = at.get("behavior");
            match self.release {
                ..17 => {}
                17..20 => self.refuse(&at, "the behavior scalingModifiers: it came with 2.20", ""),
                20.. if modifiers.is_none() => {
                    let hint = "give advanced.scalingModifiers.formula, or take another behavior";
                    self.refuse(&at, "the behavior scalingModifiers without a formula", hint);
                }
                20.. => {}
            }
        }
    }

    /// Every container that a cpu or memory trigger looks at must have a request or a limit of it, whatever the metric
    /// type (kedacore/keda 2.20 apis/keda/v1alpha1/scaledobject_webhook.go `verifyCPUMemoryScalers`).
    fn requests(&self, target: Option<&Deployment>, object: &ScaledObject) {
        let Some(target) = target else {
            return;
        };
        let triggers = self.at.get("triggers").items();
        for (trigger, at) in self.spec.triggers.iter().zip(&triggers) {
            let TriggerKind::Resource {
                resource, container, ..
            } = &trigger.kind
            else {
                continue;
            };
            let containers = target.object.template.spec.containers.iter();
            for own in utilization::without_request(containers, *resource, container.as_deref()) {
                let name = resource.name();
                let what = format!(
                    "a {name} trigger: the container {:?} of {} requests no {name}",
                    own.name, object.target
                );
                self.refuse(at, &what, &format!("set its resources.requests.{name}"));
            }
        }
    }
}

fn is_external(trigger: &Trigger) -> bool {
    !matches!(trigger.kind, TriggerKind::Resource { .. })
}
