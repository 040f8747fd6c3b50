//! Quotas of virtual CPUs: EC2 counts each group of instance families by itself, on-demand and spot apart
//! (EC2 user guide, On-Demand Instance quotas and Spot Instance quotas).

use std::fmt;

use sim::SortedMap;

/// A group of instance families that share a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A, C, D, H, I, M, R, T and Z.
    Standard,
    /// F
    F,
    /// G and VT
    G,
    /// Hpc
    Hpc,
    /// U: high memory.
    HighMemory,
    /// Inf
    Inf,
    /// P
    P,
    /// Trn
    Trn,
    /// DL
    Dl,
    /// X
    X,
}

impl Group {
    /// All groups by the names that scenarios have for them.
    pub const NAMES: [(&'static str, Group); 10] = [
        ("standard", Group::Standard),
        ("f", Group::F),
        ("g", Group::G),
        ("hpc", Group::Hpc),
        ("high_memory", Group::HighMemory),
        ("inf", Group::Inf),
        ("p", Group::P),
        ("trn", Group::Trn),
        ("dl", Group::Dl),
        ("x", Group::X),
    ];

    /// The group of an instance type; none counts those of Mac, which need a host of their own.
    ///
    /// ```
    /// use model::ec2::QuotaGroup;
    ///
    /// let groups = ["m5.large", "im4gn.large", "g4dn.xlarge", "inf2.xlarge"].map(QuotaGroup::of);
    /// use QuotaGroup::{G, Inf, Standard};
    /// assert_eq!(groups, [Some(Standard), Some(Standard), Some(G), Some(Inf)]);
    /// ```
    #[must_use]
    pub fn of(instance_type: &str) -> Option<Group> {
        let end = instance_type.find(|letter: char| !letter.is_ascii_lowercase());
        let family = &instance_type[..end.unwrap_or(instance_type.len())];
        Some(match family {
            "mac" => return None,
            "vt" => Group::G,
            "hpc" => Group::Hpc,
            "inf" => Group::Inf,
            "trn" => Group::Trn,
            "dl" => Group::Dl,
            _ => match family.as_bytes().first() {
                Some(b'f') => Group::F,
                Some(b'g') => Group::G,
                Some(b'u') => Group::HighMemory,
                Some(b'p') => Group::P,
                Some(b'x') => Group::X,
                _ => Group::Standard,
            },
        })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Group::NAMES
            .iter()
            .find(|(_, group)| group == self)
            .expect("all have names");
        f.write_str(name)
    }
}

/// How many virtual CPUs an account may have of each group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quota {
    /// As many of any.
    Each(u32),
    /// So many of these; others are not limited.
    Groups(SortedMap<Group, u32>),
}

impl Quota {
    /// What a group may have.
    #[must_use]
    pub fn of(&self, group: Group) -> Option<u32> {
        match self {
            Quota::Each(most) => Some(*most),
            Quota::Groups(groups) => groups.get(&group).copied(),
        }
    }
}
