//! What one pod of the service can serve.

use super::{Facts, capacity};
use crate::api::PodSpec;
use crate::catalog::InstanceSpec;
use crate::manifest::Document;
use crate::traffic::physics::sigma;
use crate::traffic::{NodeKind, Service};

/// Requests a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct PodCapacity {
    /// With the fastest machine to itself.
    pub(super) most: f64,
    /// On half of the machines that it may get, or more, when pods like it use all that they may.
    pub(super) among_others: f64,
}

impl Facts<'_> {
    /// Of the version of the service that a document meets, as far as CPU limit, machines and GPU say. `None` if nothing
    /// says it, or if it is far above what is asked.
    pub(super) fn pod_capacity(&self, document: &Document, asked: f64) -> Option<PodCapacity> {
        // No machine is so slow: the list of them is long.
        const FAR: f64 = 5.0;
        let deployment = self.deployment_met(document, &self.scenario.roles.server)?;
        let spec = &deployment.object.template.spec;
        let service = &self.scenario.traffic.service;
        let by_gpu = by_gpu(service).unwrap_or(f64::INFINITY);
        let work = service.cpu_per_request.mean();
        let limit = spec.cpu_limit().map(|limit| limit.0 as f64 / 1000.0);
        let at_speed_one = limit.filter(|_| work > 0.0).map(|limit| (limit, limit / work));
        let (most, among_others) = match at_speed_one {
            Some((_, rate)) if rate.min(by_gpu) > asked * FAR => return None,
            Some((limit, rate)) => {
                let (alone, busy) = self.speeds(spec, limit);
                (rate * alone, rate * busy)
            }
            None if by_gpu.is_finite() => (by_gpu, by_gpu),
            None => return None,
        };
        Some(PodCapacity {
            most: most.min(by_gpu),
            among_others: among_others.min(by_gpu),
        })
    }

    /// The work a second of a vCPU of the machines that a pod may get: the most where it is alone, and what is usual where
    /// the pods that fit use their limits.
    fn speeds(&self, spec: &PodSpec, limit: f64) -> (f64, f64) {
        let traffic = &self.scenario.traffic;
        let requests = spec.requests();
        let speed = |own: &InstanceSpec| {
            let machine = traffic.machine_of(own, NodeKind::Worker);
            let by_cpu = f64::from(own.vcpus) * 1000.0 / (requests.cpu.0.max(1) as f64);
            let by_memory = own.memory.0 as f64 / (requests.memory.0.max(1) as f64);
            let pods = by_cpu.min(by_memory).floor().max(1.0);
            let at = |pods: f64| {
                let busy = (pods * limit + machine.system_cpu).min(machine.vcpus);
                sigma(&machine, traffic.cpu.smt_gain, busy)
            };
            (at(1.0), at(pods))
        };
        let speeds: Vec<(f64, f64)> = capacity::machines_for(self, spec)
            .into_iter()
            .map(speed)
            .collect();
        let mut busy: Vec<f64> = speeds.iter().map(|(_, busy)| *busy).collect();
        busy.sort_by(f64::total_cmp);
        let Some(usual) = busy.get(busy.len() / 2) else {
            return (1.0, 1.0);
        };
        (speeds.iter().map(|(alone, _)| *alone).fold(0.0, f64::max), *usual)
    }
}

/// As far as the fastest GPU says.
fn by_gpu(service: &Service) -> Option<f64> {
    let gpu = service.gpu.as_ref()?;
    let times = gpu.time.values().chain([&gpu.other]).map(|time| time.mean());
    let fastest = times.fold(f64::INFINITY, f64::min);
    (fastest > 0.0).then(|| f64::from(gpu.concurrency) / fastest)
}
