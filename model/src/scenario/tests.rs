//! The shipped scenarios can be read.

use std::path::Path;

use super::*;

fn source(dir: &Path, path: &str) -> Source {
    let text = std::fs::read_to_string(dir.join(path)).expect("a file of the repository");
    Source {
        path: path.to_owned(),
        text,
    }
}

/// A scenario of the repository.
fn shipped(name: &str) -> Files {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios")
        .join(name);
    let mut manifests: Vec<String> = std::fs::read_dir(dir.join("manifests"))
        .expect("a directory of the repository")
        .map(|entry| {
            format!(
                "manifests/{}",
                entry.expect("an entry").file_name().to_string_lossy()
            )
        })
        .collect();
    manifests.sort();
    Files {
        scenario: source(&dir, "scenario.toml"),
        manifests: manifests.iter().map(|path| source(&dir, path)).collect(),
        traces: Vec::new(),
    }
}

const SHIPPED: [&str; 8] = [
    "php-apache",
    "php-apache-gpu",
    "bert-gpu",
    "scale-to-zero",
    "spot-interruption",
    "capacity-shortage",
    "prometheus-outage",
    "consolidation-churn",
];

#[test]
fn the_shipped_scenarios_have_neither_errors_nor_warnings() {
    for name in SHIPPED {
        match load(&shipped(name), &[]) {
            Ok((scenario, report)) => {
                assert_eq!(scenario.name, name);
                assert_eq!(report.count(Severity::Warning), 0, "{name}\n{report}");
            }
            Err(report) => panic!("{name}\n{report}"),
        }
    }
}
