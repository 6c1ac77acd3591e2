//! `cargo xtask`: the list of tasks.
fn main() {}
