//! Overrides: `FIELD=VALUE` for the scenario, `KIND/NAME: FIELD=VALUE` for a manifest. The value `null` takes a field out.
//!
//! They change what was written, before anything is read: an overridden field is checked like any other.

use std::cell::RefCell;

use super::base::Segment;
use crate::document::{
    Diagnostic, Entry, Place, Scalar, Severity, Shape, Value, closest, parse_value, parse_yaml_value,
};
use crate::manifest::Document;

/// The name that problems with an override go by instead of a file's.
const SET: &str = "--set";

/// Applies overrides to the scenario's tree and to documents.
pub(super) fn apply(
    sets: &[String],
    scenario: &mut Value,
    documents: &mut [Document],
    problems: &RefCell<Vec<Diagnostic>>,
) {
    for set in sets {
        if let Err((message, hint)) = apply_one(set, scenario, documents) {
            problems.borrow_mut().push(Diagnostic {
                severity: Severity::Error,
                code: "E011",
                file: SET.to_owned(),
                line: 0,
                column: 0,
                field: set.clone(),
                message,
                hint,
            });
        }
    }
}

type Refusal = (String, String);

fn refuse(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
    (message.into(), hint.into())
}

fn apply_one(set: &str, scenario: &mut Value, documents: &mut [Document]) -> Result<(), Refusal> {
    let example = "write FIELD=VALUE, or \"KIND/NAME: FIELD=VALUE\" for a manifest";
    let (target, written) = set
        .split_once('=')
        .ok_or_else(|| refuse("expected FIELD=VALUE", example))?;
    let written = written.trim();
    let (object, field) = self::target(target);
    let path = segments(field).ok_or_else(|| refuse(format!("{field:?} is no path of a field"), example))?;
    match object {
        None if written == NOTHING => take_out(scenario, &path),
        None => put(scenario, &path, value_of(written, false), false),
        Some(object) => {
            let found = find(object, documents)?;
            if is_identity(&path) {
                let message = format!("{field} says which object this is, and cannot be set");
                return Err(refuse(message, "change it in the manifest"));
            }
            match written {
                NOTHING => take_out(found, &path),
                _ => put(found, &path, value_of(written, true), !is_number_or_text(&path)),
            }
        }
    }
}

/// Puts a value at a field of the scenario; whether it could be.
pub(super) fn put_at(scenario: &mut Value, field: &str, value: Value) -> bool {
    segments(field).is_some_and(|path| put(scenario, &path, value, false).is_ok())
}

/// The value that takes a field out. The text is written in quotes.
const NOTHING: &str = "null";

/// A value as TOML has it, for a manifest also a mapping or list as YAML and JSON have it; else a text.
fn value_of(written: &str, of_manifest: bool) -> Value {
    let yaml = || {
        let is_collection = of_manifest && written.starts_with(['{', '[']);
        is_collection.then(|| parse_yaml_value(written)).flatten()
    };
    parse_value(written)
        .or_else(yaml)
        .unwrap_or_else(|| Value::from_text(written))
}

/// Takes a field out, or an item of a list. One that is not there may be misspelt.
fn take_out(at: &mut Value, path: &[Segment]) -> Result<(), Refusal> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(());
    };
    let gone = match (first, &mut at.shape) {
        (Segment::Key(key), Shape::Map(entries)) => {
            match entries.iter().position(|entry| entry.key == *key) {
                Some(place) if rest.is_empty() => {
                    entries.remove(place);
                    return Ok(());
                }
                Some(place) => return take_out(&mut entries[place].value, rest),
                None => {
                    let near = closest(key, entries.iter().map(|entry| entry.key.as_str()));
                    let hint = near.map(|near| format!("did you mean {near:?}?"));
                    (format!("{key:?}"), hint.unwrap_or_default())
                }
            }
        }
        (Segment::Index(index), Shape::List(items)) if *index < items.len() => {
            if rest.is_empty() {
                items.remove(*index);
                return Ok(());
            }
            return take_out(&mut items[*index], rest);
        }
        (Segment::Key(key), _) => (format!("{key:?}"), String::new()),
        (Segment::Index(index), _) => (format!("[{index}]"), String::new()),
    };
    let (name, hint) = gone;
    Err(refuse(
        format!("{name} is not there, and cannot be taken out"),
        hint,
    ))
}

/// Whether a field of a manifest is one by which others know the object, or has such a field.
fn is_identity(path: &[Segment]) -> bool {
    let is = |keys: &[&str]| {
        let same = |(segment, key): (&Segment, &&str)| *segment == Segment::Key((*key).to_owned());
        path.len() == keys.len() && path.iter().zip(keys).all(same)
    };
    is(&["apiVersion"])
        || is(&["kind"])
        || is(&["metadata"])
        || is(&["metadata", "name"])
        || is(&["metadata", "namespace"])
}

/// The object and the field of what stands before `=`. A `:` may also belong to a key, as in `image."shop/web:1.4"`: what
/// stands before an object's is a kind, a word alone.
pub(super) fn target(text: &str) -> (Option<&str>, &str) {
    let is_object = |object: &str| {
        let kind = object.split_once('/').map(|(kind, _)| kind.trim());
        kind.is_some_and(|kind| kind.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    match text.split_once(':') {
        Some((object, field)) if is_object(object) => (Some(object.trim()), field.trim()),
        _ => (None, text.trim()),
    }
}

/// What is written at a target, and the document it stands in, if it is not the scenario's.
pub(super) fn look_up<'v>(
    text: &str,
    scenario: &'v Value,
    documents: &'v [Document],
) -> Option<(&'v Value, Option<&'v Document>)> {
    let (object, field) = target(text);
    let document = match object {
        Some(object) => Some(documents.iter().find(|document| is_called(document, object))?),
        None => None,
    };
    let root = document.map_or(scenario, |document| &*document.value);
    let step = |at: &'v Value, segment: Segment| match (segment, &at.shape) {
        (Segment::Key(key), _) => at.get(&key),
        (Segment::Index(index), Shape::List(items)) => items.get(index),
        (Segment::Index(_), _) => None,
    };
    let found = segments(field)?.into_iter().try_fold(root, step)?;
    Some((found, document))
}

/// Whether a document is called so: `Kind/name` or `Kind/namespace/name`.
fn is_called(document: &Document, object: &str) -> bool {
    let Some(name) = below(object, document.kind.name) else {
        return false;
    };
    name == document.name || below(name, &document.namespace) == Some(&document.name)
}

fn below<'t>(text: &'t str, first: &str) -> Option<&'t str> {
    text.strip_prefix(first)?.strip_prefix('/')
}

/// The document called `Kind/name` or `Kind/namespace/name`.
fn find<'d>(object: &str, documents: &'d mut [Document]) -> Result<&'d mut Value, Refusal> {
    let count = documents
        .iter()
        .filter(|document| is_called(document, object))
        .count();
    match count {
        0 => {
            let known: Vec<String> = documents.iter().map(Document::title).collect();
            let hint =
                closest(object, known.iter().map(String::as_str)).map(|near| format!("did you mean {near}?"));
            Err(refuse(
                format!("there is no object {object:?}"),
                hint.unwrap_or_else(|| format!("there are {}", known.join(", "))),
            ))
        }
        1 => Ok(documents
            .iter_mut()
            .find(|document| is_called(document, object))
            .expect("counted a line above")
            .value_mut()),
        _ => Err(refuse(
            format!("several objects are called {object}"),
            "name the namespace too: Kind/namespace/name",
        )),
    }
}

/// `a.b[0]."c.d"`, where a key with dots may also stand in brackets: `a[c.d]`.
pub(super) fn segments(path: &str) -> Option<Vec<Segment>> {
    let mut found = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            found.push(match inside.parse() {
                Ok(index) => Segment::Index(index),
                Err(_) => Segment::Key(inside.trim_matches('"').to_owned()),
            });
            rest = after.strip_prefix('.').unwrap_or(after);
        } else if let Some(after) = rest.strip_prefix('"') {
            let (inside, after) = after.split_once('"')?;
            found.push(Segment::Key(inside.to_owned()));
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            found.push(Segment::Key(rest[..end].to_owned()));
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    let sound = !found.is_empty()
        && found
            .iter()
            .all(|segment| *segment != Segment::Key(String::new()));
    sound.then_some(found)
}

/// Whether a field of a manifest takes a number as well as a text: `IntOrString` of apimachinery, in what is read here.
fn is_number_or_text(path: &[Segment]) -> bool {
    const KEYS: [&str; 5] = ["maxSurge", "maxUnavailable", "minAvailable", "port", "targetPort"];
    let is = |segment: &Segment, key: &str| matches!(segment, Segment::Key(own) if own == key);
    let last = path.last();
    // What stands in a trigger's metadata or in an annotation is a text whatever it is called.
    last.is_some_and(|last| KEYS.iter().any(|key| is(last, key)))
        && !path.iter().any(|segment| is(segment, "metadata"))
}

/// Puts a value at a path, making the mappings on the way. Where `quoted`, a number in place of a text becomes a text:
/// what is quoted in a manifest need not be quoted twice on a command line.
fn put(at: &mut Value, path: &[Segment], value: Value, quoted: bool) -> Result<(), Refusal> {
    let Some((first, rest)) = path.split_first() else {
        let was_text = matches!(at.shape, Shape::Scalar(Scalar::Text, _));
        at.shape = match value.shape {
            Shape::Scalar(_, text) if quoted && was_text => Shape::Scalar(Scalar::Text, text),
            shape => shape,
        };
        at.place = Place::default();
        return Ok(());
    };
    if at.is_null() {
        at.shape = match first {
            Segment::Key(_) => Shape::Map(Vec::new()),
            Segment::Index(_) => Shape::List(Vec::new()),
        };
    }
    let empty = || Value {
        place: Place::default(),
        shape: Shape::Scalar(Scalar::Null, String::new()),
    };
    match (first, &mut at.shape) {
        (Segment::Key(key), Shape::Map(entries)) => {
            let place = entries
                .iter()
                .position(|entry| entry.key == *key)
                .unwrap_or_else(|| {
                    entries.push(Entry {
                        key: key.clone(),
                        place: Place::default(),
                        value: empty(),
                    });
                    entries.len() - 1
                });
            put(&mut entries[place].value, rest, value, quoted)
        }
        (Segment::Index(index), Shape::List(items)) => {
            if *index == items.len() {
                items.push(empty());
            }
            let length = items.len();
            let item = items.get_mut(*index);
            let item =
                item.ok_or_else(|| refuse(format!("there is no item {index}: the list has {length}"), ""))?;
            put(item, rest, value, quoted)
        }
        (Segment::Key(key), _) => Err(refuse(
            format!("{key:?} cannot be set: what is above it is no mapping"),
            "",
        )),
        (Segment::Index(index), _) => Err(refuse(
            format!("[{index}] cannot be set: what is above it is no list"),
            "",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_toml;

    fn after(set: &str) -> Result<Value, String> {
        let (mut tree, failures) =
            parse_toml("seed = 1\n[a]\nlist = [{ x = 1 }]\n[a.labels]\n\"k.io/z\" = \"v\"\n");
        assert_eq!(failures, []);
        apply_one(set, &mut tree, &mut []).map_err(|(message, _)| message)?;
        Ok(tree)
    }

    #[test]
    fn values_are_put_where_the_path_leads() {
        let text = |set: &str, path: &[&str]| {
            let tree = after(set).expect("applied");
            let found = path.iter().try_fold(&tree, |at, key| at.get(key));
            found.and_then(Value::text).map(str::to_owned)
        };
        assert_eq!(text("seed=7", &["seed"]), Some("7".to_owned()));
        assert_eq!(text("duration=30m", &["duration"]), Some("30m".to_owned()));
        assert_eq!(text("b.c.d=true", &["b", "c", "d"]), Some("true".to_owned()));
        assert_eq!(
            text("a.labels[k.io/z]=w", &["a", "labels", "k.io/z"]),
            Some("w".to_owned())
        );
        assert_eq!(
            text("a.labels.\"k.io/z\"=w", &["a", "labels", "k.io/z"]),
            Some("w".to_owned())
        );
        for image in [
            "image.\"shop/web:1.4\".compressed",
            "image[shop/web:1.4].compressed",
        ] {
            let set = format!("{image}=1G");
            assert_eq!(
                text(&set, &["image", "shop/web:1.4", "compressed"]),
                Some("1G".to_owned()),
                "{set}"
            );
        }
        let tree = after("a.list[0].x=5").expect("applied");
        let Some(Shape::List(items)) = tree
            .get("a")
            .and_then(|a| a.get("list"))
            .map(|list| list.shape.clone())
        else {
            panic!("{tree:?}")
        };
        assert_eq!(items[0].get("x").and_then(Value::text), Some("5"));
    }

    #[test]
    fn a_number_takes_the_place_of_a_percentage_and_of_no_other_text() {
        let put = |field: &str, was: &str| {
            let text = |text: &str| Value::from_text(text);
            let mut tree = text("");
            tree.shape = Shape::Map(Vec::new());
            let path = segments(field).expect("a path");
            super::put(&mut tree, &path, text(was), true).expect("put");
            let seven = parse_value("7").expect("a number");
            super::put(&mut tree, &path, seven, !is_number_or_text(&path)).expect("put");
            let key = |segment: &Segment| match segment {
                Segment::Key(key) => key.clone(),
                Segment::Index(_) => String::new(),
            };
            let found = path.iter().try_fold(&tree, |at, segment| at.get(&key(segment)));
            let Shape::Scalar(kind, text) = &found.expect("it is there").shape else {
                panic!("{tree:?}");
            };
            assert_eq!(text, "7");
            *kind == Scalar::Text
        };
        assert!(!put("spec.maxUnavailable", "10%"));
        assert!(!put("spec.strategy.rollingUpdate.maxSurge", "25%"));
        // A budget of a NodePool is a text, and what a trigger is told.
        assert!(put("spec.disruption.budgets.nodes", "10%"));
        assert!(put("spec.triggers.metadata.port", "9090"));
    }

    #[test]
    fn a_mapping_for_a_manifest_is_written_as_in_a_manifest() {
        let toml = value_of("{cpu = \"10\"}", true);
        for written in ["{cpu: \"10\"}", "{\"cpu\":\"10\"}", "{cpu: '10'}"] {
            assert_eq!(value_of(written, true), toml, "{written}");
            assert_eq!(value_of(written, false), Value::from_text(written), "{written}");
        }
        assert_eq!(value_of("[a, b]", true), value_of("[\"a\", \"b\"]", true));
        // What is neither is a text, and whoever reads the field says so.
        assert_eq!(value_of("{cpu", true), Value::from_text("{cpu"));
        assert_eq!(value_of("a: b", true), Value::from_text("a: b"));
    }

    #[test]
    fn null_takes_a_field_out() {
        let tree = after("a.list[0].x=null").expect("applied");
        let list = tree.get("a").and_then(|a| a.get("list"));
        let Some(Shape::List(items)) = list.map(|list| &list.shape) else {
            panic!("{tree:?}")
        };
        assert_eq!(items[0].shape, Shape::Map(Vec::new()));
        let tree = after("a=null").expect("applied");
        assert_eq!(tree.get("a"), None);
        let tree = after("a.list[0]=null").expect("applied");
        let list = tree.get("a").and_then(|a| a.get("list"));
        assert_eq!(list.map(|list| &list.shape), Some(&Shape::List(Vec::new())));
        let tree = after("seed=\"null\"").expect("applied");
        assert_eq!(tree.get("seed").and_then(Value::text), Some("null"));
        let message = |set: &str| after(set).expect_err("refused");
        assert_eq!(
            message("sed=null"),
            "\"sed\" is not there, and cannot be taken out"
        );
        assert_eq!(
            message("a.list[1]=null"),
            "[1] is not there, and cannot be taken out"
        );
        assert_eq!(
            message("seed.x=null"),
            "\"x\" is not there, and cannot be taken out"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let message = |set: &str| after(set).expect_err("refused");
        assert_eq!(message("seed"), "expected FIELD=VALUE");
        assert_eq!(message("=3"), "\"\" is no path of a field");
        assert_eq!(
            message("seed.x=3"),
            "\"x\" cannot be set: what is above it is no mapping"
        );
        assert_eq!(message("a.list[3].x=3"), "there is no item 3: the list has 1");
        assert_eq!(
            message("Deployment/web: spec.replicas=3"),
            "there is no object \"Deployment/web\""
        );
    }
}
