use super::{Run, SEEDS, text, within};

const NAME: &str = "spot-interruption";

/// From a notice to the last replica that is Ready again, seconds.
fn short(run: &Run, notice: f64) -> f64 {
    let wanted = run.at("replicas_desired", notice);
    let less = run
        .first("replicas_ready", notice, |n| n < wanted)
        .expect("pods go");
    run.first("replicas_ready", less, |n| n >= wanted)
        .expect("they come back")
        - notice
}

/// Karpenter does not use the two minutes: it drains at once, and launches beside it.
#[test]
fn capacity_is_short_for_one_node_launch_whatever_the_notice() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        // The last machine counts: of four one is slow.
        for (minute, machines, seconds) in [(20.0, 1, 75.0..=115.0), (30.0, 4, 85.0..=145.0)] {
            let notice = run.minute(minute);
            let noticed = run.log("InterruptionNotice", notice, notice + 1.0).count();
            assert_eq!(noticed, machines, "seed {seed}: machines that EC2 wants back");
            let drained = run.log("NodeDrained", notice, notice + 30.0).count();
            assert_eq!(
                drained, machines,
                "seed {seed}: drained long before the two minutes are over"
            );
            let launched = run.log("NodeClaimLaunched", notice, notice + 25.0).next();
            assert_eq!(
                text(launched.expect("a replacement"), "capacity_type"),
                "spot",
                "seed {seed}"
            );
            within("seconds of less capacity", short(&run, notice), seconds);
        }
    }
}

/// One of several machines is within what the replicas have to spare; four at once are not.
#[test]
fn one_machine_costs_no_requests_and_four_cost_thousands() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let (one, four) = (run.minute(20.0), run.minute(30.0));
        within("lost with one machine", run.failed(one, four - 15.0), 0.0..=400.0);
        within(
            "lost with four machines",
            run.failed(four, run.end()),
            6_000.0..=60_000.0,
        );
    }
}

/// A budget of a tenth lets pods go as others come, within the notice; one at a time does not get them off the machines
/// before EC2 takes these.
#[test]
fn a_disruption_budget_helps_unless_it_is_too_small() {
    for seed in SEEDS {
        let lost = |most: &str| {
            let budget = format!(
                "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{ name: web, namespace: shop }}\n\
                 spec: {{ maxUnavailable: {most}, selector: {{ matchLabels: {{ app: web }} }} }}\n"
            );
            let run = Run::beside(NAME, seed, &budget);
            run.failed(run.minute(30.0), run.end())
        };
        within("lost with a tenth", lost("10%"), 1_000.0..=5_000.0);
        within("lost with one at a time", lost("1"), 15_000.0..=30_000.0);
    }
}

/// Without the queue nobody hears the notice: the pods work until the machine is gone, and it is replaced only
/// when the Node's silence has been noticed and the claim without an instance was collected.
#[test]
fn without_the_queue_one_machine_costs_time_and_requests() {
    for seed in SEEDS {
        let run = Run::with(NAME, seed, &["timing.karpenter.interruption_queue=false"]);
        let one = run.minute(20.0);
        assert_eq!(run.log("InterruptionMessage", 0.0, run.end()).count(), 0);
        let evicted = run.log("PodEvicted", one, one + 110.0).count();
        assert_eq!(evicted, 0, "seed {seed}: nobody drains");
        // The two minutes' notice pass unused.
        let deaf = short(&run, one) - 120.0;
        let heard = short(&Run::new(NAME, seed), one);
        assert!(deaf > 1.5 * heard, "seed {seed}: {deaf} against {heard}");
        // Until the silence is noticed Traefik goes on sending there.
        let lost = run.failed(one, run.minute(30.0) - 15.0);
        within("requests lost with one machine", lost, 500.0..=20_000.0);
    }
}
