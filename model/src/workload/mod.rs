//! Deployments, ReplicaSets, DaemonSets, endpoints and kubelets.
