//! The tables of fields.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use model::document::fields::Class;
use model::manifest::kinds::{Fate, KINDS};
use model::scenario::{codes, explain, field_tables};

#[test]
fn every_kind_that_takes_part_has_a_table() {
    for kind in KINDS.iter().filter(|kind| kind.fate == Fate::Read) {
        let tables = field_tables(kind.name);
        let own = tables
            .iter()
            .find(|table| table.title.starts_with(kind.name))
            .expect("a table");
        assert!(
            own.rows.iter().any(|(_, field)| field.class == Class::Simulated),
            "{}",
            kind.name
        );
        for table in &tables {
            let paths: BTreeSet<&String> = table.rows.iter().map(|(path, _)| path).collect();
            assert!(
                paths.len() + 1 >= table.rows.len(),
                "{}: a path has two rows",
                table.title
            );
        }
    }
    assert_eq!(field_tables("nodepool").len(), 2, "one for each version");
    assert!(field_tables("scenario")[0].rows.len() > 100);
    assert!(field_tables("Nothing").is_empty());
}

#[test]
fn what_is_ignored_or_refused_has_a_reason() {
    let tables = KINDS
        .iter()
        .flat_map(|kind| field_tables(kind.name))
        .chain(field_tables("scenario"));
    for table in tables {
        for (path, field) in &table.rows {
            let reason = field.class == Class::Simulated || !field.note.is_empty();
            assert!(reason, "{}: {path}", table.title);
        }
    }
}

/// Every code that stands in the model's sources, as "E001".
fn codes_in_use(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            codes_in_use(&path, found);
            continue;
        }
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let quoted = text.split('"').skip(1);
        let is_code = |word: &&str| {
            word.len() == 4
                && word.starts_with(|c| "EWSKPHN".contains(c))
                && word[1..].chars().all(|c| c.is_ascii_digit())
        };
        found.extend(quoted.filter(is_code).map(str::to_owned));
    }
}

#[test]
fn every_code_has_an_explanation() {
    let mut used = BTreeSet::new();
    codes_in_use(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src"),
        &mut used,
    );
    assert!(used.len() > 40, "{used:?}");
    for code in used {
        assert!(explain(&code).is_some(), "{code} is reported, and not explained");
    }
    for (code, title) in codes() {
        assert!(
            explain(code).is_some_and(|text| text.len() > title.len()),
            "{code}"
        );
    }
}
