//! The objects of a cluster as `kubectl get … -o json` prints them.

use std::borrow::Cow;

use k8s_openapi::api::{
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::ServiceCIDR,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::matrix::faults::{Fault, Faults};

/// One object of a kind that somebody here reads.
#[derive(Debug)]
pub enum Object {
    /// A machine.
    Node(Box<Node>),
    /// A virtual address.
    Service(Box<Service>),
    /// What is behind a service.
    EndpointSlice(Box<EndpointSlice>),
    /// Some containers with one address.
    Pod(Box<Pod>),
    /// A block of virtual addresses.
    ServiceCidr(Box<ServiceCIDR>),
    /// A namespace, with its labels.
    Namespace(Box<Namespace>),
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
}

/// Hands over one object of a list after the other, so that nobody need hold them all; `file` names the list in faults.
///
/// # Errors
///
/// It is no list of Kubernetes objects; every object that cannot be read is told.
pub fn read(bytes: &[u8], file: &str, mut each: impl FnMut(Object)) -> Result<(), Faults> {
    let fault = |line: usize, path: String, message: String| Fault {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        path,
        message,
    };
    let List { items } = serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("{error}, expected what `kubectl get … -o json` prints");
        Faults::new(file, vec![fault(error.line(), String::new(), message)])
    })?;
    let mut faults = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match object(item.get()) {
            Ok(Some(object)) => each(object),
            Ok(None) => {}
            Err((kind, error)) => {
                let start = item.get().as_ptr().addr() - bytes.as_ptr().addr();
                let before = bytes[..start].iter().filter(|byte| **byte == b'\n').count();
                let path = format!("items[{index}]");
                faults.push(fault(before + error.line(), path, format!("{kind}: {error}")));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults::new(file, faults)) }
}

/// The object, if it is of a kind that is read here; what is wrong with it, and its kind, otherwise.
fn object(text: &str) -> Result<Option<Object>, (String, serde_json::Error)> {
    fn typed<T: DeserializeOwned>(text: &str) -> Result<Box<T>, serde_json::Error> {
        serde_json::from_str(text).map(Box::new)
    }
    let Kind { kind } = serde_json::from_str(text).map_err(|error| ("object".to_owned(), error))?;
    let kind = kind.unwrap_or_default();
    let read = match kind.as_ref() {
        "Node" => typed(text).map(Object::Node),
        "Service" => typed(text).map(Object::Service),
        "EndpointSlice" => typed(text).map(Object::EndpointSlice),
        "Pod" => typed(text).map(Object::Pod),
        "ServiceCIDR" => typed(text).map(Object::ServiceCidr),
        "Namespace" => typed(text).map(Object::Namespace),
        _ => return Ok(None),
    };
    read.map(Some).map_err(|error| (kind.into_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_that_cannot_be_read_is_told_with_its_line() {
        let list = "{\"items\": [\n  {\"kind\": \"Pod\", \"metadata\": {\"name\": 7}},\n  {\"kind\": \"ConfigMap\", \"metadata\": 7},\n  \
                    {\"kind\": \"Node\",\n   \"spec\": []}\n]}";
        let faults = read(list.as_bytes(), "run.json", |_| panic!("one was read")).expect_err("two faults");
        let told = faults.to_string();
        let mut lines = told.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("run.json:2: items[0]: Pod: ")), "{told}");
        assert!(lines.next().is_some_and(|line| line.starts_with("run.json:5: items[2]: Node: ")), "{told}");
        assert_eq!(lines.next(), None);
    }
}
