//! Connections folded over one key, and the window and coverage that they rest on.

pub mod coverage;
mod exchanges;
mod fold;
pub mod key;
mod latest;
pub mod table;
pub mod window;

pub use coverage::{Coverage, CoverageGap, Hook, Snapshot};
pub use fold::Naming;
pub use key::{Direction, FlowKey, Workload};
pub use table::{FlowTable, Older};
pub use window::{Flow, Outcomes, ProcessSeen, Window};
