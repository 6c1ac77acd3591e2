//! The questions of late, with their answers: most traffic is between few, again and again.
//!
//! It only helps where that is so, and costs something where it is not. So it watches how often it has an answer, and rests
//! for a while where that is too seldom.

use std::hint::select_unpredictable;

use hashbrown::HashSet;
use prefetch_index::prefetch_index;

use super::{
    question::Question,
    reader::LANES,
    sets::{SetId, UNKNOWN_SET},
    table::Words,
};

/// Questions of late, and the set of each.
#[derive(Debug)]
pub(super) struct Hot {
    /// A power of two. Each question may be in one of two.
    slots: Vec<Slot>,
    /// Which of two goes next where both are taken.
    next: usize,
    watch: Watch,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Slot {
    question: Question,
    /// [`UNKNOWN_SET`] if the slot is free.
    set: SetId,
}

const FREE: Slot = Slot { question: Question::NONE, set: UNKNOWN_SET };

impl Hot {
    /// One that occupies at most so many bytes, and no less than it needs.
    pub(super) fn of(bytes: usize) -> Self {
        let slots = 1 << (bytes / size_of::<Slot>()).max(1).ilog2();
        Self { slots: vec![FREE; slots], next: 0, watch: Watch::default() }
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// Whether the next batch should be looked for here; counts the batch if not.
    #[inline]
    pub(super) fn is_awake(&mut self) -> bool {
        self.watch.is_awake()
    }

    /// The sets of a batch as far as they are here, otherwise [`UNKNOWN_SET`], and how many are not.
    #[inline]
    pub(super) fn find(&mut self, questions: &[Question; LANES]) -> ([SetId; LANES], usize) {
        let mut places = [[0; 2]; LANES];
        for (places, question) in places.iter_mut().zip(questions) {
            *places = self.places(question);
            places.iter().for_each(|place| prefetch_index(&self.slots, *place as usize));
        }
        let mut sets = [UNKNOWN_SET; LANES];
        let mut missing = 0;
        for ((set, question), places) in sets.iter_mut().zip(questions).zip(places) {
            let [one, other] = places.map(|place| &self.slots[place as usize]);
            *set = select_unpredictable(other.question.is(question), other.set, UNKNOWN_SET);
            *set = select_unpredictable(one.question.is(question), one.set, *set);
            missing += usize::from(*set == UNKNOWN_SET);
        }
        self.watch.note(LANES - missing);
        (sets, missing)
    }

    /// Remembers the set of a question that is not here. Whoever has to give way goes to his other slot if that is free, so
    /// that all find room in the end where there is enough.
    pub(super) fn put(&mut self, question: &Question, set: SetId) {
        let places = self.places(question).map(|place| place as usize);
        let free = places.into_iter().find(|place| self.slots[*place].set == UNKNOWN_SET);
        let place = free.unwrap_or_else(|| {
            self.next = 1 - self.next;
            let place = places[self.next];
            let former = self.slots[place];
            for other in self.places(&former.question).map(|place| place as usize) {
                if self.slots[other].set == UNKNOWN_SET {
                    self.slots[other] = former;
                    break;
                }
            }
            place
        });
        self.slots[place] = Slot { question: *question, set };
    }

    /// Forgets what was asked of some addresses.
    pub(super) fn forget(&mut self, addresses: &HashSet<(Words, bool)>) {
        let speaks = |question: &Question| {
            let ends = question.ends().iter().copied().zip(question.are_v6());
            ends.into_iter().any(|end| addresses.contains(&end))
        };
        self.slots.iter_mut().filter(|slot| speaks(&slot.question)).for_each(|slot| *slot = FREE);
    }

    #[inline]
    fn places(&self, question: &Question) -> [u32; 2] {
        let (hash, mask) = (question.hash(), self.slots.len() as u32 - 1);
        [hash as u32 & mask, (hash >> 32) as u32 & mask]
    }
}

/// Whether it helps.
#[derive(Debug)]
struct Watch {
    /// Batches until it is decided again.
    left: u32,
    is_awake: bool,
    /// Of the last batches before that, how many questions had an answer.
    found: u32,
}

/// So many batches are watched before it is decided.
const WATCHED: u32 = 1 << 9;
/// After a rest it has so many before those, in which to learn.
const LEARNING: u32 = 3 * WATCHED;
/// So many batches it rests.
const REST: u32 = 1 << 16;

impl Default for Watch {
    fn default() -> Self {
        Self { left: LEARNING + WATCHED, is_awake: true, found: 0 }
    }
}

impl Watch {
    #[inline]
    fn is_awake(&mut self) -> bool {
        if !self.is_awake {
            self.left -= 1;
            if self.left == 0 {
                *self = Self::default();
            }
        }
        self.is_awake
    }

    #[inline]
    fn note(&mut self, found: usize) {
        self.left -= 1;
        if self.left < WATCHED {
            self.found += found as u32;
        }
        if self.left == 0 {
            // A question that is not here costs twice.
            let helps = self.found >= WATCHED * LANES as u32 / 4 * 3;
            *self = Self { left: if helps { WATCHED } else { REST }, is_awake: helps, found: 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reporters::Reporter;
    use super::{
        super::super::tuple::Tuple, Hot, LANES, LEARNING, Question, REST, Slot, UNKNOWN_SET, WATCHED,
    };
    use crate::{event::Protocol, flow::Direction};

    /// Questions of which no two are the same, each but for one part like the first.
    fn alike() -> Vec<Question> {
        let address = |text: &str| text.parse().expect("an address");
        let first = Tuple {
            cluster: "",
            node: "",
            cgroup: None,
            direction: Direction::Outbound,
            local: address("10.0.0.1"),
            remote: address("10.0.0.2"),
            port: 443,
            protocol: Protocol::Tcp,
            names: None,
        };
        let tuples = [
            first,
            Tuple { direction: Direction::Inbound, ..first },
            Tuple { local: address("10.0.0.2"), ..first },
            Tuple { local: address("::10.0.0.1"), ..first },
            Tuple { local: address("fd00::10.0.0.1"), ..first },
            Tuple { remote: address("10.0.0.1"), ..first },
            Tuple { remote: address("::10.0.0.2"), ..first },
            Tuple { remote: address("fd00::10.0.0.2"), ..first },
            Tuple { port: 444, ..first },
            Tuple { protocol: Protocol::Udp, ..first },
        ];
        let other_reporter = Question::new(Reporter(1), &first);
        tuples.iter().map(|tuple| Question::new(Reporter(0), tuple)).chain([other_reporter]).collect()
    }

    #[test]
    fn no_two_questions_are_one() {
        for question in alike() {
            // All are looked for in the same place.
            let mut hot = Hot::of(0);
            hot.put(&question, 7);
            for other in alike() {
                let expected = if question == other { 7 } else { UNKNOWN_SET };
                assert_eq!(hot.find(&[other; LANES]).0, [expected; LANES], "{question:?} and {other:?}");
            }
        }
    }

    #[test]
    fn all_find_room_where_there_is_enough() {
        let mut hot = Hot::of(64 * size_of::<Slot>());
        let questions = alike();
        // Whoever was driven out comes again.
        for _ in 0..questions.len() {
            for (set, question) in (0..).zip(&questions) {
                if hot.find(&[*question; LANES]).1 > 0 {
                    hot.put(question, set);
                    assert_eq!(hot.find(&[*question; LANES]), ([set; LANES], 0), "it was put just now");
                }
            }
        }
        for (set, question) in (0..).zip(&questions) {
            assert_eq!(hot.find(&[*question; LANES]), ([set; LANES], 0), "{question:?}");
        }
    }

    #[test]
    fn it_rests_where_it_does_not_help_and_tries_again() {
        let mut hot = Hot::of(0);
        let questions = alike();
        hot.put(&questions[0], 1);
        let learned = |hot: &mut Hot, question: &Question, batches: u32| {
            (0..batches).all(|_| {
                let is_awake = hot.is_awake();
                if is_awake {
                    hot.find(&[*question; LANES]);
                }
                is_awake
            })
        };
        assert!(learned(&mut hot, &questions[0], LEARNING + 10 * WATCHED), "it helps");
        learned(&mut hot, &questions[1], WATCHED);
        let rest = (0..REST).take_while(|_| !hot.is_awake()).count();
        assert_eq!(rest, REST as usize - 1, "it does not");
        assert!(learned(&mut hot, &questions[0], LEARNING + 2 * WATCHED), "it does again");
    }
}
