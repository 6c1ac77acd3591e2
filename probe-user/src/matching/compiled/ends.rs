//! Ends that are one to the rows: their numbers.
//!
//! Classes that differ only in endpoints of which no row speaks at this end need no memory of their own. An end of which
//! none speaks at all has the number [`NOTHING`], and whatever goes there fits no cell. Every other number also tells who
//! reports, and as whom he shows the end.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{classes::ClassId, index::PlaceId, reader::LANES, reporters::Reporter};

/// An end's number.
pub(super) type EndId = u32;

/// The end that no cell has.
pub(super) const NOTHING: EndId = 0;

/// How many bits a number has.
pub(super) const BITS: u32 = 22;

/// Says in a number that the end may have a cell with any other.
pub(super) const BROAD: EndId = 1 << (BITS - 1);

/// Nobody asked for it yet; the memo knows no such end.
pub(super) const UNKNOWN: EndId = BROAD | (BROAD - 1);

/// What the rows know of an end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct End {
    /// The places of this end's cells that may hold it, ascending.
    pub(super) places: Box<[PlaceId]>,
    /// Of a client, the destinations whose servers see it instead of whoever is behind it.
    pub(super) shields: Box<[PlaceId]>,
    /// The atoms that hold it, as far as the rules ask for them in cells of these places, ascending.
    pub(super) atoms: Box<[u32]>,
}

/// Every end that was asked for. Forgotten together with the memo, whose keys these numbers are.
#[derive(Debug)]
pub(super) struct Ends {
    ends: Vec<(View, Whose, End)>,
    /// To be found by what they are.
    known: HashTable<EndId>,
    hasher: DefaultHashBuilder,
    /// By [`View`]; then by class, the reporter's own ends before his peers'.
    of_classes: Vec<EndId>,
    classes: usize,
    /// What the lists of all ends occupy, bytes.
    lists: usize,
}

/// As whom one reporter shows both ends: connecting himself, or listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct View(pub(super) u32);

impl View {
    #[inline]
    pub(super) fn new(Reporter(reporter): Reporter, is_inbound: bool) -> Self {
        Self(reporter << 1 | u32::from(is_inbound))
    }

    pub(super) fn reporter(self) -> Reporter {
        Reporter(self.0 >> 1)
    }

    pub(super) fn is_inbound(self) -> bool {
        self.0 & 1 == 1
    }

    /// A client and a server as the reporter's own end and his peer's.
    pub(super) fn pair(self, client: EndId, server: EndId) -> [EndId; 2] {
        if self.is_inbound() { [server, client] } else { [client, server] }
    }
}

/// Whose end: the reporter's own or his peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    Own,
    Peers,
}

impl Ends {
    pub(super) fn of(classes: usize) -> Self {
        let nothing = End { places: Box::default(), shields: Box::default(), atoms: Box::default() };
        Self {
            // Nobody looks for it.
            ends: vec![(View(0), Whose::Own, nothing)],
            known: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            of_classes: Vec::new(),
            classes,
            lists: 0,
        }
    }

    /// What there is of them beside what each reporter needs at least, bytes: that is as much as the inventory has classes, and
    /// to forget it would be in vain.
    pub(super) fn spare(&self) -> usize {
        self.size() - self.of_classes.capacity() * size_of::<EndId>()
    }

    /// What they occupy, bytes.
    pub(super) fn size(&self) -> usize {
        let Self { ends, known, hasher: _, of_classes, classes: _, lists } = self;
        ends.capacity() * size_of::<(View, Whose, End)>()
            + known.allocation_size()
            + of_classes.capacity() * size_of::<EndId>()
            + lists
    }

    /// Forgets all of them.
    pub(super) fn forget(&mut self) {
        *self = Self::of(self.classes);
    }

    /// Makes room for so many classes. What is known of the others stays.
    pub(super) fn widen(&mut self, classes: usize) {
        if classes <= self.classes {
            return;
        }
        // Addresses are learnt one by one.
        let classes = classes.next_multiple_of(256);
        let halves = self.of_classes.chunks(self.classes);
        let mut wider = Vec::with_capacity(halves.len() * classes);
        for half in halves {
            wider.extend_from_slice(half);
            wider.resize(wider.len() + classes - self.classes, UNKNOWN);
        }
        (self.of_classes, self.classes) = (wider, classes);
    }

    /// Forgets which ends a class has.
    pub(super) fn forget_class(&mut self, class: ClassId) {
        let of_class = self.of_classes.iter_mut().skip(class as usize).step_by(self.classes);
        of_class.for_each(|end| *end = UNKNOWN);
    }

    /// Whether there are as many as can have numbers, but for those that one batch of questions adds.
    pub(super) fn are_full(&self) -> bool {
        self.ends.len() + 2 * LANES >= BROAD as usize
    }

    /// The numbers of the reporter's own end and of his peer's, or [`UNKNOWN`].
    #[inline]
    pub(super) fn find(&self, View(view): View, [own, peers]: [ClassId; 2]) -> [EndId; 2] {
        let begin = view as usize * 2 * self.classes;
        let end = |index: usize| self.of_classes.get(begin + index).copied().unwrap_or(UNKNOWN);
        [end(own as usize), end(self.classes + peers as usize)]
    }

    /// `end` is `None` if no cell has it. A new one is announced with its number, which may become [`BROAD`].
    pub(super) fn put(
        &mut self,
        view: View,
        whose: Whose,
        class: ClassId,
        end: Option<End>,
        announce: impl FnOnce(EndId, &End) -> EndId,
    ) -> EndId {
        let id = end.map_or(NOTHING, |end| self.number((view, whose, end), announce));
        let View(view) = view;
        let (begin, end) = (view as usize * 2 * self.classes, (view as usize + 1) * 2 * self.classes);
        if self.of_classes.len() < end {
            self.of_classes.reserve_exact(end - self.of_classes.len());
            self.of_classes.resize(end, UNKNOWN);
        }
        let before = match whose {
            Whose::Own => 0,
            Whose::Peers => self.classes,
        };
        self.of_classes[begin + before + class as usize] = id;
        id
    }

    /// The number of an end, and a new one's where it has none.
    fn number(&mut self, end: (View, Whose, End), announce: impl FnOnce(EndId, &End) -> EndId) -> EndId {
        let Self { ends, known, hasher, lists, .. } = self;
        let at = |id: EndId| &ends[(id & !BROAD) as usize];
        let hash = hasher.hash_one(&end);
        if let Some(id) = known.find(hash, |id| *at(*id) == end) {
            return *id;
        }
        let (.., of_end) = &end;
        let id = announce(ends.len() as EndId, of_end);
        known.insert_unique(hash, id, |id| hasher.hash_one(at(*id)));
        *lists += (of_end.places.len() + of_end.shields.len() + of_end.atoms.len()) * size_of::<u32>();
        ends.push(end);
        id
    }

    pub(super) fn end(&self, end: EndId) -> &End {
        let (.., end) = &self.ends[(end & !BROAD) as usize];
        end
    }
}
