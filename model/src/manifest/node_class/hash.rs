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

/// What a hash sees of quantities.
///
/// Before provider and core 0.36 they were structs, of which it sees the public field: how they are written, in binary or
/// decimal units (apimachinery v0.29.3 pkg/api/resource/quantity.go `Quantity`; hashstructure v2.0.2 hashstructure.go
/// `visit` leaves private fields out). Later a volume's size is hashed as its text, in the greatest unit that takes a whole
/// number, and what is reserved as it is written (karpenter-provider-aws v0.36.0 pkg/apis/v1beta1/ec2nodeclass.go
/// `BlockDevice`; karpenter v0.36.0 pkg/apis/v1beta1/nodeclaim.go `KubeletConfiguration`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::manifest) enum Quantities {
    /// What they amount to.
    Values,
    /// Their units' kind alone.
    Formats,
}

/// The text of all that is hashed.
pub(super) fn hashed(spec: &Cursor<'_>, family: AmiFamily, v1: bool, quantities: Quantities) -> String {
    let mut parts = vec![
        format!("{family:?}"),
        metadata_options(&spec.get("metadataOptions"), v1),
    ];
    for (key, at) in spec.entries() {
        if LEFT_OUT.contains(&key) || key == "metadataOptions" {
            continue;
        }
        let text = at.value().and_then(|value| of_field(key, value, quantities));
        parts.extend(text.map(|text| format!("{key}={text}")));
    }
    parts.sort();
    parts.join(";")
}

/// The text of amiSelectorTerms.
pub(super) fn image_terms(spec: &Cursor<'_>) -> String {
    text(&spec.get("amiSelectorTerms"), Quantities::Values)
}

/// The text of a value, whatever its order; empty if the value is.
pub(in crate::manifest) fn text(at: &Cursor<'_>, quantities: Quantities) -> String {
    at.value()
        .and_then(|value| canonical(value, quantities))
        .unwrap_or_default()
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

/// A field's text: quantities are known by the names of theirs.
fn of_field(key: &str, value: &Value, quantities: Quantities) -> Option<String> {
    match (key, quantities, value.text()) {
        ("volumeSize", Quantities::Values, Some(text)) => Some(in_greatest_unit(text)),
        ("volumeSize", Quantities::Formats, Some(text)) => Some(format_of(text).to_owned()),
        ("kubeReserved" | "systemReserved", Quantities::Formats, _) => {
            let Shape::Map(entries) = &value.shape else {
                return None;
            };
            let format = |value: &Value| format_of(value.text().unwrap_or_default());
            let mut parts: Vec<String> = entries
                .iter()
                .map(|entry| format!("{}={}", entry.key, format(&entry.value)))
                .collect();
            parts.sort();
            (!parts.is_empty()).then(|| format!("[{}]", parts.join(",")))
        }
        _ => canonical(value, quantities),
    }
}

/// A volume's size as it is printed: 1024Gi are 1Ti, 1000G are 1T (apimachinery pkg/api/resource/quantity.go
/// `CanonicalizeBytes`). The API server takes whole numbers of these units only.
fn in_greatest_unit(text: &str) -> String {
    for (unit, step, greater) in [("Gi", 1024, "Ti"), ("G", 1000, "T")] {
        let number: Option<u64> = text.strip_suffix(unit).and_then(|number| number.parse().ok());
        if let Some(number) = number.filter(|number| number % step == 0) {
            return format!("{}{greater}", number / step);
        }
    }
    text.to_owned()
}

/// How a quantity is written (apimachinery pkg/api/resource/suffix.go `interpret`).
fn format_of(text: &str) -> &'static str {
    let exponent = text.trim_end_matches(|c: char| c.is_ascii_digit() || "+-".contains(c));
    if text.ends_with('i') {
        "BinarySI"
    } else if exponent.len() < text.len() && exponent.ends_with(['e', 'E']) {
        "DecimalExponent"
    } else {
        "DecimalSI"
    }
}

/// A value's text, whatever its order; nothing if it is empty.
fn canonical(value: &Value, quantities: Quantities) -> Option<String> {
    let mut parts: Vec<String> = match &value.shape {
        Shape::Scalar(_, text) if value.is_null() || text.is_empty() => return None,
        Shape::Scalar(_, text) => return Some(format!("{text:?}")),
        Shape::List(items) => items
            .iter()
            .filter_map(|item| canonical(item, quantities))
            .collect(),
        Shape::Map(entries) => entries
            .iter()
            // No pointer upstream: false is as if it were not written.
            .filter(|entry| entry.key != "rootVolume" || entry.value.text() != Some("false"))
            .filter_map(|entry| {
                let text = of_field(&entry.key, &entry.value, quantities)?;
                Some(format!("{}={text}", entry.key))
            })
            .collect(),
    };
    parts.sort();
    (!parts.is_empty()).then(|| format!("[{}]", parts.join(",")))
}
