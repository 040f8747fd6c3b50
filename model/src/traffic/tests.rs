//! Whole stories, told to both fidelities.

use super::*;
use crate::distribution::Distribution;
use crate::quantity::MilliCpu;

mod convoys;
mod far;
mod limits;
mod overload;
mod timeouts;

const SERVER: PodCpu = PodCpu {
    request: MilliCpu(200),
    limit: Some(MilliCpu(500)),
};
const NO_REQUEST: PodCpu = PodCpu {
    request: MilliCpu(0),
    limit: None,
};
const BOTH: [Fidelity; 2] = [Fidelity::Flow, Fidelity::Requests];
const PROXY: PodId = PodId(0);

/// A c5.xlarge with a proxy and more nodes like it; servers and clients go where they are told.
struct Bench {
    traffic: Traffic,
    now: Instant,
}

impl Bench {
    fn new(config: Config, fidelity: Fidelity, nodes: u32) -> Self {
        Bench::behind(NO_REQUEST, config, fidelity, nodes)
    }

    /// The same behind a proxy with this in its manifest.
    fn behind(proxy: PodCpu, config: Config, fidelity: Fidelity, nodes: u32) -> Self {
        let machine = config
            .cpu
            .machine("c5.xlarge", 3400.0, 4, 2, NodeKind::System, None);
        let traffic = Traffic::new(config, fidelity, Streams::new(1), &Probes::default());
        let mut bench = Bench {
            traffic,
            now: Instant::ZERO,
        };
        (0..nodes).for_each(|node| {
            bench.tell(Input::NodeUp {
                node: NodeId(node),
                machine,
            })
        });
        bench.run(PROXY, Role::Proxy, 0, proxy);
        bench.tell(Input::PodReady {
            pod: PROXY,
            ready: true,
        });
        bench
    }

    fn tell(&mut self, input: Input) {
        self.traffic.handle(self.now, input);
        self.audit();
    }

    fn run(&mut self, pod: PodId, role: Role, node: u32, cpu: PodCpu) {
        self.tell(Input::PodRunning {
            pod,
            role,
            node: NodeId(node),
            cpu,
        });
    }

    fn servers(&mut self, ids: std::ops::Range<u32>, node: u32) {
        for id in ids {
            self.run(PodId(id), Role::Server, node, SERVER);
            self.tell(Input::PodReady {
                pod: PodId(id),
                ready: true,
            });
        }
        // Until the proxy knows them.
        self.pass(3);
    }

    fn clients(&mut self, ids: std::ops::Range<u32>, node: u32) {
        ids.for_each(|id| self.run(PodId(id), Role::Client, node, NO_REQUEST));
    }

    /// Goes on; what was served a second meanwhile.
    fn pass(&mut self, secs: u64) -> f64 {
        let before = self.stats().served;
        for _ in 0..secs {
            self.now += Duration::from_secs(1);
            self.audit();
        }
        (self.stats().served - before) / secs as f64
    }

    fn stats(&mut self) -> Stats {
        self.traffic.stats(self.now)
    }

    /// What was sent is served, failed or under way.
    fn audit(&mut self) {
        let stats = self.stats();
        let known = stats.served + stats.failed + stats.in_flight;
        assert!(
            (stats.sent - known).abs() <= 1e-6 * stats.sent.max(1.0),
            "{stats:?} at {}",
            self.now
        );
        assert!(stats.in_flight > -1e-6, "{stats:?} at {}", self.now);
    }

    fn counted(&mut self, name: &str, code: &str) -> Option<f64> {
        let samples = self.traffic.exposition(self.now, PROXY);
        let named = samples.into_iter().filter(|sample| sample.name == name);
        let code = ("code", code.to_owned());
        named
            .into_iter()
            .find(|sample| sample.labels.contains(&code))
            .map(|sample| sample.value)
    }
}

/// The measured run's machines.
pub(super) fn measured() -> Cpu {
    Cpu {
        system_cpu: 1.5,
        ..Cpu::default()
    }
}

fn closed() -> Config {
    Config {
        clients: Some(Clients::default()),
        cpu: measured(),
        ..Config::default()
    }
}

/// Connections to what has gone hang as long as they did in the measured run.
fn stalling() -> Config {
    let traefik = Traefik {
        vanished: Distribution::Uniform { min: 10.0, max: 30.0 },
        ..Traefik::default()
    };
    Config { traefik, ..closed() }
}

fn open(rate: f64, timeout: Option<Duration>) -> Config {
    let shape = Shape::Constant { rate };
    let (process, network_delay) = (Process::Poisson, Distribution::Constant(0.0));
    Config {
        arrivals: vec![Arrivals {
            shape,
            process,
            network_delay,
            timeout,
        }],
        cpu: measured(),
        ..Config::default()
    }
}

const SERVICE_TOTAL: &str = "traefik_service_requests_total";
const ENTRY_TOTAL: &str = "traefik_entrypoint_requests_total";

#[test]
fn the_counter_counts_what_was_served() {
    for fidelity in BOTH {
        let mut bench = Bench::new(closed(), fidelity, 2);
        bench.servers(1..5, 0);
        bench.servers(5..9, 1);
        assert_eq!(
            bench.counted(SERVICE_TOTAL, "200"),
            None,
            "no series before the first request"
        );
        bench.clients(100..104, 0);
        let rate = bench.pass(60);
        assert!((24.0..32.0).contains(&rate), "{fidelity:?}: {rate}");
        let served = bench.stats().served;
        let counted = bench.counted(SERVICE_TOTAL, "200").unwrap();
        assert!(
            (counted - served).abs() < 1e-6 * served,
            "{fidelity:?}: {counted} of {served}"
        );
    }
}

/// Loops that rest for long, out of step, send no burst into a probe either.
#[test]
fn loops_that_rest_for_long_hardly_ever_meet() {
    let p95 = BOTH.map(|fidelity| {
        let mut config = closed();
        config.service.cpu_per_request = Distribution::Constant(0.02);
        if let Some(clients) = &mut config.clients {
            clients.think_time = Distribution::Uniform { min: 10.0, max: 30.0 };
            clients.client_cpu = 0.0005;
            clients.connections = 60;
        }
        let mut bench = Bench::new(config, fidelity, 2);
        bench.servers(1..5, 1);
        bench.clients(100..108, 0);
        bench.pass(300);
        let (from, to) = (Instant::from_secs(200), bench.now);
        bench.traffic.latency(from, to, &[0.95])[0]
    });
    println!("{p95:.4?} s");
    assert!((p95[0] / p95[1] - 1.0).abs() < 0.25, "{p95:.4?} s");
}

#[test]
fn without_servers_only_the_entry_point_counts() {
    for fidelity in BOTH {
        let mut bench = Bench::new(closed(), fidelity, 1);
        bench.clients(100..101, 0);
        bench.pass(30);
        assert_eq!(bench.stats().served, 0.0);
        assert!(bench.counted(ENTRY_TOTAL, "404").unwrap() > 900.0);
        assert_eq!(bench.counted(SERVICE_TOTAL, "404"), None);
    }
}

#[test]
fn a_client_hangs_on_a_pod_that_has_just_gone() {
    for fidelity in BOTH {
        let mut bench = Bench::new(stalling(), fidelity, 2);
        bench.servers(1..17, 1);
        bench.clients(100..101, 0);
        bench.pass(20);
        // Half the servers go in a burst that takes longer than the first applied configuration.
        for id in 1..13 {
            bench.tell(Input::PodDeleting(PodId(id)));
            bench.tell(Input::PodStopped(PodId(id)));
            bench.now += Duration::from_millis(60);
        }
        let rate = bench.pass(40);
        let lost = 7.7 - rate;
        assert!(
            (1.5..6.5).contains(&lost),
            "{fidelity:?}: {lost} of 7.7 requests a second lost"
        );
        let failed = bench.stats().failed;
        assert!((0.5..=3.0).contains(&failed), "{fidelity:?}: {failed} failed");
        let after = bench.pass(30);
        assert!(after > 7.0, "{fidelity:?}: {after}");
    }
}

/// Without a readinessProbe a pod is Ready before what runs in it listens.
#[test]
fn a_pod_that_does_not_listen_yet_refuses() {
    for fidelity in BOTH {
        let mut bench = Bench::new(open(12.0, None), fidelity, 2);
        bench.servers(1..4, 1);
        bench.run(PodId(4), Role::Server, 1, SERVER);
        let from = bench.now + Duration::from_secs(43);
        bench.tell(Input::PodListens { pod: PodId(4), from });
        bench.tell(Input::PodReady {
            pod: PodId(4),
            ready: true,
        });
        bench.pass(3);
        let before = bench.stats().failed;
        bench.pass(40);
        let stats = bench.stats();
        assert!(
            (80.0..170.0).contains(&(stats.failed - before)),
            "{fidelity:?}: {stats:?}"
        );
        let counted = bench.counted(SERVICE_TOTAL, "502").unwrap();
        assert!(
            (counted - stats.failed).abs() <= 2.0,
            "{fidelity:?}: {counted} of {stats:?}"
        );
        bench.pass(40);
        assert_eq!(bench.stats().failed, stats.failed, "{fidelity:?}");
    }
}

#[test]
fn stopped_clients_take_their_requests_with_them() {
    for fidelity in BOTH {
        let mut bench = Bench::new(closed(), fidelity, 2);
        bench.servers(1..11, 0);
        bench.clients(100..140, 1);
        bench.pass(30);
        (101..140).for_each(|id| bench.tell(Input::PodStopped(PodId(id))));
        let failed = bench.stats().failed;
        assert!((3.0..=39.0).contains(&failed), "{fidelity:?}: {failed}");
        bench.pass(5);
        let rate = bench.pass(30);
        assert!((6.9..8.2).contains(&rate), "{fidelity:?}: {rate}");
        assert_eq!(bench.stats().clients, 1);
    }
}

#[test]
fn a_new_proxy_process_counts_from_nothing() {
    for fidelity in BOTH {
        let mut bench = Bench::new(closed(), fidelity, 2);
        bench.servers(1..5, 1);
        bench.clients(100..101, 0);
        bench.pass(60);
        bench.tell(Input::PodStopped(PROXY));
        bench.pass(5);
        assert!(bench.traffic.exposition(bench.now, PROXY).is_empty());
        bench.run(PROXY, Role::Proxy, 0, NO_REQUEST);
        bench.tell(Input::PodReady {
            pod: PROXY,
            ready: true,
        });
        bench.pass(10);
        let counted = bench.counted(SERVICE_TOTAL, "200").unwrap();
        assert!((50.0..90.0).contains(&counted), "{fidelity:?}: {counted}");
    }
}

#[test]
fn arrivals_beyond_capacity_wait_and_then_give_up() {
    for fidelity in BOTH {
        // Four servers under their quotas answer some 20 a second.
        let mut bench = Bench::new(open(40.0, Some(Duration::from_secs(5))), fidelity, 2);
        bench.servers(1..5, 1);
        bench.pass(60);
        let stats = bench.stats();
        assert!(stats.failed > 1200.0, "{fidelity:?}: {stats:?}");
        assert!(bench.counted(SERVICE_TOTAL, "499").unwrap() > 1200.0);
        // Work whose sender has left is still done, so nobody is answered.
        let rate = bench.pass(30);
        assert!(rate < 2.0, "{fidelity:?}: {rate}");
        let p99 = bench.traffic.latency(Instant::ZERO, bench.now, &[0.99])[0];
        assert!(
            p99 < 5.5,
            "{fidelity:?}: answers come within the patience of 5 s or so: {p99}"
        );
    }
}

#[test]
fn arrivals_within_capacity_are_served() {
    for fidelity in BOTH {
        let mut bench = Bench::new(open(20.0, None), fidelity, 2);
        bench.servers(1..9, 1);
        bench.pass(10);
        let rate = bench.pass(200);
        assert!((rate / 20.0 - 1.0).abs() < 0.05, "{fidelity:?}: {rate}");
        let from = Instant::from_secs(30);
        let p50 = bench.traffic.latency(from, bench.now, &[0.5])[0];
        assert!((0.06..0.35).contains(&p50), "{fidelity:?}: {p50}");
    }
}

/// Lines that come and go by chance are long at nine tenths of what four servers answer.
#[test]
fn response_times_near_saturation_are_those_of_requests() {
    let measured = BOTH.map(|fidelity| {
        let mut bench = Bench::new(open(17.0, None), fidelity, 2);
        bench.servers(1..5, 1);
        bench.pass(2000);
        let from = Instant::from_secs(100);
        let times = bench.traffic.latency(from, bench.now, &[0.5, 0.95, 0.99]);
        (bench.stats().sent, times)
    });
    let [(sent, flow), (judged, judge)] = measured;
    assert!((sent - judged).abs() < 20.0, "{sent} and {judged} came");
    assert!(judge[2] > 3.0 * judge[0], "{judge:?}");
    for (flow, judge) in flow.iter().zip(&judge) {
        assert!((0.7..1.4).contains(&(flow / judge)), "{flow} for {judge} s");
    }
}

#[test]
fn cpu_seconds_are_those_of_the_work() {
    for fidelity in BOTH {
        let mut bench = Bench::new(closed(), fidelity, 2);
        bench.servers(1..9, 1);
        bench.clients(100..101, 0);
        bench.pass(100);
        let served = bench.stats().served;
        let used: f64 = (1..9)
            .map(|id| bench.traffic.cpu_seconds(bench.now, PodId(id)))
            .sum();
        // 64 ms of a core, at the speed of 2.5 busy threads on two cores.
        let each = used / served;
        assert!((0.073..0.077).contains(&each), "{fidelity:?}: {each}");
        let client = bench.traffic.cpu_seconds(bench.now, PodId(100)) / served;
        assert!((0.0070..0.0078).contains(&client), "{fidelity:?}: {client}");
    }
}

/// Where GPUs are as busy as can be, response times are those of the clients that wait for them, and the states of one
/// run are not taken for each other.
#[test]
fn clients_wait_their_turn_at_busy_gpus() {
    for fidelity in BOTH {
        let gpu = Gpu {
            time: [("t4".to_owned(), Distribution::Constant(0.011))].into(),
            other: Distribution::Constant(0.5),
            concurrency: 1,
        };
        let machine = {
            let model = Some(gpu.model("t4"));
            Cpu::default().machine("g4dn.xlarge", 3100.0, 4, 2, NodeKind::Worker, model)
        };
        let service = Service {
            cpu_per_request: Distribution::Constant(0.002),
            gpu: Some(gpu),
            ..Service::default()
        };
        let mut config = Config { service, ..closed() };
        config.clients = Some(Clients {
            client_cpu: 0.0005,
            ..Clients::default()
        });
        let mut bench = Bench::new(config, fidelity, 2);
        for node in 2..4 {
            bench.tell(Input::NodeUp {
                node: NodeId(node),
                machine,
            });
        }
        // One GPU for thirty clients, and then two.
        bench.servers(1..2, 2);
        bench.clients(100..130, 1);
        bench.pass(15);
        let from = bench.now;
        let rate = bench.pass(60);
        let to = bench.now;
        bench.servers(2..3, 3);
        bench.pass(90);
        let median = bench.traffic.latency(from, to, &[0.5])[0];
        // Ten milliseconds asleep, ten under way, and the client's own work.
        let cycle = 30.0 / rate;
        assert!(
            (cycle - 0.04..cycle).contains(&median),
            "{fidelity:?}: {median} s of {cycle} s"
        );
    }
}

#[test]
fn every_gpu_of_the_catalog_has_the_time_of_its_label() {
    let models = crate::catalog::gpu_models();
    let time = models
        .iter()
        .zip(1..)
        .map(|(model, n)| (model.clone(), Distribution::Constant(f64::from(n))));
    let gpu = Gpu {
        time: time.collect(),
        other: Distribution::Constant(0.0),
        concurrency: 1,
    };
    for own in crate::catalog::types().iter().filter_map(|spec| spec.gpu) {
        let place = models
            .iter()
            .position(|model| *model == own.label())
            .expect("a model");
        assert_eq!(
            gpu.time_on(Some(gpu.model(&own.label()))).mean(),
            (place + 1) as f64,
            "{own:?}"
        );
    }
    assert_eq!(gpu.time_on(Some(gpu.model("warp"))).mean(), 0.0);
}

#[test]
fn a_gpu_sets_the_pace_of_a_gpu_service() {
    for fidelity in BOTH {
        let time = [("t4".to_owned(), Distribution::Constant(0.1))].into();
        let gpu = Gpu {
            time,
            other: Distribution::Constant(0.5),
            concurrency: 2,
        };
        let machine = {
            let model = Some(gpu.model("t4"));
            Cpu::default().machine("g4dn.xlarge", 3100.0, 4, 2, NodeKind::Worker, model)
        };
        let cpu_per_request = Distribution::Constant(0.002);
        let service = Service {
            cpu_per_request,
            gpu: Some(gpu),
            ..Service::default()
        };
        let mut bench = Bench::new(Config { service, ..closed() }, fidelity, 1);
        bench.tell(Input::NodeUp {
            node: NodeId(7),
            machine,
        });
        bench.run(PodId(1), Role::Server, 7, NO_REQUEST);
        bench.tell(Input::PodReady {
            pod: PodId(1),
            ready: true,
        });
        bench.clients(100..110, 0);
        bench.pass(10);
        let rate = bench.pass(60);
        assert!((18.5..=20.1).contains(&rate), "{fidelity:?}: {rate}");
    }
}

#[test]
fn a_node_takes_its_pods_with_it() {
    for fidelity in BOTH {
        let mut bench = Bench::new(stalling(), fidelity, 2);
        bench.servers(1..5, 0);
        bench.servers(5..9, 1);
        bench.clients(100..110, 0);
        bench.pass(20);
        bench.tell(Input::NodeGone(NodeId(1)));
        let blind = bench.pass(40);
        assert!(
            blind < 12.0,
            "{fidelity:?}: half of the requests still go there: {blind}"
        );
        for id in 5..9 {
            bench.tell(Input::PodReady {
                pod: PodId(id),
                ready: false,
            });
        }
        bench.pass(40);
        let rate = bench.pass(20);
        assert!((16.0..21.0).contains(&rate), "{fidelity:?}: {rate}");
    }
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let run = |fidelity| {
        let mut bench = Bench::new(closed(), fidelity, 2);
        bench.servers(1..9, 1);
        bench.clients(100..120, 0);
        bench.pass(30);
        format!(
            "{:?} {:?}",
            bench.stats(),
            bench.traffic.exposition(bench.now, PROXY)
        )
    };
    BOTH.into_iter()
        .for_each(|fidelity| assert_eq!(run(fidelity), run(fidelity)));
}

#[test]
fn flow_takes_response_times_from_probes() {
    let p95 = BOTH.map(|fidelity| {
        let mut bench = Bench::new(closed(), fidelity, 2);
        bench.servers(1..11, 0);
        bench.servers(11..21, 1);
        bench.clients(100..110, 0);
        bench.clients(110..120, 1);
        bench.pass(120);
        bench.traffic.latency(Instant::from_secs(15), bench.now, &[0.95])[0]
    });
    assert!((p95[0] / p95[1] - 1.0).abs() < 0.15, "{p95:?}");
}

#[test]
fn nothing_is_lost_whatever_comes_and_goes() {
    let secs = Duration::from_secs;
    let shapes = [
        Shape::Ramp {
            from: 0.0,
            to: 40.0,
            start: secs(5),
            end: secs(40),
        },
        Shape::Sine {
            mean: 12.0,
            amplitude: 12.0,
            period: secs(37),
            offset: secs(3),
        },
        Shape::Spike {
            base: 1.0,
            peak: 90.0,
            at: secs(20),
            duration: secs(10),
        },
        Shape::Trace {
            points: vec![(secs(1), 3.3), (secs(7), 20.1), (secs(50), 0.0)],
        },
    ];
    let bursts = Process::Mmpp {
        burst: 3.0,
        share: 0.2,
        length: secs(2),
    };
    for (fidelity, shape) in BOTH
        .into_iter()
        .flat_map(|fidelity| shapes.clone().map(|shape| (fidelity, shape)))
    {
        let arrivals = Arrivals {
            shape,
            process: bursts,
            network_delay: Distribution::Exponential { mean: 0.02 },
            timeout: Some(secs(4)),
        };
        let mut config = Config {
            arrivals: vec![arrivals],
            ..closed()
        };
        config.service.concurrency = Some(3);
        // Every step audits: sent = served + failed + under way.
        let mut bench = Bench::new(config, fidelity, 3);
        bench.clients(100..110, 0);
        bench.servers(1..6, 1);
        bench.pass(15);
        bench.servers(6..12, 2);
        bench.pass(10);
        (1..6).for_each(|id| bench.tell(Input::PodStopped(PodId(id))));
        bench.pass(5);
        bench.tell(Input::PodStopped(PROXY));
        bench.pass(3);
        bench.run(PROXY, Role::Proxy, 0, NO_REQUEST);
        bench.tell(Input::PodReady {
            pod: PROXY,
            ready: true,
        });
        bench.pass(10);
        bench.tell(Input::NodeGone(NodeId(2)));
        bench.pass(40);
        (100..110).for_each(|id| bench.tell(Input::PodStopped(PodId(id))));
        bench.pass(40);
        let stats = bench.stats();
        assert!(
            stats.served > 100.0 && stats.failed > 10.0,
            "{fidelity:?}: {stats:?}"
        );
    }
}

/// What is under way when the last pods go is answered as it would have been: it has not waited for a sender's patience.
#[test]
fn requests_end_as_they_began_when_the_pods_are_taken_off_the_list() {
    for fidelity in BOTH {
        let mut bench = Bench::new(open(20.0, Some(Duration::from_secs(10))), fidelity, 3);
        bench.servers(1..9, 1);
        bench.pass(60);
        (1..9).for_each(|id| bench.tell(Input::PodDeleting(PodId(id))));
        let (served, deleted) = (bench.stats().served, bench.now);
        bench.pass(5);
        assert!(
            bench.stats().served > served,
            "{fidelity:?}: nothing was under way"
        );
        let most = bench.traffic.latency(deleted, bench.now, &[1.0])[0];
        assert!(most < 5.0, "{fidelity:?}: {most} s");
    }
}

#[test]
fn two_proxies_share_the_requests() {
    for fidelity in BOTH {
        let mut bench = Bench::new(closed(), fidelity, 2);
        let second = PodId(99);
        bench.run(second, Role::Proxy, 1, NO_REQUEST);
        bench.tell(Input::PodReady {
            pod: second,
            ready: true,
        });
        bench.servers(1..9, 1);
        bench.clients(100..104, 0);
        bench.pass(100);
        let served = bench.stats().served;
        let first = bench.counted(SERVICE_TOTAL, "200").unwrap();
        assert!(
            (first / served - 0.5).abs() < 0.05,
            "{fidelity:?}: {first} of {served}"
        );
    }
}
