//! `[cloud]` and `[[node_group]]`: what EC2 has, and which machines are there from the start.

use std::sync::Arc;

use sim::SortedSet;

use super::values::Values;
use crate::api::{Labels, Taint, TaintEffect};
use crate::catalog::kubelet::{AmiFamily, Kubelet};
use crate::catalog::volume::{Volume, VolumePrices, VolumeType};
use crate::catalog::{Catalog, stocked_regions};
use crate::document::{Cursor, Scalar, Shape, closest};
use crate::ec2::{BootTimes, Config, Interruption, NodeGroup, Quota, QuotaGroup, TypePattern};
use crate::karpenter::CapacityType;
use crate::manifest::volume::{report_refusals, volume_type};
use crate::quantity::{Bytes, Price};

/// EBS limits: the smallest and largest volume that any type has, GiB.
const VOLUME_GIB: std::ops::RangeInclusive<i64> = 1..=65_536;

/// The catalog of the region and date, with the scenario's prices.
pub(super) fn catalog(at: &Cursor<'_>) -> Option<Catalog> {
    let region_at = at.get("region");
    let region = region_at.name().unwrap_or("us-west-2");
    let date_at = at.get("as_of");
    let date = date_at
        .text()
        .and_then(|text| match text.parse::<jiff::civil::Date>() {
            Ok(date) => Some(date),
            Err(_) => {
                date_at.error(
                    "E003",
                    format!("expected a date such as 2024-01-02, found {text:?}"),
                    "",
                );
                None
            }
        });
    match Catalog::new(region, date) {
        Ok(catalog) if catalog.entries().is_empty() => {
            let message = format!("the catalog has no instance types of {region}");
            region_at.error(
                "E009",
                message,
                "a region of the same kind of prices has to stand in for it",
            );
            None
        }
        Ok(mut catalog) => {
            set_prices(&at.get("price"), &mut catalog);
            Some(catalog)
        }
        Err(error) => {
            let hint = closest(region, stocked_regions()).map(|near| format!("did you mean {near:?}?"));
            region_at.error("E009", error.to_string(), &hint.unwrap_or_default());
            None
        }
    }
}

fn set_prices(at: &Cursor<'_>, catalog: &mut Catalog) {
    for (key, spot) in [("on_demand", false), ("spot", true)] {
        for (name, price_at) in at.get(key).entries() {
            let Some(usd) = price_at.number(0.0..=1e5) else {
                continue;
            };
            let price = Price::from_usd_per_hour(usd);
            let known = if spot {
                catalog.set_spot(name, None, price)
            } else {
                catalog.set_on_demand(name, price)
            };
            if !known {
                unknown_type(&price_at, name, catalog);
            }
        }
    }
}

fn unknown_type(at: &Cursor<'_>, name: &str, catalog: &Catalog) {
    let names = catalog.entries().iter().map(|entry| entry.spec.name);
    let hint = closest(name, names).map(|near| format!("did you mean {near}? `scaletwin catalog` lists all"));
    let message = format!("{} does not offer the instance type {name:?}", catalog.region());
    at.error(
        "E009",
        message,
        &hint.unwrap_or_else(|| "`scaletwin catalog` lists all".to_owned()),
    );
}

/// Zones that the region has.
pub(super) fn zones(at: &Cursor<'_>, catalog: &Catalog) -> Vec<Arc<str>> {
    let zone = |at: &Cursor<'_>| {
        let name = at.name()?;
        let known = catalog.zones().iter().map(|zone| &*zone.name);
        if known.clone().any(|known| known == name) {
            return Some(Arc::from(name));
        }
        let hint = format!("it has {}", known.collect::<Vec<_>>().join(", "));
        at.error(
            "E009",
            format!("{} has no zone {name:?}", catalog.region()),
            &hint,
        );
        None
    };
    at.items().iter().filter_map(zone).collect()
}

/// How EC2 behaves. Shortages come from the actions.
pub(super) fn config(at: &Cursor<'_>) -> Config {
    let default = Config::default();
    let pool = |at: &Cursor<'_>| at.name().map(|name| TypePattern(name.to_owned()));
    Config {
        times: boot(&at.get("boot")),
        deep_pools: at.get("deep_pools").items().iter().filter_map(pool).collect(),
        on_demand_vcpus: quota(&at.get("on_demand_vcpus")),
        spot_vcpus: quota(&at.get("spot_vcpus")),
        interruption: interruption(&at.get("interruption")).unwrap_or(default.interruption),
        rebalance_lead: at.get("rebalance_lead").duration(),
        volume_prices: volume_prices(&at.at("price.volume")),
        ..default
    }
}

/// What is not given costs what it does in us-west-2.
fn volume_prices(at: &Cursor<'_>) -> VolumePrices {
    let default = VolumePrices::default();
    let usd = |key: &str, default: f64| at.get(key).number(0.0..=100.0).unwrap_or(default);
    let [first, ..] = default.io_iops;
    let io_iops = usd("io_iops", first);
    VolumePrices {
        gp2: usd("gp2", default.gp2),
        gp3: usd("gp3", default.gp3),
        gp3_iops: usd("gp3_iops", default.gp3_iops),
        gp3_throughput: usd("gp3_throughput", default.gp3_throughput),
        io: usd("io", default.io),
        io_iops: default.io_iops.map(|tier| tier / first * io_iops),
        st1: usd("st1", default.st1),
        sc1: usd("sc1", default.sc1),
        standard: usd("standard", default.standard),
    }
}

/// One number for each group of families, or a table of them.
fn quota(at: &Cursor<'_>) -> Option<Quota> {
    let count = |at: &Cursor<'_>| at.count(0).and_then(|count| u32::try_from(count).ok());
    if !matches!(at.value()?.shape, Shape::Map(_)) {
        return count(at).map(Quota::Each);
    }
    let group = |(key, at): (&str, Cursor<'_>)| {
        let known = QuotaGroup::NAMES.iter().find(|(name, _)| *name == key);
        if known.is_none() {
            let names = QuotaGroup::NAMES.map(|(name, _)| name).join(", ");
            at.error(
                "E002",
                format!("EC2 has no quota for {key:?}"),
                &format!("it has {names}"),
            );
        }
        Some((known?.1, count(&at)?))
    };
    Some(Quota::Groups(
        at.entries().into_iter().filter_map(group).collect(),
    ))
}

fn boot(at: &Cursor<'_>) -> BootTimes {
    let default = BootTimes::default();
    BootTimes {
        fleet_call: at.get("fleet_call").distribution().unwrap_or(default.fleet_call),
        pending: at.get("pending").distribution().unwrap_or(default.pending),
        boot: at.get("boot").distribution().unwrap_or(default.boot),
        network: at.get("network").distribution().unwrap_or(default.network),
        bare_metal: at.get("bare_metal").distribution().unwrap_or(default.bare_metal),
        accelerated: at
            .get("accelerated")
            .distribution()
            .unwrap_or(default.accelerated),
        shutting_down: at
            .get("shutting_down")
            .distribution()
            .unwrap_or(default.shutting_down),
    }
}

fn interruption(at: &Cursor<'_>) -> Option<Interruption> {
    match &at.value()?.shape {
        Shape::Scalar(Scalar::Text, _) => {
            at.one_of(&[("never", Interruption::Never), ("advisor", Interruption::Advisor)])
        }
        _ => at.number(0.0..=3600.0).map(Interruption::PerHour),
    }
}

pub(super) const CAPACITY_TYPES: &[(&str, CapacityType)] = &[
    ("on-demand", CapacityType::OnDemand),
    ("spot", CapacityType::Spot),
];

/// Two node groups of one name, which EKS refuses.
pub(super) fn report_twins(at: &Cursor<'_>) {
    let mut seen = SortedSet::new();
    for group in at.items() {
        let name = group.get("name");
        let text = name.written();
        if let Some(text) = text.filter(|text| !seen.insert((*text).to_owned())) {
            name.error(
                "E010",
                format!("two node groups are called {text:?}"),
                "give one another name",
            );
        }
    }
}

/// One node group.
pub(super) fn node_group(
    at: &Cursor<'_>,
    catalog: &Catalog,
    default_zones: &[Arc<str>],
) -> Option<NodeGroup> {
    let name = at.get("name").required_as("name = \"system\"").name();
    let type_at = at.get("instance_type").required();
    let size = at.get("nodes").required().count(0).filter(|nodes| {
        let sound = *nodes <= 5_000;
        if !sound {
            at.get("nodes")
                .error("E004", format!("{nodes} nodes are more than a cluster has"), "");
        }
        sound
    });
    let instance_type = type_at.name()?;
    let Some(entry) = catalog.get(instance_type) else {
        unknown_type(&type_at, instance_type, catalog);
        return None;
    };
    let zones_at = at.get("zones");
    let is_stated = zones_at.is_list();
    let mut zones = if is_stated {
        zones(&zones_at, catalog)
    } else {
        default_zones.to_vec()
    };
    zones.retain(|zone| entry.zones.contains(zone));
    if zones.is_empty() && (is_stated || !default_zones.is_empty()) {
        type_at.error("E009", format!("none of the zones offers {instance_type}"), "");
        return None;
    }
    let family = at.get("ami_family").one_of(&[
        ("AL2", AmiFamily::Al2),
        ("AL2023", AmiFamily::Al2023),
        ("Bottlerocket", AmiFamily::Bottlerocket),
    ]);
    let max_pods = at
        .get("max_pods")
        .int(1..=1_000)
        .and_then(|pods| u32::try_from(pods).ok());
    let label = |(key, at): (&str, Cursor<'_>)| Some((key.to_owned(), at.text()?.to_owned()));
    let labels: Labels = at.get("labels").entries().into_iter().filter_map(label).collect();
    Some(NodeGroup {
        name: name?.to_owned(),
        instance_type: instance_type.into(),
        size: size.and_then(|size| u32::try_from(size).ok())?,
        zones,
        capacity_type: at
            .get("capacity_type")
            .one_of(CAPACITY_TYPES)
            .unwrap_or(CapacityType::OnDemand),
        ami_family: family.unwrap_or(AmiFamily::Al2023),
        kubelet: Kubelet {
            max_pods,
            ..Kubelet::default()
        },
        volumes: vec![volume(&at.get("volume"))],
        detailed_monitoring: at.get("detailed_monitoring").bool().unwrap_or(false),
        labels,
        taints: at.get("taints").items().iter().filter_map(taint).collect(),
    })
}

fn volume(at: &Cursor<'_>) -> Volume {
    let size = at.get("size").quantity().map(|size| Bytes(size.whole()));
    let size = size.filter(|size| {
        let sound = VOLUME_GIB.contains(&(size.0 >> 30));
        if !sound {
            at.get("size")
                .error("E004", "expected a size from 1Gi to 64Ti", "");
        }
        sound
    });
    let number = |key: &str| {
        at.get(key)
            .int(1..=400_000)
            .and_then(|number| u32::try_from(number).ok())
    };
    let volume = Volume {
        volume_type: volume_type(&at.get("type")).unwrap_or(VolumeType::Gp3),
        iops: number("iops"),
        throughput: number("throughput"),
        ..Volume::gp3(size.unwrap_or(Bytes::from_gib(20)))
    };
    if size.is_some() || !at.get("size").is_given() {
        let places = ["size", "type", "iops", "throughput"].map(|key| at.get(key));
        report_refusals(
            &volume,
            places.each_ref(),
            "see the limits of Amazon EBS volume types",
        );
    }
    volume
}

/// `key=value:Effect` or `key:Effect`.
fn taint(at: &Cursor<'_>) -> Option<Taint> {
    let text = at.name()?;
    let parsed = text.rsplit_once(':').and_then(|(rest, effect)| {
        let effect = match effect {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            _ => return None,
        };
        let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
        (!key.is_empty()).then(|| Taint {
            key: key.to_owned(),
            value: value.to_owned(),
            effect,
        })
    });
    if parsed.is_none() {
        at.error(
            "E003",
            format!("expected a taint such as key=value:NoSchedule, found {text:?}"),
            "",
        );
    }
    parsed
}
