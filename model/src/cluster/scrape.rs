//! What answers Prometheus' scrapes.

use std::cell::RefCell;
use std::sync::Arc;

use sim::Instant;

use super::Cluster;
use crate::api::{Owner, Phase, Pod};
use crate::hpa::Hpa;
use crate::id::{HpaId, NodeId, PodId};
use crate::prometheus::exporters::{HpaState, PodUsage};
use crate::prometheus::{self, Failure, Labels, Sample, Source};
use crate::traffic::{self, traefik};

impl Cluster<'_> {
    pub(super) fn perform_prometheus(&mut self, now: Instant, output: prometheus::Output) {
        let prometheus::Output::Scrape(target, source) = output;
        let answer = self.expose(now, source);
        self.hear_prometheus(now, prometheus::Input::Scraped(target, answer));
    }

    fn expose(&mut self, now: Instant, source: Source) -> Result<Vec<Sample>, Failure> {
        match source {
            Source::Pod(pod, port) => self.expose_pod(now, pod, port),
            Source::KubeStateMetrics(exporter) => {
                if let Some(pod) = exporter {
                    self.reach_pod(pod)?;
                }
                let hpas: Vec<HpaState> = self.objects.hpas.iter().map(hpa_state).collect();
                Ok(self.exporters.kube_state(now, &self.api, &hpas))
            }
            Source::Kubelet(node) => {
                self.reach(node)?;
                Ok(self.exporters.kubelet(&self.api, node))
            }
            Source::Cadvisor(node) => {
                self.reach(node)?;
                let working_sets = self.working_sets(now);
                let traffic = RefCell::new(&mut self.parts.traffic);
                let usage = |pod: PodId| PodUsage {
                    cpu_seconds: traffic.borrow_mut().cpu_seconds(now, pod),
                    memory: working_sets.get(&pod).copied(),
                };
                Ok(self.exporters.cadvisor(&self.api, node, &usage))
            }
        }
    }

    /// Only Traefik's pods have an exposition, at one port and path; a pod whose container does not run refuses the
    /// connection, and one whose machine is gone leaves it without an answer.
    fn expose_pod(&mut self, now: Instant, id: PodId, port: u16) -> Result<Vec<Sample>, Failure> {
        let pod = self.reach_pod(id)?;
        let running = pod.phase == Phase::Running;
        let is_proxy = match pod.owner {
            Owner::ReplicaSet(_, deployment) => self.objects.roles.proxy == Some(deployment),
            _ => false,
        };
        if !running {
            return Err(Failure::Refused);
        }
        if !is_proxy {
            return Ok(Vec::new());
        }
        let elsewhere = pod.spec().metrics_port().is_some_and(|own| own != port);
        if elsewhere || !traefik::is_metrics_path(&pod.template.annotations) {
            return Err(Failure::Refused);
        }
        self.recorder.notes.scrapes.push(now);
        let samples = self.parts.traffic.exposition(now, id);
        Ok(self.exposed.entry(id).or_default().label(samples))
    }

    /// A pod that is there, on a machine that runs.
    fn reach_pod(&self, id: PodId) -> Result<&Pod, Failure> {
        let pod = self.api.pods.get(id).ok_or(Failure::TimedOut)?;
        if let Some(node) = pod.node {
            self.reach(node)?;
        }
        Ok(pod)
    }

    /// A kubelet answers while its machine runs.
    pub(super) fn reach(&self, node: NodeId) -> Result<(), Failure> {
        let node = self.api.nodes.get(node).ok_or(Failure::TimedOut)?;
        let instance = node.instance.and_then(|id| self.parts.ec2.instances().get(id));
        let alive = instance.is_some_and(|instance| instance.is_alive());
        if alive { Ok(()) } else { Err(Failure::TimedOut) }
    }
}

/// The label sets of a proxy's exposition, kept and handed out again: Prometheus knows a clone at once.
#[derive(Debug, Default)]
pub(super) struct Exposed {
    known: Vec<(traffic::Sample, Labels)>,
}

impl Exposed {
    fn label(&mut self, samples: Vec<traffic::Sample>) -> Vec<Sample> {
        let label = |(place, sample): (usize, traffic::Sample)| {
            let value = sample.value;
            Sample::new(self.labels(place, sample), value)
        };
        samples.into_iter().enumerate().map(label).collect()
    }

    /// The labels of a sample, most likely those that came in the same place last time.
    fn labels(&mut self, place: usize, sample: traffic::Sample) -> Labels {
        let (before, from) = self.known.split_at(place.min(self.known.len()));
        let mut known = from.iter().chain(before);
        let same = |(own, _): &&(traffic::Sample, Labels)| {
            let known = Arc::ptr_eq(&own.labels, &sample.labels);
            own.name == sample.name && (known || own.labels == sample.labels)
        };
        if let Some((_, labels)) = known.find(same) {
            return labels.clone();
        }
        let pairs = sample.labels.iter().map(|(name, value)| (*name, value.as_str()));
        let labels = Labels::of_metric(sample.name, pairs);
        self.known.push((sample, labels.clone()));
        labels
    }
}

fn hpa_state((_, hpa): (HpaId, &Hpa)) -> HpaState {
    HpaState {
        namespace: hpa.namespace.clone(),
        name: hpa.name.clone(),
        min_replicas: hpa.spec.min_replicas,
        max_replicas: hpa.spec.max_replicas,
        current_replicas: hpa.status.current_replicas,
        desired_replicas: hpa.status.desired_replicas,
    }
}
