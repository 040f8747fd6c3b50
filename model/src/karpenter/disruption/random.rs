//! Random clusters: whatever is done, pods have a place and budgets are kept.

use proptest::prelude::*;
use sim::{Agenda, Component, Instant, Outbox, Streams};

use super::simulate::{Scene, Solver};
use super::*;
use crate::api::{Budget, IntOrPercent, LabelSelector, PodDisruptionBudget, may_evict};
use crate::karpenter::fixture::{World, budget, owned, pool, template};
use crate::karpenter::node_pool::Nodes;
use crate::karpenter::scheduling::Purpose;

const SIZES: [i64; 5] = [1, 2, 4, 8, 16];

/// A node: its size, whether it is spot, its pool, and its pods in eighths of a cpu.
type NodeSpec = (usize, bool, bool, Vec<i64>);

fn nodes() -> impl Strategy<Value = Vec<NodeSpec>> {
    let pods = prop::collection::vec(1..16i64, 0..6);
    prop::collection::vec((0..SIZES.len(), any::<bool>(), any::<bool>(), pods), 1..9)
}

fn share() -> impl Strategy<Value = Nodes> {
    prop_oneof![
        (0..5u32).prop_map(Nodes::Count),
        (0..=100u32).prop_map(Nodes::Percent)
    ]
}

fn build(nodes: &[NodeSpec], shares: [Nodes; 2], guarded: Option<i32>) -> World {
    let mut world = World::default();
    for (name, share) in ["one", "two"].into_iter().zip(shares) {
        let mut own = pool(name);
        own.disruption.budgets = vec![budget(share)];
        world.add_pool(own, &SIZES);
    }
    for (size, spot, second, pods) in nodes {
        let bought = if *spot { "spot" } else { "on-demand" };
        let pool = NodePoolId(u32::from(*second));
        let claim = world.add_node_of(pool, SIZES[*size], bought, Instant::ZERO);
        let mut left = SIZES[*size] * 8;
        for eighths in pods {
            if *eighths <= left {
                left -= eighths;
                let app = if eighths % 3 == 0 { "guarded" } else { "free" };
                let own = std::sync::Arc::new(template(eighths * 125, app));
                world.add_pod_like(Some(claim), own, owned());
            }
        }
    }
    if let Some(least) = guarded {
        let labels = crate::api::Labels::from([("app".to_owned(), "guarded".to_owned())]);
        world.api.pdbs.push(PodDisruptionBudget {
            name: "guard".to_owned(),
            namespace: "default".to_owned(),
            selector: Some(LabelSelector::from_labels(&labels)),
            budget: Budget::MinAvailable(IntOrPercent::Int(least)),
            always_allow_unhealthy: false,
        });
    }
    world
}

/// How many nodes of a pool count, and how many of them are going.
fn count(world: &World, pool: NodePoolId) -> (u32, u32) {
    let own = world
        .claims
        .iter()
        .filter(|(_, claim)| claim.pool == pool && claim.node.is_some());
    own.fold((0, 0), |(all, going), (id, claim)| {
        (
            all + 1,
            going + u32::from(claim.deleting.is_some() || world.state.is_marked(id)),
        )
    })
}

/// All that must hold when a command begins, in the world as it is just before.
fn check(world: &World, decision: &Decision, profile: &Profile, settings: &Settings, now: Instant) {
    let view = world.view();
    let snapshot = view.snapshot();
    let scene = Scene::new(now, profile, settings, &view, &snapshot);
    let find = |id: &NodeClaimId| {
        let state = snapshot
            .nodes
            .iter()
            .find(|state| state.claim_id() == Some(*id))
            .expect("the node is there");
        Candidate::new(state, &scene.limits, &view, now, profile).expect("it is a candidate")
    };
    let candidates: Vec<Candidate<'_>> = decision.candidates.iter().map(find).collect();
    let chosen: Vec<&Candidate<'_>> = candidates.iter().collect();

    let mut solver = Solver {
        templates: Templates::new(),
        chance: Streams::new(7).stream("test", 0),
    };
    if matches!(decision.method, Method::MultiNode | Method::SingleNode) {
        let outcome = scene.simulate(&chosen, Purpose::Disruption, &mut solver);
        assert_eq!(outcome.unplaced, None, "{decision:?}");
        assert_eq!(
            outcome.new_claims.len(),
            decision.replacements.len(),
            "{decision:?}"
        );
    } else {
        // Emptiness asks nobody; it takes only what has nothing that minds.
        assert!(
            chosen.iter().all(|candidate| candidate.is_empty()),
            "{decision:?}"
        );
    }

    // The same by hand, as far as one resource goes: what moves has room.
    let requests = |id: &PodId| {
        world
            .api
            .pods
            .get(*id)
            .map_or(0, |pod| pod.spec().requests().cpu.0)
    };
    let moving: i64 = chosen
        .iter()
        .flat_map(|candidate| &candidate.pods)
        .map(requests)
        .sum();
    let room: i64 = snapshot
        .nodes
        .iter()
        .filter(|state| !state.marked_for_deletion())
        .filter(|state| {
            !state
                .claim_id()
                .is_some_and(|id| decision.candidates.contains(&id))
        })
        .map(|state| (state.allocatable().cpu - state.pod_requests.cpu).0.max(0))
        .sum();
    let smallest = |types: &Vec<crate::karpenter::requirement::Name>| {
        let of =
            |name: &crate::karpenter::requirement::Name| name["m.".len()..].parse::<i64>().unwrap() * 1000;
        types.iter().map(of).min().unwrap_or(0)
    };
    let new: i64 = decision.replacements.iter().map(smallest).sum();
    assert!(moving <= room + new, "{moving} of {room} and {new}: {decision:?}");

    // What comes is cheaper than what goes.
    if !decision.replacements.is_empty() {
        assert!(decision.replacement_price < decision.price, "{decision:?}");
    }
    // Nothing goes whose pods may not go.
    for pod in chosen.iter().flat_map(|candidate| &candidate.pods) {
        assert_eq!(
            may_evict(&world.api, *pod),
            crate::api::Eviction::Allowed,
            "{decision:?}"
        );
    }
    for (id, own) in world.pools.iter() {
        let (all, going) = count(world, id);
        let more = chosen.iter().filter(|candidate| candidate.pool_id == id).count() as u32;
        let allowed = allowed_disruptions(&own.disruption.budgets, all, decision.method.reason(), 0);
        assert!(
            more == 0 || going + more <= allowed,
            "{going} and {more} of {allowed}: {decision:?}"
        );
    }
}

/// Runs for two minutes; machines take 2 s to launch, 30 s to start and 20 s to drain. Returns how many
/// commands began.
fn run(version: &str, mut world: World) -> usize {
    let profile = Profile::of(version.parse().expect("a release"));
    let settings = Settings::of(&profile);
    let config = Config {
        spot_to_spot: true,
        ..Config::of(&profile, 0)
    };
    let mut disruption = Disruption::new(profile, settings, config, &Streams::new(3));
    #[derive(Clone, Copy)]
    enum Next {
        Hear(Input),
        Launch(NodeClaimId),
        Join(NodeClaimId),
        Remove(NodeClaimId),
    }
    let mut agenda = Agenda::new();
    agenda.at(Instant::ZERO, Next::Hear(Input::Poll));
    let mut commands = 0;
    while let Some((now, next)) = agenda.pop().filter(|(now, _)| *now < Instant::from_secs(120)) {
        let seconds = std::time::Duration::from_secs;
        let input = match next {
            Next::Hear(input) => input,
            Next::Launch(id) => {
                let cheapest = world.claims.get(id).unwrap().instance_types[0]["m.".len()..]
                    .parse()
                    .unwrap();
                world.launch(id, cheapest, "spot");
                agenda.at(now + seconds(30), Next::Join(id));
                Input::ClaimChanged(id)
            }
            Next::Join(id) => {
                world.join(id, now);
                Input::ClaimChanged(id)
            }
            Next::Remove(id) => {
                world.remove(id);
                Input::ClaimChanged(id)
            }
        };
        let before = world.clone();
        let mut out = Outbox::new();
        disruption.handle(now, input, world.view(), &mut out);
        for action in out.drain() {
            let output = match action {
                sim::Action::WakeAt(at, input) => {
                    agenda.at(at, Next::Hear(input));
                    continue;
                }
                sim::Action::Emit(output) => output,
            };
            let created = world.claims.next_id();
            world.perform(now, &output, &profile);
            match output {
                Output::Publish(Event::Started(decision)) => {
                    commands += 1;
                    check(&before, &decision, &profile, &settings, now);
                }
                Output::CreateNodeClaim(..) => agenda.at(now + seconds(2), Next::Launch(created)),
                Output::DeleteNodeClaim(id, _) => agenda.at(now + seconds(20), Next::Remove(id)),
                _ => {}
            }
        }
    }
    commands
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pods_keep_a_place_and_budgets_are_kept(
        nodes in nodes(),
        shares in [share(), share()],
        guarded in prop::option::of(0..4i32),
        version in prop::sample::select(vec!["0.34.0", "0.37.0", "1.0.0", "1.4.0", "1.5.0", "1.8.0", "1.14.1"]),
    ) {
        run(version, build(&nodes, shares, guarded));
    }
}

/// The property would hold if nothing were ever done.
#[test]
fn something_is_done() {
    let nodes: Vec<NodeSpec> = (0..8)
        .map(|at| (3, at % 2 == 0, at % 3 == 0, vec![4, 4]))
        .collect();
    let shares = [Nodes::Percent(50), Nodes::Percent(50)];
    for version in ["0.37.0", "1.5.0", "1.14.1"] {
        assert!(run(version, build(&nodes, shares, None)) > 1, "{version}");
    }
}
