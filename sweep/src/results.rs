//! Results as tables: one row for each configuration and seed.

use crate::engine::{Configuration, Fate};
use crate::measure::Measure;
use crate::plan::Plan;

/// A column of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Whole numbers.
    Whole(&'static str),
    /// Texts.
    Text(String),
    /// Numbers, empty where a run has none.
    Number(String),
}

/// A cell of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A whole number; `None` for a seed of a configuration without runs.
    Whole(Option<u64>),
    /// A text.
    Text(String),
    /// A number, perhaps NaN.
    Number(f64),
}

/// The columns: configuration, fate, seed, axes, measures, constraints.
#[must_use]
pub fn columns(plan: &Plan) -> Vec<Column> {
    let mut columns = vec![
        Column::Whole("configuration"),
        Column::Text("fate".to_owned()),
        Column::Whole("seed"),
    ];
    columns.extend(plan.axes.iter().map(|axis| Column::Text(axis.name.clone())));
    columns.extend(shown(plan).map(|measure| Column::Number(measure.name().to_owned())));
    columns.extend(
        plan.constraints
            .iter()
            .map(|constraint| Column::Number(constraint.text.clone())),
    );
    columns
}

/// Measures that are worth a column: response times only where they were asked for, so that a sweep may do without.
fn shown(plan: &Plan) -> impl Iterator<Item = Measure> {
    let latency = plan.needs_latency();
    Measure::all().filter(move |measure| latency || !measure.needs_latency())
}

/// The rows of a configuration, one for each seed; one without numbers if it has none.
pub fn rows(plan: &Plan, configuration: &Configuration, first_seed: u64) -> Vec<Vec<Cell>> {
    let fate = match &configuration.fate {
        Fate::Ran => "ran".to_owned(),
        Fate::Beaten(0) => "beaten by the current configuration".to_owned(),
        Fate::Beaten(other) => format!("beaten by {other}"),
        Fate::Breaks => "breaks a constraint".to_owned(),
        Fate::Refused(why) => format!("refused: {why}"),
    };
    let axes: Vec<Cell> = match &configuration.point {
        Some(point) => plan
            .labels(point)
            .into_iter()
            .map(|label| Cell::Text(label.to_owned()))
            .collect(),
        None => vec![Cell::Text("current".to_owned()); plan.axes.len()],
    };
    let row = |seed: Option<u64>, numbers: Vec<f64>| {
        let mut row = vec![
            Cell::Whole(Some(u64::from(configuration.number))),
            Cell::Text(fate.clone()),
            Cell::Whole(seed),
        ];
        row.extend(axes.iter().cloned());
        row.extend(numbers.into_iter().map(Cell::Number));
        row
    };
    if configuration.runs.is_empty() {
        let width = shown(plan).count() + plan.constraints.len();
        return vec![row(None, vec![f64::NAN; width])];
    }
    let one = |(index, run): (usize, &Vec<f64>)| {
        let mut numbers: Vec<f64> = shown(plan).map(|measure| run[measure.index()]).collect();
        numbers.extend_from_slice(&run[Measure::COUNT..]);
        row(Some(first_seed.wrapping_add(index as u64)), numbers)
    };
    configuration.runs.iter().enumerate().map(one).collect()
}

/// `results.csv`
#[must_use]
pub fn csv(plan: &Plan, configurations: &[Configuration], first_seed: u64) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = columns(plan).into_iter().map(|column| match column {
        Column::Whole(name) => name.to_owned(),
        Column::Text(name) | Column::Number(name) => name,
    });
    writer.write_record(head).expect("memory can be written");
    for configuration in configurations {
        for row in rows(plan, configuration, first_seed) {
            let cells = row.into_iter().map(|cell| match cell {
                Cell::Whole(number) => number.map(|number| number.to_string()).unwrap_or_default(),
                Cell::Text(text) => text,
                Cell::Number(number) if number.is_nan() => String::new(),
                Cell::Number(number) => number.to_string(),
            });
            writer.write_record(cells).expect("rows are as long as the head");
        }
    }
    writer.into_inner().expect("memory can be written")
}

/// `results.parquet`: the same table, numbers as numbers, null where a run has none.
#[cfg(feature = "parquet")]
#[must_use]
pub fn parquet(plan: &Plan, configurations: &[Configuration], first_seed: u64) -> Vec<u8> {
    parquet_file::write(&columns(plan), |each| {
        for configuration in configurations {
            rows(plan, configuration, first_seed)
                .into_iter()
                .for_each(&mut *each);
        }
    })
}

#[cfg(feature = "parquet")]
mod parquet_file {
    use std::sync::Arc;

    use parquet::basic::{LogicalType, Repetition, Type as Physical};
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
    use parquet::errors::Result;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use parquet::schema::types::Type;

    use super::{Cell, Column};

    /// Rows of a group: what is in memory twice.
    const GROUP: usize = 50_000;

    /// Writes rows that `feed` hands over one by one.
    pub(super) fn write(columns: &[Column], feed: impl FnOnce(&mut dyn FnMut(Vec<Cell>))) -> Vec<u8> {
        let schema = Arc::new(schema(columns).expect("columns have names and types"));
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer =
            SerializedFileWriter::new(Vec::new(), schema, properties).expect("memory can be written");
        let mut group: Vec<Vec<Cell>> = Vec::new();
        let mut flush = |group: &mut Vec<Vec<Cell>>| {
            if !group.is_empty() {
                let mut to = writer.next_row_group().expect("memory can be written");
                (0..columns.len())
                    .try_for_each(|column| put(&mut to, group, column))
                    .expect("cells are of their column's type");
                to.close().expect("all columns are written");
                group.clear();
            }
        };
        feed(&mut |row| {
            group.push(row);
            if group.len() == GROUP {
                flush(&mut group);
            }
        });
        flush(&mut group);
        writer.into_inner().expect("memory can be written")
    }

    fn schema(columns: &[Column]) -> Result<Type> {
        let field = |column: &Column| {
            let (name, physical) = match column {
                Column::Whole(name) => (*name, Physical::INT64),
                Column::Text(name) => (name.as_str(), Physical::BYTE_ARRAY),
                Column::Number(name) => (name.as_str(), Physical::DOUBLE),
            };
            let logical = (physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map(Arc::new)
        };
        let fields = columns.iter().map(field).collect::<Result<Vec<_>>>()?;
        Type::group_type_builder("results").with_fields(fields).build()
    }

    fn put(to: &mut SerializedRowGroupWriter<'_, Vec<u8>>, rows: &[Vec<Cell>], column: usize) -> Result<()> {
        let mut writer = to.next_column()?.expect("the schema has this column");
        let cells = || rows.iter().map(|row| &row[column]);
        let (mut levels, mut whole, mut texts, mut numbers) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for cell in cells() {
            let is_there = match cell {
                Cell::Whole(number) => {
                    whole.extend(number.map(|number| number as i64));
                    number.is_some()
                }
                Cell::Text(text) => {
                    texts.push(ByteArray::from(text.as_str()));
                    true
                }
                Cell::Number(number) if number.is_nan() => false,
                Cell::Number(number) => {
                    numbers.push(*number);
                    true
                }
            };
            levels.push(i16::from(is_there));
        }
        match rows[0][column] {
            Cell::Whole(_) => writer
                .typed::<Int64Type>()
                .write_batch(&whole, Some(&levels), None)?,
            Cell::Text(_) => writer
                .typed::<ByteArrayType>()
                .write_batch(&texts, Some(&levels), None)?,
            Cell::Number(_) => writer
                .typed::<DoubleType>()
                .write_batch(&numbers, Some(&levels), None)?,
        };
        writer.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{configurations, plan};

    fn table() -> (Plan, Vec<Configuration>) {
        let plan = plan("objectives = ['cost']\nconstraints = ['cost <= 3']");
        let mut found = configurations(&plan, |point, seed| f64::from(point[0]) + seed as f64 + 0.5);
        found[2].fate = Fate::Refused("why, \"not\"".to_owned());
        found[2].runs.clear();
        found[3].fate = Fate::Beaten(1);
        (plan, found)
    }

    #[test]
    fn there_is_a_row_for_each_seed_and_one_for_what_was_refused() {
        let (plan, found) = table();
        let text = String::from_utf8(csv(&plan, &found, 7)).expect("is text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 3 * 6 + 1);
        assert!(
            lines[0].starts_with("configuration,fate,seed,x,y,cost,failed_share,"),
            "{}",
            lines[0]
        );
        assert!(
            lines[0].ends_with(",cost <= 3") && !lines[0].contains("latency"),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].starts_with("0,ran,7,current,current,100,0,"),
            "{}",
            lines[1]
        );
        assert!(lines[4].starts_with("1,ran,7,1,1,0.5,0,"), "{}", lines[4]);
        assert!(
            lines[7].starts_with("2,\"refused: why, \"\"not\"\"\",,1,2,,,"),
            "{}",
            lines[7]
        );
        assert!(lines[8].starts_with("3,beaten by 1,7,1,3,"), "{}", lines[8]);
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn parquet_has_the_same_table() {
        use ::parquet::file::reader::{FileReader, SerializedFileReader};
        use ::parquet::record::RowAccessor;

        let (plan, found) = table();
        let bytes = parquet(&plan, &found, 7);
        assert_eq!(bytes, parquet(&plan, &found, 7));
        let path = std::env::temp_dir().join(format!("scaletwin-results-{}.parquet", std::process::id()));
        std::fs::write(&path, &bytes).expect("writes");
        let reader =
            SerializedFileReader::new(std::fs::File::open(&path).expect("opens")).expect("is parquet");
        let rows: Vec<_> = reader
            .get_row_iter(None)
            .expect("has rows")
            .map(|row| row.expect("reads"))
            .collect();
        std::fs::remove_file(&path).expect("removes");
        assert_eq!(rows.len(), 19);
        assert_eq!(rows[3].get_long(2).expect("a seed"), 7);
        assert_eq!(rows[3].get_string(3).expect("a label"), "1");
        assert_eq!(rows[3].get_double(5).expect("a cost"), 0.5);
        assert!(rows[6].get_double(5).is_err(), "what was refused has no cost");
    }
}
