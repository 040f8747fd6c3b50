//! The hold model: the classic test of an event queue. N timers are pending; take the earliest, re-arm it
//! after a time drawn from Exp(1), again and again. Every contestant sees the same times.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml`
//!
//! Contestants take turns within each round, so that a busy machine disturbs all of them alike; the table
//! gives the median round. Whole runs of the default scenario follow.

mod contestants;
mod run;
mod sweep;

use std::time::Instant;

use contestants::{BareHeap, Contestant, NexoSim, Ours, SimCore};

/// The command's allocator: what is timed here is what it does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 7;

fn main() {
    println!(
        "{:>8}  {:>12}  {:>10}  {:>7}",
        "timers", "contestant", "M events/s", "ratio"
    );
    for (timers, events) in [(1_000, 2_000_000), (100_000, 1_000_000)] {
        let mut contestants: Vec<Box<dyn Contestant>> = vec![
            Box::new(Ours::new(timers)),
            Box::new(BareHeap::new(timers)),
            Box::new(SimCore::new(timers)),
            Box::new(NexoSim::new(timers)),
        ];
        let mut rates: Vec<Vec<f64>> = vec![Vec::new(); contestants.len()];
        for _ in 0..ROUNDS {
            for (contestant, rates) in contestants.iter_mut().zip(&mut rates) {
                // The frameworks do more per event; fewer events keep a round short.
                let events = events / contestant.slowness();
                let start = Instant::now();
                let last = contestant.run(events);
                assert!(last > 0.0, "time passes");
                rates.push(events as f64 / start.elapsed().as_secs_f64() / 1e6);
            }
        }
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        };
        let medians: Vec<f64> = rates.iter_mut().map(median).collect();
        for (contestant, rate) in contestants.iter().zip(&medians) {
            println!(
                "{timers:>8}  {:>12}  {rate:>10.2}  {:>7.2}",
                contestant.name(),
                medians[0] / rate
            );
        }
    }
    run::report();
}
