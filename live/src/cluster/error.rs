//! Why something about a cluster did not work, as a person reads it.

use std::error::Error as _;
use std::time::Duration;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig is missing, broken, or has no such context.
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(String),
    /// A request was refused, or not answered.
    #[error("cannot {what}: {why}")]
    Request {
        /// What was asked for, as the rest of "cannot …".
        what: String,
        /// The answer, or what became of the connection.
        why: String,
    },
    /// A file of the run could not be written or read.
    #[error("cannot {what}: {source}")]
    File {
        /// What was to be done, as the rest of "cannot …".
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Something that was said or found makes no sense.
    #[error("{0}")]
    Input(String),
}

/// An answer, or why there is none.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A request that failed.
    #[must_use]
    pub fn request(what: impl Into<String>, error: &kube::Error) -> Self {
        Error::Request {
            what: what.into(),
            why: explain(error),
        }
    }

    /// A file that could not be used.
    #[must_use]
    pub fn file(what: impl Into<String>, source: std::io::Error) -> Self {
        Error::File {
            what: what.into(),
            source,
        }
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer in {} s", patience.as_secs())),
    }
}

/// What an API server or a connection said, on one line: the message that matters is often the innermost.
#[must_use]
pub fn explain(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        let said = match status.message.trim() {
            "" => "no message",
            message => message,
        };
        return format!("the API server answered {}: {said}", status.code);
    }
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        // Wrappers repeat what they wrap: the last to say something new is the one that knows.
        if !causes.iter().any(|said| said.contains(&text)) {
            causes.push(text);
        }
        cause = inner.source();
    }
    let text = causes.join(": ");
    text.replace("ServiceError: ", "")
        .replace("client error (Connect): ", "")
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_words_are_kept() {
        let status = kube::core::Status::failure("pods is forbidden", "Forbidden").with_code(403);
        let error = Error::request("list pods", &kube::Error::Api(status.boxed()));
        assert_eq!(
            error.to_string(),
            "cannot list pods: the API server answered 403: pods is forbidden"
        );
    }

    #[test]
    fn a_connections_innermost_cause_is_told_once() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
        let error = kube::Error::Service(Box::new(refused));
        assert_eq!(explain(&error), "connection refused");
    }
}
