//! What reaches below the tests' usual tools: BPF objects of other processes, handlers to measure against, a traced
//! process, io_uring, a socket load-balancer, made-up records.
//!
//! The only room of the tests that knows aya, or holds unsafe code.

pub mod balancer;
mod instructions;
pub mod oldkernel;
pub mod peers;
pub mod programs;
pub mod synthetic;
pub mod uring;
