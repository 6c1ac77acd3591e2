//! The slots of attempts under way (`probe-ebpf/src/attempts.rs`), as user space reads them.

use std::{io, mem::offset_of};

use aya::maps::{Array, MapData};
use bytes::Buf;
use probe_common::{ATTEMPTS, AttemptSlot};

use super::decode::{Decoded, decode};
use crate::event::Event;

type Bytes = [u8; size_of::<AttemptSlot>()];

/// The probe's map `ATTEMPTS`.
pub(super) struct Slots(Array<MapData, Bytes>);

impl Slots {
    pub(super) fn new(map: Array<MapData, Bytes>) -> Self {
        Self(map)
    }

    /// What stands in the slots, with the slot. A hook may write one while it is read: whole is what stands there
    /// twice, or once nothing is attached any more.
    pub(super) fn read(&self) -> io::Result<Vec<(u32, Decoded)>> {
        let mut standing = Vec::new();
        for slot in 0..ATTEMPTS as u32 {
            let bytes = self.0.get(&slot, 0).map_err(io::Error::other)?;
            let (mut holder, record) = bytes.split_at(offset_of!(AttemptSlot, record));
            if matches!(holder.get_u64_ne(), 0 | AttemptSlot::BEING_WRITTEN) {
                continue;
            }
            if let Some(Ok(decoded)) = record.first_chunk().map(decode) {
                standing.push((slot, decoded));
            }
        }
        Ok(standing)
    }

    /// The attempts whose SYN is out and whose outcome has not come; certain once nothing is attached any more.
    pub(super) fn waiting(&self) -> io::Result<impl Iterator<Item = Event>> {
        let attempt = |(_, decoded)| match decoded {
            Decoded::Fact(event) | Decoded::Sent(event) => Some(event),
            Decoded::Begun(_) => None,
        };
        Ok(self.read()?.into_iter().filter_map(attempt))
    }
}
