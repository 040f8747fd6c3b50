//! `scaletwin live run`

use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use live::cluster::clean::Options;
use live::cluster::finding::{Finding, any_problem};
use live::cluster::listen::Hear;
use live::cluster::plan::{Intent, Plan};
use live::cluster::preflight::{Preflight, preflight};
use live::cluster::run::{Caps, Ending, Outcome, Setup, run as run_live};
use live::cluster::{Access, Connection, connect};
use live::recording::{Header, Maker, SCENARIO, VERSION};
use serde_json::json;
use sim::SortedMap;

use super::args::RunArgs;
use super::expect::{Bill, expect, prices};
use super::intent::Scene;
#[cfg(feature = "ec2")]
use super::machines;
use super::preflight::facts_text;
use super::signals::stop;
use super::view::{View, clock};
use super::{block_on, count_text, findings_text};
use crate::args::Format;
use crate::commands::Answer;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

/// What a run may take besides the scenario and the settling.
const SPARE: Duration = Duration::from_secs(600);

pub(super) fn run(args: &RunArgs) -> Result<Answer, Failure> {
    let scene = Scene::read(&args.dir)?;
    talk::report(&scene.report);
    talk::say(&format!(
        "simulating {} with {} seeds to know what to expect",
        scene.scenario.name, args.replications
    ));
    let expected = expect(&scene.scenario, args.replications);
    let caps = caps(args, &scene, &expected.bill);
    let run = run_name();
    block_on(async {
        let access = Access {
            kubeconfig: args.kubeconfig.clone(),
            context: Some(args.context.clone()),
        };
        let connection = connect(&access).await?;
        let wishes = scene.wishes(args.prometheus.as_deref())?;
        let look = preflight(&connection, &wishes).await?;
        let intent = Intent {
            run: run.clone(),
            make: scene.with_start_replicas(),
            present: scene.start.present.clone(),
            steps: scene.steps(),
        };
        // Where the API server cannot be used, or tells nothing, there is nothing to plan with.
        let plan = match look.served.kinds.is_empty() {
            true => Plan::default(),
            false => Plan::make(&connection.client, &look.served, intent).await?,
        };
        let findings = all_findings(&look, &plan, &caps, &expected.bill, &scene);
        show(args, &look, &plan, &caps, &expected.bill, &findings, &run)?;
        if any_problem(&findings) {
            return Ok(Answer::No);
        }
        if args.dry_run {
            return Ok(Answer::Done);
        }
        confirm(args, &connection)?;
        let dir = args
            .out
            .clone()
            .unwrap_or_else(|| Path::new("out/live").join(&run));
        let hint = format!(
            "take away what is left with `scaletwin live clean {}`",
            dir.display()
        );
        let stop = stop(hint.clone())?;
        copy_scenario(&scene.dir, &dir.join(SCENARIO))?;
        let setup = Setup {
            dir: dir.clone(),
            header: header(&run, &scene, &look, &connection),
            clock: scene.scenario.epoch,
            duration: scene.scenario.duration,
            settle: scene.scenario.start.settled.then_some(args.settle),
            caps,
            hear: Hear {
                prometheus: wishes.prometheus.clone(),
                queries: scene.queries(),
                period: args.poll,
                #[cfg(feature = "ec2")]
                machines: machines(args.ec2.as_ref(), Some(&scene.scenario.region)).await,
            },
            prices: prices(scene.scenario.catalog.clone()),
            clean: Options::default(),
        };
        talk::say(&format!("run {run}, recorded in {}", dir.display()));
        let namespace = Some(scene.scenario.roles.server.namespace.as_str());
        let mut view = View::new(Some(&expected), Some(caps), Some(setup.duration), namespace);
        let outcome = run_live(&connection, &look.served, &plan, &setup, stop, &mut |progress| {
            view.tell(progress);
        })
        .await;
        view.end();
        let outcome = outcome.map_err(|error| Failure::new(error.to_string()).hint(hint.clone()))?;
        tell(args.format, &outcome, &run, &dir)?;
        if !outcome.cleaned.left.is_empty() {
            return Err(Failure::new(format!(
                "not all could be taken away: {}",
                outcome.cleaned.left.join("; ")
            ))
            .hint(hint));
        }
        match outcome.ending {
            Ending::Failed(why) => Err(Failure::new(why)),
            Ending::Finished => Ok(Answer::Done),
            Ending::Interrupted(_) | Ending::Capped(_) => Ok(Answer::No),
        }
    })?
}

/// A name that no other run has, fit for a label: `r-20250102-030405-1a2b`.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = live::cluster::time_label(now.as_secs());
    let mixed = u64::from(std::process::id()) ^ u64::from(now.subsec_nanos());
    format!("r-{time}-{:04x}", mixed & 0xffff)
}

fn caps(args: &RunArgs, scene: &Scene, bill: &Bill) -> Caps {
    let nodes = (bill.nodes_high.ceil() as usize) * 2 + 2;
    let settle = match scene.scenario.start.settled {
        true => args.settle,
        false => Duration::ZERO,
    };
    Caps {
        cost_usd: args.max_cost.unwrap_or((bill.usd_high * 2.0 + 1.0).ceil()),
        nodes: args.max_nodes.unwrap_or(nodes),
        duration: args
            .max_duration
            .unwrap_or(scene.scenario.duration + settle + SPARE),
    }
}

/// What the look at the cluster, the plan and the caps have to say, worst first.
fn all_findings(look: &Preflight, plan: &Plan, caps: &Caps, bill: &Bill, scene: &Scene) -> Vec<Finding> {
    let mut findings = look.findings.clone();
    findings.extend(plan.findings.iter().cloned());
    let hint = "raise the cap, or make the scenario smaller";
    if bill.nodes > caps.nodes as f64 {
        findings.push(Finding::problem(
            format!(
                "the simulation expects {:.0} new nodes, above --max-nodes {}",
                bill.nodes, caps.nodes
            ),
            hint,
        ));
    }
    if bill.usd > caps.cost_usd {
        findings.push(Finding::problem(
            format!(
                "the simulation expects {:.2} $, above --max-cost {}",
                bill.usd, caps.cost_usd
            ),
            hint,
        ));
    }
    if caps.duration < scene.scenario.duration {
        findings.push(Finding::problem(
            format!(
                "the scenario takes {}, above --max-duration",
                clock(scene.scenario.duration.as_secs_f64())
            ),
            hint,
        ));
    }
    findings.extend(scene.notes());
    findings.sort_by_key(|finding| finding.level);
    findings
}

fn show(
    args: &RunArgs,
    look: &Preflight,
    plan: &Plan,
    caps: &Caps,
    bill: &Bill,
    findings: &[Finding],
    run: &str,
) -> Result<(), Failure> {
    let lines = plan.lines();
    if args.format == Format::Json {
        print_json("cluster", json!(look.facts))?;
        let expected =
            json!({ "run": run, "expected": bill, "caps": caps, "steps": lines, "used": plan.used });
        print_json("plan", expected)?;
        return findings
            .iter()
            .try_for_each(|finding| print_json("finding", json!(finding)));
    }
    let mut text = facts_text(&look.facts);
    text.push_str(&format!(
        "{:<18} {:.0} new nodes at most ({:.0} of one seed in twenty), {:.2} $ ({:.2})\n",
        "expected", bill.nodes, bill.nodes_high, bill.usd, bill.usd_high
    ));
    text.push_str(&format!(
        "{:<18} {} new nodes, {:.2} $, {}\n",
        "ends at",
        caps.nodes,
        caps.cost_usd,
        clock(caps.duration.as_secs_f64())
    ));
    for namespace in &plan.used {
        text.push_str(&format!("{:<18} namespace {namespace}, which stays\n", "uses"));
    }
    for line in &lines {
        let at = clock(line.at_s as f64);
        text.push_str(&format!("{at:<18} {:<6} {}", line.verb, line.object));
        if !line.detail.is_empty() {
            text.push_str(&format!(" ({})", line.detail));
        }
        text.push('\n');
    }
    print(&(text + &findings_text(findings) + &count_text(findings)))
}

/// Goes on only with `--yes`, or when the context's name is typed.
fn confirm(args: &RunArgs, connection: &Connection) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new("nothing was done: nobody has confirmed the plan")
            .hint("read it, and say --yes; --dry-run only shows it"));
    }
    let mut stderr = anstream::stderr();
    let asked = write!(
        stderr,
        "To do all of this to {}, type the context's name: ",
        connection.server
    );
    let mut typed = String::new();
    let answered = asked
        .and_then(|()| stderr.flush())
        .and_then(|()| stdin.lock().read_line(&mut typed));
    match answered {
        Ok(_) if typed.trim() == connection.context => Ok(()),
        _ => Err(Failure::new("nothing was done: that is not the context's name")),
    }
}

fn header(run: &str, scene: &Scene, look: &Preflight, connection: &Connection) -> Header {
    let mut versions: SortedMap<String, String> = look.facts.versions.clone();
    versions.insert("scaletwin".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Header {
        version: VERSION,
        run: run.to_owned(),
        made_by: Maker::Live,
        scenario: Some(scene.scenario.name.clone()),
        epoch: String::new(),
        versions,
        sets: Vec::new(),
        region: Some(scene.scenario.region.clone()),
        cluster: Some(connection.context.clone()),
    }
}

/// Copies what a scenario consists of: TOML, manifests, traces, and what goes only to clusters.
pub(super) fn copy_scenario(from: &Path, to: &Path) -> Result<(), Failure> {
    let fail = |path: &Path, error| Failure::new(format!("cannot copy {}: {error}", path.display()));
    fs::create_dir_all(to).map_err(|error| fail(to, error))?;
    let mut folders: Vec<PathBuf> = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let here = from.join(&folder);
        for entry in fs::read_dir(&here).map_err(|error| fail(&here, error))? {
            let entry = entry.map_err(|error| fail(&here, error))?;
            let relative = folder.join(entry.file_name());
            let path = entry.path();
            let belongs = ["toml", "yaml", "yml", "json", "csv"];
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if path.is_dir() && !hidden && folder.components().count() < 3 {
                folders.push(relative);
            } else if path.is_file() && belongs.contains(&ending) {
                let target = to.join(&relative);
                if let Some(parent) = target.parent() {
                    fs::create_dir_all(parent).map_err(|error| fail(parent, error))?;
                }
                fs::copy(&path, &target).map_err(|error| fail(&path, error))?;
            }
        }
    }
    Ok(())
}

fn tell(format: Format, outcome: &Outcome, run: &str, dir: &Path) -> Result<(), Failure> {
    if format == Format::Json {
        return print_json("outcome", json!({ "run": run, "dir": dir, "outcome": outcome }));
    }
    let mut text = format!("{:<18} {run}, {}\n", "run", outcome.ending.reason());
    text.push_str(&format!(
        "{:<18} {} new nodes at most, {:.2} $\n",
        "cost", outcome.most_nodes, outcome.cost_usd
    ));
    text.push_str(&format!(
        "{:<18} {} objects taken away\n",
        "cleaned up",
        outcome.cleaned.deleted.len()
    ));
    text.push_str(&format!("{:<18} {}\n", "recording", dir.display()));
    print(&text)
}
