//! A scenario that is being put together from objects of a cluster, and made such that it can run.
//!
//! Whether a field or an object can be simulated, the model's reader knows best: the draft is read as any
//! scenario is, what is refused is taken out and listed, and so on until nothing is refused.

use sim::{SortedMap, SortedSet};

use live::heard::text;
use model::document::{Diagnostic, Source};
use model::scenario::{self, Files, Report, Severity};
use serde_json::Value;

use crate::failure::Failure;

/// More rounds than this mean that taking out does not help.
const MOST_ROUNDS: usize = 200;

/// A scenario in the making.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    /// scenario.toml
    pub(super) scenario: String,
    /// Objects by file.
    pub(super) manifests: SortedMap<String, Value>,
    /// Traces by file.
    pub(super) traces: SortedMap<String, String>,
    /// What could not be represented.
    pub(super) left_out: Vec<String>,
}

impl Draft {
    /// Adds an object under a file name of its own.
    pub(super) fn add(&mut self, object: Value) {
        let parts = [
            text(&object, "/kind").to_lowercase(),
            text(&object, "/metadata/namespace").to_owned(),
            text(&object, "/metadata/name").to_owned(),
        ];
        let name: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        self.manifests
            .insert(format!("manifests/{}.yaml", name.join("-")), object);
    }

    /// The objects of a kind.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.manifests
            .values()
            .filter(move |object| object["kind"] == kind)
    }

    /// The same, to change them.
    pub(super) fn of_kind_mut<'a>(&'a mut self, kind: &'a str) -> impl Iterator<Item = &'a mut Value> {
        self.manifests
            .values_mut()
            .filter(move |object| object["kind"] == kind)
    }

    /// The images of all containers.
    pub(super) fn images(&self) -> SortedSet<String> {
        let containers = |object: &Value| -> Vec<String> {
            ["containers", "initContainers"]
                .iter()
                .filter_map(|list| object["spec"]["template"]["spec"][*list].as_array())
                .flatten()
                .filter_map(|container| container["image"].as_str().map(str::to_owned))
                .collect()
        };
        let workloads = self.of_kind("Deployment").chain(self.of_kind("DaemonSet"));
        workloads.flat_map(containers).collect()
    }

    /// All files, as they will be written.
    pub(super) fn files(&self) -> Result<Files, Failure> {
        let manifest = |(path, object): (&String, &Value)| {
            let text = serde_saphyr::to_string(object)
                .map_err(|error| Failure::new(format!("cannot write {path}: {error}")))?;
            Ok(Source {
                path: path.clone(),
                text: text.trim_end().to_owned() + "\n",
            })
        };
        let trace = |(path, text): (&String, &String)| Source {
            path: path.clone(),
            text: text.clone(),
        };
        Ok(Files {
            scenario: Source {
                path: "scenario.toml".to_owned(),
                text: self.scenario.clone(),
            },
            manifests: self
                .manifests
                .iter()
                .map(manifest)
                .collect::<Result<_, Failure>>()?,
            traces: self.traces.iter().map(trace).collect(),
        })
    }

    /// Takes out what is refused, until nothing is, or what is left cannot be taken out.
    pub(super) fn settle(&mut self) -> Result<Report, Failure> {
        for _ in 0..MOST_ROUNDS {
            let report = match scenario::load(&self.files()?, &[]) {
                Ok((_, report)) => return Ok(report),
                Err(report) => report,
            };
            let is_error = |problem: &&Diagnostic| problem.severity == Severity::Error;
            // Later fields first: taking out an element moves those after it.
            let mut changed = false;
            for error in report.problems.iter().filter(is_error).rev() {
                changed |= self.take_out(error);
            }
            if !changed {
                return Err(Failure::reported(report, "what was imported"));
            }
        }
        Err(Failure::new("what was imported cannot be made into a scenario"))
    }

    /// Takes out the field that a problem is about, or the whole object if there is none. Whether anything was.
    fn take_out(&mut self, problem: &Diagnostic) -> bool {
        let Some(object) = self.manifests.get_mut(&problem.file) else {
            return false;
        };
        let title = format!(
            "{}/{}",
            object["kind"].as_str().unwrap_or(""),
            object["metadata"]["name"].as_str().unwrap_or("")
        );
        let field = problem.field.split_once(": ").map_or("", |(_, field)| field);
        if !field.is_empty() && remove(object, field) {
            self.left_out
                .push(format!("{title}: {field}: {}", problem.message));
        } else {
            self.manifests.remove(&problem.file);
            self.left_out.push(format!("{title}: {}", problem.message));
        }
        true
    }
}

/// Removes what a path such as `spec.containers[0].image` leads to. A key with dots stands in brackets or
/// quotes.
fn remove(value: &mut Value, path: &str) -> bool {
    let Some((first, rest)) = step(path) else {
        return false;
    };
    match (value, first) {
        (Value::Object(fields), Step::Key(key)) => match rest.is_empty() {
            true => fields.remove(&key).is_some(),
            // A key that itself has dots, such as an annotation's: the path from here on may be a key as it is.
            false => {
                fields.remove(path).is_some() || fields.get_mut(&key).is_some_and(|inner| remove(inner, rest))
            }
        },
        (Value::Array(items), Step::Index(index)) if index < items.len() => match rest.is_empty() {
            true => {
                items.remove(index);
                true
            }
            false => remove(&mut items[index], rest),
        },
        _ => false,
    }
}

enum Step {
    Key(String),
    Index(usize),
}

fn step(path: &str) -> Option<(Step, &str)> {
    if let Some(after) = path.strip_prefix('[') {
        let (inside, rest) = after.split_once(']')?;
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        return Some(match inside.parse() {
            Ok(index) => (Step::Index(index), rest),
            Err(_) => (Step::Key(inside.trim_matches('"').to_owned()), rest),
        });
    }
    if let Some(after) = path.strip_prefix('"') {
        let (inside, rest) = after.split_once('"')?;
        return Some((
            Step::Key(inside.to_owned()),
            rest.strip_prefix('.').unwrap_or(rest),
        ));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let rest = path[end..].strip_prefix('.').unwrap_or(&path[end..]);
    (!path.is_empty()).then(|| (Step::Key(path[..end].to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_problems_lead_to_fields() {
        let whole = json!({ "a": { "b": [{ "c": 1 }, { "d": 2 }], "x.y/z": 3 } });
        let check = |path: &str| {
            let mut value = whole.clone();
            remove(&mut value, path).then_some(value)
        };
        assert_eq!(
            check("a.b[1].d"),
            Some(json!({ "a": { "b": [{ "c": 1 }, {}], "x.y/z": 3 } }))
        );
        assert_eq!(
            check("a.b[0]"),
            Some(json!({ "a": { "b": [{ "d": 2 }], "x.y/z": 3 } }))
        );
        let without = Some(json!({ "a": { "b": [{ "c": 1 }, { "d": 2 }] } }));
        assert_eq!(check("a.x.y/z"), without);
        assert_eq!(check("a[x.y/z]"), without);
        assert_eq!(check("a.\"x.y/z\""), without);
        assert_eq!(check("a.nothing"), None);
        assert_eq!(check("a.b[7]"), None);
    }

    #[test]
    fn what_cannot_be_simulated_is_taken_out_and_listed() {
        let mut draft = Draft::default();
        draft.add(json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "once", "namespace": "n" } }));
        assert_eq!(
            draft.manifests.keys().map(String::as_str).collect::<Vec<_>>(),
            ["manifests/job-n-once.yaml"]
        );
        let problem = |field: &str| Diagnostic {
            severity: Severity::Error,
            code: "E007",
            file: "manifests/job-n-once.yaml".to_owned(),
            line: 1,
            column: 1,
            field: field.to_owned(),
            message: "not simulated".to_owned(),
            hint: String::new(),
        };
        assert!(draft.take_out(&problem("Job/once: metadata.namespace")));
        assert!(draft.take_out(&problem("Job/once")));
        assert!(!draft.take_out(&problem("Job/once")), "it is gone");
        assert_eq!(
            draft.left_out,
            [
                "Job/once: metadata.namespace: not simulated",
                "Job/once: not simulated"
            ]
        );
    }
}
