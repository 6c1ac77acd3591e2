//! Exceptions: undeclared flows that somebody answers for until a date.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{block, list, one, required};
use super::faults::Fault;
use super::located::Located;
use super::model::{EndpointName, PortSpec};
use super::wire::{ApiVersion, PortText};

/// Exceptions as they are written.
pub mod wire {
    use super::{ApiVersion, Deserialize, JsonSchema, Located, PortText, Serialize};

    /// The `kind` of an exceptions document.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    pub enum ExceptionsKind {
        /// The only one.
        #[default]
        Exceptions,
    }

    /// Flows that are allowed for a while although no row declares them.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Exceptions {
        /// Version of this format.
        #[serde(rename = "apiVersion")]
        pub api_version: Located<ApiVersion>,
        /// What this document is.
        pub kind: Located<ExceptionsKind>,
        /// The exceptions.
        pub exceptions: Located<Vec<Located<Exception>>>,
    }

    /// One exception.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(deny_unknown_fields)]
    pub struct Exception {
        /// Unique in the document.
        pub id: Located<String>,
        /// Who connects: an endpoint name, an address or a CIDR block.
        pub from: Located<String>,
        /// Who is connected to, likewise.
        pub to: Located<String>,
        /// The server's ports.
        #[schemars(length(min = 1))]
        pub ports: Located<Vec<Located<PortText>>>,
        /// Who answers for it.
        pub owner: Located<String>,
        /// Why it is allowed.
        pub reason: Located<String>,
        /// Its last day, in UTC, such as `2026-12-31`.
        #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
        pub expires: Located<String>,
    }
}

/// The exceptions of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceptions {
    /// The document's name, as the user gave it.
    pub file: String,
    /// SHA-256 of the document's bytes, lower-case hex.
    pub digest: String,
    /// The exceptions, in the document's order.
    pub exceptions: Vec<Exception>,
}

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Unique in its document.
    pub id: String,
    /// Who connects.
    pub from: Party,
    /// Who is connected to.
    pub to: Party,
    /// The server's ports; never empty.
    pub ports: Vec<PortSpec>,
    /// Who answers for it.
    pub owner: String,
    /// Why it is allowed.
    pub reason: String,
    /// Its last day, in UTC.
    pub expires: Date,
    /// Line of the document on which it starts.
    pub line: u32,
}

/// One side of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// A name that a row could use.
    Named(EndpointName),
    /// Addresses.
    Block(ipnet::IpNet),
}

impl Exception {
    /// Whether it no longer holds at `at`, nanoseconds since the Unix epoch. It holds through its last day.
    #[must_use]
    pub fn expired(&self, at: i64) -> bool {
        let end = self.expires.tomorrow().and_then(|day| day.to_zoned(TimeZone::UTC));
        end.is_ok_and(|end| i128::from(at) >= end.timestamp().as_nanosecond())
    }
}

/// Exceptions without their file and digest. Where faults were noted they are not to be used.
pub(super) fn convert(written: wire::Exceptions, faults: &mut Vec<Fault>) -> Exceptions {
    let wire::Exceptions { api_version: _, kind: _, exceptions } = written;
    let mut converted: Vec<Exception> = Vec::new();
    for written in exceptions.value.unwrap_or_default() {
        let (line, Some(value)) = (written.line, written.value) else { continue };
        let path = value.id.path.clone();
        let Some(exception) = convert_one(line, value, faults) else { continue };
        if let Some(first) = converted.iter().find(|earlier| earlier.id == exception.id) {
            let message =
                format!("id `{}` is also the id of the exception on line {}", exception.id, first.line);
            faults.push(Fault { line, path, message });
        }
        converted.push(exception);
    }
    Exceptions { file: String::new(), digest: String::new(), exceptions: converted }
}

fn convert_one(line: u32, written: wire::Exception, faults: &mut Vec<Fault>) -> Option<Exception> {
    let wire::Exception { id, from, to, ports, owner, reason, expires } = written;
    let (id, owner, reason) = (required(&id, faults), required(&owner, faults), required(&reason, faults));
    let (from, to) = (one(&from, faults, party), one(&to, faults, party));
    let ports = list(&ports, "a port", faults, |text| text.0.parse());
    let expires = one(&expires, faults, |text| {
        text.parse().map_err(|_| format!("found `{text}`, expected a date such as 2026-12-31"))
    });
    Some(Exception { id, from: from?, to: to?, ports, owner, reason, expires: expires?, line })
}

/// What has a slash or reads as an address is meant as one; anything else is a name.
fn party(text: &String) -> Result<Party, String> {
    match (text.trim(), block(text)) {
        ("", _) => Err("found empty text, expected an endpoint name or addresses".to_owned()),
        (_, Ok(block)) => Ok(Party::Block(block)),
        (name, Err(message)) => {
            let address =
                name.split_once('/').is_some_and(|(head, _)| head.parse::<std::net::IpAddr>().is_ok());
            if address { Err(message) } else { Ok(Party::Named(EndpointName::new(name))) }
        }
    }
}
