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
    /// When the probe worker was made, that is, when the kubelet took the pod on.
    pub(super) worker: Instant,
    /// How long the kubelet itself has been running at `worker`.
    pub(super) kubelet_age: Duration,
    /// Whether the first observation restarts the probe ticker (kubernetes 1.32 and later).
    pub(super) restarts_ticker: bool,
}

/// When the container counts as started: when it is observed, or when its startup probe has succeeded.
pub(super) fn started_at(container: &Container, start: Start, stream: &mut Stream) -> Instant {
    match &container.startup_probe {
        Some(probe) => passes_at(probe, start, stream),
        None => start.observed,
    }
}

/// When a container that counts as started at `start.observed` is reported Ready: at once without a probe, else at the
/// first attempts that count and succeed (kubernetes 1.35 pkg/kubelet/prober/worker.go `run`, `doProbe`).
pub(super) fn ready_at(container: &Container, start: Start, stream: &mut Stream) -> Instant {
    match &container.readiness_probe {
        Some(probe) => passes_at(probe, start, stream),
        None => start.observed,
    }
}

/// The attempt with which a probe has succeeded often enough.
fn passes_at(probe: &HttpProbe, start: Start, stream: &mut Stream) -> Instant {
    let period = probe.period.max(Duration::from_secs(1));
    let mut successes = 0;
    let mut attempt = first_attempt(period, start, stream);
    let mut next = if start.restarts_ticker {
        attempt + period
    } else {
        // The ticker has been running since before the image was pulled: any phase.
        attempt + period.mul_f64(stream.random::<f64>())
    };
    loop {
        let running = attempt.since(start.started).as_secs();
        if running >= probe.initial_delay.as_secs() && attempt >= start.answers {
            successes += 1;
            if successes >= probe.success_threshold.max(1) {
                return attempt;
            }
        }
        attempt = next;
        next += period;
    }
}

/// The attempt that the first observation triggers. A kubelet younger than the period first sleeps a
/// random part of it, so that a restart does not probe every pod at once.
fn first_attempt(period: Duration, start: Start, stream: &mut Stream) -> Instant {
    if start.kubelet_age < period {
        start
            .observed
            .max(start.worker + period.mul_f64(stream.random::<f64>()))
    } else {
        start.observed
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

    fn at(answers: u64, readiness: Option<HttpProbe>) -> Instant {
        let container = Container {
            readiness_probe: readiness,
            ..Container::default()
        };
        let start = Start {
            started: Instant::from_secs(100),
            observed: Instant::from_millis(100_400),
            answers: Instant::from_secs(answers),
            worker: Instant::from_secs(90),
            kubelet_age: Duration::from_secs(3600),
            restarts_ticker: true,
        };
        ready_at(&container, start, &mut Streams::new(1).stream("kubelet", 0))
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
}
