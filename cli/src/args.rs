//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "live")]
use crate::commands::live::args::LiveArgs;

/// The digital twin of a Kubernetes autoscaling stack on EKS: simulates load, Traefik, Prometheus, KEDA,
/// HPA, kube-scheduler, Karpenter and EC2 from the manifests you would apply.
#[derive(Debug, Parser)]
#[command(name = "scaletwin", version, max_term_width = 100, after_help = EXITS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXITS: &str = "Exit status: 0 done, 1 the answer is no, 2 could not run.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Simulate a scenario; print a summary, write curves, decisions and a dashboard
    Run(RunArgs),
    /// Report every problem of a scenario at once, and explain settings that do not do what they seem to
    Check(CheckArgs),
    /// List and filter the embedded EC2 catalog
    Catalog(CatalogArgs),
    /// Compare a simulated scenario with its measured run, and hold it against the stated objectives
    Accuracy(AccuracyArgs),
    /// Draw the dashboard again from a finished run's files
    Plot(PlotArgs),
    /// Run the same scenario on a real cluster, record one, import one
    Live(LiveArgs),
}

/// Arguments of `live`, in a build that has no such thing.
#[cfg(not(feature = "live"))]
#[derive(Debug, Args)]
pub(crate) struct LiveArgs {
    /// Whatever; this build cannot talk to clusters: build it with --features live
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub(crate) rest: Vec<String>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How requests are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fidelity {
    /// Rates and backlogs: fast, for sweeps
    Flow,
    /// Every request is an event
    Requests,
}

impl Fidelity {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Fidelity::Flow => "flow",
            Fidelity::Requests => "requests",
        }
    }
}

/// The colours of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colors {
    /// Light on dark
    Dark,
    /// Dark on light
    Light,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario's directory: scenario.toml and manifests/*.yaml
    pub(crate) dir: PathBuf,
    /// Where results go [default: out/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The seed of all chance [default: the scenario's]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Run so many seeds and show the median with a 5–95 % band
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) replications: u32,
    /// How requests are simulated
    #[arg(long, value_enum, default_value_t = Fidelity::Flow)]
    pub(crate) fidelity: Fidelity,
    /// Override a scenario field, or a manifest field as KIND/NAME: FIELD=VALUE; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Lay recorded curves over the simulated ones: a directory of *-rps.csv, *-pods.csv, *-nodes.csv, or
    /// DIR/PREFIX for one of several runs in it [default: the scenario's]
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay: Option<PathBuf>,
    /// The colours of the dashboard
    #[arg(long, value_enum, default_value_t = Colors::Dark)]
    pub(crate) theme: Colors,
    /// Draw no figures
    #[arg(long)]
    pub(crate) no_plots: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The scenario's directory
    #[arg(required_unless_present_any = ["explain", "fields"])]
    pub(crate) dir: Option<PathBuf>,
    /// Explain a code, such as K001
    #[arg(long, value_name = "CODE", conflicts_with = "dir")]
    pub(crate) explain: Option<String>,
    /// List a kind's manifest fields: simulated, ignored, refused
    #[arg(long, value_name = "KIND", conflicts_with_all = ["dir", "explain"])]
    pub(crate) fields: Option<String>,
    /// Override a field before checking; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// How problems are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `catalog`.
#[derive(Debug, Args)]
pub(crate) struct CatalogArgs {
    /// Only these families or types: m5, g4dn.xlarge, c5.x
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION", default_value = "us-west-2")]
    pub(crate) region: String,
    /// The catalog of that day, YYYY-MM-DD: without later types, with those retired since
    #[arg(long, value_name = "DATE")]
    pub(crate) as_of: Option<String>,
    /// Only types offered in this zone
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// Only these categories: c, m, g
    #[arg(long, value_name = "LETTERS")]
    pub(crate) category: Vec<String>,
    /// Only generations from this on
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) min_generation: u32,
    /// Only one architecture
    #[arg(long, value_enum)]
    pub(crate) arch: Option<Arch>,
    /// Only types with at least so many vCPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) min_vcpus: u32,
    /// Only types with at most so many vCPU
    #[arg(long, value_name = "N")]
    pub(crate) max_vcpus: Option<u32>,
    /// Only types with at least so much memory, GiB
    #[arg(long, value_name = "GIB", default_value_t = 0.0)]
    pub(crate) min_memory: f64,
    /// Only types with at most so much memory, GiB
    #[arg(long, value_name = "GIB")]
    pub(crate) max_memory: Option<f64>,
    /// Only types with a GPU, of this name if one is given: T4, A10G
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub(crate) gpu: Option<String>,
    /// Only types with at least so many GPUs
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) min_gpus: u32,
    /// Only types that can be had on the spot market
    #[arg(long)]
    pub(crate) spot: bool,
    /// At most so many, cheapest first
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// How types are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// A CPU architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// x86-64
    Amd64,
    /// Graviton
    Arm64,
}

/// Arguments of `plot`.
#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// A directory that `run` wrote: series.csv and summary.json
    pub(crate) dir: PathBuf,
    /// Where the figures go [default: DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Lay recorded curves over the simulated ones: a directory of *-rps.csv, *-pods.csv, *-nodes.csv, or
    /// DIR/PREFIX for one of several runs in it
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay: Option<PathBuf>,
    /// The colours of the dashboard
    #[arg(long, value_enum, default_value_t = Colors::Dark)]
    pub(crate) theme: Colors,
    /// How the names of the figures are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `accuracy`.
#[derive(Debug, Args)]
pub(crate) struct AccuracyArgs {
    /// The scenario with measured curves
    #[arg(default_value = "scenarios/php-apache")]
    pub(crate) dir: PathBuf,
    /// Measured curves to compare with [default: the scenario's]
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay: Option<PathBuf>,
    /// Override a field; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// How many seeds, from the scenario's on
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) seeds: u32,
    /// How requests are simulated
    #[arg(long, value_enum, default_value_t = Fidelity::Flow)]
    pub(crate) fidelity: Fidelity,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_argument_has_help() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        every_argument_has_help(&command);
    }

    fn every_argument_has_help(command: &clap::Command) {
        for verb in command.get_subcommands() {
            for argument in verb.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    verb.get_name(),
                    argument.get_id()
                );
            }
            every_argument_has_help(verb);
        }
    }
}
