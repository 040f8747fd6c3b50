//! Where everything that is heard goes: a recording, and what there is now.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::error::{Error, Result};
use super::state::State;
use crate::recording::{self, Change, Durability, Entry, Gap, Header, Object, Writer};

/// What a loss of power may cost.
const DURABILITY: Durability = Durability::Within(Duration::from_secs(2));

/// Handed to everyone who hears something. Clones are the same recorder.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    /// `t` = 0, by the steady clock.
    zero: Instant,
    /// `t` = 0, by the wall clock.
    epoch: Timestamp,
}

struct Inner {
    writer: Writer,
    state: State,
    /// Why writing failed first; nothing is written after that.
    failed: Option<String>,
}

impl Recorder {
    /// Begins a recording; this moment is its second zero, and `header.epoch` is set to it.
    ///
    /// # Errors
    ///
    /// When there is a recording in the directory, or it cannot be written.
    pub fn begin(dir: &Path, mut header: Header, state: State) -> Result<Self> {
        Recorder::begin_at(dir, &mut header, state, Timestamp::now())
    }

    fn begin_at(dir: &Path, header: &mut Header, state: State, epoch: Timestamp) -> Result<Self> {
        header.epoch = epoch.to_string();
        let zero = Instant::now();
        let writer = Writer::create(dir, header.clone(), DURABILITY).map_err(|error| input(&error))?;
        let inner = Inner {
            writer,
            state,
            failed: None,
        };
        Ok(Recorder {
            inner: Arc::new(Mutex::new(inner)),
            zero,
            epoch,
        })
    }

    /// Seconds since second zero.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.zero.elapsed().as_secs_f64()
    }

    /// The recording's time of a wall-clock time, Unix seconds.
    #[must_use]
    pub fn at(&self, unix: f64) -> f64 {
        unix - self.epoch.as_millisecond() as f64 / 1000.0
    }

    /// The wall-clock time, in Unix seconds, of a time of the recording.
    #[must_use]
    pub fn unix(&self, t: f64) -> f64 {
        self.epoch.as_millisecond() as f64 / 1000.0 + t
    }

    /// Writes down what was heard just now. A disk that is full ends the run, by way of [`failure`](Self::failure).
    pub fn hear(&self, entry: Entry) {
        let t = self.now();
        let mut inner = self.lock();
        inner.state.hear(t, &entry);
        if inner.failed.is_none()
            && let Err(error) = inner.writer.write(t, entry)
        {
            inner.failed = Some(error.to_string());
        }
    }

    /// Writes down a change of an object.
    pub fn hear_object(&self, change: Change, kind: &str, object: &Value) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
        self.hear(Entry::Object(Object {
            change,
            kind: kind.to_owned(),
            namespace: text("namespace"),
            name: text("name"),
            uid: text("uid"),
            object: object.clone(),
        }));
    }

    /// Writes down that a source was not heard since `from`, until now if it is heard again.
    pub fn hear_gap(&self, source: &str, from: f64, closed: bool, reason: &str) {
        let to = closed.then(|| self.now());
        self.hear(Entry::Gap(Gap {
            source: source.to_owned(),
            from,
            to,
            reason: reason.to_owned(),
        }));
    }

    /// Looks at what there is now.
    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock().state)
    }

    /// Why nothing can be written any more, if so.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().failed.clone()
    }

    /// Hands everything to the disk.
    pub fn sync(&self) {
        let mut inner = self.lock();
        if let Err(error) = inner.writer.sync() {
            inner.failed.get_or_insert(error.to_string());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is in there is whole between any two calls.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn input(error: &recording::Error) -> Error {
    Error::Input(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::header;
    use super::*;
    use crate::recording::Recording;

    #[test]
    fn what_is_heard_is_written_with_its_time() {
        let dir = std::env::temp_dir().join(format!("scaletwin-recorder-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let mut header = header();
        // A recorder whose clock is three seconds behind still measures by its own.
        let epoch = Timestamp::from_second(1_700_000_000).unwrap();
        let recorder = Recorder::begin_at(&dir, &mut header, State::default(), epoch).unwrap();
        recorder.hear_object(
            Change::Added,
            "Pod",
            &json!({ "metadata": { "name": "a", "namespace": "n", "uid": "u" }, "spec": {} }),
        );
        recorder.hear_gap("api", 0.0, false, "refused");
        assert!((recorder.at(1_700_000_010.5) - 10.5).abs() < 1e-6);
        assert!((recorder.unix(10.5) - 1_700_000_010.5).abs() < 1e-6);
        recorder.sync();
        assert_eq!(recorder.failure(), None);
        let read = Recording::read(&dir).unwrap();
        assert_eq!(read.header.epoch, "2023-11-14T22:13:20Z");
        let again = Recorder::begin(&dir, header, State::default());
        assert!(again.is_err_and(|error| error.to_string().contains("never overwritten")));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
