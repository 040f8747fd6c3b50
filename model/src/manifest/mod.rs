//! Kubernetes manifests as users write them: raw serde types, one file a kind, converted into the
//! model's own types with every problem named by its field path.

/// One thing wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, as in `spec.triggers[0].metadata.threshold`.
    pub path: String,
    /// What is wrong: lower case, no full stop, saying what was expected.
    pub message: String,
    /// What to do about it; empty if that is plain.
    pub hint: String,
}
