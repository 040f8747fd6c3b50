//! What a cluster said, as the model takes it.
