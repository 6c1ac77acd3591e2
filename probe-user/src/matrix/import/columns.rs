//! What each column of a table is for.

use std::fmt;

use super::application::transport;
use super::header::{self, Claim, Rank};
use super::table::Table;
use super::text::{is_one_of, words};
use crate::event::Protocol;

/// What a column tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Who connects.
    From,
    /// Who is connected to.
    To,
    /// The other end, whichever it is; [`Role::Direction`] says who connects.
    Peer,
    /// Which way the connection is made.
    Direction,
    /// The server's ports, perhaps with their transport.
    Ports,
    /// The first port of a range, beside [`Role::LastPort`].
    FirstPort,
    LastPort,
    /// The ports of one transport.
    PortsOf(Protocol),
    /// Whether the ports are those of a transport, beside [`Role::Ports`].
    Marks(Protocol),
    /// Transport, application protocol or both.
    Protocol,
    /// Transport alone.
    Transport,
    /// Application protocol alone.
    App,
    /// The product's part that the row belongs to.
    Component,
    /// Why the flow exists.
    Purpose,
    /// Whether it is required.
    Expect,
    /// Whether it is optional, which is the contrary.
    Optional,
    /// Whether it is allowed at all.
    Action,
    /// Whether it is not.
    Denial,
    /// Whether the line means something else than it says: it sleeps, or is about everybody else.
    Turn,
    /// A column of ends or ports beside the one that is read.
    Second,
    /// The row's id.
    Id,
    /// The end that the line is about, beside a column for the other.
    Host,
    /// Something that no row has a place for.
    Other,
}

const NAMED: [(&str, Role); 15] = [
    ("from", Role::From),
    ("to", Role::To),
    ("peer", Role::Peer),
    ("direction", Role::Direction),
    ("ports", Role::Ports),
    ("protocol", Role::Protocol),
    ("transport", Role::Transport),
    ("app", Role::App),
    ("component", Role::Component),
    ("purpose", Role::Purpose),
    ("expect", Role::Expect),
    ("optional", Role::Optional),
    ("action", Role::Action),
    ("host", Role::Host),
    ("id", Role::Id),
];

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMED.iter().find(|(_, role)| role == self);
        formatter.write_str(named.map_or("other", |(name, _)| name))
    }
}

/// Columns as the user gives them: `from=1,to=Server,ports=3`, by number from 1 or by the header's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(Vec<(Role, String)>);

impl std::str::FromStr for Columns {
    /// What was found and what was expected.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let column = |part: &str| {
            let (role, column) = part.split_once('=').ok_or_else(|| {
                format!("found `{part}`, expected a role and a column such as `from=1` or `to=Server`")
            })?;
            let found = NAMED.iter().find(|(name, _)| *name == role.trim());
            let roles = || NAMED.map(|(name, _)| name).join(", ");
            let (_, role) = found
                .ok_or_else(|| format!("unknown role `{}`, expected one of {}", role.trim(), roles()))?;
            Ok((*role, column.trim().to_owned()))
        };
        text.split(',').map(column).collect::<Result<_, String>>().map(Self)
    }
}

impl Columns {
    /// The roles of a header's columns, as given; `None` where one that was given is not there.
    fn roles(&self, header: &[String]) -> Option<Vec<Role>> {
        let mut roles = vec![Role::Other; header.len()];
        for (role, column) in &self.0 {
            let by_number = column.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let by_text = || header.iter().position(|cell| words(cell) == words(column));
            let place = by_number.filter(|place| *place < header.len()).or_else(by_text)?;
            roles[place] = *role;
        }
        Some(roles)
    }
}

/// What the headings above a table tell of the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Who talks to whom.
    pub(super) ends: bool,
    /// Whom the table is about.
    pub(super) subject: bool,
    /// And whether it accepts what the rows tell, or connects to it.
    pub(super) way: bool,
}

/// The roles of a table's columns, when the table declares flows: it has ports, and tells who talks to whom, or its
/// headings do.
pub(super) fn roles(header: &[String], given: Option<&Columns>, told: Told) -> Option<Vec<Role>> {
    let roles = match given {
        Some(columns) => columns.roles(header)?,
        None => recognised(header),
    };
    let has = |role| roles.contains(&role);
    // "Security group", "Node": with a source alone it is what accepts.
    let is_one_ended = has(Role::From) != has(Role::To);
    let tells_ends = (has(Role::From) && has(Role::To))
        || has(Role::Peer)
        || told.ends
        || (is_one_ended && (has(Role::Host) || told.subject) && (told.way || has(Role::Direction)));
    let tells_ports =
        roles.iter().any(|role| matches!(role, Role::Ports | Role::PortsOf(_) | Role::FirstPort));
    (tells_ports && tells_ends).then_some(roles)
}

/// Whether a header has a column of ports.
pub(super) fn names_ports(header: &[String]) -> bool {
    recognised(header).iter().any(is_ports)
}

fn is_ports(role: &Role) -> bool {
    matches!(role, Role::Ports | Role::PortsOf(_) | Role::FirstPort | Role::LastPort)
}

/// Whether a table that [`roles`] does not know has ports: by its header, and by what stands in it.
pub(super) fn tells_ports(table: &Table) -> bool {
    /// So many lines tell.
    const LINES: usize = 64;
    let roles = recognised(&table.header);
    let cells = table.rows.iter().take(LINES).flat_map(|line| line.cells.iter().zip(&roles));
    let mut cells = cells.filter(|(cell, _)| cell.bytes().any(|byte| byte.is_ascii_digit()));
    cells.any(|(cell, role)| is_ports(role) || holds_port(cell))
}

/// `tcp/443`, `443 (UDP)`.
fn holds_port(cell: &str) -> bool {
    let words = words(cell);
    let is_port = |word: &String| word.parse::<u16>().is_ok();
    words.len() <= 6
        && words.windows(2).any(|pair| {
            (transport(&pair[0]).is_some() && is_port(&pair[1]))
                || (is_port(&pair[0]) && transport(&pair[1]).is_some())
        })
}

/// Whether a line reads as the header of a table of flows: it has the columns, and nothing that stands in rows.
pub(super) fn is_header(cells: &[String], told: Told) -> bool {
    let is_data = |cell: &String| {
        let words = words(cell);
        words.iter().any(|word| word.bytes().all(|byte| byte.is_ascii_digit()) && word.len() > 1)
    };
    let transports = cells.iter().filter(|cell| transport(&cell.to_lowercase()).is_some()).count();
    // "TCP" alone is what a cell says; "TCP" and "UDP" are columns.
    transports != 1 && !cells.iter().any(is_data) && roles(cells, None, told).is_some()
}

/// Whether a line within a table is the header of another: it has the plain words of one, and no others.
pub(super) fn is_header_within(cells: &[String], told: Told) -> bool {
    let is_plain = |cell: &String| {
        let Claim { role, rank } = header::claim(cell);
        let is_read = matches!(role, Role::From | Role::To | Role::Peer) || is_ports(&role);
        !is_read || (rank == Rank::Exact && words(cell).iter().all(|word| !is_one_of(word, "any all no")))
    };
    is_header(cells, told) && cells.iter().all(is_plain)
}

/// The roles by the header's words. Of several columns for the same thing the plainest is meant, and the first of those.
fn recognised(header: &[String]) -> Vec<Role> {
    let mut claims: Vec<Claim> = header.iter().map(|cell| header::claim(cell)).collect();
    let names = |claims: &[Claim], role: Role, most: Rank| {
        claims.iter().any(|claim| claim.role == role && claim.rank <= most)
    };
    // From and to are the ends of a range of ports, unless they are those of the flow.
    let is_flow = header.iter().any(|cell| ["from", "to"].contains(&cell.trim().to_lowercase().as_str()));
    let has_range =
        names(&claims, Role::FirstPort, Rank::Exact) && names(&claims, Role::LastPort, Rank::Exact);
    for (claim, cell) in claims.iter_mut().zip(header) {
        let says_flow = words(cell).iter().any(|word| word == "from" || word == "to");
        claim.role = match claim.role {
            Role::FirstPort if is_flow && says_flow => Role::Other,
            Role::LastPort if is_flow && says_flow => Role::Ports,
            Role::FirstPort | Role::LastPort if !has_range => Role::Ports,
            role => role,
        };
    }
    let has_range = names(&claims, Role::FirstPort, Rank::Exact);
    let has_ports = names(&claims, Role::Ports, Rank::Place) || names(&claims, Role::FirstPort, Rank::Place);
    let has_ends = names(&claims, Role::From, Rank::Place) || names(&claims, Role::To, Rank::Place);
    // A firewall's "service" is a port.
    let has_any_ports = has_ports || claims.iter().any(|claim| matches!(claim.role, Role::PortsOf(_)));
    if !has_any_ports && let Some(service) = header.iter().position(|cell| is_service(cell)) {
        claims[service] = Claim { role: Role::Ports, rank: Rank::Exact };
    }
    let taken = |place: usize, claim: &Claim| {
        let same = claims.iter().enumerate().filter(|(_, other)| other.role == claim.role);
        same.min_by_key(|(place, other)| (other.rank, *place)).map(|(place, _)| place) == Some(place)
    };
    let has_both = names(&claims, Role::From, Rank::Qualified) && names(&claims, Role::To, Rank::Qualified);
    let role = |(place, claim): (usize, &Claim)| match claim.role {
        Role::Host | Role::Peer if has_both => Role::Other,
        Role::PortsOf(transport) if has_ports => Role::Marks(transport),
        Role::Peer if claim.rank == Rank::Place && has_ends => Role::Other,
        // One denial is enough, whichever column says it.
        Role::Other | Role::Second | Role::PortsOf(_) | Role::Action | Role::Denial | Role::Turn => {
            claim.role
        }
        Role::Ports if has_range => Role::Second,
        role if taken(place, claim) => role,
        Role::Ports | Role::FirstPort | Role::LastPort => Role::Second,
        Role::From | Role::To if claim.rank != Rank::Place => Role::Second,
        _ => Role::Other,
    };
    claims.iter().enumerate().map(role).collect()
}

fn is_service(cell: &str) -> bool {
    let words = words(cell);
    !words.is_empty()
        && words.iter().all(|word| is_one_of(word, "service services svc dienst dienste servicio servizio"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Option<Vec<Role>> {
        let header: Vec<String> = header.split('|').map(|cell| cell.trim().to_owned()).collect();
        roles(&header, None, Told::default())
    }

    #[test]
    fn vendors_headers_are_known() {
        use Role::{
            App, Component, Direction, Expect, From, Other, Peer, Ports, Protocol, Purpose, To, Transport,
        };
        for (header, expected) in [
            (
                "Product | Source | Destination | Ports | Protocols | Purpose",
                vec![Component, From, To, Ports, Protocol, Purpose],
            ),
            (
                "Source VM | Destination VM | Port | Transport Layer Protocol | App Layer Protocol | Security",
                vec![From, To, Ports, Transport, App, Other],
            ),
            ("Direction | Source/Destination | Port(s) | Protocol", vec![Direction, Peer, Ports, Protocol]),
            ("From | To | Source port | Dest. port | Required?", vec![From, To, Other, Ports, Expect]),
            ("Server | Client | Port / Protocol | Reason", vec![To, From, Ports, Purpose]),
        ] {
            assert_eq!(of(header), Some(expected), "{header}");
        }
    }

    #[test]
    fn other_tables_declare_no_flows() {
        assert_eq!(of("Variable | Description | Example"), None);
        assert_eq!(of("Host | Port | Protocol"), None);
    }

    #[test]
    fn columns_can_be_given() {
        let header: Vec<String> = ["A", "B", "C"].map(str::to_owned).to_vec();
        let given: Columns = "from=2,to=c,ports=1".parse().expect("columns");
        assert_eq!(
            roles(&header, Some(&given), Told::default()),
            Some(vec![Role::Ports, Role::From, Role::To])
        );
        let missing: Columns = "from=2,to=c,ports=4".parse().expect("columns");
        assert_eq!(roles(&header, Some(&missing), Told::default()), None);
        assert!("from".parse::<Columns>().is_err());
        assert!("who=1".parse::<Columns>().expect_err("no role").contains("direction"));
    }
}
