//! `EgressPoint` of `networking.tanzu.vmware.com/v1alpha1`, after Tanzu Platform's documentation ("About egress", "`EgressPoint`
//! API reference"): what leaves a Space is denied unless a target allows it; within the cluster nothing is restricted.

use std::net::IpAddr;

use flowdrift::{
    event::Protocol,
    policy::{Party, Passage},
};
use serde_json::Value;

use super::{
    Enforcer, Site, Verdict,
    outside::{is_name, leaves},
};

/// What the platform does with them.
pub struct EgressPoints;

impl Enforcer for EgressPoints {
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict {
        let Party::Pod { pod, .. } = passage.party else { return Verdict::NotGoverned };
        let workload = &pod.workload;
        let of_space: Vec<&Value> = documents
            .iter()
            .filter(|point| {
                point["metadata"]["namespace"].as_str().unwrap_or("default") == workload.namespace
            })
            .collect();
        if of_space.is_empty() || !passage.is_egress || !leaves(site, passage.peer.address()) {
            return Verdict::NotGoverned;
        }
        for point in of_space {
            let source = &point["spec"]["sourceRef"];
            let is_for =
                source.is_null() || (source["kind"] == *workload.kind && source["name"] == *workload.name);
            if !is_for || passage.protocol != Protocol::Tcp {
                continue;
            }
            for target in point["spec"]["targets"].as_array().expect("valid") {
                let is_port = target["port"]["number"] == passage.port;
                let hosts = target["hosts"].as_array().expect("valid").iter().filter_map(Value::as_str);
                for host in hosts {
                    let is_host = host == "*"
                        || host.parse::<IpAddr>().is_ok_and(|address| address == passage.peer.address())
                        || is_name(site, host, passage.peer.address());
                    if is_port && is_host {
                        return Verdict::Allowed;
                    }
                }
            }
        }
        Verdict::Denied
    }
}
