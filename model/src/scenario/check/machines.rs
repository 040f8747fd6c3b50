//! Advice about what a NodePool's machines are and what keeps pods off them.

use super::{Facts, advise, capacity, gpu};
use crate::catalog::volume::VolumePrices;
use crate::catalog::{self, Arch};
use crate::document::{Context, Cursor};
use crate::karpenter::NodePool;
use crate::karpenter::labels::ARCH;
use crate::scenario::ObjectName;

const TENANCY: &str = "karpenter.k8s.aws/instance-tenancy";

/// Checks a NodePool whose spec stands there.
pub(super) fn check(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, pool: &NodePool) {
    startup_taints(facts, context, at, pool);
    architectures(facts, context, at, pool);
    let requirements = at.at("template.spec.requirements");
    if !pool.requirements.allows(TENANCY, "default") && pool.requirements.allows(TENANCY, "dedicated") {
        let message = "its machines are of dedicated tenancy, and are billed here as shared ones";
        let hint = "cloud.price.on_demand of the scenario takes prices of one's own";
        advise(context, "N020", &requirements, message, hint);
    }
}

/// Volumes that are billed at the prices of another region.
pub(super) fn volume_prices(facts: &Facts<'_>) {
    let region = facts.scenario.catalog.region();
    let at = facts.root.get("cloud");
    if VolumePrices::REGIONS.contains(&region) || at.at("price.volume").is_given() {
        return;
    }
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    let message = format!("volumes cost here what they do in us-west-2, and this is {region}");
    let hint = "cloud.price.volume takes the region's prices, as gp3 = 0.0952";
    advise(&context, "S008", &at.get("region"), message, hint);
}

/// Startup taints that no agent takes away.
fn startup_taints(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, pool: &NodePool) {
    for (taint, own) in pool
        .startup_taints
        .iter()
        .zip(at.at("template.spec.startupTaints").items())
    {
        let lifecycles = facts.scenario.config.lifecycles.iter();
        let agents = lifecycles.filter(|(_, own)| own.startup_taint.as_deref() == Some(&*taint.key));
        let hindrances: Vec<Option<String>> = agents.map(|(name, _)| hindrance(facts, pool, name)).collect();
        if hindrances.contains(&None) {
            continue;
        }
        let why = hindrances.into_iter().flatten().next();
        let why = why.unwrap_or_else(|| "no DaemonSet of the scenario does".to_owned());
        let message = format!(
            "nobody takes the startup taint {} away, so that no pod starts: {why}",
            taint.key
        );
        let hint = format!(
            "name the agent in the scenario: [application.\"NAMESPACE/NAME\"] startup_taint = \"{}\"",
            taint.key
        );
        advise(context, "N021", &own, message, &hint);
    }
}

/// Why an agent does not come to the nodes of a NodePool; `None` if it does. It comes once it tolerates the other startup
/// taints too.
fn hindrance(facts: &Facts<'_>, pool: &NodePool, name: &ObjectName) -> Option<String> {
    let mut sets = facts.objects.iter().flat_map(|objects| &objects.daemon_sets);
    let Some(set) = sets.find(|set| gpu::is_named(set, name)) else {
        return Some(format!("{name} is no DaemonSet"));
    };
    let spec = &set.template.spec;
    let untolerated = pool.startup_taints.iter().find(|taint| !spec.tolerates(taint));
    let refusal = untolerated.map(|taint| format!("it does not tolerate the taint {}", taint.key));
    let refusal = refusal.or_else(|| capacity::refusal(pool, spec))?;
    Some(format!("{name} does not come there: {refusal}"))
}

/// Machines of both architectures, where nobody has asked for either.
fn architectures(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, pool: &NodePool) {
    let wanted = pool.template_requirements();
    if wanted.get(ARCH).is_some() {
        return;
    }
    let types = capacity::launchable(facts, &pool.name, &wanted);
    let (mut amd64, mut arm64) = (0, 0);
    for spec in types.filter_map(|own| catalog::find(&own.name)) {
        match spec.arch {
            Arch::Amd64 => amd64 += 1,
            Arch::Arm64 => arm64 += 1,
            Arch::Other => {}
        }
    }
    if amd64 > 0 && arm64 > 0 {
        let message = format!(
            "{amd64} types of x86 and {arm64} of Graviton may be launched, the cheapest first: images must be made for both"
        );
        let hint = "a requirement on kubernetes.io/arch In [amd64] keeps Graviton out";
        advise(
            context,
            "N016",
            &at.at("template.spec.requirements"),
            message,
            hint,
        );
    }
}
