//! What users write, before anything is known about its meaning.
//!
//! YAML and TOML both become the same tree of [`Value`]s, each with the place where it stands, so that every
//! later complaint can point at a line and name a field. Nothing here knows Kubernetes: [`crate::manifest`]
//! and [`crate::scenario`] say what fields there are and what they mean, and read them with a [`Cursor`],
//! which collects problems instead of stopping at the first.
//!
//! Text from outside is not trusted. Files, nesting, aliases and the whole tree have limits, and the parsers
//! return a problem where they would otherwise take all memory or all stack.

mod cursor;
mod diagnostic;
mod duration;
pub mod fields;
mod similar;
mod toml;
mod tree;
mod yaml;

pub use cursor::{Context, Cursor};
pub use diagnostic::{Diagnostic, Report, Severity};
pub use duration::go_duration;
pub(crate) use duration::{misspelt, no_duration};
pub use similar::closest;
pub use toml::{parse_toml, parse_value};
pub use tree::{Entry, Place, Scalar, Shape, Source, Value};
pub use yaml::{parse_yaml, parse_yaml_value};

/// A file larger than this is not read: no manifest or trace that anybody wrote is that big.
pub const MAX_FILE_BYTES: usize = 8 << 20;
/// Deeper nesting is refused.
pub(crate) const MAX_DEPTH: usize = 64;
/// A document that stands for more values than this, aliases followed, is refused.
pub(crate) const MAX_VALUES: usize = 1_000_000;
