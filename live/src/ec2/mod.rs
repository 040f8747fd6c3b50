//! What EC2 says: the cluster's machines, spot prices, and the catalog. Feature `ec2`.
//!
//! Only `Describe…` calls; `live/README.md` has the policy. Credentials and region come as the AWS CLI takes
//! them: environment, profile, single sign-on, instance role. `AWS_ENDPOINT_URL_EC2` leads to another endpoint,
//! such as a local stand-in.

mod catalog;
mod machines;

use std::error::Error as _;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::SharedHttpClient;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

pub use aws_sdk_ec2::Client;
pub use catalog::read_catalog;
pub use machines::{Heard, Tag, record_machines};

/// How long one answer may take, retries not counted.
const PATIENCE: Duration = Duration::from_secs(20);

/// EC2 did not answer as hoped.
#[derive(Debug, thiserror::Error)]
#[error("EC2 {call}: {why}")]
pub struct Error {
    /// `DescribeInstances`
    call: &'static str,
    /// What it said, or what became of the connection.
    why: String,
}

#[cfg(test)]
impl Error {
    pub(crate) fn new(call: &'static str, why: &str) -> Self {
        let why = why.to_owned();
        Error { call, why }
    }
}

/// A client for a region, or for that of the environment. No request is sent to EC2.
pub async fn connect(region: Option<&str>) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(PATIENCE)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(4));
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    Client::new(&loader.load().await)
}

/// Connections by the cryptography that kube has already.
fn http() -> SharedHttpClient {
    Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// What a call said, the innermost cause last.
fn error<E, R>(call: &'static str, error: &SdkError<E, R>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let service = error.as_service_error();
    let why = match service.and_then(|error| Some((error.code()?, error.message().unwrap_or("")))) {
        Some((code, message)) => format!("{code}: {message}"),
        None => {
            let mut causes = vec![error.to_string()];
            let mut cause = error.source();
            while let Some(inner) = cause {
                causes.push(inner.to_string());
                cause = inner.source();
            }
            causes.join(": ")
        }
    };
    Error { call, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks whoever listens at `AWS_ENDPOINT_URL_EC2` for everything, such as the stack's moto
    /// (`tests/stack/README.md`); with no such endpoint there is nobody to ask.
    #[tokio::test]
    async fn a_stand_in_answers_all_calls() {
        if std::env::var_os("AWS_ENDPOINT_URL_EC2").is_none() {
            eprintln!("skipped: AWS_ENDPOINT_URL_EC2 names no stand-in for EC2");
            return;
        }
        let client = connect(Some("us-west-2")).await;
        let mut asked = Vec::new();
        let said = read_catalog(&client, "us-west-2", "2026-11-26", &mut |what| {
            asked.push(what.to_owned())
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(said.zones.get("us-west-2a").map(String::as_str), Some("usw2-az2"));
        let large = &said.types["m5.large"];
        assert_eq!((&*large["vcpus"], &*large["memory_mib"]), ("2", "8192"));
        assert!(said.offered["m5.large"].contains("us-west-2a"), "{asked:?}");

        let tag: Tag = "kubernetes.io/cluster/nobody=owned".parse().expect("a tag");
        let mut heard = None;
        let hear = |answer| heard = Some(answer);
        let listen = record_machines(client, tag, Duration::from_millis(50), hear);
        let _ = tokio::time::timeout(Duration::from_secs(2), listen).await;
        assert!(matches!(heard, Some(Heard::Machines(Ok(_)))), "{heard:?}");
    }
}
