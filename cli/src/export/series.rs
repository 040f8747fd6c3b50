//! `series.csv`: a row every 15 seconds.

use model::cluster::record::{Record, Row};

/// The rows of a run as CSV. NaN, where nothing can be said, is an empty field.
pub(crate) fn series_csv(record: &Record) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header(&record.instance_types))?;
    for row in &record.rows {
        writer.write_record(fields(row))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// The columns, in order.
fn header(instance_types: &[String]) -> Vec<String> {
    let fixed = [
        "time_s",
        "clients",
        "rps_served",
        "rps_failed",
        "replicas_desired",
        "replicas_ready",
        "pods_pending",
        "pods",
        "nodes",
        "cost_usd_per_hour",
        "latency_p95_s",
    ];
    let seen = ["seen.rps", "seen.pods"];
    let nodes = instance_types.iter().map(|name| format!("nodes.{name}"));
    let seen_nodes = instance_types.iter().map(|name| format!("seen.nodes.{name}"));
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    own(&fixed).into_iter().chain(nodes).chain(own(&seen)).chain(seen_nodes).collect()
}

fn fields(row: &Row) -> Vec<String> {
    let fixed = [
        row.at.as_secs_f64(),
        row.clients,
        row.rps_served,
        row.rps_failed,
        row.replicas_desired,
        row.replicas_ready,
        row.pods_pending,
        row.pods,
        row.nodes.iter().sum(),
        row.cost_per_hour,
        row.latency_p95,
    ];
    let seen = [row.seen_rps, row.seen_pods];
    let all = fixed.iter().chain(&row.nodes).chain(&seen).chain(&row.seen_nodes);
    all.map(|value| number(*value)).collect()
}

/// At most six decimals, and none that say nothing.
fn number(value: f64) -> String {
    if value.is_nan() {
        return String::new();
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_as_many_fields_as_the_header() {
        let types = vec!["c5.xlarge".to_owned(), "m5.large".to_owned()];
        let row = Row { nodes: vec![2.0, 1.0], seen_nodes: vec![2.0, 0.0], ..Row::default() };
        let record = Record { instance_types: types, rows: vec![row], ..Record::default() };
        let text = String::from_utf8(series_csv(&record).unwrap()).unwrap();
        let counts: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(counts, [17, 17]);
        assert!(text.starts_with("time_s,clients,rps_served"));
    }

    #[test]
    fn numbers_are_short_and_gaps_are_empty() {
        assert_eq!([1.0, 0.25, 83.2300001, f64::NAN, 0.0].map(number), ["1", "0.25", "83.23", "", "0"]);
    }
}
