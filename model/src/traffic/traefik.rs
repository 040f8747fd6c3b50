//! Releases of Traefik and what differs between them.

/// A release of Traefik.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major
    pub major: u16,
    /// Minor
    pub minor: u16,
}

impl Version {
    /// A release.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Version { major, minor }
    }
}
