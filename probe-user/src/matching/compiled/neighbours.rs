//! Which two ends have any cell between them.
//!
//! Two that have none fit nothing, whatever the port. Those are by far the most of all pairs, and the memo need not know them.

use hashbrown::HashMap;
use prefetch_index::prefetch_index;

use super::{
    SPREAD,
    ends::{BROAD, End, EndId, View},
    index::{Index, PlaceId},
};

/// The pairs that have one. One more may seem to, but never one fewer.
#[derive(Debug)]
pub(super) struct Neighbours {
    pairs: Pairs,
    /// There may be so many of their words.
    limit: usize,
    /// By place, the ends there, as clients and as servers.
    clients: Lists,
    servers: Lists,
    /// By destination, the clients that its servers see instead of whoever is behind them.
    shields: Lists,
}

type Lists = HashMap<(View, PlaceId), Vec<EndId>>;

/// An end that would have more neighbours is [`BROAD`].
const MOST: usize = 1 << 14;

impl Neighbours {
    /// One whose pairs occupy at most so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self {
            pairs: Pairs::of(Pairs::FIRST),
            limit: bytes / size_of::<u64>(),
            clients: Lists::new(),
            servers: Lists::new(),
            shields: Lists::new(),
        }
    }

    /// What it occupies, bytes.
    pub(super) fn size(&self) -> usize {
        let lists = [&self.clients, &self.servers, &self.shields].into_iter();
        // Most ends stand at one place or two, and a list is no shorter than four.
        let lists = lists.map(|lists| lists.allocation_size() + lists.len() * 4 * size_of::<EndId>());
        size_of_val(&*self.pairs.words) + lists.sum::<usize>()
    }

    /// Asks memory for what [`Self::are_some`] needs of two ends, the reporter's own and his peer's.
    #[inline]
    pub(super) fn ask_ahead(&self, ends: [EndId; 2]) -> Pair {
        let pair = Pair::of(ends);
        prefetch_index(&self.pairs.words, self.pairs.word(pair));
        pair
    }

    /// 0 where two ends have no cell between them, unless one of them is [`BROAD`]; 1 where they may.
    #[inline]
    pub(super) fn are_some(&self, pair: Pair) -> u32 {
        self.pairs.bit(pair)
    }

    /// Adds a new end and its pairs with those that are known. Its number is `id`, and [`BROAD`] where its pairs are too many to
    /// be told apart.
    pub(super) fn add(&mut self, index: &Index, view: View, id: EndId, is_client: bool, end: &End) -> EndId {
        let others = if is_client {
            let direct = end.places.iter().flat_map(|place| index.destinations(*place));
            self.others(view, direct.chain(&end.shields).map(|place| (&self.servers, *place)))
        } else {
            let direct = end.places.iter().flat_map(|place| index.sources(*place));
            let direct = direct.map(|place| (&self.clients, *place));
            self.others(view, direct.chain(end.places.iter().map(|place| (&self.shields, *place))))
        };
        let Some(others) = others.filter(|_| !self.pairs.are_many() || self.has_room()) else {
            return id | BROAD;
        };
        others.into_iter().for_each(|other| {
            let pair = if is_client { view.pair(id, other) } else { view.pair(other, id) };
            self.pairs.put(Pair::of(pair));
        });
        let note = |lists: &mut Lists, places: &[PlaceId]| {
            places.iter().for_each(|place| lists.entry((view, *place)).or_default().push(id));
        };
        if is_client {
            note(&mut self.clients, &end.places);
            note(&mut self.shields, &end.shields);
        } else {
            note(&mut self.servers, &end.places);
        }
        while self.pairs.are_many() && self.has_room() {
            self.grow(index);
        }
        id
    }

    /// Those at the places; none if they are too many to look at.
    fn others<'a>(
        &self,
        view: View,
        mut places: impl Iterator<Item = (&'a Lists, PlaceId)>,
    ) -> Option<Vec<EndId>> {
        let mut others = Vec::new();
        let few = places.by_ref().take(MOST).all(|(lists, place)| {
            others.extend(lists.get(&(view, place)).into_iter().flatten());
            others.len() <= MOST
        });
        (few && places.next().is_none()).then_some(others)
    }

    fn has_room(&self) -> bool {
        self.pairs.words.len() * 2 <= self.limit
    }

    /// Takes twice as many bits for the pairs.
    fn grow(&mut self, index: &Index) {
        let Self { pairs, limit: _, clients, servers, shields } = self;
        *pairs = Pairs::of(pairs.words.len() * 2);
        let direct = clients.iter().flat_map(|((view, place), clients)| {
            index.destinations(*place).iter().map(move |to| (*view, *to, clients))
        });
        let shielded = shields.iter().map(|((view, to), clients)| (*view, *to, clients));
        for (view, to, clients) in direct.chain(shielded) {
            let servers = servers.get(&(view, to)).map_or(&[][..], |servers| servers);
            for (client, server) in
                clients.iter().flat_map(|client| servers.iter().map(move |server| (client, server)))
            {
                pairs.put(Pair::of(view.pair(*client, *server)));
            }
        }
    }
}

/// A bit for each pair, by its hash.
#[derive(Debug)]
struct Pairs {
    /// A power of two of them.
    words: Vec<u64>,
    /// How many bits are set.
    set: usize,
}

impl Pairs {
    /// So many words are enough to begin with.
    const FIRST: usize = 1 << 7;

    fn of(words: usize) -> Self {
        Self { words: vec![0; words], set: 0 }
    }

    /// Whether more of them would often seem to be there that are not.
    fn are_many(&self) -> bool {
        const ROOM: usize = 4;
        self.set * ROOM > self.words.len() * u64::BITS as usize
    }

    /// In which word its bit is.
    #[inline]
    fn word(&self, Pair(hash): Pair) -> usize {
        (hash >> 6) as usize & (self.words.len() - 1)
    }

    #[inline]
    fn bit(&self, pair: Pair) -> u32 {
        let Pair(hash) = pair;
        (self.words[self.word(pair)] >> (hash % u64::BITS)) as u32 & 1
    }

    fn put(&mut self, pair: Pair) {
        let (word, Pair(hash)) = (self.word(pair), pair);
        self.set += usize::from(self.bit(pair) == 0);
        self.words[word] |= 1 << (hash % u64::BITS);
    }
}

/// A pair's hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair(u32);

impl Pair {
    #[inline]
    pub(super) fn of([own, peers]: [EndId; 2]) -> Self {
        let product = (u64::from(own) << 32 | u64::from(peers)).wrapping_mul(SPREAD);
        // The upper half depends on both ends.
        Self((product ^ product >> 32) as u32)
    }
}
