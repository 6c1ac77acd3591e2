//! The cells that tell ports and protocols.
//!
//! Ports and protocols stand in one cell, in two, or in three; side by side, paired by a remark ("https(443)") or by
//! the order of their lines. What the protocol cells say holds for every port that says nothing itself.

use std::collections::HashSet;

use super::application::{is_bare, numbered, transport, transports_of};
use super::port_items::{self, Item, MOST_DOUBTS, says_more};
use super::port_tokens::{Token, tokens};
use super::text::is_blank;
use crate::event::Protocol;
use crate::matrix::model::{PortSpec, Ports};

/// The cells, as far as the table has such columns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cells<'a> {
    pub(super) ports: &'a str,
    pub(super) protocol: Option<&'a str>,
    pub(super) transport: Option<&'a str>,
    pub(super) app: Option<&'a str>,
}

/// What the cells say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) ports: Vec<PortSpec>,
    pub(super) app: Option<String>,
    /// Remarks beside a port, such as `default`.
    pub(super) notes: Vec<String>,
    pub(super) doubts: Vec<String>,
}

/// Reads the cells.
///
/// # Errors
///
/// What was found and what was expected, when the ports cannot be told.
pub(super) fn read(cells: Cells<'_>) -> Result<Reading, String> {
    let protocol_said = Said::of(cells.protocol);
    let (transport_said, app_said) = (Said::of(cells.transport), Said::of(cells.app));
    let said = Transports {
        lines: [cells.transport, cells.protocol]
            .into_iter()
            .flatten()
            .map(lines_of)
            .next()
            .unwrap_or_default(),
        explicit: [&transport_said.transports[..], &protocol_said.transports, &app_said.transports]
            .into_iter()
            .find(|list| !list.is_empty())
            .unwrap_or_default()
            .to_vec(),
        implied: [&app_said.implied[..], &protocol_said.implied, &transport_said.implied].concat(),
    };
    // A column for applications says so even where it repeats the transport.
    let named = cells.app.filter(|cell| !is_blank(cell)).map(tidy);
    let app = named.or_else(|| protocol_said.text.clone()).or_else(|| transport_said.text.clone());
    let mut reading = Reading { app, ..Reading::default() };
    let port_items::Items { items, notes, doubts } = match port_items::read(cells.ports) {
        _ if is_blank(cells.ports) => port_items::Items::default(),
        // "8/0", "Type 3 Code 4"
        Err(_) if said.explicit == [Protocol::Icmp] => {
            reading.doubts.push(format!("ICMP has no ports; `{}` is left out", cells.ports));
            port_items::Items::default()
        }
        read => read?,
    };
    reading.notes = notes;
    reading.doubts.extend(doubts);
    for said in [&transport_said.doubts, &protocol_said.doubts, &app_said.doubts] {
        reading.doubts.extend(said.iter().cloned());
    }
    reading.doubts.extend(said.pairing(items.len(), &cells));
    let count_of_lines = cells.ports.lines().count();
    let mut seen = HashSet::new();
    for item in items {
        let specs = said.specs(&item, count_of_lines, &mut reading.doubts);
        reading.ports.extend(specs.into_iter().filter(|spec| seen.insert(*spec)));
    }
    if reading.ports.is_empty() && said.explicit.contains(&Protocol::Icmp) {
        reading.ports.push(ICMP);
    }
    if reading.ports.is_empty() {
        return Err(match cells.ports {
            "" => "found no port".to_owned(),
            ports => format!("found no port in `{ports}`"),
        });
    }
    Ok(reading)
}

const ICMP: PortSpec = PortSpec { ports: Ports::None, protocol: Some(Protocol::Icmp) };

/// What a cell says of protocols.
#[derive(Debug, Default)]
struct Said {
    /// The cell itself, unless it names nothing but transports.
    text: Option<String>,
    transports: Vec<Protocol>,
    /// Transports of the application protocols, with the port that stands beside one.
    implied: Vec<(Option<u16>, Protocol)>,
    doubts: Vec<String>,
}

impl Said {
    fn of(cell: Option<&str>) -> Self {
        let Some(cell) = cell.filter(|cell| !is_blank(cell)) else { return Self::default() };
        if let Some(transports) = numbered(cell.trim()) {
            return Self { transports, ..Self::default() };
        }
        let mut said = Self::default();
        let mut names_more = false;
        let tokens = tokens(cell);
        for (index, token) in tokens.iter().enumerate() {
            if said.doubts.len() > MOST_DOUBTS {
                break;
            }
            match token {
                Token::Word(word) => names_more |= said.word(word, tokens.get(index + 1), cell),
                // "HTTPS (TCP)"
                Token::Remark(remark) if transport(&remark.to_lowercase()).is_some() => {
                    said.transports.extend(transport(&remark.to_lowercase()));
                }
                Token::Remark(remark) if remark.parse::<u16>().is_err() && says_more(remark) => {
                    names_more = true;
                    said.doubts.push(format!("`{remark}` beside the protocol is a note only"));
                }
                Token::Number(number) if !is_version(&tokens[..index]) => {
                    said.doubts.push(format!("the number {number} in the protocol `{cell}` is not read"));
                }
                Token::Odd(sign @ ('!' | '?' | '≠')) => {
                    said.doubts.push(format!("the sign `{sign}` in `{cell}` is not understood"))
                }
                _ => {}
            }
        }
        said.carried(&tokens);
        said.text = names_more.then(|| tidy(cell));
        said
    }

    /// What one protocol says of the other that it carries: TLS runs over TCP (RFC 8446), HTTP/3 over QUIC and so UDP
    /// (RFC 9114).
    fn carried(&mut self, tokens: &[Token]) {
        let is = |token: &Token, name: &str| matches!(token, Token::Word(word) if word == name);
        if tokens.iter().any(|token| is(token, "tls") || is(token, "ssl")) {
            self.implied.retain(|(_, transport)| *transport == Protocol::Tcp);
        }
        let is_quic = |three: &[Token]| {
            is(&three[0], "http") && three[1] == Token::Slash && three[2] == Token::Number("3".to_owned())
        };
        if tokens.windows(3).any(is_quic) {
            self.implied.retain(|(_, transport)| *transport != Protocol::Tcp);
            self.implied.push((None, Protocol::Udp));
        }
    }

    /// Whether the word is more than a transport.
    fn word(&mut self, word: &str, next: Option<&Token>, cell: &str) -> bool {
        match (transport(word), transports_of(word)) {
            _ if word == "both" => self.transports.extend([Protocol::Tcp, Protocol::Udp]),
            (Some(transport), _) if self.transports.contains(&transport) => {}
            (Some(transport), _) => self.transports.push(transport),
            (None, transports) => {
                if matches!(word, "not" | "no" | "except" | "without" | "optional" | "optionally") {
                    self.doubts.push(format!("`{cell}` says `{word}`, which is not understood"));
                }
                if is_bare(word) {
                    self.doubts.push(format!(
                        "`{word}` is neither TCP, UDP, SCTP nor ICMP, and no row has a place for it"
                    ));
                }
                let port = match next {
                    Some(Token::Remark(remark)) => remark.trim().parse().ok(),
                    _ => None,
                };
                self.implied.extend(transports.unwrap_or_default().iter().map(|one| (port, *one)));
                return true;
            }
        }
        false
    }
}

/// Whether the number that follows is a version: `HTTP/2`, `TLS 1.3`.
fn is_version(before: &[Token]) -> bool {
    before
        .iter()
        .any(|token| matches!(token, Token::Word(word) if transports_of(word).is_some() || word == "version"))
}

/// `https(443) , http(80)` → `https(443), http(80)`, lines joined.
fn tidy(cell: &str) -> String {
    cell.replace('\n', ", ").replace(" ,", ",")
}

/// The transports that hold for a port which names none.
struct Transports {
    /// Those of each line of the cell.
    lines: Vec<Vec<Protocol>>,
    explicit: Vec<Protocol>,
    implied: Vec<(Option<u16>, Protocol)>,
}

fn lines_of(cell: &str) -> Vec<Vec<Protocol>> {
    cell.lines().map(|line| Said::of(Some(line)).transports).collect()
}

impl Transports {
    /// Several ports beside several transports that are listed one by one may belong together one by one.
    fn pairing(&self, count: usize, cells: &Cells<'_>) -> Option<String> {
        let cell = cells.transport.or(cells.protocol)?;
        let is_list = cell.contains([';', '\n', ',']);
        let is_paired = cell.contains('\n') && self.lines.len() == cells.ports.lines().count();
        (count > 1 && self.explicit.len() > 1 && is_list && !is_paired).then(|| {
            format!(
                "`{}` and `{cell}` may belong together one by one; each port is read with each transport",
                cells.ports
            )
        })
    }

    fn specs(&self, item: &Item, count_of_lines: usize, doubts: &mut Vec<String>) -> Vec<PortSpec> {
        if item.ports == Ports::Varies {
            return vec![PortSpec { ports: Ports::Varies, protocol: None }];
        }
        let transports = if item.transports.is_empty() {
            self.of(item, count_of_lines, doubts)
        } else {
            if !self.explicit.is_empty() && !self.explicit.iter().any(|one| item.transports.contains(one)) {
                doubts.push(format!("`{}` names a transport that its protocol contradicts", item.text));
            }
            item.transports.clone()
        };
        if transports == [Protocol::Icmp] && item.ports != Ports::None && item.ports != Ports::Any {
            doubts.push(format!("ICMP has no ports; `{}` is left out", item.text));
        }
        let transports = if transports.is_empty() {
            doubts.push(format!("no transport is named for `{}`; TCP is assumed", item.text));
            vec![Protocol::Tcp]
        } else {
            transports
        };
        let spec = |protocol| match protocol {
            Protocol::Icmp => ICMP,
            protocol => PortSpec { ports: item.ports, protocol: Some(protocol) },
        };
        transports.into_iter().map(spec).collect()
    }

    fn of(&self, item: &Item, count_of_lines: usize, doubts: &mut Vec<String>) -> Vec<Protocol> {
        let by_line =
            || self.lines.get(item.line).filter(|_| self.lines.len() == count_of_lines && count_of_lines > 1);
        if let Some(line) = by_line().filter(|line| !line.is_empty()) {
            return line.clone();
        }
        if !self.explicit.is_empty() {
            return self.explicit.clone();
        }
        if !item.behind.is_empty() {
            doubts.push(format!("no transport is named for `{}`; that of the next port is taken", item.text));
            return item.behind.clone();
        }
        let single = match item.ports {
            Ports::Range { first, last } if first == last => Some(first),
            _ => None,
        };
        let beside = |port: Option<u16>| self.implied.iter().filter(move |(other, _)| *other == port);
        let paired: Vec<Protocol> =
            single.map(|port| beside(Some(port)).map(|(_, one)| *one).collect()).unwrap_or_default();
        let mut found = if paired.is_empty() { beside(None).map(|(_, one)| *one).collect() } else { paired };
        found.dedup();
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(ports: &str, protocol: &str) -> String {
        let cells = Cells { ports, protocol: Some(protocol), ..Cells::default() };
        let reading = read(cells).unwrap_or_else(|error| panic!("{ports} | {protocol}: {error}"));
        let doubted = if reading.doubts.is_empty() { "" } else { " ?" };
        reading.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") + doubted
    }

    #[test]
    fn every_way_to_write_ports_is_read() {
        for (cell, protocol, expected) in [
            ("443", "TCP", "443/tcp"),
            ("443 ,22", "https(443), ssh(22) / git fetch protocol", "443/tcp 22/tcp"),
            ("443,80", "https(443) , http(80)", "443/tcp 80/tcp"),
            ("67 \n68", "TCP", "67/tcp 68/tcp"),
            ("25/587", "SMTP", "25/tcp 587/tcp"),
            ("2379, 2380", "tcp", "2379/tcp 2380/tcp"),
            ("61000-62000(default)", "TCP", "61000-62000/tcp"),
            ("30000–32767", "TCP", "30000-32767/tcp"),
            ("30000:32767", "TCP", "30000-32767/tcp"),
            ("8000 to 8080", "TCP", "8000-8080/tcp"),
            ("any", "udp", "any/udp"),
            ("*", "TCP", "any/tcp"),
            ("All", "TCP/UDP", "any/tcp any/udp"),
            ("53", "UDP/TCP", "53/udp 53/tcp"),
            ("53", "both", "53/tcp 53/udp"),
            ("53", "DNS", "53/tcp 53/udp"),
            ("Varies", "Varies", "varies"),
            ("N/A", "ICMP", "icmp"),
            ("", "ICMP echo", "icmp"),
            ("ICMP", "", "icmp"),
            ("443/TCP", "", "443/tcp"),
            ("tcp/443", "", "443/tcp"),
            ("TCP 80, 443; UDP: 53", "", "80/tcp 443/tcp 53/udp"),
            ("80, 443/tcp", "", "80/tcp 443/tcp ?"),
            ("443, 53/udp", "TCP", "443/tcp 53/udp ?"),
            ("53/tcp, udp", "", "53/tcp 53/udp"),
            ("53 (udp)", "", "53/udp"),
            ("443 (https)", "", "443/tcp"),
            (">1023", "UDP", "1024-65535/udp"),
            ("1024+", "UDP", "1024-65535/udp"),
            ("514\n6514", "UDP\nTCP", "514/udp 6514/tcp"),
            ("4711", "frobnicate", "4711/tcp ?"),
            ("443 tcp 53 udp", "", "443/tcp 53/udp"),
            ("TCP:443 UDP:53", "", "443/tcp 53/udp"),
            ("TCP 80 443 UDP 53", "", "80/tcp 443/tcp 53/udp"),
            ("tcp:137-139,445 udp:53", "", "137-139/tcp 445/tcp 53/udp"),
            ("<1024", "TCP", "1-1023/tcp"),
            ("≤1024", "TCP", "1-1024/tcp"),
            (">= 1024", "TCP", "1024-65535/tcp"),
            ("any > 1024", "TCP", "1025-65535/tcp"),
            ("80,443", "TCP", "80/tcp 443/tcp"),
            ("10,250", "UDP", "10/udp 250/udp ?"),
            ("443; 8443", "TCP; UDP", "443/tcp 443/udp 8443/tcp 8443/udp ?"),
            ("TCP/443", "UDP", "443/tcp ?"),
            ("53", "not UDP", "53/udp ?"),
            ("443", "tcp 8443", "443/tcp ?"),
            ("443", "TCP (UDP optional)", "443/tcp ?"),
            ("8080 (8443 if TLS)", "TCP", "8080/tcp ?"),
            ("443", "HTTP/2", "443/tcp"),
            ("500", "ESP", "500/tcp ?"),
            ("443", "ICMP", "icmp ?"),
            ("53", "17", "53/udp"),
            ("443?", "TCP", "443/tcp ?"),
            ("25 (not used)", "TCP", "25/tcp ?"),
        ] {
            let (cell, protocol) = (cell.replace("\\n", "\n"), protocol.replace("\\n", "\n"));
            assert_eq!(ports(&cell, &protocol), expected, "{cell} | {protocol}");
        }
    }

    #[test]
    fn what_is_no_port_is_told() {
        let fault = |ports: &str| read(Cells { ports, ..Cells::default() }).expect_err(ports);
        assert_eq!(fault("70000"), "port 70000 is above 65535");
        assert_eq!(fault("90-80"), "range 90-80 ends before it begins");
        assert_eq!(fault(""), "found no port");
        assert_eq!(
            fault("see below"),
            "found `see` in `see below`, expected ports such as `443, 8000-8080/tcp`"
        );
        assert_eq!(fault(">65535"), "no port is above 65535");
        assert_eq!(fault("!22"), "found `!` in `!22`");
        assert_eq!(fault("-443"), "found a dash that is no range's in `-443`");
        assert_eq!(fault("8080-8081-8082"), "found a dash that is no range's in `8080-8081-8082`");
        assert_eq!(fault("1.024"), "found `.` in `1.024`");
    }

    #[test]
    fn remarks_and_applications_are_kept() {
        let cells = Cells {
            ports: "61000-62000(default)",
            protocol: Some("https / registry v2"),
            ..Cells::default()
        };
        let reading = read(cells).expect("ports");
        assert_eq!(
            (reading.notes, reading.app),
            (vec!["default".to_owned()], Some("https / registry v2".to_owned()))
        );
        let transport_only = Cells { ports: "53", protocol: Some("UDP"), ..Cells::default() };
        assert_eq!(read(transport_only).expect("ports").app, None);
        let both = Cells { ports: "8002", transport: Some("TCP"), app: Some("HTTP"), ..Cells::default() };
        assert_eq!(read(both).expect("ports").app.as_deref(), Some("HTTP"));
    }
}
