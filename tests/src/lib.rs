//! What the kernel tests and `cargo xtask accept` share: network namespaces, generators, and the probe under test.
