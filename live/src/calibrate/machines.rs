//! How long machines take.

use sim::SortedMap;

use model::catalog::{self, InstanceSpec};
use model::distribution::Distribution;
use model::scenario::Scenario;

use super::{Calibration, Fit, Resampling, middle, short};
use crate::heard::Heard;
use crate::recording::{Change, Entry, Object, Recording};

/// Seconds between two of a machine's times.
type Span = fn(&Times) -> Option<f64>;

/// The moments of one claim and its machine, seconds on the recording's clock.
#[derive(Debug, Default, Clone)]
struct Times {
    created: Option<f64>,
    launched: Option<f64>,
    running: Option<f64>,
    joined: Option<f64>,
    ready: Option<f64>,
    instance_type: String,
}

pub(super) fn fit(
    recording: &Recording,
    scenario: &Scenario,
    resampling: &Resampling,
    into: &mut Calibration,
) {
    let all: Vec<Times> = times(recording)
        .into_values()
        .filter(|own| own.created.is_some())
        .collect();
    // What types with accelerators and bare metal take longer is a constant of its own.
    let (plain, special): (Vec<Times>, Vec<Times>) =
        all.into_iter().partition(|own| is_plain(&own.instance_type));
    let config = &scenario.config.ec2.times;
    let delay = scenario.config.watch_delay.as_secs_f64();
    let spans: [(&str, &Distribution, Span, f64); 4] = [
        (
            "fleet_call",
            &config.fleet_call,
            |own| Some(own.launched? - own.created?),
            delay,
        ),
        (
            "pending",
            &config.pending,
            |own| Some(own.running? - own.launched?),
            -delay,
        ),
        (
            "boot",
            &config.boot,
            |own| Some(own.joined? - own.running?),
            delay,
        ),
        (
            "network",
            &config.network,
            |own| Some(own.ready? - own.joined?),
            0.0,
        ),
    ];
    for (name, before, span, less) in spans {
        let field = format!("cloud.boot.{name}");
        let sample: Vec<f64> = plain
            .iter()
            .filter_map(span)
            .map(|span| span - less)
            .filter(|span| *span > 0.0)
            .collect();
        match log_normal(&field, &sample, before, resampling) {
            Some(fit) => into.fits.push(fit),
            None => into.leave(
                &field,
                format!("{} machines show it; three are needed", sample.len()),
            ),
        }
    }
    let joined = |is: fn(&InstanceSpec) -> bool| {
        let of_type = |own: &&Times| catalog::find(&own.instance_type).is_some_and(is);
        match special
            .iter()
            .filter(|own| own.joined.is_some())
            .filter(of_type)
            .count()
        {
            0 => "no such machine joined".to_owned(),
            n => format!("{n} such machines joined: their boot is not separated from the others'"),
        }
    };
    into.leave("cloud.boot.accelerated", joined(|spec| spec.gpu.is_some()));
    into.leave("cloud.boot.bare_metal", joined(|spec| spec.bare_metal));
}

fn is_plain(instance_type: &str) -> bool {
    catalog::find(instance_type).is_none_or(|spec| !spec.bare_metal && spec.gpu.is_none())
}

fn times(recording: &Recording) -> SortedMap<String, Times> {
    let mut all: SortedMap<String, Times> = SortedMap::new();
    let mut heard = Heard::default();
    // Machines that a claim launched, by what the cloud calls them.
    let mut claim_of: SortedMap<String, String> = SortedMap::new();
    for line in &recording.lines {
        match &line.entry {
            Entry::Object(object) => {
                heard.apply(object);
                object_times(line.t, object, &mut all, &mut claim_of);
            }
            Entry::Instances(machines) => {
                for machine in machines.instances.iter().filter(|own| own.state == "running") {
                    let Some(claim) = claim_of.get(&machine.id) else {
                        continue;
                    };
                    let own = all.entry(claim.clone()).or_default();
                    own.running.get_or_insert(line.t);
                    own.instance_type.clone_from(&machine.instance_type);
                }
            }
            _ => {}
        }
    }
    all
}

fn object_times(
    t: f64,
    object: &Object,
    all: &mut SortedMap<String, Times>,
    claim_of: &mut SortedMap<String, String>,
) {
    // aws:///us-west-2a/i-0123
    let machine = |path: &str| object.text(path).rsplit('/').next().unwrap_or("").to_owned();
    match object.kind.as_str() {
        "NodeClaim" => {
            let own = all.entry(object.name.clone()).or_default();
            if object.change == Change::Added {
                own.created.get_or_insert(t);
            }
            let id = machine("/status/providerID");
            if !id.is_empty() {
                own.launched.get_or_insert(t);
                claim_of.insert(id, object.name.clone());
            }
        }
        "Node" => {
            let Some(claim) = claim_of.get(&machine("/spec/providerID")) else {
                return;
            };
            let own = all.entry(claim.clone()).or_default();
            if object.change == Change::Added {
                own.joined.get_or_insert(t);
            }
            if object.is("Ready") {
                own.ready.get_or_insert(t);
            }
        }
        _ => {}
    }
}

/// A log-normal distribution by its median.
fn log_normal(field: &str, sample: &[f64], before: &Distribution, resampling: &Resampling) -> Option<Fit> {
    let logs: Vec<f64> = sample.iter().map(|value| value.ln()).collect();
    let (mean, interval) = resampling.mean(field, &logs)?;
    let squares = logs.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let sigma = (squares / (logs.len() - 1) as f64).sqrt();
    let median = mean.exp();
    Some(Fit {
        field: field.to_owned(),
        toml: format!("{{ median = {}, sigma = {} }}", short(median), short(sigma)),
        of: "median, s",
        estimate: median,
        interval: interval.map(f64::exp),
        before: middle(before),
        observations: sample.len(),
    })
}
