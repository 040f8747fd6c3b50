//! `scaletwin live traffic`

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use live::cluster::connect;
use live::traffic::{Progress, Settings, emulate};
use serde_json::{Value, json};

use super::args::TrafficArgs;
use crate::args::Format;
use crate::commands::Answer;
use crate::experiment;
use crate::failure::Failure;
use crate::output::print_json;
use crate::talk;

/// Emulates until somebody says stop.
pub(crate) fn traffic(args: &TrafficArgs) -> Result<Answer, Failure> {
    let (scenario, report) = experiment::load(&args.dir, &args.sets)?;
    talk::report(&report);
    let settings = Settings {
        listen: args.listen,
        fidelity: args.fidelity.into(),
        seed: args.seed.unwrap_or(scenario.seed),
        start: args.start,
    };
    super::block_on(async {
        let connection = connect(&args.cluster.access()).await?;
        talk::say(&format!(
            "emulating {} in {} for {}; Prometheus finds it at http://{}/metrics",
            scenario.name,
            args.fidelity.as_str(),
            connection.server.trim_end_matches('/'),
            args.listen
        ));
        let mut teller = Teller::new(args.format);
        let tell = |progress| teller.tell(&progress);
        let ended = emulate(connection.client, &scenario, &settings, stopped(), tell).await;
        ended.map_err(|error| {
            Failure::new(format!("cannot listen on {}: {error}", args.listen))
                .hint("another address: --listen 127.0.0.1:9106, and the same in Prometheus' configuration")
        })
    })??;
    Ok(Answer::Done)
}

/// SIGINT or SIGTERM.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Says how things stand: as one line of a terminal, or as JSON lines.
struct Teller {
    line: ProgressBar,
    json: bool,
    before: Option<(Duration, f64)>,
    /// The last problem that was told: the same one again is no news.
    problem: String,
}

impl Teller {
    fn new(format: Format) -> Self {
        let json = format == Format::Json;
        let line = match !json && std::io::stderr().is_terminal() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("{spinner} {msg}");
        line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Teller {
            line,
            json,
            before: None,
            problem: String::new(),
        }
    }

    fn tell(&mut self, progress: &Progress) {
        let stats = &progress.stats;
        let rate = self.before.map_or(0.0, |(at, served)| {
            let seconds = progress.at.saturating_sub(at).as_secs_f64();
            if seconds > 0.0 {
                (stats.served - served) / seconds
            } else {
                0.0
            }
        });
        self.before = Some((progress.at, stats.served));
        for problem in &progress.problems {
            if *problem != self.problem {
                self.line
                    .suspend(|| talk::say(&format!("trying again: {problem}")));
                self.problem.clone_from(problem);
            }
        }
        if self.json {
            // A reader that has hung up ends nothing: Prometheus still scrapes.
            let _ = print_json("traffic", as_json(progress, rate));
        } else {
            self.line.set_message(format!(
                "{} s: {} clients, {} servers, {rate:.1} served/s, {:.0} failed",
                progress.at.as_secs(),
                stats.clients,
                progress.servers,
                stats.failed
            ));
            self.line.tick();
        }
    }
}

fn as_json(progress: &Progress, rate: f64) -> Value {
    let stats = &progress.stats;
    json!({
        "seconds": progress.at.as_secs_f64(),
        "clients": stats.clients,
        "servers": progress.servers,
        "served_per_second": rate,
        "sent": stats.sent,
        "served": stats.served,
        "failed": stats.failed,
        "in_flight": stats.in_flight,
        "problems": progress.problems,
    })
}
