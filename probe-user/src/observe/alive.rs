//! Proof that the hooks see: a known connection in every watched namespace, at both ends.

use std::time::{Duration, Instant};

use super::Watch;
use crate::{
    capture::{Canary, Namespace, Options, StartError, namespaces},
    event::{Event, Kind},
};

/// How long a known connection may take to be seen: behind a full ring it waits for the consumer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many may stay unseen in a namespace: one may fall to a full ring as any other connection may.
const TRIES: u32 = 5;
/// How often the rings are looked at meanwhile.
const STEP: Duration = Duration::from_millis(1);

/// A known connection that is under way.
pub(super) struct CanaryWatch {
    canary: Canary,
    /// Index of the namespace.
    place: usize,
    connected: bool,
    accepted: bool,
}

impl CanaryWatch {
    fn new(canary: Canary, place: usize) -> Self {
        Self { canary, place, connected: false, accepted: false }
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
    for _ in 0..TRIES {
        for (index, place) in places.iter().enumerate() {
            if watch.sees(index) {
                continue;
            }
            // A full ring would lose the connection's records, and count them as somebody's.
            watch.drain();
            let canary = Canary::sing(place).map_err(|cause| StartError::System {
                doing: format!("a known loopback connection in {}", place.label()),
                cause,
            })?;
            watch.canaries.push(CanaryWatch::new(canary, index));
        }
        let began = Instant::now();
        while !(0..places.len()).all(|index| watch.sees(index)) && began.elapsed() < PATIENCE {
            watch.drain();
            std::thread::sleep(STEP);
        }
    }
    let unseen = (0..places.len()).find(|index| !watch.sees(*index));
    watch.canaries.clear();
    match unseen {
        Some(index) => Err(StartError::Deaf(places[index].label())),
        None => Ok(()),
    }
}

impl Watch {
    /// Whether a known connection of a namespace was seen.
    fn sees(&self, place: usize) -> bool {
        self.canaries.iter().any(|canary| canary.place == place && canary.is_seen())
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
