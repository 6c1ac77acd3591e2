//! Proof that the hooks see: a known connection and a known datagram in every watched namespace, at both ends.

use std::time::{Duration, Instant};

use super::Watch;
use crate::{
    capture::{Canary, DatagramCanary, Namespace, Options, Perch, StartError, namespaces},
    event::{Event, Kind, Protocol, Way},
};

/// How long a known connection may take to be seen: behind a full ring it waits for the consumer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many may stay unseen in a namespace: one may fall to a full ring as any other connection may.
const TRIES: u32 = 5;
/// How often the rings are looked at meanwhile.
const STEP: Duration = Duration::from_millis(1);

/// A known connection and a known datagram that are under way.
pub(super) struct CanaryWatch {
    canary: Canary,
    /// Not where the hooks for it are missing.
    datagram: Option<DatagramCanary>,
    /// Index of the namespace.
    place: usize,
    connected: bool,
    accepted: bool,
    sent: bool,
    received: bool,
}

impl CanaryWatch {
    fn new(canary: Canary, datagram: Option<DatagramCanary>, place: usize) -> Self {
        Self { canary, datagram, place, connected: false, accepted: false, sent: false, received: false }
    }

    /// Whether the event is about the connection; notes which end of what it shows.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        let is_ours = self.canary.is(event);
        self.connected |= is_ours && event.kind == Kind::Connected;
        self.accepted |= is_ours && event.kind == Kind::Accepted;
        let shown = self.datagram.and_then(|datagram| datagram.shown(event));
        self.sent |= shown == Some(Way::Sent);
        self.received |= shown == Some(Way::Received);
        is_ours
    }

    fn has_seen(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Udp => self.sent && self.received,
            _ => self.connected && self.accepted,
        }
    }
}

/// Makes a known connection and sends a known datagram in each watched namespace, and waits until both ends of each were
/// seen. A probe that is deaf to datagrams alone is told as such in the coverage.
pub(super) fn prove(watch: &mut Watch) -> Result<(), StartError> {
    let hears_datagrams = watch.probe.is_attached(Protocol::Udp);
    let asked: &[Protocol] = if hears_datagrams { &[Protocol::Tcp, Protocol::Udp] } else { &[Protocol::Tcp] };
    let is_all = |watch: &Watch, place| asked.iter().all(|protocol| watch.sees(place, *protocol));
    for _ in 0..TRIES {
        for index in 0..watch.perches.len() {
            if is_all(watch, index) {
                continue;
            }
            // A full ring would lose the connection's records, and count them as somebody's.
            watch.drain();
            let perch = &watch.perches[index];
            let (canary, datagram) = perch.sing(hears_datagrams).map_err(|cause| StartError::System {
                doing: format!("a known loopback connection in {}", perch.label()),
                cause,
            })?;
            watch.own_sockets.extend(canary.sockets());
            watch.own_sockets.extend(datagram.iter().flat_map(DatagramCanary::sockets));
            watch.canaries.push(CanaryWatch::new(canary, datagram, index));
        }
        let began = Instant::now();
        while !(0..watch.perches.len()).all(|index| is_all(watch, index)) && began.elapsed() < PATIENCE {
            watch.drain();
            std::thread::sleep(STEP);
        }
    }
    let unseen = |protocol| (0..watch.perches.len()).find(|index| !watch.sees(*index, protocol));
    let (deaf, deaf_to_datagrams) =
        (unseen(Protocol::Tcp), hears_datagrams && unseen(Protocol::Udp).is_some());
    if deaf_to_datagrams {
        watch.deaf_to.insert(Protocol::Udp);
    }
    watch.canaries.clear();
    match deaf {
        Some(index) => Err(StartError::Deaf(watch.perches[index].label().to_owned())),
        None => Ok(()),
    }
}

impl Watch {
    /// Whether a known connection or datagram of a namespace was seen.
    fn sees(&self, place: usize, protocol: Protocol) -> bool {
        self.canaries.iter().any(|canary| canary.place == place && canary.has_seen(protocol))
    }
}

/// Where known connections are made: in each namespace that the user named, otherwise in our own.
pub(super) fn perches(options: &Options) -> Result<Vec<Perch>, StartError> {
    let own = || namespaces::own().map_err(StartError::system("finding the own network namespace"));
    let places = if options.namespaces.is_empty() { vec![own()?] } else { options.namespaces.clone() };
    let take = |place: &Namespace| {
        Perch::take(place).map_err(StartError::system(format!("staying in {}", place.label())))
    };
    places.iter().map(take).collect()
}
