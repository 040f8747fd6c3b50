//! What is known of a cluster at a moment of a recording: its objects as they were heard last.

use sim::SortedMap;

use serde_json::Value;

use crate::recording::{Change, Object};

/// The objects that are there.
#[derive(Debug, Clone, Default)]
pub struct Heard<'r> {
    objects: SortedMap<&'r str, SortedMap<&'r str, (u64, &'r Object)>>,
    next: u64,
}

impl<'r> Heard<'r> {
    /// Takes a change in.
    pub fn apply(&mut self, object: &'r Object) {
        let own = self.objects.entry(&object.kind).or_default();
        if object.change == Change::Deleted {
            own.remove(object.uid.as_str());
            return;
        }
        let order = own.get(object.uid.as_str()).map_or(self.next, |known| known.0);
        self.next = self.next.max(order + 1);
        own.insert(&object.uid, (order, object));
    }

    /// The objects of a kind.
    pub fn kind(&self, kind: &str) -> impl Iterator<Item = &'r Object> + '_ {
        let own = self.objects.get(kind).into_iter().flatten();
        own.map(|(_, (_, object))| *object)
    }

    /// The objects of a kind in the order of their creation, and of hearing of them where that is the same.
    #[must_use]
    pub fn by_age(&self, kind: &str) -> Vec<&'r Object> {
        let mut all: Vec<(u64, &'r Object)> = self
            .objects
            .get(kind)
            .map(|own| own.values().copied().collect())
            .unwrap_or_default();
        let created = |object: &'r Object| {
            object
                .text("/metadata/creationTimestamp")
                .parse::<jiff::Timestamp>()
                .ok()
        };
        all.sort_by_cached_key(|(order, object)| (created(object), *order));
        all.into_iter().map(|(_, object)| object).collect()
    }

    /// An object by its name.
    #[must_use]
    pub fn named(&self, kind: &str, namespace: &str, name: &str) -> Option<&'r Object> {
        self.kind(kind)
            .find(|object| object.namespace == namespace && object.name == name)
    }
}

/// A text in an object; empty if there is none.
#[must_use]
pub fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object.pointer(path).and_then(Value::as_str).unwrap_or("")
}

/// The status of an object's condition, and since when.
#[must_use]
pub fn condition<'v>(object: &'v Value, name: &str) -> Option<(&'v str, &'v str)> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    let own = all.iter().find(|own| own["type"] == name)?;
    Some((text(own, "/status"), text(own, "/lastTransitionTime")))
}

impl Object {
    /// A text in the object; empty if there is none.
    #[must_use]
    pub fn text(&self, path: &str) -> &str {
        text(&self.object, path)
    }

    /// The elements of a list in the object; none if there is no list.
    pub fn items(&self, path: &str) -> impl Iterator<Item = &Value> {
        let list = self.object.pointer(path).and_then(Value::as_array);
        list.into_iter().flatten()
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.object.pointer("/metadata/labels")?.get(key)?.as_str()
    }

    /// Whether a node has a taint with this key.
    #[must_use]
    pub fn has_taint(&self, key: &str) -> bool {
        self.items("/spec/taints").any(|taint| taint["key"] == *key)
    }

    /// A whole number in the object.
    #[must_use]
    pub fn number(&self, path: &str) -> Option<i64> {
        self.object.pointer(path).and_then(Value::as_i64)
    }

    /// A condition's status, and since when.
    #[must_use]
    pub fn condition(&self, name: &str) -> Option<(&str, &str)> {
        condition(&self.object, name)
    }

    /// Whether a condition is True.
    #[must_use]
    pub fn is(&self, condition: &str) -> bool {
        self.condition(condition)
            .is_some_and(|(status, _)| status == "True")
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    /// The kind and name of its controller.
    #[must_use]
    pub fn owner(&self) -> Option<(&str, &str)> {
        let owners = self.object.pointer("/metadata/ownerReferences")?.as_array()?;
        let controls = |own: &&Value| own["controller"] == true;
        let own = owners.iter().find(controls).or(owners.first())?;
        Some((own["kind"].as_str()?, own["name"].as_str()?))
    }

    /// A pod's Deployment: its ReplicaSet's name without the last part.
    #[must_use]
    pub fn deployment(&self) -> Option<&str> {
        match self.owner()? {
            ("ReplicaSet", name) => Some(name.rsplit_once('-')?.0),
            _ => None,
        }
    }

    /// Whether a pod has neither ended nor is being deleted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !matches!(self.text("/status/phase"), "Succeeded" | "Failed") && !self.is_deleting()
    }
}
