//! ConfigMaps and Secrets: what is in them has no effect, but the API server takes texts alone.

use super::pod_fields::{METADATA, TOP};
use crate::document::fields::Holds::{Text, TextMap, Truth};
use crate::document::fields::{Field, quiet, table};

const READ_BY_CONTAINERS: &str = "what containers read has no effect on scaling";

/// The table of ConfigMaps.
pub(super) const CONFIG_MAP: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    quiet(
        "data",
        "what containers read has no effect on scaling, but for the intervals in Prometheus' prometheus.yml",
    )
    .of(TextMap),
    quiet("binaryData", READ_BY_CONTAINERS).of(TextMap),
    quiet("immutable", READ_BY_CONTAINERS).of(Truth),
];

/// The table of Secrets.
pub(super) const SECRET: &[Field] = &[
    table("", TOP),
    table("metadata", METADATA),
    quiet("data", READ_BY_CONTAINERS).of(TextMap),
    quiet("stringData", READ_BY_CONTAINERS).of(TextMap),
    quiet("type", READ_BY_CONTAINERS).of(Text),
    quiet("immutable", READ_BY_CONTAINERS).of(Truth),
];
