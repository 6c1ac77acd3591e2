//! The ports' cell → ports, with the transports that it names itself.

use super::application::{is_bare, transport, transports_of};
use super::port_tokens::{Token, tidied, tokens};
use super::refusals::turn;
use crate::event::Protocol;
use crate::matrix::model::Ports;

/// One port or range.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) ports: Ports,
    /// What it says itself.
    pub(super) transports: Vec<Protocol>,
    /// What the next port says, when this one says nothing.
    pub(super) behind: Vec<Protocol>,
    /// Line of the cell, from 0.
    pub(super) line: usize,
    pub(super) text: String,
}

/// What the cell says.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) items: Vec<Item>,
    /// Remarks in brackets, such as `default`.
    pub(super) notes: Vec<String>,
    pub(super) doubts: Vec<String>,
}

/// What stands together: ports, and the transports that are said of them.
#[derive(Debug, Default)]
struct Segment {
    line: usize,
    ports: Vec<(Ports, String)>,
    transports: Vec<Protocol>,
    /// Whether a transport stands before the ports, and so holds for those of the next segments too.
    leads: bool,
}

/// Reads the cell.
///
/// # Errors
///
/// What was found and what was expected, when the ports cannot be told.
pub(super) fn read(cell: &str) -> Result<Items, String> {
    let written = tidied(cell);
    let tokens = tokens(&written);
    let leads = matches!(tokens.as_slice(), [Token::Word(word), ..] if transport(word).is_some());
    let mut reader = Reader { cell, leads, segments: Vec::new(), items: Items::default() };
    let mut line = 0;
    for part in tokens.split_inclusive(|token| matches!(token, Token::Comma | Token::Line)) {
        reader.part(part, line)?;
        line += usize::from(part.last() == Some(&Token::Line));
    }
    reader.end();
    let Reader { segments, mut items, .. } = reader;
    items.items = inherit(segments);
    items.doubts.extend(thousands(cell));
    Ok(items)
}

/// A cell with more of them is beyond reading, and each quotes the cell.
pub(super) const MOST_DOUBTS: usize = 16;

struct Reader<'c> {
    cell: &'c str,
    /// Whether transports stand before their ports: the first one does.
    leads: bool,
    segments: Vec<Segment>,
    items: Items,
}

impl Reader<'_> {
    /// What stands between two commas: as a rule one segment, and several where nothing else parts them, as in
    /// `443 tcp 53 udp`.
    fn part(&mut self, tokens: &[Token], line: usize) -> Result<(), String> {
        let mut segment = Segment { line, ..Segment::default() };
        let mut rest = tokens;
        while let [token, after @ ..] = rest {
            if self.items.doubts.len() > MOST_DOUBTS {
                return Err(format!(
                    "found more than {MOST_DOUBTS} things that ports do not have in `{}`",
                    self.cell
                ));
            }
            let is_leading = matches!(token, Token::Word(word) if transport(word).is_some())
                && matches!(after, [Token::Colon, ..])
                || (segment.leads || self.leads)
                    && matches!(token, Token::Word(word) if transport(word).is_some())
                    && matches!(
                        after,
                        [Token::Number(_), ..] | [Token::Slash | Token::Dash, Token::Number(_), ..]
                    );
            let is_next_number =
                matches!(token, Token::Number(_)) && !segment.leads && !segment.transports.is_empty();
            if !segment.ports.is_empty() && (is_leading || is_next_number) {
                let whole = std::mem::replace(&mut segment, Segment { line, ..Segment::default() });
                self.join(whole);
            }
            rest = self.token(token, after, &mut segment)?;
        }
        self.join(segment);
        Ok(())
    }

    /// A segment that names transports alone belongs to the ports before it, as in `53/tcp, udp`, or after it; where
    /// transports lead, after it.
    fn join(&mut self, mut segment: Segment) {
        match self.segments.last_mut() {
            Some(last) if last.ports.is_empty() => {
                segment.transports.splice(..0, std::mem::take(&mut last.transports));
                segment.leads = true;
                *last = segment;
            }
            Some(last) if segment.ports.is_empty() && !self.leads => {
                last.transports.append(&mut segment.transports);
            }
            _ => self.segments.push(segment),
        }
    }

    /// `TCP 443, UDP`: what leads and leads nothing.
    fn end(&mut self) {
        let Some(last) = self.segments.pop_if(|last| last.ports.is_empty() && !last.transports.is_empty())
        else {
            return;
        };
        if let Some(before) = self.segments.last_mut() {
            let named = last.transports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            self.items
                .doubts
                .push(format!("no port follows `{named}` in `{}`; those before it are taken", self.cell));
            before.transports.extend(last.transports);
        } else {
            self.segments.push(last);
        }
    }

    /// Takes one token with what belongs to it; returns what follows.
    fn token<'t>(
        &mut self,
        token: &Token,
        after: &'t [Token],
        segment: &mut Segment,
    ) -> Result<&'t [Token], String> {
        match token {
            Token::Number(first) => return self.number(first, after, segment),
            Token::Compare(above, itself) => return self.compared(*above, *itself, after, segment),
            // `3**15` leaves digits out.
            Token::Star
                if !segment.ports.is_empty() || matches!(after, [Token::Number(_) | Token::Star, ..]) =>
            {
                return Err(format!("found `*` among digits in `{}`", self.cell));
            }
            Token::Star => segment.ports.push((Ports::Any, "*".to_owned())),
            Token::Word(word) => self.word(word, segment)?,
            Token::Remark(remark) => self.remark(remark, segment),
            // `TCP-443`
            Token::Dash
                if segment.ports.is_empty()
                    && !segment.transports.is_empty()
                    && matches!(after, [Token::Number(_), ..]) => {}
            Token::Dash => return Err(format!("found a dash that is no range's in `{}`", self.cell)),
            Token::Odd(sign @ ('!' | '.' | '≠' | '¬')) => {
                return Err(format!("found `{sign}` in `{}`", self.cell));
            }
            Token::Odd(sign) => {
                self.items.doubts.push(format!("the sign `{sign}` in `{}` is not understood", self.cell))
            }
            Token::Slash | Token::Colon | Token::Plus | Token::Comma | Token::Line => {}
        }
        Ok(after)
    }

    fn number<'t>(
        &mut self,
        first: &str,
        rest: &'t [Token],
        segment: &mut Segment,
    ) -> Result<&'t [Token], String> {
        // "0-65535" is how exports of security groups write all of them.
        if let ("0", [Token::Dash | Token::Colon, Token::Number(last), rest @ ..]) = (first, rest)
            && last == "65535"
        {
            segment.ports.push((Ports::Any, "0-65535".to_owned()));
            return Ok(rest);
        }
        // "3 ports: 80, 443, 8443" counts them.
        if let [Token::Word(word), Token::Colon, rest @ ..] = rest
            && word == "ports"
        {
            return Ok(rest);
        }
        let port = port(first)?;
        // "4505/6" leaves digits out.
        if let [Token::Slash, Token::Number(other), ..] = rest
            && other.len() == 1
            && first.len() > 1
        {
            self.items.doubts.push(format!("`{first}/{other}` may be short for two ports; read as written"));
        }
        if let [Token::Colon, Token::Number(last), ..] = rest
            && port < 1024
        {
            self.items.doubts.push(format!("`{first}:{last}` may map one port to another; read as a range"));
        }
        let (last, text, rest) = match rest {
            // 30000:32767 is a range too, as iptables writes it.
            [Token::Dash | Token::Colon, Token::Number(last), rest @ ..] => {
                (self::port(last)?, format!("{first}-{last}"), rest)
            }
            // `443 - HTTPS` names what it is for.
            [Token::Dash | Token::Colon, rest @ ..] if matches!(rest, [Token::Word(_), ..]) => {
                (port, first.to_owned(), rest)
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

    /// `>1023`, `≤ 1024`; after `any` it says which.
    fn compared<'t>(
        &mut self,
        above: bool,
        itself: bool,
        rest: &'t [Token],
        segment: &mut Segment,
    ) -> Result<&'t [Token], String> {
        let [Token::Number(number), rest @ ..] = rest else {
            return Err(format!("found a comparison without a port in `{}`", self.cell));
        };
        let port = port(number)?;
        let (first, last) = match (above, itself) {
            (true, true) => (Some(port), Some(u16::MAX)),
            (true, false) => (port.checked_add(1), Some(u16::MAX)),
            (false, true) => (Some(1), Some(port)),
            (false, false) => (Some(1), port.checked_sub(1).filter(|last| *last > 0)),
        };
        let (Some(first), Some(last)) = (first, last) else {
            return Err(format!("no port is {} {port}", if above { "above" } else { "below" }));
        };
        if segment.ports.last().is_some_and(|(ports, _)| *ports == Ports::Any) {
            segment.ports.pop();
        }
        segment.ports.push((Ports::Range { first, last }, format!("{first}-{last}")));
        Ok(rest)
    }

    fn word(&mut self, word: &str, segment: &mut Segment) -> Result<(), String> {
        let ports = match word {
            "any" | "all" => Ports::Any,
            "varies" | "various" | "variable" | "dynamic" | "configurable" | "custom" | "ephemeral" => {
                Ports::Varies
            }
            "port" | "ports" | "default" | "by" | "the" => return Ok(()),
            _ => return self.protocol(word, segment),
        };
        segment.ports.push((ports, word.to_owned()));
        Ok(())
    }

    fn protocol(&mut self, word: &str, segment: &mut Segment) -> Result<(), String> {
        let Some(transports) = transports_named(word) else {
            if is_bare(word) {
                self.items.doubts.push(format!(
                    "`{word}` is neither TCP, UDP, SCTP nor ICMP, and no row has a place for it"
                ));
                return Ok(());
            }
            return Err(format!(
                "found `{word}` in `{}`, expected ports such as `443, 8000-8080/tcp`",
                self.cell
            ));
        };
        if transports == [Protocol::Icmp] && segment.ports.is_empty() {
            segment.ports.push((Ports::None, word.to_owned()));
        }
        segment.leads |= segment.ports.is_empty();
        segment.transports.extend(transports);
        Ok(())
    }

    fn remark(&mut self, remark: &str, segment: &mut Segment) {
        let tokens = tokens(remark);
        // "HTTPS (443)", "dynamic (49152-65535)": the ports are in the brackets.
        let is_open = segment.ports.is_empty() && !segment.transports.is_empty()
            || matches!(segment.ports.as_slice(), [(Ports::Varies, _)]);
        // One bracket: a document must not decide how deep this goes.
        if is_open
            && !remark.contains(['(', '['])
            && tokens.iter().any(|token| matches!(token, Token::Number(_)))
            && let Ok(Items { items, doubts, .. }) = read(remark)
            && doubts.is_empty()
        {
            segment.ports.clear();
            if let Some(said) = items.iter().find(|item| !item.transports.is_empty()) {
                segment.transports.clone_from(&said.transports);
            }
            segment.ports.extend(items.into_iter().map(|item| (item.ports, item.text)));
            segment.leads = false;
            return;
        }
        // "4172 (TCP and UDP)"
        let named = tokens.iter().filter_map(|token| match token {
            Token::Word(word) => transport(word),
            _ => None,
        });
        let named: Vec<Protocol> = named.collect();
        let is_list = tokens.iter().all(|token| match token {
            Token::Word(word) => transport(word).is_some(),
            token => matches!(token, Token::Comma | Token::Slash),
        });
        if is_list && named.len() > 1 {
            segment.transports.extend(named);
            return;
        }
        match transports_named(&remark.to_lowercase()) {
            Some(transports) => segment.transports.extend(transports),
            None if remark.is_empty() => {}
            None => {
                if says_more(remark) {
                    self.items.doubts.push(format!("`{remark}` stands beside the ports, and is a note only"));
                }
                self.items.notes.push(remark.to_owned());
            }
        }
    }
}

/// The transports that a word is or implies.
fn transports_named(word: &str) -> Option<Vec<Protocol>> {
    transport(word).map(|one| vec![one]).or_else(|| transports_of(word).map(<[_]>::to_vec))
}

/// Whether a remark may change what the ports mean.
pub(super) fn says_more(remark: &str) -> bool {
    const TURNING: [&str; 24] = [
        "in",
        "out",
        "inbound",
        "outbound",
        "incoming",
        "outgoing",
        "not",
        "no",
        "if",
        "only",
        "optional",
        "except",
        "unless",
        "tbc",
        "tbd",
        "or",
        "deprecated",
        "removed",
        "closed",
        "obsolete",
        "disabled",
        "unused",
        "struck",
        "used",
    ];
    if turn(remark).is_some() {
        return true;
    }
    let lower = remark.to_lowercase();
    let mut words = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.any(|word| {
        TURNING.contains(&word) || transport(word).is_some() || word.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `10,250` and `49 152` are one port to some and two to others.
fn thousands(cell: &str) -> Option<String> {
    /// Ports below 100 that do stand in lists.
    const KNOWN: [&str; 15] =
        ["20", "21", "22", "23", "25", "37", "43", "53", "67", "68", "69", "70", "79", "80", "88"];
    let (before, after) = cell.trim().split_once([',', ' '])?;
    if after.starts_with('0') {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = (1..=2).contains(&before.len()) && after.len() == 3 && digits(before) && digits(after);
    (is_one && !KNOWN.contains(&before))
        .then(|| format!("`{cell}` may be one port with a separator; read as two"))
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

fn port(text: &str) -> Result<u16, String> {
    crate::matrix::ports::port(text)
}
