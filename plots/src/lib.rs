//! Figures from recorded runs.
