//! `ServiceEntry` of `networking.istio.io/v1` under an outbound traffic policy of `REGISTRY_ONLY`, after Istio's reference: by
//! `hosts` for HTTP and TLS, by `addresses` where there are some, by the port alone for plain TCP without.

use std::net::IpAddr;

use flowdrift::{
    event::Protocol,
    policy::{Party, Passage},
};
use ipnet::IpNet;
use serde_json::Value;

use super::{
    Enforcer, Site, Verdict,
    outside::{is_name, leaves},
};

/// What a sidecar does with them.
pub struct ServiceEntries;

impl Enforcer for ServiceEntries {
    fn verdict(&self, site: Site<'_>, documents: &[Value], passage: &Passage<'_>) -> Verdict {
        let Party::Pod { pod, .. } = passage.party else { return Verdict::NotGoverned };
        let (address, port) = passage.dialled.unwrap_or((passage.peer.address(), passage.port));
        let namespace = pod.workload.namespace.as_str();
        let seen: Vec<&Value> = documents.iter().filter(|entry| is_seen(entry, namespace)).collect();
        let is_captured = passage.is_egress && passage.protocol == Protocol::Tcp;
        if !is_captured || !leaves(site, address) || seen.is_empty() {
            return Verdict::NotGoverned;
        }
        for spec in seen.iter().map(|entry| &entry["spec"]) {
            for one in list(&spec["ports"]) {
                if one["number"] == port && is_meant(site, spec, one, address) {
                    return Verdict::Allowed;
                }
                if is_endpoint(site, spec, one, (address, port)) {
                    return Verdict::Allowed;
                }
            }
        }
        Verdict::Denied
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// "If no namespaces are specified then the service is exported to all namespaces by default."
fn is_seen(entry: &Value, namespace: &str) -> bool {
    let own = entry["metadata"]["namespace"].as_str().unwrap_or("default");
    let to = list(&entry["spec"]["exportTo"]);
    to.is_empty() || to.iter().any(|to| to == "*" || to == namespace || (to == "." && own == namespace))
}

fn is_meant(site: Site<'_>, spec: &Value, port: &Value, address: IpAddr) -> bool {
    let addresses = list(&spec["addresses"]);
    let is_placed = addresses.iter().filter_map(Value::as_str).any(|text| {
        let block = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        block.expect("valid").contains(&address)
    });
    let is_named =
        list(&spec["hosts"]).iter().filter_map(Value::as_str).any(|host| is_name(site, host, address));
    let is_vip = addresses.iter().filter_map(Value::as_str).any(|text| {
        let single = text.parse::<IpAddr>().ok();
        let whole = text.parse::<IpNet>().ok().filter(|net| net.prefix_len() == net.max_prefix_len());
        single.or(whole.map(|net| net.addr())) == Some(address)
    });
    match port["protocol"].as_str().unwrap_or("TCP").to_ascii_uppercase().as_str() {
        "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" => is_named || is_placed,
        // "If we have a VIP, then we know the destination … no need to do a SNI match" (pilot/pkg/networking/core/tls.go).
        "HTTPS" | "TLS" => is_vip || (is_named && (is_placed || addresses.is_empty())),
        "UDP" => false,
        // "the sidecar will behave as a simple TCP proxy, forwarding incoming traffic on a specified port to the specified
        // destination endpoint": elsewhere than it was sent, unless there is none.
        _ => {
            is_placed || (addresses.is_empty() && matches!(spec["resolution"].as_str(), None | Some("NONE")))
        }
    }
}

/// Where the sidecar itself goes for the port.
fn is_endpoint(site: Site<'_>, spec: &Value, port: &Value, (address, asked): (IpAddr, u16)) -> bool {
    if port["protocol"] == "UDP" {
        return false;
    }
    let target = if port["targetPort"].is_null() { &port["number"] } else { &port["targetPort"] };
    let endpoints = list(&spec["endpoints"]);
    if endpoints.is_empty() {
        let is_resolved = spec["resolution"].as_str().is_some_and(|resolution| resolution.starts_with("DNS"));
        let mut hosts = list(&spec["hosts"]).iter().filter_map(Value::as_str);
        return is_resolved && *target == asked && hosts.any(|host| is_name(site, host, address));
    }
    endpoints.iter().any(|endpoint| {
        let own = &endpoint["ports"][port["name"].as_str().expect("valid")];
        let at = endpoint["address"].as_str().unwrap_or_default();
        let is_there = at.parse::<IpAddr>().map_or_else(|_| is_name(site, at, address), |at| at == address);
        is_there && if own.is_null() { *target == asked } else { *own == asked }
    })
}
