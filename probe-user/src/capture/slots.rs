//! The slots in which the kernel side keeps what is under way: attempts (`probe-ebpf/src/attempts.rs`) and exchanges
//! (`probe-ebpf/src/exchange.rs`), as user space reads them.

use std::{
    io,
    mem::offset_of,
    sync::atomic::{Ordering, fence},
};

use aya::maps::Map;
use probe_common::{ATTEMPTS, AttemptSlot, EXCHANGES, ExchangeSlot};

use super::{
    decode::{Decoded, Words, decode},
    memory::{Array, Shared},
};
use crate::event::Event;

/// One kind of slots.
struct Layout {
    /// Bytes from one slot to the next.
    size: usize,
    holder: usize,
    /// The record, with what stands beside it in a ring as well.
    record: usize,
}

const ATTEMPT: Layout = Layout {
    size: size_of::<AttemptSlot>(),
    holder: offset_of!(AttemptSlot, holder),
    record: offset_of!(AttemptSlot, record),
};

const EXCHANGE: Layout = Layout {
    size: size_of::<ExchangeSlot>(),
    holder: offset_of!(ExchangeSlot, holder),
    record: offset_of!(ExchangeSlot, record),
};

/// In both kinds: a hook owns the slot.
const BEING_WRITTEN: u64 = AttemptSlot::BEING_WRITTEN;
const _: () = assert!(BEING_WRITTEN == ExchangeSlot::BEING_WRITTEN);

impl Layout {
    /// What stands in a slot, with its holder; `None` when it is free, or changed hands while it was read.
    fn read(&self, memory: &Shared, slot: usize) -> Option<(u64, Words)> {
        let offset = slot * self.size;
        let holder = memory.word(offset + self.holder).load(Ordering::Acquire);
        if matches!(holder, 0 | BEING_WRITTEN) {
            return None;
        }
        let words = memory.record(offset + self.record);
        fence(Ordering::Acquire);
        let is_still_its = memory.word(offset + self.holder).load(Ordering::Relaxed) == holder;
        is_still_its.then_some((holder, words))
    }
}

/// The probe's map `EXCHANGES`. It is large, and read but once.
pub(super) struct ExchangeSlots(Array);

impl ExchangeSlots {
    pub(super) fn new(map: &Map) -> io::Result<Self> {
        Array::of(map).map(Self)
    }

    /// What the slots hold; certain once nothing is attached any more.
    pub(super) fn read(&self) -> io::Result<impl Iterator<Item = Event>> {
        let memory = self.0.map(EXCHANGES * EXCHANGE.size)?;
        Ok((0..EXCHANGES).filter_map(move |slot| {
            let (_, words) = EXCHANGE.read(&memory, slot)?;
            let mut event = match decode(&words).ok()? {
                Decoded::Fact(event) | Decoded::Begun(event) | Decoded::Sent(event) => event,
            };
            let last = memory.word(slot * EXCHANGE.size + offset_of!(ExchangeSlot, last));
            event.elapsed = last.load(Ordering::Relaxed).saturating_sub(event.time);
            Some(event)
        }))
    }
}

/// The probe's map `ATTEMPTS`.
pub(super) struct Slots(Shared);

impl Slots {
    pub(super) fn new(map: &Map) -> io::Result<Self> {
        Shared::of(map, ATTEMPTS * ATTEMPT.size).map(Self)
    }

    /// What stands in the slots, with the slot. What another attempt replaced while it was read is left out; the same
    /// attempt's own hook may still have been writing: certain is what stands there twice, or once nothing is attached.
    pub(super) fn read(&self) -> impl Iterator<Item = (u32, Decoded)> {
        (0..ATTEMPTS).filter_map(|slot| {
            let (holder, words) = ATTEMPT.read(&self.0, slot)?;
            let decoded = decode(&words).ok()?;
            (decoded.event().socket == holder).then_some((slot as u32, decoded))
        })
    }

    /// The attempts whose SYN is out and whose outcome has not come; certain once nothing is attached any more.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Event> {
        let attempt = |(_, decoded)| match decoded {
            Decoded::Fact(event) | Decoded::Sent(event) => Some(event),
            Decoded::Begun(_) => None,
        };
        self.read().filter_map(attempt)
    }
}
