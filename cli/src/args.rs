//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::traffic;
use plots::Theme;

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
    /// Run many configurations of a scenario: the front, what matters, what does not
    Sweep(SweepArgs),
    /// Print the configuration that a sweep recommends, as a patch, with what it saves and what it risks
    Recommend(RecommendArgs),
    /// Report every problem of a scenario at once, and explain settings that do not do what they seem to
    Check(CheckArgs),
    /// List and filter the embedded EC2 catalog
    Catalog(CatalogArgs),
    /// Compare a simulated scenario with its measured run, and hold it against the stated objectives
    Accuracy(AccuracyArgs),
    /// Lay a simulated run over a recorded one: every measure, and which decisions differ
    Compare(CompareArgs),
    /// Fit a scenario's physical constants to a recording, with intervals
    Calibrate(CalibrateArgs),
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
    /// For programs: a line of JSON for each result, {"type": …, "data": …}
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

impl From<Fidelity> for traffic::Fidelity {
    fn from(own: Fidelity) -> Self {
        match own {
            Fidelity::Flow => traffic::Fidelity::Flow,
            Fidelity::Requests => traffic::Fidelity::Requests,
        }
    }
}

impl From<traffic::Fidelity> for Fidelity {
    fn from(model: traffic::Fidelity) -> Self {
        match model {
            traffic::Fidelity::Flow => Fidelity::Flow,
            traffic::Fidelity::Requests => Fidelity::Requests,
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

impl Colors {
    /// The theme that has them.
    pub(crate) fn theme(self) -> &'static Theme {
        match self {
            Colors::Dark => &Theme::DARK,
            Colors::Light => &Theme::LIGHT,
        }
    }
}

/// Whether figures are drawn, and how.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FigureArgs {
    /// The colours of figures
    #[arg(long, value_enum, default_value_t = Colors::Dark)]
    theme: Colors,
    /// Draw no figures
    #[arg(long)]
    no_plots: bool,
}

impl FigureArgs {
    /// The colours of figures, if any are to be drawn.
    pub(crate) fn wanted(self) -> Option<Colors> {
        (!self.no_plots).then_some(self.theme)
    }
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario's directory: scenario.toml and manifests/ (YAML or JSON)
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
    /// Override a scenario field, or a manifest field as KIND/NAME: FIELD=VALUE; null takes it out; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Take a file of scenario fields in place of the scenario's own, such as `calibrate` writes
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Option<PathBuf>,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Lay recorded curves over the simulated ones: a directory of *-rps.csv, *-pods.csv, *-nodes.csv, or
    /// DIR/PREFIX for one of several runs in it [default: the scenario's]
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay: Option<PathBuf>,
    /// Write the first seed down as a recording, as if a cluster had been watched; a new directory
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) figures: FigureArgs,
}

/// Arguments of `sweep`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SweepCommand>,
    /// The sweep's file: a scenario, axes, a design, objectives, constraints
    #[arg(required = true)]
    pub(crate) file: Option<PathBuf>,
    /// Where results go [default: out/sweep-NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on where an interrupted sweep stopped
    #[arg(long)]
    pub(crate) resume: bool,
    /// Forget what the directory knows, and begin anew
    #[arg(long, conflicts_with = "resume")]
    pub(crate) restart: bool,
    /// Run on so many threads [default: all]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Run one of several parts only, counted from 0: 0/4, 1/4, …
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(crate) shard: Option<sweep::Shard>,
    /// Draw a heatmap of two axes and a measure, in place of the file's; may be repeated
    #[arg(long = "heatmap", value_name = "X,Y,MEASURE")]
    pub(crate) heatmaps: Vec<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) figures: FigureArgs,
    // Last: a heading holds for all that follows.
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

/// How a sweep runs on a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "On a cluster")]
pub(crate) struct ClusterArgs {
    /// Run the sweep as an Indexed Job, a shard for each index, in the cluster of the current kubeconfig context
    #[arg(long, conflicts_with_all = ["shard", "resume", "restart"])]
    pub(crate) on_cluster: bool,
    /// Print the manifests of the Job instead
    #[arg(long, requires = "on_cluster")]
    pub(crate) dry_run: bool,
    /// Shards, which is indexes of the Job
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) shards: u32,
    /// Pods at a time [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) parallelism: Option<u32>,
    /// CPUs of each pod
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) cpus: u32,
    /// The image, built of this repository's Dockerfile
    #[arg(long, default_value = concat!("scaletwin:", env!("CARGO_PKG_VERSION")))]
    pub(crate) image: String,
    /// The namespace [default: the context's]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The PersistentVolumeClaim for results, which all pods can write to
    #[arg(long, value_name = "NAME", conflicts_with = "store")]
    pub(crate) claim: Option<String>,
    /// The object store for results, as s3://BUCKET/PREFIX; in a pod, where its shard is kept
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// The pods' service account, if the store asks for one
    #[arg(long, value_name = "NAME")]
    pub(crate) service_account: Option<String>,
}

/// What else can be done with sweeps.
#[derive(Debug, Subcommand)]
pub(crate) enum SweepCommand {
    /// Put shards together: the same files as from one machine
    Merge(MergeArgs),
}

/// Arguments of `sweep merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The sweep's file
    pub(crate) file: PathBuf,
    /// The directories of all shards, or the URL of the object store that has them
    #[arg(required = true, value_name = "DIR")]
    pub(crate) shards: Vec<PathBuf>,
    /// Where results go [default: out/sweep-NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) figures: FigureArgs,
}

/// Arguments of `recommend`.
#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    /// The sweep's file
    pub(crate) file: PathBuf,
    /// The directory that `sweep` wrote to [default: out/sweep-NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
    /// Another configuration than the recommended one, by its number
    #[arg(long, value_name = "N")]
    pub(crate) configuration: Option<u32>,
    /// Fresh seeds on which it is compared with the current one [default: the file's, or 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub(crate) seeds: Option<u32>,
    /// How the recommendation is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// A number of threads that a machine can have.
fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads @ 1..=1024) => Ok(threads),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

/// `0/4`: the first of four.
fn shard(text: &str) -> Result<sweep::Shard, String> {
    let parsed = text.split_once('/').and_then(|(index, of)| {
        Some((
            index.trim().parse::<usize>().ok()?,
            of.trim().parse::<usize>().ok()?,
        ))
    });
    match parsed {
        Some((index, of)) if index < of && of <= 10_000 => Ok(sweep::Shard { index, of }),
        Some((index, of)) if of > 0 && index >= of => Err(format!(
            "there is no shard {index} of {of}: they are counted from 0 to {}",
            of - 1
        )),
        _ => Err("expected I/N, as in 0/4".to_owned()),
    }
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The scenario's directory
    #[arg(required_unless_present_any = ["explain", "fields"])]
    pub(crate) dir: Option<PathBuf>,
    /// Explain a code, such as K001; without one, list all
    #[arg(long, value_name = "CODE", conflicts_with = "dir")]
    pub(crate) explain: Option<Option<String>>,
    /// List a kind's manifest fields: simulated, ignored, refused; without one, list all kinds
    #[arg(long, value_name = "KIND", conflicts_with_all = ["dir", "explain"])]
    pub(crate) fields: Option<Option<String>>,
    /// Override a field before checking; null takes it out; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// How problems are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// What can be done with the catalog besides listing it.
#[cfg(feature = "ec2")]
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Bring the catalog's files up to date with what EC2 says of a region
    Refresh(RefreshArgs),
}

/// Arguments of `catalog refresh`.
#[cfg(feature = "ec2")]
#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    /// The AWS region
    #[arg(long, value_name = "REGION", default_value = "us-west-2")]
    pub(crate) region: String,
    /// Where the files lie: types.csv, zones.csv, regions/REGION.csv.gz. They are embedded at the next build
    #[arg(long, value_name = "DIR", default_value = "model/src/catalog/data")]
    pub(crate) data: PathBuf,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Arguments of `catalog`.
#[derive(Debug, Args)]
#[cfg_attr(feature = "ec2", command(args_conflicts_with_subcommands = true))]
pub(crate) struct CatalogArgs {
    #[cfg(feature = "ec2")]
    #[command(subcommand)]
    pub(crate) command: Option<CatalogCommand>,
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
    /// Only these categories: c,m,g
    #[arg(long, value_name = "LETTERS", value_delimiter = ',')]
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

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// A directory that `run` wrote; with --replications, all its seeds are compared
    pub(crate) sim: PathBuf,
    /// What it is compared with: a recording, another directory that `run` wrote, or a directory of
    /// *-rps.csv, *-pods.csv, *-nodes.csv
    pub(crate) rec: PathBuf,
    /// Give one part the recorded inputs, and list the decisions that differ; may be repeated
    #[arg(long, value_enum, value_name = "PART")]
    pub(crate) shadow: Vec<ShadowPart>,
    /// The scenario, for what a recording does not say [default: the copy beside the recording, with the
    /// overrides of its run]
    #[arg(long, value_name = "DIR")]
    pub(crate) scenario: Option<PathBuf>,
    /// The Deployment that is scaled [default: the scenario's service, or what the only HPA scales]
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) target: Option<String>,
    /// Objective: the greatest nMAE of replicas, a share
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub(crate) replicas_nmae: f64,
    /// Objective: the least share of time within one replica
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub(crate) replicas_within: f64,
    /// Objective: the least share of time within one node
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub(crate) nodes_within: f64,
    /// Objective: the greatest error of the first scale-up and of the return to the minimum, seconds
    /// [default: one sync of the scenario's HPA controller, 15 if there is no scenario]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) sync: Option<f64>,
    /// Where the report and the figures go [default: SIM/compare]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) figures: FigureArgs,
}

/// Arguments of `calibrate`.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// The recording
    pub(crate) rec: PathBuf,
    /// The scenario whose constants are fitted [default: the copy beside the recording, with the
    /// overrides of its run]
    #[arg(long, value_name = "DIR")]
    pub(crate) scenario: Option<PathBuf>,
    /// Override a field of the scenario before fitting; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// The seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The file that the constants go to, for `run --with` [default: REC/calibration.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How the constants are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// A part whose decisions are made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum ShadowPart {
    /// The HPA controller: sizes
    Hpa,
    /// KEDA: generated HPAs, and steps from and to zero
    Keda,
    /// Karpenter: which machines waiting pods get
    KarpenterProvisioning,
    /// Karpenter: which nodes go
    Consolidation,
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
