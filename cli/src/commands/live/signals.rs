//! Signals: the first asks for an orderly end, the second for an end at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::talk;

/// A stop that holds a signal's name once there was one. `hint` is said when somebody does not want to wait.
pub(super) fn stop(hint: String) -> Result<watch::Receiver<Option<String>>, Failure> {
    let fail = |error| Failure::new(format!("cannot listen to signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(fail)?;
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let mut first = true;
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
                _ = hangup.recv() => "SIGHUP",
            };
            if first {
                first = false;
                sender.send_replace(Some(name.to_owned()));
                continue;
            }
            talk::say(&format!("{name} again: ending at once. {hint}"));
            std::process::exit(2);
        }
    });
    Ok(receiver)
}
