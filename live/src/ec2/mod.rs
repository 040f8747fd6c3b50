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
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

pub use aws_sdk_ec2::Client;
pub use catalog::read_catalog;
pub use machines::{Tag, record_machines};

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

/// A client for a region, or for that of the environment. No request is sent to EC2.
pub async fn connect(region: Option<&str>) -> Client {
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(PATIENCE)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(4));
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    Client::new(&loader.load().await)
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
