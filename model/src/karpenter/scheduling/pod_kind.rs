//! Pods of one template look the same to the simulation, so that what can be said of them is said once.

use std::borrow::Cow;
use std::sync::Arc;

use super::failure::Failure;
use super::host_port::HostPort;
use super::topology::{Membership, Topology};
use super::{PreferencePolicy, Settings, preferences};
use crate::api::{PodSpec, PodTemplate};
use crate::karpenter::requirements::Requirements;
use crate::quantity::Resources;

/// Pods of one template that have given up the same preferences.
pub(crate) struct PodKind<'a> {
    pub(crate) template: &'a PodTemplate,
    /// The template's specification less what was given up.
    pub(crate) spec: Cow<'a, PodSpec>,
    pub(crate) requests: Resources,
    /// What is asked of a node's labels, preferences included.
    pub(crate) requirements: Requirements,
    /// What is asked without preferences.
    pub(crate) strict: Requirements,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) membership: Membership,
    /// Whether topology has no say. What refused such a pod once refuses it for the rest of the pass, since nodes only
    /// fill up and claims only narrow; but where a label may be absent that could not be before, all are tried again.
    pub(crate) free: bool,
    /// For a free kind, how many of the first nodes are known to refuse it.
    pub(crate) refused_nodes: usize,
    /// For a free kind, why no template takes it.
    pub(crate) refused_templates: Option<Arc<Failure>>,
    relaxed: Option<Option<usize>>,
}

impl<'a> PodKind<'a> {
    fn new(
        template: &'a PodTemplate,
        spec: Cow<'a, PodSpec>,
        topology: &mut Topology<'a>,
        settings: &Settings,
    ) -> Self {
        let membership = topology.join(template, &spec);
        let strict = Requirements::strict_of_pod(&spec);
        let requirements = match settings.preference_policy {
            PreferencePolicy::Respect => Requirements::of_pod(&spec),
            PreferencePolicy::Ignore => strict.clone(),
        };
        PodKind {
            template,
            requests: spec.requests(),
            requirements,
            strict,
            ports: HostPort::of_pod(&spec),
            free: topology.is_free(&membership),
            membership,
            refused_nodes: 0,
            refused_templates: None,
            relaxed: None,
            spec,
        }
    }
}

/// All kinds of pods in one pass.
pub(crate) struct Kinds<'a> {
    kinds: Vec<PodKind<'a>>,
    settings: &'a Settings,
    tolerate_prefer_no_schedule: bool,
}

impl<'a> Kinds<'a> {
    pub(crate) fn new(settings: &'a Settings, tolerate_prefer_no_schedule: bool) -> Self {
        Kinds {
            kinds: Vec::new(),
            settings,
            tolerate_prefer_no_schedule,
        }
    }

    pub(crate) fn get(&self, kind: usize) -> &PodKind<'a> {
        &self.kinds[kind]
    }

    pub(crate) fn get_mut(&mut self, kind: usize) -> &mut PodKind<'a> {
        &mut self.kinds[kind]
    }

    /// The kind of pods that have given up nothing yet.
    pub(crate) fn of(&mut self, template: &'a PodTemplate, topology: &mut Topology<'a>) -> usize {
        let same = |kind: &PodKind<'_>| {
            std::ptr::eq(kind.template, template) && matches!(kind.spec, Cow::Borrowed(_))
        };
        if let Some(known) = self.kinds.iter().position(same) {
            return known;
        }
        let kind = PodKind::new(template, Cow::Borrowed(&template.spec), topology, self.settings);
        self.kinds.push(kind);
        self.kinds.len() - 1
    }

    /// Says of each kind whether topology has no say, once all pods have joined.
    pub(crate) fn settle(&mut self, topology: &Topology<'a>) {
        for kind in &mut self.kinds {
            kind.free = topology.is_free(&kind.membership);
        }
    }

    /// Lets every kind try the node at this place again.
    pub(crate) fn reconsider_node(&mut self, at: usize) {
        for kind in &mut self.kinds {
            kind.refused_nodes = kind.refused_nodes.min(at);
        }
    }

    /// The kind with one more preference given up, if there is one to give up.
    pub(crate) fn relax(&mut self, kind: usize, topology: &mut Topology<'a>) -> Option<usize> {
        if let Some(known) = self.kinds[kind].relaxed {
            return known;
        }
        let mut spec = self.kinds[kind].spec.clone().into_owned();
        let relaxed = preferences::relax(&mut spec, self.tolerate_prefer_no_schedule).then(|| {
            let template = self.kinds[kind].template;
            let next = PodKind::new(template, Cow::Owned(spec), topology, self.settings);
            self.kinds.push(next);
            self.kinds.len() - 1
        });
        self.kinds[kind].relaxed = Some(relaxed);
        relaxed
    }
}
