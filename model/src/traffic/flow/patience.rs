//! Who gives up when: senders of several sources wait for different times, and the proxy for its own.
//!
//! A proxy hears that a sender leaves as late as it heard of the request: it waits for as long as the sender does. What it
//! answers in the last moments, those that the network takes there and back, nobody hears.

use crate::distribution::Distribution;
use crate::traffic::arrivals::Source;
use crate::traffic::traefik::{self, Code};

/// Senders that wait equally long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    /// Seconds until they or the proxy give up; endless if nobody does.
    pub(super) seconds: f64,
    /// What is counted then.
    pub(super) code: Code,
    /// Their share of all.
    share: f64,
}

/// Senders to whom the network takes time.
#[derive(Debug, Clone, PartialEq)]
struct Far {
    /// Seconds until they give up, endless if they never do; and until the proxy hears of it, or gives up itself.
    own: f64,
    level: f64,
    /// Seconds there and back.
    network: Distribution,
    /// Their share of all.
    share: f64,
}

/// Those of all sources, the least patient first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Patience {
    pub(super) levels: Vec<Level>,
    far: Vec<Far>,
}

impl Patience {
    /// What the sources send at present, or as much each if they send nothing, with a proxy that waits for so many
    /// seconds.
    pub(super) fn of(sources: &[Source], proxy: f64) -> Patience {
        let all: f64 = sources.iter().map(Source::mean).sum();
        let mut levels: Vec<Level> = Vec::new();
        let mut far = Vec::new();
        for source in sources {
            let own = source.arrivals.timeout;
            let own = own.map_or(f64::INFINITY, |timeout| timeout.as_secs_f64());
            let (seconds, code) = if proxy < own {
                (proxy, traefik::GATEWAY_TIMEOUT)
            } else {
                (own, traefik::CLIENT_CLOSED)
            };
            let share = if all > 0.0 {
                source.mean() / all
            } else {
                1.0 / sources.len() as f64
            };
            if source.arrivals.is_far() {
                far.push(Far {
                    own,
                    level: seconds,
                    network: source.arrivals.network_delay.clone(),
                    share,
                });
            }
            match levels.iter_mut().find(|level| level.seconds == seconds) {
                Some(level) => level.share += share,
                None => levels.push(Level { seconds, code, share }),
            }
        }
        levels.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Patience { levels, far }
    }

    /// Of those who wait beyond all levels before this one, the share that waits beyond this one too.
    pub(super) fn stay(&self, level: usize) -> f64 {
        let beyond = |from: usize| self.levels[from..].iter().map(|level| level.share).sum::<f64>();
        let (waiting, staying) = (beyond(level), beyond(level + 1));
        if waiting > 0.0 { staying / waiting } else { 0.0 }
    }

    /// The shares of all requests whose senders leave before the answer, level by level, where this share of answers
    /// takes longer than so many seconds.
    pub(super) fn left(&self, beyond: impl Fn(f64) -> f64) -> Vec<f64> {
        let left = |level: &Level| level.share * beyond(level.seconds).clamp(0.0, 1.0);
        self.levels.iter().map(left).collect()
    }

    /// About the share of all requests that are answered while the proxy waits and too late for the way back, where answers
    /// take `response` seconds on average and this share of them longer than so many.
    pub(super) fn unheard(&self, response: f64, beyond: impl Fn(f64) -> f64) -> f64 {
        let unheard = |far: &Far| {
            let by_answer = beyond((far.own - far.network.mean()).max(0.0));
            let late = by_answer.max(far.network.share_beyond((far.own - response).max(0.0)));
            far.share * (late - beyond(far.level)).clamp(0.0, 1.0)
        };
        self.far.iter().map(unheard).sum()
    }

    /// Whether that may be more than a `few`, where answers may `exceed` so many seconds and the mean network is in the way,
    /// or `nearly_all` take no longer than so many.
    pub(super) fn may_be_unheard(&self, exceed: impl Fn(f64) -> bool, nearly_all: f64, few: f64) -> bool {
        self.far.iter().any(|far| {
            exceed((far.own - far.network.mean()).max(0.0))
                || far.network.share_beyond((far.own - nearly_all).max(0.0)) > few
        })
    }

    /// Of requests that are answered after so many seconds, the share that is too late for the way back.
    pub(super) fn unheard_after(&self, seconds: f64) -> f64 {
        let (mut waiting, mut unheard) = (0.0, 0.0);
        for far in self.far.iter().filter(|far| far.level >= seconds) {
            unheard += far.share * far.network.share_beyond((far.own - seconds).max(0.0)).min(1.0);
        }
        if unheard > 0.0 {
            let staying = self.levels.iter().filter(|level| level.seconds >= seconds);
            waiting += staying.map(|level| level.share).sum::<f64>();
        }
        if waiting > 0.0 { unheard / waiting } else { 0.0 }
    }

    /// Seconds that the network takes on average.
    pub(super) fn network(&self) -> f64 {
        self.far.iter().map(|far| far.share * far.network.mean()).sum()
    }

    /// The longest time that anybody waits, seconds.
    pub(super) fn longest(&self) -> f64 {
        self.levels.last().map_or(f64::INFINITY, |level| level.seconds)
    }
}

#[cfg(test)]
impl From<f64> for Patience {
    /// All wait for so many seconds.
    fn from(seconds: f64) -> Patience {
        let code = traefik::CLIENT_CLOSED;
        let levels = vec![Level {
            seconds,
            code,
            share: 1.0,
        }];
        Patience {
            levels,
            ..Patience::default()
        }
    }
}
