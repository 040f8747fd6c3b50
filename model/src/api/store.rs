//! The API server's store.

use super::node::Node;
use super::pod::Pod;
use crate::id::{NodeId, PodId, Table};

/// What the API server holds. Controllers read it through their views; only the cluster writes it.
#[derive(Debug, Clone, Default)]
pub struct Api {
    /// Pods
    pub pods: Table<PodId, Pod>,
    /// Nodes
    pub nodes: Table<NodeId, Node>,
}
