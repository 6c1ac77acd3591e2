//! The rings (`probe-ebpf/src/ring.rs`), read from the memory that the hooks write to.

use std::{
    io,
    mem::offset_of,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use aya::maps::Map;
use probe_common::{RingPlace, RingState};

use super::{decode::Words, memory::Shared, shape::Shape};

/// What one pass over the rings found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Records read.
    pub records: usize,
    /// Whether that was all. A place whose writer was interrupted hides what comes after it in its ring, until the next
    /// pass.
    pub is_all: bool,
}

/// The probe's maps `RINGS` and `PLACES`. The consumer is this process alone.
pub(super) struct Rings {
    memory: Memory,
    lanes: Vec<Lane>,
}

/// What hooks and user space share.
struct Memory {
    shape: Shape,
    states: Shared,
    places: Shared,
}

/// Rings that are read in one order, which is the order in which a CPU claimed its places.
struct Lane {
    /// A CPU's own ring.
    own: Option<Ring>,
    /// The one that it has in common with the CPUs that have none.
    common: Ring,
    /// How many places of both were claimed when somebody looked last.
    heads: (u64, u64),
}

/// Where one ring is, and how far it was read.
struct Ring {
    state: u32,
    first_place: u32,
    tail: u64,
}

impl Lane {
    /// All of a shape, with the index of each ring's state and of its first place.
    fn all(shape: Shape) -> impl Iterator<Item = Self> {
        let ring = move |state, index| Ring { state, first_place: index * shape.places, tail: 0 };
        (0..shape.common).map(move |index| Self {
            own: (index < shape.own).then(|| ring(index, index)),
            common: ring(shape.cpus + index, shape.own + index),
            heads: (0, 0),
        })
    }
}

impl Rings {
    /// To be called before the hooks run: tells them which places are whose.
    pub(super) fn new(shape: Shape, states: &Map, places: &Map) -> io::Result<Self> {
        let states = Shared::of(states, shape.states() as usize * size_of::<RingState>())?;
        let places = Shared::of(places, shape.all_places() as usize * size_of::<RingPlace>())?;
        Ok(Self::of(Memory { shape, states, places }))
    }

    fn of(memory: Memory) -> Self {
        for state in 0..memory.shape.states() {
            memory.first_place(state).store(RingState::NO_PLACES, Ordering::Relaxed);
        }
        let rings = Self { lanes: Lane::all(memory.shape).collect(), memory };
        for ring in rings.rings() {
            rings.memory.first_place(ring.state).store(ring.first_place.into(), Ordering::Relaxed);
        }
        rings
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        self.lanes.iter().flat_map(|lane| lane.own.iter().chain([&lane.common]))
    }

    /// Looks which places are claimed now.
    pub(super) fn look(&mut self) {
        let Self { memory, lanes } = self;
        for Lane { own, common, heads } in lanes {
            // In this order: what was claimed in the common ring before one of these own places is then seen, too.
            let own_head = own.as_ref().map_or(0, |own| memory.head(own));
            *heads = (own_head, memory.head(common));
        }
    }

    /// Gives every record whose place was claimed when somebody looked last, CPU by CPU. Later ones wait, so that a producer
    /// that is faster than its consumer cannot keep it here.
    pub(super) fn drain(&mut self, mut take: impl FnMut(&Words)) -> Drained {
        let Self { memory, lanes } = self;
        let mut drained = Drained { records: 0, is_all: true };
        for Lane { own, common, heads: (own_head, common_head) } in lanes {
            let (own_head, common_head) = (*own_head, *common_head);
            let mut pass = Pass { memory, take: &mut take, drained: &mut drained };
            if let Some(own) = own {
                let is_all = pass.read(common, common_head, |pass, place| {
                    let after = pass.memory.after(own, place);
                    pass.read(own, after, |_, _| true)
                });
                let limit = if is_all { own_head } else { memory.limit(own, own_head, common, common_head) };
                pass.read(own, limit, |_, _| true);
            } else {
                pass.read(common, common_head, |_, _| true);
            }
        }
        drained
    }

    /// How many records are claimed and not read.
    pub(super) fn unread(&self) -> u64 {
        self.rings().map(|ring| self.memory.head(ring) - ring.tail).sum()
    }

    /// How many records one ring holds.
    pub(super) fn places(&self) -> u32 {
        self.memory.shape.places
    }
}

/// One pass over the rings.
struct Pass<'a, Take> {
    memory: &'a Memory,
    take: &'a mut Take,
    drained: &'a mut Drained,
}

impl<Take: FnMut(&Words)> Pass<'_, Take> {
    /// Reads a ring up to `head`; whether that was possible. `may_read` is told the place of each record.
    fn read(
        &mut self,
        ring: &mut Ring,
        head: u64,
        mut may_read: impl FnMut(&mut Self, usize) -> bool,
    ) -> bool {
        /// So often the producers hear of places that are free again.
        const PACE: u64 = 64;
        let began = ring.tail;
        while ring.tail < head
            && let Some(place) = self.memory.written(ring)
            && may_read(self, place)
        {
            (self.take)(&self.memory.record(place));
            self.drained.records += 1;
            ring.tail += 1;
            if ring.tail.is_multiple_of(PACE) {
                self.memory.free(ring);
            }
        }
        if ring.tail != began {
            self.memory.free(ring);
        }
        let is_all = ring.tail >= head;
        self.drained.is_all &= is_all;
        is_all
    }
}

impl Memory {
    /// The next place of a ring. It was claimed; whoever claimed it is about to write it, unless it was interrupted:
    /// then it is `None` after a moment, and comes with the next drain.
    fn written(&self, ring: &Ring) -> Option<usize> {
        const PATIENCE: Duration = Duration::from_millis(1);
        let place = self.place(ring, ring.tail);
        let is_written = || self.claim(place).load(Ordering::Acquire) == ring.tail + 1;
        if !is_written() {
            let began = Instant::now();
            while !is_written() {
                if began.elapsed() > PATIENCE {
                    return None;
                }
                thread::yield_now();
            }
        }
        Some(place)
    }

    /// How far an own ring may be read while a place of the common one is being written: not past what written places
    /// behind it come after, or a repetition there would be far from its original. A ring that fills up is read all the
    /// same.
    fn limit(&self, own: &Ring, own_head: u64, common: &Ring, common_head: u64) -> u64 {
        if own_head.saturating_sub(own.tail) > u64::from(self.shape.places / 2) {
            return own_head;
        }
        let behind = (common.tail..common_head).map(|claim| (claim, self.place(common, claim)));
        let written = behind.filter(|(claim, place)| self.claim(*place).load(Ordering::Acquire) == claim + 1);
        written.map(|(_, place)| self.after(own, place)).min().map_or(own_head, |after| own_head.min(after))
    }

    fn record(&self, place: usize) -> Words {
        self.places.record(place + offset_of!(RingPlace, record))
    }

    /// Up to which claim the own ring comes before a place of the common one.
    fn after(&self, own: &Ring, place: usize) -> u64 {
        let after = self.places.half(place + offset_of!(RingPlace, after));
        // It is less than half of all the halves away from what was read already.
        let ahead = after.wrapping_sub(own.tail as u32).cast_signed();
        own.tail.saturating_add_signed(ahead.into())
    }

    /// The offset of the place for a claim.
    fn place(&self, ring: &Ring, claim: u64) -> usize {
        let within = claim as u32 & (self.shape.places - 1);
        (ring.first_place + within) as usize * size_of::<RingPlace>()
    }

    fn claim(&self, place: usize) -> &AtomicU64 {
        self.places.word(place + offset_of!(RingPlace, claim))
    }

    /// How many places of a ring were claimed.
    fn head(&self, ring: &Ring) -> u64 {
        self.state(ring.state, offset_of!(RingState, head)).load(Ordering::Acquire)
    }

    /// Tells the producers how far it was read.
    fn free(&self, ring: &Ring) {
        self.state(ring.state, offset_of!(RingState, tail)).store(ring.tail, Ordering::Release);
    }

    fn first_place(&self, state: u32) -> &AtomicU64 {
        self.state(state, offset_of!(RingState, first_place))
    }

    fn state(&self, state: u32, field: usize) -> &AtomicU64 {
        self.states.word(state as usize * size_of::<RingState>() + field)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::shape::tests::shape, *};

    #[test]
    fn rings_share_no_place_and_fit_into_their_memory() {
        for (bytes, cpus, online) in
            [(16 << 20, 240, 3), (4 << 10, 64, 64), (64 << 10, 8, 5), (1 << 20, 2, 2)]
        {
            let shape = Shape::of(bytes, cpus, online);
            assert!(shape.all_places() as usize * size_of::<RingPlace>() <= bytes as usize, "{shape:?}");
            let rings = rings(shape);
            let mut found: Vec<_> = rings.rings().map(|ring| (ring.state, ring.first_place)).collect();
            found.sort_unstable();
            let states = (0..shape.own).chain(cpus..cpus + shape.common);
            let places = (0..shape.own + shape.common).map(|ring| ring * shape.places);
            assert_eq!(found, states.zip(places).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_cpu_without_places_of_its_own_is_told_so() {
        let rings = rings(shape(3, 1, 2, 32));
        let told = |state| rings.memory.first_place(state).load(Ordering::Relaxed);
        let none = RingState::NO_PLACES;
        assert_eq!([0, 1, 2, 3, 4].map(told), [0, none, none, 32, 64]);
    }

    /// Rings as a hook would see them.
    fn rings(shape: Shape) -> Rings {
        let states = Shared::alone(shape.states() as usize * size_of::<RingState>());
        let places = Shared::alone(shape.all_places() as usize * size_of::<RingPlace>());
        Rings::of(Memory { shape, states, places })
    }

    /// A CPU's ring, its own or the common one, as a hook uses it.
    #[derive(Clone, Copy)]
    struct Producer {
        cpu: usize,
        is_own: bool,
    }

    impl Producer {
        fn ring(self, rings: &Rings) -> &Ring {
            let lane = &rings.lanes[self.cpu];
            if self.is_own { lane.own.as_ref().expect("it has one") } else { &lane.common }
        }

        fn claim(self, rings: &Rings) -> u64 {
            let head = rings.memory.state(self.ring(rings).state, offset_of!(RingState, head));
            head.fetch_add(1, Ordering::AcqRel)
        }

        /// Writes a record, and into a common ring how many of the own one come first.
        fn publish(self, rings: &Rings, claim: u64, value: u64, after: u64) {
            let place = rings.memory.place(self.ring(rings), claim);
            let word = |field| rings.memory.places.word(place + field);
            word(offset_of!(RingPlace, record)).store(value, Ordering::Relaxed);
            let [first, second, third, fourth] = (after as u32).to_ne_bytes();
            let after = u64::from_ne_bytes([first, second, third, fourth, 0, 0, 0, 0]);
            word(offset_of!(RingPlace, after)).store(after, Ordering::Relaxed);
            rings.memory.claim(place).store(claim + 1, Ordering::Release);
        }

        fn write(self, rings: &Rings, value: u64, after: u64) {
            self.publish(rings, self.claim(rings), value, after);
        }
    }

    /// First words of all records that a pass gives, and whether that was all.
    fn drained(rings: &mut Rings) -> (Vec<u64>, bool) {
        let mut found = Vec::new();
        rings.look();
        let drained = rings.drain(|record| found.push(record[0]));
        assert_eq!(drained.records, found.len());
        (found, drained.is_all)
    }

    #[test]
    fn a_place_that_is_being_written_hides_what_follows_in_its_ring_until_it_is() {
        let mut rings = rings(shape(2, 2, 2, 32));
        let [busy, other] = [0, 1].map(|cpu| Producer { cpu, is_own: true });
        let [first, second] = [busy.claim(&rings), busy.claim(&rings)];
        busy.publish(&rings, second, 2, 0);
        other.write(&rings, 3, 0);
        assert_eq!(drained(&mut rings), (vec![3], false));
        assert_eq!(rings.unread(), 2);
        busy.publish(&rings, first, 1, 0);
        assert_eq!(drained(&mut rings), (vec![1, 2], true));
        assert_eq!(rings.unread(), 0);
    }

    #[test]
    fn a_cpu_s_two_rings_are_read_in_one_order() {
        let mut rings = rings(shape(1, 1, 1, 32));
        let [own, common] = [true, false].map(|is_own| Producer { cpu: 0, is_own });
        common.write(&rings, 1, 0);
        own.write(&rings, 2, 0);
        own.write(&rings, 3, 0);
        common.write(&rings, 4, 2);
        common.write(&rings, 5, 2);
        own.write(&rings, 6, 0);
        assert_eq!(drained(&mut rings), (vec![1, 2, 3, 4, 5, 6], true));
        // Over several passes, and with a place in between that is being written.
        common.write(&rings, 7, 3);
        let eight = own.claim(&rings);
        common.write(&rings, 9, 4);
        own.write(&rings, 10, 0);
        assert_eq!(drained(&mut rings), (vec![7], false));
        own.publish(&rings, eight, 8, 0);
        assert_eq!(drained(&mut rings), (vec![8, 9, 10], true));
        // Whoever claims last may write first, and what is not written holds up nobody but those behind it.
        let eleven = common.claim(&rings);
        own.write(&rings, 12, 0);
        assert_eq!(drained(&mut rings), (vec![12], false));
        common.publish(&rings, eleven, 11, 5);
        assert_eq!(drained(&mut rings), (vec![11], true));
    }

    #[test]
    fn half_a_number_tells_the_order_for_as_long_as_anybody_records() {
        let mut rings = rings(shape(1, 1, 1, 32));
        let [own, common] = [true, false].map(|is_own| Producer { cpu: 0, is_own });
        let claimed = u64::from(u32::MAX) - 1;
        rings.lanes[0].own.as_mut().expect("it has one").tail = claimed;
        let head = rings.memory.state(own.ring(&rings).state, offset_of!(RingState, head));
        head.store(claimed, Ordering::Release);
        for round in 0..4 {
            own.write(&rings, 2 * round, 0);
            common.write(&rings, 2 * round + 1, claimed + round + 1);
        }
        common.write(&rings, 8, claimed + 4);
        own.write(&rings, 9, 0);
        assert_eq!(drained(&mut rings), ((0..10).collect(), true));
    }

    #[test]
    fn a_place_that_is_being_written_lets_no_repetition_fall_behind() {
        let mut rings = rings(shape(1, 1, 1, 32));
        let [own, common] = [true, false].map(|is_own| Producer { cpu: 0, is_own });
        let stuck = common.claim(&rings);
        own.write(&rings, 1, 0);
        common.write(&rings, 2, 1);
        own.write(&rings, 3, 0);
        assert_eq!(drained(&mut rings), (vec![1], false));
        // While there is room.
        (4..20).for_each(|value| own.write(&rings, value, 0));
        assert_eq!(drained(&mut rings), ((3..20).collect(), false));
        common.publish(&rings, stuck, 0, 0);
        assert_eq!(drained(&mut rings), (vec![0, 2], true));
    }

    #[test]
    fn a_cpu_without_a_ring_of_its_own_waits_for_none() {
        let mut rings = rings(shape(4, 2, 2, 32));
        let [own, common] = [true, false].map(|is_own| Producer { cpu: 1, is_own });
        own.claim(&rings);
        common.write(&rings, 1, 0);
        assert_eq!(drained(&mut rings), (vec![1], false));
    }

    #[test]
    fn places_are_used_again_and_never_read_twice() {
        let mut rings = rings(shape(1, 0, 1, 32));
        let ring = Producer { cpu: 0, is_own: false };
        for round in 0..10 {
            let expected: Vec<u64> = (0..25).map(|value| round * 25 + value).collect();
            for value in &expected {
                ring.write(&rings, *value, 0);
            }
            assert_eq!(drained(&mut rings), (expected, true));
            let tail = rings.memory.state(ring.ring(&rings).state, offset_of!(RingState, tail));
            assert_eq!(tail.load(Ordering::Acquire), (round + 1) * 25);
        }
        ring.claim(&rings);
        assert_eq!(drained(&mut rings), (vec![], false));
    }
}
