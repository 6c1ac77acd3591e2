//! The checks that the conversions share. Each notes its fault and yields something harmless, so that the
//! conversion reaches the next fault; nothing converted is used once a fault was noted.

use std::net::IpAddr;

use ipnet::IpNet;

use super::faults::Fault;
use super::located::{Entries, Located, OneOrMany};

/// A fault with the place of the value that it is about.
pub(super) trait Check {
    fn fault(&self, message: String) -> Fault;
}

impl<T> Check for Located<T> {
    fn fault(&self, message: String) -> Fault {
        Fault { line: self.line, path: self.path.clone(), message }
    }
}

/// Text that must not be blank.
pub(super) fn required(written: &Located<String>, faults: &mut Vec<Fault>) -> String {
    match written.value.as_deref().map(str::trim) {
        None => String::new(),
        Some("") => {
            faults.push(written.fault("found empty text, expected some".to_owned()));
            String::new()
        }
        Some(text) => text.to_owned(),
    }
}

/// Text that may be left out but not left blank.
pub(super) fn optional(written: Option<Located<String>>, faults: &mut Vec<Fault>) -> Option<String> {
    written.map(|written| required(&written, faults))
}

/// Reads one value.
pub(super) fn one<T, U>(
    written: &Located<T>,
    faults: &mut Vec<Fault>,
    read: impl FnOnce(&T) -> Result<U, String>,
) -> Option<U> {
    let result = read(written.value.as_ref()?);
    result.map_err(|message| faults.push(written.fault(message))).ok()
}

/// Reads the values of a list that must not be empty and must not repeat itself.
pub(super) fn list<T, U: PartialEq>(
    written: &Located<Vec<Located<T>>>,
    what: &str,
    faults: &mut Vec<Fault>,
    read: impl FnMut(&T) -> Result<U, String>,
) -> Vec<U> {
    let Some(items) = &written.value else { return Vec::new() };
    if items.is_empty() {
        faults.push(written.fault(format!("found an empty list, expected at least {what}")));
    }
    distinct(items, faults, read)
}

/// Reads values that must not repeat themselves.
pub(super) fn distinct<T, U: PartialEq>(
    items: &[Located<T>],
    faults: &mut Vec<Fault>,
    mut read: impl FnMut(&T) -> Result<U, String>,
) -> Vec<U> {
    let mut values = Vec::new();
    for item in items {
        let Some(value) = one(item, faults, &mut read) else { continue };
        if let Some(first) = values.iter().position(|earlier| *earlier == value) {
            faults.push(item.fault(format!("repeats item {first} of its list")));
        }
        values.push(value);
    }
    values
}

/// An optional list that must not repeat itself.
pub(super) fn values<T, U: PartialEq>(
    written: Option<Located<OneOrMany<Located<T>>>>,
    faults: &mut Vec<Fault>,
    read: impl Fn(&T) -> Result<U, String>,
) -> Vec<U> {
    written.and_then(|written| written.value).map(|many| distinct(&many.0, faults, read)).unwrap_or_default()
}

/// The entries of an optional map.
pub(super) fn entries<T>(written: Option<Located<Entries<T>>>) -> Vec<(Located<String>, T)> {
    written.and_then(|written| written.value).map(|entries| entries.0).unwrap_or_default()
}

/// Reads an address; IPv4-mapped IPv6 becomes IPv4, as it does in events.
pub(super) fn address(text: &String) -> Result<IpAddr, String> {
    let address: Result<IpAddr, _> = text.parse();
    address
        .map(|address| address.to_canonical())
        .map_err(|_| format!("found `{text}`, expected an IP address"))
}

/// Reads a CIDR block, or an address as a block of one.
pub(super) fn block(text: &String) -> Result<IpNet, String> {
    if let Ok(address) = address(text) {
        return Ok(IpNet::from(address));
    }
    let block: IpNet =
        text.parse().map_err(|_| format!("found `{text}`, expected a CIDR block such as 10.0.0.0/8"))?;
    if block.trunc() != block {
        return Err(format!("{text} has host bits set, expected {}", block.trunc()));
    }
    Ok(block)
}
