//! Prices and offerings by region: one compressed table each, read once.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use flate2::read::GzDecoder;

use super::spec::{Fields, InstanceSpec, types};
use super::{Entry, SpotSource};
use crate::quantity::Price;

/// From this day on a catalog shows spot prices of 2026-08 first, before it those of 2022-05: half-way between the two.
const NEWER_SPOT_PRICES: &str = "2024-07-01";
/// From this day on a catalog shows the advisor's list of 2025-06 first, before it that of 2024-02.
const NEWER_ADVICE: &str = "2024-10-29";
/// The first day on which types were listed at all: what has it may be older.
pub(super) const FIRST_LIST: &str = "2022-06-16";
/// The day of the offerings; what was offered then still is.
pub(super) const OFFERED: &str = "2026-08-01";

/// Where an on-demand price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDemandSource {
    /// Karpenter's compiled-in table, 2026-07-20.
    Karpenter,
    /// AWS's pricing page of 2025-04-04.
    PricingPage,
    /// GPU and Neuron families, 2026-01-21.
    Accelerated,
    /// The price of us-east-1, which is the same in us-west-2 for all types that could be compared.
    Parity,
    /// Karpenter's table for bare metal: dedicated tenancy, often 6 to 10 % above the shared price.
    Dedicated,
    /// Both of the last two.
    DedicatedParity,
    /// Given by the scenario.
    Given,
}

impl OnDemandSource {
    fn from_code(code: &str) -> Self {
        match code {
            "k" => OnDemandSource::Karpenter,
            "e" => OnDemandSource::PricingPage,
            "g" => OnDemandSource::Accelerated,
            "p" => OnDemandSource::Parity,
            "K" => OnDemandSource::Dedicated,
            _ => OnDemandSource::DedicatedParity,
        }
    }

    /// In a word or two.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OnDemandSource::Karpenter => "2026-07-20",
            OnDemandSource::PricingPage => "2025-04-04",
            OnDemandSource::Accelerated => "2026-01-21",
            OnDemandSource::Parity => "us-east-1",
            OnDemandSource::Dedicated => "dedicated",
            OnDemandSource::DedicatedParity => "dedicated, us-east-1",
            OnDemandSource::Given => "given",
        }
    }
}

/// An availability zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The name: `us-west-2a`.
    pub name: Arc<str>,
    /// The id, which means the same in every account: `usw2-az2`. Which id has which name is one account's.
    pub id: &'static str,
}

/// All that is known of a region.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) name: &'static str,
    pub(super) zones: Vec<Zone>,
    pub(super) rows: Vec<Row>,
}

/// All that is known of a type in a region.
#[derive(Debug)]
pub(super) struct Row {
    spec: &'static InstanceSpec,
    /// The letters of the zones.
    zones: &'static str,
    offered_as_of: &'static str,
    on_demand: Option<(Price, OnDemandSource)>,
    karpenter: Option<Price>,
    spot: Option<Price>,
    /// By zone letter.
    spot_2022: &'static str,
    advice: Advice,
    advice_2024: Advice,
}

/// What the Spot Advisor says of a type.
#[derive(Debug, Clone, Copy)]
struct Advice {
    band: Option<u8>,
    savings: Option<u8>,
}

/// The names of all regions.
pub fn regions() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The names of the regions in which the data has instance types.
pub fn stocked_regions() -> impl Iterator<Item = &'static str> {
    let stocked =
        |name: &&str| load(name).is_some_and(|own| own.rows.iter().any(|row| !row.zones.is_empty()));
    regions().filter(stocked)
}

/// A region's table, read at the first call.
pub(super) fn load(name: &str) -> Option<&'static Region> {
    static LOADED: [OnceLock<Region>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];
    let at = FILES.iter().position(|(own, _)| *own == name)?;
    Some(LOADED[at].get_or_init(|| read(FILES[at].0, FILES[at].1)))
}

fn read(name: &'static str, packed: &'static [u8]) -> Region {
    let mut text = String::new();
    GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("an embedded table can be unpacked");
    // Kept for as long as the program runs, as the region itself is.
    let text: &'static str = text.leak();
    let zones = include_str!("data/zones.csv").lines().skip(1).filter_map(|line| {
        let mut fields = line.split(',');
        let own = fields.next()? == name;
        let (zone, id) = (fields.next()?, fields.next()?);
        own.then(|| Zone {
            name: zone.into(),
            id,
        })
    });
    Region {
        name,
        zones: zones.collect(),
        rows: rows(text),
    }
}

/// Both tables are by name, so that one walk finds all types.
fn rows(text: &'static str) -> Vec<Row> {
    let mut types = types().iter().peekable();
    let mut rows = Vec::with_capacity(types.len());
    for line in text.lines().skip(1) {
        let mut fields = Fields(line);
        let name = fields.text();
        while types.next_if(|spec| spec.name < name).is_some() {}
        if let Some(spec) = types.next_if(|spec| spec.name == name) {
            rows.push(parse(spec, fields));
        }
    }
    rows
}

fn parse(spec: &'static InstanceSpec, mut fields: Fields) -> Row {
    let mut text = || fields.text();
    let (zones, offered_as_of) = (text(), text());
    let on_demand = usd(text());
    let _price_date = text();
    let source = OnDemandSource::from_code(text());
    Row {
        spec,
        zones,
        offered_as_of,
        on_demand: on_demand.map(|price| (price, source)),
        karpenter: usd(text()),
        spot: usd(text()),
        spot_2022: text(),
        advice: advice(text(), text()),
        advice_2024: advice(text(), text()),
    }
}

fn advice(band: &str, savings: &str) -> Advice {
    Advice {
        band: band.parse().ok(),
        savings: savings.parse().ok(),
    }
}

fn usd(text: &str) -> Option<Price> {
    text.parse().ok().map(Price::from_usd_per_hour)
}

impl Row {
    /// What was offered on a day, or is in the newest data; nothing if the type was not.
    pub(super) fn entry(&self, region: &Region, day: Option<&str>) -> Option<Entry> {
        let day = day.unwrap_or(OFFERED).min(OFFERED);
        let known = self.spec.first_seen <= FIRST_LIST || self.spec.first_seen <= day || day == OFFERED;
        if self.zones.is_empty() || self.offered_as_of < day || !known {
            return None;
        }
        let letter = |zone: &Zone| zone.name.chars().last().is_some_and(|c| self.zones.contains(c));
        let zones = region.zones.iter().filter(|zone| letter(zone));
        let zones: Vec<Arc<str>> = zones.map(|zone| zone.name.clone()).collect();
        let advice = self.advice(day);
        Some(Entry {
            spec: self.spec,
            spot: self.spot_prices(&zones, day),
            zones,
            on_demand: self.on_demand,
            karpenter_on_demand: self.karpenter,
            interruption_band: advice.band,
            savings: advice.savings,
        })
    }

    /// Of the nearer list, if it has the type.
    fn advice(&self, day: &str) -> Advice {
        let (near, far) = match day < NEWER_ADVICE {
            true => (self.advice_2024, self.advice),
            false => (self.advice, self.advice_2024),
        };
        if near.band.is_some() { near } else { far }
    }

    fn spot_prices(&self, zones: &[Arc<str>], day: &str) -> Option<(Vec<Price>, SpotSource)> {
        if !self.spec.spot {
            return None;
        }
        let region = self
            .spot
            .map(|price| (vec![price; zones.len()], SpotSource::Region2026));
        let zonal = self
            .zonal_2022(zones)
            .map(|prices| (prices, SpotSource::Zones2022));
        let measured = if day < NEWER_SPOT_PRICES {
            zonal.or(region)
        } else {
            region.or(zonal)
        };
        measured.or_else(|| {
            let (on_demand, savings) = (self.on_demand?.0, self.advice(day).savings?);
            let price = Price(on_demand.0 * i64::from(100 - savings.min(100)) / 100);
            Some((vec![price; zones.len()], SpotSource::AdvisorSavings))
        })
    }

    fn zonal_2022(&self, zones: &[Arc<str>]) -> Option<Vec<Price>> {
        let known: Vec<(&str, Price)> = self
            .spot_2022
            .split('|')
            .filter_map(|cell| Some((cell.get(..1)?, usd(cell.get(1..)?)?)))
            .collect();
        let count = i64::try_from(known.len()).ok().filter(|count| *count > 0)?;
        let mean = Price(known.iter().map(|(_, price)| price.0).sum::<i64>() / count);
        let price = |zone: &Arc<str>| {
            let own = known.iter().find(|(letter, _)| zone.ends_with(letter));
            own.map_or(mean, |(_, price)| *price)
        };
        Some(zones.iter().map(price).collect())
    }
}

/// The embedded tables.
const FILES: &[(&str, &[u8])] = &[
    ("af-south-1", include_bytes!("data/regions/af-south-1.csv.gz")),
    ("ap-east-1", include_bytes!("data/regions/ap-east-1.csv.gz")),
    ("ap-east-2", include_bytes!("data/regions/ap-east-2.csv.gz")),
    (
        "ap-northeast-1",
        include_bytes!("data/regions/ap-northeast-1.csv.gz"),
    ),
    (
        "ap-northeast-2",
        include_bytes!("data/regions/ap-northeast-2.csv.gz"),
    ),
    (
        "ap-northeast-3",
        include_bytes!("data/regions/ap-northeast-3.csv.gz"),
    ),
    ("ap-south-1", include_bytes!("data/regions/ap-south-1.csv.gz")),
    ("ap-south-2", include_bytes!("data/regions/ap-south-2.csv.gz")),
    (
        "ap-southeast-1",
        include_bytes!("data/regions/ap-southeast-1.csv.gz"),
    ),
    (
        "ap-southeast-2",
        include_bytes!("data/regions/ap-southeast-2.csv.gz"),
    ),
    (
        "ap-southeast-3",
        include_bytes!("data/regions/ap-southeast-3.csv.gz"),
    ),
    (
        "ap-southeast-4",
        include_bytes!("data/regions/ap-southeast-4.csv.gz"),
    ),
    (
        "ap-southeast-5",
        include_bytes!("data/regions/ap-southeast-5.csv.gz"),
    ),
    (
        "ap-southeast-7",
        include_bytes!("data/regions/ap-southeast-7.csv.gz"),
    ),
    ("ca-central-1", include_bytes!("data/regions/ca-central-1.csv.gz")),
    ("ca-west-1", include_bytes!("data/regions/ca-west-1.csv.gz")),
    ("eu-central-1", include_bytes!("data/regions/eu-central-1.csv.gz")),
    ("eu-central-2", include_bytes!("data/regions/eu-central-2.csv.gz")),
    ("eu-north-1", include_bytes!("data/regions/eu-north-1.csv.gz")),
    ("eu-south-1", include_bytes!("data/regions/eu-south-1.csv.gz")),
    ("eu-south-2", include_bytes!("data/regions/eu-south-2.csv.gz")),
    ("eu-west-1", include_bytes!("data/regions/eu-west-1.csv.gz")),
    ("eu-west-2", include_bytes!("data/regions/eu-west-2.csv.gz")),
    ("eu-west-3", include_bytes!("data/regions/eu-west-3.csv.gz")),
    ("il-central-1", include_bytes!("data/regions/il-central-1.csv.gz")),
    ("me-central-1", include_bytes!("data/regions/me-central-1.csv.gz")),
    ("me-south-1", include_bytes!("data/regions/me-south-1.csv.gz")),
    ("mx-central-1", include_bytes!("data/regions/mx-central-1.csv.gz")),
    ("sa-east-1", include_bytes!("data/regions/sa-east-1.csv.gz")),
    ("us-east-1", include_bytes!("data/regions/us-east-1.csv.gz")),
    ("us-east-2", include_bytes!("data/regions/us-east-2.csv.gz")),
    (
        "us-gov-east-1",
        include_bytes!("data/regions/us-gov-east-1.csv.gz"),
    ),
    (
        "us-gov-west-1",
        include_bytes!("data/regions/us-gov-west-1.csv.gz"),
    ),
    ("us-west-1", include_bytes!("data/regions/us-west-1.csv.gz")),
    ("us-west-2", include_bytes!("data/regions/us-west-2.csv.gz")),
];
