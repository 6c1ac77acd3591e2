//! Kubernetes documents: one or many in a stream, or a list of them.

use std::sync::Arc;

use super::{Import, Problem, egress_point, ids, network_policy};
use crate::matrix::faults::Fault;
use crate::matrix::model::EndpointName;
use crate::matrix::node::{self, Items, Node, Part};
use crate::matrix::resource::is_list;

/// Kinds of other projects that declare flows.
const OTHERS: [&str; 5] = [
    "AuthorizationPolicy",
    "CiliumEgressGatewayPolicy",
    "EgressFirewall",
    "EgressNetworkPolicy",
    "NetworkSet",
];

/// Reads every resource that declares flows, and says of the others that they do not.
pub(super) fn read(document: &str, file: &str) -> Result<Import, Vec<Fault>> {
    let file: Arc<str> = file.into();
    let mut faults = Vec::new();
    let mut import = Import::default();
    let mut points = egress_point::Reader::default();
    let mut read = |resource: &Node| {
        let kind = resource.get("kind").and_then(Node::text).unwrap_or_default();
        match kind.as_str() {
            "EgressPoint" => points.read(resource, &file, &mut import),
            "NetworkPolicy" => network_policy::read(resource, &file, &mut import),
            kind if kind.ends_with("NetworkPolicy") || OTHERS.contains(&kind) => {
                let message =
                    format!("a resource of the kind `{kind}` may declare flows, in a form that is not read");
                import.problems.push(Problem::refused(resource.line, message));
            }
            kind => {
                let message = format!("a resource of the kind `{kind}` declares no flows, and is not read");
                import.problems.push(Problem::note(resource.line, message));
            }
        }
    };
    node::parse_all(document, Items::Below("items"), &mut faults, |part| match part {
        Part::Document(list) if is_list(&list) => {}
        Part::Item(resource) | Part::Document(resource) => read(&resource),
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    ids::give(&mut import.rows);
    import.problems.sort_by_key(|problem| problem.line);
    Ok(import)
}

/// `namespace/name` of a resource, or its name.
pub(super) fn name(resource: &Node) -> String {
    let text = |key: &str| resource.at(&["metadata", key]).and_then(Node::text);
    let name = text("name").unwrap_or_else(|| "unnamed".to_owned());
    text("namespace").map_or(name.clone(), |namespace| format!("{namespace}/{name}"))
}

pub(super) fn names(names: &[String]) -> Vec<EndpointName> {
    names.iter().map(|name| EndpointName::new(name)).collect()
}
