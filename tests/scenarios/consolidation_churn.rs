use super::{Run, within};

const NAME: &str = "consolidation-churn";

/// Per hour, beside the system nodes.
struct Price {
    evictions: f64,
    launches: f64,
    usd: f64,
    failed: f64,
}

fn price(sets: &[&str]) -> Price {
    price_of(1, sets)
}

fn price_of(seed: u64, sets: &[&str]) -> Price {
    let run = Run::logged(NAME, seed, sets, false);
    let counts = run.record.counts;
    let hours = run.end() / 3600.0;
    let karpenters = run
        .record
        .costs
        .iter()
        .filter(|(name, _)| ***name != *"m6i.large");
    let usd: f64 = karpenters
        .map(|(_, cost)| cost.instance_usd + cost.volume_usd)
        .sum();
    Price {
        evictions: f64::from(counts.evictions) / hours,
        launches: f64::from(counts.launches) / hours,
        usd: usd / hours,
        failed: run.record.failed / hours,
    }
}

/// The dollars that consolidation saves, what they cost in evictions, and that waiting longer than the pauses of
/// the autoscaler is the same as never.
#[test]
fn consolidating_at_once_saves_machines_and_moves_pods_all_the_time() {
    let after = |wait: &str| {
        price(&[&format!(
            "NodePool/default: spec.disruption.consolidateAfter={wait}"
        )])
    };
    let at_once = after("0s");
    let minute = after("1m");
    let five = after("5m");
    let never = after("Never");

    within("evictions an hour at once", at_once.evictions, 40.0..=110.0);
    within("launches an hour at once", at_once.launches, 12.0..=35.0);
    let saved = |own: &Price| 1.0 - own.usd / never.usd;
    within("saved at once", saved(&at_once), 0.10..=0.30);

    // A minute's patience halves the evictions and keeps part of the savings.
    assert!(minute.evictions < 0.6 * at_once.evictions, "{}", minute.evictions);
    within("saved after a minute", saved(&minute), 0.0..=0.2);

    // Five minutes never pass without a pod coming or going.
    assert_eq!(never.evictions, 0.0);
    within("evictions an hour after five minutes", five.evictions, 0.0..=4.0);
    within("saved after five minutes", saved(&five), -0.05..=0.03);

    // At once also takes machines away just before the load comes back.
    assert!(
        at_once.failed > 100.0 * never.failed.max(1.0),
        "{}",
        at_once.failed
    );
}

/// The policy of 1.14 that weighs dollars against disruption. In single hours it may go the other way.
#[test]
fn balanced_moves_fewer_pods_for_the_same_money() {
    let policy = "NodePool/default: spec.disruption.consolidationPolicy=Balanced";
    let ratio = |of: fn(&Price) -> f64| {
        let sum = |sets: &[&str]| (1..=8).map(|seed| of(&price_of(seed, sets))).sum::<f64>();
        sum(&[policy]) / sum(&[])
    };
    within(
        "evictions against the plain policy",
        ratio(|own| own.evictions),
        0.5..=0.95,
    );
    within(
        "dollars against the plain policy",
        ratio(|own| own.usd),
        0.95..=1.05,
    );
}
