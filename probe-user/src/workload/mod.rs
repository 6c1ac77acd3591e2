//! Who a socket's owner is: cgroup → container → pod → the workload that people know.

mod bind;
mod cluster;
mod container;
mod labels;
mod stable_name;

pub use bind::bind;
pub use cluster::{ClusterObjects, Pod, Service, ServicePort, TargetPort, Workload};
pub use container::{Container, container};
pub use labels::{Labels, carries};
pub use stable_name::stable_name;
