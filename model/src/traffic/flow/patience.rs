//! Who gives up when: senders of several sources wait for different times, and the proxy for its own.

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

/// Those of all sources, the least patient first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Patience {
    pub(super) levels: Vec<Level>,
}

impl Patience {
    /// What the sources send at present, or as much each if they send nothing, with a proxy that waits for so many
    /// seconds.
    pub(super) fn of(sources: &[Source], proxy: f64) -> Patience {
        let all: f64 = sources.iter().map(Source::mean).sum();
        let mut levels: Vec<Level> = Vec::new();
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
            match levels.iter_mut().find(|level| level.seconds == seconds) {
                Some(level) => level.share += share,
                None => levels.push(Level { seconds, code, share }),
            }
        }
        levels.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Patience { levels }
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
        Patience { levels }
    }
}
