//! The flow matrix as it is meant. Every value of these types is valid; `super::convert` makes them.

use std::sync::Arc;
use std::time::Duration;

pub use super::name::EndpointName;
pub use super::ports::{PortSpec, Ports};

/// A flow matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Its own name.
    pub name: String,
    /// The document's name, as the user gave it.
    pub file: String,
    /// SHA-256 of the document's bytes, lower-case hex.
    pub digest: String,
    /// The declared lines, in the document's order.
    pub rows: Vec<Row>,
}

/// One declared line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Unique in its matrix.
    pub id: String,
    /// The product's part that the row belongs to.
    pub component: Option<String>,
    /// What within the two ends talks, as documents put it in brackets.
    pub components: Vec<String>,
    /// Who connects; never empty.
    pub from: Vec<EndpointName>,
    /// Who is connected to; never empty.
    pub to: Vec<EndpointName>,
    /// The server's ports; never empty.
    pub ports: Vec<PortSpec>,
    /// Whether each port must be seen; otherwise one is enough.
    pub each_port: bool,
    /// Application protocol.
    pub app: Option<String>,
    /// What silence means.
    pub expect: Expect,
    /// Why the flow exists.
    pub purpose: Option<String>,
    /// Where the row was taken from.
    pub source: Option<SourceLine>,
    /// Whether a reader must doubt the row.
    pub review: bool,
    /// Why, as far as the document's reader knows.
    pub doubts: Vec<String>,
    /// Anything else that its author noted.
    pub notes: Option<String>,
    /// Line of the canonical file on which the row starts.
    pub line: u32,
}

/// A place in the document that a row was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// Name of the document; its rows share it.
    pub file: Arc<str>,
    /// Its line, from 1.
    pub line: u32,
}

/// What silence means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// It must be seen in every span that is judged.
    Required,
    /// It may be seen: vendors publish allow-lists.
    #[default]
    Optional,
    /// It is seen when something is deployed.
    OnDeploy,
    /// It must be seen in every span of this length.
    Periodic(Duration),
}
