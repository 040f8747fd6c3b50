//! What can be typed after `scaletwin live`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::{Fidelity, Format};

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
    /// Run a scenario on a cluster: make its objects, do its actions, record everything, clean up
    Run(RunArgs),
    /// Record a cluster that is busy already, without touching anything
    Record(RecordArgs),
    /// Write a scenario from what runs in a cluster, without touching anything
    Import(ImportArgs),
    /// Take away what a run left, after it was killed
    Clean(CleanArgs),
    /// Write what a cluster of made-up nodes needs to stand in for EKS: for KWOK, Karpenter and Prometheus
    Kwok(KwokArgs),
    /// Play kubelets and traffic for a cluster of made-up nodes, and expose Traefik's counters
    Traffic(TrafficArgs),
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
}

/// Arguments of `live preflight`.
#[derive(Debug, Args)]
pub(crate) struct PreflightArgs {
    /// The scenario's directory; without it only the cluster is looked at
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where measurements come from: a URL, or NAMESPACE/SERVICE:PORT, asked through the API server [default:
    /// as live.toml or the scenario's ScaledObject says]
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Option<String>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

const RUN_HELP: &str = "\
A file live.toml beside scenario.toml says what is different on the cluster: what is there already
(`present`), what is neither there nor needed (`omit`), what is made besides (`also`), and what is changed
before it is sent (`[[patch]]`).

Nothing is done before the plan was shown and confirmed. Only objects that the run made are changed or
deleted; they carry the label scaletwin.dev/run. Whatever ends the run, they are taken away; after a kill
that cannot be caught, `scaletwin live clean RUN` does it.";

/// Arguments of `live run`.
#[derive(Debug, Args)]
#[command(after_long_help = RUN_HELP)]
pub(crate) struct RunArgs {
    /// The scenario's directory: scenario.toml, manifests/ (YAML or JSON) and, if the cluster differs, live.toml
    pub(crate) dir: PathBuf,
    /// The kubeconfig's context; it must be named, since what is made may cost money
    #[arg(long, value_name = "NAME")]
    pub(crate) context: String,
    /// The kubeconfig file [default: KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Where measurements come from: a URL, or NAMESPACE/SERVICE:PORT, asked through the API server [default:
    /// as live.toml or the scenario's ScaledObject says]
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Option<String>,
    /// Where recording, journal and plan go [default: out/live/RUN]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// End when the new nodes have cost so many dollars [default: twice what is expected, and one more]
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<f64>,
    /// End when there are more new nodes at once [default: twice as many as expected, and two more]
    #[arg(long, value_name = "N")]
    pub(crate) max_nodes: Option<usize>,
    /// End after that time, as 45m [default: the scenario's, the settling's, and ten minutes]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) max_duration: Option<Duration>,
    /// How long the workloads may take to settle before time zero
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub(crate) settle: Duration,
    /// Between two questions to Prometheus and KEDA
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub(crate) poll: Duration,
    /// Record machines and spot prices from EC2: those with this tag, as kubernetes.io/cluster/NAME=owned
    #[cfg(feature = "ec2")]
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) ec2: Option<live::ec2::Tag>,
    /// Seeds behind the expected curves
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) replications: u32,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show the plan, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// How plan and outcome are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `live record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Where the recording goes
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// The scenario whose dashboard's queries are asked; a copy of it goes into the recording
    #[arg(long, value_name = "DIR")]
    pub(crate) scenario: Option<PathBuf>,
    /// Where measurements come from: a URL, or NAMESPACE/SERVICE:PORT, asked through the API server
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Option<String>,
    /// A query to ask besides, as NAME=PROMQL; may be repeated
    #[arg(long = "query", value_name = "NAME=PROMQL", value_parser = query)]
    pub(crate) queries: Vec<(String, String)>,
    /// How long; until it is interrupted, if absent
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Between two questions to Prometheus and KEDA
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub(crate) poll: Duration,
    /// Record machines and spot prices from EC2: those with this tag, as kubernetes.io/cluster/NAME=owned
    #[cfg(feature = "ec2")]
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) ec2: Option<live::ec2::Tag>,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `live import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The workload's namespace
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: String,
    /// Where the scenario goes; nothing may be there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// The Deployment whose pods answer [default: what the namespace's autoscaler scales]
    #[arg(long, value_name = "NAME")]
    pub(crate) deployment: Option<String>,
    /// The Deployment whose pods send the load, as NAMESPACE/NAME, if it runs in the cluster; then the load is
    /// its replicas, and no curve of the past
    #[arg(long, value_name = "NAME")]
    pub(crate) clients: Option<String>,
    /// The Deployment that is Traefik, as NAMESPACE/NAME [default: the one labelled or named so]
    #[arg(long, value_name = "NAME")]
    pub(crate) proxy: Option<String>,
    /// Where the load of the past comes from: a URL, or NAMESPACE/SERVICE:PORT, asked through the API server
    /// [default: as the ScaledObject says]
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Option<String>,
    /// The PromQL of requests a second [default: what Traefik counts for the namespace's services]
    #[arg(long, value_name = "PROMQL")]
    pub(crate) query: Option<String>,
    /// How much of the past is the load
    #[arg(long, value_name = "TIME", default_value = "3h", value_parser = duration)]
    pub(crate) past: Duration,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `live clean`.
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// The run: its name, or its directory; without it, runs of which something is left are listed
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// The kubeconfig file [default: KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Its context [default: as the run's journal says, or else the current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// How long nodes may take to go
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(crate) nodes_within: Duration,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `live traffic`.
#[derive(Debug, Args)]
pub(crate) struct TrafficArgs {
    /// The scenario's directory
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Where Prometheus scrapes: /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9105")]
    pub(crate) listen: SocketAddr,
    /// How requests are simulated
    #[arg(long, value_enum, default_value_t = Fidelity::Flow)]
    pub(crate) fidelity: Fidelity,
    /// The seed of all chance [default: the scenario's]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The scenario's time zero, such as 2026-01-31T12:00:00Z, for load from outside [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<jiff::Timestamp>,
    /// Override a scenario field, or a manifest field as KIND/NAME: FIELD=VALUE; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// How the state is told, once a second
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `live kwok`.
#[derive(Debug, Args)]
pub(crate) struct KwokArgs {
    /// The scenario's directory
    pub(crate) dir: PathBuf,
    /// Where the files go
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Override a scenario field, or a manifest field as KIND/NAME: FIELD=VALUE; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// How the files' names are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Reads `90s`, `45m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    model::document::go_duration(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a duration such as 90s, 45m or 1h30m".to_owned())
}

fn dollars(text: &str) -> Result<f64, String> {
    let amount: f64 = text
        .trim_start_matches('$')
        .parse()
        .map_err(|_| "expected dollars, such as 2.50".to_owned())?;
    match amount.is_finite() && amount >= 0.0 {
        true => Ok(amount),
        false => Err("expected dollars, such as 2.50".to_owned()),
    }
}

fn query(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, query)) if !name.is_empty() && !query.is_empty() => {
            Ok((name.trim().to_owned(), query.trim().to_owned()))
        }
        _ => Err("expected NAME=PROMQL, such as queue=sum(queue_length)".to_owned()),
    }
}
