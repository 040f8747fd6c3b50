//! Advice about machines with CPU credits.

use super::{Facts, advise, capacity};
use crate::catalog::{self, InstanceSpec};
use crate::document::{Context, Cursor};
use crate::karpenter::NodePool;
use crate::karpenter::labels::INSTANCE_TYPE;

/// Node groups whose use of CPU may cost more than their price, or be throttled.
pub(super) fn check(facts: &Facts<'_>) {
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    for at in facts.root.get("node_group").items() {
        let at = at.get("instance_type");
        let spec = at.written().and_then(catalog::find);
        if let Some(spec) = spec.filter(|spec| spec.burstable) {
            say(
                &context,
                &at,
                &[spec.name],
                "take a type without credits for a group that is busy all day",
            );
        }
    }
}

/// A NodePool, whose `spec` is `at`, that may launch such machines.
pub(super) fn check_pool(facts: &Facts<'_>, context: &Context<'_>, at: &Cursor<'_>, pool: &NodePool) {
    let names = offered(facts, pool);
    if !names.is_empty() {
        let hint = "karpenter.k8s.aws/instance-category NotIn [t] keeps them out";
        say(context, &at.at("template.spec.requirements"), &names, hint);
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
    let types = capacity::on_offer(facts, &pool.name, &wanted, |spec| spec.burstable);
    types.into_iter().map(|spec| spec.name).collect()
}
