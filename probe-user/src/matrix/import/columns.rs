//! What each column of a table is for.

use std::fmt;

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
    /// Whether it is allowed at all.
    Action,
    /// A column of ends or ports beside the one that is read.
    Second,
    /// The row's id.
    Id,
    /// Something that no row has a place for.
    Other,
}

const NAMED: [(&str, Role); 12] = [
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
            let by_text = || header.iter().position(|cell| normal(cell) == normal(column));
            let place = by_number.filter(|place| *place < header.len()).or_else(by_text)?;
            roles[place] = *role;
        }
        Some(roles)
    }
}

/// The roles of a table's columns, when the table declares flows: it has ports, and tells who talks to whom, or its
/// heading does (`is_told`).
pub(super) fn roles(header: &[String], given: Option<&Columns>, is_told: bool) -> Option<Vec<Role>> {
    let roles = match given {
        Some(columns) => columns.roles(header)?,
        None => recognised(header),
    };
    let has = |role| roles.contains(&role);
    let tells_ends = (has(Role::From) && has(Role::To)) || has(Role::Peer) || is_told;
    (has(Role::Ports) && tells_ends).then_some(roles)
}

/// Whether a table that [`roles`] does not know has ports and something more that a flow has.
pub(super) fn tells_ports(header: &[String]) -> bool {
    let roles = recognised(header);
    let more =
        [Role::From, Role::To, Role::Peer, Role::Protocol, Role::Transport, Role::App, Role::Direction];
    roles.contains(&Role::Ports) && more.into_iter().any(|role| roles.contains(&role))
}

/// The roles by the header's words. A role that two columns claim goes to the first.
fn recognised(header: &[String]) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::with_capacity(header.len());
    // Zones and interfaces tell the ends only where nothing else does.
    let is_place = |cell: &str| {
        let text = normal(cell);
        text.split(' ').any(|word| ["zone", "zones", "interface", "vlan"].contains(&word))
    };
    let told: Vec<Role> = header.iter().filter(|cell| !is_place(cell)).map(|cell| role(cell)).collect();
    for cell in header {
        let role = role(cell);
        let is_beside = is_place(cell) && told.contains(&role);
        let is_taken = roles.contains(&role) && role != Role::Purpose;
        roles.push(match role {
            role if !is_taken && !is_beside => role,
            Role::Ports => Role::Second,
            _ => Role::Other,
        });
    }
    roles
}

fn normal(cell: &str) -> String {
    let words = cell.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

fn role(cell: &str) -> Role {
    let text = normal(cell);
    let words: Vec<&str> = text.split(' ').collect();
    let has = |some: &[&str]| words.iter().any(|word| some.contains(word));
    let from = has(&[
        "source",
        "sources",
        "src",
        "from",
        "client",
        "initiator",
        "originator",
        "origin",
        "connecting",
    ]);
    let to = has(&[
        "destination",
        "destinations",
        "dest",
        "dst",
        "to",
        "target",
        "server",
        "listener",
        "listening",
        "responder",
    ]);
    match () {
        () if has(&["port", "ports"]) && from && !to => Role::Other,
        () if has(&["port", "ports"]) => Role::Ports,
        () if from && to => Role::Peer,
        () if has(&["peer", "remote"]) => Role::Peer,
        () if has(&["direction", "dir", "bidirectional"]) => Role::Direction,
        () if has(&["action", "allow", "allowed", "permit", "permitted", "verdict", "status", "enabled"]) => {
            Role::Action
        }
        () if has(&["required", "optional", "mandatory", "expect"]) => Role::Expect,
        () if has(&["protocol", "protocols", "proto", "transport", "layer", "l4", "l7"]) => protocol(&has),
        () if from => Role::From,
        () if to => Role::To,
        () if has(&[
            "purpose",
            "description",
            "usage",
            "reason",
            "why",
            "comment",
            "comments",
            "remarks",
        ]) =>
        {
            Role::Purpose
        }
        () if text == "id" || text == "row id" || text == "rule id" => Role::Id,
        () if has(&["component", "product", "feature", "module"]) || text == "external service" => {
            Role::Component
        }
        () if has(&["app", "application", "service", "l7"]) => Role::App,
        () if has(&["notes", "note", "details", "function"]) => Role::Purpose,
        () => Role::Other,
    }
}

fn protocol(has: &impl Fn(&[&str]) -> bool) -> Role {
    match () {
        () if has(&["app", "application", "l7", "7"]) => Role::App,
        () if has(&["transport", "l4", "4"]) => Role::Transport,
        () => Role::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Option<Vec<Role>> {
        let header: Vec<String> = header.split('|').map(|cell| cell.trim().to_owned()).collect();
        roles(&header, None, false)
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
        assert_eq!(roles(&header, Some(&given), false), Some(vec![Role::Ports, Role::From, Role::To]));
        let missing: Columns = "from=2,to=c,ports=4".parse().expect("columns");
        assert_eq!(roles(&header, Some(&missing), false), None);
        assert!("from".parse::<Columns>().is_err());
        assert!("who=1".parse::<Columns>().expect_err("no role").contains("direction"));
    }
}
