//! Which entries to list.

use super::Entry;
use super::spec::Arch;

/// What an entry must be. What is not named does not matter.
///
/// ```
/// use model::catalog::{Catalog, Filter};
///
/// let catalog = Catalog::new("us-west-2", None)?;
/// let t4 = Filter { gpu: Some("t4".to_owned()), min_gpus: 4, ..Filter::default() };
/// let names: Vec<&str> = catalog.list(&t4).iter().map(|entry| entry.spec.name).collect();
/// assert_eq!(names, ["g4dn.12xlarge", "g4dn.metal"]);
/// # Ok::<(), model::catalog::UnknownRegion>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Any of these begins the name: a family such as `m5`, a type such as `m5.large`. A family without a
    /// dot matches whole: `m5` does not stand for `m5a`.
    pub names: Vec<String>,
    /// Any of these categories: `c`, `m`, `g`.
    pub categories: Vec<String>,
    /// The generation is at least this.
    pub min_generation: u32,
    /// The architecture.
    pub arch: Option<Arch>,
    /// At least so many virtual CPUs.
    pub min_vcpus: u32,
    /// At most so many.
    pub max_vcpus: Option<u32>,
    /// At least so much memory, GiB.
    pub min_memory_gib: f64,
    /// At most so much.
    pub max_memory_gib: Option<f64>,
    /// The GPU's name contains this, in any case; empty stands for any GPU.
    pub gpu: Option<String>,
    /// At least so many GPUs.
    pub min_gpus: u32,
    /// Offered in this zone.
    pub zone: Option<String>,
    /// Can be had on the spot market.
    pub spot: bool,
}

impl Filter {
    /// Whether an entry's GPU is called just as the filter has it: T4 is part of the name of another, T4g.
    pub(super) fn names_gpu(&self, entry: &Entry) -> bool {
        let own = entry.spec.gpu.map(|gpu| gpu.name);
        own.zip(self.gpu.as_ref())
            .is_some_and(|(own, wanted)| own.eq_ignore_ascii_case(wanted))
    }

    /// Whether an entry passes.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        let spec = entry.spec;
        let named = |name: &String| match name.contains('.') {
            true => spec.name.starts_with(name.as_str()),
            false => spec.family() == name,
        };
        let gib = spec.memory.as_mib_f64() / 1024.0;
        let gpus = spec.gpu.map_or(0, |gpu| gpu.count);
        let gpu = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            spec.gpu
                .is_some_and(|gpu| gpu.name.to_lowercase().contains(&wanted))
        };
        (self.names.is_empty() || self.names.iter().any(named))
            && (self.categories.is_empty() || self.categories.iter().any(|own| own == spec.category))
            && spec.generation.unwrap_or(0) >= self.min_generation
            && self.arch.is_none_or(|arch| arch == spec.arch)
            && spec.vcpus >= self.min_vcpus
            && self.max_vcpus.is_none_or(|most| spec.vcpus <= most)
            && gib >= self.min_memory_gib
            && self.max_memory_gib.is_none_or(|most| gib <= most)
            && self.gpu.as_ref().is_none_or(gpu)
            && gpus >= self.min_gpus
            && self
                .zone
                .as_ref()
                .is_none_or(|zone| entry.zones.iter().any(|own| **own == **zone))
            && (!self.spot || entry.spot.is_some())
    }
}
