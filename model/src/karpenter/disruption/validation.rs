//! Whether a proposed command is still right after it has stood for a while
//! (karpenter v1.14 pkg/controllers/disruption/validation.go; v0.32.4 validation.go and
//! emptynodeconsolidation.go).

use sim::{Instant, SortedSet};

use super::candidate::Candidate;
use super::command::Plan;
use super::event::{Abandoned, Event, Method};
use super::simulate::Scene;
use super::{Disruption, Input, Out, Output, Phase, View};
use crate::id::NodeClaimId;
use crate::karpenter::requirement::Name;
use crate::karpenter::scheduling::Purpose;

impl Disruption {
    /// The time is over: are the candidates still candidates, and does the simulation still say the same?
    pub(super) fn validate(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        let Phase::Standing(mut plan, next, _) = std::mem::replace(&mut self.phase, Phase::Asleep(None))
        else {
            unreachable!("only a command that stands is validated");
        };
        let snapshot = view.snapshot();
        let (profile, settings) = (self.profile, self.settings);
        let scene = Scene::new(now, &profile, &settings, view, &snapshot);
        let all = self.candidates(&scene, out);
        let checked = match plan.method {
            Method::Emptiness | Method::EmptyNode => self
                .check_empty(&plan, &scene, &all, out)
                .map(|valid| (valid, now)),
            _ => self.check(&plan, &scene, &all, out).and_then(|chosen| {
                let outcome = scene.simulate(&chosen, Purpose::Consolidation, &mut self.solver);
                let same = outcome.unplaced.is_none() && is_covered(&plan, &outcome.new_claims);
                let valid = chosen.iter().map(|candidate| candidate.claim_id).collect();
                same.then_some((valid, now + outcome.duration))
                    .ok_or(Abandoned::Scheduling)
            }),
        };
        match checked {
            Err(why) => self.abandon(now, &plan, next, why, view, out),
            Ok((valid, seen)) => {
                if valid.len() < plan.found.candidates.len() {
                    let kept = all.iter().filter(|own| valid.contains(&own.claim_id));
                    plan.found.price = kept.filter_map(Candidate::price).sum();
                }
                plan.found.candidates = valid;
                if seen > now {
                    self.phase = Phase::Deciding(plan, next, seen);
                    out.wake_at(seen, Input::Done);
                } else {
                    self.start(now, *plan, view, out);
                }
            }
        }
    }

    /// The search, or the second simulation, is over. In later releases the candidates are looked at once
    /// more after a simulation.
    pub(super) fn decide(&mut self, now: Instant, view: &View<'_>, out: &mut Out) {
        let Phase::Deciding(plan, next, _) = std::mem::replace(&mut self.phase, Phase::Asleep(None)) else {
            unreachable!("only what has been searched for is decided");
        };
        let consolidates = matches!(plan.method, Method::MultiNode | Method::SingleNode);
        if consolidates && self.profile.candidates_rechecked {
            let snapshot = view.snapshot();
            let (profile, settings) = (self.profile, self.settings);
            let scene = Scene::new(now, &profile, &settings, view, &snapshot);
            let all = self.candidates(&scene, out);
            let checked = self.check(&plan, &scene, &all, out).map(|_| ());
            if let Err(why) = checked {
                return self.abandon(now, &plan, next, why, view, out);
            }
        }
        self.start(now, *plan, view, out);
    }

    fn abandon(
        &mut self,
        now: Instant,
        plan: &Plan,
        next: usize,
        why: Abandoned,
        view: &View<'_>,
        out: &mut Out,
    ) {
        out.emit(Output::Publish(Event::Abandoned(plan.decision(), why)));
        self.run(now, next, view, out);
    }

    /// The candidates of a plan that still are some.
    fn remaining<'c, 'a>(
        &mut self,
        plan: &Plan,
        scene: &Scene<'_>,
        all: &'c [Candidate<'a>],
        out: &mut Out,
    ) -> Vec<&'c Candidate<'a>> {
        let mut suited = self.suited(plan.method, scene, all, out);
        suited.retain(|candidate| plan.found.candidates.contains(&candidate.claim_id));
        suited
    }

    /// All candidates must remain, and be within budgets (`ConsolidationValidator.validateCandidates`).
    fn check<'c, 'a>(
        &mut self,
        plan: &Plan,
        scene: &Scene<'_>,
        all: &'c [Candidate<'a>],
        out: &mut Out,
    ) -> Result<Vec<&'c Candidate<'a>>, Abandoned> {
        let remaining = self.remaining(plan, scene, all, out);
        let lost = plan.found.candidates.len() - remaining.len();
        if lost > 0 {
            return Err(Abandoned::Churn(lost));
        }
        let mut budgets = self.budgets(plan.method.reason(), scene, out);
        if remaining.iter().all(|candidate| budgets.take(candidate.pool_id)) {
            Ok(remaining)
        } else {
            Err(Abandoned::Budget)
        }
    }

    /// Those that are still empty and within budgets are kept (`EmptinessValidator.validateCandidates`).
    /// Before `Profile::emptiness_shrinks` all must remain (karpenter v1.3.3
    /// pkg/controllers/disruption/emptiness.go `ComputeCommand`); before v0.34 it
    /// is enough that none of those that remain has got pods.
    fn check_empty(
        &mut self,
        plan: &Plan,
        scene: &Scene<'_>,
        all: &[Candidate<'_>],
        out: &mut Out,
    ) -> Result<Vec<NodeClaimId>, Abandoned> {
        if !self.profile.emptiness_shrinks {
            let remaining = if self.profile.budgets {
                self.check(plan, scene, all, out)?
            } else {
                self.remaining(plan, scene, all, out)
            };
            let filled = remaining
                .iter()
                .filter(|candidate| !candidate.pods.is_empty())
                .count();
            return match filled {
                0 => Ok(plan.found.candidates.clone()),
                filled => Err(Abandoned::Churn(filled)),
            };
        }
        let mut remaining = self.remaining(plan, scene, all, out);
        if remaining.is_empty() {
            return Err(Abandoned::Churn(plan.found.candidates.len()));
        }
        let mut budgets = self.budgets(plan.method.reason(), scene, out);
        remaining.retain(|candidate| budgets.take(candidate.pool_id));
        if remaining.is_empty() {
            return Err(Abandoned::Budget);
        }
        Ok(remaining.iter().map(|candidate| candidate.claim_id).collect())
    }
}

/// Whether a new simulation comes to as many new nodes, and each type that the command would launch is among
/// those that it has now (`validateCommand`).
fn is_covered(plan: &Plan, new_claims: &[crate::karpenter::scheduling::NewClaim]) -> bool {
    match (&plan.found.replacements[..], new_claims) {
        ([], []) => true,
        ([wanted], [now]) => {
            let names: SortedSet<&Name> = now
                .types
                .iter()
                .map(|instance_type| &instance_type.name)
                .collect();
            wanted
                .types
                .iter()
                .all(|instance_type| names.contains(&instance_type.name))
        }
        _ => false,
    }
}
