//! What the CRD refuses of fields that have no effect here: who writes it has no class at all
//! (karpenter-provider-aws v1.14 pkg/apis/crds/karpenter.k8s.aws_ec2nodeclasses.yaml; v1.0.0 and, for v1beta1, v0.37.0 the
//! same but where it is said).

use crate::document::Cursor;

/// Checks spec, as the API version has it.
pub(super) fn check(spec: &Cursor<'_>, v1: bool) {
    for field in ["role", "instanceProfile"] {
        let at = spec.get(field);
        if at.written() == Some("") {
            at.error("E004", format!("{field} is empty"), "");
        }
    }
    image_terms(&spec.get("amiSelectorTerms"), v1);
    if !v1 && spec.get("amiFamily").written() == Some("Custom") {
        let _ = spec.get("amiSelectorTerms").required();
    }
    let subnets = spec.get("subnetSelectorTerms");
    require_something(&subnets, &["tags", "id"]);
    never_all_with(&subnets, "id", &["tags"]);
    check_ids(&subnets, "subnet-");
    let groups = spec.get("securityGroupSelectorTerms");
    require_something(&groups, &["tags", "id", "name"]);
    never_all_with(&groups, "id", &["tags", "name"]);
    never_all_with(&groups, "name", &["tags", "id"]);
    check_ids(&groups, "sg-");
    check_tags(&spec.get("tags"), v1);
    check_metadata_options(&spec.get("metadataOptions"));
}

/// In v1 one alias stands alone, and so does each id.
fn image_terms(at: &Cursor<'_>, v1: bool) {
    check_ids(at, "ami-");
    if !v1 {
        require_something(at, &["tags", "id", "name"]);
        never_all_with(at, "id", &["tags", "name", "owner"]);
        return;
    }
    require_something(at, &["tags", "id", "name", "alias", "ssmParameter"]);
    let terms = at.items();
    for term in &terms {
        let alias = term.get("alias");
        if term.get("id").is_given() {
            exclude(term, "id", &["alias", "tags", "name", "owner"]);
        } else if alias.is_given() {
            exclude(term, "alias", &["tags", "name", "owner"]);
        }
        if alias.is_given() && terms.len() > 1 {
            let hint = "take the other terms out: an alias finds its image in each region by itself";
            alias.error("E004", "an alias is the only term of its list", hint);
        }
    }
}

fn exclude(term: &Cursor<'_>, own: &str, others: &[&str]) {
    let other = others.iter().find(|other| term.get(other).is_given());
    if let Some(other) = other {
        let message = format!("{own} and {other} of one term exclude each other");
        term.get(other)
            .error("E004", message, "make two terms of it, or take one out");
    }
}

/// A list that is given has terms, and each selects by something.
fn require_something(at: &Cursor<'_>, fields: &[&str]) {
    let terms = at.items();
    if at.is_given() && terms.is_empty() {
        let hint = format!("give {}", fields.join(" or "));
        at.error("E005", "at least one term is needed", &hint);
    }
    for term in terms {
        if !fields.iter().any(|field| term.get(field).is_given()) {
            let hint = format!("expected one of: {}", fields.join(", "));
            term.error("E005", "a term selects by something", &hint);
        }
        for (key, value) in term.get("tags").entries() {
            if key.is_empty() || value.written() == Some("") {
                value.error(
                    "E004",
                    "tags to select by need a key and a value",
                    "\"*\" is any value",
                );
            }
        }
    }
}

/// The rule as it is written refuses a list only if none of its terms is right.
fn never_all_with(at: &Cursor<'_>, own: &str, others: &[&str]) {
    let terms = at.items();
    let is_wrong =
        |term: &Cursor<'_>| term.get(own).is_given() && others.iter().any(|other| term.get(other).is_given());
    if let Some(first) = terms.first().filter(|_| terms.iter().all(is_wrong)) {
        exclude(first, own, others);
    }
}

/// Ids have their prefix somewhere, with a letter or digit behind it.
fn check_ids(at: &Cursor<'_>, prefix: &str) {
    for term in at.items() {
        let id = term.get("id");
        let Some(text) = id.text() else { continue };
        let behind = text.split(prefix).skip(1);
        let is_id = |rest: &str| rest.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !behind.into_iter().any(is_id) {
            let hint = format!("ids are as {prefix}0123456789abcdef0");
            id.error("E004", format!("{text:?} is no id"), &hint);
        }
    }
}

/// Tags that Karpenter writes itself. v1beta1 has had its list grow: what all of 0.32 to 0.37 refuse is in it.
fn check_tags(at: &Cursor<'_>, v1: bool) {
    for (key, value) in at.entries() {
        let is_taken = key.starts_with("kubernetes.io/cluster")
            || key == "karpenter.sh/nodepool"
            || if v1 {
                matches!(
                    key,
                    "eks:eks-cluster-name" | "karpenter.sh/nodeclaim" | "karpenter.k8s.aws/ec2nodeclass"
                )
            } else {
                key == "karpenter.sh/managed-by"
            };
        if key.is_empty() {
            value.error("E004", "a tag needs a key", "");
        } else if is_taken {
            let hint = "take it out: Karpenter writes this tag itself";
            value.error("E004", format!("the tag {key} is reserved"), hint);
        }
    }
}

fn check_metadata_options(at: &Cursor<'_>) {
    const SWITCH: &[(&str, ())] = &[("enabled", ()), ("disabled", ())];
    let _ = at.get("httpEndpoint").one_of(SWITCH);
    let _ = at.get("httpProtocolIPv6").one_of(SWITCH);
    let _ = at.get("httpTokens").one_of(&[("required", ()), ("optional", ())]);
    let _ = at.get("httpPutResponseHopLimit").int(1..=64);
}
