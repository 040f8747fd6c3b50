//! PriorityClasses, PodDisruptionBudgets and Namespaces.

use super::Reading;
use super::pod_fields::{METADATA, TOP};
use super::selector::{SELECTOR, labels, selector};
use super::workload::int_or_percent;
use crate::api::{Budget, Labels, PodDisruptionBudget, PreemptionPolicy};
use crate::document::fields::{Field, noted, quiet, simulated, table};
use crate::scenario::PriorityClass;

/// The table of PriorityClasses.
pub(super) const PRIORITY_CLASS: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("value"),
    simulated("globalDefault"),
    simulated("preemptionPolicy"),
    quiet("description", "for people"),
];

/// The table of PodDisruptionBudgets.
pub(super) const POD_DISRUPTION_BUDGET: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    simulated("spec.minAvailable"),
    simulated("spec.maxUnavailable"),
    simulated("spec.unhealthyPodEvictionPolicy"),
    table("spec.selector", SELECTOR),
];

/// The table of Namespaces.
pub(super) const NAMESPACE: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    noted(
        "metadata.labels",
        "namespace selectors of pod affinity look at them",
    ),
    quiet("spec", "finalizers play no part"),
];

/// A PriorityClass.
pub(crate) fn read_priority_class(reading: &Reading<'_>) -> PriorityClass {
    // Above this lie the two classes that every cluster has
    // (kubernetes 1.35 pkg/apis/scheduling/types.go `HighestUserDefinablePriority`).
    const HIGHEST: i64 = 1_000_000_000;
    let root = &reading.root;
    let own = system_priority_classes()
        .into_iter()
        .find(|class| class.name == reading.name);
    // kubernetes 1.35 pkg/apis/scheduling/validation/validation.go `ValidatePriorityClass`
    if reading.name.starts_with("system-") && own.is_none() {
        let name = root.at("metadata.name");
        name.error(
            "E004",
            "names that begin with system- are reserved",
            "choose another name",
        );
    }
    let highest = own.map_or(HIGHEST, |class| i64::from(class.value));
    let value = root.get("value").required().int(-2_147_483_648..=highest);
    let preemption = root.get("preemptionPolicy").one_of(&[
        ("PreemptLowerPriority", PreemptionPolicy::PreemptLowerPriority),
        ("Never", PreemptionPolicy::Never),
    ]);
    PriorityClass {
        name: reading.name.to_owned(),
        value: value.and_then(|value| i32::try_from(value).ok()).unwrap_or(0),
        global_default: root.get("globalDefault").bool().unwrap_or(false),
        preemption_policy: preemption.unwrap_or_default(),
    }
}

/// The classes that every cluster has (kubernetes 1.35 pkg/apis/scheduling/v1/helpers.go).
pub(crate) fn system_priority_classes() -> [PriorityClass; 2] {
    [
        ("system-cluster-critical", 2_000_000_000),
        ("system-node-critical", 2_000_001_000),
    ]
    .map(|(name, value)| PriorityClass {
        name: name.to_owned(),
        value,
        global_default: false,
        preemption_policy: PreemptionPolicy::PreemptLowerPriority,
    })
}

/// A PodDisruptionBudget.
pub(crate) fn read_pod_disruption_budget(reading: &Reading<'_>) -> Option<PodDisruptionBudget> {
    let spec = reading.root.get("spec").required();
    let (least, most) = (spec.get("minAvailable"), spec.get("maxUnavailable"));
    let budget = match (least.is_given(), most.is_given()) {
        (true, true) => {
            most.error(
                "E004",
                "minAvailable and maxUnavailable exclude each other",
                "take one of them out",
            );
            None
        }
        (false, false) => {
            spec.warn(
                "W003",
                "with neither minAvailable nor maxUnavailable the budget lets no pod be evicted",
                "say one of them",
            );
            Some(Budget::Unstated)
        }
        (true, false) => int_or_percent(&least, 100).map(Budget::MinAvailable),
        (false, true) => int_or_percent(&most, 100).map(Budget::MaxUnavailable),
    };
    let always = spec
        .get("unhealthyPodEvictionPolicy")
        .one_of(&[("AlwaysAllow", true), ("IfHealthyBudget", false)]);
    Some(PodDisruptionBudget {
        name: reading.name.to_owned(),
        namespace: reading.namespace.to_owned(),
        selector: selector(&spec.get("selector")),
        budget: budget?,
        always_allow_unhealthy: always.unwrap_or(false),
    })
}

/// The labels of a Namespace, the one with its name among them.
pub(crate) fn read_namespace(reading: &Reading<'_>) -> Labels {
    let mut found = labels(&reading.root.at("metadata.labels"));
    found.insert("kubernetes.io/metadata.name".to_owned(), reading.name.to_owned());
    found
}
