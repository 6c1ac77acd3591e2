//! The slots of attempts under way (`probe-ebpf/src/attempts.rs`), as user space reads them.

use std::{
    io,
    mem::offset_of,
    sync::atomic::{Ordering, fence},
};

use aya::maps::Map;
use probe_common::{ATTEMPTS, AttemptSlot};

use super::{
    decode::{Decoded, decode},
    memory::Shared,
};
use crate::event::Event;

/// The probe's map `ATTEMPTS`.
pub(super) struct Slots(Shared);

impl Slots {
    pub(super) fn new(map: &Map) -> io::Result<Self> {
        Shared::of(map, ATTEMPTS * size_of::<AttemptSlot>()).map(Self)
    }

    /// What stands in the slots, with the slot. What another attempt replaced while it was read is left out; the same
    /// attempt's own hook may still have been writing: certain is what stands there twice, or once nothing is attached.
    pub(super) fn read(&self) -> impl Iterator<Item = (u32, Decoded)> {
        (0..ATTEMPTS as u32).filter_map(|slot| {
            let offset = slot as usize * size_of::<AttemptSlot>();
            let holder = self.0.word(offset + offset_of!(AttemptSlot, holder)).load(Ordering::Acquire);
            if matches!(holder, 0 | AttemptSlot::BEING_WRITTEN) {
                return None;
            }
            let record = self.0.record(offset + offset_of!(AttemptSlot, record));
            fence(Ordering::Acquire);
            let is_still_its =
                self.0.word(offset + offset_of!(AttemptSlot, holder)).load(Ordering::Relaxed) == holder;
            let decoded = decode(&record).ok()?;
            (is_still_its && decoded.event().socket == holder).then_some((slot, decoded))
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
