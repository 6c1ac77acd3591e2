//! The spill (`probe-ebpf/src/spill.rs`), emptied from the memory that the hooks write to, and the losses beside it
//! (`probe-ebpf/src/groups.rs`).

use std::{
    collections::{BTreeMap, HashMap},
    io,
    mem::offset_of,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::Map;
use probe_common::{GROUPS, GroupSlot, Loss, SpillSlot, SpillState};

use super::{
    decode::{Decoded, RECORD, decode},
    memory::Shared,
};
use crate::event::{Kind, Spilled};

/// The probe's maps `SPILL`, `SPILL_STATE` and `GROUPS`.
pub(super) struct Spill {
    slots: Shared,
    state: Shared,
    groups: Shared,
    count: usize,
    /// The slot where [`Self::empty_some`] goes on.
    next: usize,
    undecodable: u64,
}

/// Where the counters of those without any stand beside the state.
const OTHERS: usize = offset_of!(SpillState, others);

/// How many sets of slots fit into so many bytes; at least one, and a power of two as `bytes` is.
pub(super) fn sets(bytes: u32) -> u32 {
    (bytes / (SpillSlot::SET * size_of::<SpillSlot>()) as u32).max(1)
}

impl Spill {
    /// Of so many sets.
    pub(super) fn new(sets: u32, slots: &Map, state: &Map, groups: &Map) -> io::Result<Self> {
        let count = sets as usize * SpillSlot::SET;
        Ok(Self {
            slots: Shared::of(slots, count * size_of::<SpillSlot>())?,
            state: Shared::of(state, size_of::<SpillState>())?,
            groups: Shared::of(groups, GROUPS * size_of::<GroupSlot>())?,
            count,
            next: 0,
            undecodable: 0,
        })
    }

    /// How many slots hold facts.
    pub(super) fn used(&self) -> u64 {
        let state = |field| self.state.word(field).load(Ordering::Relaxed);
        state(offset_of!(SpillState, used)).saturating_sub(state(offset_of!(SpillState, begun)))
    }

    /// Whether it holds attempts of which nobody knows yet whether they died on their route.
    pub(super) fn holds_begun(&self) -> bool {
        self.state.word(offset_of!(SpillState, begun)).load(Ordering::Relaxed) > 0
    }

    /// How much of it may be in use before it should be emptied at once.
    pub(super) fn is_filling(&self) -> bool {
        self.used() > self.count as u64 / 8
    }

    /// Empties it of all facts.
    pub(super) fn empty(&mut self, mut take: impl FnMut(Spilled)) {
        self.visit(0..self.count, |decoded| matches!(decoded, Decoded::Fact(_)), &mut take);
    }

    /// Empties some of it, and goes on from there the next time; whether that was the last part. The rings fill up again while
    /// somebody is here.
    pub(super) fn empty_some(&mut self, mut take: impl FnMut(Spilled)) -> bool {
        /// A fraction of a millisecond's work.
        const SOME: usize = 1 << 11;
        let end = (self.next + SOME).min(self.count);
        self.visit(self.next..end, |decoded| matches!(decoded, Decoded::Fact(_)), &mut take);
        self.next = end % self.count;
        self.next == 0
    }

    /// Takes the attempts that began before `time` (`CLOCK_BOOTTIME`, nanoseconds) and have shown no SYN.
    pub(super) fn take_begun(&mut self, time: u64, mut take: impl FnMut(Spilled)) {
        let is_old = |decoded: &Decoded| matches!(decoded, Decoded::Begun(event) if event.time <= time);
        self.visit(0..self.count, is_old, &mut take);
    }

    /// Takes what `is_wanted` of some slots.
    fn visit(
        &mut self,
        slots: Range<usize>,
        is_wanted: impl Fn(&Decoded) -> bool,
        take: &mut impl FnMut(Spilled),
    ) {
        let mut groups: HashMap<u64, Option<usize>> = HashMap::new();
        for slot in slots {
            let offset = slot * size_of::<SpillSlot>();
            let word = self.slots.word(offset + offset_of!(SpillSlot, holder));
            let holder = word.load(Ordering::Relaxed);
            let owned = |holder| {
                let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
                word.compare_exchange(holder, SpillSlot::BEING_WRITTEN, success, failure).is_ok()
            };
            if matches!(holder, 0 | SpillSlot::BEING_WRITTEN) || !owned(holder) {
                continue;
            }
            let Some((decoded, spilled)) = self.read(offset) else {
                self.undecodable += 1;
                word.store(0, Ordering::Release);
                continue;
            };
            if !is_wanted(&decoded) {
                word.store(holder, Ordering::Release);
                continue;
            }
            word.store(0, Ordering::Release);
            let is_begun = matches!(decoded, Decoded::Begun(_));
            let group = spilled.event.cgroup.unwrap_or(0);
            // It may have come since; or it shares the slot of all others.
            if !groups.contains_key(&group) {
                let offsets = self.group_offsets().into_iter();
                groups.extend(offsets.map(|(group, offset)| (group, Some(offset))));
                groups.entry(group).or_insert(None);
            }
            self.give_back(groups.get(&group).copied().flatten(), is_begun);
            take(spilled);
        }
    }

    /// What stands in a slot that is ours.
    fn read(&self, offset: usize) -> Option<(Decoded, Spilled)> {
        let field = |field| self.slots.half(offset + field);
        let mut words = self.slots.record(offset + offset_of!(SpillSlot, record));
        // Beside it stands something else than in a ring: the counts are put in afterwards, and where a redirected attempt
        // was to go is lost.
        words[RECORD..].fill(0);
        let mut decoded = decode(&words).ok()?;
        let count = u64::from(field(offset_of!(SpillSlot, count)));
        let answered = u64::from(field(offset_of!(SpillSlot, answered)));
        let event = decoded.event_mut();
        if let Kind::Exchanged(datagrams) = &mut event.kind {
            datagrams.sent = u64::from(field(offset_of!(SpillSlot, sent)));
            datagrams.received = u64::from(field(offset_of!(SpillSlot, received)));
            datagrams.failed = if datagrams.error == 0 { 0 } else { count };
        }
        let last = self.slots.word(offset + offset_of!(SpillSlot, last)).load(Ordering::Relaxed);
        let spilled = Spilled { event: event.clone(), count, answered, last };
        Some((decoded, spilled))
    }

    /// Tells the hooks that a slot of a group is free again.
    fn give_back(&self, group: Option<usize>, is_begun: bool) {
        let less = |word: &AtomicU64| word.fetch_sub(1, Ordering::AcqRel);
        less(match group {
            Some(offset) => self.groups.word(offset + offset_of!(GroupSlot, used)),
            None => self.state.word(OTHERS + offset_of!(GroupSlot, used)),
        });
        less(self.state.word(offset_of!(SpillState, used)));
        if is_begun {
            less(self.state.word(offset_of!(SpillState, begun)));
        }
    }

    /// Where each cgroup's counters are, by its id.
    fn group_offsets(&self) -> HashMap<u64, usize> {
        let offsets = (0..GROUPS).map(|slot| slot * size_of::<GroupSlot>());
        let holder =
            |offset| self.groups.word(offset + offset_of!(GroupSlot, holder)).load(Ordering::Relaxed);
        let known = offsets.map(|offset| (holder(offset), offset)).filter(|(holder, _)| *holder != 0);
        known.collect()
    }

    /// What was lost, by cgroup, and by reason. What belongs to no cgroup, or to more than can be told apart, stands under
    /// 0. Reasons and cgroups that lost nothing are left out.
    pub(super) fn lost(&self) -> BTreeMap<u64, BTreeMap<Loss, u64>> {
        let of = |memory: &Shared, offset: usize| {
            let lost = |loss: Loss| {
                let word = offset + offset_of!(GroupSlot, lost) + loss as usize * size_of::<u64>();
                (loss, memory.word(word).load(Ordering::Relaxed))
            };
            Loss::ALL.into_iter().map(lost).filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>()
        };
        let groups =
            self.group_offsets().into_iter().map(|(group, offset)| (group, of(&self.groups, offset)));
        groups.chain([(0, of(&self.state, OTHERS))]).filter(|(_, lost)| !lost.is_empty()).collect()
    }

    /// Records that the probe of this build could not have written.
    pub(super) fn undecodable(&self) -> u64 {
        self.undecodable
    }
}

#[cfg(test)]
mod tests {
    use probe_common::kind;

    use super::*;

    fn spill(sets: u32) -> Spill {
        let count = sets as usize * SpillSlot::SET;
        Spill {
            slots: Shared::alone(count * size_of::<SpillSlot>()),
            state: Shared::alone(size_of::<SpillState>()),
            groups: Shared::alone(GROUPS * size_of::<GroupSlot>()),
            count,
            next: 0,
            undecodable: 0,
        }
    }

    /// Writes as a hook does.
    fn put(spill: &Spill, slot: usize, kind: u8, cgroup: u64, time: u64, count: u32) {
        let offset = slot * size_of::<SpillSlot>();
        let record = offset + offset_of!(SpillSlot, record);
        let set = |offset, value| spill.slots.word(offset).store(value, Ordering::Relaxed);
        set(record, time);
        set(record + 16, cgroup);
        set(record + 64, u64::from_ne_bytes([0, 80, 0, 81, 0, 0, kind, 4]));
        set(offset + offset_of!(SpillSlot, last), time + 5);
        let counts = [count.to_ne_bytes(), 1_u32.to_ne_bytes()].concat();
        set(offset + offset_of!(SpillSlot, count), u64::from_ne_bytes(counts.try_into().expect("eight")));
        let sent = [7_u32.to_ne_bytes(), 3_u32.to_ne_bytes()].concat();
        set(offset + offset_of!(SpillSlot, sent), u64::from_ne_bytes(sent.try_into().expect("eight")));
        let state = |field| spill.state.word(field).fetch_add(1, Ordering::Relaxed);
        state(offset_of!(SpillState, used));
        if kind == kind::BEGUN {
            state(offset_of!(SpillState, begun));
        }
        // The group's counters stand in any of its slots.
        let (memory, group) = group(spill, cgroup);
        memory.word(group + offset_of!(GroupSlot, holder)).store(cgroup, Ordering::Relaxed);
        memory.word(group + offset_of!(GroupSlot, used)).fetch_add(1, Ordering::Relaxed);
        set(offset + offset_of!(SpillSlot, holder), 99);
    }

    fn group(spill: &Spill, cgroup: u64) -> (&Shared, usize) {
        if cgroup == 0 { (&spill.state, OTHERS) } else { (&spill.groups, 9 * size_of::<GroupSlot>()) }
    }

    fn used_by(spill: &Spill, cgroup: u64) -> u64 {
        let (memory, offset) = group(spill, cgroup);
        memory.word(offset + offset_of!(GroupSlot, used)).load(Ordering::Relaxed)
    }

    #[test]
    fn what_is_emptied_in_parts_is_taken_once() {
        let mut spill = spill(512);
        for slot in [1, 2_047, 2_048, 4_095] {
            put(&spill, slot, kind::ACCEPTED, 55, slot as u64, 1);
        }
        let mut found = Vec::new();
        let mut empty_some = || spill.empty_some(|one| found.push(one.event.time));
        assert_eq!([empty_some(), empty_some()], [false, true]);
        assert!(!empty_some(), "it begins anew");
        assert_eq!(found, [1, 2_047, 2_048, 4_095]);
        assert_eq!((spill.used(), used_by(&spill, 55)), (0, 0));
    }

    #[test]
    fn facts_are_taken_once_and_their_slots_are_free_again() {
        let mut spill = spill(2);
        put(&spill, 3, kind::CONNECTED, 55, 10, 4);
        put(&spill, 15, kind::EXCHANGE_SENT_FIRST, 0, 20, 2);
        assert_eq!((spill.used(), used_by(&spill, 55), used_by(&spill, 0)), (2, 1, 1));
        let mut found = Vec::new();
        spill.empty(|one| found.push(one));
        let [connected, exchange] = found.as_slice() else { panic!("two: {found:?}") };
        assert_eq!((connected.event.kind, connected.count, connected.last), (Kind::Connected, 4, 15));
        let Kind::Exchanged(datagrams) = exchange.event.kind else { panic!("{exchange:?}") };
        assert_eq!((datagrams.sent, datagrams.received, exchange.answered), (7, 3, 1));
        assert_eq!((spill.used(), used_by(&spill, 55), used_by(&spill, 0)), (0, 0, 0));
        spill.empty(|one| panic!("again: {one:?}"));
    }

    #[test]
    fn what_has_begun_waits_until_it_is_old() {
        let mut spill = spill(1);
        put(&spill, 0, kind::BEGUN, 55, 10, 2);
        assert!(spill.holds_begun() && spill.used() == 0);
        spill.empty(|one| panic!("no fact: {one:?}"));
        spill.take_begun(9, |one| panic!("too young: {one:?}"));
        let mut count = 0;
        spill.take_begun(10, |one| count += one.count);
        assert_eq!((count, spill.holds_begun()), (2, false));
    }

    #[test]
    fn what_a_hook_owns_is_left_to_it() {
        let mut spill = spill(1);
        put(&spill, 0, kind::ACCEPTED, 55, 10, 1);
        let word = spill.slots.word(offset_of!(SpillSlot, holder));
        word.store(SpillSlot::BEING_WRITTEN, Ordering::Relaxed);
        spill.empty(|one| panic!("not ours: {one:?}"));
        assert_eq!(spill.used(), 1);
    }
}
