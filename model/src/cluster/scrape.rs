//! What answers Prometheus' scrapes.

use sim::Instant;

use super::Cluster;
use crate::api::Owner;
use crate::hpa::Hpa;
use crate::id::{HpaId, NodeId, PodId};
use crate::prometheus::exporters::{self, HpaState, PodUsage};
use crate::prometheus::{self, Failure, Labels, Sample, Source};
use crate::traffic;

impl Cluster<'_> {
    pub(super) fn perform_prometheus(&mut self, now: Instant, output: prometheus::Output) {
        let prometheus::Output::Scrape(target, source) = output;
        let answer = self.expose(now, source);
        self.hear_prometheus(now, prometheus::Input::Scraped(target, answer));
    }
}
