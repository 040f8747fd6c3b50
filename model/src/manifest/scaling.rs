//! HorizontalPodAutoscalers and ScaledObjects.

mod hpa;
mod keda;

pub(crate) use hpa::read_hpa;
pub(super) use hpa::{V1 as HPA_V1, V2 as HPA_V2};
pub(crate) use keda::read_scaled_object;
pub(super) use keda::{SCALED_OBJECT, TRIGGERS};

use crate::api::Labels;
use crate::document::Cursor;
use crate::scenario::ObjectName;

/// A HorizontalPodAutoscaler as applied.
#[derive(Debug, Clone, PartialEq)]
pub struct HorizontalPodAutoscaler {
    /// Its name.
    pub name: ObjectName,
    /// metadata.annotations: KEDA's webhook reads one.
    pub annotations: Labels,
    /// The Deployment that it scales.
    pub target: ObjectName,
    /// spec
    pub spec: crate::hpa::Spec,
}

/// A ScaledObject as applied.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledObject {
    /// Its name.
    pub name: ObjectName,
    /// metadata.annotations: pausing is done by them.
    pub annotations: Labels,
    /// The Deployment that it scales.
    pub target: ObjectName,
    /// spec
    pub spec: crate::keda::Spec,
}

/// spec.scaleTargetRef, which must be a Deployment.
fn target(at: &Cursor<'_>, namespace: &str) -> Option<ObjectName> {
    if let Some(kind) = at.get("kind").text()
        && kind != "Deployment"
    {
        at.get("kind").error(
            "E006",
            format!("a {kind} cannot be scaled here: only Deployments are simulated"),
            "",
        );
    }
    let name = at.get("name").required().name()?;
    Some(ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
