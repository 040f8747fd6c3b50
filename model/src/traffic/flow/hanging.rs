//! Requests to pods that have gone: they hang, and end together.

use std::time::Duration;

use super::{Flow, LUMPS, Lump};
use crate::traffic::traefik;

impl Flow {
    /// Clients whose requests go to pods that have gone wait for nobody's answer.
    pub(super) fn hang_clients(&mut self, seconds: f64) {
        let active = self.active();
        if active <= 0.0 {
            return;
        }
        let hits = self.present.sends * self.present.vanished * seconds;
        let hung = active * (1.0 - libm::exp(-hits / active));
        self.stats.sent += hung;
        self.hang(hung, true);
        self.stale_rates = true;
    }

    pub(super) fn hang(&mut self, requests: f64, closed: bool) {
        let limit = self.config.traefik.dial_timeout;
        for time in self.hang_times {
            let time = Duration::from_secs_f64(time);
            let code = if time >= limit {
                traefik::GATEWAY_TIMEOUT
            } else {
                traefik::BAD_GATEWAY
            };
            // Whole seconds: what hangs from one step to the next ends together.
            let end = (self.now + time.min(limit)).round_up_to(Duration::from_secs(1));
            let known = |lump: &&mut Lump| lump.end == end && lump.closed == closed && lump.code == code;
            match self.hanging.iter_mut().find(known) {
                Some(lump) => lump.requests += requests / LUMPS as f64,
                None => {
                    let requests = requests / LUMPS as f64;
                    self.hanging.push(Lump {
                        end,
                        code,
                        requests,
                        closed,
                        sent: self.now,
                    });
                }
            }
        }
    }

    pub(super) fn end_hanging(&mut self) {
        let now = self.now;
        if self.hanging.iter().all(|lump| lump.end > now) {
            return;
        }
        let (over, still) = self.hanging.iter().partition(|lump| lump.end <= now);
        self.hanging = still;
        let over: Vec<Lump> = over;
        for lump in over {
            self.failed(lump.requests, lump.code, true, now.since(lump.sent).as_secs_f64());
        }
        self.stale_rates = true;
    }
}
