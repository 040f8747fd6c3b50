//! What the README says of each sweep, as bounds that hold for other seeds and for no other answer.

use sweep::Measure::{Cost, Evictions, Served, TimeToCapacity};

use super::Swept;
use crate::within;

pub(super) fn threshold_cooldown(swept: &Swept) {
    // Three quarters of a request a second: cheaper than now, and a quarter more is served.
    assert_eq!(swept.recommended()[0], "0.75");
    within("cost against now", swept.then(Cost) / swept.now(Cost), 0.7..=0.98);
    within(
        "served against now",
        swept.then(Served) / swept.now(Served),
        1.15..=1.6,
    );

    // From 1.25 on a full pod asks for no other: nothing grows.
    let served = |level| swept.with("threshold", level, Served);
    let cost = |level| swept.with("threshold", level, Cost);
    within("served at 2 against 0.5", served("2") / served("0.5"), 0.4..=0.65);
    within("cost at 2", cost("2"), 0.31..=0.34);
    assert!(
        cost("0.5") > cost("1") && cost("1") > cost("2"),
        "half a request is the dearest of the three"
    );

    // Everything else is small beside it.
    for (axis, one, other) in [
        ("stabilization", "0", "300"),
        ("scrape", "60s", "15s"),
        ("scale-down", "all at once", "10 % a minute"),
    ] {
        let difference = swept.with(axis, other, Cost) - swept.with(axis, one, Cost);
        within(axis, difference, 0.0..=0.06);
        within(
            axis,
            swept.with(axis, other, Served) / swept.with(axis, one, Served),
            0.97..=1.03,
        );
    }
}

pub(super) fn gpu_families(swept: &Swept) {
    // Spot with a way out is half the price of on demand, and spot without is dearer than with.
    let spot = |level, measure| swept.with("spot", level, measure);
    within(
        "spot if there is against none",
        spot("if there is", Cost) / spot("none", Cost),
        0.35..=0.6,
    );
    within(
        "spot only against if there is",
        spot("only", Cost) / spot("if there is", Cost),
        1.15..=1.8,
    );

    // The faster the GPU, the more is asked for at once: sooner there, more served, dearer.
    let family = |level, measure| swept.with("families", level, measure);
    let against = |one, other, measure| family(one, measure) / family(other, measure);
    within(
        "g5 against g6, to capacity",
        against("g5", "g6", TimeToCapacity),
        0.5..=0.9,
    );
    within(
        "g6 against g4dn, served",
        against("g6", "g4dn", Served),
        1.05..=1.25,
    );
    within(
        "g5 against g4dn, served",
        against("g5", "g4dn", Served),
        1.2..=1.45,
    );
    within("g5 against g4dn, cost", against("g5", "g4dn", Cost), 1.9..=3.0);
    // A choice of families goes to the cheapest, which is the slowest.
    let all = "g4dn, g5, g6";
    within("all against g4dn, cost", against(all, "g4dn", Cost), 1.0..=1.3);
    within("all against g5, served", against(all, "g5", Served), 0.65..=0.85);

    // Chance decides between the fast family and the machine that is larger than it need be: either serves the burst sooner.
    let recommended = &swept.recommended()[..2];
    assert!(
        [["g5", "if there is"], ["g4dn", "only"]]
            .iter()
            .any(|own| recommended == own),
        "{recommended:?}"
    );
    within(
        "served against now",
        swept.then(Served) / swept.now(Served),
        1.1..=1.5,
    );
    within(
        "time against now",
        swept.then(TimeToCapacity) / swept.now(TimeToCapacity),
        0.3..=0.8,
    );
}

pub(super) fn consolidation_churn(swept: &Swept) {
    // Patience buys quiet: evictions fall and dollars rise with each step.
    let after = |level, measure| swept.with("consolidateAfter", level, measure);
    for pair in ["0s", "30s", "1m", "2m", "5m", "Never"].windows(2) {
        assert!(after(pair[0], Evictions) >= after(pair[1], Evictions), "{pair:?}");
        assert!(after(pair[0], Cost) <= after(pair[1], Cost) + 0.005, "{pair:?}");
    }
    within("evictions with Never", after("Never", Evictions), 0.0..=1e-9);

    // A short stabilization empties machines, which costs no eviction.
    let wait = |level, measure| swept.with("stabilization", level, measure);
    within(
        "stabilization 60 against 300",
        wait("60", Cost) / wait("300", Cost),
        0.9..=0.98,
    );
    within(
        "evictions with WhenEmpty",
        swept.with("policy", "WhenEmpty", Evictions),
        0.0..=1e-9,
    );

    // Balanced, half a minute later: cheaper than now, with half the evictions.
    assert_eq!(swept.recommended(), ["30s", "Balanced", "60"]);
    within("cost against now", swept.then(Cost) / swept.now(Cost), 0.9..=0.98);
    within(
        "evictions against now",
        swept.then(Evictions) / swept.now(Evictions),
        0.4..=0.7,
    );
}
