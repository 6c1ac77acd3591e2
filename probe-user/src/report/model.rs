//! What a report says, ready to be written in any format. As JSON it is `flowdrift.report/1`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The schema's name.
pub const SCHEMA: &str = "flowdrift.report/1";

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the flowdrift that judged.
    pub flowdrift: String,
    /// The verdict on the whole.
    pub summary: Summary,
    /// The declared matrices.
    pub matrix: Vec<Document>,
    /// The inventory.
    pub inventory: Document,
    /// The baseline.
    pub baseline: Document,
    /// The exceptions, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceptions: Option<Document>,
    /// The recordings.
    pub recordings: Vec<Document>,
    /// From the first start to the last end.
    pub window: Span,
    /// Whether everything was seen that could be.
    pub completeness: Completeness,
    /// Every watched node.
    pub coverage: Vec<NodeCoverage>,
    /// Roster and recordings of every cluster.
    pub clusters: Vec<ClusterCoverage>,
    /// What somebody must act on, most severe first.
    pub findings: Vec<Finding>,
    /// Every declared row, in the matrices' order.
    pub rows: Vec<Row>,
    /// Flows and connections by verdict, the quiet ones too.
    pub counts: BTreeMap<String, Count>,
    /// What each row of the baseline covered, by its id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baseline_rows: BTreeMap<String, Count>,
    /// What policies would have cut, where some were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_deny: Option<WouldDeny>,
}

/// What becomes of what passed, where policies are enforced: at each end for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldDeny {
    /// Flow ends that pass.
    pub allowed: usize,
    /// Flow ends for which there is no policy.
    pub not_governed: usize,
    /// Flow ends that would have been cut.
    pub denied: Vec<DeniedFlow>,
}

/// An end of a flow that policies would have cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeniedFlow {
    /// Whom the policy is for: `cluster/namespace/workload`, or `cluster/node`.
    pub subject: String,
    /// `egress` where it connects, `ingress` where it is reached.
    pub direction: String,
    /// The other end: as `subject`, or an address.
    pub peer: String,
    /// The other end's address.
    pub address: std::net::IpAddr,
    /// The server's port as it is seen there, with its transport: `443/tcp`.
    pub port: String,
    /// `declared`, `baseline`, `exempt`, `undeclared` or `out of scope`.
    pub standing: String,
    /// Connections that stood.
    pub connections: u64,
}

/// The verdict on the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `conforms`, `drift` or `inconclusive`.
    pub verdict: String,
    /// The exit code that says the same.
    pub exit_code: u8,
    /// Findings by severity.
    pub findings: BTreeMap<String, usize>,
    /// Rows by verdict.
    pub rows: BTreeMap<String, usize>,
    /// Cells by verdict.
    pub cells: BTreeMap<String, usize>,
    /// Why "conforms" may not be said, beside the findings.
    pub inconclusive: Vec<String>,
}

/// An input, told by its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its own name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The file, as the user gave it.
    pub file: String,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// From when to when, RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The beginning.
    pub start: String,
    /// The end.
    pub end: String,
    /// Between them, seconds.
    pub seconds: f64,
}

/// Whether everything was seen that could be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// No reason against it.
    pub complete: bool,
    /// What is not covered.
    pub reasons: Vec<String>,
    /// Facts that reached a flow.
    pub events: u64,
    /// Facts that did not, by reason.
    pub lost: BTreeMap<String, u64>,
    /// What no hook of these recordings could see.
    pub blind: Vec<String>,
}

/// One watched node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeCoverage {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub node: String,
    /// Since when its hooks watched, RFC 3339.
    pub since: String,
    /// Until when.
    pub until: String,
    /// Facts that reached a flow.
    pub events: u64,
    /// Facts that did not.
    pub lost: BTreeMap<String, u64>,
    /// The same by the cgroup that lost them, where that is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost_by_cgroup: BTreeMap<String, u64>,
    /// Facts that were folded while the rings to user space were full: in flows, and without a process.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub folded: u64,
    /// Attempts that did not reach user space: their outcomes have no process.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub callers_lost: u64,
    /// Connections that were open before the hooks were.
    pub older_connections: u64,
    /// Whether its known connection was seen.
    pub canary: bool,
    /// The hooks that were attached.
    pub hooks: Vec<String>,
    /// What it was limited to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited_to: Vec<String>,
    /// What it may not claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

/// One cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCoverage {
    /// Its name.
    pub cluster: String,
    /// Nodes with a recording.
    pub recorded: usize,
    /// Nodes in the roster.
    pub roster: usize,
    /// The network namespaces of nodes of which nothing else was watched, by node: they stand for the whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limited: BTreeMap<String, Vec<String>>,
}

/// A row of a matrix, told by its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowPlace {
    /// Its id.
    pub id: String,
    /// The matrix file.
    pub file: String,
    /// Its line there.
    pub line: u32,
    /// The line of the document that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

/// What somebody must act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The same tomorrow.
    pub id: String,
    /// `missing`, `failing`, `degraded`, `undeclared`, `expired-exception`, `unused-exception`, `overbroad`.
    pub kind: String,
    /// `high`, `medium` or `low`.
    pub severity: String,
    /// Whether declaration and reality disagree by it.
    pub drift: bool,
    /// In words, one sentence.
    pub message: String,
    /// Where the claim stops, or what is known beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The row that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Box<RowPlace>>,
    /// The connecting side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The listening side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The server's port with its transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Cluster of the connecting side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The flow, of an undeclared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Box<FlowDetail>>,
    /// The row that it almost fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<Box<NearMiss>>,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
}

/// One end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Its address.
    pub address: String,
    /// The best name that the inventory has for it.
    pub label: String,
    /// Its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// An undeclared flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowDetail {
    /// The connecting end.
    pub client: End,
    /// The listening end.
    pub server: End,
    /// The server's port with its transport.
    pub port: String,
    /// The connecting workload's stable name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
}

/// A row that differs from a flow in one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    /// The row.
    pub row: RowPlace,
    /// `port`, `source`, `destination` or `protocol`.
    pub differs: String,
    /// What the row has there.
    pub declared: String,
    /// What the flow has there.
    pub found: String,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Connections that stood, each counted once though both ends saw it.
    pub connections: u64,
    /// Of these, how many the connecting end saw stand.
    pub connected: u64,
    /// How many the listening end took.
    pub accepted: u64,
    /// Attempts that came to nothing, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
    /// Whether both ends saw the same connections.
    pub both_ends: bool,
    /// Arrivals behind a proxy or NAT, which may or may not have been these: they cannot be joined.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub behind_proxy: u64,
    /// The hops that were seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<String>,
    /// Servers' addresses that a watched node translates, as clients know them and as they are behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub translations: Vec<String>,
    /// Names of the processes that connected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// Nodes that reported it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A declared row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Where it stands.
    #[serde(flatten)]
    pub place: RowPlace,
    /// Its component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// `required`, `optional`, `on-deploy` or `periodic`.
    pub expect: String,
    /// The worst that is said of a cell.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// Connections over all cells.
    pub connections: u64,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// One source, destination and port of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Who connects.
    pub source: String,
    /// Who is connected to.
    pub destination: String,
    /// The port entry.
    pub port: String,
    /// The verdict.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// What it rests on.
    pub evidence: Evidence,
}

/// Flows of one verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Flows, both ends of one counted once.
    pub flows: u64,
    /// Connections that stood.
    pub connections: u64,
    /// Attempts that came to nothing.
    pub failed: u64,
}
