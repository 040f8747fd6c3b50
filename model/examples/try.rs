use std::path::Path;
use model::scenario::{Files, Source};
fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let dir = Path::new(&dir);
    let seed: u64 = std::env::args().nth(2).map_or(1, |s| s.parse().unwrap());
    let log = std::env::args().nth(3).is_some();
    let read = |p: &Path, name: String| Source { name, text: std::fs::read_to_string(p).unwrap() };
    let mut manifests: Vec<_> = std::fs::read_dir(dir.join("manifests")).unwrap().map(|e| e.unwrap().path()).collect();
    manifests.sort();
    let files = Files {
        scenario: read(&dir.join("scenario.toml"), "scenario.toml".into()),
        manifests: manifests.iter().map(|p| read(p, format!("manifests/{}", p.file_name().unwrap().to_str().unwrap()))).collect(),
        traces: vec![],
    };
    let t = std::time::Instant::now();
    let (scenario, report) = match model::scenario::load(&files, &[]) { Ok(x) => x, Err(r) => { for p in &r.problems { eprintln!("{p:?}"); } std::process::exit(2) } };
    for p in &report.problems { eprintln!("{:?} {} {} {}", p.severity, p.code, p.file, p.message); }
    eprintln!("load {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let options = model::cluster::Options { seed, log, ..model::cluster::Options::of(&scenario) };
    let record = model::cluster::run(&scenario, options);
    eprintln!("run {:?}", t.elapsed());
    for r in record.rows.iter().step_by(4) {
        println!("{} cl {} rps {:.1} fail {:.2} des {} rdy {} pend {} pods {} nodes {:?} ${:.3} p95 {:.2} | {:.2} {} {:?}", r.at, r.clients, r.rps_served, r.rps_failed, r.replicas_desired, r.replicas_ready, r.pods_pending, r.pods, r.nodes, r.cost_per_hour, r.latency_p95, r.seen_rps, r.seen_pods, r.seen_nodes);
    }
    println!("{:?}\n{:?} {:?}\n{:?}\n{:?}", record.instance_types, record.counts, record.latency, record.costs, record.time_to_capacity);
    if log { for e in &record.log { println!("{} {} {} {} {:?}", e.at, e.part, e.kind, e.object, e.details); } }
}
