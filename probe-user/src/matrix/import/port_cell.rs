//! The cells that tell ports and protocols.
//!
//! Ports and protocols stand in one cell, in two, or in three; side by side, paired by a remark ("https(443)") or by
//! the order of their lines. What the protocol cells say holds for every port that says nothing itself.

use super::application::{transport, transports_of};
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
    let protocol = Said::of(cells.protocol);
    let (transport, app) = (Said::of(cells.transport), Said::of(cells.app));
    let said = Transports {
        lines: [cells.transport, cells.protocol]
            .into_iter()
            .flatten()
            .map(lines_of)
            .next()
            .unwrap_or_default(),
        explicit: [&transport.transports[..], &protocol.transports, &app.transports]
            .into_iter()
            .find(|list| !list.is_empty())
            .unwrap_or_default()
            .to_vec(),
        implied: [&app.implied[..], &protocol.implied, &transport.implied].concat(),
    };
    // A column for applications says so even where it repeats the transport.
    let named = cells.app.filter(|cell| !is_blank(cell)).map(tidy);
    let mut reading = Reading { app: named.or(protocol.text).or(transport.text), ..Reading::default() };
    let (items, notes) = items(cells.ports)?;
    reading.notes = notes;
    let count_of_lines = cells.ports.lines().count();
    for item in items {
        for spec in said.specs(&item, count_of_lines, &mut reading.doubts) {
            if !reading.ports.contains(&spec) {
                reading.ports.push(spec);
            }
        }
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
}

impl Said {
    fn of(cell: Option<&str>) -> Self {
        let Some(cell) = cell.filter(|cell| !is_blank(cell)) else { return Self::default() };
        let mut said = Self::default();
        let mut names_more = false;
        let tokens = tokens(cell);
        for (index, token) in tokens.iter().enumerate() {
            let Token::Word(word) = token else { continue };
            if word == "both" {
                said.transports.extend([Protocol::Tcp, Protocol::Udp]);
                continue;
            }
            match (transport(word), transports_of(word)) {
                (Some(transport), _) if !said.transports.contains(&transport) => {
                    said.transports.push(transport)
                }
                (Some(_), _) => {}
                (None, transports) => {
                    names_more = true;
                    let port = match tokens.get(index + 1) {
                        Some(Token::Remark(remark)) => remark.trim().parse().ok(),
                        _ => None,
                    };
                    said.implied.extend(transports.unwrap_or_default().iter().map(|one| (port, *one)));
                }
            }
        }
        said.text = names_more.then(|| tidy(cell));
        said
    }
}

/// `https(443) , http(80)` → `https(443), http(80)`, lines joined.
fn tidy(cell: &str) -> String {
    cell.replace('\n', ", ").replace(" ,", ",")
}

fn is_blank(cell: &str) -> bool {
    matches!(cell.trim().to_lowercase().as_str(), "" | "-" | "–" | "—" | "n/a" | "na" | "none")
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
    fn specs(&self, item: &Item, count_of_lines: usize, doubts: &mut Vec<String>) -> Vec<PortSpec> {
        if item.ports == Ports::Varies {
            return vec![PortSpec { ports: Ports::Varies, protocol: None }];
        }
        let transports = if item.transports.is_empty() {
            self.of(item, count_of_lines, doubts)
        } else {
            item.transports.clone()
        };
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

/// One port or range of the ports' cell.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    ports: Ports,
    /// What it says itself.
    transports: Vec<Protocol>,
    /// What the next port says, when this one says nothing.
    behind: Vec<Protocol>,
    /// Line of the cell, from 0.
    line: usize,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Number(String),
    Word(String),
    /// Text in brackets.
    Remark(String),
    /// A range's sign.
    Dash,
    Slash,
    Colon,
    Above,
    Plus,
    Star,
    Comma,
    Line,
}

fn tokens(cell: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = cell;
    while let Some(letter) = rest.chars().next() {
        let word = |is: fn(char) -> bool| rest.find(|letter: char| !is(letter)).unwrap_or(rest.len());
        let length = match letter {
            _ if letter.is_ascii_digit() => word(|letter| letter.is_ascii_digit()),
            _ if letter.is_alphabetic() => word(|letter| letter.is_alphanumeric() || letter == '_'),
            '(' | '[' => rest.find([')', ']']).map_or(rest.len(), |end| end + 1),
            '.' if rest.starts_with("..") => word(|letter| letter == '.'),
            _ => letter.len_utf8(),
        };
        let (text, after) = rest.split_at(length);
        rest = after;
        match letter {
            _ if letter.is_ascii_digit() => tokens.push(Token::Number(text.to_owned())),
            _ if letter.is_alphabetic() => tokens.push(named(text)),
            '(' | '[' => {
                tokens.push(Token::Remark(text.trim_matches(['(', ')', '[', ']']).trim().to_owned()))
            }
            '-' | '–' | '—' | '−' | '‐' | '‑' | '~' => tokens.push(Token::Dash),
            '.' if length > 1 => tokens.push(Token::Dash),
            '/' => tokens.push(Token::Slash),
            ':' => tokens.push(Token::Colon),
            '>' | '≥' => tokens.push(Token::Above),
            '+' => tokens.push(Token::Plus),
            '*' => tokens.push(Token::Star),
            ',' | ';' | '&' | '|' => tokens.push(Token::Comma),
            '\n' => tokens.push(Token::Line),
            _ => {}
        }
    }
    tokens
}

fn named(text: &str) -> Token {
    match text.to_lowercase().as_str() {
        "to" | "through" => Token::Dash,
        "and" | "or" => Token::Comma,
        word => Token::Word(word.to_owned()),
    }
}

/// What stands between two commas: ports, and the transports that are said there.
#[derive(Debug, Default)]
struct Segment {
    line: usize,
    ports: Vec<(Ports, String)>,
    transports: Vec<Protocol>,
    /// Whether a transport stands before the ports, and so holds for those of the next segments too.
    leads: bool,
}

/// The cell's ports, and the remarks beside them.
fn items(cell: &str) -> Result<(Vec<Item>, Vec<String>), String> {
    let mut segments = Vec::new();
    let mut notes = Vec::new();
    if is_blank(cell) {
        return Ok((Vec::new(), notes));
    }
    let mut line = 0;
    for part in tokens(cell).split_inclusive(|token| matches!(token, Token::Comma | Token::Line)) {
        let mut segment = segment(part, cell, &mut notes)?;
        segment.line = line;
        line += usize::from(part.last() == Some(&Token::Line));
        join(&mut segments, segment);
    }
    Ok((inherit(segments), notes))
}

/// A segment that names transports alone belongs to the ports before it, as in `53/tcp, udp`, or after it.
fn join(segments: &mut Vec<Segment>, mut segment: Segment) {
    match segments.last_mut() {
        Some(last) if last.ports.is_empty() => {
            segment.transports.splice(..0, std::mem::take(&mut last.transports));
            segment.leads = true;
            *last = segment;
        }
        Some(last) if segment.ports.is_empty() => last.transports.append(&mut segment.transports),
        _ => segments.push(segment),
    }
}

/// Ports that name no transport take the one that leads before them, or the one behind the next: `TCP 80, 443`,
/// `80, 443/tcp`.
fn inherit(segments: Vec<Segment>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut leading = Vec::new();
    for Segment { line, ports, mut transports, leads } in segments {
        if leads {
            leading.clone_from(&transports);
        } else if transports.is_empty() {
            transports.clone_from(&leading);
        } else {
            leading.clear();
            let open = items.iter_mut().rev().take_while(|item| item.transports.is_empty());
            open.for_each(|item| item.behind.clone_from(&transports));
        }
        let item =
            |(ports, text)| Item { ports, transports: transports.clone(), behind: Vec::new(), line, text };
        items.extend(ports.into_iter().map(item));
    }
    items
}

fn segment(tokens: &[Token], cell: &str, notes: &mut Vec<String>) -> Result<Segment, String> {
    let mut segment = Segment::default();
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        rest = after;
        match token {
            Token::Number(first) => rest = number(first, after, &mut segment)?,
            Token::Above => rest = above(after, cell, &mut segment)?,
            Token::Star => segment.ports.push((Ports::Any, "*".to_owned())),
            Token::Word(word) => segment.word(word, cell)?,
            Token::Remark(remark) => segment.remark(remark, notes),
            _ => {}
        }
    }
    Ok(segment)
}

/// A port or a range; returns what follows it.
fn number<'t>(first: &str, rest: &'t [Token], segment: &mut Segment) -> Result<&'t [Token], String> {
    let port = port(first)?;
    let (last, text, rest) = match rest {
        // 30000:32767 is a range too, as iptables writes it.
        [Token::Dash | Token::Colon, Token::Number(last), rest @ ..] => {
            (self::port(last)?, format!("{first}-{last}"), rest)
        }
        [Token::Plus, rest @ ..] => (u16::MAX, format!("{first}+"), rest),
        rest => (port, first.to_owned(), rest),
    };
    if last < port {
        return Err(format!("range {text} ends before it begins"));
    }
    segment.ports.push((Ports::Range { first: port, last }, text));
    Ok(rest)
}

/// `>1023`; returns what follows it.
fn above<'t>(rest: &'t [Token], cell: &str, segment: &mut Segment) -> Result<&'t [Token], String> {
    let [Token::Number(number), rest @ ..] = rest else {
        return Err(format!("found `>` without a port in `{cell}`"));
    };
    let first = port(number)?.checked_add(1).ok_or("no port is above 65535")?;
    segment.ports.push((Ports::Range { first, last: u16::MAX }, format!(">{number}")));
    Ok(rest)
}

impl Segment {
    fn word(&mut self, word: &str, cell: &str) -> Result<(), String> {
        let ports = match word {
            "any" | "all" => Ports::Any,
            "varies" | "various" | "variable" | "dynamic" | "configurable" | "custom" => Ports::Varies,
            "port" | "ports" | "default" | "by" | "the" => return Ok(()),
            _ => return self.protocol(word, cell),
        };
        self.ports.push((ports, word.to_owned()));
        Ok(())
    }

    fn protocol(&mut self, word: &str, cell: &str) -> Result<(), String> {
        let Some(transports) =
            transport(word).map(|one| vec![one]).or_else(|| transports_of(word).map(<[_]>::to_vec))
        else {
            return Err(format!("found `{word}` in `{cell}`, expected ports such as `443, 8000-8080/tcp`"));
        };
        if transports == [Protocol::Icmp] && self.ports.is_empty() {
            self.ports.push((Ports::None, word.to_owned()));
        }
        self.leads |= self.ports.is_empty();
        self.transports.extend(transports);
        Ok(())
    }

    fn remark(&mut self, remark: &str, notes: &mut Vec<String>) {
        let word = remark.to_lowercase();
        let transports =
            transport(&word).map(|one| vec![one]).or_else(|| transports_of(&word).map(<[_]>::to_vec));
        match transports {
            Some(transports) => self.transports.extend(transports),
            None if remark.is_empty() => {}
            None => notes.push(remark.to_owned()),
        }
    }
}

fn port(text: &str) -> Result<u16, String> {
    crate::matrix::ports::port(text)
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
            ("443, 53/udp", "TCP", "443/tcp 53/udp"),
            ("53/tcp, udp", "", "53/tcp 53/udp"),
            ("53 (udp)", "", "53/udp"),
            ("443 (https)", "", "443/tcp"),
            (">1023", "UDP", "1024-65535/udp"),
            ("1024+", "UDP", "1024-65535/udp"),
            ("514\n6514", "UDP\nTCP", "514/udp 6514/tcp"),
            ("4711", "frobnicate", "4711/tcp ?"),
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
