//! How long lines remember, and where bursts make them.

use super::{MOST_FULL, Plant};
use crate::traffic::config::Config;

/// Bursts use up a quota that is used to this share on average.
const THROTTLES: f64 = 0.4;

impl Plant {
    /// How long a pod's line remembers what came, seconds: the relaxation time of a Brownian motion with the drift and
    /// the variance of its work, `2 σ² / drift²`. Round robin over n pods makes arrivals n times as even; before a proxy
    /// with a limit they are as they come, and what it has in line makes its quota worth less.
    pub(in crate::traffic) fn memory(&self, config: &Config, arrivals: f64) -> f64 {
        let memory = |pods: f64, most: f64, scatter: f64| {
            let slack = (1.0 - arrivals / most).max(1.0 - MOST_FULL);
            2.0 * pods / most * scatter / (slack * slack)
        };
        let scatter = 1.0 / self.servers + config.service.cpu_per_request.scatter();
        let of_server = memory(self.servers, self.open_most(), scatter);
        let of_proxy = memory(self.proxies, self.proxies_quota_most(), 1.0);
        of_server.max(of_proxy)
    }

    /// Requests a second that the proxies pass on within their quotas at most while some wait; endless without.
    fn proxies_quota_most(&self) -> f64 {
        let with_proxy = self.groups.iter().filter(|group| group.proxies > 0.0);
        let most = with_proxy.map(|group| self.proxy_quota_most(group, true) * self.proxies);
        most.fold(f64::INFINITY, f64::min)
    }

    /// Whether bursts of so many requests a second may use up a proxy's quota.
    pub(in crate::traffic) fn throttles(&self, arrivals: f64) -> bool {
        arrivals > THROTTLES * self.proxies_quota_most()
    }
}
