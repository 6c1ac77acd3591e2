//! The flow matrix as it is written; [`super::model`] is what it means.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::located::Located;

/// Version of the document formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only one so far.
    #[default]
    #[serde(rename = "flowdrift/v1")]
    V1,
}

/// The `kind` of a flow matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MatrixKind {
    /// The only one.
    #[default]
    FlowMatrix,
}

/// The flow matrix: what may and what must talk to what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Matrix {
    /// Version of this format.
    #[serde(rename = "apiVersion")]
    pub api_version: Located<ApiVersion>,
    /// What this document is.
    pub kind: Located<MatrixKind>,
    /// The document's own name.
    pub metadata: Located<Metadata>,
    /// The declared lines.
    pub rows: Located<Vec<Located<Row>>>,
}

/// What names a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Metadata {
    /// Name of the matrix, as reports show it.
    pub name: Located<String>,
}

/// One declared line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Row {
    /// Unique in the document, and kept when the row changes: findings hash it.
    pub id: Located<String>,
    /// The product's part that the row belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Located<String>>,
    /// What within the two ends talks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub components: Option<Located<Vec<Located<String>>>>,
    /// Who connects: endpoint names of the inventory, roles, clusters, or `any`.
    #[schemars(length(min = 1))]
    pub from: Located<Vec<Located<String>>>,
    /// Who is connected to.
    #[schemars(length(min = 1))]
    pub to: Located<Vec<Located<String>>>,
    /// The server's ports.
    pub ports: Located<PortList>,
    /// Application protocol, for readers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Located<String>>,
    /// What silence means; `optional` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Located<Expect>>,
    /// Why the flow exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Located<String>>,
    /// The line of the document that the row was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Located<Source>>,
    /// True where a reader must doubt the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Located<bool>>,
    /// Why, one reason each; such a row is to be reviewed even when it does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubts: Option<Located<Vec<Located<String>>>>,
    /// Anything else, for readers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Located<String>>,
}

/// A place in the document that a row was taken from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Source {
    /// Name of the document.
    pub file: Located<String>,
    /// Its line, from 1.
    pub line: Located<u32>,
}

/// What silence means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// It must be seen in every span that is judged.
    Required,
    /// It may be seen.
    Optional,
    /// It is seen when something is deployed.
    OnDeploy,
    /// It must be seen in every span of this length, such as `24h`.
    Periodic(String),
}

/// The ports of a row: a list of which any will do, or `all:` with a list of which each must be seen.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PortList {
    /// Each is allowed, and one is enough.
    Any(#[schemars(length(min = 1))] Vec<Located<PortText>>),
    /// Each must be seen.
    All(AllPorts),
}

/// Ports of which each must be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllPorts {
    /// The ports.
    #[schemars(length(min = 1))]
    pub all: Vec<Located<PortText>>,
}

/// `443/tcp`, `1024-65535/tcp`, `any/udp`, `icmp` or `varies`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct PortText(
    #[schemars(regex(pattern = r"^(varies|icmp|(any|[0-9]{1,5}(-[0-9]{1,5})?)/(tcp|udp|sctp))$"))] pub String,
);

impl<'de> Deserialize<'de> for PortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PortTextVisitor)
    }
}

struct PortTextVisitor;

impl Visitor<'_> for PortTextVisitor {
    type Value = PortText;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a port with its transport such as `443/tcp`")
    }

    fn visit_str<E>(self, text: &str) -> Result<PortText, E> {
        Ok(PortText(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for PortList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortListVisitor)
    }
}

/// Written out because serde's own untagged reading loses the places.
struct PortListVisitor;

impl<'de> Visitor<'de> for PortListVisitor {
    type Value = PortList;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of ports such as [443/tcp], or {all: [..]}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<PortList, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(PortList::Any)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<PortList, A::Error> {
        AllPorts::deserialize(MapAccessDeserializer::new(access)).map(PortList::All)
    }
}
