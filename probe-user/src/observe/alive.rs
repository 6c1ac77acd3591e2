//! Proof that the hooks see: a known connection in every watched namespace, at both ends.

use std::time::{Duration, Instant};

use super::Watch;
use crate::{
    capture::{Canary, Namespace, Options, StartError, namespaces},
    event::{Event, Kind},
};

/// How long a known connection may take to be seen: behind a full ring it waits for the consumer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the rings are looked at meanwhile.
const STEP: Duration = Duration::from_millis(1);

/// A known connection that is under way.
pub(super) struct CanaryWatch {
    canary: Canary,
    connected: bool,
    accepted: bool,
}

impl CanaryWatch {
    fn new(canary: Canary) -> Self {
        Self { canary, connected: false, accepted: false }
    }

    /// Whether the event is about it; then its end is noted.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        let is_ours = self.canary.is(event);
        self.connected |= is_ours && event.kind == Kind::Connected;
        self.accepted |= is_ours && event.kind == Kind::Accepted;
        is_ours
    }

    fn is_seen(&self) -> bool {
        self.connected && self.accepted
    }
}

/// Makes a known connection in each watched namespace and waits until both ends of each were seen.
pub(super) fn prove(watch: &mut Watch) -> Result<(), StartError> {
    let places = canary_places(&watch.settings.probe)?;
    for place in &places {
        // A full ring would lose the connection's records, and count them as somebody's.
        watch.drain();
        let canary = Canary::sing(place).map_err(|cause| StartError::System {
            doing: format!("a known loopback connection in {}", place.label()),
            cause,
        })?;
        watch.canaries.push(CanaryWatch::new(canary));
    }
    let began = Instant::now();
    while !watch.canaries.iter().all(CanaryWatch::is_seen) && began.elapsed() < PATIENCE {
        watch.drain();
        std::thread::sleep(STEP);
    }
    let canaries = std::mem::take(&mut watch.canaries);
    match canaries.iter().zip(&places).find(|(canary, _)| !canary.is_seen()) {
        Some((_, place)) => Err(StartError::Deaf(place.label())),
        None => Ok(()),
    }
}

/// Where a known connection is made: each namespace that the user named, otherwise our own.
fn canary_places(options: &Options) -> Result<Vec<Namespace>, StartError> {
    if !options.namespaces.is_empty() {
        return Ok(options.namespaces.clone());
    }
    let own = namespaces::own().map_err(StartError::system("finding the own network namespace"))?;
    Ok(vec![own])
}
