//! Why a pod goes nowhere.

use std::fmt;

use super::topology::Unsatisfiable;
use crate::api::Taint;
use crate::karpenter::requirement::Name;

/// Why no instance type was left (karpenter v1.14 pkg/controllers/provisioning/scheduling/nodeclaim.go
/// `InstanceTypeFilterError`): which criteria, and which pairs of them, at least one type met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TypesExhausted {
    /// Some type met the requirements.
    pub requirements_met: bool,
    /// Some type had the resources.
    pub fits: bool,
    /// Some type had an available offering.
    pub has_offering: bool,
    /// Some type met the requirements and had the resources, but no offering.
    pub requirements_and_fits: bool,
    /// Some type met the requirements and had an offering, but not the resources.
    pub requirements_and_offering: bool,
    /// Some type had the resources and an offering, but did not meet the requirements.
    pub fits_and_offering: bool,
}

impl fmt::Display for TypesExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let criteria = [
            (self.requirements_met, "meets the requirements"),
            (self.fits, "has the resources"),
            (self.has_offering, "has an available offering"),
        ];
        let unmet: Vec<&str> = criteria
            .iter()
            .filter(|(met, _)| !met)
            .map(|(_, text)| *text)
            .collect();
        if !unmet.is_empty() {
            return write!(f, "no instance type {}", unmet.join(", none "));
        }
        f.write_str(if self.requirements_and_fits {
            "no instance type that meets the requirements and has the resources has an available offering"
        } else if self.requirements_and_offering {
            "no instance type that meets the requirements and has an available offering has the resources"
        } else if self.fits_and_offering {
            "no instance type that has the resources and an available offering meets the requirements"
        } else {
            "no instance type meets requirements, resources and offering at once"
        })
    }
}

/// Why a pod cannot be on a new node of one NodePool, or at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// There is no NodePool with an available instance type.
    NoPools,
    /// No NodePool can hold it, for these reasons, in the order in which they were tried.
    Pools(Vec<(Name, Failure)>),
    /// It does not tolerate a taint.
    Taint(Taint),
    /// Another pod or a DaemonSet has its host port.
    HostPort,
    /// A label requirement, in words.
    Requirements(String),
    /// A topology constraint.
    Topology(Unsatisfiable),
    /// No instance type is left.
    Types(TypesExhausted),
    /// The types that are left span too few values of a label.
    MinValues(Name),
    /// Every instance type would exceed the NodePool's limits.
    Limits,
    /// The NodePool has as many nodes as it may.
    NodeLimit,
    /// It could have reserved capacity, which others hold for now; it is tried again.
    Reserved,
}

impl Failure {
    /// Whether it waits for reserved capacity, in which case nothing is said and no preference given up.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        match self {
            Failure::Reserved => true,
            Failure::Pools(all) => all.iter().any(|(_, failure)| failure.is_reserved()),
            _ => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoPools => f.write_str("no NodePool has an available instance type"),
            Failure::Pools(all) => {
                for (i, (pool, failure)) in all.iter().enumerate() {
                    write!(f, "{}NodePool {pool}: {failure}", if i == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Failure::Taint(taint) => write!(f, "does not tolerate taint {}={}", taint.key, taint.value),
            Failure::HostPort => f.write_str("its host port is taken"),
            Failure::Requirements(text) => write!(f, "incompatible requirements: {text}"),
            Failure::Topology(Unsatisfiable { kind, key }) => {
                write!(f, "{} over {key} cannot be met", kind.as_str())
            }
            Failure::Types(exhausted) => exhausted.fmt(f),
            Failure::MinValues(key) => write!(f, "too few values of {key} for its minValues"),
            Failure::Limits => f.write_str("every instance type would exceed the limits"),
            Failure::NodeLimit => f.write_str("the limit of nodes is reached"),
            Failure::Reserved => f.write_str("waits for reserved capacity"),
        }
    }
}
