//! scenario.toml and the load's trace: what manifests cannot say.

use jiff::Timestamp;
use live::calibrate::short;
use live::cluster::import::{Group, Images, Load, Machines, Size};
use model::workload::kubelet::{self, ImageSize};
use serde_json::Value;

use super::super::args::ImportArgs;
use super::ask::{Heard, Past};
use super::draft::Draft;
use super::roles::{Roles, asked};

/// Results count from here on, seconds, or from a sixth of the time if that is less: rate windows fill, and what was
/// there settles.
const WARM_UP: f64 = 300.0;
/// Without a load, a scenario is so long, seconds.
const LENGTH: f64 = 3600.0;
/// What is simulated of a part whose release nothing tells.
const RELEASES: [(&str, &str); 5] = [
    ("kubernetes", "1.35"),
    ("keda", "2.20"),
    ("prometheus", "3.5.0"),
    ("traefik", "3.5"),
    ("karpenter", "1.14"),
];
/// Images that are named in a note.
const NAMED: usize = 3;

/// Writes scenario.toml and the load's trace, and lists what nothing tells.
pub(super) fn fill(args: &ImportArgs, heard: &Heard, roles: &Roles, draft: &mut Draft) {
    let mut text = head(args, heard);
    if let Some(load) = &heard.past.load {
        draft.traces.insert("traces/load.csv".to_owned(), trace(load));
    } else if args.clients.is_none() {
        draft
            .left_out
            .push("the load: nothing tells how many requests there were, so there are none".to_owned());
    }
    for what in [
        "environments, commands, arguments and volumes of containers: they may hold secrets, and decide nothing in a simulation",
        "the HPA controller's flags (sync period, tolerance, stabilization): no API tells them, a cluster's defaults are \
         simulated; `run --set timing.hpa.sync_period=5s` says otherwise",
    ] {
        draft.left_out.push(what.to_owned());
    }
    text.push_str(&stack(heard, &mut draft.left_out));
    text.push_str(&machines(&heard.found.machines, &mut draft.left_out));
    text.push_str(&service(roles, &heard.past, &mut draft.left_out));
    text.push_str(&load_of(roles, &heard.past));
    if let Some((interval, timeout)) = &heard.past.scraping {
        text.push_str(&format!(
            "\n[timing.prometheus]\nscrape_interval = {}\nscrape_timeout = {}\n",
            quoted(interval),
            quoted(timeout)
        ));
    }
    draft.scenario = text;
}

/// Adds the sizes of the images that the draft's containers have.
pub(super) fn add_images(sizes: &Images, draft: &mut Draft) {
    let (mut table, mut unknown) = (String::new(), Vec::new());
    for image in draft.images() {
        let size = match sizes.size_of(&image) {
            Some(Size::Unpacked(bytes)) => {
                format!(
                    "compressed = \"{}\", unpacked = \"{bytes}\"",
                    bytes / ImageSize::UNPACKED
                )
            }
            Some(Size::Compressed(bytes)) => format!("compressed = \"{bytes}\""),
            None => {
                unknown.push(image);
                continue;
            }
        };
        table.push_str(&format!("{} = {{ {size} }}\n", quoted(&image)));
    }
    if !table.is_empty() {
        let head = "\n# As the nodes that have them report them.\n[image]\n";
        draft.scenario.extend([head, &table]);
    }
    let which = match &unknown[..] {
        [] => return,
        [one] => format!("the size of the image {one}"),
        some if some.len() <= NAMED => format!("the sizes of the images {}", some.join(", ")),
        some => format!(
            "the sizes of {} images, {} among them",
            some.len(),
            some[..NAMED].join(", ")
        ),
    };
    let assumed = kubelet::Config::default().default_image.compressed / 1_000_000;
    draft.left_out.push(format!(
        "{which}: no node tells, {assumed} MB over the network are simulated; `image.default` says otherwise"
    ));
}

/// Adds the panel of what the autoscaler sees, if it scales by requests.
pub(super) fn add_dashboard(roles: &Roles, draft: &mut Draft) {
    if let Some(query) = asked(draft, &roles.service) {
        let table = format!(
            "\n# What the autoscaler sees.\n[dashboard]\nrps = {}\n",
            quoted(query)
        );
        draft.scenario.push_str(&table);
    }
}

fn trace(load: &Load) -> String {
    let mut text = "seconds,rate\n".to_owned();
    for (at, rate) in &load.readings {
        text.push_str(&format!("{at},{rate:.4}\n"));
    }
    text
}

/// A text as TOML has it: JSON's escapes are TOML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn head(args: &ImportArgs, heard: &Heard) -> String {
    let load = heard.past.load.as_ref();
    let length = load
        .and_then(|load| load.readings.last())
        .map_or(LENGTH, |(last, _)| last.max(1.0).round());
    let warm_up = WARM_UP.min((length / 6.0).floor());
    let name = format!("imported-{}", args.namespace);
    let mut text = format!(
        "# What ran in namespace {} of context {}. IMPORT.md lists what could not be taken along.\n\n\
         name = {}\nquestion = \"What does the cluster as it is make of this load?\"\nseed = 1\n\
         duration = \"{length}s\"\nwarm_up = \"{warm_up}s\"\n",
        args.namespace,
        heard.facts.context,
        quoted(&name)
    );
    // The load's own time: a recording of it can be compared.
    if let Some(began) = load.and_then(|load| Timestamp::from_millisecond((load.began * 1000.0) as i64).ok())
    {
        text.push_str(&format!("epoch = {began}\n"));
    }
    text
}

fn stack(heard: &Heard, left_out: &mut Vec<String>) -> String {
    let mut text = "\n[stack]\n".to_owned();
    for (part, default) in RELEASES {
        let release = match heard.facts.versions.get(part) {
            Some(version) => version.clone(),
            None => {
                left_out.push(format!(
                    "which release of {part} runs: nothing tells, {default} is simulated"
                ));
                default.to_owned()
            }
        };
        text.push_str(&format!("{part} = {}\n", quoted(&release)));
    }
    text
}

fn machines(found: &Machines, left_out: &mut Vec<String>) -> String {
    let mut text = "\n[cloud]\n".to_owned();
    match &found.region {
        Some(region) => text.push_str(&format!("region = {}\n", quoted(region))),
        None => left_out.push("the region: no node tells it, us-west-2 is simulated".to_owned()),
    }
    if let Some(seconds) = found.until_ready {
        text.push_str(&format!(
            "# From joining to Ready: the middle one of the nodes that are there.\nboot = {{ network = {seconds} }}\n"
        ));
    }
    let groups = found
        .groups
        .iter()
        .map(|(group, count)| node_group(group, *count));
    text.extend(groups);
    if found.of_karpenter > 0 {
        left_out.push(format!(
            "{} nodes that Karpenter has now: the simulated one brings its own",
            found.of_karpenter
        ));
    }
    text
}

fn node_group(group: &Group, count: u32) -> String {
    let mut text = format!(
        "\n[[node_group]]\nname = {}\ninstance_type = {}\nnodes = {count}\ncapacity_type = {}\n",
        quoted(&group.name),
        quoted(&group.instance_type),
        quoted(&group.capacity_type)
    );
    if let Some(pods) = group.max_pods {
        text.push_str(&format!("max_pods = {pods}\n"));
    }
    text
}

fn service(roles: &Roles, past: &Past, left_out: &mut Vec<String>) -> String {
    let mut text = format!("\n[service]\ndeployment = {}\n", quoted(&roles.service));
    match past.response_time {
        Some(seconds) => text.push_str(&format!(
            "# The shortest mean response time of the past, as Traefik saw it: what waits and what is no CPU is in it.\n\
             cpu_per_request = {}\n",
            short(seconds)
        )),
        None => left_out.push(
            "the CPU of a request: nothing tells Traefik's response times, and a constant stands in for it; write what is \
             known as service.cpu_per_request"
                .to_owned(),
        ),
    }
    text
}

fn load_of(roles: &Roles, past: &Past) -> String {
    let mut text = format!("\n[proxy]\ndeployment = {}\n", quoted(&roles.proxy));
    match (&roles.clients, &past.load) {
        (Some(clients), _) => {
            text.push_str(&format!("\n[load.clients]\ndeployment = {}\n", quoted(clients)));
        }
        (None, Some(_)) => {
            text.push_str("\n[[load.arrivals]]\nshape = \"trace\"\ntrace = \"traces/load.csv\"\n");
        }
        (None, None) => text.push_str("\n[[load.arrivals]]\nshape = \"constant\"\nrate = 0\n"),
    }
    text
}
