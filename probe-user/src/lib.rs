//! flowdrift: what the kernels of a fleet saw, held against the flow matrix that somebody declared.
//!
//! Data goes one way: `capture` and `source` make events, `flow` folds them into windows with their coverage,
//! `matching` asks the declared `matrix` which rows a tuple fits, `judge` gives verdicts, `report` shows them and
//! `policy` makes rules of them. `workload` knows whose a cgroup is; `observe` is the running audit and `cli` the edge
//! to the user. `cargo xtask tidy` holds these imports.

pub mod capture;
pub mod cli;
pub mod escape;
pub mod event;
pub mod flow;
pub mod judge;
pub mod matching;
pub mod matrix;
pub mod observe;
pub mod policy;
pub mod report;
pub mod source;
mod wording;
pub mod workload;
