//! From a load step to capacity: what was waited for.

use sim::Instant;

use super::Cluster;
use super::record::TimeToCapacity;
use crate::scenario::Act;
use crate::traffic::Shape;

impl Cluster<'_> {
    /// The way to capacity of each load step that the HPA answered by more replicas.
    pub(super) fn time_to_capacity(&self, end: Instant) -> Vec<TimeToCapacity> {
        let mut steps = self.load_steps();
        steps.sort_unstable();
        steps.dedup();
        let ends = steps.iter().skip(1).copied().chain([end]).collect::<Vec<_>>();
        let of = |(step, until): (&Instant, Instant)| self.way_to_capacity(*step, until.min(end));
        steps.iter().zip(ends).filter_map(of).collect()
    }

    /// When the offered load jumps: clients are scaled, or a stream's rate changes.
    fn load_steps(&self) -> Vec<Instant> {
        let client = self.scenario.roles.client.as_ref();
        let of_action = |action: &crate::scenario::Action| match &action.act {
            Act::Scale { deployment, .. } if Some(deployment) == client => Some(action.at),
            _ => None,
        };
        let of_shape = |shape: &Shape| match *shape {
            Shape::Step { at, .. } | Shape::Spike { at, .. } => Some(Instant::ZERO + at),
            Shape::Ramp { start, .. } => Some(Instant::ZERO + start),
            Shape::Constant { .. } | Shape::Sine { .. } | Shape::Trace { .. } => None,
        };
        let arrivals = self.scenario.traffic.arrivals.iter();
        let steps = self.scenario.actions.iter().filter_map(of_action);
        let steps = steps.chain(arrivals.filter_map(|arrivals| of_shape(&arrivals.shape)));
        steps.filter(|step| *step >= self.recorder.start()).collect()
    }

    /// Stage by stage, up to the moment at which all replicas of the last raise are Ready.
    fn way_to_capacity(&self, step: Instant, until: Instant) -> Option<TimeToCapacity> {
        let within = |times: &[Instant]| -> Vec<Instant> {
            times
                .iter()
                .copied()
                .filter(|at| (step..until).contains(at))
                .collect()
        };
        let raises = within(&self.recorder.raises);
        let (first, last) = (*raises.first()?, *raises.last()?);
        let scrape = within(&self.recorder.scrapes).first().copied()?.min(first);
        let curves = self.recorder.curves();
        let desired = curves.desired.at(last);
        let ready = curves
            .ready
            .stretches(last, until)
            .find(|(_, _, ready)| *ready >= desired)
            .map(|(at, _, _)| at)?;
        let joined = within(&self.recorder.joins)
            .into_iter()
            .filter(|at| (last..=ready).contains(at))
            .max();
        let placed = joined.unwrap_or(last);
        Some(TimeToCapacity {
            step: Instant::ZERO + step.since(self.recorder.start()),
            scrape: scrape - step,
            rate_window: first - scrape,
            hpa_sync: last - first,
            node_launch: placed - last,
            pod_start: ready - placed,
            total: ready - step,
        })
    }
}
