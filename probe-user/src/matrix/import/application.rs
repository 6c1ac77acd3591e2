//! Application protocols that documents name, and the transports that carry them.

use crate::event::Protocol;

/// Names by transport; IANA's registry of service names, and what vendors write.
const TCP: [&str; 48] = [
    "amqp",
    "amqps",
    "bgp",
    "cassandra",
    "cifs",
    "docker",
    "etcd",
    "ftp",
    "ftps",
    "git",
    "grpc",
    "http",
    "http2",
    "https",
    "imap",
    "imaps",
    "iscsi",
    "kafka",
    "ldap",
    "ldaps",
    "memcached",
    "mongodb",
    "mqtt",
    "mssql",
    "mysql",
    "nats",
    "nfs",
    "oci",
    "oracle",
    "pop3",
    "postgres",
    "postgresql",
    "rdp",
    "redis",
    "registry",
    "scp",
    "sftp",
    "smb",
    "smtp",
    "smtps",
    "ssh",
    "ssl",
    "telnet",
    "tls",
    "vnc",
    "websocket",
    "winrm",
    "wss",
];
const UDP: [&str; 18] = [
    "bfd",
    "bootp",
    "dhcp",
    "dtls",
    "geneve",
    "ike",
    "ipfix",
    "ipsec",
    "netflow",
    "ntp",
    "quic",
    "radius",
    "snmp",
    "stun",
    "syslog",
    "tftp",
    "vxlan",
    "wireguard",
];
const BOTH: [&str; 4] = ["dns", "domain", "kerberos", "sip"];

/// A transport by its name.
pub(super) fn transport(word: &str) -> Option<Protocol> {
    match word {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "sctp" => Some(Protocol::Sctp),
        "icmp" | "icmpv4" | "icmpv6" | "icmp6" | "ping" => Some(Protocol::Icmp),
        _ => None,
    }
}

/// The transports of an application protocol, when its name is known.
pub(super) fn transports_of(word: &str) -> Option<&'static [Protocol]> {
    // "NFSv4", "SNMPv3"
    let unversioned = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let word = match unversioned.strip_suffix('v') {
        Some(bare) if unversioned.len() < word.len() && !bare.is_empty() => bare,
        _ => word,
    };
    match word {
        _ if TCP.contains(&word) => Some(&[Protocol::Tcp]),
        _ if UDP.contains(&word) => Some(&[Protocol::Udp]),
        _ if BOTH.contains(&word) => Some(&[Protocol::Tcp, Protocol::Udp]),
        _ => None,
    }
}

/// Whether a word names an IP protocol that is neither TCP, UDP, SCTP nor ICMP.
pub(super) fn is_bare(word: &str) -> bool {
    ["ah", "esp", "gre", "igmp", "ipip", "ospf", "pim", "vrrp", "l2tp", "ip"].contains(&word)
}

/// The transports of an IP protocol's number (IANA's registry of protocol numbers), as exports of security groups write it.
pub(super) fn numbered(cell: &str) -> Option<Vec<Protocol>> {
    Some(match cell.to_lowercase().as_str() {
        "1" | "58" => vec![Protocol::Icmp],
        "6" => vec![Protocol::Tcp],
        "17" => vec![Protocol::Udp],
        "132" => vec![Protocol::Sctp],
        "-1" | "any" | "all" => vec![Protocol::Tcp, Protocol::Udp],
        _ => return None,
    })
}

/// Whether a word is the name of a transport or of an application protocol.
pub(super) fn is_protocol(word: &str) -> bool {
    transport(word).is_some() || transports_of(word).is_some()
}
