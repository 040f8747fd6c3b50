//! How long pods take: sandboxes, pulls, start-up.

use sim::{SortedMap, SortedSet};

use model::distribution::Distribution;
use model::document::go_duration;
use model::scenario::Scenario;
use model::workload::kubelet::{Config, ImageSize, PULL_FIXED};

use super::{Calibration, Fit, Interval, Resampling, middle, short};
use crate::objects::read::Templates;
use crate::recording::{Change, Entry, Object, Recording};

/// The moments of one pod, seconds on the recording's clock.
#[derive(Debug, Clone)]
struct Times<'r> {
    pod: &'r Object,
    node: &'r str,
    /// When the kubelet could begin: when it was bound, or, on a node without a network, when that was up.
    begun: f64,
    running: Option<f64>,
    ready: Option<f64>,
    containers: f64,
    /// Containers whose images are asked for at the registry although they are there.
    checks: f64,
}

impl Times<'_> {
    /// What a start takes after the sandbox is up and the images are there, seconds.
    fn rest(&self, kubelet: &Config) -> f64 {
        self.containers * middle(&kubelet.container_start)
            + kubelet.relist.as_secs_f64() / 2.0
            + kubelet.status_latency.as_secs_f64()
    }
}

pub(super) fn fit(
    recording: &Recording,
    scenario: &Scenario,
    resampling: &Resampling,
    into: &mut Calibration,
) {
    let seen = Seen::of(recording, scenario);
    let sandbox = sandbox(&seen, scenario, resampling, into);
    pull(recording, &seen, sandbox, scenario, resampling, into);
    start_up(&seen.pods, scenario, resampling, into);
}

/// What a recording shows of pods.
struct Seen<'r> {
    /// When each node joined that did so in the recording.
    joined: SortedMap<&'r str, f64>,
    /// Pods that began in it.
    pods: Vec<Times<'r>>,
    /// Images of those that were running all along.
    there: There<'r>,
}

impl<'r> Seen<'r> {
    fn of(recording: &'r Recording, scenario: &Scenario) -> Self {
        let joined = joined(recording);
        let mut pods = times(recording, scenario, &joined);
        let there = images_there(&mut pods);
        Seen { joined, pods, there }
    }
}

/// No container starts within this, seconds.
const AT_ONCE: f64 = 0.1;

/// Pods that were made in the recording.
fn times<'r>(recording: &'r Recording, scenario: &Scenario, joined: &SortedMap<&str, f64>) -> Vec<Times<'r>> {
    let networks = networks(recording, joined);
    let mut templates = Templates::default();
    let mut all: SortedMap<&str, Times<'_>> = SortedMap::new();
    let mut made: SortedSet<&str> = SortedSet::new();
    for line in &recording.lines {
        let Entry::Object(object) = &line.entry else {
            continue;
        };
        if object.kind != "Pod" || object.change == Change::Deleted {
            continue;
        }
        if object.change == Change::Added && line.t > 0.0 {
            made.insert(&object.uid);
        }
        let node = object.text("/spec/nodeName");
        if !made.contains(object.uid.as_str()) || node.is_empty() {
            continue;
        }
        let own = all.entry(&object.uid).or_insert_with(|| {
            let template = templates.of(object, &scenario.objects);
            let spec = &template.spec;
            let containers = || spec.init_containers.iter().chain(&spec.containers);
            let network = networks.get(node).copied().unwrap_or(f64::NEG_INFINITY);
            Times {
                pod: object,
                node,
                begun: if spec.host_network {
                    line.t
                } else {
                    line.t.max(network)
                },
                running: None,
                ready: None,
                containers: containers().count() as f64,
                checks: containers().filter(|own| own.always_pull).count() as f64,
            }
        });
        if object.text("/status/phase") == "Running" {
            own.running.get_or_insert(line.t);
        }
        if object.is("Ready") {
            own.ready.get_or_insert(line.t);
        }
    }
    let mut all: Vec<Times<'_>> = all.into_values().collect();
    all.sort_by(|a, b| a.begun.total_cmp(&b.begun));
    all
}

/// Images by their nodes.
type There<'r> = SortedSet<(&'r str, &'r str)>;

/// A simulated run may begin with pods that have been running all along: they run as soon as they are bound. Nothing is
/// learnt from them but that their images were there.
fn images_there<'r>(pods: &mut Vec<Times<'r>>) -> There<'r> {
    let mut there = There::new();
    pods.retain(|own| {
        let starts = own.running.is_none_or(|running| running - own.begun > AT_ONCE);
        if !starts {
            there.extend(images(own.pod).into_iter().map(|image| (own.node, image)));
        }
        starts
    });
    there
}

/// When the network of each node was up that joined in the recording: when it was Ready.
fn networks<'r>(recording: &'r Recording, joined: &SortedMap<&str, f64>) -> SortedMap<&'r str, f64> {
    let mut up = SortedMap::new();
    for line in &recording.lines {
        if let Entry::Object(object) = &line.entry
            && object.kind == "Node"
            && joined.contains_key(object.name.as_str())
            && object.is("Ready")
        {
            up.entry(object.name.as_str()).or_insert(line.t);
        }
    }
    up
}

/// When each node joined that did so in the recording: it had no image then.
fn joined(recording: &Recording) -> SortedMap<&str, f64> {
    let mut joined = SortedMap::new();
    for line in &recording.lines {
        if let Entry::Object(object) = &line.entry
            && object.kind == "Node"
            && object.change == Change::Added
            && line.t > 0.0
        {
            joined.entry(object.name.as_str()).or_insert(line.t);
        }
    }
    joined
}

fn images(pod: &Object) -> Vec<&str> {
    pod.items("/spec/initContainers")
        .chain(pod.items("/spec/containers"))
        .filter_map(|container| container["image"].as_str())
        .collect()
}

/// How long a sandbox takes, by pods whose images were there; the scenario's if too few show it.
fn sandbox(
    Seen { joined, pods, .. }: &Seen<'_>,
    scenario: &Scenario,
    resampling: &Resampling,
    into: &mut Calibration,
) -> (f64, Interval) {
    const FIELD: &str = "timing.kubelet.sandbox";
    let kubelet = &scenario.config.kubelet;
    let mut there: There<'_> = SortedSet::new();
    let mut sample = Vec::new();
    for own in pods {
        // Pods of a node wait for what an earlier one pulls, or one that began with them.
        let all_there = images(own.pod)
            .iter()
            .all(|image| there.contains(&(own.node, *image)));
        let settled = || {
            pods.iter().all(|other| {
                other.node != own.node
                    || other.pod.uid == own.pod.uid
                    || other.begun > own.begun
                    || other.running.is_some_and(|at| at < own.begun)
            })
        };
        if (all_there || !joined.contains_key(own.node)) && settled() {
            let rest = own.rest(kubelet) + own.checks * middle(&kubelet.image_check);
            sample.extend(own.running.map(|running| running - own.begun - rest));
        }
        there.extend(images(own.pod).into_iter().map(|image| (own.node, image)));
    }
    into.leave(
        "timing.kubelet.container_start, image_check",
        "only their sum with the sandbox shows: they are left as they are",
    );
    let known = middle(&kubelet.sandbox);
    let known = (
        known,
        Interval {
            low: known,
            high: known,
        },
    );
    let Some((mean, interval)) = resampling.mean(FIELD, &sample) else {
        into.leave(
            FIELD,
            format!(
                "{} pods started with their images there; three are needed",
                sample.len()
            ),
        );
        return known;
    };
    let value = mean.max(0.0);
    let half = half_width(kubelet, value);
    let interval = interval.map(|own| own.max(0.0));
    let is_fixed = into.take(Fit {
        field: FIELD.to_owned(),
        toml: format!(
            "{{ min = {}, max = {} }}",
            short(value - half),
            short(value + half)
        ),
        of: "mean, s",
        estimate: value,
        interval,
        before: known.0,
        observations: sample.len(),
    });
    if is_fixed { (value, interval) } else { known }
}

/// A stretch in which a node pulls, and the seconds that the scenario's rates give it for that.
struct Pulling {
    length: f64,
    /// What every pull pays before the first byte.
    fixed: f64,
    bytes: f64,
}

fn pull(
    recording: &Recording,
    seen: &Seen<'_>,
    sandbox: (f64, Interval),
    scenario: &Scenario,
    resampling: &Resampling,
    into: &mut Calibration,
) {
    const FIELDS: [&str; 2] = ["timing.kubelet.download", "timing.kubelet.unpack"];
    let told = told_pulls(recording);
    let kubelet = &scenario.config.kubelet;
    let size = |image: &str| -> ImageSize {
        let name = image.rsplit_once('@').map_or(image, |(name, _)| name);
        let last = name.rfind('/').map_or(0, |at| at + 1);
        let bare = name[last..].find(':').map_or(name, |at| &name[..last + at]);
        let known = [name, bare].iter().find_map(|name| kubelet.images.get(*name));
        known.copied().unwrap_or(kubelet.default_image)
    };
    // How long a sandbox takes is known to its own interval only, and all pulls are off by the same.
    let (middling, uncertain) = sandbox;
    let sandboxes: &[f64] = if told.is_empty() {
        &[middling, uncertain.low, uncertain.high]
    } else {
        &[middling]
    };
    let mut found: Option<(f64, Interval)> = None;
    let mut pulled = 0;
    for &sandbox in sandboxes {
        let pulls = if told.is_empty() {
            waits(seen, sandbox, kubelet)
        } else {
            told.clone()
        };
        let stretches = merged(pulls, |image| kubelet.pull_rate.alone(size(image)).as_secs_f64());
        pulled = pulled.max(stretches.len());
        let own = factor(&stretches, resampling);
        found = match (found, own) {
            (Some((estimate, whole)), Some((_, own))) => Some((
                estimate,
                Interval {
                    low: whole.low.min(own.low),
                    high: whole.high.max(own.high),
                },
            )),
            (found, own) => found.or(own),
        };
    }
    let Some((factor, interval)) = found else {
        for field in FIELDS {
            into.leave(field, format!("nodes pulled {pulled} times; three are needed"));
        }
        return;
    };
    let rates = [kubelet.pull_rate.download, kubelet.pull_rate.unpack];
    for (field, rate) in FIELDS.into_iter().zip(rates) {
        into.fits.push(Fit {
            field: field.to_owned(),
            toml: format!("{:.0}", rate * factor),
            of: "bytes/s",
            estimate: rate * factor,
            interval: interval.map(|own| rate * own),
            before: rate,
            observations: pulled,
        });
    }
    into.leave(
        "the ratio of timing.kubelet.download to unpack",
        "a pull's length shows one rate: both are changed by one factor",
    );
}

/// How much faster than the scenario says pulls are.
fn factor(stretches: &[Pulling], resampling: &Resampling) -> Option<(f64, Interval)> {
    if stretches.len() < 3 {
        return None;
    }
    let of = |drawn: &[usize]| {
        let sum = |of: fn(&Pulling) -> f64| drawn.iter().map(|&n| of(&stretches[n])).sum::<f64>();
        let left = sum(|own| own.length - own.fixed);
        (left > 0.0).then(|| sum(|own| own.bytes) / left)
    };
    let all: Vec<usize> = (0..stretches.len()).collect();
    of(&all).zip(resampling.interval("timing.kubelet.download", stretches.len(), of))
}

/// Pulls that events tell: image, node, begin, end.
fn told_pulls(recording: &Recording) -> Vec<(String, String, f64, f64)> {
    let mut found = Vec::new();
    for line in &recording.lines {
        let Entry::Object(event) = &line.entry else {
            continue;
        };
        if event.kind != "Event" || event.text("/reason") != "Pulled" {
            continue;
        }
        // Successfully pulled image "IMAGE" in 2.345s (3.2s including waiting). …
        let message = event.text("/message").split('"').collect::<Vec<_>>();
        let [_, image, rest, ..] = message[..] else {
            continue;
        };
        let seconds = rest
            .trim_start()
            .strip_prefix("in ")
            .and_then(|rest| go_duration(rest.split(' ').next()?));
        let node = event.text("/source/host");
        if let Some(seconds) = seconds {
            found.push((
                image.to_owned(),
                node.to_owned(),
                line.t - seconds.as_secs_f64(),
                line.t,
            ));
        }
    }
    found
}

/// Pulls that pods show by waiting: the first pods of an image on a node that joined in the recording.
fn waits(
    Seen { joined, pods, there }: &Seen<'_>,
    sandbox: f64,
    kubelet: &Config,
) -> Vec<(String, String, f64, f64)> {
    let half = half_width(kubelet, sandbox);
    let mut groups: SortedMap<(&str, &str), Vec<&Times<'_>>> = SortedMap::new();
    for own in pods.iter().filter(|own| joined.contains_key(own.node)) {
        let absent = |image: &&str| !there.contains(&(own.node, *image));
        for image in images(own.pod).into_iter().filter(absent) {
            let group = groups.entry((own.node, image)).or_default();
            if group
                .first()
                .is_none_or(|first| own.begun - first.begun <= TOGETHER)
            {
                group.push(own);
            }
        }
    }
    let mut found = Vec::new();
    for ((node, image), group) in groups {
        let ends: Vec<f64> = group
            .iter()
            .filter_map(|own| Some(own.running? - own.rest(kubelet)))
            .collect();
        if ends.is_empty() {
            continue;
        }
        // The first sandbox of several that is up begins the pull: the least of so many even draws.
        let least = sandbox - half + 2.0 * half / (group.len() + 1) as f64;
        let (from, to) = (
            group[0].begun + least,
            ends.iter().sum::<f64>() / ends.len() as f64,
        );
        if to > from {
            found.push((image.to_owned(), node.to_owned(), from, to));
        }
    }
    found
}

/// Pods that begin within this time of a first one, seconds, wait for the same pull.
const TOGETHER: f64 = 0.2;

/// Half the width of the sandbox's time, as far as it is even.
fn half_width(kubelet: &Config, mean: f64) -> f64 {
    match kubelet.sandbox {
        Distribution::Uniform { min, max } => ((max - min) / 2.0).min(mean),
        _ => 0.0,
    }
}

/// Pulls of a node that overlap share it: they are one stretch, with the work of all.
fn merged(mut pulls: Vec<(String, String, f64, f64)>, alone: impl Fn(&str) -> f64) -> Vec<Pulling> {
    pulls.sort_by(|a, b| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2)));
    let fixed = PULL_FIXED.as_secs_f64();
    let mut found: Vec<Pulling> = Vec::new();
    let mut last: Option<(String, f64)> = None;
    for (image, node, from, to) in pulls {
        let work = alone(&image);
        match (&mut last, found.last_mut()) {
            (Some((own, end)), Some(stretch)) if *own == node && from < *end => {
                stretch.length += (to - *end).max(0.0);
                stretch.fixed += fixed;
                stretch.bytes += work;
                *end = end.max(to);
            }
            _ => {
                found.push(Pulling {
                    length: to - from,
                    fixed,
                    bytes: work,
                });
                last = Some((node, to));
            }
        }
    }
    found
}

/// From running to Ready, by application.
fn start_up(pods: &[Times<'_>], scenario: &Scenario, resampling: &Resampling, into: &mut Calibration) {
    let mut applications: SortedMap<String, Vec<&Times<'_>>> = SortedMap::new();
    for own in pods {
        let name = match own.pod.owner() {
            Some(("DaemonSet", name)) => Some(name),
            _ => own.pod.deployment(),
        };
        if let Some(name) = name {
            applications
                .entry(format!("{}/{name}", own.pod.namespace))
                .or_default()
                .push(own);
        }
    }
    let mut unprobed = Vec::new();
    for (name, pods) in applications {
        let field = format!("application.\"{name}\".startup");
        let probe = pods[0].pod.object.pointer("/spec/containers/0/readinessProbe");
        let Some(probe) = probe else {
            unprobed.push(name);
            continue;
        };
        let period = probe["periodSeconds"].as_f64().unwrap_or(10.0);
        let sample: Vec<f64> = pods
            .iter()
            .filter_map(|own| Some(own.ready? - own.running?))
            .collect();
        let Some((mean, interval)) = resampling.mean(&field, &sample) else {
            into.leave(
                &field,
                format!("{} pods became Ready; three are needed", sample.len()),
            );
            continue;
        };
        let before = scenario
            .config
            .lifecycles
            .iter()
            .find(|(own, _)| own.to_string() == name)
            .map_or(0.0, |(_, own)| middle(&own.startup));
        // The application answered some time within the period before the attempt that saw it.
        if (mean - period..=mean).contains(&before) {
            let why = format!(
                "hidden by the readinessProbe's period: anything from {} to {} s goes with it, the scenario's {} too",
                short((mean - period).max(0.0)),
                short(mean),
                short(before)
            );
            into.leave(&field, why);
            continue;
        }
        let value = (mean - period / 2.0).max(0.0);
        into.fits.push(Fit {
            field,
            toml: short(value),
            of: "mean, s",
            estimate: value,
            interval: Interval {
                low: (interval.low - period).max(0.0),
                high: interval.high,
            },
            before,
            observations: sample.len(),
        });
    }
    if !unprobed.is_empty() {
        let why = format!(
            "without a readinessProbe pods are Ready when they run: {}",
            unprobed.join(", ")
        );
        into.leave("application.*.startup", why);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recording::Line;
    use crate::testing::php_apache;

    fn line(t: f64, change: Change, kind: &str, name: &str, object: serde_json::Value) -> Line {
        let entry = Entry::Object(Object {
            change,
            kind: kind.to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: name.to_owned(),
            object,
        });
        Line { t, entry }
    }

    /// Nodes of a simulated run join with the pods that run on them at once: a later pod of that image pulls nothing.
    #[test]
    fn what_runs_at_once_has_its_images_there() {
        let (recording, scenario) = php_apache();
        let pod = |name: &str, bound: f64, running: f64, image: &str| {
            let object = |phase: &str| {
                json!({
                    "metadata": { "name": name, "namespace": "shop" },
                    "spec": { "nodeName": "n", "containers": [{ "name": "web", "image": image }] },
                    "status": { "phase": phase },
                })
            };
            [
                line(bound, Change::Added, "Pod", name, object("Pending")),
                line(running, Change::Modified, "Pod", name, object("Running")),
            ]
        };
        let node = line(
            0.01,
            Change::Added,
            "Node",
            "n",
            json!({ "metadata": { "name": "n" } }),
        );
        let pods = [
            pod("first", 0.01, 0.01, "web:1"),
            pod("second", 100.0, 104.0, "web:1"),
            pod("third", 200.0, 220.0, "other:1"),
        ];
        let recording = Recording {
            lines: std::iter::once(node).chain(pods.into_iter().flatten()).collect(),
            ..recording.clone()
        };
        let seen = Seen::of(&recording, scenario);
        assert_eq!(seen.pods.len(), 2);
        let waits = waits(&seen, 1.0, &scenario.config.kubelet);
        let images: Vec<&str> = waits.iter().map(|own| own.0.as_str()).collect();
        assert_eq!(images, ["other:1"]);
    }
}
