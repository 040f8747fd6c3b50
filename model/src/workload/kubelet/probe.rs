//! When a starting container turns Ready.

use std::time::Duration;

use rand::RngExt;
use sim::{Instant, Stream};

use crate::api::{Container, HttpProbe};

/// What decides when a container is Ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// When the container process started.
    pub(super) started: Instant,
    /// When the kubelet noticed (the next PLEG relist).
    pub(super) observed: Instant,
    /// From when on the application answers its probes.
    pub(super) answers: Instant,
    /// When the probe workers were made: with the pod's volumes in place, before its sandbox is.
    pub(super) worker: Instant,
    /// How long the kubelet itself has been running at `worker`.
    pub(super) kubelet_age: Duration,
    /// Whether the first observation restarts the probe ticker (kubernetes 1.32 and later).
    pub(super) restarts_ticker: bool,
}

/// When the container counts as started: when it is observed, or when its startup probe has succeeded. Nothing hurries
/// that probe: it is asked when its worker's ticker says so, and the first time that a worker looks there is no
/// container yet (kubernetes 1.35 pkg/kubelet/prober/prober_manager.go `UpdatePodStatus`, `AddPod`).
pub(super) fn started_at(container: &Container, start: Start, stream: &mut Stream) -> Instant {
    let Some(probe) = &container.startup_probe else {
        return start.observed;
    };
    let ticks = Ticks::of(probe, start, stream);
    let first = ticks.not_before(start.observed);
    ticks.passes_at(probe, start, first, first + ticks.period)
}

/// When a container that counts as started at `start.observed` is reported Ready: at once without a probe, else at the
/// first attempts that count and succeed (kubernetes 1.35 pkg/kubelet/prober/worker.go `run`, `doProbe`). The kubelet asks
/// for one as soon as it sees that the container has started; with that the ticker begins anew, from 1.32 on.
pub(super) fn ready_at(container: &Container, start: Start, stream: &mut Stream) -> Instant {
    let Some(probe) = &container.readiness_probe else {
        return start.observed;
    };
    let ticks = Ticks::of(probe, start, stream);
    let first = start.observed.max(ticks.origin);
    let next = match start.restarts_ticker {
        true => first + ticks.period,
        false => ticks.not_before(first + Duration::from_nanos(1)),
    };
    ticks.passes_at(probe, start, first, next)
}

/// The ticker of a probe's worker.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    origin: Instant,
    period: Duration,
}

impl Ticks {
    /// The worker of a kubelet younger than the period first sleeps a random part of it, so that a restart does not
    /// probe every pod at once.
    fn of(probe: &HttpProbe, start: Start, stream: &mut Stream) -> Self {
        let period = probe.period.max(Duration::from_secs(1));
        let sleeps = start.kubelet_age < period;
        let sleep = sleeps.then(|| period.mul_f64(stream.random::<f64>()));
        Ticks {
            origin: start.worker + sleep.unwrap_or_default(),
            period,
        }
    }

    /// The first tick at or after that time.
    fn not_before(self, at: Instant) -> Instant {
        let since = Instant::ZERO + at.since(self.origin);
        self.origin + since.round_up_to(self.period).since(Instant::ZERO)
    }

    /// The attempt with which a probe has succeeded often enough, of one at `attempt`, one at `next`, and so on each period.
    fn passes_at(self, probe: &HttpProbe, start: Start, mut attempt: Instant, mut next: Instant) -> Instant {
        // Workers read the status, whose times are cut to whole seconds
        // (kubernetes 1.35 pkg/kubelet/status/status_manager.go `normalizeStatus`).
        let since = start.started.round_down_to(Duration::from_secs(1));
        let mut successes = 0;
        loop {
            let running = attempt.since(since).as_secs();
            if running >= probe.initial_delay.as_secs() && attempt >= start.answers {
                successes += 1;
                if successes >= probe.success_threshold.max(1) {
                    return attempt;
                }
            }
            attempt = next;
            next += self.period;
        }
    }
}

#[cfg(test)]
mod tests {
    use sim::Streams;

    use super::*;

    fn probe(initial_delay: u64, period: u64) -> HttpProbe {
        HttpProbe {
            initial_delay: Duration::from_secs(initial_delay),
            period: Duration::from_secs(period),
            timeout: Duration::from_secs(1),
            success_threshold: 1,
            failure_threshold: 3,
        }
    }

    fn start(answers: u64, worker: u64) -> Start {
        Start {
            started: Instant::from_secs(100),
            observed: Instant::from_millis(100_400),
            answers: Instant::from_secs(answers),
            worker: Instant::from_secs(worker),
            kubelet_age: Duration::from_secs(3600),
            restarts_ticker: true,
        }
    }

    fn ready(readiness: Option<HttpProbe>, start: Start) -> Instant {
        let container = Container {
            readiness_probe: readiness,
            ..Container::default()
        };
        ready_at(&container, start, &mut Streams::new(1).stream("kubelet", 0))
    }

    fn at(answers: u64, readiness: Option<HttpProbe>) -> Instant {
        ready(readiness, start(answers, 90))
    }

    #[test]
    fn without_a_probe_ready_comes_with_running() {
        assert_eq!(at(500, None), Instant::from_millis(100_400));
    }

    #[test]
    fn attempts_fall_on_the_period_and_the_initial_delay_only_filters_them() {
        assert_eq!(at(0, Some(probe(0, 10))), Instant::from_millis(100_400));
        // hpa-and-workload section 11.1: delay 5 and period 10 make the first useful attempt t0 + 10
        assert_eq!(at(0, Some(probe(5, 10))), Instant::from_millis(110_400));
        assert_eq!(at(121, Some(probe(0, 10))), Instant::from_millis(130_400));
    }

    #[test]
    fn the_initial_delay_counts_from_the_whole_second_in_which_the_container_started() {
        let late = Start {
            started: Instant::from_millis(99_900),
            ..start(0, 90)
        };
        // 0.5 s after the start, which the status calls second 99.
        assert_eq!(ready(Some(probe(1, 10)), late), Instant::from_millis(100_400));
        assert_eq!(ready(Some(probe(2, 10)), late), Instant::from_millis(110_400));
    }

    // (kubernetes 1.35 pkg/kubelet/prober/prober_manager.go `UpdatePodStatus`)
    #[test]
    fn a_startup_probe_is_asked_on_its_workers_ticks_only() {
        let started = |period, start| {
            let container = Container {
                startup_probe: Some(probe(0, period)),
                ..Container::default()
            };
            started_at(&container, start, &mut Streams::new(1).stream("kubelet", 0))
        };
        assert_eq!(started(30, start(0, 99)), Instant::from_secs(129));
        assert_eq!(started(10, start(0, 99)), Instant::from_secs(109));
        assert_eq!(started(10, start(110, 99)), Instant::from_secs(119));
        // The image took its time: some ticks have gone by.
        assert_eq!(started(10, start(0, 73)), Instant::from_secs(103));
        let young = Start {
            kubelet_age: Duration::from_secs(5),
            ..start(0, 99)
        };
        let at = started(30, young);
        assert!(
            at > Instant::from_millis(100_400) && at < Instant::from_secs(129),
            "{at:?}"
        );
    }

    #[test]
    fn the_ticker_of_1_31_goes_on_from_when_its_worker_was_made() {
        let old = |answers, worker| {
            let start = Start {
                restarts_ticker: false,
                ..start(answers, worker)
            };
            ready(Some(probe(0, 10)), start)
        };
        assert_eq!(old(0, 97), Instant::from_millis(100_400), "that one is asked for");
        assert_eq!(old(101, 97), Instant::from_secs(107));
        assert_eq!(old(118, 97), Instant::from_secs(127));
        assert_eq!(old(101, 73), Instant::from_secs(103));
    }
}
