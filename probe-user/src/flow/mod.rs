//! Connections folded over one key, and the window and coverage that they rest on.

pub mod coverage;
mod exchanges;
mod fact;
mod fold;
pub mod key;
mod latest;
mod ledger;
mod raw;
pub mod table;
pub mod tally;
pub mod window;

pub use coverage::{Coverage, CoverageGap, Hook, Snapshot};
pub use fact::{Fact, Outcome};
pub use key::{Direction, FlowKey, Workload};
pub use ledger::{Ledger, LedgerFault, read_page};
pub use raw::Naming;
pub use table::{Closed, FlowTable, Older};
pub use window::{Flow, Outcomes, ProcessSeen, Window};
