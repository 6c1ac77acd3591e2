//! Values of Calico's resources: words, expressions, blocks, ports, transports.

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{
    super::{expression::Expression, model::Port},
    Reader,
};
use crate::matrix::located::Located;

/// Numbers of the transports that have a name (the reference's `protocol`; IANA's assigned numbers).
const PROTOCOLS: [(&str, u8); 6] =
    [("TCP", 6), ("UDP", 17), ("ICMP", 1), ("ICMPv6", 58), ("SCTP", 132), ("UDPLite", 136)];

impl Reader<'_, '_> {
    pub(super) fn fault<T>(&mut self, at: &Located<T>, message: String) {
        self.written.fault_at(at.line, &at.path, message);
    }

    /// Tells of what is valid, and not evaluated.
    pub(super) fn beyond<T>(&mut self, at: &Located<T>, why: &str) {
        self.fault(at, format!("valid, and not evaluated here: {why}"));
    }

    /// The word, where it is one of these.
    pub(super) fn one_of<'w>(&mut self, word: &'w Located<String>, known: &[&str]) -> Option<&'w str> {
        let found = word.value.as_deref()?;
        if !known.contains(&found) {
            self.fault(word, format!("found `{found}`, expected {}", known.join(" or ")));
        }
        Some(found)
    }

    /// That of a policy, or of an end of a rule; all where there is none.
    pub(super) fn expression(&mut self, text: Option<&Located<String>>) -> Option<Expression> {
        let Some(text) = text else { return Some(Expression::All) };
        let found = self.namespaces(text)?;
        if found.any(&|part| *part == Expression::Global) {
            self.fault(
                text,
                "found global(), expected it only in the namespaceSelector of a rule".to_owned(),
            );
        }
        Some(found)
    }

    /// That of a rule's namespaces.
    pub(super) fn namespaces(&mut self, text: &Located<String>) -> Option<Expression> {
        let found = match Expression::read(text.value.as_deref().unwrap_or_default()) {
            Ok(found) => found,
            Err(fault) => {
                self.fault(text, fault.to_string());
                return None;
            }
        };
        if found.names(&|key| key == "projectcalico.org/serviceaccount" || key.starts_with("pcsa.")) {
            self.beyond(text, "no recording tells a pod's service account");
        }
        Some(found)
    }

    pub(super) fn nets(&mut self, written: Option<Vec<Located<String>>>) -> Vec<IpNet> {
        let mut net = |one: Located<String>| {
            let text = one.value.as_deref()?;
            let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
            let found = text.parse::<IpNet>().ok().or_else(address);
            if found.is_none() {
                let message = format!("found `{text}`, expected a block or an address such as 192.0.2.0/24");
                self.fault(&one, message);
            }
            found.map(|net| net.trunc())
        };
        written.unwrap_or_default().into_iter().filter_map(&mut net).collect()
    }

    pub(super) fn ports(&mut self, written: Option<Vec<Located<IntOrString>>>) -> Vec<Port> {
        written.unwrap_or_default().into_iter().filter_map(|one| self.port(&one)).collect()
    }

    fn port(&mut self, written: &Located<IntOrString>) -> Option<Port> {
        let number = |text: &str| text.parse::<u16>().ok();
        let found = match written.value.as_ref()? {
            IntOrString::Int(value) => u16::try_from(*value).ok().map(|port| Port::Range(port, port)),
            IntOrString::String(text) => match text.split_once(':') {
                Some((first, last)) => {
                    let range = number(first).zip(number(last)).filter(|(first, last)| first <= last);
                    range.map(|(first, last)| Port::Range(first, last))
                }
                None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    number(text).map(|port| Port::Range(port, port))
                }
                None => is_port_name(text).then(|| Port::Name(text.clone())),
            },
        };
        if found.is_none() {
            let message = "expected a port from 0 to 65535, a range such as 1024:2048, or the name of a port";
            self.fault(written, message.to_owned());
        }
        found
    }

    pub(super) fn protocol(&mut self, written: &Located<IntOrString>) -> Option<u8> {
        let found = match written.value.as_ref()? {
            IntOrString::Int(value) => u8::try_from(*value).ok().filter(|number| *number > 0),
            IntOrString::String(text) => {
                let named = PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
                let number = || text.parse::<u8>().ok().filter(|number| *number > 0);
                named.map(|(_, number)| *number).or_else(number)
            }
        };
        if found.is_none() {
            let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
            self.fault(written, format!("expected {} or a number from 1 to 255", names.join(", ")));
        }
        found
    }
}

fn is_port_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
