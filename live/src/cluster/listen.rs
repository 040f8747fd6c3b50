//! Hearing a cluster: every watch and every question at once, into one recorder.

use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;

use super::error::Result;
use super::kinds::{Served, Watched};
#[cfg(feature = "ec2")]
use super::poll::Silence;
use super::poll::{fetch_all, poll_prometheus, poll_triggers};
use super::prometheus::{Place, Prometheus};
use super::pulse::{Pulse, beat};
use super::recorder::Recorder;
use super::watch::watch;
#[cfg(feature = "ec2")]
use crate::ec2::Heard;
use crate::recording::{Action, End, Entry};

/// What is heard.
#[derive(Debug, Clone)]
pub struct Hear {
    /// Where measurements come from.
    pub prometheus: Option<Place>,
    /// Queries that are asked there: the name of a column, and PromQL.
    pub queries: Vec<(String, String)>,
    /// Between two questions.
    pub period: Duration,
    /// EC2, and the tag of the cluster's machines there.
    #[cfg(feature = "ec2")]
    pub machines: Option<(aws_sdk_ec2::Client, crate::ec2::Tag)>,
}

/// Someone who hears a cluster until dropped.
pub struct Listener {
    recorder: Recorder,
    hear: Hear,
    prometheus: Option<Prometheus>,
    /// Ended when dropped.
    _tasks: JoinSet<()>,
}

impl Listener {
    /// Begins to hear.
    ///
    /// # Errors
    ///
    /// When the URL of the Prometheus cannot be used.
    pub fn start(client: &Client, served: &Served, recorder: &Recorder, hear: Hear) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let pulse = Pulse::beating(recorder);
        tasks.spawn(beat(client.clone(), recorder.clone(), pulse.clone()));
        for watched in Watched::ALL {
            if let Some(kind) = served.find(watched.group, watched.kind) {
                tasks.spawn(watch(
                    client.clone(),
                    kind.clone(),
                    recorder.clone(),
                    pulse.clone(),
                ));
            }
        }
        let prometheus = match &hear.prometheus {
            Some(place) => Some(Prometheus::new(place, client)?),
            None => None,
        };
        if let Some(prometheus) = &prometheus {
            let queries = hear.queries.clone();
            tasks.spawn(poll_prometheus(
                prometheus.clone(),
                queries,
                hear.period,
                recorder.clone(),
            ));
        }
        if served.find("keda.sh", "ScaledObject").is_some() {
            tasks.spawn(poll_triggers(client.clone(), hear.period, recorder.clone()));
        }
        #[cfg(feature = "ec2")]
        if let Some((ec2, tag)) = &hear.machines {
            let hear_machines = ec2_into(recorder);
            tasks.spawn(crate::ec2::record_machines(
                ec2.clone(),
                tag.clone(),
                hear.period,
                hear_machines,
            ));
        }
        Ok(Listener {
            recorder: recorder.clone(),
            hear,
            prometheus,
            _tasks: tasks,
        })
    }

    /// Ends hearing: fetches from Prometheus what could not be asked for in between, and closes the recording.
    pub async fn end(self, reason: &str) {
        if let Some(prometheus) = &self.prometheus {
            fetch_all(prometheus, &self.hear.queries, self.hear.period, &self.recorder).await;
        }
        self.recorder.hear(Entry::End(End {
            reason: reason.to_owned(),
        }));
        self.recorder.sync();
    }
}

/// Writes down what EC2 says. Prices have a gap of their own: a role may see machines and no prices.
#[cfg(feature = "ec2")]
fn ec2_into(recorder: &Recorder) -> impl FnMut(Heard) + use<> {
    let recorder = recorder.clone();
    let mut machines = Silence::new("ec2", recorder.clone());
    let mut prices = Silence::new("ec2/prices", recorder.clone());
    move |heard| {
        let (silence, said) = match heard {
            Heard::Machines(said) => (&mut machines, said.map(Entry::Instances)),
            Heard::Prices(said) => (&mut prices, said.map(Entry::Prices)),
        };
        match said {
            Ok(entry) => {
                silence.step(None);
                // Prices that are the same as before are no news.
                if !matches!(&entry, Entry::Prices(new) if new.prices.is_empty()) {
                    recorder.hear(entry);
                }
            }
            Err(error) => silence.step(Some(&error.to_string())),
        }
    }
}

/// An entry for something that was done to the cluster.
pub(super) fn done(verb: &str, object: &str, label: &str, error: Option<String>) -> Entry {
    Entry::Action(Action {
        verb: verb.to_owned(),
        object: object.to_owned(),
        label: label.to_owned(),
        error,
    })
}

#[cfg(all(test, feature = "ec2"))]
mod tests {
    use super::super::state::State;
    use super::super::testing::header;
    use super::*;
    use crate::ec2::Error;
    use crate::recording::{Instances, Prices, Recording};

    #[test]
    fn prices_that_are_refused_are_one_gap_and_machines_have_none() {
        let dir = std::env::temp_dir().join(format!("scaletwin-listen-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let recorder = Recorder::begin(&dir, header(), State::default()).unwrap();
        let mut hear = ec2_into(&recorder);
        for _ in 0..3 {
            hear(Heard::Machines(Ok(Instances {
                instances: Vec::new(),
            })));
            hear(Heard::Prices(Err(Error::new("DescribeSpotPriceHistory", "no"))));
        }
        let silent = recorder.with_state(|state| state.silent().keys().cloned().collect::<Vec<_>>());
        assert_eq!(silent, ["ec2/prices"]);
        hear(Heard::Prices(Ok(Prices { prices: Vec::new() })));
        recorder.sync();
        let read = Recording::read(&dir).unwrap();
        let gaps = read.gaps();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert_eq!(gaps[0].source, "ec2/prices");
        assert!(gaps[0].to.is_some(), "it is heard again");
        assert_eq!(gaps[0].reason, "EC2 DescribeSpotPriceHistory: no");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
