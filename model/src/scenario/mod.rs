//! Scenario files: what was written, then what it means.
