//! What EC2 says of a region's instance types, as the catalog's files have it.

use sim::SortedMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{InstanceTypeInfo, LocationType};

use super::machines::prices;
use super::{Error, error};
use crate::catalog::{Said, category};

/// The price history takes no more types in one call.
const TYPES_AT_ONCE: usize = 100;

/// Asks EC2 for all of a region. `date` is today; `tell` hears what is asked for.
///
/// # Errors
///
/// When a call is refused, or not answered.
pub async fn read_catalog(
    client: &Client,
    region: &str,
    date: &str,
    tell: &mut dyn FnMut(&str),
) -> Result<Said, Error> {
    let mut said = Said {
        region: region.to_owned(),
        date: date.to_owned(),
        ..Said::default()
    };
    tell("availability zones");
    let zones = client.describe_availability_zones().send().await;
    let zones = zones.map_err(|why| error("DescribeAvailabilityZones", &why))?;
    for zone in zones.availability_zones() {
        // Local zones and Wavelength are other places with other prices.
        let plain = zone.zone_type().is_none_or(|kind| kind == "availability-zone");
        if let (true, Some(name), Some(id)) = (plain, zone.zone_name(), zone.zone_id()) {
            said.zones.insert(name.to_owned(), id.to_owned());
        }
    }
    tell("instance types");
    let mut pages = client.describe_instance_types().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|why| error("DescribeInstanceTypes", &why))?;
        for info in page.instance_types() {
            if let Some(name) = info.instance_type() {
                said.types
                    .insert(name.as_str().to_owned(), columns(name.as_str(), info));
            }
        }
    }
    tell("offerings");
    let call = client.describe_instance_type_offerings();
    let mut pages = call
        .location_type(LocationType::AvailabilityZone)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|why| error("DescribeInstanceTypeOfferings", &why))?;
        for offering in page.instance_type_offerings() {
            if let (Some(name), Some(zone)) = (offering.instance_type(), offering.location())
                && said.zones.contains_key(zone)
            {
                let zones = said.offered.entry(name.as_str().to_owned()).or_default();
                zones.insert(zone.to_owned());
            }
        }
    }
    let names: Vec<&String> = said.offered.keys().collect();
    for (n, some) in names.chunks(TYPES_AT_ONCE).enumerate() {
        tell(&format!(
            "spot prices of {} types, {} done",
            names.len(),
            n * TYPES_AT_ONCE
        ));
        for price in prices(client, some).await? {
            let lowest = said.spot.entry(price.instance_type).or_insert(price.usd_per_hour);
            *lowest = lowest.min(price.usd_per_hour);
        }
    }
    Ok(said)
}

/// The columns of `types.csv` that EC2 tells.
fn columns(name: &str, info: &InstanceTypeInfo) -> SortedMap<&'static str, String> {
    let mut columns = SortedMap::new();
    let mut put = |column: &'static str, value: Option<String>| {
        if let Some(value) = value {
            columns.insert(column, value);
        }
    };
    let flag = |value: Option<bool>| Some(value.unwrap_or(false).to_string());
    let (letters, generation) = category(name);
    put("category", Some(letters.to_owned()));
    put("generation", Some(generation.to_owned()));
    processor(info, &mut put);
    let hypervisor = info.hypervisor().map(|hypervisor| hypervisor.as_str().to_owned());
    put("hypervisor", Some(hypervisor.unwrap_or_default()));
    put("bare_metal", flag(info.bare_metal()));
    put("burstable", flag(info.burstable_performance_supported()));
    put("current_generation", flag(info.current_generation()));
    let memory = info.memory_info().and_then(|memory| memory.size_in_mib());
    put("memory_mib", memory.map(|mib| mib.to_string()));
    network(info, &mut put);
    let ebs = info.ebs_info();
    let support = ebs.and_then(|ebs| ebs.ebs_optimized_support());
    put(
        "ebs_optimized",
        support.map(|support| support.as_str().to_owned()),
    );
    let most = ebs.and_then(|ebs| ebs.ebs_optimized_info()?.maximum_bandwidth_in_mbps());
    put("ebs_max_mbps", most.map(|mbps| mbps.to_string()));
    let store = info.instance_storage_info();
    let size = store
        .and_then(|store| store.total_size_in_gb())
        .map(|gb| gb.to_string());
    let is_nvme = store
        .and_then(|store| store.nvme_support())
        .is_some_and(|support| support.as_str() != "unsupported");
    put("local_nvme_gb", size.clone().filter(|_| is_nvme));
    put("instance_store_gb", size);
    accelerators(info, &mut put);
    let spot = info
        .supported_usage_classes()
        .iter()
        .any(|class| class.as_str() == "spot");
    put("spot", Some(spot.to_string()));
    columns
}

type Put<'a> = dyn FnMut(&'static str, Option<String>) + 'a;

fn processor(info: &InstanceTypeInfo, put: &mut Put<'_>) {
    let number = |number: Option<i32>| number.map(|number| number.to_string());
    if let Some(cpu) = info.v_cpu_info() {
        put("vcpus", number(cpu.default_v_cpus()));
        put("cores", number(cpu.default_cores()));
        put("threads_per_core", number(cpu.default_threads_per_core()));
    }
    let Some(processor) = info.processor_info() else {
        return;
    };
    let architectures: Vec<&str> = processor
        .supported_architectures()
        .iter()
        .map(|arch| arch.as_str())
        .collect();
    // Some old types can run 32 bits as well.
    let arch = match architectures {
        all if all.contains(&"x86_64") => "amd64",
        all if all.contains(&"arm64") => "arm64",
        _ => "other",
    };
    if !name_of_a_mac(info) {
        put("arch", Some(arch.to_owned()));
    }
    put("cpu_manufacturer", processor.manufacturer().map(str::to_owned));
    let clock = processor.sustained_clock_speed_in_ghz();
    put(
        "cpu_sustained_mhz",
        clock.map(|ghz| format!("{:.0}", ghz * 1000.0)),
    );
}

/// Macs say `x86_64_mac` and `arm64_mac`; the table has its own word for them.
fn name_of_a_mac(info: &InstanceTypeInfo) -> bool {
    info.instance_type()
        .is_some_and(|name| name.as_str().starts_with("mac"))
}

fn network(info: &InstanceTypeInfo, put: &mut Put<'_>) {
    let number = |number: Option<i32>| number.map(|number| number.to_string());
    let Some(network) = info.network_info() else {
        return;
    };
    // The only card that the VPC CNI uses.
    let index = network.default_network_card_index().unwrap_or(0);
    let card = network
        .network_cards()
        .iter()
        .find(|card| card.network_card_index() == Some(index));
    let interfaces = card.and_then(|card| card.maximum_network_interfaces());
    put(
        "default_card_enis",
        number(interfaces.or(network.maximum_network_interfaces())),
    );
    put("ipv4_per_eni", number(network.ipv4_addresses_per_interface()));
    let adapters = network.efa_info().and_then(|efa| efa.maximum_efa_interfaces());
    put("efa_interfaces", Some(adapters.unwrap_or(0).to_string()));
    let encrypted = network.encryption_in_transit_supported().unwrap_or(false);
    put("encryption_in_transit", Some(encrypted.to_string()));
}

fn accelerators(info: &InstanceTypeInfo, put: &mut Put<'_>) {
    let number = |number: Option<i32>| Some(number.unwrap_or(0).to_string());
    let text = |text: Option<&str>| Some(text.unwrap_or("").to_owned());
    if let Some(gpu) = info.gpu_info().and_then(|gpus| gpus.gpus().first()) {
        put("gpu_manufacturer", text(gpu.manufacturer()));
        put("gpu_name", text(gpu.name()));
        put("gpu_count", number(gpu.count()));
        let memory = gpu.memory_info().and_then(|memory| memory.size_in_mib());
        put("gpu_memory_mib_each", memory.map(|mib| mib.to_string()));
    }
    let mut device = |kind: &str, maker: Option<&str>, name: Option<&str>, count: Option<i32>| {
        put("accelerator_kind", Some(kind.to_owned()));
        put("accelerator_manufacturer", text(maker));
        put("accelerator_name", text(name));
        put("accelerator_count", number(count));
    };
    let neuron = info
        .neuron_info()
        .and_then(|neuron| neuron.neuron_devices().first());
    let inference = info
        .inference_accelerator_info()
        .and_then(|all| all.accelerators().first());
    let fpga = info.fpga_info().and_then(|all| all.fpgas().first());
    let media = info
        .media_accelerator_info()
        .and_then(|all| all.accelerators().first());
    if let Some(own) = neuron {
        device("neuron", Some("AWS"), own.name(), own.count());
        let cores = own.core_info().and_then(|cores| cores.count());
        put("neuron_cores_each", number(cores));
    } else if let Some(own) = inference {
        device("inference", own.manufacturer(), own.name(), own.count());
    } else if let Some(own) = fpga {
        device("fpga", own.manufacturer(), own.name(), own.count());
    } else if let Some(own) = media {
        device("media", own.manufacturer(), own.name(), own.count());
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{
        ArchitectureType, GpuDeviceInfo, GpuDeviceMemoryInfo, GpuInfo, InstanceType, MemoryInfo,
        NetworkCardInfo, NetworkInfo, ProcessorInfo, UsageClassType, VCpuInfo,
    };

    use super::*;

    #[test]
    fn a_type_as_the_embedded_table_has_it() {
        let gpu = GpuDeviceInfo::builder()
            .manufacturer("NVIDIA")
            .name("T4")
            .count(4)
            .memory_info(GpuDeviceMemoryInfo::builder().size_in_mib(16_384).build())
            .build();
        let card = |index, interfaces| {
            NetworkCardInfo::builder()
                .network_card_index(index)
                .maximum_network_interfaces(interfaces)
                .build()
        };
        let info = InstanceTypeInfo::builder()
            .instance_type(InstanceType::from("g4dn.12xlarge"))
            .supported_usage_classes(UsageClassType::Spot)
            .v_cpu_info(
                VCpuInfo::builder()
                    .default_v_cpus(48)
                    .default_cores(24)
                    .default_threads_per_core(2)
                    .build(),
            )
            .processor_info(
                ProcessorInfo::builder()
                    .supported_architectures(ArchitectureType::X8664)
                    .manufacturer("Intel")
                    .sustained_clock_speed_in_ghz(2.5)
                    .build(),
            )
            .memory_info(MemoryInfo::builder().size_in_mib(196_608).build())
            .network_info(
                NetworkInfo::builder()
                    .default_network_card_index(1)
                    .network_cards(card(0, 15))
                    .network_cards(card(1, 8))
                    .ipv4_addresses_per_interface(30)
                    .build(),
            )
            .gpu_info(GpuInfo::builder().gpus(gpu).build())
            .build();
        let columns = columns("g4dn.12xlarge", &info);
        let expected = [
            ("category", "g"),
            ("generation", "4"),
            ("arch", "amd64"),
            ("cpu_sustained_mhz", "2500"),
            ("vcpus", "48"),
            ("cores", "24"),
            ("memory_mib", "196608"),
            ("default_card_enis", "8"),
            ("ipv4_per_eni", "30"),
            ("gpu_name", "T4"),
            ("gpu_count", "4"),
            ("gpu_memory_mib_each", "16384"),
            ("spot", "true"),
            ("bare_metal", "false"),
        ];
        for (column, value) in expected {
            assert_eq!(columns.get(column).map(String::as_str), Some(value), "{column}");
        }
    }
}
