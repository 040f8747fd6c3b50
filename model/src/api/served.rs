//! What the API server keeps of a pod.
//!
//! A field behind a gate that is off is dropped when an object is stored, and nobody is told: controllers and
//! kubelets never see it (kubernetes 1.33 pkg/api/pod/util.go `DropDisabledTemplateFields`).

use std::fmt;
use std::time::Duration;

use super::{PodLevelResources, PodSpec};

/// A field of pods that not every release keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gated {
    /// initContainers[].restartPolicy: without it a sidecar is an init container that has to end
    /// (kubernetes 1.28 pkg/api/pod/util.go `dropDisabledFields`).
    Sidecars,
    /// matchLabelKeys and mismatchLabelKeys of pod affinity
    /// (kubernetes 1.29 pkg/api/pod/util.go `dropDisabledMatchLabelKeysFieldInPodAffinity`).
    AffinityLabelKeys,
    /// spec.resources (kubernetes 1.33 pkg/api/pod/util.go `dropDisabledPodLevelResources`).
    PodLevelResources,
    /// lifecycle.preStop.sleep: without it the container has no preStop
    /// (kubernetes 1.29 pkg/api/pod/util.go `dropPodLifecycleSleepAction`).
    SleepAction,
}

impl Gated {
    /// The fields that this minor release of Kubernetes 1 does not keep.
    pub fn missing_in(minor: u16) -> impl Iterator<Item = Gated> {
        Gated::ALL.into_iter().filter(move |field| minor < field.since())
    }

    const ALL: [Gated; 4] = [
        Gated::Sidecars,
        Gated::AffinityLabelKeys,
        Gated::PodLevelResources,
        Gated::SleepAction,
    ];

    /// The first minor release of Kubernetes 1 that keeps the field unless told otherwise
    /// (kubernetes 1.35 pkg/features/kube_features.go `defaultVersionedKubernetesFeatureGates`).
    #[must_use]
    pub const fn since(self) -> u16 {
        match self {
            Gated::Sidecars => 29,
            Gated::AffinityLabelKeys => 31,
            Gated::PodLevelResources => 34,
            Gated::SleepAction => 30,
        }
    }

    /// Takes the field away, and says whether it was there.
    fn drop_from(self, spec: &mut PodSpec) -> bool {
        match self {
            Gated::Sidecars => {
                let sidecars = spec.init_containers.iter_mut();
                any(sidecars.map(|own| std::mem::take(&mut own.restartable)))
            }
            Gated::AffinityLabelKeys => {
                let affinity = &mut spec.affinity;
                let required = affinity
                    .pod_required
                    .iter_mut()
                    .chain(&mut affinity.anti_required);
                let preferred = affinity
                    .pod_preferred
                    .iter_mut()
                    .chain(&mut affinity.anti_preferred);
                let terms = required.chain(preferred.map(|own| &mut own.term));
                let keys = terms.flat_map(|term| [&mut term.match_label_keys, &mut term.mismatch_label_keys]);
                any(keys.map(|keys| !std::mem::take(keys).is_empty()))
            }
            Gated::PodLevelResources => std::mem::take(&mut spec.pod_level) != PodLevelResources::default(),
            Gated::SleepAction => {
                let containers = spec.containers.iter_mut().chain(&mut spec.init_containers);
                any(containers.map(|own| {
                    let has = std::mem::take(&mut own.pre_stop_is_action);
                    if has {
                        own.pre_stop_sleep = Duration::ZERO;
                    }
                    has
                }))
            }
        }
    }
}

/// Does all of it, and says whether any of it did something.
fn any(changes: impl Iterator<Item = bool>) -> bool {
    changes.fold(false, |any, changed| any | changed)
}

impl fmt::Display for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gated::Sidecars => "restartPolicy of init containers",
            Gated::AffinityLabelKeys => "matchLabelKeys and mismatchLabelKeys of pod affinity",
            Gated::PodLevelResources => "spec.resources of pods",
            Gated::SleepAction => "lifecycle.preStop.sleep of containers",
        })
    }
}

impl PodSpec {
    /// Drops what the API server of that minor release of Kubernetes 1 does not keep, and says what that was.
    pub fn drop_gated(&mut self, minor: u16) -> Vec<Gated> {
        Gated::missing_in(minor)
            .filter(|field| field.drop_from(self))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Container, PodAffinityTerm, WeightedPodTerm};
    use crate::quantity::{MilliCpu, Resources};

    fn sidecar(cpu: i64) -> Container {
        Container {
            restartable: true,
            requests: Resources {
                cpu: MilliCpu(cpu),
                ..Resources::default()
            },
            ..Container::default()
        }
    }

    #[test]
    fn releases_drop_what_they_do_not_know() {
        let term = PodAffinityTerm {
            selector: None,
            namespaces: Vec::new(),
            namespace_selector: None,
            topology_key: String::new(),
            match_label_keys: Vec::new(),
            mismatch_label_keys: vec!["tenant".to_owned()],
        };
        let mut whole = PodSpec {
            init_containers: vec![sidecar(100), sidecar(200)],
            pod_level: crate::api::PodLevelResources {
                cpu: Some(MilliCpu(0)),
                ..crate::api::PodLevelResources::default()
            },
            ..PodSpec::default()
        };
        whole.affinity.anti_preferred = vec![WeightedPodTerm { weight: 1, term }];
        let check = |minor: u16, expected: &[Gated]| {
            let mut spec = whole.clone();
            assert_eq!(spec.drop_gated(minor), expected, "1.{minor}");
            assert_eq!(spec.drop_gated(minor), [], "1.{minor}, once more");
            assert_eq!(spec == whole, expected.is_empty(), "1.{minor}");
        };
        use Gated::{AffinityLabelKeys, PodLevelResources, Sidecars};
        check(28, &[Sidecars, AffinityLabelKeys, PodLevelResources]);
        check(29, &[AffinityLabelKeys, PodLevelResources]);
        check(30, &[AffinityLabelKeys, PodLevelResources]);
        check(31, &[PodLevelResources]);
        check(33, &[PodLevelResources]);
        check(34, &[]);
    }

    /// Sidecars run side by side; init containers that have to end ask for as much as the greatest.
    #[test]
    fn without_the_field_sidecars_count_as_init_containers() {
        let mut spec = PodSpec {
            init_containers: vec![sidecar(100), sidecar(200)],
            ..PodSpec::default()
        };
        assert_eq!(spec.requests().cpu, MilliCpu(300));
        spec.drop_gated(28);
        assert_eq!(spec.requests().cpu, MilliCpu(200));
    }
}
