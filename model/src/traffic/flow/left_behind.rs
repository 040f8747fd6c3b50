//! Requests of clients that gave up lie before the pods, which work on them all the same: when fewer clients come, or more
//! pods, those behind them wait until that is done.

use std::time::Duration;

use super::{Flow, Present, tails};
use crate::traffic::traefik::{self, Code};

/// What a probe and a closed form say is told apart if it differs so many times.
const TELLS: f64 = 1.05;

/// Work for nobody.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LeftBehind {
    requests: f64,
    /// The pods before which it lies, how many requests a second they work off, and what they use meanwhile, vCPU.
    pods: f64,
    pace: f64,
    cpu: f64,
}

impl LeftBehind {
    /// So many more a second come to them for some seconds.
    pub(super) fn pass(&mut self, coming: f64, seconds: f64) {
        self.requests = (self.requests + (coming - self.pace) * seconds).max(0.0);
    }

    /// This share of the pods is there still, with what lies before them.
    fn stays(&mut self, share: f64) {
        let all = [&mut self.requests, &mut self.pods, &mut self.pace, &mut self.cpu];
        all.into_iter().for_each(|part| *part *= share);
    }
}

impl Flow {
    /// What clients' requests are that time out: the code, and after how many seconds; `None` if they wait for ever.
    pub(super) fn giving_up(&self) -> Option<(Code, f64)> {
        let first = tails::first_to_give_up(&self.config)?;
        let own = self.config.clients.as_ref().and_then(|clients| clients.timeout);
        let code = if own == Some(first) {
            traefik::CLIENT_CLOSED
        } else {
            traefik::GATEWAY_TIMEOUT
        };
        Some((code, first.as_secs_f64()))
    }

    /// Whoever comes to pods that cannot answer in time adds to what lies before them.
    pub(super) fn collapses(&mut self, present: &mut Present, server_cpu: f64) {
        let pace = self.plant.congested_most();
        let coming = present.served + present.failed;
        self.left_behind = LeftBehind {
            pods: self.plant.servers,
            pace,
            cpu: server_cpu,
            ..self.left_behind
        };
        present.stuck = if coming > TELLS * pace { coming } else { pace };
    }

    /// As long as more lies before pods than they work off while somebody waits, who comes to them is not answered.
    pub(super) fn waits_behind(&mut self, present: &mut Present, active: f64) {
        let servers = self.plant.servers;
        if self.left_behind.requests == 0.0 || servers == 0.0 || active == 0.0 {
            return;
        }
        self.left_behind.stays((servers / self.left_behind.pods).min(1.0));
        let LeftBehind {
            requests,
            pods,
            pace,
            cpu,
        } = self.left_behind;
        let Some((code, timeout)) = self.giving_up() else {
            return;
        };
        if requests <= timeout * pace {
            return;
        }
        let late = pods / servers;
        let response = present.solution.response.min(timeout);
        let away = active / present.solution.rate.max(1e-9) - present.solution.response;
        let rate = active / (away.max(0.0) + late * timeout + (1.0 - late) * response).max(1e-9);
        let made = rate / present.solution.rate.max(1e-9);
        present
            .solution
            .client_rates
            .iter_mut()
            .for_each(|rate| *rate *= made);
        (present.served, present.failed) = (rate * (1.0 - late), rate * late);
        (present.failure, present.at_server) = (code, true);
        present.stuck = present.failed;
        present.under_way = Some((present.served * response + present.failed * timeout).min(active));
        present.server_cpu = Some(cpu + present.served * self.service_cpu(&present.solution));
        let less = pace - present.stuck;
        if less > 0.0 {
            let seconds = (requests - timeout * pace) / less;
            let clear = self.now + Duration::from_secs_f64(seconds.clamp(1e-3, 1e6));
            self.probe_at = self.probe_at.min(clear);
        }
    }
}
