//! The same scenario, seed and version give the same bytes.
