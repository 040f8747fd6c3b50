//! What a configuration changes, as one would apply it: `kubectl patch`, and a diff of the manifests.

use model::document::{Place, Scalar, Shape, Value, parse_yaml};
use model::scenario::{Base, Segment, Written, parse_field};
use serde_json::{Map, json};
use similar::TextDiff;

use crate::axis::Axis;
use crate::field;
use crate::plan::Plan;
use crate::yaml;

/// A field that a configuration sets to something else than what is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The axis; `None` of what the sweep sets for all configurations.
    pub axis: Option<usize>,
    /// The field, as `--set` names it.
    pub target: String,
    /// Where it stands.
    pub home: Home,
    /// What is written now, if anything.
    pub before: Option<Value>,
    /// What is to be written.
    pub after: Value,
}

/// Where a field stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// In `scenario.toml`.
    Scenario,
    /// In a manifest.
    Manifest {
        /// The object's kind.
        kind: String,
        /// Its namespace; empty for objects of the whole cluster.
        namespace: String,
        /// Its name.
        name: String,
        /// The file.
        file: String,
    },
}

/// The fields in which a configuration differs from the current one, axis by axis, each once. What the sweep sets for
/// all of them is in both.
#[must_use]
pub fn changes(plan: &Plan, base: &Base, point: &[u32]) -> Vec<Change> {
    let (before, after) = (base.written(&plan.sets), with(plan, base, &plan.overrides(point)));
    let targets = plan.axes.iter().enumerate().flat_map(targets_of);
    between(&before, &after, targets)
}

/// What is to be written for a configuration to be as it was simulated, axis by axis and then what the sweep sets for
/// all: the fields in which it differs from the files. The axes that are `left` stay as they are for all.
#[must_use]
pub fn to_write(plan: &Plan, base: &Base, point: &[u32], left: &[usize]) -> Vec<Change> {
    let (before, after) = (base.written(&[]), base.written(&plan.sets_without(point, left)));
    let axes = plan.axes.iter().enumerate();
    let own = axes.filter(|(axis, _)| !left.contains(axis)).flat_map(targets_of);
    let set = plan
        .sets
        .iter()
        .filter_map(|set| Some((None, set.split_once('=')?.0.trim())));
    let all: Vec<(Option<usize>, &str)> = own.chain(set).collect();
    // Of a field and a part of it the field has all.
    let is_part = |target: &str| {
        let mut others = all.iter();
        others.any(|(_, other)| !field::same(other, target) && field::is_in(target, other))
    };
    between(
        &before,
        &after,
        all.iter().copied().filter(|(_, target)| !is_part(target)),
    )
}

/// The fields of an axis.
fn targets_of((index, axis): (usize, &Axis)) -> impl Iterator<Item = (Option<usize>, &str)> {
    axis.fields
        .iter()
        .map(move |target| (Some(index), target.as_str()))
}

/// Of fields those that differ, each once.
fn between<'t>(
    before: &Written,
    after: &Written,
    targets: impl Iterator<Item = (Option<usize>, &'t str)>,
) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    for (axis, target) in targets {
        let old = before.field(target);
        // What is taken out is written as null.
        let nothing = Value {
            place: Place::default(),
            shape: Shape::Scalar(Scalar::Null, String::new()),
        };
        let gone = old.map(|(_, document)| (&nothing, document));
        let Some((value, document)) = after.field(target).or(gone) else {
            continue;
        };
        let old = old.map(|(value, _)| value);
        let same = old.is_some_and(|old| json_of(old) == json_of(value));
        if same || found.iter().any(|change| field::same(&change.target, target)) {
            continue;
        }
        let home = document.map_or(Home::Scenario, |document| Home::Manifest {
            kind: document.kind.name.to_owned(),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            file: document.file.clone(),
        });
        found.push(Change {
            axis,
            target: target.to_owned(),
            home,
            before: old.cloned(),
            after: value.clone(),
        });
    }
    found
}

fn with(plan: &Plan, base: &Base, overrides: &[String]) -> Written {
    base.written(&plan.sets_with(overrides.iter().cloned()))
}

/// What an axis is set to now: the label of the level that is written, or what is written in its field; `None` if nothing
/// is. What several fields hold that are no level has no name of its own.
#[must_use]
pub fn now(plan: &Plan, base: &Base, axis: usize) -> Option<String> {
    let axis = &plan.axes[axis];
    let before = base.written(&plan.sets);
    let fits = |level: &&crate::axis::Level| {
        let after = with(plan, base, &level.sets);
        axis.fields.iter().all(|field| {
            let value = |written: &Written| written.field(field).map(|(value, _)| json_of(value));
            value(&before) == value(&after)
        })
    };
    // Not all of a long range: the nearest one is found by its label below.
    let few = axis.levels.len() <= 64;
    if let Some(level) = few.then(|| axis.levels.iter().find(fits)).flatten() {
        return Some(level.label.clone());
    }
    let is_written = axis.fields.iter().any(|field| before.field(field).is_some());
    if axis.fields.len() > 1 && !axis.numeric {
        return is_written.then(|| "as in the scenario".to_owned());
    }
    let mut values: Vec<String> = Vec::new();
    for (value, _) in axis.fields.iter().filter_map(|field| before.field(field)) {
        let text = value
            .text()
            .map_or_else(|| json_of(value).to_string(), str::to_owned);
        if !values.contains(&text) {
            values.push(text);
        }
    }
    (!values.is_empty()).then(|| values.join(" and "))
}

/// A value as JSON, as the API server takes it.
#[must_use]
pub fn json_of(value: &Value) -> serde_json::Value {
    match &value.shape {
        Shape::Scalar(Scalar::Null, _) => serde_json::Value::Null,
        Shape::Scalar(Scalar::Bool(truth), _) => json!(truth),
        Shape::Scalar(Scalar::Int(number), _) => json!(number),
        Shape::Scalar(Scalar::Float(number), _) => json!(number),
        Shape::Scalar(Scalar::Text, text) => json!(text),
        Shape::List(items) => items.iter().map(json_of).collect(),
        Shape::Map(entries) => {
            let entry = |entry: &model::document::Entry| (entry.key.clone(), json_of(&entry.value));
            serde_json::Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

/// A `kubectl patch` for each object that changes: JSON patches (RFC 6902), which leave the rest of lists alone.
#[must_use]
pub fn kubectl(base: &Base, changes: &[Change]) -> Vec<String> {
    let before = base.written(&[]);
    let mut objects: Vec<(&Home, Vec<&Change>)> = Vec::new();
    for change in changes.iter().filter(|change| change.home != Home::Scenario) {
        match objects.iter_mut().find(|(home, _)| **home == change.home) {
            Some((_, own)) => own.push(change),
            None => objects.push((&change.home, vec![change])),
        }
    }
    let command = |(home, own): (&Home, Vec<&Change>)| {
        let Home::Manifest {
            kind,
            namespace,
            name,
            ..
        } = home
        else {
            return None;
        };
        let document = before.documents.iter().find(|document| {
            document.kind.name == kind && document.name == *name && document.namespace == *namespace
        })?;
        let mut object = json_of(&document.value);
        let operations: Vec<serde_json::Value> = own
            .iter()
            .filter_map(|change| {
                let (_, path) = parse_field(&change.target)?;
                operation(&mut object, &path, json_of(&change.after))
            })
            .collect();
        let patch = serde_json::Value::from(operations)
            .to_string()
            .replace('\'', "'\\''");
        let scope = if namespace.is_empty() {
            String::new()
        } else {
            format!(" --namespace {namespace}")
        };
        Some(format!(
            "kubectl patch {} {name}{scope} --type=json --patch='{patch}'",
            kind.to_lowercase()
        ))
    };
    objects.into_iter().filter_map(command).collect()
}

/// One operation, also carried out on the object: what does not exist on the way is made.
fn operation(
    object: &mut serde_json::Value,
    path: &[Segment],
    value: serde_json::Value,
) -> Option<serde_json::Value> {
    let mut at = object;
    let mut pointer = String::new();
    for (depth, segment) in path.iter().enumerate() {
        let rest = &path[depth + 1..];
        let (key, next) = match segment {
            Segment::Key(key) => (key.replace('~', "~0").replace('/', "~1"), at.get(key).cloned()),
            Segment::Index(index) => (index.to_string(), at.get(*index).cloned()),
        };
        pointer = format!("{pointer}/{key}");
        let ends = rest.is_empty();
        if ends || next.as_ref().is_none_or(serde_json::Value::is_null) {
            let nested = rest.iter().rev().fold(value, |inner, segment| match segment {
                Segment::Key(key) => json!({ key: inner }),
                Segment::Index(_) => json!([inner]),
            });
            let op = if ends && next.is_some() { "replace" } else { "add" };
            match (segment, &mut *at) {
                (Segment::Key(key), serde_json::Value::Object(fields)) => {
                    fields.insert(key.clone(), nested.clone());
                }
                (Segment::Index(index), serde_json::Value::Array(items)) if *index < items.len() => {
                    items[*index] = nested.clone();
                }
                (Segment::Index(_), serde_json::Value::Array(items)) => items.push(nested.clone()),
                _ => return None,
            }
            return Some(json!({ "op": op, "path": pointer, "value": nested }));
        }
        at = match segment {
            Segment::Key(key) => at.get_mut(key)?,
            Segment::Index(index) => at.get_mut(*index)?,
        };
    }
    None
}

/// A unified diff of the manifests. A file that cannot be edited as text, because it is written in a way that edits
/// would not keep, is left out and named second.
#[must_use]
pub fn diff(base: &Base, changes: &[Change]) -> (String, Vec<String>) {
    let mut text = String::new();
    let mut left = Vec::new();
    for source in &base.files().manifests {
        let own: Vec<&Change> = changes
            .iter()
            .filter(|change| matches!(&change.home, Home::Manifest { file, .. } if *file == source.path))
            .collect();
        if own.is_empty() {
            continue;
        }
        let edited = own
            .iter()
            .try_fold(source.text.clone(), |text, change| edit(&text, change));
        match edited {
            Some(edited) => {
                let diff = TextDiff::from_lines(source.text.as_str(), edited.as_str());
                let mut unified = diff.unified_diff();
                unified
                    .context_radius(3)
                    .header(&format!("a/{}", source.path), &format!("b/{}", source.path));
                text.push_str(&unified.to_string());
            }
            None => left.push(source.path.clone()),
        }
    }
    (text, left)
}

/// The file with one change; `None` if the result would not say what is meant.
fn edit(text: &str, change: &Change) -> Option<String> {
    let Home::Manifest {
        kind,
        name,
        namespace,
        ..
    } = &change.home
    else {
        return None;
    };
    let (_, path) = parse_field(&change.target)?;
    let (documents, failure) = parse_yaml(text);
    let is_own = |value: &Value| {
        let metadata = value.get("metadata");
        let field = |key: &str| {
            metadata
                .and_then(|metadata| metadata.get(key))
                .and_then(Value::text)
        };
        let space = field("namespace").unwrap_or("default");
        value.get("kind").and_then(Value::text) == Some(kind)
            && field("name") == Some(name)
            && (namespace.is_empty() || space == namespace)
    };
    let place = documents.iter().position(is_own).filter(|_| failure.is_none())?;
    let edited = yaml::set(text, &documents[place], &path, &change.after)?;
    // It must read as what was meant, and everything else as before.
    let (after, failure) = parse_yaml(&edited);
    let mut expected: Vec<serde_json::Value> = documents.iter().map(json_of).collect();
    operation(&mut expected[place], &path, json_of(&change.after))?;
    let same = after.iter().map(json_of).eq(expected);
    (failure.is_none() && same).then_some(edited)
}

#[cfg(test)]
mod tests {
    use model::scenario::{Files, Source};

    use super::*;
    use crate::tests::plan;

    const MANIFEST: &str = "\
# A comment that stays.
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: web
  namespace: shop
spec:
  scaleTargetRef:
    name: web
  cooldownPeriod: 30 # why thirty
  triggers:
    - type: prometheus
      metadata:
        threshold: '1'
        query: up
";

    fn base() -> Base {
        Base::read(Files {
            scenario: Source {
                path: "scenario.toml".to_owned(),
                text: "name = 'x'\n".to_owned(),
            },
            manifests: vec![Source {
                path: "manifests/web.yaml".to_owned(),
                text: MANIFEST.to_owned(),
            }],
            traces: Vec::new(),
        })
    }

    fn swept(axes: &[(&str, &str)]) -> Plan {
        let axis = |(field, value): &(&str, &str)| {
            format!("[[axis]]\nname = '{field}'\nfield = '{field}'\nvalues = [{value}]\n")
        };
        plan(&axes.iter().map(axis).collect::<String>())
    }

    #[test]
    fn a_patch_touches_what_changes_and_nothing_else() {
        let plan = swept(&[
            ("ScaledObject/web: spec.triggers[0].metadata.threshold", "2"),
            ("ScaledObject/web: spec.cooldownPeriod", "30"),
            (
                "ScaledObject/web: spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds",
                "60",
            ),
            ("timing.hpa.sync_period", "'10s'"),
        ]);
        let base = base();
        let changes = changes(&plan, &base, &[0, 0, 0, 0]);
        let axes: Vec<Option<usize>> = changes.iter().map(|change| change.axis).collect();
        assert_eq!(axes, [0, 2, 3].map(Some), "the cooldown is what it was");
        let commands = kubectl(&base, &changes);
        assert_eq!(
            commands,
            [
                r#"kubectl patch scaledobject web --namespace shop --type=json --patch='[{"op":"replace","path":"/spec/triggers/0/metadata/threshold","value":"2"},{"op":"add","path":"/spec/advanced","value":{"horizontalPodAutoscalerConfig":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":60}}}}}]'"#
            ]
        );
        let (text, left) = diff(&base, &changes);
        assert_eq!(left, Vec::<String>::new());
        let changed: Vec<&str> = text
            .lines()
            .filter(|line| {
                line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
            })
            .collect();
        assert_eq!(
            changed,
            [
                "-        threshold: '1'",
                "+        threshold: '2'",
                "+  advanced:",
                "+    horizontalPodAutoscalerConfig:",
                "+      behavior:",
                "+        scaleDown:",
                "+          stabilizationWindowSeconds: 60",
            ]
        );
    }

    /// A raw value of one of them would say nothing of the other.
    #[test]
    fn several_fields_go_by_the_name_of_their_category_or_by_none() {
        let (cooldown, max) = (
            "ScaledObject/web: spec.cooldownPeriod",
            "ScaledObject/web: spec.maxReplicaCount",
        );
        let shown = |a: &str, b: &str| {
            let plan = plan(&format!(
                "[[axis]]\nname = 'waits'\n[axis.categories]\na = {{ {a} }}\nb = {{ {b} }}\n"
            ));
            now(&plan, &base(), 0)
        };
        let (ten, thirty) = (format!("'{cooldown}' = 10"), format!("'{cooldown}' = 30"));
        let capped = format!("{ten}, '{max}' = 5");
        assert_eq!(shown(&thirty, &capped).as_deref(), Some("a"));
        assert_eq!(shown(&ten, &capped).as_deref(), Some("as in the scenario"));
        assert_eq!(shown(&format!("'{max}' = 4"), &format!("'{max}' = 5")), None);
    }

    /// A patch leads from the files to what was simulated, with what the sweep sets for all.
    #[test]
    fn a_patch_holds_what_the_sweep_sets() {
        let plan = plan(
            "set = [\"ScaledObject/web: spec.triggers[0].metadata.threshold='0.5'\", 'ScaledObject/shop/web: spec.cooldownPeriod=60', 'duration=1h']
[[axis]]
name = 'cooldown'
field = 'ScaledObject/web: spec.cooldownPeriod'
values = [30, 60, 90]
[[axis]]
name = 'max'
field = 'ScaledObject/web: spec.maxReplicaCount'
values = [40]
",
        );
        let base = base();
        let check = |point: &[u32], left: &[usize], expected: &[(Option<usize>, &str)]| {
            let written = to_write(&plan, &base, point, left);
            let of = |change: &Change| {
                let (_, field) = change
                    .target
                    .rsplit_once(['.', ' '])
                    .unwrap_or(("", &change.target));
                (change.axis, format!("{field} {}", json_of(&change.after)))
            };
            let found: Vec<(Option<usize>, String)> = written.iter().map(of).collect();
            let expected: Vec<(Option<usize>, String)> = expected
                .iter()
                .map(|(axis, text)| (*axis, (*text).to_owned()))
                .collect();
            assert_eq!(found, expected, "{point:?}");
        };
        let (threshold, duration) = ((None, "threshold \"0.5\""), (None, "duration \"1h\""));
        let max = (Some(1), "maxReplicaCount 40");
        // The files say 30.
        check(&[0, 0], &[], &[max, threshold, duration]);
        check(
            &[1, 0],
            &[],
            &[(Some(0), "cooldownPeriod 60"), max, threshold, duration],
        );
        check(
            &[2, 0],
            &[1],
            &[(Some(0), "cooldownPeriod 90"), threshold, duration],
        );
        check(
            &[2, 0],
            &[0],
            &[max, threshold, (None, "cooldownPeriod 60"), duration],
        );
        let commands = kubectl(&base, &to_write(&plan, &base, &[0, 0], &[]));
        assert_eq!(
            commands,
            [
                r#"kubectl patch scaledobject web --namespace shop --type=json --patch='[{"op":"add","path":"/spec/maxReplicaCount","value":40},{"op":"replace","path":"/spec/triggers/0/metadata/threshold","value":"0.5"}]'"#
            ]
        );
        // Against the current one, which has all that is set.
        let changing = |point: &[u32]| {
            changes(&plan, &base, point)
                .iter()
                .map(|own| own.axis)
                .collect::<Vec<_>>()
        };
        assert_eq!(changing(&[1, 0]), [Some(1)]);
        assert_eq!(changing(&[0, 0]), [Some(0), Some(1)]);
    }

    #[test]
    fn what_is_written_now_is_known() {
        let plan = swept(&[
            ("ScaledObject/web: spec.triggers[0].metadata.threshold", "1, 2"),
            ("ScaledObject/web: spec.cooldownPeriod", "60, 90"),
            ("ScaledObject/web: spec.pollingInterval", "15"),
        ]);
        let base = base();
        let now: Vec<Option<String>> = (0..3).map(|axis| now(&plan, &base, axis)).collect();
        assert_eq!(now, [Some("1".to_owned()), Some("30".to_owned()), None]);
    }
}
