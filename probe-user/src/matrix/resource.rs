//! Resources as Kubernetes knows them, in YAML or JSON: one, many in a stream, or a list of them.

use serde::de::DeserializeOwned;

use super::{
    faults::{Fault, Faults},
    node::{self, Items, Kind, Node, Part},
    reader,
};

/// What a resource says, wherever it stands.
#[derive(Clone, Debug)]
pub struct Content(Node);

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.0.says_as(&other.0)
    }
}

/// One resource, not yet read.
pub struct Resource<'n> {
    node: &'n Node,
    faults: &'n mut Vec<Fault>,
}

impl Resource<'_> {
    /// `networking.k8s.io/v1/NetworkPolicy`; empty parts where it does not say.
    #[must_use]
    pub fn kind(&self) -> String {
        let text = |key: &str| self.node.get(key).and_then(Node::text).unwrap_or_default();
        format!("{}/{}", text("apiVersion"), text("kind"))
    }

    /// Its namespace, which is `default` where it names none, as for `kubectl apply`, and its name.
    #[must_use]
    pub fn place(&self) -> (String, String) {
        let metadata = self.node.get("metadata");
        let text = |key: &str| metadata.and_then(|metadata| metadata.get(key)).and_then(Node::text);
        (text("namespace").unwrap_or_else(|| "default".to_owned()), text("name").unwrap_or_default())
    }

    /// What it says.
    #[must_use]
    pub fn content(&self) -> Content {
        Content(self.node.clone())
    }

    /// Line of the document on which it starts.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.node.line
    }

    /// Reads it as what it is said to be. Keys that the type does not have are faults, as is every value that cannot be
    /// read.
    pub fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        let before = self.faults.len();
        let read = reader::read(self.node, self.faults);
        read.filter(|_| self.faults.len() == before)
    }

    /// The same of a type that has no status, which a server may have written all the same.
    pub fn read_without_status<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut node = self.node.clone();
        if let Kind::Map(entries) = &mut node.kind {
            entries.retain(|(key, _)| key.text != "status");
        }
        Resource { node: &node, faults: &mut *self.faults }.read()
    }

    /// Tells of something else that is wrong with it.
    pub fn fault(&mut self, path: &str, message: String) {
        self.fault_at(self.line(), path, message);
    }

    /// The same where the line is known.
    pub fn fault_at(&mut self, line: u32, path: &str, message: String) {
        self.faults.push(Fault { line, path: path.to_owned(), message });
    }
}

/// Hands over each resource of a document; `file` names it in faults.
///
/// # Errors
/// It is no YAML, or what was wrong with the resources.
pub fn each(text: &str, file: &str, mut take: impl FnMut(Resource<'_>)) -> Result<(), Faults> {
    let (mut faults, mut found) = (Vec::new(), Vec::new());
    node::parse_all(text, Items::Below("items"), &mut faults, |part| match part {
        Part::Document(list) if is_list(&list) => {}
        Part::Item(resource) | Part::Document(resource) => {
            take(Resource { node: &resource, faults: &mut found });
        }
    });
    faults.append(&mut found);
    if faults.is_empty() { Ok(()) } else { Err(Faults::new(file, faults)) }
}

/// Hands over each resource of a document whose resources are all of some kinds; `file` names it in faults.
///
/// # Errors
/// As of [`each`], and resources of other kinds.
pub fn each_of(
    text: &str,
    file: &str,
    kinds: &[&str],
    mut take: impl FnMut(&mut Resource<'_>),
) -> Result<(), Faults> {
    each(text, file, |mut resource| {
        let kind = resource.kind();
        if kinds.contains(&kind.as_str()) {
            take(&mut resource);
        } else {
            resource.fault("kind", format!("found `{kind}`, expected {}", kinds.join(" or ")));
        }
    })
}

/// Whether it is nothing but its items.
pub(super) fn is_list(document: &Node) -> bool {
    let kind = document.get("kind").and_then(Node::text);
    kind.is_some_and(|kind| kind.ends_with("List")) && document.get("items").is_some()
}
