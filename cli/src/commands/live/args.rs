//! What can be typed after `scaletwin live`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::Format;

/// Arguments of `live`.
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    #[command(subcommand)]
    pub(crate) command: LiveCommand,
}

/// What can be done with a real cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum LiveCommand {
    /// Look at a cluster: can the scenario run there, and what differs? Nothing is changed
    Preflight(PreflightArgs),
}

/// Which cluster, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArgs {
    /// The kubeconfig file [default: KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Its context [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Where measurements come from: a URL, or NAMESPACE/SERVICE:PORT, asked through the API server [default:
    /// as live.toml or the scenario's ScaledObject says]
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Option<String>,
}

/// Arguments of `live preflight`.
#[derive(Debug, Args)]
pub(crate) struct PreflightArgs {
    /// The scenario's directory; without it only the cluster is looked at
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Reads `90s`, `45m`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    model::document::duration(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("expected a duration such as 90s, 45m or 1h30m, found {text:?}"))
}
