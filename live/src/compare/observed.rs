//! A simulated run, watched while it runs.

use model::cluster::record::Record;
use model::cluster::{self, Notice, Options, Seen, Watcher};
use model::id::{NodeClaimId, NodeId, PodId};
use model::scenario::Scenario;
use sim::{Instant, SortedMap, StepSeries};

use super::run::{Kind, Life, Run, names};
use crate::curves::step_curve;

/// Runs a scenario, and keeps what a comparison needs beside its record. Lives are told as a watch tells them.
#[must_use]
pub fn observe(scenario: &Scenario, options: Options) -> (Record, Run) {
    let mut observer = Observer {
        start: Instant::ZERO + scenario.warm_up,
        ..Observer::default()
    };
    let record = cluster::run_watched(scenario, options, &mut observer);
    let run = observer.finish(&record);
    (record, run)
}

#[derive(Default)]
struct Observer {
    start: Instant,
    pods: SortedMap<PodId, Life>,
    nodes: SortedMap<NodeId, (Life, String)>,
    claims: SortedMap<NodeClaimId, Life>,
    machines: SortedMap<String, StepSeries>,
    dollars: StepSeries,
}

impl Observer {
    fn seconds(&self, at: Instant) -> f64 {
        at.as_secs_f64() - self.start.as_secs_f64()
    }

    fn pod(&mut self, now: Instant, id: PodId, seen: Seen<'_>) {
        let Some(pod) = seen.api.pods.get(id) else {
            return;
        };
        let now = self.seconds(now);
        let life = self
            .pods
            .entry(id)
            .or_insert_with(|| Life::new(Kind::Pod, &pod.name, now));
        life.see(now, pod.node.is_some(), pod.is_ready());
    }

    fn node(&mut self, now: Instant, id: NodeId, seen: Seen<'_>) {
        let Some(node) = seen.api.nodes.get(id) else {
            return;
        };
        let now = self.seconds(now);
        let (life, _) = self.nodes.entry(id).or_insert_with(|| {
            let life = Life::new(Kind::Node, &node.name, now);
            (life, node.instance_type().to_owned())
        });
        life.see(now, true, node.ready);
    }

    fn claim(&mut self, now: Instant, id: NodeClaimId, seen: Seen<'_>) {
        let now = self.seconds(now);
        let Some(claim) = seen.claims.get(id) else {
            if let Some(life) = self.claims.get_mut(&id) {
                life.gone = Some(now);
            }
            return;
        };
        let life = self
            .claims
            .entry(id)
            .or_insert_with(|| Life::new(Kind::Claim, &claim.name, now));
        let initialized = claim.conditions.initialized.is_some_and(|own| own.status);
        life.see(now, claim.instance.is_some(), initialized);
    }

    /// The machines that EC2 bills: from running to shutting down.
    fn bill(&mut self, seen: Seen<'_>) {
        let mut changes: SortedMap<&str, Vec<(f64, f64)>> = SortedMap::new();
        let mut dollars = Vec::new();
        for (_, own) in seen.instances.iter() {
            let name = changes.entry(own.spec.name).or_default();
            for (at, sign) in [
                (own.running, 1.0),
                (own.shutting_down.filter(|_| own.running.is_some()), -1.0),
            ] {
                if let Some(at) = at {
                    let at = at.as_secs_f64() - self.start.as_secs_f64();
                    name.push((at, sign));
                    dollars.push((at, sign * own.price.usd_per_hour()));
                }
            }
        }
        self.machines = changes
            .into_iter()
            .map(|(name, changes)| (name.to_owned(), summed(changes)))
            .collect();
        self.dollars = summed(dollars);
    }

    fn finish(self, record: &Record) -> Run {
        let mut run = Run {
            end: record.end,
            ..Run::default()
        };
        for (name, curve) in &record.curves {
            run.curves.insert((*name).to_owned(), curve.clone());
        }
        let readings = |of: &dyn Fn(&model::cluster::record::Row) -> f64| {
            let readings: Vec<(f64, f64)> = record
                .rows
                .iter()
                .map(|row| (row.at.as_secs_f64(), of(row)))
                .collect();
            step_curve(&readings, 0.0)
        };
        run.curves
            .insert(names::SEEN_RPS.into(), readings(&|row| row.seen_rps));
        run.curves
            .insert(names::SEEN_PODS.into(), readings(&|row| row.seen_pods));
        run.curves
            .insert(names::SERVED.into(), readings(&|row| row.rps_served));
        run.curves
            .insert(names::LATENCY.into(), readings(&|row| row.latency_p95));
        for (n, name) in record.instance_types.iter().enumerate() {
            let of_type = readings(&|row| row.seen_nodes.get(n).copied().unwrap_or(0.0));
            run.curves
                .insert(format!("{}{name}", names::SEEN_NODES_OF), of_type);
        }
        for (name, curve) in node_curves(&self.nodes) {
            run.curves.insert(format!("{}{name}", names::NODES_OF), curve);
        }
        for (name, curve) in self.machines {
            run.curves.insert(format!("{}{name}", names::MACHINES_OF), curve);
        }
        run.curves.insert(names::USD_PER_HOUR.into(), self.dollars);
        let nodes = self.nodes.into_values().map(|(life, _)| life);
        run.lives.extend(self.pods.into_values());
        run.lives.extend(self.claims.into_values());
        run.lives.extend(nodes);
        run.counts
            .insert("evictions".into(), f64::from(record.counts.evictions));
        run.counts
            .insert("launches".into(), f64::from(record.counts.launches));
        run
    }
}

/// Nodes of each type, by their lives.
fn node_curves(nodes: &SortedMap<NodeId, (Life, String)>) -> SortedMap<String, StepSeries> {
    let mut changes: SortedMap<&String, Vec<(f64, f64)>> = SortedMap::new();
    for (life, name) in nodes.values() {
        let own = changes.entry(name).or_default();
        own.push((life.created, 1.0));
        own.extend(life.gone.map(|gone| (gone, -1.0)));
    }
    changes
        .into_iter()
        .map(|(name, own)| (name.clone(), summed(own)))
        .collect()
}

/// Changes as the curve of their sum.
fn summed(mut changes: Vec<(f64, f64)>) -> StepSeries {
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    for change in &mut changes {
        sum += change.1;
        // What is left of dollars that were added and taken away is nothing.
        change.1 = if sum.abs() < 1e-9 { 0.0 } else { sum };
    }
    step_curve(&changes, 0.0)
}

impl Watcher for Observer {
    fn hear(&mut self, now: Instant, notice: Notice, seen: Seen<'_>) {
        match notice {
            Notice::PodCreated(id)
            | Notice::PodBound(id)
            | Notice::PodStatus(id)
            | Notice::PodDeleting(id) => self.pod(now, id, seen),
            Notice::PodGone { pod, .. } => {
                let gone = self.seconds(now);
                if let Some(life) = self.pods.get_mut(&pod) {
                    life.gone = Some(gone);
                }
            }
            Notice::NodeCreated(id) | Notice::NodeChanged(id) => self.node(now, id, seen),
            Notice::NodeGone(id) => {
                let gone = self.seconds(now);
                if let Some((life, _)) = self.nodes.get_mut(&id) {
                    life.gone = Some(gone);
                }
            }
            Notice::ClaimChanged(id) => self.claim(now, id, seen),
            _ => {}
        }
    }

    fn end(&mut self, _now: Instant, seen: Seen<'_>) {
        self.bill(seen);
    }
}
