//! What the reference of the `EgressPoint` resource says of its values (`networking.tanzu.vmware.com/v1alpha1`, "`EgressPoint`
//! API reference"): four protocols, addresses under TCP only, two kinds of workload as the source.

use std::net::IpAddr;

/// Who may be named as the source.
pub const SOURCES: [&str; 2] = ["ContainerApp.apps.tanzu.vmware.com", "Deployment.apps"];
/// What a target may speak.
pub const PROTOCOLS: [&str; 4] = ["HTTP", "HTTPS", "TCP", "TLS"];

/// Protocols in which the server speaks first, unencrypted, by their ports: a proxy that waits for the client's TLS
/// handshake waits for ever.
const SERVER_FIRST: [(u16, &str); 7] =
    [(21, "FTP"), (22, "SSH"), (25, "SMTP"), (110, "POP3"), (143, "IMAP"), (587, "SMTP"), (3306, "MySQL")];

/// The protocol of a port in which the server speaks first.
#[must_use]
pub fn server_first(port: u16) -> Option<&'static str> {
    SERVER_FIRST.iter().find(|(one, _)| *one == port).map(|(_, speaker)| *speaker)
}

/// A host as the reference lets it stand under a protocol: a name, an address, or `*` for everybody.
///
/// # Errors
/// What is wrong with it.
pub fn checked_host<'h>(host: &'h str, protocol: &str) -> Result<&'h str, String> {
    let host = host.trim();
    match host {
        "" => return Err("found an empty host".to_owned()),
        "*" => return Ok(host),
        _ => {}
    }
    if host.parse::<IpAddr>().is_ok() {
        return match protocol {
            "TCP" => Ok(host),
            _ => Err(format!(
                "{host} is an address, which is possible under TCP only, and the protocol is {protocol}"
            )),
        };
    }
    let labels = host.strip_prefix("*.").unwrap_or(host);
    let is_name = labels.split('.').all(|label| {
        !label.is_empty()
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')
    });
    if is_name {
        Ok(host)
    } else {
        Err(format!(
            "found the host `{host}`, expected a name such as www.example.com or *.example.com, or an address"
        ))
    }
}
