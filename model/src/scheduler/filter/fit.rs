//! NodeResourcesFit: requests against what is free
//! (kubernetes 1.35 pkg/scheduler/framework/plugins/noderesources/fit.go).

use super::super::node_info::NodeInfo;
use super::super::plugin::Plugin;
use super::super::pod_info::PodInfo;
use super::super::profile::Profile;
use super::super::status::{Reason, Status};
use crate::quantity::Resources;

pub(super) fn filter(profile: &Profile, info: &PodInfo, node: &NodeInfo) -> Option<Status> {
    let lacking = fits_request(
        &info.requests,
        &node.allocatable,
        &node.requested,
        node.pods.len(),
    );
    if lacking.is_empty() {
        return None;
    }
    Some(Status {
        plugin: Some(Plugin::NodeResourcesFit),
        unresolvable: profile.oversize_unresolvable && lacking.iter().any(|(_, oversize)| *oversize),
        reasons: lacking.into_iter().map(|(reason, _)| reason).collect(),
    })
}

/// What is lacking for a request, each with whether not even the empty node would do (`fitsRequest`).
/// Of what is not requested, nothing can be lacking but a pod slot.
#[must_use]
pub fn fits_request(
    request: &Resources,
    allocatable: &Resources,
    requested: &Resources,
    pods: usize,
) -> Vec<(Reason, bool)> {
    let mut lacking = Vec::new();
    if pods as i64 + 1 > allocatable.pods {
        lacking.push((Reason::TooManyPods, false));
    }
    let mut check = |reason: Reason, request: i64, allocatable: i64, requested: i64| {
        if request > 0 && request > allocatable - requested {
            lacking.push((reason, request > allocatable));
        }
    };
    check(
        Reason::InsufficientCpu,
        request.cpu.0,
        allocatable.cpu.0,
        requested.cpu.0,
    );
    check(
        Reason::InsufficientMemory,
        request.memory.0,
        allocatable.memory.0,
        requested.memory.0,
    );
    check(
        Reason::InsufficientEphemeralStorage,
        request.ephemeral_storage.0,
        allocatable.ephemeral_storage.0,
        requested.ephemeral_storage.0,
    );
    for (name, &amount) in &request.extended {
        let (has, taken) = (allocatable.extended(name), requested.extended(name));
        if amount > 0 && amount > has - taken {
            lacking.push((Reason::Insufficient(name.clone()), amount > has));
        }
    }
    lacking
}
