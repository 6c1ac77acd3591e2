//! Kubernetes documents: one or many in a stream, or a list of them.

use super::{Import, Problem, egress_point, ids, network_policy};
use crate::matrix::faults::Fault;
use crate::matrix::model::EndpointName;
use crate::matrix::node::{self, Node};

/// Reads every resource that declares flows, and says of the others that they do not.
pub(super) fn read(document: &str, file: &str) -> Result<Import, Vec<Fault>> {
    let mut faults = Vec::new();
    let Some(documents) = node::parse_all(document, &mut faults) else { return Err(faults) };
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut import = Import::default();
    let mut points = egress_point::Reader::default();
    for resource in documents.iter().flat_map(resources) {
        let kind = resource.get("kind").and_then(Node::text).unwrap_or_default();
        match kind.as_str() {
            "EgressPoint" => points.read(resource, file, &mut import),
            "NetworkPolicy" => network_policy::read(resource, file, &mut import),
            kind => {
                let message = format!("a resource of the kind `{kind}` declares no flows, and is not read");
                import.problems.push(Problem::note(resource.line, message));
            }
        }
    }
    ids::give(&mut import.rows);
    import.problems.sort_by_key(|problem| problem.line);
    Ok(import)
}

/// The resource itself, or those of a `List`.
fn resources(document: &Node) -> Vec<&Node> {
    let is_list = document.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
    match document.get("items").filter(|_| is_list) {
        Some(items) => items.items().iter().collect(),
        None => vec![document],
    }
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
