//! One port entry of a row: `443/tcp`, `1024-65535/tcp`, `any/udp`, `icmp` or `varies`.

use std::fmt;
use std::str::FromStr;

use super::faults::did_you_mean;
use crate::event::Protocol;

/// Which ports an entry admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// From `first` to `last`, both included; a single port is a range of one.
    Range {
        /// Lowest port, from 1.
        first: u16,
        /// Highest port.
        last: u16,
    },
    /// Every port.
    Any,
    /// The document leaves the ports to the site: the inventory's `ports` of the destination bind them.
    Varies,
    /// The protocol has no ports.
    None,
}

impl Ports {
    /// Whether `port` is among them; `Varies` holds none by itself.
    #[must_use]
    pub fn hold(self, port: u16) -> bool {
        match self {
            Self::Range { first, last } => (first..=last).contains(&port),
            Self::Any | Self::None => true,
            Self::Varies => false,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Self::Range { first, last } => u32::from(last.saturating_sub(first)) + 1,
            Self::Any => 65_536,
            Self::Varies => 0,
            Self::None => 1,
        }
    }
}

/// Ports and their transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSpec {
    /// Which ports.
    pub ports: Ports,
    /// The transport; `None` for `varies`, which leaves that open as well.
    pub protocol: Option<Protocol>,
}

impl PortSpec {
    /// Whether the transport fits.
    #[must_use]
    pub fn carries(&self, protocol: Protocol) -> bool {
        self.protocol.is_none_or(|declared| declared == protocol)
    }
}

impl fmt::Display for PortSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ports {
            Ports::Varies => return formatter.write_str("varies"),
            Ports::None => {}
            Ports::Any => formatter.write_str("any/")?,
            Ports::Range { first, last } if first == last => write!(formatter, "{first}/")?,
            Ports::Range { first, last } => write!(formatter, "{first}-{last}/")?,
        }
        self.protocol.map_or(Ok(()), |protocol| protocol.fmt(formatter))
    }
}

impl FromStr for PortSpec {
    /// What was found and what was expected.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "varies" => return Ok(Self { ports: Ports::Varies, protocol: None }),
            "icmp" => return Ok(Self { ports: Ports::None, protocol: Some(Protocol::Icmp) }),
            _ => {}
        }
        let (ports, transport) = text
            .split_once('/')
            .ok_or_else(|| format!("found `{text}`, expected a port with its transport such as `443/tcp`"))?;
        Ok(Self { protocol: Some(protocol(transport)?), ports: range(ports)? })
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => {
            let hint = did_you_mean(text, ["tcp", "udp", "sctp"]);
            Err(format!("unknown transport `{text}`{hint}, expected `tcp`, `udp` or `sctp`"))
        }
    }
}

fn range(text: &str) -> Result<Ports, String> {
    if text == "any" {
        return Ok(Ports::Any);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(format!("range {text} ends before it begins"));
    }
    Ok(Ports::Range { first, last })
}

/// Reads one port number.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(0) => Err("port 0 is no port, expected 1 to 65535".to_owned()),
        Ok(port) if digits => Ok(port),
        Err(_) if digits => Err(format!("port {text} is above 65535")),
        _ => Err(format!("found `{text}`, expected a port from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::PortSpec;

    #[test]
    fn every_form_reads_back_as_written() {
        for text in ["443/tcp", "1024-65535/tcp", "any/udp", "icmp", "varies", "2905/sctp"] {
            assert_eq!(text.parse::<PortSpec>().map(|spec| spec.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn each_fault_has_its_own_message() {
        let message = |text: &str| text.parse::<PortSpec>().expect_err(text);
        assert_eq!(message("70000/tcp"), "port 70000 is above 65535");
        assert_eq!(message("443"), "found `443`, expected a port with its transport such as `443/tcp`");
        assert_eq!(message("90-80/tcp"), "range 90-80 ends before it begins");
        assert!(message("443/tpc").contains("did you mean `tcp`?"));
        assert!(message("0/tcp").starts_with("port 0 is no port"));
        assert!(message("+5/tcp").starts_with("found `+5`"));
    }
}
