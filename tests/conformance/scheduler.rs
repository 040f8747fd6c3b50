//! kube-scheduler: filters, scores, ties, preemption, adaptive search.
