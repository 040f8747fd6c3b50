//! Load, service, proxy and CPU speeds.

use std::time::Duration;

use sim::{Entry, SortedMap};

use super::super::{Files, Roles};
use super::values::Values;
use crate::distribution::Distribution;
use crate::document::Cursor;
use crate::release::Release;
use crate::traffic::config::{Clients, Config, Cpu, Gpu, Memory, Service, Traefik};
use crate::traffic::{Arrivals, Process, Shape};

/// Requests a second that no run needs more of.
const MOST_RPS: f64 = 1e7;

/// The roles, if they are all given.
pub(super) fn roles(root: &Cursor<'_>) -> Option<Roles> {
    let client = root.at("load.clients");
    let client = if client.is_given() {
        client.get("deployment").required().object()
    } else {
        None
    };
    let part = |key: &str, hint: &str| {
        let at = root.get(key).required_as(hint);
        at.value()?;
        at.get("deployment")
            .required_as("deployment = \"NAMESPACE/NAME\"")
            .object()
    };
    let proxy = part(
        "proxy",
        "[proxy] deployment = \"NAMESPACE/NAME\" names the Deployment of Traefik, which all load comes through; \
         scenarios/php-apache/manifests/traefik.yaml is one to copy",
    );
    let server = part(
        "service",
        "[service] deployment = \"NAMESPACE/NAME\" names the Deployment that answers the load",
    );
    Some(Roles {
        client,
        proxy: proxy?,
        server: server?,
    })
}

/// `[load]`, `[service]`, `[proxy]`, `[cpu]`. What Traefik calls the service is found later, among the routes.
pub(super) fn traffic(root: &Cursor<'_>, files: &Files, version: Release) -> Config {
    let load = root.get("load");
    let clients = load.get("clients");
    let streams = load.get("arrivals");
    Config {
        clients: clients.is_given().then(|| read_clients(&clients)),
        arrivals: streams
            .items()
            .iter()
            .filter_map(|at| arrivals(at, files))
            .collect(),
        service: service(&root.get("service")),
        traefik: proxy(&root.get("proxy"), version),
        cpu: cpu(&root.get("cpu")),
    }
}

/// A duration above zero.
fn positive(at: &Cursor<'_>) -> Option<Duration> {
    let duration = at.duration()?;
    if duration.is_zero() {
        at.error("E004", "the duration must be above 0", "");
        return None;
    }
    Some(duration)
}

fn number_of(at: &Cursor<'_>, least: i32) -> Option<u32> {
    at.count(least).and_then(|count| u32::try_from(count).ok())
}

fn read_clients(at: &Cursor<'_>) -> Clients {
    let default = Clients::default();
    Clients {
        think_time: at.get("think_time").distribution().unwrap_or(default.think_time),
        cycle_delay: at
            .get("cycle_delay")
            .distribution()
            .unwrap_or(default.cycle_delay),
        client_cpu: at
            .get("cpu_per_request")
            .number(0.0..=1e4)
            .unwrap_or(default.client_cpu),
        connections: number_of(&at.get("connections"), 1).unwrap_or(default.connections),
        timeout: positive(&at.get("timeout")),
    }
}

fn service(at: &Cursor<'_>) -> Service {
    let default = Service::default();
    let gpu = at.get("gpu");
    Service {
        cpu_per_request: at
            .get("cpu_per_request")
            .distribution()
            .unwrap_or(default.cpu_per_request),
        concurrency: number_of(&at.get("concurrency"), 1),
        request_timeout: positive(&at.get("timeout")),
        gpu: if gpu.is_given() { read_gpu(&gpu) } else { None },
        memory: read_memory(&at.get("memory")),
    }
}

fn read_memory(at: &Cursor<'_>) -> Option<Memory> {
    if !at.is_given() {
        return None;
    }
    let idle = at.get("idle").required().bytes();
    let per_request = at.get("per_request").bytes();
    Some(Memory {
        idle: idle? as f64,
        per_request: per_request.unwrap_or(0) as f64,
    })
}

fn read_gpu(at: &Cursor<'_>) -> Option<Gpu> {
    Some(Gpu {
        time: gpu_times(&at.get("time")),
        other: at.get("other").required().distribution()?,
        concurrency: number_of(&at.get("concurrency"), 1).unwrap_or(1),
    })
}

/// Times by GPU model. AWS writes `T4`, the label `t4`, and both are understood.
fn gpu_times(at: &Cursor<'_>) -> SortedMap<String, Distribution> {
    let known = crate::catalog::gpu_models();
    let mut times = SortedMap::new();
    for (name, at) in at.entries() {
        let model = crate::catalog::label_value(name);
        if !known.contains(&model) {
            let models = known.iter().map(String::as_str);
            let hint = match crate::document::closest(&model, models) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("there are {}", known.join(", ")),
            };
            at.error("E009", format!("no instance type has the GPU {name:?}"), &hint);
            continue;
        }
        match times.entry(model) {
            Entry::Occupied(before) => {
                let message = format!("{} is given twice", before.key());
                at.error("E004", message, "letter case makes no difference");
            }
            Entry::Vacant(place) => {
                if let Some(time) = at.distribution() {
                    place.insert(time);
                }
            }
        }
    }
    times
}

fn proxy(at: &Cursor<'_>, version: Release) -> Traefik {
    let default = Traefik::default();
    let buckets_at = at.get("buckets");
    let buckets: Vec<f64> = buckets_at
        .items()
        .iter()
        .filter_map(|bucket| bucket.number(1e-6..=1e6))
        .collect();
    if !buckets.is_sorted_by(|a, b| a < b) {
        buckets_at.error("E004", "buckets must rise", "");
    }
    Traefik {
        version,
        proxy_cpu: at
            .get("cpu_per_request")
            .number(0.0..=1e4)
            .unwrap_or(default.proxy_cpu),
        service: default.service,
        entry_point: at
            .get("entry_point")
            .name()
            .map_or(default.entry_point, str::to_owned),
        method: at.get("method").name().map_or(default.method, str::to_owned),
        buckets: if buckets.is_empty() {
            default.buckets
        } else {
            buckets
        },
        durations: at.get("durations").bool().unwrap_or(default.durations),
        settling: default.settling,
        allow_empty_services: at
            .get("allow_empty_services")
            .bool()
            .unwrap_or(default.allow_empty_services),
        endpoint_delay: at
            .get("endpoint_delay")
            .duration()
            .unwrap_or(default.endpoint_delay),
        throttle: at.get("throttle").duration().unwrap_or(default.throttle),
        vanished: at.get("vanished").distribution().unwrap_or(default.vanished),
        dial_timeout: at.get("dial_timeout").duration().unwrap_or(default.dial_timeout),
    }
}

fn cpu(at: &Cursor<'_>) -> Cpu {
    let default = Cpu::default();
    let speed = |(name, at): (&str, Cursor<'_>)| Some((name.to_owned(), at.number(1e-3..=1e3)?));
    let speeds: SortedMap<String, f64> = at.get("speeds").entries().into_iter().filter_map(speed).collect();
    Cpu {
        smt_gain: at.get("smt_gain").number(0.0..=1.0).unwrap_or(default.smt_gain),
        system_cpu: at
            .get("system_cpu")
            .number(0.0..=1e3)
            .unwrap_or(default.system_cpu),
        worker_system_cpu: at
            .get("worker_system_cpu")
            .number(0.0..=1e3)
            .unwrap_or(default.worker_system_cpu),
        reference_mhz: at
            .get("reference_mhz")
            .number(1.0..=1e5)
            .unwrap_or(default.reference_mhz),
        speeds,
        speed_spread: at
            .get("speed_spread")
            .number(0.0..=1.0)
            .unwrap_or(default.speed_spread),
        quota_period: positive(&at.get("quota_period")).unwrap_or(default.quota_period),
    }
}

fn arrivals(at: &Cursor<'_>, files: &Files) -> Option<Arrivals> {
    let default_delay = Distribution::Constant(0.0);
    let shape = shape(at, files);
    let process = process(at);
    Some(Arrivals {
        shape: shape?,
        process: process?,
        network_delay: at.get("network_delay").distribution().unwrap_or(default_delay),
        timeout: positive(&at.get("timeout")),
    })
}

#[derive(Clone, Copy)]
enum ShapeKind {
    Constant,
    Step,
    Ramp,
    Sine,
    Spike,
    Trace,
}

fn shape(at: &Cursor<'_>, files: &Files) -> Option<Shape> {
    let rate = |key: &str| at.get(key).required().number(0.0..=MOST_RPS);
    let duration = |key: &str| at.get(key).required().duration();
    let kind = at.get("shape").required().one_of(&[
        ("constant", ShapeKind::Constant),
        ("step", ShapeKind::Step),
        ("ramp", ShapeKind::Ramp),
        ("sine", ShapeKind::Sine),
        ("spike", ShapeKind::Spike),
        ("trace", ShapeKind::Trace),
    ])?;
    let own: &[&str] = match kind {
        ShapeKind::Constant => &["rate"],
        ShapeKind::Step => &["before", "after", "at"],
        ShapeKind::Ramp => &["from", "to", "start", "end"],
        ShapeKind::Sine => &["mean", "amplitude", "period", "offset"],
        ShapeKind::Spike => &["base", "peak", "at", "duration"],
        ShapeKind::Trace => &["trace"],
    };
    const GENERAL: [&str; 7] = [
        "shape",
        "process",
        "burst",
        "share",
        "length",
        "network_delay",
        "timeout",
    ];
    for (key, value) in at.entries() {
        if !own.contains(&key) && !GENERAL.contains(&key) {
            let message = format!("{key} says nothing about a load of this shape");
            value.error("E004", message, &format!("it has {}", own.join(", ")));
        }
    }
    Some(match kind {
        ShapeKind::Constant => Shape::Constant { rate: rate("rate")? },
        ShapeKind::Step => Shape::Step {
            before: rate("before")?,
            after: rate("after")?,
            at: duration("at")?,
        },
        ShapeKind::Ramp => {
            let (start, end) = (duration("start")?, duration("end")?);
            if end <= start {
                at.get("end")
                    .error("E004", "the ramp must end after its start", "");
                return None;
            }
            Shape::Ramp {
                from: rate("from")?,
                to: rate("to")?,
                start,
                end,
            }
        }
        ShapeKind::Sine => Shape::Sine {
            mean: rate("mean")?,
            amplitude: rate("amplitude")?,
            period: positive(&at.get("period").required())?,
            offset: at.get("offset").duration().unwrap_or(Duration::ZERO),
        },
        ShapeKind::Spike => Shape::Spike {
            base: rate("base")?,
            peak: rate("peak")?,
            at: duration("at")?,
            duration: duration("duration")?,
        },
        ShapeKind::Trace => Shape::Trace {
            points: trace(&at.get("trace").required(), files)?,
        },
    })
}

fn process(at: &Cursor<'_>) -> Option<Process> {
    let kinds = &[("poisson", 0), ("deterministic", 1), ("mmpp", 2)];
    let given = at.get("process");
    let kind = if given.is_given() { given.one_of(kinds)? } else { 0 };
    if kind != 2 {
        for key in ["burst", "share", "length"] {
            if at.get(key).is_given() {
                at.get(key)
                    .error("E004", format!("{key} goes only with the process mmpp"), "");
            }
        }
    }
    Some(match kind {
        0 => Process::Poisson,
        1 => Process::Deterministic,
        _ => {
            let burst = at.get("burst").required().number(1.0..=1e6)?;
            let share = at.get("share").required().number(1e-6..=1.0 - 1e-6)?;
            if burst * share > 1.0 {
                let message = format!(
                    "burst times share is {}, above 1: the rest of the time cannot make up for it",
                    burst * share
                );
                at.get("burst").error("E004", message, "");
                return None;
            }
            Process::Mmpp {
                burst,
                share,
                length: positive(&at.get("length").required())?,
            }
        }
    })
}

/// More than thirty years: what is beyond are dates.
const LONGEST_TRACE: Duration = Duration::from_secs(1_000_000_000);

/// The points of a trace: lines of seconds and requests a second, after a header if there is one.
fn trace(at: &Cursor<'_>, files: &Files) -> Option<Vec<(Duration, f64)>> {
    let path = at.name()?;
    let Some(source) = files.traces.iter().find(|source| source.path == path) else {
        let names = files.traces.iter().map(|source| source.path.as_str());
        let hint = match crate::document::closest(path, names) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "traces are CSV files in the scenario's directory traces/".to_owned(),
        };
        at.error("E009", format!("there is no trace {path:?}"), &hint);
        return None;
    };
    let mut lines = csv::ReaderBuilder::new()
        .has_headers(false)
        .comment(Some(b'#'))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(source.text.as_bytes());
    let mut points: Vec<(Duration, f64)> = Vec::new();
    for (number, line) in lines.records().enumerate() {
        let (place, (code, message, hint)) = match line {
            Err(error) => (error.position().cloned(), ("E003", "no CSV".to_owned(), "")),
            Ok(line) => {
                if number == 0 && is_header(&line) {
                    continue;
                }
                match point(&line, points.last()) {
                    Ok(point) => {
                        points.push(point);
                        continue;
                    }
                    Err(wrong) => (line.position().cloned(), wrong),
                }
            }
        };
        let place = place.map_or(0, |place| place.line());
        at.error(code, format!("{path}, line {place}: {message}"), hint);
        return None;
    }
    if points.is_empty() {
        at.error("E005", format!("{path} holds no points"), "");
        return None;
    }
    Some(points)
}

/// Whether a line names columns: several, and no number nor what begins as one.
fn is_header(line: &csv::StringRecord) -> bool {
    let is_name =
        |field: &str| !field.starts_with(|c: char| c.is_ascii_digit()) && field.parse::<f64>().is_err();
    line.len() >= 2 && line.iter().all(is_name)
}

/// What is wrong with a line: a code, a message, and a hint.
type Wrong = (&'static str, String, &'static str);

/// A line of a trace, after the point before it.
fn point(line: &csv::StringRecord, last: Option<&(Duration, f64)>) -> Result<(Duration, f64), Wrong> {
    let number = |place: usize| line.get(place)?.parse::<f64>().ok().filter(|n| n.is_finite());
    let (Some(seconds), Some(rate)) = (number(0), number(1)) else {
        let first = line.get(0).unwrap_or_default();
        let hint = if line.len() < 2 && first.contains([';', '\t']) {
            "commas separate the fields"
        } else if first.contains(':') {
            "times are seconds from the start of the run: subtract the first line's time from all"
        } else {
            ""
        };
        let found: Vec<&str> = line.iter().collect();
        let message = format!("expected seconds,requests a second, found {:?}", found.join(","));
        return Err(("E003", message, hint));
    };
    if !(0.0..=MOST_RPS).contains(&rate) {
        let message = format!("rates lie between 0 and {MOST_RPS}, not at {rate}");
        return Err(("E004", message, ""));
    }
    match (Duration::try_from_secs_f64(seconds), last) {
        (Ok(time), Some((last, _))) if time <= *last => {
            Err(("E004", format!("times must rise, and {seconds} does not"), ""))
        }
        (Ok(time), _) if time <= LONGEST_TRACE => Ok((time, rate)),
        _ => {
            let hint = if seconds > 1e9 {
                "subtract the first line's time from all"
            } else {
                ""
            };
            let message = format!("times are seconds from the start of the run, up to 1e9, not {seconds}");
            Err(("E004", message, hint))
        }
    }
}
