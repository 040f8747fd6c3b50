//! What a scenario says about EC2.

use std::sync::Arc;
use std::time::Duration;

use sim::SortedMap;

use super::allocation::{Shortage, TypePattern};
use super::quota::Quota;
use crate::api::{Labels, Taint};
use crate::catalog::kubelet::{AmiFamily, Kubelet};
use crate::catalog::volume::{Volume, VolumePrices};
use crate::distribution::Distribution;
use crate::karpenter::CapacityType;
use crate::quantity::Price;

/// Hours in a month, as AWS's advisor means it.
const HOURS_PER_MONTH: f64 = 730.0;

/// How EC2 behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How long each step takes.
    pub times: BootTimes,
    /// What capacity is short, and when.
    pub shortages: Vec<Shortage>,
    /// Spot pools that are deeper than AWS's advisor lets on: price-capacity-optimized takes them first. Which
    /// pools are deep is EC2's secret, so this is where a scenario says what it assumes.
    pub deep_pools: Vec<TypePattern>,
    /// The account's quota of on-demand virtual CPUs.
    pub on_demand_vcpus: Option<Quota>,
    /// The account's quota of spot virtual CPUs.
    pub spot_vcpus: Option<Quota>,
    /// How many instances each capacity reservation is for.
    pub reservations: SortedMap<Arc<str>, u32>,
    /// How often spot instances are interrupted.
    pub interruption: Interruption,
    /// How long before the interruption notice EC2 recommends to rebalance; `None`: it does not.
    pub rebalance_lead: Option<Duration>,
    /// A spot instance that EC2 interrupts within its first hour costs nothing (EC2 user guide, billing for
    /// interrupted spot instances).
    pub free_first_hour: bool,
    /// What volumes cost.
    pub volume_prices: VolumePrices,
    /// What detailed monitoring costs an instance: seven metrics at 0.30 USD a month of 730 hours
    /// (CloudWatch price list).
    pub detailed_monitoring: Price,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            times: BootTimes::default(),
            shortages: Vec::new(),
            deep_pools: Vec::new(),
            on_demand_vcpus: None,
            spot_vcpus: None,
            reservations: SortedMap::new(),
            interruption: Interruption::Never,
            rebalance_lead: None,
            free_first_hour: true,
            volume_prices: VolumePrices::default(),
            detailed_monitoring: Price::from_usd_per_hour(2.10 / HOURS_PER_MONTH),
        }
    }
}

/// How long each step of an instance's life takes, in seconds.
///
/// All are estimates. What is known: a sample log in Karpenter's documentation has 2.9 s from claim to launch
/// and 33.6 s from there to initialization; published talks have 65 s from launch to Ready untuned and 45 s
/// tuned; the measured php-apache run has 80 to 100 s from claim to serving pods, image pull included. The
/// defaults add up to 65 s from launch to Ready.
#[derive(Debug, Clone, PartialEq)]
pub struct BootTimes {
    /// From the CreateFleet call, launch templates included, to its answer.
    pub fleet_call: Distribution,
    /// From the answer to the state running.
    pub pending: Distribution,
    /// From there until the kubelet registers: firmware, kernel, cloud-init, containerd.
    pub boot: Distribution,
    /// From there until the network plugin runs and the kubelet reports Ready.
    pub network: Distribution,
    /// What bare metal takes longer, at boot and at shutdown: it tests its memory.
    pub bare_metal: Distribution,
    /// What types with GPUs or other accelerators take longer to boot: drivers and a larger image.
    pub accelerated: Distribution,
    /// From termination until the instance is gone.
    pub shutting_down: Distribution,
}

impl Default for BootTimes {
    fn default() -> Self {
        let around = |median| Distribution::LogNormal { median, sigma: 0.2 };
        BootTimes {
            fleet_call: around(2.5),
            pending: around(10.0),
            boot: around(40.0),
            network: around(15.0),
            bare_metal: around(240.0),
            accelerated: around(10.0),
            shutting_down: around(40.0),
        }
    }
}

/// How often spot instances are interrupted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interruption {
    /// Not by themselves.
    Never,
    /// At this rate, each.
    PerHour(f64),
    /// By the band of AWS's advisor: the middle of the share that was reclaimed in a month, 25 % for the last,
    /// spread evenly over it. Types without a band count as the first.
    Advisor,
}

impl Interruption {
    /// The rate for an instance of a type in that band.
    #[must_use]
    pub fn per_hour(self, band: Option<u8>) -> f64 {
        match self {
            Interruption::Never => 0.0,
            Interruption::PerHour(rate) => rate,
            Interruption::Advisor => {
                let share = match band {
                    None | Some(0) => 0.025,
                    Some(1) => 0.075,
                    Some(2) => 0.125,
                    Some(3) => 0.175,
                    Some(_) => 0.25,
                };
                -libm::log(1.0 - share) / HOURS_PER_MONTH
            }
        }
    }
}

/// A managed node group of fixed size, there from the start.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeGroup {
    /// Its name.
    pub name: String,
    /// The instance type.
    pub instance_type: Arc<str>,
    /// How many nodes.
    pub size: u32,
    /// The zones, taken in turn; empty means all that offer the type.
    pub zones: Vec<Arc<str>>,
    /// How they are bought.
    pub capacity_type: CapacityType,
    /// The image family.
    pub ami_family: AmiFamily,
    /// Settings of the kubelet.
    pub kubelet: Kubelet,
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// Metrics every minute, which is billed.
    pub detailed_monitoring: bool,
    /// Labels of the nodes.
    pub labels: Labels,
    /// Taints of the nodes.
    pub taints: Vec<Taint>,
}
