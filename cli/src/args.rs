//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Compare the simulated php-apache run with the measured one, by the definitions in the README
    Accuracy(AccuracyArgs),
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
    /// Lay recorded curves over the simulated ones: a directory of *-rps.csv, *-pods.csv, *-nodes.csv
    /// [default: the scenario's]
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
    /// The AWS region
    #[arg(long, value_name = "REGION", default_value = "us-west-2")]
    pub(crate) region: String,
    /// Only types whose name starts with this: g4dn, c5.x
    #[arg(long, value_name = "PREFIX")]
    pub(crate) name: Option<String>,
    /// Only types with a GPU of this name, or any GPU: T4, A10G, any
    #[arg(long, value_name = "NAME")]
    pub(crate) gpu: Option<String>,
    /// Only types with at least so many vCPU
    #[arg(long, value_name = "N")]
    pub(crate) min_vcpus: Option<u32>,
    /// Only types with at least so much memory, GiB
    #[arg(long, value_name = "GIB")]
    pub(crate) min_memory: Option<f64>,
    /// Only amd64 or arm64
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Option<String>,
    /// Also types that EC2 no longer offers
    #[arg(long)]
    pub(crate) retired: bool,
    /// At most so many, cheapest first
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// How types are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `accuracy`.
#[derive(Debug, Args)]
pub(crate) struct AccuracyArgs {
    /// The scenario with measured curves
    #[arg(default_value = "scenarios/php-apache")]
    pub(crate) dir: PathBuf,
    /// How many seeds
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
        for verb in command.get_subcommands() {
            for argument in verb.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", verb.get_name(), argument.get_id());
            }
        }
    }
}
