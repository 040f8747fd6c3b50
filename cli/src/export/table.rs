//! `series.csv`: a row every 15 seconds, a column of numbers for each name.
//!
//! With replications each column holds the median of the seeds at that moment, and two more, `NAME.p05` and
//! `NAME.p95`, the edges of the band that holds nine seeds of ten.

use live::accuracy::quantile_of_sorted;
use live::compare::names::{self, NODES_OF, SEEN_NODES_OF};
use live::curves::push_number;
use model::cluster::record::{Record, Row};

/// The columns of `series.csv`, the first of them `time_s`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    names: Vec<String>,
    /// As long as `names`; all of one length. NaN where nothing can be said.
    columns: Vec<Vec<f64>>,
}

/// A column that every run has: its name, and what of a row stands in it.
type Column = (&'static str, fn(&Row) -> f64);

/// Those columns, in order.
const FIXED: [Column; 11] = [
    (TIME, |row| row.at.as_secs_f64()),
    ("clients", |row| row.clients),
    ("rps_served", |row| row.rps_served),
    ("rps_failed", |row| row.rps_failed),
    ("replicas_desired", |row| row.replicas_desired),
    ("replicas_ready", |row| row.replicas_ready),
    ("pods_pending", |row| row.pods_pending),
    ("pods", |row| row.pods),
    ("nodes", |row| row.nodes.iter().sum()),
    ("cost_usd_per_hour", |row| row.cost_per_hour),
    ("latency_p95_s", |row| row.latency_p95),
];
const SEEN: [Column; 3] = [
    (names::SEEN_RPS, |row| row.seen_rps),
    (names::SEEN_PODS, |row| row.seen_pods),
    (names::SEEN_NODES, |row| {
        row.seen_nodes.iter().filter(|seen| seen.is_finite()).sum()
    }),
];

const TIME: &str = "time_s";
pub(crate) const LOW: &str = ".p05";
pub(crate) const HIGH: &str = ".p95";

impl Table {
    /// The rows of a run.
    pub(crate) fn of(record: &Record) -> Self {
        let rows = &record.rows;
        let mut table = Table::default();
        let column = |of: fn(&Row) -> f64| rows.iter().map(of).collect();
        FIXED
            .iter()
            .for_each(|(name, of)| table.push((*name).to_owned(), column(*of)));
        for (n, name) in record.instance_types.iter().enumerate() {
            let nodes = |row: &Row| row.nodes.get(n).copied().unwrap_or(0.0);
            table.push(format!("{NODES_OF}{name}"), rows.iter().map(nodes).collect());
        }
        SEEN.iter()
            .for_each(|(name, of)| table.push((*name).to_owned(), column(*of)));
        for (n, name) in record.instance_types.iter().enumerate() {
            let nodes = |row: &Row| row.seen_nodes.get(n).copied().unwrap_or(0.0);
            table.push(format!("{SEEN_NODES_OF}{name}"), rows.iter().map(nodes).collect());
        }
        table
    }

    fn push(&mut self, name: String, column: Vec<f64>) {
        self.names.push(name);
        self.columns.push(column);
    }

    /// The median of several runs and the band around it. Instance types that a run has not are zero there.
    ///
    /// # Panics
    ///
    /// When there is no run.
    pub(crate) fn merged(tables: &[Table]) -> Self {
        let (first, rest) = tables.split_first().expect("at least one run");
        if rest.is_empty() {
            return first.clone();
        }
        let mut merged = Table::default();
        let mut bands = Table::default();
        for name in Table::all_names(tables) {
            if name == TIME {
                merged.push(name, first.times().to_vec());
                continue;
            }
            let columns: Vec<Option<&[f64]>> = tables.iter().map(|table| table.column(&name)).collect();
            let mut edges = [0.05, 0.95, 0.5].map(|q| (q, Vec::new()));
            let mut values = Vec::new();
            for row in 0..first.times().len() {
                let value =
                    |column: &Option<&[f64]>| column.map_or(Some(0.0), |column| column.get(row).copied());
                values.clear();
                values.extend(columns.iter().filter_map(value).filter(|value| !value.is_nan()));
                values.sort_unstable_by(f64::total_cmp);
                for (q, edge) in &mut edges {
                    edge.push(quantile_of_sorted(&values, *q));
                }
            }
            let [(_, low), (_, high), (_, median)] = edges;
            bands.push(format!("{name}{LOW}"), low);
            bands.push(format!("{name}{HIGH}"), high);
            merged.push(name, median);
        }
        merged.names.append(&mut bands.names);
        merged.columns.append(&mut bands.columns);
        merged
    }

    /// The names of all tables in the order of a single one, instance types as they first come.
    fn all_names(tables: &[Table]) -> Vec<String> {
        let with = |prefix: &str| {
            let mut names: Vec<String> = Vec::new();
            for name in tables.iter().flat_map(|table| &table.names) {
                if name.starts_with(prefix) && !names.contains(name) {
                    names.push(name.clone());
                }
            }
            names
        };
        let own = |names: &[Column]| names.iter().map(|(name, _)| (*name).to_owned()).collect();
        [own(&FIXED), with(NODES_OF), own(&SEEN), with(SEEN_NODES_OF)].concat()
    }

    /// A column by its name.
    pub(crate) fn column(&self, name: &str) -> Option<&[f64]> {
        let at = self.names.iter().position(|own| own == name)?;
        Some(&self.columns[at])
    }

    /// The column `time_s`.
    pub(crate) fn times(&self) -> &[f64] {
        self.column(TIME).unwrap_or_default()
    }

    /// The instance types of the columns that begin with a prefix, edges of bands left out.
    pub(crate) fn types<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let edge = |name: &&String| !name.ends_with(LOW) && !name.ends_with(HIGH);
        self.names
            .iter()
            .filter(edge)
            .filter_map(move |name| name.strip_prefix(prefix))
    }

    /// A column as readings: time and value.
    pub(crate) fn readings(&self, name: &str) -> Vec<(f64, f64)> {
        let column = self.column(name).unwrap_or_default();
        self.times().iter().copied().zip(column.iter().copied()).collect()
    }

    /// The table as CSV. NaN is an empty field.
    pub(crate) fn to_csv(&self) -> String {
        let mut text = self.names.join(",");
        text.push('\n');
        for row in 0..self.times().len() {
            for (place, column) in self.columns.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                if !column[row].is_nan() {
                    push_number(&mut text, column[row]);
                }
            }
            text.push('\n');
        }
        text
    }

    /// Reads what [`Table::to_csv`] wrote, or what somebody made like it.
    pub(crate) fn from_csv(text: &str) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> = reader
            .headers()
            .map_err(|error| error.to_string())?
            .iter()
            .map(str::to_owned)
            .collect();
        if names.first().is_none_or(|name| name != TIME) {
            return Err(format!("expected {TIME} as the first column"));
        }
        let mut columns = vec![Vec::new(); names.len()];
        for (n, row) in reader.records().enumerate() {
            let row = row.map_err(|error| error.to_string())?;
            for ((field, column), name) in row.iter().zip(&mut columns).zip(&names) {
                let wrong = |_| format!("line {}: expected a number in {name}, found {field:?}", n + 2);
                column.push(if field.is_empty() {
                    f64::NAN
                } else {
                    field.parse().map_err(wrong)?
                });
            }
            let times = &columns[0];
            if !times[n].is_finite() || (n > 0 && times[n] <= times[n - 1]) {
                return Err(format!("line {}: expected a time_s that rises", n + 2));
            }
        }
        Ok(Table { names, columns })
    }
}

#[cfg(test)]
mod tests {
    use sim::Instant;

    use super::*;

    fn run(types: &[&str], rows: &[(u64, f64, &[f64])]) -> Table {
        let row = |&(at, rps, nodes): &(u64, f64, &[f64])| Row {
            at: Instant::from_secs(at),
            seen_rps: rps,
            nodes: nodes.to_vec(),
            seen_nodes: nodes.to_vec(),
            ..Row::default()
        };
        let instance_types = types.iter().map(|name| (*name).to_owned()).collect();
        let rows = rows.iter().map(row).collect();
        Table::of(&Record {
            instance_types,
            rows,
            ..Record::default()
        })
    }

    #[test]
    fn the_columns_have_the_promised_names() {
        let table = run(&["c5.xlarge"], &[(0, 1.0, &[2.0])]);
        let header = "time_s,clients,rps_served,rps_failed,replicas_desired,replicas_ready,pods_pending,pods,nodes,\
                      cost_usd_per_hour,latency_p95_s,nodes.c5.xlarge,seen.rps,seen.pods,seen.nodes,seen.nodes.c5.xlarge";
        assert_eq!(table.to_csv().lines().next(), Some(header));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let table = run(&["c5.xlarge"], &[(0, f64::NAN, &[2.0]), (15, 83.25, &[3.0])]);
        let again = Table::from_csv(&table.to_csv()).unwrap();
        assert_eq!(again.to_csv(), table.to_csv());
        assert_eq!(again.column("nodes").unwrap(), [2.0, 3.0]);
        assert!(again.column("seen.rps").unwrap()[0].is_nan());
        assert!(Table::from_csv("a,b\n1,2\n").unwrap_err().contains("time_s"));
        assert!(Table::from_csv("time_s,b\n1,x\n").unwrap_err().contains("line 2"));
        assert!(
            Table::from_csv("time_s,b\n1,1\n1,2\n")
                .unwrap_err()
                .contains("rises")
        );
    }

    #[test]
    fn several_runs_become_a_median_and_a_band() {
        let runs = [
            run(&["c5.xlarge"], &[(0, 1.0, &[2.0])]),
            run(&["c5.xlarge", "m5.large"], &[(0, 2.0, &[2.0, 1.0])]),
            run(&["c5.xlarge"], &[(0, 6.0, &[2.0])]),
        ];
        let merged = Table::merged(&runs);
        assert_eq!(merged.column("seen.rps"), Some(&[2.0][..]));
        assert_eq!(merged.column("nodes.m5.large"), Some(&[0.0][..]));
        assert_eq!(
            merged.types(NODES_OF).collect::<Vec<_>>(),
            ["c5.xlarge", "m5.large"]
        );
        let edge = |name: &str| merged.column(name).unwrap()[0];
        assert!((edge("seen.rps.p05") - 1.1).abs() < 1e-12 && (edge("seen.rps.p95") - 5.6).abs() < 1e-12);
        assert!((edge("nodes.m5.large.p95") - 0.9).abs() < 1e-12);
    }

    #[test]
    fn numbers_are_short_and_gaps_are_empty() {
        let table = run(&["c5.xlarge"], &[(1, f64::NAN, &[83.230_000_1])]);
        let row = "1,0,0,0,0,0,0,0,83.23,0,0,83.23,,0,83.23,83.23";
        assert_eq!(table.to_csv().lines().nth(1), Some(row));
    }
}
