//! `scaletwin calibrate`

use std::path::{Path, PathBuf};

use live::calibrate::{Calibration, Fit, calibrate as fit, short};
use live::recording::Recording;
use serde_json::{Value, json};

use super::Answer;
use crate::args::{CalibrateArgs, Format};
use crate::columns::aligned;
use crate::experiment;
use crate::failure::Failure;
use crate::output::{OutputDir, print, print_json};

pub(crate) fn calibrate(args: &CalibrateArgs) -> Result<Answer, Failure> {
    let recording = Recording::read(&args.rec).map_err(|error| Failure::new(error.to_string()))?;
    let Some((dir, mut sets)) = experiment::recorded(args.scenario.as_deref(), &recording) else {
        return Err(Failure::new(
            "the recording has no copy of a scenario: nothing says which constants there are",
        )
        .hint("name the scenario with --scenario DIR"));
    };
    sets.extend_from_slice(&args.sets);
    let (scenario, _) = experiment::load(&dir, &sets)?;
    let calibration = fit(&recording, &scenario, args.seed);
    let written = match calibration.fits.is_empty() {
        true => None,
        false => {
            let path = args
                .out
                .clone()
                .unwrap_or_else(|| args.rec.join("calibration.toml"));
            Some(write(&path, &overlay(&calibration, &recording))?)
        }
    };
    match args.format {
        Format::Text => print(&text(&calibration, written.as_deref()))?,
        Format::Json => {
            for own in &calibration.fits {
                print_json("fit", as_json(own))?;
            }
            for own in &calibration.unfixed {
                print_json("unfixed", json!({ "field": own.field, "why": own.why }))?;
            }
            print_json("files", json!(written))?;
        }
    }
    Ok(if written.is_some() {
        Answer::Done
    } else {
        Answer::No
    })
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::new(format!("{} is no name of a file", path.display())))?;
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let written = OutputDir::open(dir)?.write(&[(name, text.as_bytes().to_vec())], &[])?;
    Ok(written.into_iter().next().unwrap_or_else(|| path.to_owned()))
}

/// The fields as `--with` takes them, with what is known of each as a comment.
fn overlay(calibration: &Calibration, recording: &Recording) -> String {
    let mut text = format!(
        "# Constants fitted to the recording {}; 95 % intervals by bootstrap.\n\
         # `scaletwin run DIR --with` this file takes them in place of the scenario's.\n",
        recording.header.run
    );
    for own in &calibration.fits {
        text.push_str(&format!(
            "\n# {}: {} to {}, from {} observations; the scenario has {}\n{} = {}\n",
            own.of,
            short(own.interval.low),
            short(own.interval.high),
            own.observations,
            short(own.before),
            own.field,
            own.toml
        ));
    }
    if !calibration.unfixed.is_empty() {
        text.push_str("\n# Not fixed by the recording:\n");
    }
    for own in &calibration.unfixed {
        text.push_str(&format!("# {}: {}\n", own.field, own.why));
    }
    text
}

fn text(calibration: &Calibration, written: Option<&Path>) -> String {
    let row = |own: &Fit| {
        [
            own.field.clone(),
            format!("{} ({})", short(own.estimate), own.of),
            format!("{} … {}", short(own.interval.low), short(own.interval.high)),
            own.observations.to_string(),
            short(own.before),
        ]
    };
    let mut text = String::new();
    if !calibration.fits.is_empty() {
        let header = ["constant", "fitted", "95 % interval", "of", "scenario"].map(str::to_owned);
        let rows = std::iter::once(header).chain(calibration.fits.iter().map(row));
        text.push_str(&aligned(&rows.collect::<Vec<_>>(), &[3]));
        text.push('\n');
    }
    text.push_str("not fixed by the recording\n");
    for own in &calibration.unfixed {
        text.push_str(&format!("  {}: {}\n", own.field, own.why));
    }
    match written {
        Some(path) => text.push_str(&format!("\n{}\n", path.display())),
        None => text.push_str("\nnothing could be fitted\n"),
    }
    text
}

fn as_json(own: &Fit) -> Value {
    json!({
        "field": own.field,
        "toml": own.toml,
        "of": own.of,
        "estimate": own.estimate,
        "low": own.interval.low,
        "high": own.interval.high,
        "scenario": own.before,
        "observations": own.observations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        assert_eq!(
            [0.0625, 79_999_999.6, 12.0, 0.000_123_456].map(short),
            ["0.0625", "80000000", "12", "0.0001235"]
        );
    }
}
