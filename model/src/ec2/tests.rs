use std::time::Duration;

use sim::{Action, Agenda, SortedSet};

use super::*;
use crate::catalog::kubelet::{AmiFamily, Kubelet};
use crate::catalog::volume::Volume;
use crate::quantity::{Bytes, MilliCpu, Price};

fn catalog() -> Arc<Catalog> {
    let date = "2024-02-01".parse().expect("a date");
    Arc::new(Catalog::new("us-west-2", Some(date)).expect("a region"))
}

fn config() -> Config {
    let constant = Distribution::Constant;
    Config {
        times: BootTimes {
            fleet_call: constant(2.0),
            pending: constant(10.0),
            boot: constant(30.0),
            network: constant(15.0),
            bare_metal: constant(200.0),
            accelerated: constant(5.0),
            shutting_down: constant(40.0),
        },
        ..Config::default()
    }
}

fn request(capacity_type: CapacityType, types: &[&str], zones: &[&str]) -> Arc<FleetRequest> {
    let pool = |instance_type: &&str, zone: &str| Override {
        instance_type: (*instance_type).into(),
        zone: format!("us-west-2{zone}").into(),
        reservation: None,
    };
    let overrides = types
        .iter()
        .flat_map(|t| zones.iter().map(move |zone| pool(t, zone)));
    Arc::new(FleetRequest {
        capacity_type,
        overrides: overrides.collect(),
        volumes: [Volume::gp3(Bytes::from_gib(80))].into(),
        detailed_monitoring: false,
        registration_delay: None,
    })
}

/// Runs until nothing is left to do or `end`, and writes down what was told.
fn run(ec2: &mut Ec2, inputs: Vec<(u64, Input)>, end: u64) -> Vec<(u64, Output)> {
    let mut agenda = Agenda::new();
    for (at, input) in inputs {
        agenda.at(Instant::from_secs(at), input);
    }
    let (mut told, mut out) = (Vec::new(), Outbox::new());
    while let Some((now, input)) = agenda.pop() {
        if now > Instant::from_secs(end) {
            break;
        }
        ec2.handle(now, input, (), &mut out);
        for action in out.drain() {
            match action {
                Action::WakeAt(at, input) => agenda.at(at, input),
                Action::Emit(output) => told.push((now.as_secs(), output)),
            }
        }
    }
    told
}

fn launched(told: &[(u64, Output)]) -> Vec<Option<String>> {
    let answers = told.iter().filter_map(|(_, output)| match output {
        Output::FleetAnswered(_, answer) => Some(&answer.launched),
        _ => None,
    });
    let name = |own: &Option<Launched>| {
        let choice = &own.as_ref()?.choice;
        Some(format!("{} {}", choice.instance_type, &choice.zone[9..]))
    };
    answers.map(name).collect()
}

const CLAIM: NodeClaimId = NodeClaimId(0);
const FIRST: InstanceId = InstanceId(0);

#[test]
fn an_instance_lives_its_life() {
    let mut ec2 = Ec2::new(config(), catalog(), &[], &Streams::new(1));
    let inputs = vec![
        (
            0,
            Input::CreateFleet(CLAIM, request(CapacityType::OnDemand, &["m5.large"], &["a"])),
        ),
        (100, Input::Terminate(FIRST)),
        (101, Input::Terminate(FIRST)),
    ];
    let told = run(&mut ec2, inputs, 1000);
    let life: Vec<(u64, &Output)> = told[1..].iter().map(|(at, output)| (*at, output)).collect();
    assert_eq!(told[0].0, 2);
    assert_eq!(
        life,
        [
            (12, &Output::InstanceRunning(FIRST)),
            (42, &Output::NodeJoins(FIRST)),
            (57, &Output::NodeReady(FIRST)),
            (100, &Output::ShuttingDown(FIRST)),
            (140, &Output::InstanceGone(FIRST)),
        ]
    );
    // 88 s of 0.096 an hour; 138 s of 80 GiB at 0.08 a month of 720 hours.
    let bill = ec2.bill(Instant::ZERO, Instant::from_secs(1000));
    let m5 = bill["m5.large"];
    let close = |is: f64, expected: f64| assert!((is - expected).abs() < 1e-9, "{is} for {expected}");
    close(m5.instance_usd, 0.096 * 88.0 / 3600.0);
    close(m5.volume_usd, 0.008889 * 138.0 / 3600.0);
    close(m5.node_hours, 88.0 / 3600.0);
    assert_eq!(m5.nodes, 1);
    assert_eq!(ec2.hourly_cost(), (Price(0), Price(0)));
}

#[test]
fn a_minute_is_the_least() {
    let mut ec2 = Ec2::new(config(), catalog(), &[], &Streams::new(1));
    let inputs = vec![
        (
            0,
            Input::CreateFleet(CLAIM, request(CapacityType::OnDemand, &["m5.large"], &["a"])),
        ),
        (20, Input::Terminate(FIRST)),
    ];
    run(&mut ec2, inputs, 1000);
    let m5 = ec2.bill(Instant::ZERO, Instant::from_secs(1000))["m5.large"];
    assert!((m5.instance_usd - 0.0016).abs() < 1e-12, "{}", m5.instance_usd);
}

/// c5.large and c6i.large both cost 0.085 in every zone: which of them in which zone is left to chance.
#[test]
fn on_demand_goes_by_price_alone() {
    let types = ["m5.large", "c5.large", "m6i.large", "c6i.large"];
    let first = |seed| {
        let mut ec2 = Ec2::new(config(), catalog(), &[], &Streams::new(seed));
        let fleet = Input::CreateFleet(CLAIM, request(CapacityType::OnDemand, &types, &["b", "a"]));
        launched(&run(&mut ec2, vec![(0, fleet)], 3)).remove(0)
    };
    let seen: SortedSet<String> = (0..50).filter_map(first).collect();
    let equal = ["c5.large a", "c5.large b", "c6i.large a", "c6i.large b"];
    assert_eq!(seen, SortedSet::from(equal.map(str::to_owned)));
}

#[test]
fn spot_goes_by_depth_and_then_by_price() {
    let types = ["m5.large", "m3.medium", "r5.large"];
    let spot = || {
        vec![(
            0,
            Input::CreateFleet(CLAIM, request(CapacityType::Spot, &types, &["a"])),
        )]
    };
    let first = |config: Config| {
        let mut ec2 = Ec2::new(config, catalog(), &[], &Streams::new(1));
        launched(&run(&mut ec2, spot(), 3)).remove(0)
    };
    // Bands of 2024: r5.large 1, m3.medium 2, m5.large 3.
    assert_eq!(first(config()).as_deref(), Some("r5.large a"));
    let deep = Config {
        deep_pools: vec![TypePattern("m5.large".to_owned())],
        ..config()
    };
    assert_eq!(first(deep).as_deref(), Some("m5.large a"));
}

// (EC2 user guide, On-Demand Instance quotas)
#[test]
fn each_group_of_families_has_a_quota_of_its_own() {
    let check = |quota: Quota, expected: [bool; 4]| {
        let limited = Config {
            on_demand_vcpus: Some(quota),
            ..config()
        };
        let mut ec2 = Ec2::new(limited, catalog(), &[], &Streams::new(1));
        let fleet = |name| Input::CreateFleet(CLAIM, request(CapacityType::OnDemand, &[name], &["a"]));
        let names = ["m5.large", "c5.large", "g4dn.xlarge", "g4dn.xlarge"];
        let inputs = (0..).zip(names).map(|(at, name)| (10 * at, fleet(name)));
        let told = run(&mut ec2, inputs.collect(), 60);
        let made: Vec<bool> = launched(&told).iter().map(Option::is_some).collect();
        assert_eq!(made, expected);
    };
    check(Quota::Each(4), [true, true, true, false]);
    check(Quota::Each(2), [true, false, false, false]);
    let groups = |groups: &[(QuotaGroup, u32)]| Quota::Groups(groups.iter().copied().collect());
    check(groups(&[(QuotaGroup::Standard, 2)]), [true, false, true, true]);
    check(
        groups(&[(QuotaGroup::Standard, 64), (QuotaGroup::G, 0)]),
        [true, true, false, false],
    );
}

#[test]
fn what_is_short_fails_and_is_named() {
    let shortage = Shortage {
        instance_types: vec![TypePattern("m5".to_owned())],
        zones: vec!["us-west-2a".into()],
        capacity_types: Vec::new(),
        from: Instant::from_secs(10),
        until: Some(Instant::from_secs(20)),
    };
    let limited = Config {
        shortages: vec![shortage],
        on_demand_vcpus: Some(Quota::Each(6)),
        ..config()
    };
    let fleet = |zones| Input::CreateFleet(CLAIM, request(CapacityType::OnDemand, &["m5.large"], zones));
    let errors_of = |seed| {
        let mut ec2 = Ec2::new(limited.clone(), catalog(), &[], &Streams::new(seed));
        let inputs = vec![
            (0, fleet(&["a"])),
            (10, fleet(&["a", "b"])),
            (11, fleet(&["a"])),
            (20, fleet(&["a"])),
            (30, fleet(&["a", "z"])),
        ];
        let told = run(&mut ec2, inputs, 40);
        let some = |zone: &str| Some(format!("m5.large {zone}"));
        assert_eq!(launched(&told), [some("a"), some("b"), None, some("a"), None]);
        let errors = |(_, output): &(u64, Output)| match output {
            Output::FleetAnswered(_, answer) => Some(answer.errors.iter().map(|e| e.code).collect()),
            _ => None,
        };
        told.iter().filter_map(errors).collect::<Vec<Vec<ErrorCode>>>()
    };
    use fleet::ErrorCode::{
        self, InsufficientInstanceCapacity as Short, Unsupported, VcpuLimitExceeded as Limit,
    };
    // Whether the zone that has some is asked first, and which of the others, is chance.
    let seen: SortedSet<Vec<Vec<ErrorCode>>> = (0..50).map(errors_of).collect();
    let last = [vec![Limit, Unsupported], vec![Unsupported, Limit]];
    let second = [vec![], vec![Short]];
    let expected = last.iter().flat_map(|last| {
        let whole = |second: &Vec<_>| vec![vec![], second.clone(), vec![Short], vec![], last.clone()];
        second.iter().map(whole)
    });
    assert_eq!(seen, expected.collect());
}

#[test]
fn an_interrupted_instance_has_two_minutes() {
    let often = Config {
        interruption: Interruption::PerHour(60.0),
        rebalance_lead: Some(Duration::from_secs(10)),
        ..config()
    };
    let mut ec2 = Ec2::new(often, catalog(), &[], &Streams::new(3));
    let inputs = vec![(
        0,
        Input::CreateFleet(CLAIM, request(CapacityType::Spot, &["m5.large"], &["a"])),
    )];
    let told = run(&mut ec2, inputs, 100_000);
    let at = |wanted: &Output| {
        told.iter()
            .find(|(_, output)| output == wanted)
            .map(|(at, _)| *at)
    };
    let notice = at(&Output::InterruptionNotice(FIRST)).expect("a notice");
    assert_eq!(at(&Output::ShuttingDown(FIRST)), Some(notice + 120));
    assert!(at(&Output::RebalanceRecommended(FIRST)).expect("a recommendation") <= notice);
    assert_eq!(
        told.iter()
            .filter(|(_, output)| *output == Output::InterruptionNotice(FIRST))
            .count(),
        1
    );
    // Within its first hour: free, but not its volume.
    let from = |second| ec2.bill(Instant::from_secs(second), Instant::from_secs(100_000));
    let bill = from(0)["m5.large"];
    assert!(bill.instance_usd == 0.0 && bill.volume_usd > 0.0, "{bill:?}");
    // That is no credit for what it ran before one began to count.
    let later = from(notice)["m5.large"];
    assert_eq!((later.instance_usd, later.nodes), (0.0, 1));
    assert!(later.volume_usd < bill.volume_usd && later.node_hours < bill.node_hours);
    let gone = at(&Output::InstanceGone(FIRST)).expect("it goes");
    assert!(from(gone + 1).is_empty(), "it was gone before");
}

#[test]
fn only_spot_has_a_free_hour() {
    for (bought, free) in [(CapacityType::Spot, true), (CapacityType::OnDemand, false)] {
        let mut ec2 = Ec2::new(config(), catalog(), &[], &Streams::new(3));
        let fleet = Input::CreateFleet(CLAIM, request(bought, &["m5.large"], &["a"]));
        let told = run(&mut ec2, vec![(0, fleet), (600, Input::Interrupt(FIRST))], 2000);
        assert!(told.contains(&(720, Output::ShuttingDown(FIRST))), "{told:?}");
        let bill = ec2.bill(Instant::ZERO, Instant::from_secs(2000));
        assert_eq!(bill["m5.large"].instance_usd == 0.0, free, "{bought:?}");
    }
}

#[test]
fn two_bills_in_a_row_are_one() {
    let mut ec2 = Ec2::new(config(), catalog(), &[], &Streams::new(1));
    let fleet = Input::CreateFleet(CLAIM, request(CapacityType::OnDemand, &["m5.large"], &["a"]));
    run(&mut ec2, vec![(0, fleet), (100, Input::Terminate(FIRST))], 1000);
    let bill = |from, to| {
        let bill = ec2.bill(Instant::from_secs(from), Instant::from_secs(to));
        bill.get("m5.large").copied().unwrap_or_default()
    };
    let all = bill(0, 1000);
    // Before it runs, in its first minute, while it runs, while it shuts down.
    for at in [5, 20, 80, 120] {
        let (one, other) = (bill(0, at), bill(at, 1000));
        let sums = [
            (one.node_hours + other.node_hours, all.node_hours),
            (one.instance_usd + other.instance_usd, all.instance_usd),
            (one.volume_usd + other.volume_usd, all.volume_usd),
        ];
        for (sum, whole) in sums {
            assert!(
                (sum - whole).abs() < 1e-12,
                "at {at}: {one:?} and {other:?} are not {all:?}"
            );
        }
    }
}

#[test]
fn advised_rates_are_monthly_shares() {
    let per_month = |band| 1.0 - libm::exp(-Interruption::Advisor.per_hour(band) * 730.0);
    assert!((per_month(Some(1)) - 0.075).abs() < 1e-12);
    assert!((per_month(Some(4)) - 0.25).abs() < 1e-12);
}

#[test]
fn node_groups_are_there_from_the_start() {
    let group = NodeGroup {
        name: "system".to_owned(),
        instance_type: "c5.xlarge".into(),
        size: 2,
        zones: vec!["us-west-2b".into(), "us-west-2c".into()],
        capacity_type: CapacityType::OnDemand,
        ami_family: AmiFamily::Al2,
        kubelet: Kubelet::default(),
        volumes: vec![Volume::gp3(Bytes::from_gib(300))],
        detailed_monitoring: false,
        labels: Labels::new(),
        taints: Vec::new(),
    };
    let ec2 = Ec2::new(
        config(),
        catalog(),
        std::slice::from_ref(&group),
        &Streams::new(1),
    );
    assert_eq!(ec2.hourly_cost().0, Price::from_usd_per_hour(0.34));
    let nodes: Vec<_> = ec2
        .instances()
        .iter()
        .map(|(id, instance)| node::of_group(id, instance, ec2.catalog(), &group))
        .collect();
    let node = &nodes[1];
    assert_eq!(node.label("topology.kubernetes.io/zone"), "us-west-2c");
    assert_eq!(node.label("eks.amazonaws.com/nodegroup"), "system");
    assert_eq!(node.instance_type(), "c5.xlarge");
    assert!(node.ready && node.taints.is_empty() && node.name.ends_with(".us-west-2.compute.internal"));
    assert_eq!(
        (node.allocatable.cpu, node.allocatable.pods),
        (MilliCpu(3920), 58)
    );
    // Linux sees 7,727 MiB of 8,192; the kubelet takes 893 and 100.
    assert_eq!(node.allocatable.memory, Bytes::from_mib(7727 - 893 - 100));
    assert_ne!(nodes[0].name, nodes[1].name);
}

#[test]
fn a_node_joins_unready_and_without_devices() {
    let mut ec2 = Ec2::new(config(), catalog(), &[], &Streams::new(1));
    let inputs = vec![(
        0,
        Input::CreateFleet(CLAIM, request(CapacityType::OnDemand, &["g4dn.xlarge"], &["a"])),
    )];
    let told = run(&mut ec2, inputs, 1000);
    assert!(
        told.contains(&(47, Output::NodeJoins(FIRST))),
        "boot takes 5 s more with a GPU"
    );
    let instance = ec2.instances().get(FIRST).expect("an instance");
    let bootstrap = node::Bootstrap {
        ami_family: AmiFamily::Al2023,
        kubelet: &Kubelet::default(),
        ephemeral_storage: Bytes::from_gib(80),
        labels: &Labels::new(),
        taints: &[],
        claim: Some(CLAIM),
    };
    let mut node = node::joining(Instant::from_secs(47), FIRST, instance, ec2.catalog(), &bootstrap);
    assert!(!node.ready && node.taints.len() == 1 && node.capacity.extended.is_empty());
    assert!(
        node.name.ends_with(".us-west-2.compute.internal"),
        "{}",
        node.name
    );
    let first = Catalog::new("us-east-1", None).expect("a region");
    let there = node::joining(Instant::ZERO, FIRST, instance, &first, &bootstrap);
    assert_eq!(there.name, format!("{}.ec2.internal", instance.address));
    node::set_ready(&mut node, Instant::from_secs(62));
    node::add_devices(&mut node, instance.spec);
    assert!(node.ready && node.taints.is_empty());
    assert_eq!(node.allocatable.extended("nvidia.com/gpu"), 1);
}

use crate::api::Labels;
