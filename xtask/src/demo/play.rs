//! Plays the script: every process at once, each in its own namespace.

use std::net::TcpStream;

use anyhow::{Result, bail};

use super::client::{Call, End};
use super::namespace;
use super::network::Network;
use super::script::{DATAGRAMS, DECLARED, FAULTS, NOISE, SESSION};
use super::server::Servers;
use super::services::SERVERS;

/// The lab with its listeners. The fields are dropped in this order: who uses the network goes first.
pub(super) struct Lab {
    /// The connection that is older than the recordings and outlives them.
    _session: TcpStream,
    _servers: Servers,
    _network: Network,
}

impl Lab {
    pub(super) fn make() -> Result<Self> {
        let network = Network::make()?;
        let servers = Servers::start(SERVERS)?;
        let session = SESSION.open()?;
        Ok(Self { _session: session, _servers: servers, _network: network })
    }

    /// Plays everything; an end that the script does not foresee is a fault of the lab, not of the audit.
    pub(super) fn play(&self) -> Result<usize> {
        self.play_as(|call| call.end)
    }

    /// The same where calls end otherwise than the script foresees.
    pub(super) fn play_as(&self, end: impl Fn(&Call) -> End) -> Result<usize> {
        let calls = [DECLARED, NOISE, FAULTS].concat();
        let mut threads = Vec::new();
        for call in &calls {
            threads.push(Call { end: end(call), ..*call }.start()?);
        }
        for exchange in DATAGRAMS {
            threads.push(exchange.start()?);
        }
        let ends = threads.into_iter().map(|thread| namespace::join(thread).and_then(|end| end));
        let faults: Vec<_> = ends.filter_map(Result::err).map(|error| format!("\n  {error:#}")).collect();
        if !faults.is_empty() {
            bail!("the play went wrong:{}", faults.concat());
        }
        Ok(calls.iter().map(|call| call.times as usize).sum())
    }
}
