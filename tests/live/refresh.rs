//! `catalog refresh` against moto, whose EC2 knows the real instance types of some day.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sim::SortedSet;

use super::moto::Moto;

#[test]
fn the_catalog_is_brought_up_to_date_by_what_ec2_says() {
    let Some(moto) = Moto::start() else { return };
    let data = std::env::temp_dir().join(format!("scaletwin-refresh-{}", std::process::id()));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src/catalog/data");
    fs::create_dir_all(data.join("regions")).unwrap();
    let files = ["types.csv", "zones.csv", "regions/us-west-2.csv.gz"];
    for file in files {
        fs::copy(shipped.join(file), data.join(file)).unwrap();
    }
    let refresh = || {
        let done = Command::new(env!("CARGO_BIN_EXE_scaletwin"))
            .args(["catalog", "refresh", "--region", "us-west-2", "--data"])
            .arg(&data)
            .envs(moto.environment())
            .stdin(Stdio::null())
            .output()
            .expect("scaletwin runs");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(0), "{said}");
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let read = || files.map(|file| fs::read(data.join(file)).unwrap());
    let first = refresh();
    assert!(first.contains("types of us-west-2"), "{first}");
    let before = fs::read_to_string(shipped.join(files[0])).unwrap();
    let after = read();
    let asked = first.lines().find(|line| line.starts_with("read"));
    let count = asked.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    assert!(count.is_some_and(|count| count > 500), "{first}");
    assert!(before.as_bytes() != after[0], "nothing was written");
    // What EC2 does not say is left as it was: no type is lost, and none gets another family. Which are new is up to
    // the day that moto's types are of.
    let families = |text: &str| -> SortedSet<String> {
        let family = |line: &str| line.split(',').take(3).collect::<Vec<_>>().join(",");
        text.lines().map(family).collect()
    };
    let types = String::from_utf8(after[0].clone()).unwrap();
    let (had, has) = (families(&before), families(&types));
    let lost: Vec<&String> = had.difference(&has).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(types.lines().count(), has.len(), "a type stands there once");
    // Asked again it has nothing new to say.
    assert!(refresh().contains("new                none"));
    assert!(read() == after, "the same answers, other bytes");
    fs::remove_dir_all(&data).unwrap();
}
