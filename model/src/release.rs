//! Release numbers as people write them.

use std::fmt;
use std::str::FromStr;

/// A release of one of the stack's projects.
///
/// ```
/// use model::Release;
///
/// assert!("v1.14".parse::<Release>().unwrap() > "1.5.0".parse().unwrap());
/// assert_eq!("2.53".parse(), Ok(Release::new(2, 53, 0)));
/// assert!("2.x".parse::<Release>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// Major
    pub major: u16,
    /// Minor
    pub minor: u16,
    /// Patch
    pub patch: u16,
}

impl Release {
    /// A release.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Release { major, minor, patch }
    }

    /// Whether this is that minor release or a later one.
    #[must_use]
    pub fn since(self, major: u16, minor: u16) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Why a text names no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a release such as 1.14.1 or 1.14, found {0:?}")]
pub struct NotARelease(pub String);

impl FromStr for Release {
    type Err = NotARelease;

    /// `1.2.3`, `v1.2.3` or `1.2`, whose patch counts as 0; and what a node of EKS says of itself,
    /// `v1.35.2-eks-f69f56f`, which is Kubernetes 1.35.2.
    fn from_str(text: &str) -> Result<Self, NotARelease> {
        let own = text.split_once("-eks-").map_or(text, |(own, _)| own);
        let mut parts = own.strip_prefix('v').unwrap_or(own).split('.');
        let mut next = || parts.next().map(str::parse::<u16>);
        match (next(), next(), next().unwrap_or(Ok(0)), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Ok(patch), None) => Ok(Release::new(major, minor, patch)),
            _ => Err(NotARelease(text.to_owned())),
        }
    }
}

#[test]
fn a_patch_may_be_left_out_and_nothing_else() {
    assert_eq!("v2.53.3".parse(), Ok(Release::new(2, 53, 3)));
    assert_eq!("1.14".parse(), Ok(Release::new(1, 14, 0)));
    assert_eq!("v1.35.2-eks-f69f56f".parse(), Ok(Release::new(1, 35, 2)));
    for wrong in [
        "",
        "1",
        "1.",
        "1.2.",
        "1.2.3.4",
        "1.x",
        "vv1.2",
        "1.-2",
        "1.2.3-rc1",
    ] {
        assert_eq!(wrong.parse::<Release>(), Err(NotARelease(wrong.to_owned())));
    }
}
