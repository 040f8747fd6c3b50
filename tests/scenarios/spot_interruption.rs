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
            4_000.0..=60_000.0,
        );
    }
}

/// A budget lets pods go as others come, within the notice. Those that are left when EC2 takes the machines end in
/// order, in the Service until they have ended, and the new ones are ready by then.
#[test]
fn a_disruption_budget_helps() {
    for seed in SEEDS {
        let lost = |most: &str| {
            let budget = format!(
                "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{ name: web, namespace: shop }}\n\
                 spec: {{ maxUnavailable: {most}, selector: {{ matchLabels: {{ app: web }} }} }}\n"
            );
            let run = Run::beside(NAME, seed, &budget);
            run.failed(run.minute(30.0), run.end())
        };
        within("lost with a tenth", lost("10%"), 0.0..=1_000.0);
        within("lost with one at a time", lost("1"), 1.0..=1_000.0);
    }
}

/// Without the queue nobody hears the notice: the pods work until the machine goes down. Kubelets of 1.34 and later end
/// them in order then, in the Service until they have ended, and they are replaced at once; older ones end with the
/// machine, and that is noticed when the node is silent for too long.
#[test]
fn without_the_queue_older_kubelets_cost_time_and_requests() {
    for seed in SEEDS {
        let heard = Run::new(NAME, seed);
        let heard = short(&heard, heard.minute(20.0));
        for (kubernetes, longer, lost) in [
            ("1.35", 0.8..=1.2, 1.0..=400.0),
            ("1.33", 1.5..=3.0, 500.0..=20_000.0),
        ] {
            let release = format!("stack.kubernetes='{kubernetes}'");
            let deaf = ["timing.karpenter.interruption_queue=false", &release];
            let run = Run::with(NAME, seed, &deaf);
            let one = run.minute(20.0);
            assert_eq!(run.log("InterruptionMessage", 0.0, run.end()).count(), 0);
            let evicted = run.log("PodEvicted", one, one + 110.0).count();
            assert_eq!(evicted, 0, "seed {seed}: nobody drains");
            if kubernetes == "1.35" {
                let taken = one + 120.0;
                let fewer = run.first("replicas_ready", taken, |n| n < 41.0);
                // They take two seconds to end, and are Ready meanwhile.
                within("seconds of work", fewer.expect("they end") - taken, 2.0..=2.5);
            }
            // The two minutes' notice pass unused.
            let deaf = short(&run, one) - 120.0;
            within("times as long", deaf / heard, longer);
            // Until the silence is noticed Traefik goes on sending there.
            within(
                "requests lost with one machine",
                run.failed(one, run.minute(30.0) - 15.0),
                lost,
            );
        }
    }
}

/// A node that is found silent gets a taint that drives pods out. Who does not tolerate it for the five minutes that are
/// the default is replaced before the garbage collector comes, although the Node is gone a few seconds later.
#[test]
fn pods_leave_a_silent_node_when_their_toleration_is_over() {
    let evicted = |tolerations: &str| {
        let tolerations = format!("Deployment/web: spec.template.spec.tolerations=[{tolerations}]");
        let deaf = [
            "timing.karpenter.interruption_queue=false",
            "stack.kubernetes='1.33'",
            &tolerations,
        ];
        let run = Run::with(NAME, 1, &deaf);
        let taken = run.minute(20.0) + 120.0;
        let mut evictions = run.log("TaintManagerEviction", taken, taken + 120.0);
        evictions.next().map(|entry| entry.at.as_secs_f64() - taken)
    };
    let seconds = |key: &str, seconds: u32| {
        format!(
            "{{key='node.kubernetes.io/{key}',operator='Exists',effect='NoExecute',tolerationSeconds={seconds}}}"
        )
    };
    // 50 s of silence, and a tenth to the taint.
    let check = |own: u32, expected: f64| {
        let after = evicted(&seconds("unreachable", own)).expect("they go");
        within("seconds", after, expected..=expected + 0.1);
    };
    check(0, 50.1);
    check(10, 60.1);
    // That is another taint, which the new node has for a while after it is ready.
    assert_eq!(evicted(&seconds("not-ready", 0)), None);
}
