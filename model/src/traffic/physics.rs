//! The formulas: what a busy thread is worth, who gets how much of a node, what a quota costs.

use super::config::{Machine, PodCpu};

/// Work that one busy vCPU does a second while `busy` vCPU of the machine are busy: cores first, then the
/// second threads, which add `smt_gain` of a core each.
///
/// Between whole numbers of cores this is the average over the busy vCPU. An idle machine gives the speed
/// of its first.
#[must_use]
#[inline]
pub fn sigma(machine: &Machine, smt_gain: f64, busy: f64) -> f64 {
    if busy <= machine.cores {
        return machine.speed;
    }
    machine.speed * (machine.cores + smt_gain * (busy - machine.cores)) / busy
}

/// The work a second that a machine does for pods when it is full: K.
#[must_use]
pub fn capacity(machine: &Machine, smt_gain: f64) -> f64 {
    let free = (machine.vcpus - machine.system_cpu).max(0.0);
    sigma(machine, smt_gain, machine.vcpus) * free
}

/// The cgroup weight of a pod, in CPU shares; `None` for BestEffort, whose pods share one group
/// (kubernetes 1.35 pkg/kubelet/cm/helpers_linux.go `MilliCPUToShares`, `ResourceConfigForPod`).
#[must_use]
pub fn weight(cpu: PodCpu) -> Option<f64> {
    if cpu.request.0 == 0 && cpu.limit.is_none() {
        return None;
    }
    let shares = cpu.request.0 * 1024 / 1000;
    Some(shares.clamp(2, 262_144) as f64)
}

/// The weight of all BestEffort pods of a node together (kubernetes 1.35
/// pkg/kubelet/cm/qos_container_manager_linux.go: `MinShares`).
pub const BEST_EFFORT_WEIGHT: f64 = 2.0;

/// vCPU time that a pod may use in each quota period, seconds; `None` without a limit.
#[must_use]
pub fn quota(cpu: PodCpu, period: f64) -> Option<f64> {
    // The kernel refuses quotas below 1 ms (pkg/kubelet/cm/helpers_linux.go `MinQuotaPeriod`).
    cpu.limit
        .map(|limit| (limit.0 as f64 / 1000.0 * period).max(0.001))
}

/// vCPU that a pod may use on average; endless without a limit.
#[must_use]
pub fn limit(cpu: PodCpu, period: f64) -> f64 {
    quota(cpu, period).map_or(f64::INFINITY, |quota| quota / period)
}

/// One group's wish in a division of a node: at most `demand` vCPU, with this weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim {
    /// Threads that want to run.
    pub demand: f64,
    /// CPU shares.
    pub weight: f64,
    /// What it gets, vCPU: the answer.
    pub share: f64,
}

/// Divides `free` vCPU among groups by weight; what one does not need goes to the others.
pub fn divide(free: f64, claims: &mut [Claim]) {
    let total: f64 = claims.iter().map(|claim| claim.demand).sum();
    if total <= free {
        claims.iter_mut().for_each(|claim| claim.share = claim.demand);
        return;
    }
    claims.iter_mut().for_each(|claim| claim.share = -1.0);
    let mut left = free;
    let mut weights: f64 = claims.iter().map(|claim| claim.weight).sum();
    loop {
        let level = left.max(0.0) / weights;
        let mut settled = false;
        for claim in claims.iter_mut() {
            if claim.share < 0.0 && claim.demand <= level * claim.weight {
                claim.share = claim.demand;
                left -= claim.demand;
                weights -= claim.weight;
                settled = true;
            }
        }
        if !settled {
            let open = claims.iter_mut().filter(|claim| claim.share < 0.0);
            open.for_each(|claim| claim.share = level * claim.weight);
            return;
        }
    }
}

/// The mean wall time of `work` vCPU-seconds of one thread under a quota of `quota` vCPU-seconds each
/// `period`, over a random phase, when nothing else holds it up.
///
/// It starts with a full budget; the first refill comes after a phase uniform in the period. Until then it
/// runs for min(phase, quota), after each refill for the quota at most. With a quota of half the period and
/// work between one and two quotas this is `1.5 · work - period / 8`.
#[must_use]
pub fn mean_wall_time(work: f64, quota: f64, period: f64) -> f64 {
    if quota >= period || work <= quota {
        return work;
    }
    // Whole quotas before the last part, which is above zero.
    let whole = libm::ceil(work / quota) - 1.0;
    let last = work - whole * quota;
    // A first phase below `last`, below the quota, or above it, and the stalls of each.
    let early = last * whole;
    let middle = (quota - last) * (whole - 1.0);
    let late = (period - quota) * (0.5 + (whole - 1.0));
    work + (period - quota) / period * (early + middle + late)
}

/// How many vCPU are busy on a machine that does `work` core-seconds a second for pods, at most all.
#[must_use]
pub fn busy(machine: &Machine, smt_gain: f64, work: f64) -> f64 {
    let Machine {
        vcpus,
        cores,
        speed,
        system_cpu,
        ..
    } = *machine;
    let alone = system_cpu + work / speed;
    if alone <= cores {
        return alone.min(vcpus);
    }
    // (b - system) · (cores + gain · (b - cores)) / b = work / speed, solved for b.
    let first = cores * (1.0 - smt_gain);
    let linear = first - smt_gain * system_cpu - work / speed;
    let root = libm::sqrt(linear * linear + 4.0 * smt_gain * first * system_cpu);
    let busy = if linear < 0.0 && smt_gain > 0.0 {
        (root - linear) / (2.0 * smt_gain)
    } else {
        2.0 * first * system_cpu / (root + linear)
    };
    if busy.is_nan() {
        vcpus
    } else {
        busy.clamp(0.0, vcpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::MilliCpu;

    const C5: Machine = Machine {
        vcpus: 4.0,
        cores: 2.0,
        speed: 1.0,
        system_cpu: 1.5,
        gpu: None,
    };

    fn close(value: f64, expected: f64, tolerance: f64) {
        assert!(
            (value - expected).abs() <= tolerance,
            "{value} is not {expected} ± {tolerance}"
        );
    }

    #[test]
    fn a_full_c5_has_the_measured_capacity_left() {
        close(capacity(&C5, 0.25) / 0.064, 24.1, 0.5);
    }

    #[test]
    fn second_threads_add_a_quarter() {
        close(sigma(&C5, 0.25, 1.0), 1.0, 0.0);
        close(sigma(&C5, 0.25, 2.0), 1.0, 0.0);
        close(sigma(&C5, 0.25, 4.0), 2.5 / 4.0, 1e-12);
    }

    #[test]
    fn half_a_cpu_costs_half_as_much_again_less_an_eighth_of_a_period() {
        for work in [0.055, 0.064, 0.08, 0.095] {
            close(mean_wall_time(work, 0.05, 0.1), 1.5 * work - 0.0125, 1e-12);
        }
        close(mean_wall_time(0.05, 0.05, 0.1), 0.05, 0.0);
        close(mean_wall_time(0.2, 0.1, 0.1), 0.2, 0.0);
    }

    #[test]
    fn the_closed_form_is_the_mean_over_phases() {
        for (work, quota) in [(0.07, 0.05), (0.23, 0.05), (0.31, 0.08), (0.09, 0.02)] {
            let wall = |phase: f64| {
                let rest = work - phase.min(quota);
                let whole = (rest / quota).ceil() - 1.0;
                phase + whole * 0.1 + (rest - whole * quota)
            };
            let pieces = 100_000;
            let phase = |piece| (f64::from(piece) + 0.5) / f64::from(pieces) * 0.1;
            let mean = (0..pieces).map(|piece| wall(phase(piece))).sum::<f64>() / f64::from(pieces);
            close(mean_wall_time(work, quota, 0.1), mean, 1e-5);
        }
    }

    #[test]
    fn busy_threads_do_the_work() {
        for work in [0.1, 0.6, 1.2, 1.5] {
            let busy = busy(&C5, 0.25, work);
            close((busy - C5.system_cpu) * sigma(&C5, 0.25, busy), work, 1e-9);
        }
        close(busy(&C5, 0.25, 9.0), 4.0, 0.0);
        let idle = Machine {
            system_cpu: 0.0,
            ..C5
        };
        close(busy(&idle, 0.25, 2.25), 3.0, 1e-12);
        close(busy(&idle, 0.0, 2.25), 4.0, 0.0);
    }

    #[test]
    fn best_effort_pods_weigh_next_to_nothing() {
        let pod = |request, limit| PodCpu {
            request: MilliCpu(request),
            limit,
        };
        assert_eq!(weight(pod(0, None)), None);
        assert_eq!(weight(pod(200, None)), Some(204.0));
        assert_eq!(weight(pod(1, None)), Some(2.0));
        assert_eq!(weight(pod(0, Some(MilliCpu(500)))), Some(2.0));
    }

    #[test]
    fn what_one_does_not_need_goes_to_the_others() {
        let mut claims = [(3.0, 100.0), (0.5, 100.0), (9.0, 2.0)].map(|(demand, weight)| Claim {
            demand,
            weight,
            share: 0.0,
        });
        divide(2.0, &mut claims);
        close(claims[1].share, 0.5, 0.0);
        close(claims[0].share, 1.5 * 100.0 / 102.0, 1e-12);
        close(claims.iter().map(|claim| claim.share).sum(), 2.0, 1e-12);
        divide(20.0, &mut claims);
        close(claims[2].share, 9.0, 0.0);
    }
}
