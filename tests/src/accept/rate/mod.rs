//! The lines of the acceptance of line rate that a programme can run.

pub mod addresses;
mod beside;
pub mod drain;
pub mod filters;
mod made_up;
pub mod matcher;
pub mod memory;
mod nftables;
pub mod oracle;
mod others;
pub mod real;
pub mod recorded;
mod rte_acl;
mod stock;
pub mod swap;
