//! What is let through, in nobody's language, and on what that rests.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use super::{blocks::Blocks, passage::Standing};
use crate::{event::Protocol, matching::Rows, matrix::EndpointName, workload::Workload};

/// Who is at the other end of what a rule lets through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// All pods of a workload of the same cluster.
    Workload(Workload),
    /// An endpoint of the inventory, or what of it the rows declare.
    Endpoint {
        /// Its name.
        name: EndpointName,
        /// Its host names.
        hosts: Vec<String>,
        /// Its blocks, without what of them the rows do not mean.
        blocks: Blocks,
    },
    /// Blocks that the inventory gives to something that is no endpoint, such as a cluster's nodes.
    Blocks {
        /// What they are.
        name: String,
        /// The cluster that they are a part of, where they are one.
        cluster: Option<String>,
        /// The blocks, likewise.
        blocks: Blocks,
    },
    /// Exactly this address.
    Address(IpAddr),
}

impl Peer {
    /// Its blocks; none where it is known by something else.
    #[must_use]
    pub fn blocks(&self) -> Blocks {
        match self {
            Self::Workload(_) => Blocks::default(),
            Self::Endpoint { blocks, .. } | Self::Blocks { blocks, .. } => blocks.clone(),
            Self::Address(address) => Blocks::from(*address),
        }
    }

    /// The host names by which it is known.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        match self {
            Self::Endpoint { hosts, .. } => hosts,
            Self::Workload(_) | Self::Blocks { .. } | Self::Address(_) => &[],
        }
    }

    /// The same as it is known by its blocks alone.
    pub(super) fn without_hosts(mut self) -> Self {
        if let Self::Endpoint { hosts, .. } = &mut self {
            hosts.clear();
        }
        self
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(workload) => workload.fmt(formatter),
            Self::Endpoint { name, .. } => name.fmt(formatter),
            Self::Blocks { name, .. } => formatter.write_str(name),
            Self::Address(address) => address.fmt(formatter),
        }
    }
}

/// Ports of the server, host byte order; 0 to 65535 are all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The transport.
    pub protocol: Protocol,
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Whether it holds all of another.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.first <= other.first && other.last <= self.last
    }

    /// Whether it holds a port.
    #[must_use]
    pub fn holds(&self, protocol: Protocol, port: u16) -> bool {
        self.protocol == protocol && (self.first..=self.last).contains(&port)
    }
}

/// `443/tcp`, `1024-2048/tcp`, `any/udp`.
impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, first, last } = self;
        match (*first, *last) {
            (0, u16::MAX) => write!(formatter, "any/{protocol}"),
            (first, last) if first == last => write!(formatter, "{first}/{protocol}"),
            (first, last) => write!(formatter, "{first}-{last}/{protocol}"),
        }
    }
}

/// What is let through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Who is at the other end.
    pub peer: Peer,
    /// The server's ports.
    pub ports: PortRange,
}

/// A row of a matrix, and where somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowRef {
    /// Its id.
    pub id: String,
    /// The document.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The application protocol that it names.
    pub app: Option<String>,
    /// Whether it is one of the baseline's.
    pub is_of_baseline: bool,
}

impl RowRef {
    /// Of a row of a matrix, with what right it lets something pass.
    pub(super) fn new(rows: &Rows, row: usize, standing: Standing) -> Self {
        let (written, matrix) = (rows.row(row), rows.matrix(row));
        let source = written.source.as_ref();
        Self {
            id: written.id.clone(),
            file: source.map_or_else(|| matrix.file.clone(), |source| source.file.to_string()),
            line: source.map_or(written.line, |source| source.line),
            app: written.app.clone(),
            is_of_baseline: standing == Standing::Baseline,
        }
    }
}

/// `id (file:line)`.
impl fmt::Display for RowRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, file, line, .. } = self;
        write!(formatter, "{id} ({file}:{line})")
    }
}

/// On what a rule rests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// With what right it passed.
    pub standings: BTreeSet<Standing>,
    /// Rows that declare it.
    pub rows: BTreeSet<RowRef>,
    /// Ids of the exceptions that cover it.
    pub exceptions: BTreeSet<String>,
    /// Connections that were seen; none of a rule that only the declaration asks for.
    pub connections: u64,
    /// Addresses at the other end.
    pub addresses: BTreeSet<IpAddr>,
    /// The server's ports that were seen, host byte order.
    pub ports: BTreeSet<u16>,
    /// What the clients asked for, where a service translates it.
    pub dialled: BTreeSet<(IpAddr, u16)>,
    /// Stable names of the cgroups that connected.
    pub groups: BTreeSet<String>,
    /// Names of the processes that connected; hostile text.
    pub processes: BTreeSet<String>,
    /// Wall-clock time of the first and last fact, nanoseconds since the Unix epoch; `None` without any.
    pub seen: Option<(i64, i64)>,
    /// Host names that rows have for one and the same address: nothing tells which was meant, and the rule is by address.
    pub aliases: BTreeSet<String>,
}

impl Evidence {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        let Self {
            standings,
            rows,
            exceptions,
            connections,
            addresses,
            ports,
            dialled,
            groups,
            processes,
            seen,
            aliases,
        } = other;
        self.standings.extend(standings);
        self.rows.extend(rows);
        self.exceptions.extend(exceptions);
        self.connections = self.connections.saturating_add(connections);
        self.addresses.extend(addresses);
        self.ports.extend(ports);
        self.dialled.extend(dialled);
        self.groups.extend(groups);
        self.processes.extend(processes);
        self.aliases.extend(aliases);
        self.seen = match (self.seen, seen) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
    }

    /// The application protocol, where everything that it rests on is a row that names the same one.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        let is_of_rows = self.exceptions.is_empty()
            && self.standings.iter().all(|one| matches!(one, Standing::Declared | Standing::Baseline));
        let mut apps = self.rows.iter().map(|row| row.app.as_deref());
        let first = apps.next().flatten().filter(|_| is_of_rows)?;
        apps.all(|app| app.is_some_and(|app| app.eq_ignore_ascii_case(first))).then_some(first)
    }
}

/// What is let through, and on what that rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What.
    pub flow: Flow,
    /// On what.
    pub evidence: Evidence,
}
