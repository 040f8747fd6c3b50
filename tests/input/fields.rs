//! The tables of fields.

use sim::SortedSet;

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
            let paths: SortedSet<&String> = table.rows.iter().map(|(path, _)| path).collect();
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

#[test]
fn every_code_has_an_explanation() {
    for (code, title) in codes() {
        assert!(
            explain(code).is_some_and(|text| text.len() > title.len()),
            "{code}"
        );
    }
}
