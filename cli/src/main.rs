//! The `scaletwin` command.
fn main() {}
