//! Quantities with their units in the type, and only the arithmetic that means something.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;
use std::sync::Arc;

use sim::SortedMap;

/// A Kubernetes quantity as written in a manifest, exact to the nano.
///
/// Parsing rounds what is finer than a nano up, and the accessors round up too, as the API machinery
/// does (kubernetes apimachinery pkg/api/resource/quantity.go `MilliValue`, `Value`).
///
/// ```
/// use model::quantity::Quantity;
///
/// let q: Quantity = "1500m".parse().unwrap();
/// assert_eq!((q.milli(), q.whole()), (1500, 2));
/// assert_eq!("2Gi".parse::<Quantity>().unwrap().whole(), 2 << 30);
/// assert_eq!("1e3".parse::<Quantity>().unwrap().whole(), 1000);
/// assert!("1 Gi".parse::<Quantity>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity {
    nano: i128,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a quantity such as 500m, 2 or 1Gi, found {0:?}")]
pub struct NotAQuantity(pub String);

impl Quantity {
    const NANO: i128 = 1_000_000_000;

    /// A whole number.
    #[must_use]
    pub fn from_whole(value: i64) -> Self {
        Quantity {
            nano: i128::from(value) * Self::NANO,
        }
    }

    /// Thousandths.
    #[must_use]
    pub fn from_milli(value: i64) -> Self {
        Quantity {
            nano: i128::from(value) * (Self::NANO / 1000),
        }
    }

    /// In thousandths, rounded up.
    #[must_use]
    pub fn milli(self) -> i64 {
        self.in_units_of(1_000_000)
    }

    /// In units, rounded up.
    #[must_use]
    pub fn whole(self) -> i64 {
        self.in_units_of(1_000_000_000)
    }

    /// In units of so many nano, rounded up.
    fn in_units_of(self, unit: i64) -> i64 {
        match i64::try_from(self.nano) {
            // All but enormous ones: dividing 128 bits takes ten times as long.
            Ok(nano) => nano.div_euclid(unit) + i64::from(nano.rem_euclid(unit) != 0),
            Err(_) => saturate(div_ceil(self.nano, i128::from(unit))),
        }
    }

    /// As a float, as the API machinery makes one: from the canonical form, so that 70m is 70 times
    /// 0.001 (kubernetes apimachinery pkg/api/resource/quantity.go `AsApproximateFloat64`).
    #[must_use]
    pub fn as_f64(self) -> f64 {
        const POWERS: [f64; 10] = [1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18];
        let mut mantissa = self.nano;
        let mut power = 0;
        while mantissa != 0 && mantissa % 1000 == 0 && power + 1 < POWERS.len() {
            mantissa /= 1000;
            power += 1;
        }
        mantissa as f64 * POWERS[power]
    }
}

fn div_ceil(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

fn saturate(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        parse(text)
            .map(|nano| Quantity { nano })
            .ok_or_else(|| NotAQuantity(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<i128> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits_end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let (binary, decimal) = scale(suffix)?;
    let fraction_digits = i32::try_from(fraction.len()).ok()?;
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    // mantissa × 2^binary × 10^(decimal - fraction_digits), in nano
    let scaled = mantissa.checked_mul(1i128.checked_shl(binary)?)?;
    let exponent = decimal - fraction_digits + 9;
    let nano = if exponent >= 0 {
        scaled.checked_mul(10i128.checked_pow(exponent.unsigned_abs())?)?
    } else {
        match 10i128.checked_pow(exponent.unsigned_abs()) {
            Some(divisor) => div_ceil(scaled, divisor),
            None => i128::from(scaled > 0),
        }
    };
    Some(if negative { -nano } else { nano })
}

/// The power of two and the power of ten that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (0, Some(exponent).filter(|e| e.abs() <= 27)?)
        }
    })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano % Self::NANO == 0 {
            write!(f, "{}", self.nano / Self::NANO)
        } else if self.nano % (Self::NANO / 1000) == 0 {
            write!(f, "{}m", self.nano / (Self::NANO / 1000))
        } else {
            write!(f, "{}n", self.nano)
        }
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! additive {
    ($name:ident) => {
        impl Add for $name {
            type Output = $name;
            fn add(self, other: $name) -> $name {
                $name(self.0 + other.0)
            }
        }
        impl Sub for $name {
            type Output = $name;
            fn sub(self, other: $name) -> $name {
                $name(self.0 - other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: $name) {
                self.0 += other.0;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: $name) {
                self.0 -= other.0;
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = $name>>(iter: I) -> $name {
                iter.fold($name(0), Add::add)
            }
        }
    };
}

/// CPU in thousandths of a virtual CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MilliCpu(pub i64);
additive!(MilliCpu);

/// Memory or storage in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub i64);
additive!(Bytes);

impl Bytes {
    /// So many mebibytes.
    #[must_use]
    pub const fn from_mib(mib: i64) -> Self {
        Bytes(mib << 20)
    }

    /// So many gibibytes.
    #[must_use]
    pub const fn from_gib(gib: i64) -> Self {
        Bytes(gib << 30)
    }

    /// In mebibytes, as a float, for output.
    #[must_use]
    pub fn as_mib_f64(self) -> f64 {
        self.0 as f64 / f64::from(1 << 20)
    }
}

/// Money per hour in whole micro-dollars (0.096 USD/h is 96,000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub i64);
additive!(Price);

impl Price {
    /// From dollars per hour, rounded to the nearest micro-dollar.
    #[must_use]
    pub fn from_usd_per_hour(usd: f64) -> Self {
        Price(libm::round(usd * 1e6) as i64)
    }

    /// In dollars per hour.
    #[must_use]
    pub fn usd_per_hour(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// The name of an extended resource, such as `nvidia.com/gpu`.
pub type ResourceName = Arc<str>;

/// An amount of every resource: what a pod requests or a node has.
///
/// ```
/// use model::quantity::{Bytes, MilliCpu, Resources};
///
/// let node = Resources { cpu: MilliCpu(1930), memory: Bytes::from_mib(6903), pods: 29, ..Resources::default() };
/// let pod = Resources { cpu: MilliCpu(200), pods: 1, ..Resources::default() };
/// assert!(pod.fits(&node));
/// assert_eq!((node - &pod).cpu, MilliCpu(1730));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `cpu`
    pub cpu: MilliCpu,
    /// `memory`
    pub memory: Bytes,
    /// `ephemeral-storage`
    pub ephemeral_storage: Bytes,
    /// `pods`: a node's pod slots; 1 in a pod's own request.
    pub pods: i64,
    /// Extended resources. A resource that is absent is zero.
    pub extended: SortedMap<ResourceName, i64>,
}

impl Resources {
    /// The amount of an extended resource.
    #[must_use]
    pub fn extended(&self, name: &str) -> i64 {
        self.extended.get(name).copied().unwrap_or(0)
    }

    /// Whether this request is covered by what is available, resource by resource.
    #[must_use]
    pub fn fits(&self, available: &Resources) -> bool {
        self.cpu <= available.cpu
            && self.memory <= available.memory
            && self.ephemeral_storage <= available.ephemeral_storage
            && self.pods <= available.pods
            && self
                .extended
                .iter()
                .all(|(name, amount)| *amount <= available.extended(name))
    }

    /// The greater amount of each resource.
    #[must_use]
    pub fn max(mut self, other: &Resources) -> Resources {
        self.cpu = self.cpu.max(other.cpu);
        self.memory = self.memory.max(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.max(other.ephemeral_storage);
        self.pods = self.pods.max(other.pods);
        for (name, amount) in &other.extended {
            let own = self.extended.entry(name.clone()).or_insert(0);
            *own = (*own).max(*amount);
        }
        self
    }
}

impl AddAssign<&Resources> for Resources {
    fn add_assign(&mut self, other: &Resources) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.ephemeral_storage += other.ephemeral_storage;
        self.pods += other.pods;
        if other.extended.is_empty() {
            return;
        }
        for (name, amount) in &other.extended {
            *self.extended.entry(name.clone()).or_insert(0) += amount;
        }
    }
}

impl SubAssign<&Resources> for Resources {
    fn sub_assign(&mut self, other: &Resources) {
        self.cpu -= other.cpu;
        self.memory -= other.memory;
        self.ephemeral_storage -= other.ephemeral_storage;
        self.pods -= other.pods;
        if other.extended.is_empty() {
            return;
        }
        for (name, amount) in &other.extended {
            *self.extended.entry(name.clone()).or_insert(0) -= amount;
        }
    }
}

impl Add<&Resources> for Resources {
    type Output = Resources;
    fn add(mut self, other: &Resources) -> Resources {
        self += other;
        self
    }
}

impl Sub<&Resources> for Resources {
    type Output = Resources;
    fn sub(mut self, other: &Resources) -> Resources {
        self -= other;
        self
    }
}
