//! Who a socket's owner is: cgroup → container → pod → the workload that people know.

mod bind;
mod cluster;
mod container;
mod labels;
mod stable_name;

pub use bind::bind;
pub use cluster::{ClusterObjects, Pod, Service, ServicePort, TargetPort, Workload};
pub use container::{Container, Unit, container, unit};
pub use labels::{Labels, carries, is_stable};
pub use stable_name::stable_name;
