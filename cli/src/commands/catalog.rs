//! `scaletwin catalog`

use model::catalog::{self, Catalog, Entry, Filter};
use model::quantity::Price;
use serde_json::{Value, json};

use super::Answer;
use crate::args::{Arch, CatalogArgs, Format};
use crate::columns::aligned;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

pub(crate) fn catalog(args: &CatalogArgs) -> Result<Answer, Failure> {
    contradictions(args)?;
    let wrong_date = |date: &String| {
        Failure::new(format!(
            "expected a date such as 2023-12-28 after --as-of, found {date:?}"
        ))
    };
    let as_of = args
        .as_of
        .as_ref()
        .map(|date| date.parse().map_err(|_| wrong_date(date)))
        .transpose()?;
    let catalog = Catalog::new(&args.region, as_of).map_err(|error| {
        Failure::new(error.to_string()).hint(format!(
            "regions: {}",
            catalog::stocked_regions().collect::<Vec<_>>().join(", ")
        ))
    })?;
    if catalog.entries().is_empty() {
        return Err(Failure::new(format!(
            "the catalog has no instance types of {}",
            args.region
        )));
    }
    for name in &args.names {
        let alone = Filter {
            names: vec![name.clone()],
            ..Filter::default()
        };
        if args.names.len() > 1 && catalog.list(&alone).is_empty() {
            talk::say(&format!("{} offers no {name}", args.region));
        }
    }
    let mut listed = catalog.list(&filter(args));
    listed.truncate(args.limit.unwrap_or(usize::MAX));
    if let Some(date) = args.as_of.as_deref().filter(|date| *date > Catalog::last_list()) {
        talk::say(&format!(
            "{date}: no list after that of {} is known, which stands in for it",
            Catalog::last_list()
        ));
    }
    if let Some(date) = &args.as_of
        && date.as_str() < Catalog::first_list()
    {
        talk::say(&format!(
            "{date}: no list before that of {} is known, and what it has is taken to be older",
            Catalog::first_list()
        ));
    }
    match args.format {
        Format::Text if listed.is_empty() => {
            talk::say(&format!(
                "{} offers no such instance type; `scaletwin catalog` lists all",
                args.region
            ));
        }
        Format::Text => {
            print(&text(&listed))?;
            for source in Catalog::source() {
                talk::say(&format!("{}: {}, {}", source.facts, source.origin, source.dated));
            }
        }
        Format::Json => listed
            .iter()
            .try_for_each(|entry| print_json("type", as_json(entry)))?,
    }
    // As grep: nothing found is an answer, and it is no.
    Ok(if listed.is_empty() {
        Answer::No
    } else {
        Answer::Done
    })
}

/// Bounds that admit nothing.
fn contradictions(args: &CatalogArgs) -> Result<(), Failure> {
    if args.limit == Some(0) {
        return Err(Failure::new("--limit 0 lists nothing").hint("leave it out to list all"));
    }
    if let Some(most) = args.max_vcpus.filter(|most| *most < args.min_vcpus) {
        let least = args.min_vcpus;
        return Err(Failure::new(format!(
            "--min-vcpus {least} is above --max-vcpus {most}"
        )));
    }
    if let Some(most) = args.max_memory.filter(|most| *most < args.min_memory) {
        let least = args.min_memory;
        return Err(Failure::new(format!(
            "--min-memory {least} is above --max-memory {most}"
        )));
    }
    Ok(())
}

fn filter(args: &CatalogArgs) -> Filter {
    Filter {
        names: args.names.clone(),
        categories: args.category.clone(),
        min_generation: args.min_generation,
        arch: args.arch.map(|arch| match arch {
            Arch::Amd64 => catalog::Arch::Amd64,
            Arch::Arm64 => catalog::Arch::Arm64,
        }),
        min_vcpus: args.min_vcpus,
        max_vcpus: args.max_vcpus,
        min_memory_gib: args.min_memory,
        max_memory_gib: args.max_memory,
        gpu: args.gpu.clone(),
        min_gpus: args.min_gpus,
        zone: args.zone.clone(),
        spot: args.spot,
    }
}

const HEADER: [&str; 11] = [
    "type",
    "vCPU",
    "memory",
    "GPU",
    "arch",
    "MHz",
    "on-demand",
    "price of",
    "spot from",
    "price of",
    "zones",
];
/// The columns of numbers.
const NUMBERS: [usize; 6] = [1, 2, 5, 6, 8, 10];

fn text(listed: &[&Entry]) -> String {
    let rows: Vec<[String; 11]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(listed.iter().map(|e| row(e)))
        .collect();
    aligned(&rows, &NUMBERS)
}

fn row(entry: &Entry) -> [String; 11] {
    let spec = entry.spec;
    let price = |price: Price| format!("{:.4}", price.usd_per_hour());
    let gpu = match spec.gpu {
        Some(gpu) if gpu.count > 0 => format!("{} × {}", gpu.count, gpu.name),
        Some(gpu) => format!("share of {}", gpu.name),
        None => String::new(),
    };
    [
        spec.name.to_owned(),
        spec.vcpus.to_string(),
        format!("{:.1} GiB", spec.memory.as_mib_f64() / 1024.0),
        gpu,
        spec.arch.as_str().to_owned(),
        spec.sustained_mhz.map_or_else(String::new, |mhz| mhz.to_string()),
        entry
            .on_demand
            .map_or_else(String::new, |(value, _)| price(value)),
        entry
            .on_demand
            .map_or_else(String::new, |(_, source)| source.as_str().to_owned()),
        entry.cheapest_spot().map_or_else(String::new, price),
        entry
            .spot
            .as_ref()
            .map_or_else(String::new, |(_, source)| source.as_str().to_owned()),
        entry.zones.len().to_string(),
    ]
}

fn as_json(entry: &Entry) -> Value {
    let spec = entry.spec;
    let gpu = spec.gpu.map(|gpu| {
        let memory = gpu.memory.as_mib_f64() / 1024.0;
        json!({ "name": gpu.name, "manufacturer": gpu.manufacturer, "count": gpu.count, "memory_gib": memory })
    });
    let spot: Vec<Value> = entry
        .zones
        .iter()
        .filter_map(|zone| {
            Some(json!({ "zone": **zone, "usd_per_hour": entry.spot_in(zone)?.usd_per_hour() }))
        })
        .collect();
    json!({
        "name": spec.name,
        "vcpus": spec.vcpus,
        "memory_gib": spec.memory.as_mib_f64() / 1024.0,
        "arch": spec.arch.as_str(),
        "sustained_mhz": spec.sustained_mhz,
        "max_pods": catalog::capacity::eni_limited_pods(spec, 0),
        "gpu": gpu,
        "zones": entry.zones.iter().map(|zone| zone.to_string()).collect::<Vec<_>>(),
        "on_demand_usd_per_hour": entry.on_demand.map(|(price, _)| price.usd_per_hour()),
        "on_demand_source": entry.on_demand.map(|(_, source)| source.as_str()),
        "spot": spot,
        "spot_source": entry.spot.as_ref().map(|(_, source)| source.as_str()),
        "interruption_band": entry.interruption_band,
        "as_of": spec.as_of,
    })
}
