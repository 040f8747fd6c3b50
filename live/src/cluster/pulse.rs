//! The pulse: whether the API server answers, asked every few seconds.
//!
//! A watch over a connection that died without a word looks like a quiet cluster. So somebody asks a plain
//! question all the time: what was not answered is a gap of `api`. The answer also says what time it is there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::TryFutureExt as _;
use http::Request;
use kube::Client;
use kube::client::Body;

use super::error::{explain, in_time};
use super::preflight::date_of;
use super::recorder::Recorder;
use crate::recording::{Clock, Entry};

/// Between two questions. No whole seconds: each answer's `Date` then falls on another part of its second.
const PERIOD: Duration = Duration::from_millis(2300);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Watches may pause for so long after a failure: until then they may not hear, though the server answers.
const RECOVERY: f64 = 6.0;
/// Each `Date` is cut to a whole second; so many together tell the clock much finer.
const DATES: usize = 60;
/// What is known of a clock must be narrower than this, in seconds, before it is told.
const NARROW: f64 = 0.3;
/// A clock that moved by less is not told again.
const DRIFT: f64 = 0.5;

/// The API server's last signs of life. Clones are the same pulse.
#[derive(Clone)]
pub(super) struct Pulse(Arc<Mutex<Signs>>);

#[derive(Debug, Clone, Copy)]
struct Signs {
    last_ok: f64,
    beating: bool,
}

impl Pulse {
    /// As of an answer just now.
    pub(super) fn beating(recorder: &Recorder) -> Self {
        Pulse(Arc::new(Mutex::new(Signs {
            last_ok: recorder.now(),
            beating: true,
        })))
    }

    /// When it answered last.
    pub(super) fn last_ok(&self) -> f64 {
        self.signs().last_ok
    }

    /// Whether it answered the last question.
    pub(super) fn is_beating(&self) -> bool {
        self.signs().beating
    }

    fn signs(&self) -> Signs {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, signs: Signs) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = signs;
    }
}

/// Asks, again and again. Ends only by being dropped.
pub(super) async fn beat(client: Client, recorder: Recorder, pulse: Pulse) {
    let mut gaps = Gaps::default();
    let mut clock = ClockReading::default();
    let mut told: Option<f64> = None;
    loop {
        let asked = recorder.now();
        let answer = in_time(PATIENCE, ask(&client).map_err(|error| explain(&error))).await;
        let now = recorder.now();
        let beating = answer.is_ok();
        let last_ok = if beating { now } else { pulse.last_ok() };
        pulse.set(Signs { last_ok, beating });
        if let Some((from, closed, reason)) = gaps.step(now, asked, &answer) {
            recorder.hear_gap("api", from, closed, &reason);
        }
        if let Ok(Some(date)) = answer {
            clock.read(recorder.at(date), asked, now);
            if let Some(ahead) = clock.ahead()
                && told.is_none_or(|told| (told - ahead).abs() > DRIFT)
            {
                told = Some(ahead);
                recorder.hear(Entry::Clock(Clock {
                    source: "api".to_owned(),
                    ahead_s: (ahead * 1000.0).round() / 1000.0,
                }));
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// The API server's time, in Unix seconds, if it says it.
async fn ask(client: &Client) -> Result<Option<f64>, kube::Error> {
    let request = Request::get("/version")
        .body(Body::empty())
        .map_err(kube::Error::HttpError)?;
    let response = client.send(request).await?;
    let status = response.status();
    let date = response.headers().get("date").and_then(|date| date.to_str().ok());
    let date = date.and_then(date_of);
    let body = response.into_body().collect_bytes().await?;
    if status.is_success() {
        return Ok(date);
    }
    let said = String::from_utf8_lossy(&body);
    let status = kube::core::Status::failure(said.trim(), "").with_code(status.as_u16());
    Err(kube::Error::Api(status.boxed()))
}

/// Open and closed gaps of `api`, from answers.
#[derive(Debug, Default)]
struct Gaps {
    last_ok: f64,
    /// Since when, why, and when it was answered again.
    open: Option<(f64, String, Option<f64>)>,
}

impl Gaps {
    /// An answer, or none, to the question of `asked`: a gap that opened or closed, if one did.
    fn step<T>(&mut self, now: f64, asked: f64, answer: &Result<T, String>) -> Option<(f64, bool, String)> {
        match (answer, &mut self.open) {
            (Ok(_), None) => {
                // The question was sent then: it was heard until then at least.
                self.last_ok = asked;
                None
            }
            (Ok(_), Some((from, reason, again))) => {
                let since = *again.get_or_insert(now);
                if now - since < RECOVERY {
                    return None;
                }
                let told = (*from, true, reason.clone());
                self.open = None;
                self.last_ok = asked;
                Some(told)
            }
            (Err(_), Some((_, _, again))) => {
                *again = None;
                None
            }
            (Err(reason), None) => {
                self.open = Some((self.last_ok, reason.clone(), None));
                Some((self.last_ok, false, reason.clone()))
            }
        }
    }
}

/// What whole seconds tell of a clock: each `Date` says that the true one is at most a second later.
#[derive(Debug, Default)]
struct ClockReading {
    /// Bounds of how far it is ahead.
    bounds: VecDeque<(f64, f64)>,
}

impl ClockReading {
    /// A `Date` on the recording's clock, in an answer to a question asked and answered then.
    fn read(&mut self, date: f64, asked: f64, answered: f64) {
        if self.bounds.len() == DATES {
            self.bounds.pop_front();
        }
        self.bounds.push_back((date - answered, date + 1.0 - asked));
    }

    /// So far ahead: the middle of what no reading speaks against, once that is narrow enough.
    fn ahead(&self) -> Option<f64> {
        let low = self
            .bounds
            .iter()
            .map(|(low, _)| *low)
            .fold(f64::NEG_INFINITY, f64::max);
        let high = self
            .bounds
            .iter()
            .map(|(_, high)| *high)
            .fold(f64::INFINITY, f64::min);
        // A clock that was set in between: old readings speak against new ones.
        let width = (high - low).max(0.0);
        (width <= NARROW).then_some((low + high) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lasts_until_watches_have_surely_recovered() {
        let mut gaps = Gaps::default();
        let ok: Result<(), String> = Ok(());
        let refused: Result<(), String> = Err("refused".to_owned());
        assert_eq!(gaps.step(10.1, 10.0, &ok), None);
        let opened = gaps.step(12.0, 12.0, &refused);
        assert_eq!(opened, Some((10.0, false, "refused".to_owned())));
        assert_eq!(gaps.step(14.0, 14.0, &refused), None);
        assert_eq!(gaps.step(16.0, 16.0, &ok), None);
        // It failed again: recovery starts anew.
        assert_eq!(gaps.step(18.0, 18.0, &refused), None);
        assert_eq!(gaps.step(20.0, 20.0, &ok), None);
        assert_eq!(gaps.step(24.0, 24.0, &ok), None);
        let closed = gaps.step(26.0, 26.0, &ok);
        assert_eq!(closed, Some((10.0, true, "refused".to_owned())));
        assert_eq!(gaps.step(28.0, 28.0, &ok), None);
    }

    #[test]
    fn whole_seconds_together_tell_a_clock() {
        let mut clock = ClockReading::default();
        // A clock 3.3 s ahead, read every 2.17 s, each time cut to the second; an answer takes 10 ms.
        let read = |clock: &mut ClockReading, n: u32| {
            let asked = f64::from(n) * 2.17;
            clock.read((asked + 0.005 + 3.3).floor(), asked, asked + 0.01);
        };
        read(&mut clock, 0);
        assert_eq!(clock.ahead(), None, "one reading says little");
        (1..40).for_each(|n| read(&mut clock, n));
        let ahead = clock.ahead().unwrap();
        assert!((ahead - 3.3).abs() < 0.1, "{ahead}");
    }
}
