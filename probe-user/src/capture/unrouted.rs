//! Which attempts died on their route.
//!
//! The connect hook notes each `connect()` in a slot, and its SYN marks it there. What stays unmarked for longer than
//! the way to the SYN can take has had none. A slot that is needed for another attempt hands its own to a ring
//! before that is known: then it is a suspect, until another record of its socket clears it or that time is over.

use std::collections::HashMap;

use super::{decode::Decoded, slots::Slots};
use crate::event::{Event, TICKS};

/// How long the way from the connect hook to the SYN can last at most, nanoseconds: the route lookup and, on a
/// starved machine, a turn of the scheduler.
pub(super) const GRACE: u64 = 1_000_000_000;

/// Which attempt: a socket may be used for several, one after the other.
type Attempt = (u64, u64);

fn attempt(event: &Event) -> Attempt {
    (event.socket, event.time)
}

/// Attempts without a state change, until it is certain that none comes.
#[derive(Default)]
pub(super) struct Unrouted {
    suspects: Vec<Event>,
    /// By socket, when a SYN was sent that found no suspect: it may come yet, by another CPU's ring.
    sent: HashMap<u64, u64>,
    /// Per slot, the attempt that counted while it stood there: its hand-over, when another needs the slot, is no
    /// second.
    counted: HashMap<u32, Attempt>,
    /// Per slot, what stood in it at the last look.
    seen: HashMap<u32, Attempt>,
}

impl Unrouted {
    /// Takes an attempt that lost its slot before anything was known of it.
    pub(super) fn suspect(&mut self, event: Event) {
        let is_sent = self.sent.remove(&event.socket).is_some_and(|sent| sent + TICKS >= event.time);
        if !is_sent && !self.has_counted(&event) {
            self.suspects.push(event);
        }
    }

    /// Whether the attempt has counted in its slot.
    pub(super) fn has_counted(&self, event: &Event) -> bool {
        self.counted.values().any(|counted| *counted == attempt(event))
    }

    /// Clears the suspect whose SYN is sent, whether it has come or comes yet. If it has, it knows where it was to go.
    pub(super) fn sent(&mut self, event: &mut Event) {
        // A tick may put the SYN before its `connect()`; the socket's first suspect is its own.
        // Of several nobody can tell which one's SYN it is.
        let is_alone = self.suspects.iter().filter(|one| one.socket == event.socket).count() == 1;
        match self.take(event.socket, u64::MAX) {
            Some(begun)
                if is_alone && begun.remote != event.remote && !begun.remote.address.is_unspecified() =>
            {
                event.redirect(begun.remote);
            }
            Some(_) => {}
            None => {
                self.sent.insert(event.socket, event.time);
            }
        }
    }

    /// Clears the suspect of whose socket an outcome comes: only needed when its SYN's record was lost. One that
    /// carries its caller comes from a slot and so from a later `connect()`.
    pub(super) fn clear(&mut self, event: &Event) {
        if event.is_outcome() && event.process.is_none() {
            self.take(event.socket, event.time);
        }
    }

    /// The first suspect that the socket had until then; nobody finds it again.
    fn take(&mut self, socket: u64, until: u64) -> Option<Event> {
        let found = self.suspects.iter().position(|one| one.socket == socket && one.time <= until);
        found.map(|index| self.suspects.remove(index))
    }

    /// Whether an attempt waits for its verdict.
    pub(super) fn is_unsettled(&self, slots: &Slots) -> bool {
        let waits = |(slot, decoded): (u32, Decoded)| match decoded {
            Decoded::Begun(event) => self.counted.get(&slot) != Some(&attempt(&event)),
            Decoded::Fact(_) | Decoded::Sent(_) => false,
        };
        !self.suspects.is_empty() || slots.read().any(waits)
    }

    /// Gives the attempts that are certain at `now`. The rings must have been drained since: they may clear them.
    pub(super) fn settle(&mut self, slots: &Slots, now: u64, mut take: impl FnMut(Event)) {
        let is_old = |event: &Event| now.saturating_sub(event.time) >= GRACE;
        self.sent.retain(|_, sent| now.saturating_sub(*sent) < GRACE);
        self.suspects.extract_if(.., |event| is_old(event)).for_each(&mut take);
        let mut seen = HashMap::new();
        for (slot, decoded) in slots.read() {
            let Decoded::Begun(event) = decoded else { continue };
            let found = attempt(&event);
            seen.insert(slot, found);
            let is_whole = self.seen.get(&slot) == Some(&found);
            if is_whole && is_old(&event) && self.counted.get(&slot) != Some(&found) {
                self.counted.insert(slot, found);
                take(event);
            }
        }
        self.seen = seen;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::event::{Command, End, Kind, Process};

    const SECOND: u64 = 1_000_000_000;

    fn event(kind: Kind, time: u64) -> Event {
        let end = End { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 443 };
        let process = (kind != Kind::Connected)
            .then(|| Process { id: 1, command: Command::new(*b"c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") });
        Event {
            kind,
            time,
            elapsed: 0,
            socket: 7,
            cgroup: None,
            netns: None,
            local: end,
            remote: end,
            translated: None,
            may_repeat: false,
            process,
        }
    }

    #[test]
    fn a_syn_clears_the_suspect_whichever_comes_first() {
        for syn_first in [false, true] {
            let mut unrouted = Unrouted::default();
            let (begun, mut sent) = (event(Kind::Unrouted, SECOND), event(Kind::Attempted, SECOND + 1));
            if syn_first {
                unrouted.sent(&mut sent);
                unrouted.suspect(begun);
            } else {
                unrouted.suspect(begun);
                unrouted.sent(&mut sent);
            }
            assert!(unrouted.suspects.is_empty(), "SYN first: {syn_first}");
        }
    }

    #[test]
    fn the_socket_s_next_connect_is_a_suspect_of_its_own() {
        let mut unrouted = Unrouted::default();
        unrouted.suspect(event(Kind::Unrouted, SECOND));
        unrouted.sent(&mut event(Kind::Attempted, SECOND + 1));
        unrouted.clear(&event(Kind::Connected, SECOND + 2));
        // One that was noted in its slot and has left it says nothing of another.
        unrouted.clear(&event(Kind::Attempted, SECOND + 2));
        unrouted.suspect(event(Kind::Unrouted, SECOND + 3));
        assert_eq!(unrouted.suspects.len(), 1);
        unrouted.clear(&event(Kind::Connected, SECOND + 2));
        assert_eq!(unrouted.suspects.len(), 1, "the outcome is the first one's");
        unrouted.sent(&mut event(Kind::Attempted, SECOND + 4));
        unrouted.sent(&mut event(Kind::Attempted, SECOND + 5));
        unrouted.suspect(event(Kind::Unrouted, SECOND + 6 + TICKS));
        assert_eq!(unrouted.suspects.len(), 1, "the SYN was long before");
    }
}
