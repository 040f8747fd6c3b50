use super::{Run, SEEDS, way_to_capacity, within};

const NAME: &str = "bert-gpu";

/// One step of the growth: when the HPA asked, when the machine had joined, when it could be used, when its
/// pods were Ready.
struct Step {
    asked: f64,
    joined: f64,
    bound: f64,
    ready: f64,
}

fn first_step(run: &Run, from: f64) -> Step {
    let asked = run
        .log("ScaledUp", from, run.end())
        .next()
        .expect("it scales")
        .at
        .as_secs_f64();
    let joined = run
        .log("NodeJoined", asked, run.end())
        .next()
        .expect("a machine")
        .at
        .as_secs_f64();
    let pods = run.log("PodScheduled", joined, run.end());
    let bound = pods
        .filter(|entry| entry.object.starts_with("bert-"))
        .map(|entry| entry.at);
    let bound = bound.min().expect("its pod").as_secs_f64();
    let before = run.at("replicas_ready", asked);
    let ready = run
        .first("replicas_ready", asked, |n| n > before)
        .expect("it serves");
    Step {
        asked,
        joined,
        bound,
        ready,
    }
}

/// What the scenario says of other GPUs says nothing about one that it names.
#[test]
fn a_machine_serves_as_fast_as_its_own_gpu() {
    let family = "NodePool/default: spec.template.spec.requirements[5]={key='karpenter.k8s.aws/instance-family',\
                  operator='In',values=['c7i','g5']}";
    let other = |seconds: &str| Run::with(NAME, 1, &[family, &format!("service.gpu.other={seconds}")]);
    let (run, slow) = (other("0.011"), other("9.0"));
    assert!(run.record.served > 1e6, "{}", run.record.served);
    assert_eq!(run.record.served, slow.record.served);
    // The A10G is named, and slower than it was.
    let named = Run::with(NAME, 1, &[family, "service.gpu.time.a10g=0.012"]);
    assert!(
        named.record.served < 0.95 * run.record.served,
        "{}",
        named.record.served
    );
}

/// At minute 20 one client becomes thirty.
#[test]
fn most_of_the_wait_is_for_a_machine_its_driver_and_the_image() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let burst = run.minute(20.0);
        let step = first_step(&run, burst);
        let metric = step.asked - burst;
        let machine = step.joined - step.asked;
        let device = step.bound - step.joined;
        let start = step.ready - step.bound;
        within("seconds to the decision", metric, 20.0..=140.0);
        within("seconds to the machine", machine, 35.0..=150.0);
        within("seconds to its GPU", device, 15.0..=150.0);
        within("seconds to pull and load the model", start, 60.0..=260.0);
        assert!(
            machine + device + start > 2.0 * metric,
            "seed {seed}: {metric} {machine} {device} {start}"
        );
    }
}

/// The query counts answers, and a pod on a T4 gives at most 1.5 times its threshold: about so much can each round
/// grow, and each round waits for machines.
#[test]
fn a_metric_of_answers_grows_one_machine_launch_at_a_time() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let (burst, over) = (run.minute(20.0), run.minute(60.0));
        let sizes: Vec<f64> = run
            .record
            .curve("replicas_desired")
            .changes()
            .iter()
            .filter(|(at, _)| (burst..over).contains(&at.as_secs_f64()))
            .map(|(_, size)| *size)
            .collect();
        assert!(sizes.len() >= 4, "seed {seed}: {sizes:?}");
        assert!(
            sizes.windows(2).all(|pair| pair[1] <= 2.0 * pair[0]),
            "seed {seed}: {sizes:?}"
        );
        let last = *sizes.last().expect("sizes");
        within("replicas for thirty clients", last, 9.0..=16.0);
        let there = run
            .first("replicas_ready", burst, |n| n >= last)
            .expect("all of them")
            - burst;
        within("seconds from the burst to all of them", there, 900.0..=2300.0);
        within("requests lost", run.record.failed, 1.0..=20.0);
    }
}

/// Far below its maximum of 300, and back to one GPU.
#[test]
fn the_gpus_leave_when_the_clients_do() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        assert!(run.peak("replicas_desired", 0.0, run.end()) < 300.0);
        assert_eq!(run.record.curve("replicas_desired").last(), 1.0, "seed {seed}");
        // The HPA's 300 s after the rate has fallen, not cooldownPeriod.
        let over = run.minute(60.0);
        let shrunk = run
            .log("ScaledDown", over, run.end())
            .next()
            .expect("it shrinks")
            .at
            .as_secs_f64()
            - over;
        within("seconds to the scale-in", shrunk, 300.0..=480.0);
        let cost = |second: f64| {
            let row = run.record.rows.iter().find(|row| row.at.as_secs_f64() >= second);
            row.expect("a row").cost_per_hour
        };
        assert!(cost(over) > 4.0 * cost(run.end() - 30.0), "seed {seed}");
    }
}

/// The summary says the same: each round waits for its machine and its image, and hardly ever for the autoscaler.
#[test]
fn the_way_to_capacity_is_spent_on_machines_and_images() {
    for seed in SEEDS {
        let run = Run::new(NAME, seed);
        let way = way_to_capacity(&run, seed, run.minute(60.0));
        let waited = way.node_launch + way.image_pull + way.pod_start;
        assert!(waited > way.total / 2, "seed {seed}: {way:?}");
        assert!(way.image_pull > 3 * way.pod_start, "seed {seed}: {way:?}");
        within(
            "seconds for machines",
            way.node_launch.as_secs_f64(),
            150.0..=900.0,
        );
        within("seconds for images", way.image_pull.as_secs_f64(), 250.0..=1000.0);
        within("seconds for models", way.pod_start.as_secs_f64(), 50.0..=250.0);
    }
}
