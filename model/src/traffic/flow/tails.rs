//! Response times longer than somebody waits, where the mean is not: who gives up on requests that wait in no line.
//!
//! Requests take the longer the more work they are, so that how works are spread says roughly how many answers come too
//! late. Where that may be some, a probe says how many; where it is next to nobody, none is asked.

use std::sync::Arc;
use std::time::Duration;

use super::{Flow, Mark};
use crate::distribution::Distribution;
use crate::traffic::config::Config;
use crate::traffic::probe::{Aspect, Finding};
use crate::traffic::state::State;

/// A smaller share of answers that come too late is none.
const FEW: f64 = 1e-4;
/// Requests of much work may be slowed down so many times as much as the mean one, and
const SLOWED: f64 = 2.0;
/// wait so many times as long for others: of exponential times one in some ten thousand does.
const WAITS: f64 = 9.0;

/// Rates whose closed forms differ by less, in logarithms, share a probe.
const ALIKE: f64 = 0.05;

/// What a probe found of a state.
#[derive(Debug, Clone)]
pub(super) struct Known {
    mark: Mark,
    state: Arc<State>,
    finding: Arc<Finding>,
}

/// The share of answers that take longer than so many seconds, if their times were spread as their work is.
fn share_beyond(config: &Config, response: f64, seconds: f64) -> f64 {
    let work = &config.service.cpu_per_request;
    let gpu = config.service.gpu.as_ref().and_then(|gpu| {
        let times = gpu.time.values().chain([&gpu.other]);
        times.max_by(|a, b| a.mean().total_cmp(&b.mean()))
    });
    let on_gpu = gpu.map_or(0.0, Distribution::mean);
    let alone = work.mean() + on_gpu;
    if !seconds.is_finite() || alone <= 0.0 {
        return 0.0;
    }
    let own = seconds / response.max(1e-9) * alone;
    let by_gpu = gpu.map_or(0.0, |time| time.share_beyond((own - work.mean()).max(0.0)));
    work.share_beyond((own - on_gpu).max(0.0)).max(by_gpu)
}

/// Whether some of the answers may take longer than so many seconds, where they take so long on average and wait so
/// long for others before the same pod.
fn may_exceed(config: &Config, response: f64, waiting: f64, seconds: f64) -> bool {
    seconds < SLOWED * response + WAITS * waiting || share_beyond(config, SLOWED * response, seconds) > FEW
}

/// The time after which the first of a client and the proxy gives up, if either does.
pub(super) fn first_to_give_up(config: &Config) -> Option<Duration> {
    let own = config.clients.as_ref().and_then(|clients| clients.timeout);
    own.into_iter().chain(config.service.request_timeout).min()
}

/// The time after which the first of a client and the proxy gives up, seconds, if some of the clients' requests may take
/// so long. With all of them before one pod, most wait for longer than those from outside ever do.
pub(in crate::traffic) fn may_time_out(config: &Config, response: f64) -> Option<f64> {
    let least = first_to_give_up(config)?.as_secs_f64();
    may_exceed(config, response, 2.0 * response, least).then_some(least)
}

impl Flow {
    /// Of requests from outside that wait in no line, the shares whose senders leave before the answer, by level of
    /// patience; the share whose senders leave while the answer is on its way; and whether a probe will say better when the
    /// state has lasted.
    pub(super) fn leaving(&mut self, mark: Mark, lasts: bool) -> (Vec<f64>, f64, bool) {
        let patience = Arc::clone(&self.patience);
        let beyond = |seconds| share_beyond(&self.config, mark.response, seconds);
        let guess = patience.left(beyond);
        let unheard = patience.unheard(mark.response, beyond);
        let state = &self.state;
        // Clients' failures would count among a probe's; and lines that grow have a patience of their own.
        if state.arrivals == 0.0 || self.plant.loops > 0.0 || self.arrivals > self.plant.open_most() {
            return (guess, unheard, false);
        }
        let waiting = self.plant.memory(&self.config, state.arrivals) * mark.slack / 4.0;
        let exceed = |seconds| may_exceed(&self.config, mark.response, waiting, seconds);
        let late = patience.levels.iter().any(|level| exceed(level.seconds));
        let nearly_all = SLOWED * mark.response + WAITS * waiting;
        if !late && !patience.may_be_unheard(exceed, nearly_all, FEW) {
            return (guess, unheard, false);
        }
        let known = self.tails.iter().find(|known| known.is_like(mark, state));
        let (finding, scale) = match known {
            // A little slower on average, and many more take too long.
            Some(known) => {
                let guessed = guess.iter().sum::<f64>() + unheard;
                let response = known.mark.response;
                let beyond = |seconds| share_beyond(&self.config, response, seconds);
                let then = patience.left(beyond).iter().sum::<f64>() + patience.unheard(response, beyond);
                let scale = if guessed > FEW && then > FEW {
                    guessed / then
                } else {
                    1.0
                };
                (Arc::clone(&known.finding), scale)
            }
            None if !lasts => return (guess, unheard, true),
            None => {
                let finding = self.probes.look(&self.config, state, Aspect::Failures);
                self.tails.push(Known {
                    mark,
                    state: Arc::clone(state),
                    finding: Arc::clone(&finding),
                });
                (finding, 1.0)
            }
        };
        let all = (finding.failures + finding.throughput).max(1e-9);
        let left = apportioned(
            &patience.left(|seconds| exceed(seconds).into()),
            &guess,
            finding.failures / all * scale,
        );
        let most = (1.0 - left.iter().sum::<f64>()).max(0.0);
        (left, (finding.unheard / all * scale).min(most), false)
    }
}

impl Known {
    fn is_like(&self, mark: Mark, state: &State) -> bool {
        let same = self.state.shares == state.shares && self.state.sites == state.sites;
        same && super::reads::apart(&self.mark, &mark) <= ALIKE
    }
}

/// So many leave in all, in the proportions of a guess, each level its `most` at most.
fn apportioned(most: &[f64], guess: &[f64], found: f64) -> Vec<f64> {
    let guessed: f64 = guess.iter().sum();
    let proportions = if guessed > 0.0 { guess } else { most };
    let all: f64 = proportions.iter().sum();
    let part = |(&part, &most): (&f64, &f64)| {
        if all > 0.0 {
            (found * part / all).min(most)
        } else {
            0.0
        }
    };
    proportions.iter().zip(most).map(part).collect()
}
