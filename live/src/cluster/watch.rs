//! Watches: what the API server says of each kind, for as long as a recording lasts.
//!
//! Each kind has a [`kube::runtime::watcher`]: it lists, watches from there on, resumes after a connection
//! ended, and lists anew when the server has forgotten where it was (410). What that means for a recording:
//!
//! - After a resumed watch nothing is missing, but what happened in between was heard late: the stretch is a
//!   gap of `api/KIND`.
//! - After a new list, whatever came and went in between was never heard. Objects that are not there any more
//!   are written as deleted when the list says so, and the stretch is a gap too.
//!
//! A watch that fails without a word shows by the [pulse](super::pulse).

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt as _, utils::Backoff};
use serde_json::{Value, json};
use sim::SortedMap;

use super::client::WATCH_TIMEOUT;
use super::error::explain;
use super::kinds::ServedKind;
use super::pulse::Pulse;
use super::recorder::Recorder;
use crate::recording::Change;

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// The longest pause before a watch is tried again. A gap is over when nothing failed for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so long without a failure a watch runs again.
const CALM: Duration = Duration::from_secs(8);

/// Watches a kind and writes down all of it. Ends only by being dropped.
pub(super) async fn watch(client: Client, kind: ServedKind, recorder: Recorder, pulse: Pulse) {
    let seconds = u32::try_from(WATCH_TIMEOUT.as_secs()).unwrap_or(u32::MAX);
    let config = watcher::Config::default().timeout(seconds).page_size(PAGE);
    let events = watcher(kind.api(&client, ""), config).backoff(Pause::default());
    let mut events = pin!(events);
    let mut hearing = Hearing::new(&kind, recorder, pulse);
    loop {
        let next = tokio::time::timeout(CALM, events.next()).await;
        match next {
            Ok(Some(Ok(event))) => hearing.event(event),
            Ok(Some(Err(error))) => hearing.failed(&explain_watch(&error)),
            Ok(None) => return,
            Err(_) => hearing.calm(),
        }
    }
}

/// Pauses between tries: from half a second to [`LONGEST_PAUSE`], doubling. No jitter: one recorder is no herd.
#[derive(Debug, Clone, Default)]
struct Pause {
    tries: u32,
}

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(500) * 2u32.saturating_pow(self.tries);
        self.tries = self.tries.saturating_add(1).min(10);
        Some(pause.min(LONGEST_PAUSE))
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {
        self.tries = 0;
    }
}

fn explain_watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => explain(error),
        watcher::Error::WatchError(status) => {
            format!("the API server answered {}: {}", status.code, status.message)
        }
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// What one watch has heard.
struct Hearing {
    kind: String,
    source: String,
    api_version: String,
    recorder: Recorder,
    pulse: Pulse,
    /// Objects that are there: by UID, as they were last heard.
    known: SortedMap<String, Value>,
    /// Those of a list that is under way.
    listed: Option<SortedMap<String, Value>>,
    /// When anything was heard last.
    heard: f64,
    /// An open gap: since when, and why.
    gap: Option<(f64, String)>,
}

impl Hearing {
    fn new(kind: &ServedKind, recorder: Recorder, pulse: Pulse) -> Self {
        Hearing {
            kind: kind.resource.kind.clone(),
            source: format!("api/{}", kind.resource.kind),
            api_version: kind.resource.api_version.clone(),
            heard: recorder.now(),
            recorder,
            pulse,
            known: SortedMap::new(),
            listed: None,
            gap: None,
        }
    }

    fn event(&mut self, event: Event<DynamicObject>) {
        match event {
            Event::Init => {
                self.listed = Some(SortedMap::new());
                // Nothing was answered yet.
                return;
            }
            Event::InitApply(object) => {
                let (uid, value) = self.value(&object);
                if let Some(listed) = &mut self.listed {
                    listed.insert(uid, value);
                }
                return;
            }
            Event::InitDone => self.list_done(),
            Event::Apply(object) => {
                let (uid, value) = self.value(&object);
                let change = match self.known.contains_key(&uid) {
                    true => Change::Modified,
                    false => Change::Added,
                };
                self.recorder.hear_object(change, &self.kind, &value);
                self.known.insert(uid, value);
            }
            Event::Delete(object) => {
                let (uid, value) = self.value(&object);
                self.known.remove(&uid);
                self.recorder.hear_object(Change::Deleted, &self.kind, &value);
            }
        }
        self.close_gap();
        self.heard = self.recorder.now();
    }

    /// A list is complete: what is not in it is gone.
    fn list_done(&mut self) {
        let listed = self.listed.take().unwrap_or_default();
        for (uid, value) in &self.known {
            if !listed.contains_key(uid) {
                self.recorder.hear_object(Change::Deleted, &self.kind, value);
            }
        }
        for (uid, value) in &listed {
            // After a new list, what did not change was told already.
            if self.known.get(uid) != Some(value) {
                self.recorder.hear_object(Change::Listed, &self.kind, value);
            }
        }
        self.known = listed;
    }

    fn failed(&mut self, reason: &str) {
        self.listed = None;
        if self.gap.is_some() {
            return;
        }
        // Heard last: an event, or the API server itself.
        let from = self.heard.max(self.pulse.last_ok()).min(self.recorder.now());
        self.recorder.hear_gap(&self.source, from, false, reason);
        self.gap = Some((from, reason.to_owned()));
    }

    /// Nothing came, and nothing failed, for longer than any pause: the watch runs, if the server lives.
    fn calm(&mut self) {
        if self.pulse.is_beating() && self.listed.is_none() {
            self.close_gap();
        }
    }

    fn close_gap(&mut self) {
        if let Some((from, reason)) = self.gap.take() {
            self.recorder.hear_gap(&self.source, from, true, &reason);
        }
    }

    /// The UID, and the object as JSON with the type that lists leave out.
    fn value(&self, object: &DynamicObject) -> (String, Value) {
        let mut value = serde_json::to_value(object).unwrap_or_else(|_| json!({}));
        value["apiVersion"] = Value::from(self.api_version.as_str());
        value["kind"] = Value::from(self.kind.as_str());
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        (object.metadata.uid.clone().unwrap_or_default(), value)
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ApiResource;

    use super::*;
    use crate::cluster::state::State;
    use crate::cluster::testing::header;
    use crate::recording::{Entry, Recording};

    fn pods() -> ServedKind {
        ServedKind {
            resource: ApiResource {
                group: String::new(),
                version: "v1".to_owned(),
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                plural: "pods".to_owned(),
            },
            namespaced: true,
            verbs: Vec::new(),
            subresources: Vec::new(),
        }
    }

    fn pod(name: &str, phase: &str) -> DynamicObject {
        let body = json!({ "metadata": { "name": name, "namespace": "web", "uid": name },
                           "status": { "phase": phase } });
        serde_json::from_value(body).unwrap()
    }

    /// What a recording says after a series of events.
    fn check(name: &str, hear: impl FnOnce(&mut Hearing)) -> Vec<String> {
        let dir = std::env::temp_dir().join(format!("scaletwin-watch-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let recorder = Recorder::begin(&dir, header(), State::default()).unwrap();
        let mut hearing = Hearing::new(&pods(), recorder.clone(), Pulse::beating(&recorder));
        hear(&mut hearing);
        recorder.sync();
        let read = Recording::read(&dir).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
        let told = |entry: &Entry| match entry {
            Entry::Object(object) => Some(format!("{:?} {}", object.change, object.name)),
            Entry::Gap(gap) => {
                let open = if gap.to.is_some() { "closed" } else { "open" };
                Some(format!("gap {} {open}: {}", gap.source, gap.reason))
            }
            _ => None,
        };
        read.lines.iter().filter_map(|line| told(&line.entry)).collect()
    }

    #[test]
    fn a_list_and_its_changes() {
        let told = check("changes", |hearing| {
            hearing.event(Event::Init);
            hearing.event(Event::InitApply(pod("a", "Running")));
            hearing.event(Event::InitDone);
            hearing.event(Event::Apply(pod("b", "Pending")));
            hearing.event(Event::Apply(pod("b", "Running")));
            hearing.event(Event::Delete(pod("a", "Running")));
        });
        assert_eq!(told, ["Listed a", "Added b", "Modified b", "Deleted a"]);
    }

    #[test]
    fn a_new_list_closes_the_gap_and_tells_who_is_gone() {
        let told = check("relist", |hearing| {
            hearing.event(Event::Init);
            hearing.event(Event::InitApply(pod("a", "Running")));
            hearing.event(Event::InitApply(pod("b", "Running")));
            hearing.event(Event::InitDone);
            hearing.failed("the API server answered 410: too old");
            hearing.event(Event::Init);
            hearing.failed("connection refused");
            hearing.event(Event::Init);
            hearing.event(Event::InitApply(pod("b", "Running")));
            hearing.event(Event::InitApply(pod("c", "Pending")));
            hearing.event(Event::InitDone);
        });
        assert_eq!(
            told,
            [
                "Listed a",
                "Listed b",
                "gap api/Pod open: the API server answered 410: too old",
                "Deleted a",
                "Listed c",
                "gap api/Pod closed: the API server answered 410: too old",
            ]
        );
    }

    #[test]
    fn a_resumed_watch_closes_its_gap_when_it_is_calm() {
        let told = check("calm", |hearing| {
            hearing.event(Event::Init);
            hearing.event(Event::InitDone);
            hearing.failed("connection reset");
            hearing.failed("connection refused");
            hearing.calm();
            hearing.calm();
        });
        assert_eq!(
            told,
            [
                "gap api/Pod open: connection reset",
                "gap api/Pod closed: connection reset"
            ]
        );
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut pause = Pause::default();
        let tried: Vec<u128> = pause.by_ref().take(6).map(|pause| pause.as_millis()).collect();
        assert_eq!(tried, [500, 1000, 2000, 4000, 5000, 5000]);
        pause.reset();
        assert_eq!(pause.next(), Some(Duration::from_millis(500)));
    }
}
