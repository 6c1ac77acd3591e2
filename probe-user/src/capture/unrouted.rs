//! Which attempts died on their route.
//!
//! The connect hook notes each `connect()` in its CPU's slot, and the SYN that follows clears it. What the next
//! `connect()` on that CPU, or this sweep, finds there has had no SYN – unless its task changed CPUs between the
//! two, or another's took the slot: then the SYN has left its socket in `UNPAIRED`. So a suspect waits until
//! any such mark must be there, and only then counts.

use std::{collections::HashMap as Map, io};

use aya::maps::{HashMap, MapData};

use super::cpus::Cpus;
use crate::event::Event;

/// How long the way from the connect hook to the SYN can last at most, nanoseconds: the route lookup and, on a
/// starved machine, a turn of the scheduler.
const GRACE: u64 = 1_000_000_000;

/// After how long a mark that no suspect has claimed is swept, nanoseconds; longer than a record can wait in
/// the ring while the consumer is stopped would be better, but then the mark's map must hold as many.
const STALE: u64 = 60_000_000_000;

/// Attempts without a state change, until it is certain that none comes.
pub(super) struct Unrouted {
    unpaired: HashMap<MapData, u64, u64>,
    suspects: Vec<Event>,
    /// Per CPU, the attempt that was taken out of its slot last, so that the hook's own hand-over of the same
    /// one, at the next `connect()`, is not a second.
    taken: Map<usize, (u64, u64)>,
    /// Per CPU, what stood in its slot at the last look.
    seen: Map<usize, (u64, u64)>,
    last_sweep: u64,
}

impl Unrouted {
    pub(super) fn new(unpaired: HashMap<MapData, u64, u64>) -> Self {
        Self { unpaired, suspects: Vec::new(), taken: Map::new(), seen: Map::new(), last_sweep: 0 }
    }

    /// Takes a hand-over of the connect hook.
    pub(super) fn suspect(&mut self, event: Event) {
        let key = (event.socket, event.time);
        let waits = |known: &Event| (known.socket, known.time) == key;
        if !self.taken.values().any(|taken| *taken == key) && !self.suspects.iter().any(waits) {
            self.suspects.push(event);
        }
    }

    /// Whether an attempt waits for its verdict.
    pub(super) fn is_unsettled(&self, cpus: &Cpus) -> io::Result<bool> {
        let waits = |(cpu, event): &(usize, Event)| self.taken.get(cpu) != Some(&(event.socket, event.time));
        Ok(!self.suspects.is_empty() || cpus.pending()?.iter().any(waits))
    }

    /// Gives the suspects that are certain at `now`.
    pub(super) fn settle(&mut self, cpus: &Cpus, now: u64, mut take: impl FnMut(Event)) -> io::Result<()> {
        self.empty_slots(cpus, now)?;
        let old = |event: &Event| now.saturating_sub(event.time) >= GRACE;
        let (ready, waiting) = std::mem::take(&mut self.suspects).into_iter().partition(old);
        self.suspects = waiting;
        for event in ready {
            let is_void = self.unpaired.get(&event.socket, 0).is_ok_and(|since| since >= event.time);
            if !is_void {
                take(event);
            }
        }
        self.sweep(now)
    }

    /// Takes what has stayed in a slot for longer than the grace.
    fn empty_slots(&mut self, cpus: &Cpus, now: u64) -> io::Result<()> {
        for (cpu, event) in cpus.pending()? {
            let key = (event.socket, event.time);
            let is_new = self.taken.get(&cpu) != Some(&key);
            // Another CPU's slot may be half written while it is read: what stands there twice is whole.
            let stands = self.seen.insert(cpu, key) == Some(key);
            if now.saturating_sub(event.time) >= GRACE && is_new && stands {
                self.taken.insert(cpu, key);
                self.suspects.push(event);
            }
        }
        Ok(())
    }

    fn sweep(&mut self, now: u64) -> io::Result<()> {
        if now.saturating_sub(self.last_sweep) < STALE / 4 {
            return Ok(());
        }
        self.last_sweep = now;
        let stale: Vec<u64> = self
            .unpaired
            .iter()
            .flatten()
            .filter(|(_, since)| now.saturating_sub(*since) >= STALE)
            .map(|(socket, _)| socket)
            .collect();
        for socket in stale {
            // Gone already is as good.
            let _ = self.unpaired.remove(&socket);
        }
        Ok(())
    }
}
