//! What of an EC2NodeClass a machine is held against.
//!
//! Karpenter hashes the spec and keeps the hash on each NodeClaim; another hash is the drift NodeClassDrift. Selectors
//! are no part of it: what they find is looked at by itself. Order in lists plays no part, and what is left out is as
//! what is empty (karpenter-provider-aws v1.14 pkg/apis/v1/ec2nodeclass.go `Hash`; the same fields in v1.5.0; v0.32.4
//! pkg/apis/v1beta1/ec2nodeclass.go `Hash`). Here the text takes the place of its hash.

use crate::catalog::kubelet::AmiFamily;
use crate::document::{Cursor, Shape, Value};

/// The fields that are not hashed. The image family is, as it is resolved.
const LEFT_OUT: [&str; 6] = [
    "amiFamily",
    "amiSelectorTerms",
    "capacityReservationSelectorTerms",
    "ipPrefixCount",
    "securityGroupSelectorTerms",
    "subnetSelectorTerms",
];

/// The text of all that is hashed.
pub(super) fn hashed(spec: &Cursor<'_>, family: AmiFamily, v1: bool) -> String {
    let mut parts = vec![
        format!("{family:?}"),
        metadata_options(&spec.get("metadataOptions"), v1),
    ];
    for (key, at) in spec.entries() {
        if LEFT_OUT.contains(&key) || key == "metadataOptions" {
            continue;
        }
        let text = at.value().and_then(canonical);
        parts.extend(text.map(|text| format!("{key}={text}")));
    }
    parts.sort();
    parts.join(";")
}

/// The text of amiSelectorTerms.
pub(super) fn image_terms(spec: &Cursor<'_>) -> String {
    text(&spec.get("amiSelectorTerms"))
}

/// The text of a value, whatever its order; empty if the value is.
pub(in crate::manifest) fn text(at: &Cursor<'_>) -> String {
    at.value().and_then(canonical).unwrap_or_default()
}

/// With the API server's defaults (karpenter-provider-aws v1.14 pkg/apis/v1/ec2nodeclass.go `MetadataOptions`; two hops
/// in v0.32.4 pkg/apis/v1beta1/ec2nodeclass.go).
fn metadata_options(at: &Cursor<'_>, v1: bool) -> String {
    let defaults = [
        ("httpEndpoint", "enabled"),
        ("httpProtocolIPv6", "disabled"),
        ("httpPutResponseHopLimit", if v1 { "1" } else { "2" }),
        ("httpTokens", "required"),
    ];
    let written = |key: &str| Some(at.get(key).written()?.to_owned());
    let text = |(key, default): (&str, &str)| written(key).unwrap_or_else(|| default.to_owned());
    format!("metadataOptions={}", defaults.map(text).join(","))
}

/// A value's text, whatever its order; nothing if it is empty.
fn canonical(value: &Value) -> Option<String> {
    let mut parts: Vec<String> = match &value.shape {
        Shape::Scalar(_, text) if value.is_null() || text.is_empty() => return None,
        Shape::Scalar(_, text) => return Some(format!("{text:?}")),
        Shape::List(items) => items.iter().filter_map(canonical).collect(),
        Shape::Map(entries) => entries
            .iter()
            // No pointer upstream: false is as if it were not written.
            .filter(|entry| entry.key != "rootVolume" || entry.value.text() != Some("false"))
            .filter_map(|entry| Some(format!("{}={}", entry.key, canonical(&entry.value)?)))
            .collect(),
    };
    parts.sort();
    (!parts.is_empty()).then(|| format!("[{}]", parts.join(",")))
}
