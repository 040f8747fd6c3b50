//! The catalog's files, brought up to date with what EC2 says.
//!
//! The layout is that of the embedded data (`model/src/catalog/data`): `types.csv`, `zones.csv`, and
//! `regions/REGION.csv.gz`. EC2 says what types are, which zones offer them, and what spot costs; on-demand
//! prices, the spot advisor's bands and the memory that Linux sees come from elsewhere and stay as they are, and
//! so does every type that EC2 did not mention.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::GzBuilder;
use flate2::read::GzDecoder;
use sim::{SortedMap, SortedSet};

/// Why files could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("cannot use {path}: {error}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// A file is not what was expected.
    #[error("{path}: {message}", path = path.display())]
    Table {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// What EC2 said of one region on one day.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The region.
    pub region: String,
    /// The day, `2026-08-02`.
    pub date: String,
    /// Instance types: their columns of `types.csv`, without those that EC2 does not tell.
    pub types: SortedMap<String, SortedMap<&'static str, String>>,
    /// The zones that offer each type.
    pub offered: SortedMap<String, SortedSet<String>>,
    /// The lowest spot price of the zones, dollars an hour.
    pub spot: SortedMap<String, f64>,
    /// Zones and their ids.
    pub zones: SortedMap<String, String>,
}

/// What became different.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Types that were not in the table.
    pub new_types: Vec<String>,
    /// Types of which a column is another than before.
    pub changed_types: Vec<String>,
    /// Types that the region offers now and did not, or the other way round.
    pub offerings: usize,
    /// Spot prices that are others than before.
    pub prices: usize,
}

/// Brings the files of a directory up to date. All are written under other names first, so that none is ever
/// half-written.
///
/// # Errors
///
/// When a file cannot be read or written, or has other columns than expected.
pub fn refresh(dir: &Path, said: &Said) -> Result<Changes, Error> {
    let mut changes = Changes::default();
    let types_path = dir.join("types.csv");
    let zones_path = dir.join("zones.csv");
    let region_path = dir.join("regions").join(format!("{}.csv.gz", said.region));
    let mut types = Table::parse(&types_path, &read(&types_path)?, "instance_type")?;
    update_types(&mut types, said, &mut changes)?;
    let mut zones = Table::parse(&zones_path, &read(&zones_path)?, "zone")?;
    update_zones(&mut zones, said)?;
    let unpacked = match region_path.exists() {
        true => unpack(&region_path)?,
        false => format!("{REGION_COLUMNS}\n"),
    };
    let mut region = Table::parse(&region_path, &unpacked, "instance_type")?;
    update_region(&mut region, said, &mut changes)?;
    let files = [
        (types_path, types.text().into_bytes()),
        (zones_path, zones.text().into_bytes()),
        (region_path.clone(), pack(&region_path, &region.text())?),
    ];
    write_all(&files)?;
    Ok(changes)
}

/// The header of a region's file.
const REGION_COLUMNS: &str =
    "instance_type,zones,offered_as_of,on_demand,price_date,source,karpenter,spot,spot_2022,band,savings_pct";

/// Rows by one of their columns.
#[derive(Debug)]
struct Table {
    path: PathBuf,
    columns: Vec<String>,
    key: usize,
    rows: SortedMap<String, Vec<String>>,
}

impl Table {
    fn parse(path: &Path, text: &str, key: &str) -> Result<Self, Error> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let fail = |error: csv::Error| Error::Table {
            path: path.to_owned(),
            message: error.to_string(),
        };
        let mut table = Table {
            path: path.to_owned(),
            columns: reader
                .headers()
                .map_err(fail)?
                .iter()
                .map(str::to_owned)
                .collect(),
            key: 0,
            rows: SortedMap::new(),
        };
        table.key = table.column(key)?;
        for record in reader.records() {
            let row: Vec<String> = record.map_err(fail)?.iter().map(str::to_owned).collect();
            table.rows.insert(row[table.key].clone(), row);
        }
        Ok(table)
    }

    fn column(&self, name: &str) -> Result<usize, Error> {
        let found = self.columns.iter().position(|column| column == name);
        found.ok_or_else(|| Error::Table {
            path: self.path.clone(),
            message: format!("expected a column {name:?}"),
        })
    }

    /// The row of a key, made if there is none.
    fn row(&mut self, key: &str) -> &mut Vec<String> {
        let (width, at) = (self.columns.len(), self.key);
        self.rows.entry(key.to_owned()).or_insert_with(|| {
            let mut row = vec![String::new(); width];
            key.clone_into(&mut row[at]);
            row
        })
    }

    fn text(&self) -> String {
        let lines = self.rows.values().map(|row| row.join(","));
        let header = std::iter::once(self.columns.join(","));
        let mut text: String = header.chain(lines).collect::<Vec<_>>().join("\n");
        text.push('\n');
        text
    }
}

fn update_types(table: &mut Table, said: &Said, changes: &mut Changes) -> Result<(), Error> {
    let (first_seen, as_of) = (table.column("first_seen")?, table.column("as_of")?);
    for (name, facts) in &said.types {
        let is_new = !table.rows.contains_key(name);
        let mut changed = false;
        for (column, value) in facts {
            let at = table.column(column)?;
            let row = table.row(name);
            changed |= row[at] != *value;
            row[at].clone_from(value);
        }
        let row = table.row(name);
        if is_new {
            row[first_seen].clone_from(&said.date);
            changes.new_types.push(name.clone());
        } else if changed {
            changes.changed_types.push(name.clone());
        }
        row[as_of].clone_from(&said.date);
    }
    Ok(())
}

fn update_zones(table: &mut Table, said: &Said) -> Result<(), Error> {
    let (region, id) = (table.column("region")?, table.column("zone_id")?);
    table
        .rows
        .retain(|zone, row| row[region] != said.region || said.zones.contains_key(zone));
    for (name, zone_id) in &said.zones {
        let row = table.row(name);
        row[region].clone_from(&said.region);
        row[id].clone_from(zone_id);
    }
    Ok(())
}

fn update_region(table: &mut Table, said: &Said, changes: &mut Changes) -> Result<(), Error> {
    let (zones, as_of, spot) = (
        table.column("zones")?,
        table.column("offered_as_of")?,
        table.column("spot")?,
    );
    for (name, offered) in &said.offered {
        // A zone's letter is what its name has after the region's.
        let letters: String = offered
            .iter()
            .filter_map(|zone| zone.chars().next_back())
            .collect();
        let row = table.row(name);
        if row[zones] != letters {
            changes.offerings += 1;
            row[zones] = letters;
        }
        row[as_of].clone_from(&said.date);
    }
    for (name, price) in &said.spot {
        let row = table.row(name);
        let price = price.to_string();
        if row[spot] != price {
            changes.prices += 1;
            row[spot] = price;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| io(path, error))
}

fn unpack(path: &Path) -> Result<String, Error> {
    let packed = fs::read(path).map_err(|error| io(path, error))?;
    let mut text = String::new();
    let read = GzDecoder::new(&packed[..]).read_to_string(&mut text);
    read.map_err(|error| io(path, error))?;
    Ok(text)
}

/// Without a time stamp: the same text is the same file.
fn pack(path: &Path, text: &str) -> Result<Vec<u8>, Error> {
    let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let written = writer.write_all(text.as_bytes()).and_then(|()| writer.finish());
    written.map_err(|error| io(path, error))
}

fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<(), Error> {
    let partial = |path: &Path| path.with_extension(format!("{}.tmp", std::process::id()));
    let written = files
        .iter()
        .try_for_each(|(path, bytes)| fs::write(partial(path), bytes).map_err(|error| io(path, error)));
    if written.is_err() {
        files
            .iter()
            .for_each(|(path, _)| drop(fs::remove_file(partial(path))));
        return written;
    }
    files
        .iter()
        .try_for_each(|(path, _)| fs::rename(partial(path), path).map_err(|error| io(path, error)))
}

fn io(path: &Path, error: std::io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        error,
    }
}

/// The letters that a family's name begins with, and the number after them or after a size in terabytes: `m` and 5 of
/// `m5.large`, `u` and 1 of `u-6tb1.metal`. Newer Mac types have neither.
///
/// karpenter-provider-aws 1.14.1 pkg/providers/instancetype/types.go instanceTypeScheme
#[must_use]
pub fn category(name: &str) -> (&str, &str) {
    let family = name.split('.').next().unwrap_or("");
    let (letters, rest) = family.split_at(leading(family, |letter| letter.is_ascii_lowercase()));
    let digits = |text| leading(text, |letter| letter.is_ascii_digit());
    let size = rest.strip_prefix('-').and_then(|size| {
        let (terabytes, rest) = size.split_at(digits(size));
        rest.strip_prefix("tb").filter(|_| !terabytes.is_empty())
    });
    let number = size.unwrap_or(rest);
    match &number[..digits(number)] {
        "" => ("", ""),
        number => (letters, number),
    }
}

/// How many bytes at the beginning are such letters.
fn leading(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !of(letter)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        let zones = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Said {
            region: "eu-x-1".to_owned(),
            date: "2027-01-01".to_owned(),
            types: SortedMap::from([
                (
                    "m5.large".to_owned(),
                    SortedMap::from([("vcpus", "4".to_owned())]),
                ),
                ("m9.new".to_owned(), SortedMap::from([("vcpus", "8".to_owned())])),
            ]),
            offered: SortedMap::from([("m9.new".to_owned(), zones(&["eu-x-1a", "eu-x-1c"]))]),
            spot: SortedMap::from([("m5.large".to_owned(), 0.035)]),
            zones: SortedMap::from([("eu-x-1a".to_owned(), "eux1-az3".to_owned())]),
        }
    }

    #[test]
    fn what_ec2_says_is_put_in_and_the_rest_stays() {
        let dir = std::env::temp_dir().join(format!("scaletwin-catalog-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        fs::create_dir_all(dir.join("regions")).unwrap();
        fs::write(
            dir.join("types.csv"),
            "instance_type,vcpus,guest_memory_mib,first_seen,as_of\na1.old,1,900,2022-06-16,2026-08-02\n\
             m5.large,2,7000,2022-06-16,2026-08-02\n",
        )
        .unwrap();
        fs::write(
            dir.join("zones.csv"),
            "region,zone,zone_id\neu-x-1,eu-x-1b,eux1-az1\nus-y-1,us-y-1a,usy1-az1\nus-y-1,us-y-1b,usy1-az2\n",
        )
        .unwrap();
        let region = dir.join("regions/eu-x-1.csv.gz");
        let before = format!("{REGION_COLUMNS}\nm5.large,ab,2026-08-01,0.1,2026-07-20,k,,0.04,,2,60\n");
        fs::write(&region, pack(&region, &before).unwrap()).unwrap();

        let changes = refresh(&dir, &said()).unwrap();
        assert_eq!(changes.new_types, ["m9.new"]);
        assert_eq!(changes.changed_types, ["m5.large"]);
        assert_eq!((changes.offerings, changes.prices), (1, 1));
        assert_eq!(
            read(&dir.join("types.csv")).unwrap(),
            "instance_type,vcpus,guest_memory_mib,first_seen,as_of\na1.old,1,900,2022-06-16,2026-08-02\n\
             m5.large,4,7000,2022-06-16,2027-01-01\nm9.new,8,,2027-01-01,2027-01-01\n"
        );
        assert_eq!(
            read(&dir.join("zones.csv")).unwrap(),
            "region,zone,zone_id\neu-x-1,eu-x-1a,eux1-az3\nus-y-1,us-y-1a,usy1-az1\nus-y-1,us-y-1b,usy1-az2\n"
        );
        assert_eq!(
            unpack(&region).unwrap(),
            format!(
                "{REGION_COLUMNS}\nm5.large,ab,2026-08-01,0.1,2026-07-20,k,,0.035,,2,60\n\
                 m9.new,ac,2027-01-01,,,,,,,,\n"
            )
        );
        // Nothing new is no change, and the same bytes.
        let bytes = fs::read(&region).unwrap();
        assert_eq!(refresh(&dir, &said()).unwrap(), Changes::default());
        assert_eq!(fs::read(&region).unwrap(), bytes);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn families_have_a_category_and_a_generation() {
        assert_eq!(category("m5.large"), ("m", "5"));
        assert_eq!(category("g4dn.xlarge"), ("g", "4"));
        assert_eq!(category("u-12tb1.metal"), ("u", "1"));
        assert_eq!(category("u7i-6tb.112xlarge"), ("u", "7"));
        assert_eq!(category("mac-m4.metal"), ("", ""));
    }
}
