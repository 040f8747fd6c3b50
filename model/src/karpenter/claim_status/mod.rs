//! What becomes of NodeClaims with time: pods come and go, pools change, lives end
//! (karpenter v1.14 pkg/controllers/nodeclaim/{disruption,podevents,expiration}; v1.5.0 and v0.32.4 where
//! they differ).
//!
//! These controllers write the conditions that disruption goes by: `Consolidatable` (until v0.37 `Empty`),
//! `Drifted`, until v0.37 `Expired`. From v1.0 on one of them deletes claims whose time is over, without
//! asking anybody.
//!
//! Drift is that of a NodePool's template, of its requirements, of the list of instance types, and of the provider
//! what an EC2NodeClass that is applied anew can bring about: another hash, and other terms for its image, which are
//! taken to find another image. Left out: new images, subnets and security groups that the same selectors find one
//! day, and those that other selectors find; nothing here knows them. Until v0.37 nobody watches node classes, and a
//! change is seen within five minutes; here at once.

mod conditions;
mod pod_events;

use std::sync::Arc;

use sim::{Component, Instant, Outbox, SortedMap};

use self::conditions::Template;
use self::pod_events::PodEvents;
use super::disruption::Reason;
use super::instance_type::InstanceTypes;
use super::node_pool::NodePool;
use super::provider::Classes;
use super::state::{ClusterState, ConditionType, NodeClaim, is_true};
use super::version::{Expiration, Profile};
use crate::api::Api;
use crate::id::{NodeClaimId, NodeId, NodePoolId, PodId, Table};

/// What happens to these controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A pod was made, changed or removed.
    PodChanged(PodId),
    /// A node was made, changed or removed.
    NodeChanged(NodeId),
    /// A NodeClaim was made, changed or removed.
    ClaimChanged(NodeClaimId),
    /// NodePools, or what the provider offers for them, changed.
    PoolsChanged,
    /// A claim's next look is due.
    Claim(NodeClaimId),
}

/// What these controllers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Set a condition of a claim to True or False, or take it away.
    SetCondition(NodeClaimId, ConditionType, Option<bool>),
    /// Set status.lastPodEventTime of a claim.
    SetLastPodEvent(NodeClaimId, Instant),
    /// Delete a claim for that reason.
    DeleteNodeClaim(NodeClaimId, Reason),
    /// Tell whoever reads events.
    Publish(Event),
}

/// What these controllers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A claim has drifted.
    Drifted(NodeClaimId, Drift),
    /// Nothing has kept a claim from being consolidated since then.
    Consolidatable(NodeClaimId, Instant),
}

/// How a claim differs from what its pool asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// `NodePoolDrifted`: the pool's template has another hash.
    NodePool,
    /// `RequirementsDrifted`: its labels do not meet the pool's requirements.
    Requirements,
    /// `InstanceTypeNotFound`: its instance type is on offer no more.
    InstanceTypeNotFound,
    /// `NodeClassDrift`: its EC2NodeClass has another hash.
    NodeClass,
    /// `AMIDrift`: its image is not among those of its EC2NodeClass any more.
    Ami,
}

/// What these controllers see.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Pods and nodes.
    pub api: &'a Api,
    /// NodeClaims.
    pub claims: &'a Table<NodeClaimId, NodeClaim>,
    /// Nominations.
    pub state: &'a ClusterState,
    /// NodePools.
    pub pools: &'a Table<NodePoolId, NodePool>,
    /// What the provider offers for each NodePool.
    pub instance_types: &'a SortedMap<NodePoolId, InstanceTypes>,
    /// The EC2NodeClass of each NodePool.
    pub classes: &'a Classes,
}

/// These controllers.
#[derive(Debug)]
pub struct ClaimStatus {
    profile: Profile,
    /// The feature gate Drift; see [`super::disruption::Config`].
    drift: bool,
    pod_events: PodEvents,
    /// What the templates of NodePools say now.
    templates: SortedMap<NodePoolId, Arc<Template>>,
    /// What a claim was made from: upstream keeps a hash of it in an annotation.
    made_from: SortedMap<NodeClaimId, Arc<Template>>,
    /// When each claim is looked at next.
    due: SortedMap<NodeClaimId, Instant>,
}

type Out = Outbox<Input, Output>;

impl ClaimStatus {
    /// The controllers of one release.
    #[must_use]
    pub fn new(profile: Profile, drift: bool) -> Self {
        ClaimStatus {
            profile,
            drift,
            pod_events: PodEvents::default(),
            templates: SortedMap::new(),
            made_from: SortedMap::new(),
            due: SortedMap::new(),
        }
    }

    /// A new process begins: it has seen nothing and set no alarms. What claims were made from they say themselves.
    pub fn restart(&mut self) {
        let made_from = std::mem::take(&mut self.made_from);
        *self = ClaimStatus {
            made_from,
            ..ClaimStatus::new(self.profile, self.drift)
        };
    }

    /// What a pool's template says now.
    fn template(&mut self, id: NodePoolId, pool: &NodePool, profile: &Profile) -> Arc<Template> {
        let fresh = || Arc::new(Template::new(pool, profile));
        self.templates.entry(id).or_insert_with(fresh).clone()
    }

    /// Looks at a claim, and sets to the next look.
    fn reconcile(&mut self, now: Instant, id: NodeClaimId, view: &View<'_>, out: &mut Out) {
        let Some(claim) = view.claims.get(id) else {
            self.made_from.remove(&id);
            self.due.remove(&id);
            return;
        };
        if claim.deleting.is_some() {
            return;
        }
        let mut next: Vec<Instant> = Vec::new();
        if self.is_over(now, claim, &mut next) {
            return out.emit(Output::DeleteNodeClaim(id, Reason::Expired));
        }
        let Some(pool) = view.pools.get(claim.pool) else {
            return;
        };
        let template = self.template(claim.pool, pool, &self.profile.clone());
        let origin = self
            .made_from
            .entry(id)
            .or_insert_with(|| template.clone())
            .clone();
        let launched = is_true(claim.conditions.launched);
        let class = view.classes.get(&claim.pool);
        if self.drift {
            let drift = conditions::drift(&origin, &template, claim, pool, view, now, &mut next);
            let of_class = || conditions::class_drift(claim.made_by.as_ref()?, class?, &self.profile);
            let drift = drift.or_else(of_class).filter(|_| launched);
            if let Some(drift) = drift.filter(|_| !is_true(claim.conditions.drifted)) {
                out.emit(Output::Publish(Event::Drifted(id, drift)));
            }
            set(id, claim, ConditionType::Drifted, drift.is_some(), out);
        }
        if self.profile.consolidatable {
            if pool.replicas.is_none() {
                let since = conditions::consolidatable(claim, pool, now, &mut next);
                if let Some(since) = since.filter(|_| !is_true(claim.conditions.consolidatable)) {
                    out.emit(Output::Publish(Event::Consolidatable(id, since)));
                }
                set(id, claim, ConditionType::Consolidatable, since.is_some(), out);
            }
        } else {
            let empty = conditions::empty(id, claim, pool, view, now, &mut next);
            set(id, claim, ConditionType::Empty, empty, out);
        }
        if self.profile.expiration == Expiration::InLoop {
            let expired = conditions::expired(claim, pool, view, now, &mut next);
            set(id, claim, ConditionType::Expired, expired, out);
        }
        self.look_again(now, id, &next, out);
    }

    /// Whether a claim's life is over, where nobody is asked about that.
    fn is_over(&self, now: Instant, claim: &NodeClaim, next: &mut Vec<Instant>) -> bool {
        let life = claim
            .expire_after
            .filter(|_| self.profile.expiration == Expiration::Forceful);
        let end = life.map(|life| claim.created + life);
        next.extend(end);
        end.is_some_and(|end| end <= now)
    }

    /// One alarm a claim is enough: a look finds out what is next.
    fn look_again(&mut self, now: Instant, id: NodeClaimId, next: &[Instant], out: &mut Out) {
        let Some(due) = next.iter().copied().filter(|due| *due > now).min() else {
            return;
        };
        let armed = self.due.get(&id).copied().filter(|armed| *armed > now);
        if armed.is_none_or(|armed| armed > due) {
            self.due.insert(id, due);
            out.wake_at(due, Input::Claim(id));
        }
    }

    fn pod_changed(&mut self, now: Instant, id: PodId, view: &View<'_>, out: &mut Out) {
        // Older releases know no such events.
        let happened = self.profile.consolidatable && self.pod_events.observe(id, view.api);
        let node = view.api.pods.get(id).and_then(|pod| pod.node);
        let Some(claim_id) = node.and_then(|node| view.api.nodes.get(node)?.claim) else {
            return;
        };
        if !self.profile.consolidatable {
            return self.reconcile(now, claim_id, view, out);
        }
        let claim = view.claims.get(claim_id).filter(|_| happened);
        if claim.is_some_and(|claim| pod_events::counts(claim.last_pod_event, now)) {
            out.emit(Output::SetLastPodEvent(claim_id, now));
        }
    }
}

/// Sets a condition to True or takes it away, if that is news.
fn set(id: NodeClaimId, claim: &NodeClaim, name: ConditionType, holds: bool, out: &mut Out) {
    let status = holds.then_some(true);
    if claim.conditions.get(name).map(|own| own.status) != status {
        out.emit(Output::SetCondition(id, name, status));
    }
}

impl Component for ClaimStatus {
    type Input = Input;
    type Output = Output;
    type View<'a> = View<'a>;

    fn handle(&mut self, now: Instant, input: Input, view: View<'_>, out: &mut Out) {
        match input {
            Input::PodChanged(id) => self.pod_changed(now, id, &view, out),
            Input::NodeChanged(id) => {
                // Emptiness goes by the node.
                let claim = view.api.nodes.get(id).and_then(|node| node.claim);
                if let Some(claim) = claim.filter(|_| !self.profile.consolidatable) {
                    self.reconcile(now, claim, &view, out);
                }
            }
            Input::ClaimChanged(id) => self.reconcile(now, id, &view, out),
            Input::PoolsChanged => {
                self.templates.clear();
                let all: Vec<NodeClaimId> = view.claims.iter().map(|(id, _)| id).collect();
                for id in all {
                    self.reconcile(now, id, &view, out);
                }
            }
            Input::Claim(id) => {
                if self.due.get(&id) == Some(&now) {
                    self.due.remove(&id);
                    self.reconcile(now, id, &view, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
