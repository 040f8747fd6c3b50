use super::{Run, SEEDS, within};

const NAME: &str = "scale-to-zero";

/// Users come at minute 10 and leave at minute 25. They wait for a scrape, for the rate to need a second one, for
/// KEDA's poll, for a machine, and for the pod; KEDA goes back to zero in one step when the cooldown is over.
#[test]
fn the_first_users_wait_for_minutes_and_the_last_leave_nothing_behind() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let (come, leave) = (run.minute(10.0), run.minute(25.0));
        assert_eq!(
            run.peak("replicas_desired", 0.0, come),
            0.0,
            "seed {seed}: asleep"
        );

        let asked = run
            .first("replicas_desired", come, |n| n > 0.0)
            .expect("it wakes")
            - come;
        within("seconds to the first replica", asked, 60.0..=151.0);
        let ready = run.first("replicas_ready", come, |n| n > 0.0).expect("it serves") - come;
        within("seconds to the first ready pod", ready, 130.0..=300.0);
        assert!(ready - asked > 50.0, "seed {seed}: a machine was needed");
        // All that came before that failed: nobody queues for a service without endpoints.
        let lost = run.record.failed / 60.0;
        within("seconds of requests lost", lost, ready - 3.0..=ready + 12.0);

        // Cooldown of 120 s after the last poll that saw traffic: from 3 replicas to none, past the HPA.
        let slept = run
            .first("replicas_desired", leave, |n| n == 0.0)
            .expect("it sleeps")
            - leave;
        within("seconds from the last user to zero", slept, 150.0..=310.0);
        let before = run.at("replicas_desired", leave + slept - 1.0);
        assert_eq!(
            before, 3.0,
            "seed {seed}: in one step, and before the HPA's 300 s"
        );
        assert_eq!(
            run.record.curve("nodes").last(),
            2.0,
            "seed {seed}: the machine went too"
        );
    }
}

/// The usual query counts what the service answered. It answers nothing at zero.
#[test]
fn on_what_the_service_answers_it_never_wakes() {
    let query = "sum(rate(traefik_service_requests_total{service=\"shop-web-80@kubernetes\"}[2m]))";
    let set = format!("ScaledObject/web: spec.triggers[0].metadata.query={query}");
    let run = Run::with(NAME, 1, &[&set]);
    assert_eq!(run.record.served, 0.0);
    assert_eq!(run.peak("replicas_desired", 0.0, run.end()), 0.0);
    within("requests lost", run.record.failed, 53_000.0..=55_000.0);
}

/// What one replica that never sleeps costs: its machine.
#[test]
fn a_replica_that_never_sleeps_loses_nobody_and_costs_a_machine() {
    for seed in SEEDS {
        let asleep = Run::new(NAME, seed);
        let awake = Run::with(NAME, seed, &["ScaledObject/web: spec.minReplicaCount=1"]);
        assert!(awake.record.failed < 60.0, "seed {seed}: {}", awake.record.failed);
        // At rest, before anybody comes.
        let rest = |run: &Run| {
            let come = run.minute(10.0);
            let row = run
                .record
                .rows
                .iter()
                .rev()
                .find(|row| row.at.as_secs_f64() < come);
            row.expect("a row").cost_per_hour
        };
        within("USD an hour at night", rest(&awake) - rest(&asleep), 0.05..=0.15);
    }
}
