//! kube-scheduler, default profile.
