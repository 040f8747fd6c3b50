//! What annotations ask of KEDA (kedacore/keda 2.20 apis/keda/v1alpha1/scaledobject_types.go).

use super::spec::ScaledObject;
use super::version::Profile;

const PREFIX: &str = "autoscaling.keda.sh/";

fn value<'a>(object: &'a ScaledObject, name: &str) -> Option<&'a str> {
    let own = |key: &String| key.strip_prefix(PREFIX) == Some(name);
    let mut annotations = object.annotations.iter();
    annotations
        .find(|(key, _)| own(key))
        .map(|(_, value)| value.as_str())
}

/// Go's `strconv.ParseBool`; what it does not know counts as true (`getBoolAnnotation`).
fn is_true(object: &ScaledObject, name: &str) -> bool {
    value(object, name).is_some_and(|text| !matches!(text, "0" | "f" | "F" | "false" | "FALSE" | "False"))
}

/// `paused-replicas`: freeze at so many.
#[must_use]
pub fn paused_replicas(object: &ScaledObject) -> Option<i32> {
    value(object, "paused-replicas")?.parse().ok()
}

/// `paused`: freeze at what there is.
#[must_use]
pub fn is_paused(object: &ScaledObject, profile: &Profile) -> bool {
    match profile.paused_annotation {
        true if profile.paused_value => is_true(object, "paused"),
        true => value(object, "paused").is_some(),
        false => false,
    }
}

/// `paused-scale-in`
#[must_use]
pub fn pauses_scale_in(object: &ScaledObject, profile: &Profile) -> bool {
    profile.partial_pause && is_true(object, "paused-scale-in")
}

/// `paused-scale-out`
#[must_use]
pub fn pauses_scale_out(object: &ScaledObject, profile: &Profile) -> bool {
    profile.partial_pause && is_true(object, "paused-scale-out")
}

/// `force-activation`
#[must_use]
pub fn forces_activation(object: &ScaledObject, profile: &Profile) -> bool {
    profile.partial_pause && is_true(object, "force-activation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_as_false_is_false() {
        let check = |text: &str, expected: bool| {
            let mut object = crate::keda::tests::object(Vec::new());
            object
                .annotations
                .insert(format!("{PREFIX}paused"), text.to_owned());
            assert_eq!(is_paused(&object, &Profile::of(13)), expected, "{text}");
            // Before 2.13 it is enough that it is there.
            assert!(is_paused(&object, &Profile::of(12)), "{text}");
        };
        check("true", true);
        check("T", true);
        check("yes", true);
        check("", true);
        check("false", false);
        check("0", false);
    }
}
