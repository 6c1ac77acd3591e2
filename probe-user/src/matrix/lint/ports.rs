//! Ports and transports that do not fit what they are for.

use super::{Finding, Located, Rule, finding};
use crate::event::Protocol;
use crate::matrix::model::{PortSpec, Ports, Row};

/// Services by port, with the transports that they use (IANA's registry of service names and ports; in brackets the RFC
/// or what the world does).
const SERVICES: [(u16, &str, &[Protocol]); 24] = [
    (22, "SSH", &[Protocol::Tcp]),
    (23, "Telnet", &[Protocol::Tcp]),
    (25, "SMTP", &[Protocol::Tcp]),
    (53, "DNS", &[Protocol::Tcp, Protocol::Udp]),
    (67, "DHCP", &[Protocol::Udp]),
    (68, "DHCP", &[Protocol::Udp]),
    (69, "TFTP", &[Protocol::Udp]),
    (80, "HTTP", &[Protocol::Tcp]),
    (110, "POP3", &[Protocol::Tcp]),
    (123, "NTP", &[Protocol::Udp]),
    (143, "IMAP", &[Protocol::Tcp]),
    (161, "SNMP", &[Protocol::Udp]),
    (179, "BGP", &[Protocol::Tcp]),
    // Connectionless LDAP (RFC 1798) is historic since RFC 3352.
    (389, "LDAP", &[Protocol::Tcp]),
    // QUIC (RFC 9000).
    (443, "HTTPS", &[Protocol::Tcp, Protocol::Udp]),
    (500, "IKE", &[Protocol::Udp]),
    (636, "LDAPS", &[Protocol::Tcp]),
    (2049, "NFS", &[Protocol::Tcp, Protocol::Udp]),
    (3306, "MySQL", &[Protocol::Tcp]),
    (4789, "VXLAN", &[Protocol::Udp]),
    (5432, "PostgreSQL", &[Protocol::Tcp]),
    (6379, "Redis", &[Protocol::Tcp]),
    (6443, "the Kubernetes API", &[Protocol::Tcp]),
    (6081, "Geneve", &[Protocol::Udp]),
];

/// Application protocols that stand on another's port.
const SWAPPED: [(&str, u16, &str); 4] =
    [("https", 80, "HTTP's"), ("http", 443, "HTTPS's"), ("ldaps", 389, "LDAP's"), ("ldap", 636, "LDAPS's")];

/// A service has no more.
const WIDE: u32 = 16_384;

pub(super) fn findings(rows: &[Located<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    for located in rows {
        for port in &located.row.ports {
            found.extend(
                misfit(located.row, *port)
                    .map(|message| finding(Rule::TransportMisfit, &[*located], message)),
            );
            if port.ports.count() >= WIDE {
                let message = format!("{port} are {} ports", port.ports.count());
                found.push(finding(Rule::WidePorts, &[*located], message));
            }
        }
    }
    found
}

fn misfit(row: &Row, port: PortSpec) -> Option<String> {
    let Ports::Range { first, last } = port.ports else { return None };
    if first != last {
        return None;
    }
    let app = row.app.as_deref().map(str::to_lowercase);
    let swapped = SWAPPED.iter().find(|(name, number, _)| app.as_deref() == Some(name) && *number == first);
    if let Some((name, number, whose)) = swapped {
        return Some(format!("{name} on {number}, which is {whose} port"));
    }
    let (_, service, transports) = SERVICES.iter().find(|(number, ..)| *number == first)?;
    let protocol = port.protocol?;
    if transports.contains(&protocol) {
        return None;
    }
    let usual: Vec<String> = transports.iter().map(ToString::to_string).collect();
    Some(format!("{port} is {service}'s port over another transport than its usual {}", usual.join(" or ")))
}
