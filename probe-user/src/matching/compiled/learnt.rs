//! Addresses whose endpoints were learnt: each is a class of its own, over the one that the tables give it.
//!
//! They come and go while the matrix is asked. Nothing is compiled for that, and nothing is forgotten but what was known of the
//! addresses that changed.

use std::{net::IpAddr, sync::Arc};

use hashbrown::HashMap;

use super::{
    super::names::Names,
    SPREAD,
    classes::{Class, ClassId},
    index::{Index, PlaceId},
    question::Question,
    table::{Words, of_address},
};

/// What was learnt.
#[derive(Debug)]
pub(super) struct Learnt {
    names: Arc<Names>,
    /// The first class that the tables do not give.
    first: ClassId,
    /// By address, and whether it is IPv6.
    classes: HashMap<(Words, bool), ClassId>,
    /// By class, from the first on.
    known: Vec<Known>,
    /// Classes of addresses that have no name any more.
    free: Vec<ClassId>,
    /// How many atoms there ever were: each class has one that no other had.
    ever: u32,
    filter: Filter,
}

/// An address that was learnt.
#[derive(Debug)]
pub(super) struct Known {
    /// With the atoms of the class that the tables give it.
    pub(super) class: Class,
    /// The places that are its endpoints, ascending.
    pub(super) places: Box<[PlaceId]>,
}

impl Learnt {
    /// Nothing yet; the tables give so many classes.
    pub(super) fn nothing(classes: usize) -> Self {
        Self {
            names: Arc::default(),
            first: classes as ClassId,
            classes: HashMap::new(),
            known: Vec::new(),
            free: Vec::new(),
            ever: 0,
            filter: Filter::of(0),
        }
    }

    /// Whether there are hardly any atoms left that were none before.
    pub(super) fn is_used_up(&self) -> bool {
        self.ever > u32::MAX / 2
    }

    pub(super) fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// How many classes there are, those of the tables among them.
    pub(super) fn classes(&self) -> usize {
        self.first as usize + self.known.len()
    }

    /// What it occupies, bytes, but for the names.
    pub(super) fn size(&self) -> usize {
        let of = |known: &Known| size_of_val(&*known.class.atoms) + size_of_val(&*known.places);
        let known = self.known.capacity() * size_of::<Known>() + self.known.iter().map(of).sum::<usize>();
        known + self.classes.allocation_size() + size_of_val(&*self.filter.words)
    }

    /// Replaces what was learnt. `of_table` knows the class that the tables give an address. The addresses whose endpoints have
    /// changed, each with the class that means something else now, if it had one.
    pub(super) fn replace<'a>(
        &mut self,
        names: &Arc<Names>,
        index: &Index,
        of_table: impl Fn(IpAddr) -> &'a Class,
    ) -> Vec<(IpAddr, Option<ClassId>)> {
        let before = std::mem::replace(&mut self.names, Arc::clone(names));
        let mut changed = Vec::new();
        for (address, _) in before.all().filter(|(address, _)| names.of(*address).is_empty()) {
            let class = self.classes.remove(&key(address));
            self.free.extend(class);
            changed.push((address, class));
        }
        for (address, names) in names.all().filter(|(address, names)| before.of(*address) != *names) {
            // No end of before may be taken for one of now: the atom is a new one.
            let atom = index.atoms() as u32 + self.ever;
            self.ever += 1;
            let of_table = of_table(address).atoms.iter().copied();
            let class = Class { atoms: of_table.chain([atom]).collect() };
            let known = Known { class, places: index.places_of(names) };
            let former = self.classes.get(&key(address)).copied();
            let class = former.or_else(|| self.free.pop());
            match class {
                Some(class) => self.known[(class - self.first) as usize] = known,
                None => self.known.push(known),
            }
            let class = class.unwrap_or_else(|| self.classes() as ClassId - 1);
            self.classes.insert(key(address), class);
            changed.push((address, Some(class)));
        }
        self.filter = Filter::of(self.classes.len());
        self.classes.keys().for_each(|(words, _)| self.filter.put(words));
        changed
    }

    /// The classes of a question's ends: what was learnt before what the tables give.
    #[inline]
    pub(super) fn over(&self, question: &Question, of_table: [ClassId; 2]) -> [ClassId; 2] {
        if self.classes.is_empty() {
            return of_table;
        }
        let (ends, are_v6) = (question.ends(), question.are_v6());
        let class = |end: usize| match self.filter.may_have(&ends[end]) {
            true => self.class_of(ends[end], are_v6[end]).unwrap_or(of_table[end]),
            false => of_table[end],
        };
        [class(0), class(1)]
    }

    #[inline(never)]
    fn class_of(&self, words: Words, is_v6: bool) -> Option<ClassId> {
        self.classes.get(&(words, is_v6)).copied()
    }

    /// What is known of a class, if it is not one of the tables'.
    pub(super) fn known(&self, class: ClassId) -> Option<&Known> {
        self.known.get(class.checked_sub(self.first)? as usize)
    }
}

fn key(address: IpAddr) -> (Words, bool) {
    (of_address(address), address.is_ipv6())
}

/// Tells most addresses that were not learnt from those that were, without looking for them.
#[derive(Debug)]
struct Filter {
    /// A power of two of them.
    words: Vec<u64>,
}

impl Filter {
    fn of(addresses: usize) -> Self {
        /// Bits for each: one of so many addresses is looked for in vain.
        const BITS: usize = 32;
        Self { words: vec![0; (addresses * BITS / u64::BITS as usize).next_power_of_two()] }
    }

    #[inline]
    fn place(&self, [upper, lower]: &Words) -> (usize, u64) {
        let hash = (upper.rotate_left(32) ^ lower).wrapping_mul(SPREAD) >> 32;
        ((hash >> 6) as usize & (self.words.len() - 1), 1 << (hash % u64::from(u64::BITS)))
    }

    fn put(&mut self, words: &Words) {
        let (word, bit) = self.place(words);
        self.words[word] |= bit;
    }

    #[inline]
    fn may_have(&self, words: &Words) -> bool {
        let (word, bit) = self.place(words);
        self.words[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Compiled, Reader};
    use crate::{
        event::Protocol,
        flow::Direction,
        matching::{Names, Rows, Tuple},
        matrix::{EndpointName, read_inventory, read_matrix},
    };

    /// A row to a host of which the inventory knows no address.
    fn reader() -> Reader {
        const MATRIX: &str = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n\
            \x20 - {id: pull, from: [run], to: [registry], ports: [443/tcp]}\n";
        const INVENTORY: &str = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  run: {nodes: {n: 10.0.0.1}}\n\
            endpoints:\n  registry: {hosts: [registry.example.com]}\n";
        let matrix = read_matrix(MATRIX, "matrix.yaml").expect("a matrix");
        let inventory = read_inventory(INVENTORY, "inventory.yaml").expect("an inventory");
        Reader::new(Arc::new(Compiled::new(Rows::new(&[matrix], &inventory)).expect("few classes")))
    }

    /// How many rows a connection to this address fits.
    fn found(reader: &mut Reader, remote: &str) -> usize {
        let address = |text: &str| text.parse().expect("an address");
        let tuple = Tuple {
            cluster: "run",
            node: "n",
            cgroup: None,
            direction: Direction::Outbound,
            local: address("10.0.0.1"),
            remote: address(remote),
            port: 443,
            protocol: Protocol::Tcp,
            names: None,
        };
        reader.find(&tuple).all().len()
    }

    fn registry_at(address: &str) -> Arc<Names> {
        let mut names = Names::default();
        names.add(address.parse().expect("an address"), EndpointName::new("registry"));
        Arc::new(names)
    }

    #[test]
    fn a_host_is_where_it_was_seen_last() {
        let mut reader = reader();
        let at = |reader: &mut Reader| ["192.0.2.1", "2001:db8::1"].map(|address| found(reader, address));
        assert_eq!(at(&mut reader), [0, 0], "nobody has told yet");
        reader.learn(&registry_at("192.0.2.1"));
        assert_eq!(at(&mut reader), [1, 0]);
        reader.learn(&registry_at("2001:db8::1"));
        assert_eq!(at(&mut reader), [0, 1]);
        reader.learn(&Arc::default());
        assert_eq!(at(&mut reader), [0, 0], "it is nowhere any more");
    }

    #[test]
    fn atoms_are_counted_anew_when_they_are_used_up() {
        let mut reader = reader();
        reader.learn(&registry_at("192.0.2.1"));
        assert_eq!(found(&mut reader, "192.0.2.1"), 1);
        reader.learnt.ever = u32::MAX;
        reader.learn(&registry_at("192.0.2.2"));
        assert_eq!(reader.learnt.ever, 1);
        assert_eq!(["192.0.2.1", "192.0.2.2"].map(|address| found(&mut reader, address)), [0, 1]);
    }

    #[test]
    fn addresses_that_come_and_go_take_no_more_room() {
        let mut reader = reader();
        let mut sizes = Vec::new();
        for last in 0..200 {
            reader.learn(&registry_at(&format!("192.0.2.{last}")));
            assert_eq!(found(&mut reader, &format!("192.0.2.{last}")), 1);
            sizes.push(reader.learnt.size());
        }
        assert_eq!(sizes[199], sizes[0]);
    }
}
