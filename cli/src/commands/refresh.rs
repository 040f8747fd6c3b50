//! `scaletwin catalog refresh`

use jiff::Timestamp;
use live::catalog::refresh as bring_up_to_date;
use live::ec2::{connect, read_catalog};
use serde_json::json;

use super::Answer;
use super::live::block_on;
use crate::args::{Format, RefreshArgs};
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::talk;

pub(crate) fn refresh(args: &RefreshArgs) -> Result<Answer, Failure> {
    if !args.data.join("types.csv").is_file() {
        return Err(
            Failure::new(format!("there is no types.csv in {}", args.data.display()))
                .hint("name the catalog's directory with --data: model/src/catalog/data in a checkout"),
        );
    }
    let date = Timestamp::now().strftime("%Y-%m-%d").to_string();
    let said = block_on(async {
        let client = connect(Some(&args.region)).await;
        let tell = &mut |what: &str| talk::say(&format!("asking EC2 for {what}"));
        read_catalog(&client, &args.region, &date, tell).await
    })?
    .map_err(|error| {
        Failure::new(error.to_string()).hint("live/README.md has the permissions that are needed")
    })?;
    let changes = bring_up_to_date(&args.data, &said).map_err(|error| Failure::new(error.to_string()))?;
    match args.format {
        Format::Json => print_json(
            "catalog",
            json!({
                "region": args.region,
                "types": said.types.len(),
                "new_types": changes.new_types,
                "changed_types": changes.changed_types,
                "offerings": changes.offerings,
                "prices": changes.prices,
            }),
        )?,
        Format::Text => {
            let mut text = format!(
                "{:<18} {} types of {}, {date}\n",
                "read",
                said.types.len(),
                args.region
            );
            text.push_str(&format!("{:<18} {}\n", "new", list(&changes.new_types)));
            text.push_str(&format!("{:<18} {}\n", "changed", list(&changes.changed_types)));
            text.push_str(&format!(
                "{:<18} {} types are offered elsewhere, {} spot prices moved\n",
                "besides", changes.offerings, changes.prices
            ));
            print(&text)?;
        }
    }
    Ok(Answer::Done)
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        few if few.len() <= 8 => few.join(", "),
        many => format!("{} and {} more", many[..8].join(", "), many.len() - 8),
    }
}
