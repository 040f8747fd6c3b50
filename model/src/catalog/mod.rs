//! The EC2 catalog: instance types, prices, offerings, and what EKS makes of a machine.
//!
//! Embedded in the binary are facts from stored snapshots of public repositories; `data/README.md` names
//! each source with its commit and date, and [`SOURCES`] repeats them for whoever asks the program. Types
//! stand in one table; prices and offerings in one compressed file per region, which is read when a
//! [`Catalog`] of that region is made.
//!
//! A catalog can be of an earlier time ([`Catalog::new`]): types then not yet known are left out, and types
//! since retired are offered. Prices are not historical: on-demand prices hardly ever change, spot prices
//! and the advisor's bands come from the snapshot that is nearest and has the type.

pub mod capacity;
mod filter;
pub mod kubelet;
mod region;
mod spec;
pub mod volume;

use std::sync::Arc;

use jiff::civil::Date;

pub use filter::Filter;
pub use region::{OnDemandSource, Zone, regions, stocked_regions};
pub use spec::{Accelerator, Arch, Gpu, InstanceSpec, find, gpu_models, label_value, types};

use crate::quantity::Price;
use region::Row;

/// Where facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// What was taken.
    pub facts: &'static str,
    /// From which repository, file and commit.
    pub origin: &'static str,
    /// The date of the facts.
    pub dated: &'static str,
}

/// The sources of the embedded data; `data/README.md` beside this module has the details and licences.
pub const SOURCES: &[Source] = &[
    Source {
        facts: "instance types",
        origin: "getmoto/moto moto/ec2/resources/instance_types.json 34d6cad5",
        dated: "2026-08-02; retired types: their last record",
    },
    Source {
        facts: "offerings and zones",
        origin: "getmoto/moto moto/ec2/resources/instance_type_offerings c6bd43ff",
        dated: "2026-08-01; retired types: last seen",
    },
    Source {
        facts: "network bandwidth and pod interfaces",
        origin: "aws/karpenter-provider-aws pkg/providers/instancetype/zz_generated 7f27b4e8",
        dated: "2026-08-06",
    },
    Source {
        facts: "on-demand prices of us-east-1 and the gov regions",
        origin: "aws/karpenter-provider-aws pkg/providers/pricing/zz_generated 6fc13b52",
        dated: "2026-07-20",
    },
    Source {
        facts: "on-demand prices elsewhere",
        origin: "yeo/ec2.shop data/ec2 951cd0d4; GPU and Neuron families tsaol/aws-gpu data 7412fd25",
        dated: "2025-04-04; 2026-01-21",
    },
    Source {
        facts: "spot prices of us-west-2, one for the region",
        origin: "alexei-led/spotinfo internal/spot/data/spot-price-data.json 69bcec67",
        dated: "2026-08",
    },
    Source {
        facts: "spot prices by zone",
        origin: "ericpauley/aws-spot-price-history prices/2022/05.tsv.zst 489ad94a",
        dated: "2022-05-31",
    },
    Source {
        facts: "interruption bands and savings",
        origin: "alexei-led/spotinfo internal/spot/data/spot-advisor-data.json 5eedf20a; ETOgaosion/bamboo data 0faa479f",
        dated: "2025-06-28; 2024-02",
    },
    Source {
        facts: "memory that Linux sees",
        origin: "vantage-sh/ec2instances.info scraper/aws/ec2/extras/manually_fetched_data.json ecfb1372",
        dated: "2025-12-10 to 2026-07-01",
    },
    Source {
        facts: "when a type was first listed",
        origin: "aws/karpenter-provider-aws website, instance types, at each release tag",
        dated: "2022-06-16 to 2026-07-11",
    },
];

/// No such region in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a region of the catalog such as us-west-2, found {0:?}")]
pub struct UnknownRegion(pub String);

/// How a spot price came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpotSource {
    /// One price for the region, August 2026.
    Region2026,
    /// A price per zone of 2022-05-31; zones without one get the mean of the others.
    Zones2022,
    /// An estimate: the on-demand price less the average saving that AWS's advisor states.
    AdvisorSavings,
    /// Given by the scenario.
    Given,
}

impl SpotSource {
    /// In a word or two.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SpotSource::Region2026 => "2026-08",
            SpotSource::Zones2022 => "2022-05-31",
            SpotSource::AdvisorSavings => "estimate",
            SpotSource::Given => "given",
        }
    }
}

/// Where an instance type can be had in a region, and for how much.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The type.
    pub spec: &'static InstanceSpec,
    /// The zones that offer it.
    pub zones: Vec<Arc<str>>,
    /// The on-demand price that is billed, and where it comes from.
    pub on_demand: Option<(Price, OnDemandSource)>,
    /// The on-demand price that Karpenter believes, where it is known to differ.
    pub karpenter_on_demand: Option<Price>,
    /// The spot price in each of the zones.
    pub spot: Option<(Vec<Price>, SpotSource)>,
    /// The interruption band of AWS's advisor: 0 is less than 5 % a month, 4 more than 20 %.
    pub interruption_band: Option<u8>,
    /// The average saving over on-demand that the advisor states, in per cent.
    pub savings: Option<u8>,
}

impl Entry {
    /// The on-demand price that Karpenter decides on.
    #[must_use]
    pub fn karpenter_on_demand(&self) -> Option<Price> {
        self.karpenter_on_demand
            .or(self.on_demand.map(|(price, _)| price))
    }

    /// The spot price in a zone.
    #[must_use]
    pub fn spot_in(&self, zone: &str) -> Option<Price> {
        let at = self.zones.iter().position(|own| **own == *zone)?;
        self.spot.as_ref().map(|(prices, _)| prices[at])
    }

    /// The lowest spot price of the zones.
    #[must_use]
    pub fn cheapest_spot(&self) -> Option<Price> {
        self.spot.as_ref()?.0.iter().copied().min()
    }
}

/// What one region offers at one time.
#[derive(Debug, Clone)]
pub struct Catalog {
    region: &'static str,
    zones: Vec<Zone>,
    entries: Vec<Entry>,
    /// How the name of each entry begins.
    beginnings: Vec<u128>,
}

/// The first letters of a name as a number: in the order of names, and looked through without a look at each.
fn beginning(name: &str) -> u128 {
    let mut first = [0; 16];
    let known = name.len().min(16);
    first[..known].copy_from_slice(&name.as_bytes()[..known]);
    u128::from_be_bytes(first)
}

impl Catalog {
    /// What a region offers: at a date, or else as of the newest data.
    ///
    /// At a date means without the types that Karpenter's documentation did not list by then, and with
    /// those that were retired later. Its first list is of June 2022; what it has counts as older.
    ///
    /// # Errors
    ///
    /// When the region is not in the catalog.
    pub fn new(region: &str, as_of: Option<Date>) -> Result<Catalog, UnknownRegion> {
        let region = region::load(region).ok_or_else(|| UnknownRegion(region.to_owned()))?;
        let day = as_of.map(|date| date.to_string());
        let entry = |row: &Row| row.entry(region, day.as_deref());
        let entries: Vec<Entry> = region.rows.iter().filter_map(entry).collect();
        Ok(Catalog {
            region: region.name,
            zones: region.zones.clone(),
            beginnings: entries.iter().map(|entry| beginning(entry.spec.name)).collect(),
            entries,
        })
    }

    /// The day of the first list of types that is known.
    #[must_use]
    pub fn first_list() -> &'static str {
        region::FIRST_LIST
    }

    /// The day of the last one.
    #[must_use]
    pub fn last_list() -> &'static str {
        region::OFFERED
    }

    /// The sources of all data.
    #[must_use]
    pub fn source() -> &'static [Source] {
        SOURCES
    }

    /// The region's name.
    #[must_use]
    pub fn region(&self) -> &'static str {
        self.region
    }

    /// The availability zones, by name.
    #[must_use]
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// All that is offered, by name of the type.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is offered of one type.
    #[must_use]
    pub fn get(&self, instance_type: &str) -> Option<&Entry> {
        let at = self.position(instance_type)?;
        Some(&self.entries[at])
    }

    fn position(&self, instance_type: &str) -> Option<usize> {
        let begins = beginning(instance_type);
        let first = self.beginnings.partition_point(|other| *other < begins);
        let alike = self.beginnings[first..]
            .iter()
            .take_while(|other| **other == begins);
        (first..first + alike.count()).find(|at| self.entries[*at].spec.name == instance_type)
    }

    /// What passes a filter: GPUs of just the name that is asked for first, then by on-demand price and by name; types
    /// without a price come last.
    #[must_use]
    pub fn list(&self, filter: &Filter) -> Vec<&Entry> {
        let mut listed: Vec<&Entry> = self.entries.iter().filter(|entry| filter.admits(entry)).collect();
        listed.sort_by_key(|entry| {
            let price = entry.on_demand.map_or(i64::MAX, |(price, _)| price.0);
            (!filter.names_gpu(entry), price)
        });
        listed
    }

    /// Sets the on-demand price of a type, for what is decided and for what is billed. False if the type is
    /// not offered.
    pub fn set_on_demand(&mut self, instance_type: &str, price: Price) -> bool {
        let Some(at) = self.position(instance_type) else {
            return false;
        };
        self.entries[at].on_demand = Some((price, OnDemandSource::Given));
        self.entries[at].karpenter_on_demand = None;
        true
    }

    /// Sets the spot price of a type, in one zone or in all. False if it is not offered there.
    pub fn set_spot(&mut self, instance_type: &str, zone: Option<&str>, price: Price) -> bool {
        let Some(at) = self.position(instance_type) else {
            return false;
        };
        let entry = &mut self.entries[at];
        let mut prices = match entry.spot.take() {
            Some((prices, _)) => prices,
            None => vec![price; entry.zones.len()],
        };
        let mut known = false;
        for (own, slot) in entry.zones.iter().zip(&mut prices) {
            if zone.is_none_or(|zone| **own == *zone) {
                *slot = price;
                known = true;
            }
        }
        entry.spot = Some((prices, SpotSource::Given));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Catalog {
        Catalog::new("us-west-2", Some(text.parse().expect("a date"))).expect("a region")
    }

    #[test]
    fn every_region_can_be_read() {
        for region in regions() {
            let catalog = Catalog::new(region, None).expect("a region");
            assert!(
                !catalog.entries().is_empty() || catalog.zones().is_empty(),
                "{region}"
            );
            let sorted = catalog
                .entries()
                .windows(2)
                .all(|w| w[0].spec.name < w[1].spec.name);
            assert!(sorted, "{region}");
            for entry in catalog.entries() {
                let name = entry.spec.name;
                let found = catalog.get(name).map(|found| found.spec.name);
                assert_eq!(found, Some(name), "{region}");
                assert!(catalog.get(&name[1..]).is_none() && catalog.get(&format!("{name}x")).is_none());
            }
        }
        assert!(Catalog::new("mars-north-1", None).is_err());
    }

    #[test]
    fn an_earlier_catalog_has_what_was_there() {
        let names = ["g3.8xlarge", "p3.8xlarge", "g6.xlarge", "m8g.large", "m5.large"];
        let has = |catalog: &Catalog| names.map(|name| catalog.get(name).is_some());
        assert_eq!(has(&at("2024-02-01")), [true, true, false, false, true]);
        assert_eq!(has(&at("2025-06-01")), [false, true, true, true, true]);
        let newest = Catalog::new("us-west-2", None).expect("a region");
        assert_eq!(has(&newest), [false, false, true, true, true]);
    }

    #[test]
    fn prices_are_those_of_the_sources() {
        let catalog = at("2024-02-01");
        let usd = |price: Price| price.usd_per_hour();
        let on_demand = |name| {
            catalog
                .get(name)
                .and_then(|entry| entry.on_demand)
                .map(|(price, _)| usd(price))
        };
        assert_eq!(on_demand("c5.xlarge"), Some(0.17));
        assert_eq!(on_demand("m5.large"), Some(0.096));
        assert_eq!(on_demand("m3.medium"), Some(0.067));
        assert_eq!(on_demand("g4dn.12xlarge"), Some(3.912));
        assert_eq!(on_demand("p3.8xlarge"), Some(12.24));
        let spot = |name| {
            let (prices, source) = catalog.get(name)?.spot.clone()?;
            Some((usd(prices[0]), source))
        };
        assert_eq!(spot("g3.8xlarge"), Some((0.684, SpotSource::Zones2022)));
        // 2022: c and d are known; a and b get their mean.
        let m5 = catalog
            .get("m5.large")
            .and_then(|entry| entry.spot.clone())
            .expect("a price");
        let prices: Vec<f64> = m5.0.into_iter().map(usd).collect();
        assert_eq!(prices, [0.03465, 0.03465, 0.0347, 0.0346]);
        // No spot feed for this region: 71 % under 0.114.
        let south = Catalog::new("af-south-1", None).expect("a region");
        let c5 = south
            .get("c5.large")
            .and_then(|entry| entry.spot.clone())
            .expect("a price");
        assert_eq!((usd(c5.0[0]), c5.1), (0.03306, SpotSource::AdvisorSavings));
    }

    /// Each kind of fact is of the snapshot that is nearer to the day.
    #[test]
    fn spot_facts_are_of_the_nearest_day() {
        let of = |day| {
            let catalog = at(day);
            let entry = catalog.get("g4dn.xlarge").expect("it was offered");
            let (prices, source) = entry.spot.as_ref().expect("a price");
            (prices[0].usd_per_hour(), *source, entry.interruption_band)
        };
        assert_eq!(of("2023-12-28"), (0.1578, SpotSource::Zones2022, Some(1)));
        assert_eq!(of("2024-08-01"), (0.2286, SpotSource::Region2026, Some(1)));
        assert_eq!(of("2025-01-01"), (0.2286, SpotSource::Region2026, Some(4)));
    }

    #[test]
    fn gpus_of_just_that_name_come_first() {
        let newest = Catalog::new("us-west-2", None).expect("a region");
        let filter = Filter {
            gpu: Some("t4".to_owned()),
            ..Filter::default()
        };
        let listed = newest.list(&filter);
        let names = listed.iter().filter_map(|entry| Some(entry.spec.gpu?.name));
        let names: Vec<&str> = names.collect();
        let exact = names.iter().take_while(|name| **name == "T4").count();
        assert!(exact > 0 && exact < names.len());
        assert!(!names[exact..].contains(&"T4"), "{names:?}");
    }

    #[test]
    fn prices_can_be_set() {
        let mut catalog = at("2025-02-01");
        let price = Price::from_usd_per_hour(0.5);
        assert!(catalog.set_on_demand("m5.large", price) && !catalog.set_on_demand("m5.tiny", price));
        assert!(catalog.set_spot("m5.large", Some("us-west-2b"), price));
        assert!(!catalog.set_spot("m5.large", Some("us-west-2z"), price));
        let entry = catalog.get("m5.large").expect("an entry");
        assert_eq!(entry.karpenter_on_demand(), Some(price));
        assert_eq!(entry.spot_in("us-west-2b"), Some(price));
        assert_eq!(entry.spot_in("us-west-2a").map(Price::usd_per_hour), Some(0.0343));
    }
}
