//! Which pods a ReplicaSet gives up on scale-in.
