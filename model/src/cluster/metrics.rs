//! Where autoscalers' readings come from.
//!
//! The HPA controller asks for one metric at a time and waits. External metrics of a KEDA-made HPA are asked
//! of KEDA, which asks Prometheus; resource metrics of metrics-server. Metrics of an adapter other than
//! KEDA's come from rules of the scenario: a PromQL query for each metric's name.

use std::time::Duration;

use sim::{Instant, SortedMap};

use super::Cluster;
use super::event::Event;
use crate::api::{Phase, Pod};
use crate::hpa::{self, Failure, Reading, Resource, Sample, Source};
use crate::id::{HpaId, PodId};
use crate::keda::spec::TriggerKind;
use crate::keda::{self, Answer, QueryId};
use crate::prometheus::Value;
use crate::quantity::Quantity;
use crate::scenario::{self, Part, Scenario};
use crate::traffic::Fidelity;
use crate::workload::metrics_server::Found;

/// A metric that an HPA's sync waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Its place in spec.metrics.
    pub(super) metric: usize,
    pub(super) since: Instant,
    /// KEDA was asked.
    pub(super) of_keda: bool,
}

impl Cluster<'_> {
    pub(super) fn perform_hpa(&mut self, now: Instant, output: hpa::Output) {
        use hpa::Output;
        match output {
            Output::FetchMetric { hpa, metric } => self.fetch_metric(now, hpa, metric),
            Output::PatchScale { target, replicas, .. } => self.scale_target(target, replicas, Part::Hpa),
            Output::UpdateStatus(id, status) => {
                if let Some(hpa) = self.objects.hpas.get_mut(id) {
                    hpa.status = *status;
                }
            }
            Output::Publish(decision) => self.explain_hpa(now, &decision),
        }
    }

    pub(super) fn perform_keda(&mut self, now: Instant, output: keda::Output) {
        use keda::Output;
        match output {
            Output::Query {
                query,
                scaled_object,
                trigger,
                at_ms,
                timeout,
            } => {
                let answer = self.answer_trigger(scaled_object, trigger, at_ms);
                self.answer_keda(now, query, answer, timeout);
            }
            Output::MetricValue {
                hpa,
                metric,
                value,
                kept,
            } => {
                // An answer to a controller that has ended meanwhile finds nobody.
                let waits = |asked: &Asked| asked.of_keda && asked.metric == metric;
                if self.asked.get(hpa).is_some_and(waits) {
                    if kept && self.is_of_server(hpa) {
                        self.recorder.notes.answered_by_poll(metric);
                    }
                    let value = value.map(|value| vec![value]).ok_or(Failure::Error);
                    self.hear_hpa(now, hpa::Input::Metric(hpa, Reading::External(value)));
                }
            }
            Output::ScaleTo { target, replicas, .. } => self.scale_target(target, replicas, Part::Keda),
            Output::Polled(id) => {
                let object = self.objects.scaled_objects.get(id);
                if object.is_some_and(|object| self.objects.roles.server == Some(object.target)) {
                    self.recorder.notes.polls.push(now);
                }
            }
            Output::CreateHpa(_, hpa) => self.create_hpa(*hpa),
            Output::UpdateHpa(id, owner, target, spec) => self.change_hpa(id, |hpa| {
                hpa.owner = Some(owner);
                hpa.target = target;
                hpa.spec = spec;
            }),
            Output::DeleteHpa(id) => self.delete_hpa(id),
            Output::Release(id) => drop(self.objects.scaled_objects.remove(id)),
            Output::Publish(event) => self.explain_keda(now, &event),
        }
    }

    /// While KEDA is down nobody answers the HPA controller.
    pub(super) fn keda_is_away(&mut self, now: Instant, input: &keda::Input) {
        if let keda::Input::MetricRequested { hpa, .. } = *input {
            let reading = Reading::External(Err(Failure::Unavailable));
            self.hear_hpa(now, hpa::Input::Metric(hpa, reading));
        }
    }

    /// KEDA ends: whoever waits for it has a broken connection.
    pub(super) fn hang_up(&mut self, now: Instant) {
        let waiting = self.asked.iter().filter(|(_, asked)| asked.of_keda);
        let mut waiting: Vec<HpaId> = waiting.map(|(hpa, _)| hpa).collect();
        waiting.sort_unstable();
        for hpa in waiting {
            let reading = Reading::External(Err(Failure::Unavailable));
            self.hear_hpa(now, hpa::Input::Metric(hpa, reading));
        }
    }

    /// Prometheus' answer reaches KEDA after as long as a query takes, unless that is too long for KEDA.
    fn answer_keda(&mut self, now: Instant, query: QueryId, answer: Answer, timeout: Duration) {
        let delay = self.scenario.config.query.sample_duration(&mut self.latencies);
        let (delay, answer) = match delay <= timeout {
            true => (delay, answer),
            false => (timeout, Answer::Error),
        };
        self.agenda
            .at(now + delay, Event::Keda(keda::Input::Answer(query, answer)));
    }

    fn answer_trigger(&self, object: crate::id::ScaledObjectId, trigger: usize, at_ms: i64) -> Answer {
        let object = self.objects.scaled_objects.get(object);
        let text = object.and_then(|object| object.spec.triggers.get(trigger)?.query());
        match text.and_then(|text| self.ask(text, at_ms)) {
            None => Answer::Error,
            Some(Value::Vector(elements)) => {
                Answer::Vector(elements.into_iter().map(|(_, value)| value).collect())
            }
            Some(Value::Scalar(value)) => Answer::Scalar(value),
            Some(_) => Answer::Other,
        }
    }

    /// What the simulated Prometheus answers to a query of the run; `None` is an error.
    pub(super) fn ask(&self, text: &str, at_ms: i64) -> Option<Value> {
        let query = self.queries.get(text)?;
        self.parts.prometheus.query(query, at_ms).ok()
    }

    fn is_of_server(&self, hpa: HpaId) -> bool {
        let target = self.objects.hpas.get(hpa).map(|hpa| hpa.target);
        target.is_some() && target == self.objects.roles.server
    }

    /// The sync that asks goes by the spec as it was when it began.
    fn fetch_metric(&mut self, now: Instant, id: HpaId, metric: usize) {
        let Some(source) = self.parts.hpa.source(id, metric) else {
            return;
        };
        let hpa = self.objects.hpas.get(id);
        let is_external = matches!(source, Source::External { .. });
        let of_keda = is_external && hpa.is_some_and(|hpa| hpa.owner.is_some());
        let asked = Asked {
            metric,
            since: now,
            of_keda,
        };
        if metric == 0 && self.is_of_server(id) {
            self.recorder.notes.asks(now);
        }
        let former = self.asked.insert(id, asked);
        assert!(former.is_none(), "{now}: {id:?} asks before it was answered");
        if of_keda {
            return self.hear_keda(now, keda::Input::MetricRequested { hpa: id, metric });
        }
        let (reading, delay) = match hpa {
            Some(hpa) => self.read(now, hpa, source),
            None => (unavailable(source), self.scenario.config.query.clone()),
        };
        let delay = delay.sample_duration(&mut self.latencies);
        self.agenda
            .at(now + delay, Event::Hpa(hpa::Input::Metric(id, reading)));
    }

    /// The reading of a metric that KEDA does not serve, and how long it takes.
    fn read(
        &self,
        now: Instant,
        hpa: &hpa::Hpa,
        source: &Source,
    ) -> (Reading, crate::distribution::Distribution) {
        let config = &self.scenario.config;
        let reading = match source {
            Source::Resource(resource) => {
                return (self.use_of(hpa, *resource, None), config.resource_metrics.clone());
            }
            Source::ContainerResource { resource, container } => {
                let reading = self.use_of(hpa, *resource, Some(container));
                return (reading, config.resource_metrics.clone());
            }
            Source::External { name, .. } => Reading::External(
                self.rule(now, name)
                    .map(|values| values.into_iter().map(|(_, value)| value).collect()),
            ),
            Source::Object { name, .. } => Reading::Object(
                self.rule(now, name)
                    .and_then(|values| values.first().map(|(_, value)| *value).ok_or(Failure::Empty)),
            ),
            Source::Pods { name, .. } => {
                let of_pods = |values| self.samples_of_pods(now, hpa, values);
                Reading::Pods(self.rule(now, name).map(of_pods))
            }
        };
        (reading, config.query.clone())
    }

    /// A rule's answer: for each element its `pod` label and its value.
    fn rule(&self, now: Instant, name: &str) -> Result<Vec<(String, Quantity)>, Failure> {
        let text = self.scenario.metric_rules.get(name).ok_or(Failure::Unavailable)?;
        let at_ms = self.parts.prometheus.unix_millis(now);
        match self.ask(text, at_ms) {
            Some(Value::Vector(elements)) => Ok(elements
                .into_iter()
                .map(|(labels, value)| (labels.get("pod").to_owned(), milli(value)))
                .collect()),
            Some(Value::Scalar(value)) => Ok(vec![(String::new(), milli(value))]),
            _ => Err(Failure::Error),
        }
    }

    fn samples_of_pods(&self, now: Instant, hpa: &hpa::Hpa, values: Vec<(String, Quantity)>) -> Vec<Sample> {
        let pods: Vec<(PodId, &Pod)> = self.api.pods_of_deployment(hpa.target).collect();
        let sample = |(name, value): (String, Quantity)| {
            let &(pod, _) = pods.iter().find(|(_, pod)| pod.name == name)?;
            let window = hpa::reading::DEFAULT_WINDOW;
            Some(Sample {
                pod,
                timestamp: now,
                window,
                milli: value.milli(),
            })
        };
        values.into_iter().filter_map(sample).collect()
    }

    /// What a target's pods use of a resource, as metrics-server knows it.
    fn use_of(&self, hpa: &hpa::Hpa, resource: Resource, container: Option<&String>) -> Reading {
        if self.stopped.contains(&Part::MetricsServer) {
            return Reading::Pods(Err(Failure::Unavailable));
        }
        let config = &self.scenario.config.hpa;
        let mut samples = Vec::new();
        for (id, pod) in self.api.pods_of_deployment(hpa.target) {
            let Some(usage) = self.parts.metrics_server.usage(id) else {
                continue;
            };
            let whole = match resource {
                Resource::Cpu => usage.cpu,
                Resource::Memory => match usage.memory {
                    Some(memory) => memory,
                    None => continue,
                },
            };
            let main = pod.spec().main_container();
            let share = |place: usize| if place == main { whole } else { 0.0 };
            let used = pod
                .spec()
                .containers
                .iter()
                .enumerate()
                .map(|(place, container)| (container.name.as_str(), Some(milli(share(place)))));
            match hpa::reading::resource_usage(used, container.map(String::as_str), &config.profile) {
                Err(failure) => return Reading::Pods(Err(failure)),
                Ok(None) => {}
                Ok(Some(milli)) => samples.push(Sample {
                    pod: id,
                    timestamp: usage.timestamp,
                    window: usage.window,
                    milli,
                }),
            }
        }
        Reading::Pods(if samples.is_empty() {
            Err(Failure::Empty)
        } else {
            Ok(samples)
        })
    }

    /// metrics-server scrapes all kubelets.
    pub(super) fn scrape_kubelets(&mut self, now: Instant) {
        let every: Duration = self.scenario.config.metrics_resolution;
        self.agenda.at(now + every, Event::MetricsServer);
        if self.stopped.contains(&Part::MetricsServer) {
            return;
        }
        let mut pods = self
            .api
            .pods
            .iter()
            .filter(|(_, pod)| pod.phase == Phase::Running);
        if !self.usage_is_read {
            // Traffic goes on in steps, and this is the end of one.
            if pods.next().is_some() || self.scenario.traffic.service.memory.is_some() {
                self.parts.traffic.advance(now);
            }
            return;
        }
        self.recorder.notes.usage.push(now);
        // What is on a machine that does not answer is missing (metrics-server 0.7 pkg/scraper/scraper.go `Scrape`).
        let reached = |pod: &Pod| pod.node.is_some_and(|node| self.reach(node).is_ok());
        let pods: Vec<PodId> = pods.filter(|(_, pod)| reached(pod)).map(|(id, _)| id).collect();
        let working_sets = self.working_sets(now);
        let (traffic, kubelets) = (&mut self.parts.traffic, &self.parts.kubelets);
        let found = |pod| {
            let found = Found {
                started: kubelets.running_since(pod).unwrap_or(Instant::ZERO),
                cpu_seconds: traffic.cpu_seconds(now, pod),
                memory: working_sets.get(&pod).copied(),
            };
            (pod, found)
        };
        let pods = pods.into_iter().map(found);
        self.parts.metrics_server.scrape(now, every, pods);
    }

    /// The working sets of those pods whose memory the scenario knows, bytes: the service's.
    pub(super) fn working_sets(&mut self, now: Instant) -> SortedMap<PodId, f64> {
        let Some(memory) = self.scenario.traffic.service.memory else {
            return SortedMap::new();
        };
        let held = self.parts.traffic.held(now).into_iter();
        held.map(|(pod, requests)| (pod, memory.working_set(requests)))
            .collect()
    }
}

/// No reading of a metric of that kind.
fn unavailable(source: &Source) -> Reading {
    let failure = Failure::Unavailable;
    match source {
        Source::External { .. } => Reading::External(Err(failure)),
        Source::Object { .. } => Reading::Object(Err(failure)),
        Source::Pods { .. } | Source::Resource(_) | Source::ContainerResource { .. } => {
            Reading::Pods(Err(failure))
        }
    }
}

/// Whether what metrics-server finds matters: an autoscaler of the scenario goes by it, or requests are simulated one
/// by one, where looking at a pod's CPU use ends a step of its node.
pub(super) fn usage_is_read(scenario: &Scenario, fidelity: Fidelity) -> bool {
    if fidelity == Fidelity::Requests {
        return true;
    }
    let usage = |source: &Source| matches!(source, Source::Resource(_) | Source::ContainerResource { .. });
    scenario::everything(scenario).into_iter().any(|objects| {
        let mut metrics = objects.hpas.iter().flat_map(|hpa| &hpa.spec.metrics);
        let mut triggers = objects
            .scaled_objects
            .iter()
            .flat_map(|object| &object.spec.triggers);
        metrics.any(|metric| usage(&metric.source))
            || triggers.any(|trigger| matches!(trigger.kind, TriggerKind::Resource { .. }))
    })
}

/// A float as a quantity, rounded up to thousandths.
fn milli(value: f64) -> Quantity {
    Quantity::from_milli(libm::ceil(value * 1000.0) as i64)
}
