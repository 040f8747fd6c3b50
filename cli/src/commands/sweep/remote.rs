//! Journals in an object store: a pod of a sweep has no disk that outlives it.
//!
//! A shard fetches its journal when it begins, sends it every half minute and when it ends. `merge` fetches all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use sweep::journal::JOURNAL;
use tokio::runtime::Runtime;
use url::Url;

use crate::failure::Failure;
use crate::talk;

/// Between two copies of a journal: what a lost pod loses at most.
const PERIOD: Duration = Duration::from_secs(30);

/// A place in an object store.
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    url: String,
    runtime: Runtime,
}

impl Remote {
    /// The place of a URL: `s3://bucket/prefix`, or `file:///directory`. Credentials are the environment's.
    pub(super) fn open(url: &str) -> Result<Self, Failure> {
        let fail = |error: String| {
            Failure::new(format!("cannot use the object store {url:?}: {error}"))
                .hint("write s3://BUCKET/PREFIX; region and credentials come from AWS_… variables or the pod's role")
        };
        // Before the store makes its client. An error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let parsed = Url::parse(url).map_err(|error| fail(error.to_string()))?;
        let settings = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
        let (store, prefix) =
            object_store::parse_url_opts(&parsed, settings).map_err(|error| fail(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Remote {
            store: store.into(),
            prefix,
            url: url.to_owned(),
            runtime: runtime.map_err(|error| fail(error.to_string()))?,
        })
    }

    fn failed(&self, what: &str, error: &object_store::Error) -> Failure {
        Failure::new(format!("cannot {what} {}: {error}", self.url))
            .hint("the shard's journal is complete on this machine; --resume goes on from it")
    }

    fn key(&self, shard: usize) -> Key {
        self.prefix.clone().join(format!("shard-{shard}")).join(JOURNAL)
    }

    /// Fetches a shard's journal, if there is one and the directory has none.
    pub(super) fn fetch(&self, shard: usize, dir: &Path) -> Result<(), Failure> {
        let target = dir.join(JOURNAL);
        if target.exists() {
            return Ok(());
        }
        let found = self.runtime.block_on(async {
            match self.store.get(&self.key(shard)).await {
                Ok(found) => found.bytes().await.map(Some),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        match found.map_err(|error| self.failed("read", &error))? {
            Some(bytes) => fs::write(&target, bytes)
                .map_err(|error| Failure::new(format!("cannot write {}: {error}", target.display()))),
            None => Ok(()),
        }
    }

    /// Sends a shard's journal.
    fn send(&self, shard: usize, dir: &Path) -> Result<(), Failure> {
        let path = dir.join(JOURNAL);
        let bytes = fs::read(&path)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        self.runtime
            .block_on(self.store.put(&self.key(shard), bytes.into()))
            .map_err(|error| self.failed("write", &error))?;
        Ok(())
    }

    /// Fetches the journals of shards 0, 1, 2, … until there is none; their directories.
    pub(super) fn fetch_all(&self, into: &Path) -> Result<Vec<PathBuf>, Failure> {
        let mut dirs = Vec::new();
        loop {
            let dir = into.join(format!("shard-{}", dirs.len()));
            fs::create_dir_all(&dir)
                .map_err(|error| Failure::new(format!("cannot make {}: {error}", dir.display())))?;
            let _ = fs::remove_file(dir.join(JOURNAL));
            self.fetch(dirs.len(), &dir)?;
            if !dir.join(JOURNAL).exists() {
                let _ = fs::remove_dir(&dir);
                break;
            }
            dirs.push(dir);
        }
        if dirs.is_empty() {
            return Err(
                Failure::new(format!("{} has no shard", self.url)).hint("name the prefix that --store named")
            );
        }
        Ok(dirs)
    }

    /// Sends a shard's journal again and again until it is told to end.
    pub(super) fn mirror(self, shard: usize, dir: &Path) -> Mirror {
        let (end, ends) = channel();
        let dir = dir.to_owned();
        let work = move || {
            loop {
                match ends.recv_timeout(PERIOD) {
                    // The next copy may succeed, and the last one must.
                    Err(RecvTimeoutError::Timeout) if dir.join(JOURNAL).exists() => {
                        if let Err(failure) = self.send(shard, &dir) {
                            talk::say(&failure.to_string());
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) => return self.send(shard, &dir),
                    // The sweep could not begin: what is there stays.
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
            }
        };
        Mirror {
            end,
            thread: std::thread::spawn(work),
        }
    }
}

/// Copies of a journal on their way.
pub(super) struct Mirror {
    end: Sender<()>,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Mirror {
    /// Sends the last copy.
    pub(super) fn end(self) -> Result<(), Failure> {
        let _ = self.end.send(());
        self.thread
            .join()
            .unwrap_or_else(|_| Err(Failure::new("the copy to the object store panicked")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journals_go_there_and_come_back() {
        let root = std::env::temp_dir().join(format!("scaletwin-remote-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let (store, here) = (root.join("store"), root.join("here"));
        fs::create_dir_all(&store).expect("a directory can be made");
        fs::create_dir_all(&here).expect("a directory can be made");
        let url = format!("file://{}", store.display());
        let open = || Remote::open(&url).expect("opens");
        assert!(open().fetch_all(&here).is_err(), "nothing is there");
        open().fetch(0, &here).expect("nothing to fetch is no failure");
        for shard in 0..2 {
            fs::write(here.join(JOURNAL), format!("journal {shard}\n")).expect("writes");
            open().mirror(shard, &here).end().expect("sends");
        }
        let dirs = open().fetch_all(&root.join("back")).expect("fetches");
        let texts: Vec<String> = dirs
            .iter()
            .map(|dir| fs::read_to_string(dir.join(JOURNAL)).expect("reads"))
            .collect();
        assert_eq!(texts, ["journal 0\n", "journal 1\n"]);
        fs::remove_dir_all(&root).expect("removes");
    }

    #[test]
    fn no_url_and_no_store_are_told() {
        let told = |url: &str| {
            Remote::open(url)
                .err()
                .map(|failure| failure.to_string())
                .unwrap_or_default()
        };
        assert!(told("bucket/prefix").contains("cannot use the object store"));
        assert!(told("ftp://host/x").contains("s3://BUCKET/PREFIX"));
    }
}
