//! `[stack]`: releases, and which of them are known here.

use super::Stack;
use crate::document::Cursor;
use crate::release::Release;
use crate::{karpenter, prometheus, scheduler};

/// The releases of a project that are known here.
struct Known {
    project: &'static str,
    oldest: Release,
    latest: Release,
}

const KUBERNETES: Known = known(
    "Kubernetes",
    Release::new(1, 28, 0),
    Release::new(1, scheduler::LATEST, 0),
);
const KEDA: Known = known("KEDA", Release::new(2, 10, 0), Release::new(2, 20, 2));
const PROMETHEUS: Known = known("Prometheus", prometheus::OLDEST, prometheus::LATEST);
const TRAEFIK: Known = known("Traefik", Release::new(2, 10, 0), Release::new(3, 5, 0));
const KARPENTER: Known = known("Karpenter", karpenter::OLDEST, karpenter::LATEST);

const fn known(project: &'static str, oldest: Release, latest: Release) -> Known {
    Known {
        project,
        oldest,
        latest,
    }
}

pub(super) fn stack(at: &Cursor<'_>) -> Stack {
    let hint = "[stack] says which releases run: kubernetes = \"1.35\", keda = \"2.20\", prometheus = \"3.5.0\", \
                traefik = \"3.5\", karpenter = \"1.14\"";
    // One word about a table that is not there is enough.
    let there = at.clone().required_as(hint).is_given();
    let part = |part: &str, latest: Release| {
        if there {
            let hint = format!("{part} = \"{}.{}\"", latest.major, latest.minor);
            at.get(part).required_as(&hint)
        } else {
            at.get(part)
        }
    };
    let release = |name: &str, known: &Known| release(&part(name, known.latest), known);
    Stack {
        kubernetes: release("kubernetes", &KUBERNETES).minor,
        keda: release("keda", &KEDA).minor,
        prometheus: release("prometheus", &PROMETHEUS),
        traefik: release("traefik", &TRAEFIK),
        karpenter: release("karpenter", &KARPENTER),
    }
}

/// The release that is simulated: what is written, or the latest one that is known if it is newer than that. A new
/// major release may be another program, and is refused.
fn release(at: &Cursor<'_>, known: &Known) -> Release {
    let &Known {
        project,
        oldest,
        latest,
    } = known;
    let Some(text) = at.scalar() else { return latest };
    match text.parse::<Release>() {
        Ok(own) if own >= oldest && !own.since(latest.major, latest.minor + 1) => own,
        Ok(own) if own.major == latest.major && own > latest => {
            let message = format!("{project} {own} is newer than what is known here: simulated as {latest}");
            at.warn("W007", message, "");
            latest
        }
        _ => {
            let range = format!(
                "{}.{} to {}.{}",
                oldest.major, oldest.minor, latest.major, latest.minor
            );
            let message =
                format!("expected a {project} version from {range}, such as {latest}, found {text:?}");
            at.error("E004", message, "");
            latest
        }
    }
}
