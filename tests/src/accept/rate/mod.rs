//! The lines of the acceptance of line rate that a programme can run.

pub mod matcher;
pub mod oracle;
mod rte_acl;
