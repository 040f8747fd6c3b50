use std::sync::Arc;
use std::time::Duration;

use super::launch::{InsufficientCapacity, details, fleet_request};
use super::*;
use crate::api::Labels;
use crate::catalog::kubelet::{AmiFamily, Kubelet};
use crate::ec2::fleet::{FleetRequest, Launched, Override};
use crate::karpenter::state::{Conditions, NodeClaim};
use crate::karpenter::{Requirement, Requirements, labels};
use crate::quantity::{MilliCpu, Resources};

const POOL: NodePoolId = NodePoolId(0);

fn profile(version: &str) -> Profile {
    Profile::of(version.parse().expect("a release"))
}

fn catalog(date: &str) -> Arc<Catalog> {
    let date = date.parse().expect("a date");
    Arc::new(Catalog::new("us-west-2", Some(date)).expect("a region"))
}

fn provider_with(version: &str, catalog: Arc<Catalog>, class: NodeClass) -> Provider {
    let profile = profile(version);
    let mut provider = Provider::new(profile, Settings::of(&profile), catalog, Lists::default());
    provider.set_classes(&SortedMap::from([(POOL, Arc::new(class))]));
    provider
}

fn provider(version: &str) -> Provider {
    provider_with(
        version,
        catalog("2024-02-01"),
        NodeClass::new("default", AmiFamily::Al2),
    )
}

fn requirements(entries: &[(&str, &[&str])]) -> Requirements {
    let requirement = |values: &[&str]| Requirement::any_of(values.iter().copied());
    entries
        .iter()
        .map(|(key, values)| (*key, requirement(values)))
        .collect()
}

fn claim(requirements: Requirements, requests: Resources) -> NodeClaim {
    NodeClaim {
        name: "default-abcde".to_owned(),
        pool: POOL,
        labels: Arc::new(Labels::new()),
        annotations: Labels::new(),
        created: Instant::ZERO,
        deleting: None,
        requirements,
        instance_types: [].into(),
        requests,
        taints: [].into(),
        startup_taints: [].into(),
        node_class: "default".into(),
        expire_after: None,
        termination_grace_period: None,
        instance: None,
        made_by: None,
        node: None,
        capacity: Resources::default(),
        allocatable: Resources::default(),
        conditions: Conditions::default(),
        last_pod_event: None,
    }
}

fn cpu(milli: i64) -> Resources {
    Resources {
        cpu: MilliCpu(milli),
        pods: 1,
        ..Resources::default()
    }
}

fn request(provider: &Provider, claim: &NodeClaim) -> Result<FleetRequest, InsufficientCapacity> {
    request_of(provider, claim, AmiFamily::Al2)
}

fn request_of(
    provider: &Provider,
    claim: &NodeClaim,
    family: AmiFamily,
) -> Result<FleetRequest, InsufficientCapacity> {
    let types = provider.of_pool(POOL).expect("the pool has a class");
    let class = NodeClass::new("default", family);
    fleet_request(claim, types, &class, &provider.profile)
}

fn types(request: &FleetRequest) -> Vec<&str> {
    let mut names: Vec<&str> = request.overrides.iter().map(|own| &*own.instance_type).collect();
    names.dedup();
    names
}

fn built<'a>(provider: &'a Provider, name: &str) -> &'a InstanceType {
    let types = provider.of_pool(POOL).expect("the pool has a class");
    &types[position(types, name).expect("a type")]
}

#[test]
fn a_type_has_its_labels_resources_and_offerings() {
    let provider = provider("0.32.4");
    let t = built(&provider, "g4dn.12xlarge");
    let check = |key: &str, expected: &[&str]| {
        let values = t.requirements.get(key).expect("a requirement").values();
        assert_eq!(
            values.iter().map(|value| &**value).collect::<Vec<_>>(),
            expected,
            "{key}"
        );
    };
    check("karpenter.k8s.aws/instance-gpu-name", &["t4"]);
    check("karpenter.k8s.aws/instance-gpu-manufacturer", &["nvidia"]);
    check("karpenter.k8s.aws/instance-gpu-count", &["4"]);
    check("karpenter.k8s.aws/instance-gpu-memory", &["16384"]);
    check("karpenter.k8s.aws/instance-category", &["g"]);
    check("karpenter.k8s.aws/instance-generation", &["4"]);
    check("karpenter.k8s.aws/instance-family", &["g4dn"]);
    check("karpenter.k8s.aws/instance-size", &["12xlarge"]);
    check("karpenter.k8s.aws/instance-cpu", &["48"]);
    check("karpenter.k8s.aws/instance-memory", &["196608"]);
    check("karpenter.k8s.aws/instance-local-nvme", &["900"]);
    check("karpenter.k8s.aws/instance-hypervisor", &["nitro"]);
    check("karpenter.k8s.aws/instance-network-bandwidth", &["50000"]);
    check("karpenter.k8s.aws/instance-accelerator-name", &[]);
    check("karpenter.k8s.aws/instance-cpu-manufacturer", &["intel"]);
    check(labels::CAPACITY_TYPE, &["on-demand", "spot"]);
    check(labels::ARCH, &["amd64"]);
    check(labels::INSTANCE_TYPE, &["g4dn.12xlarge"]);
    check(labels::ZONE, &["us-west-2a", "us-west-2b", "us-west-2c"]);
    assert_eq!(t.capacity.extended("nvidia.com/gpu"), 4);
    assert_eq!(t.capacity.cpu, MilliCpu(48_000));
    let prices: Vec<f64> = t
        .offerings
        .iter()
        .map(|offering| offering.price.usd_per_hour())
        .collect();
    assert_eq!(prices, [3.912, 1.2532, 3.912, 1.2692, 3.912, 1.2612]);
}

#[test]
fn a_class_says_where_and_how() {
    let class = NodeClass {
        zones: vec!["us-west-2b".into()],
        kubelet: Kubelet {
            max_pods: Some(8),
            ..Kubelet::default()
        },
        volumes: vec![crate::catalog::volume::Volume::gp3(Bytes::from_gib(80))],
        ..NodeClass::new("default", AmiFamily::Al2023)
    };
    let provider = provider_with("1.5", catalog("2024-02-01"), class);
    let m5 = built(&provider, "m5.large");
    assert!(
        m5.offerings
            .iter()
            .all(|offering| &*offering.zone == "us-west-2b")
    );
    assert_eq!(m5.allocatable().pods, 8);
    assert_eq!(m5.allocatable().ephemeral_storage, Bytes::from_gib(80 - 8 - 1));
    // The pod slots of the interfaces count for reserved memory even so.
    assert_eq!(m5.allocatable().memory, Bytes::from_mib(6903));
}

#[test]
fn spot_goes_first_and_cheapest_first() {
    let provider = provider("1.5");
    let wide = requirements(&[
        (labels::CAPACITY_TYPE, &["on-demand", "spot"]),
        ("karpenter.k8s.aws/instance-category", &["c", "m", "r"]),
    ]);
    let call = request(&provider, &claim(wide, cpu(1780))).expect("a call");
    assert_eq!(call.capacity_type, CapacityType::Spot);
    let names = types(&call);
    assert_eq!(names.len(), launch::MAX_INSTANCE_TYPES);
    let price = |name: &&str| {
        provider
            .catalog
            .get(name)
            .and_then(Entry::cheapest_spot)
            .expect("a price")
    };
    assert!(
        names.windows(2).all(|pair| price(&pair[0]) <= price(&pair[1])),
        "{names:?}"
    );
    // Nothing cheaper that would do was left out.
    let dearest = price(names.last().expect("sixty"));
    let cheaper = provider.catalog.entries().iter().filter(|entry| {
        let fits = entry.spec.vcpus >= 2 && ["c", "m", "r"].contains(&entry.spec.category);
        fits && entry.cheapest_spot().is_some_and(|own| own < dearest)
    });
    for entry in cheaper {
        assert!(names.contains(&entry.spec.name), "{}", entry.spec.name);
    }
}

use crate::catalog::Entry;

#[test]
fn exotic_types_are_for_those_who_ask() {
    let provider = provider("1.5");
    let on_demand = |entries: &[(&str, &[&str])]| {
        let mut all = requirements(&[(labels::CAPACITY_TYPE, &["on-demand"])]);
        all.add_all(&requirements(entries));
        all
    };
    let mixed = on_demand(&[(labels::INSTANCE_TYPE, &["g4dn.xlarge", "m5.metal", "c5.24xlarge"])]);
    let call = request(&provider, &claim(mixed.clone(), cpu(1000))).expect("a call");
    assert_eq!(types(&call), ["c5.24xlarge"]);
    let gpu = Resources {
        extended: SortedMap::from([("nvidia.com/gpu".into(), 1)]),
        ..cpu(1000)
    };
    let call = request(&provider, &claim(mixed, gpu.clone())).expect("a call");
    assert_eq!(types(&call), ["g4dn.xlarge"]);
    let none = on_demand(&[(labels::INSTANCE_TYPE, &["c5.large"])]);
    assert_eq!(request(&provider, &claim(none, gpu)), Err(InsufficientCapacity));
}

#[test]
fn a_type_without_a_machine_image_is_not_asked_for() {
    let gpu = Resources {
        extended: SortedMap::from([("nvidia.com/gpu".into(), 1)]),
        ..cpu(1000)
    };
    let check = |version: &str, family, expected: &[&str]| {
        let wanted = requirements(&[
            (labels::CAPACITY_TYPE, &["spot"]),
            (labels::INSTANCE_TYPE, &["g5g.xlarge", "g4dn.xlarge"]),
        ]);
        let call = request_of(&provider(version), &claim(wanted, gpu.clone()), family).expect("a call");
        let mut names = types(&call);
        names.sort_unstable();
        assert_eq!(names, expected, "{version} {family:?}");
    };
    check("0.32.4", AmiFamily::Al2, &["g4dn.xlarge"]);
    check("1.14", AmiFamily::Al2, &["g4dn.xlarge"]);
    check("1.3", AmiFamily::Al2023, &["g4dn.xlarge"]);
    check("1.4", AmiFamily::Al2023, &["g4dn.xlarge", "g5g.xlarge"]);
    check("0.37", AmiFamily::Al2023, &["g4dn.xlarge", "g5g.xlarge"]);
    check("0.32.4", AmiFamily::Bottlerocket, &["g4dn.xlarge", "g5g.xlarge"]);
    let arm = requirements(&[(labels::INSTANCE_TYPE, &["g5g.xlarge"])]);
    let none = request_of(&provider("0.32.4"), &claim(arm, gpu.clone()), AmiFamily::Al2);
    assert_eq!(none, Err(InsufficientCapacity));
}

#[test]
fn dear_spot_is_left_out_by_type_and_later_by_offering() {
    let dear = || {
        let mut catalog = (*catalog("2024-02-01")).clone();
        let usd = Price::from_usd_per_hour;
        catalog.set_spot("m5.xlarge", None, usd(0.5));
        catalog.set_spot("m5.large", None, usd(0.5));
        catalog.set_spot("m5.large", Some("us-west-2b"), usd(0.05));
        catalog.set_spot("c5.large", None, usd(0.03));
        Arc::new(catalog)
    };
    let pools = |version: &str| {
        let provider = provider_with(version, dear(), NodeClass::new("default", AmiFamily::Al2));
        let both = requirements(&[
            (labels::CAPACITY_TYPE, &["on-demand", "spot"]),
            (labels::INSTANCE_TYPE, &["c5.large", "m5.large", "m5.xlarge"]),
            (labels::ZONE, &["us-west-2a", "us-west-2b"]),
        ]);
        let call = request(&provider, &claim(both, cpu(1000))).expect("a call");
        let pools = call
            .overrides
            .iter()
            .map(|own| format!("{} {}", own.instance_type, &own.zone[9..]));
        pools.collect::<Vec<_>>()
    };
    // The cheapest on-demand price is c5.large's 0.085. m5.xlarge goes altogether. One zone of m5.large is
    // cheap enough, which until v1.8 saves its other zone too.
    assert_eq!(
        pools("1.8"),
        ["c5.large a", "c5.large b", "m5.large a", "m5.large b"]
    );
    assert_eq!(pools("1.9"), ["c5.large a", "c5.large b", "m5.large b"]);
}

use crate::quantity::Price;

#[test]
fn what_was_refused_is_left_out_for_three_minutes() {
    let mut provider = provider("1.5");
    let both = requirements(&[
        (labels::CAPACITY_TYPE, &["on-demand", "spot"]),
        (labels::INSTANCE_TYPE, &["m5.large"]),
        (labels::ZONE, &["us-west-2a", "us-west-2b"]),
    ]);
    let claim = claim(both, cpu(1000));
    let offer = |zone: &str| Offer {
        instance_type: "m5.large".into(),
        zone: zone.into(),
        capacity_type: CapacityType::Spot,
    };
    let (start, before) = (
        Instant::from_secs(7),
        provider.of_pool(POOL).expect("types").clone(),
    );
    provider.mark_unavailable(start, [offer("us-west-2a")]);
    let after = provider.of_pool(POOL).expect("types").clone();
    assert!(!before.same(&after), "who caches lists sees that it changed");
    let call = request(&provider, &claim).expect("a call");
    assert_eq!(
        (call.capacity_type, call.overrides.len()),
        (CapacityType::Spot, 1)
    );
    provider.mark_unavailable(start + Duration::from_secs(5), [offer("us-west-2b")]);
    let call = request(&provider, &claim).expect("a call");
    assert_eq!(
        (call.capacity_type, call.overrides.len()),
        (CapacityType::OnDemand, 2)
    );
    // 187 s, found at the next multiple of ten.
    assert_eq!(provider.next_sweep(), Some(Instant::from_secs(190)));
    provider.sweep(Instant::from_secs(190));
    let call = request(&provider, &claim).expect("a call");
    assert_eq!(
        (call.capacity_type, &*call.overrides[0].zone),
        (CapacityType::Spot, "us-west-2a")
    );
    provider.sweep(Instant::from_secs(200));
    assert_eq!(provider.next_sweep(), None);
}

#[test]
fn reported_memory_replaces_the_estimate() {
    let class = NodeClass::new("default", AmiFamily::Al2);
    for (version, expected) in [("1.0", 7577), ("1.1", 7700)] {
        let mut provider = provider_with(version, catalog("2024-02-01"), class.clone());
        let capacity = |provider: &Provider| built(provider, "m5.large").capacity.memory;
        assert_eq!(capacity(&provider), Bytes::from_mib(7577));
        provider.discover("m5.large", &class, Bytes::from_mib(7700));
        provider.discover("m5.large", &class, Bytes::from_mib(7800));
        assert_eq!(capacity(&provider), Bytes::from_mib(expected), "{version}");
    }
}

#[test]
fn reservations_go_before_everything() {
    let reservation = |id: &str, count| CapacityReservation {
        id: id.into(),
        instance_type: "m5.large".into(),
        zone: "us-west-2a".into(),
        count,
    };
    let class = NodeClass {
        reservations: vec![reservation("cr-1", 1), reservation("cr-2", 2)],
        ..NodeClass::new("default", AmiFamily::Al2023)
    };
    let any = claim(
        requirements(&[
            (labels::CAPACITY_TYPE, &["reserved", "on-demand", "spot"]),
            (labels::INSTANCE_TYPE, &["m5.large", "c5.large"]),
        ]),
        cpu(1000),
    );
    let mut provider = provider_with("1.14", catalog("2024-02-01"), class.clone());
    let used = |provider: &Provider| {
        let call = request(provider, &any).expect("a call");
        let choice = &call.overrides[0];
        (
            call.capacity_type,
            call.overrides.len(),
            choice.reservation.clone(),
        )
    };
    assert_eq!(used(&provider), (CapacityType::Reserved, 1, Some("cr-2".into())));
    provider.reserve("cr-2".into(), InstanceId(1));
    provider.reserve("cr-2".into(), InstanceId(2));
    assert_eq!(used(&provider), (CapacityType::Reserved, 1, Some("cr-1".into())));
    provider.reserve("cr-1".into(), InstanceId(3));
    assert_eq!(used(&provider).0, CapacityType::Spot);
    provider.release(InstanceId(2));
    assert_eq!(used(&provider), (CapacityType::Reserved, 1, Some("cr-2".into())));
    // The gate is off in v1.5.
    let provider = provider_with("1.5", catalog("2024-02-01"), class);
    assert_eq!(used(&provider).0, CapacityType::Spot);
}

#[test]
fn min_values_keep_exotic_types_and_must_be_spanned() {
    let provider = provider("1.5");
    let families = |at_least| {
        let mut all = requirements(&[
            (labels::CAPACITY_TYPE, &["on-demand"]),
            (labels::INSTANCE_TYPE, &["g4dn.xlarge", "c5.large"]),
        ]);
        let exists = Requirement::exists().with_min_values(Some(at_least));
        all.add("karpenter.k8s.aws/instance-family", exists);
        claim(all, cpu(1000))
    };
    assert_eq!(
        types(&request(&provider, &families(2)).expect("a call")),
        ["c5.large", "g4dn.xlarge"]
    );
    assert_eq!(request(&provider, &families(3)), Err(InsufficientCapacity));
}

#[test]
fn pools_of_one_class_share_their_list() {
    let class = || Arc::new(NodeClass::new("default", AmiFamily::Al2));
    let other = Arc::new(NodeClass::new("other", AmiFamily::Bottlerocket));
    let mut provider = provider("1.5");
    let classes = SortedMap::from([(POOL, class()), (NodePoolId(1), class()), (NodePoolId(2), other)]);
    let before = provider.of_pool(POOL).expect("types").clone();
    provider.set_classes(&classes);
    let of = |pool| provider.of_pool(NodePoolId(pool)).expect("types");
    assert!(of(0).same(of(1)) && of(0).same(&before));
    assert!(!of(0).same(of(2)));
}

#[test]
fn runs_share_lists_but_not_what_they_found_out() {
    let (profile, catalog, lists) = (profile("1.5"), catalog("2024-02-01"), Lists::default());
    let class = Arc::new(NodeClass::new("default", AmiFamily::Al2));
    let run = || {
        let settings = Settings::of(&profile);
        let mut run = Provider::new(profile, settings, catalog.clone(), lists.clone());
        run.set_classes(&SortedMap::from([(POOL, class.clone())]));
        run
    };
    let types = |run: &Provider| run.of_pool(POOL).expect("types").clone();
    let (mut first, second) = (run(), run());
    let fresh = types(&second);
    assert!(types(&first).same(&fresh));
    let index = fresh.index().clone();
    first.discover("m5.large", &class, Bytes(7 << 30));
    assert!(!types(&first).same(&fresh));
    assert!(types(&second).same(&fresh) && types(&run()).same(&fresh));
    // What is taken over from the former index is what a new one would hold.
    let renewed = types(&first);
    assert!(!Arc::ptr_eq(renewed.index(), &index));
    let anew: InstanceTypes = renewed.iter().cloned().collect();
    assert_eq!(format!("{:?}", renewed.index()), format!("{:?}", anew.index()));
}

// A node that nobody asked for the fabric has none to give
// (karpenter-provider-aws v1.14 pkg/cloudprovider/cloudprovider.go `instanceToNodeClaim`).
#[test]
fn only_a_claim_that_asks_for_the_fabric_has_it() {
    const EFA: &str = "vpc.amazonaws.com/efa";
    let provider = provider("1.14.1");
    let made = built(&provider, "c5n.18xlarge");
    let launched = Launched {
        instance: InstanceId(0),
        choice: Override {
            instance_type: made.name.clone(),
            zone: "us-west-2a".into(),
            reservation: None,
        },
        capacity_type: CapacityType::OnDemand,
    };
    for wanted in [0, 1] {
        let mut requests = cpu(1000);
        if wanted > 0 {
            requests.extended.insert(EFA.into(), wanted);
        }
        let class = Arc::new(NodeClass::new("default", AmiFamily::Al2023));
        let claim = claim(Requirements::new(), requests);
        let found = details(&claim, made, &launched, "usw2-az1", class);
        let amounts = [found.capacity, found.allocatable].map(|own| own.extended(EFA));
        assert_eq!(amounts, [wanted; 2]);
    }
}
