//! Axes: which field is varied, and over what.
//!
//! An axis is a list of levels in the end, whatever it was written as: a range with steps has as many levels as
//! steps; one without has [`FINE`], close enough together for a sample to look continuous, and no grid can be
//! made of it.

use model::document::{Cursor, Scalar, Shape, Value, go_duration};

/// Levels of a range without steps.
pub const FINE: usize = 256;
/// No axis has more.
const MOST: i64 = 10_000;

/// One thing that is varied.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What tables, columns and figures call it.
    pub name: String,
    /// The fields, named as `--set` names them; those of all categories together, each once.
    pub fields: Vec<String>,
    /// Its values, in order.
    pub levels: Vec<Level>,
    /// Whether levels are numbers.
    pub numeric: bool,
    /// Whether figures space it by ratios.
    pub logarithmic: bool,
    /// Whether it is a range without steps.
    pub fine: bool,
    /// Where it stands in the sweep's file: line and column.
    pub place: (u32, u32),
}

/// One value of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// What tables and figures call it.
    pub label: String,
    /// Its number, seconds for durations, if it is one.
    pub number: Option<f64>,
    /// The overrides that it stands for.
    pub sets: Vec<String>,
}

impl Axis {
    /// The level nearest to a number.
    #[must_use]
    pub fn nearest(&self, number: f64) -> Option<usize> {
        let distance = |level: &Level| level.number.map(|own| (own - number).abs());
        let known = self
            .levels
            .iter()
            .enumerate()
            .filter_map(|(index, level)| Some((index, distance(level)?)));
        known.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
    }

    /// The level of a label.
    #[must_use]
    pub fn labelled(&self, label: &str) -> Option<usize> {
        self.levels.iter().position(|level| level.label == label)
    }
}

/// Reads `[[axis]]`; `None` if something is wrong with it, which has been reported.
pub(crate) fn read(at: &Cursor<'_>) -> Option<Axis> {
    let name = at.get("name").required().name()?.to_owned();
    let ways = ["values", "from", "categories"];
    let given: Vec<&str> = ways.into_iter().filter(|way| at.get(way).is_given()).collect();
    let axis = match given.as_slice() {
        ["values"] if at.get("steps").is_given() => {
            let message = "steps belongs to a range, and this axis is a list";
            at.get("steps").error(
                "E004",
                message,
                "take it out, or write from and to instead of values",
            );
            return None;
        }
        ["values"] => list(at)?,
        ["from"] => range(at)?,
        ["categories"] => categories(at)?,
        [] => {
            at.error(
                "E005",
                "an axis needs values, a range or categories",
                "write values = [1, 2, 5], or from = 1 and to = 10, or a table [axis.categories]",
            );
            return None;
        }
        _ => {
            let message = format!("{} exclude each other", given.join(" and "));
            at.error(
                "E004",
                message,
                "an axis is a list, a range or a set of categories",
            );
            return None;
        }
    };
    if axis.levels.is_empty() {
        at.error(
            "E004",
            "the axis has no values: the grid is empty",
            "give it at least one",
        );
        return None;
    }
    let twice = axis.levels.iter().enumerate().find(|(index, level)| {
        axis.levels[..*index]
            .iter()
            .any(|other| other.label == level.label)
    });
    if let Some((_, level)) = twice {
        at.error("E004", format!("the value {} is given twice", level.label), "");
        return None;
    }
    let place = at.place();
    Some(Axis {
        name,
        place: (place.line, place.column),
        ..axis
    })
}

fn blank(fields: Vec<String>, levels: Vec<Level>) -> Axis {
    let numeric = levels.iter().all(|level| level.number.is_some());
    Axis {
        name: String::new(),
        fields,
        levels,
        numeric,
        logarithmic: false,
        fine: false,
        place: (0, 0),
    }
}

/// `field` is one name, or several that all get the value.
fn fields(at: &Cursor<'_>) -> Option<Vec<String>> {
    let own = at.get("field").required();
    let is_list = own
        .value()
        .is_some_and(|value| matches!(value.shape, Shape::List(_)));
    let items = if is_list { own.items() } else { Vec::new() };
    let names: Vec<String> = if items.is_empty() {
        vec![own.name()?.to_owned()]
    } else {
        items
            .iter()
            .filter_map(|item| item.name().map(str::to_owned))
            .collect()
    };
    if let Some(name) = names.iter().find(|name| name.contains('=')) {
        own.error("E003", format!("a field's name has no =, found {name:?}"), "");
        return None;
    }
    Some(names)
}

fn level(fields: &[String], label: String, number: Option<f64>, value: &str) -> Level {
    let sets = fields.iter().map(|field| format!("{field}={value}")).collect();
    Level { label, number, sets }
}

fn list(at: &Cursor<'_>) -> Option<Axis> {
    let fields = fields(at)?;
    let values = at.get("values");
    let is_list = values
        .value()
        .is_some_and(|value| matches!(value.shape, Shape::List(_)));
    if !is_list {
        values.error("E003", "expected a list of values, as in [1, 2, 5]", "");
        return None;
    }
    let one = |item: &Cursor<'_>| {
        let value = item.value()?;
        Some(level(&fields, plain(value), number(value), &toml(value)))
    };
    let levels: Vec<Level> = values.items().iter().filter_map(one).collect();
    let mut axis = blank(fields, levels);
    axis.logarithmic = scale(at)?;
    Some(axis)
}

fn scale(at: &Cursor<'_>) -> Option<bool> {
    let scale = at.get("scale");
    if !scale.is_given() {
        return Some(false);
    }
    scale.one_of(&[("linear", false), ("log", true)])
}

fn categories(at: &Cursor<'_>) -> Option<Axis> {
    let table = at.get("categories");
    if at.get("field").is_given() {
        let message = "categories name the fields themselves";
        at.get("field").error("E004", message, "take the field out");
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    let mut levels = Vec::new();
    for (label, own) in table.entries() {
        let mut sets = Vec::new();
        for (field, value) in own.entries() {
            if !names.iter().any(|name| name == field) {
                names.push(field.to_owned());
            }
            sets.push(format!("{field}={}", toml(value.value()?)));
        }
        levels.push(Level {
            label: label.to_owned(),
            number: None,
            sets,
        });
    }
    Some(blank(names, levels))
}

/// The ends of a range: both numbers, or both durations.
fn range(at: &Cursor<'_>) -> Option<Axis> {
    let fields = fields(at)?;
    let (from_at, to_at) = (at.get("from").required(), at.get("to").required());
    let ends = [from_at.value()?, to_at.value()?];
    let Some([from, to]) = ends
        .iter()
        .map(|value| number(value))
        .collect::<Option<Vec<f64>>>()
        .and_then(|ends| <[f64; 2]>::try_from(ends).ok())
    else {
        from_at.error(
            "E003",
            "the ends of a range are numbers, or durations such as \"30s\"",
            "",
        );
        return None;
    };
    let is_duration = ends.map(|value| matches!(value.shape, Shape::Scalar(Scalar::Text, _)));
    let whole = ends
        .iter()
        .all(|value| matches!(value.shape, Shape::Scalar(Scalar::Int(_), _)));
    if is_duration[0] != is_duration[1] {
        from_at.error("E003", "one end of the range is a duration, the other is not", "");
        return None;
    }
    let logarithmic = scale(at)?;
    if from >= to || (logarithmic && from <= 0.0) {
        let message = if from >= to {
            "the range is empty: it ends where it begins, or before"
        } else {
            "a logarithmic range begins above 0"
        };
        from_at.error("E004", message, "");
        return None;
    }
    let steps_at = at.get("steps");
    let fine = !steps_at.is_given();
    let steps = if fine {
        FINE
    } else {
        steps_at.int(2..=MOST)? as usize
    };
    let mut levels: Vec<Level> = Vec::new();
    for step in 0..steps {
        let share = step as f64 / (steps - 1) as f64;
        let exact = if logarithmic {
            from * (to / from).powf(share)
        } else {
            from + (to - from) * share
        };
        let next = if is_duration[0] {
            let (text, seconds) = duration(exact);
            level(&fields, text.clone(), Some(seconds), &format!("\"{text}\""))
        } else if whole {
            let value = exact.round();
            level(&fields, format!("{value}"), Some(value), &format!("{value}"))
        } else {
            let text = crate::measure::significant(exact, 4);
            let value = text.parse().unwrap_or(exact);
            // Without a point TOML would read a whole number where a fraction may be meant; both are taken.
            level(&fields, text.clone(), Some(value), &text)
        };
        if levels.last().is_none_or(|last| last.label != next.label) {
            levels.push(next);
        }
    }
    let mut axis = blank(fields, levels);
    (axis.logarithmic, axis.fine) = (logarithmic, fine);
    Some(axis)
}

/// Seconds as Go writes them, whole seconds above ten.
fn duration(seconds: f64) -> (String, f64) {
    if seconds < 10.0 && seconds.fract() != 0.0 {
        let millis = (seconds * 1000.0).round();
        return (format!("{millis}ms"), millis / 1000.0);
    }
    let whole = seconds.round();
    (format!("{whole}s"), whole)
}

/// The number of a value: a number, a number in quotes, or a duration in seconds.
fn number(value: &Value) -> Option<f64> {
    let number = match &value.shape {
        Shape::Scalar(Scalar::Int(number), _) => Some(*number as f64),
        Shape::Scalar(Scalar::Float(number), _) => Some(*number),
        Shape::Scalar(Scalar::Text, text) => text
            .parse()
            .ok()
            .or_else(|| go_duration(text).map(|duration| duration.as_secs_f64())),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// A value as a label.
fn plain(value: &Value) -> String {
    match &value.shape {
        Shape::Scalar(_, text) => text.clone(),
        Shape::List(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Shape::Map(entries) => entries
            .iter()
            .map(|entry| format!("{}: {}", entry.key, plain(&entry.value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// A value as TOML on one line.
fn toml(value: &Value) -> String {
    match &value.shape {
        Shape::Scalar(Scalar::Text, text) => quoted(text),
        Shape::Scalar(_, text) => text.clone(),
        Shape::List(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Shape::Map(entries) => {
            let entry =
                |entry: &model::document::Entry| format!("{} = {}", quoted(&entry.key), toml(&entry.value));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A text as TOML has it in quotes; JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use model::document::{Context, parse_toml};

    use super::*;

    fn axis(text: &str) -> Result<Axis, String> {
        let problems = RefCell::new(Vec::new());
        let (tree, failures) = parse_toml(text);
        assert_eq!(failures, []);
        let context = Context::new("sweep.toml", String::new(), &problems);
        let axis = read(&context.root(&tree));
        let first = problems.borrow().first().map(|problem| problem.message.clone());
        first.map_or_else(|| Ok(axis.expect("without problems there is an axis")), Err)
    }

    fn check(text: &str, labels: &[&str]) -> Axis {
        let axis = axis(&format!("name = \"a\"\n{text}")).expect(text);
        let own: Vec<&str> = axis.levels.iter().map(|level| level.label.as_str()).collect();
        assert_eq!(own, labels, "{text}");
        axis
    }

    #[test]
    fn lists_ranges_and_categories_become_levels() {
        let list = check(
            "field = \"x.y\"\nvalues = [1, \"30s\", [\"a\", \"b\"]]",
            &["1", "30s", "a, b"],
        );
        assert_eq!(list.levels[2].sets, ["x.y=[\"a\", \"b\"]"]);
        assert_eq!(list.levels[1].number, Some(30.0));
        assert!(!list.numeric);
        check(
            "field = \"x\"\nfrom = 1\nto = 10\nsteps = 4",
            &["1", "4", "7", "10"],
        );
        check("field = \"x\"\nfrom = 1\nto = 3\nsteps = 9", &["1", "2", "3"]);
        let log = check(
            "field = \"x\"\nfrom = 1\nto = 100\nsteps = 3\nscale = \"log\"",
            &["1", "10", "100"],
        );
        assert!(log.logarithmic && log.numeric && !log.fine);
        check(
            "field = \"x\"\nfrom = 0.5\nto = 1.0\nsteps = 3",
            &["0.5", "0.75", "1"],
        );
        let time = check(
            "field = \"x\"\nfrom = \"500ms\"\nto = \"5m\"\nsteps = 2",
            &["500ms", "300s"],
        );
        assert_eq!(time.levels[0].sets, ["x=\"500ms\""]);
        let both = check(
            "[categories]\nspot = { \"a.b\" = 1, c = [\"spot\"] }\nmixed = { \"a.b\" = 2 }",
            &["spot", "mixed"],
        );
        assert_eq!(both.fields, ["a.b", "c"]);
        assert_eq!(both.levels[0].sets, ["a.b=1", "c=[\"spot\"]"]);
        let several = check("field = [\"x\", \"y\"]\nvalues = [1]", &["1"]);
        assert_eq!(several.levels[0].sets, ["x=1", "y=1"]);
        assert!(check("field = \"x\"\nfrom = 0.0\nto = 1.0", &fine_labels()).fine);
    }

    fn fine_labels() -> Vec<&'static str> {
        // 0 to 1 in 255 steps of four significant digits.
        let text = (0..FINE).map(|n| crate::measure::significant(n as f64 / 255.0, 4));
        text.map(|text| &*text.leak()).collect()
    }

    #[test]
    fn what_makes_no_axis_is_refused() {
        let message = |text: &str| axis(&format!("name = \"a\"\n{text}")).expect_err(text);
        assert!(message("field = \"x\"\nvalues = []").contains("the grid is empty"));
        assert!(message("field = \"x\"").contains("needs values"));
        assert!(message("field = \"x\"\nvalues = [1]\nsteps = 3").contains("steps belongs to a range"));
        assert!(message("field = \"x\"\nvalues = [1]\nfrom = 1").contains("exclude each other"));
        assert!(message("field = \"x\"\nvalues = [1, 1]").contains("given twice"));
        assert!(message("field = \"x\"\nfrom = 3\nto = 1").contains("the range is empty"));
        assert!(message("field = \"x\"\nfrom = 0\nto = 1\nscale = \"log\"").contains("above 0"));
        assert!(message("field = \"x\"\nfrom = \"1s\"\nto = 9").contains("one end"));
        assert!(message("field = \"x=1\"\nvalues = [1]").contains("has no ="));
        assert!(message("values = [1]").contains("field is missing"));
    }
}
