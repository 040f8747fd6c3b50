//! Advice about machines with CPU credits.

use super::{Facts, advise, capacity};
use crate::catalog::{self, InstanceSpec};
use crate::document::{Context, Cursor};
use crate::karpenter::NodePool;
use crate::karpenter::labels::INSTANCE_TYPE;

/// Machines whose use of CPU may cost more than their price, or be throttled.
pub(super) fn check(facts: &Facts<'_>) {
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    for at in facts.root.get("node_group").items() {
        let at = at.get("instance_type");
        let spec = at.value().and_then(|value| value.text()).and_then(catalog::find);
        if let Some(spec) = spec.filter(|spec| spec.burstable) {
            say(
                &context,
                &at,
                &[spec.name],
                "take a type without credits for a group that is busy all day",
            );
        }
    }
    for document in facts
        .documents
        .iter()
        .filter(|document| document.kind.name == "NodePool")
    {
        let mut pools = facts.objects.iter().flat_map(|objects| &objects.node_pools);
        let Some(pool) = pools.find(|pool| *pool.name == *document.name) else {
            continue;
        };
        let names = offered(facts, pool);
        if !names.is_empty() {
            let context = Context::new(&document.file, document.title(), facts.problems);
            let root = context.root(&document.value);
            let hint = "karpenter.k8s.aws/instance-category NotIn [t] keeps them out";
            say(
                &context,
                &root.at("spec.template.spec.requirements"),
                &names,
                hint,
            );
        }
    }
}

fn say(context: &Context<'_>, at: &Cursor<'_>, names: &[&str], hint: &str) {
    const SHOWN: usize = 3;
    let mut list = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        list += &format!(" and {} more", names.len() - SHOWN);
    }
    let message = format!("CPU credits are neither spent nor billed here, and {list} run on them");
    advise(context, "N011", at, message, hint);
}

/// The types with credits that a NodePool may launch. Most pools name a category or family, and then no instance
/// type need be made.
fn offered(facts: &Facts<'_>, pool: &NodePool) -> Vec<&'static str> {
    let wanted = pool.template_requirements();
    let named = |spec: &InstanceSpec| {
        wanted.allows(INSTANCE_TYPE, spec.name)
            && wanted.allows("karpenter.k8s.aws/instance-family", spec.family())
            && wanted.allows("karpenter.k8s.aws/instance-category", spec.category)
    };
    let mut burstable = catalog::types().iter().filter(|spec| spec.burstable);
    if !burstable.any(named) {
        return Vec::new();
    }
    let types = capacity::on_offer(facts, &pool.name, &wanted);
    types
        .into_iter()
        .filter(|spec| spec.burstable)
        .map(|spec| spec.name)
        .collect()
}
