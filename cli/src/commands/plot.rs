//! `scaletwin plot`

use std::path::Path;

use live::measured::Measured;
use plots::Figure;
use serde_json::json;

use super::Answer;
use crate::args::{Colors, Format, PlotArgs};
use crate::export::dashboard::{Dashboard, Laid};
use crate::export::summary::Summary;
use crate::export::table::Table;
use crate::failure::Failure;
use crate::files::read_text;
use crate::output::{OutputDir, print, print_json};

/// The files that a dashboard becomes.
pub(super) const FIGURES: [&str; 2] = ["dashboard.svg", "dashboard.png"];

pub(crate) fn plot(args: &PlotArgs) -> Result<Answer, Failure> {
    if !args.dir.is_dir() {
        return Err(
            Failure::new(format!("the directory {} does not exist", args.dir.display()))
                .hint("name the directory that `scaletwin run` wrote to"),
        );
    }
    let table = read(&args.dir, "series.csv", Table::from_csv)?;
    let summary = read(&args.dir, "summary.json", Summary::from_json)?;
    let measured = args.overlay.as_deref().map(Measured::read).transpose();
    let measured = measured.map_err(|error| Failure::new(error.to_string()))?;
    let overlay = measured
        .as_ref()
        .map(|measured| Laid::of(measured, measured.zero(summary.clock_s())));
    let out = OutputDir::open(args.out.as_ref().unwrap_or(&args.dir))?;
    let figure = Dashboard {
        table: &table,
        summary: &summary,
        overlay,
    }
    .figure();
    let written = out.write(&draw(&figure, args.theme)?, &[])?;
    match args.format {
        Format::Text => print(
            &written
                .iter()
                .map(|path| format!("{}\n", path.display()))
                .collect::<String>(),
        )?,
        Format::Json => print_json("files", json!(written))?,
    }
    Ok(Answer::Done)
}

pub(super) fn read<T>(
    dir: &Path,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    let path = dir.join(name);
    parse(&read_text(&path)?).map_err(|message| Failure::new(format!("{}: {message}", path.display())))
}

/// The figure in both formats, side by side.
pub(super) fn draw(figure: &Figure, colors: Colors) -> Result<[(&'static str, Vec<u8>); 2], Failure> {
    let theme = colors.theme();
    let (svg, png) = rayon::join(|| plots::svg(figure, theme), || plots::png(figure, theme));
    let fail = |error: plots::Error| Failure::new(error.to_string());
    Ok([
        (FIGURES[0], svg.map_err(fail)?.into_bytes()),
        (FIGURES[1], png.map_err(fail)?),
    ])
}
