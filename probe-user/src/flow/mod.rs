//! Connections folded over one key, and the window and coverage that they rest on.

pub mod coverage;
pub mod key;
mod latest;
pub mod table;
pub mod window;

pub use coverage::{Coverage, Hook, Snapshot};
pub use key::{Direction, FlowKey, Workload};
pub use table::{FlowTable, Naming, Older};
pub use window::{Flow, Outcomes, ProcessSeen, Window};
