//! Asking the compiled matrix.

use std::{net::IpAddr, sync::Arc};

use super::{
    super::{leg, reach::Reach, rows::Match, tuple::Tuple},
    Compiled, Found,
    classes::ClassId,
    ends::{self, End, EndId, Ends, View, Whose},
    memo::{Key, Memo},
    neighbours::Neighbours,
    reporters::Reporters,
    sets::{SetId, Sets, UNKNOWN_SET},
};
use crate::{event::Protocol, flow::Direction};

/// Who reports: a cluster and a workload, as far as rules can tell workloads apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reporter(u32);

/// A tuple, ready to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who reports it.
    pub reporter: Reporter,
    /// Which end the reporter was.
    pub direction: Direction,
    /// The socket's own address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// The server's port, host byte order.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
}

/// Asks one compiled matrix, and remembers what it was told.
#[derive(Debug)]
pub struct Reader {
    compiled: Arc<Compiled>,
    ends: Ends,
    neighbours: Neighbours,
    memo: Memo,
    sets: Sets,
    /// What the memo may occupy, and what ends and sets may until all is forgotten, bytes.
    limit: usize,
    reporters: Reporters,
}

/// Pairs of ends may occupy one of so many parts of what the memo may.
const PAIRS: usize = 8;

/// So many questions are worked on together: their look-ups wait for memory at the same time.
pub(super) const LANES: usize = 16;

impl Reader {
    /// What the memo of [`Self::new`] may occupy, bytes.
    pub const MEMO: usize = 16 << 20;

    /// One with a memo of the usual bound.
    #[must_use]
    pub fn new(compiled: Arc<Compiled>) -> Self {
        Self::with_memo(compiled, Self::MEMO)
    }

    /// One whose memo occupies at most so many bytes, and what its entries speak of as many.
    #[must_use]
    pub fn with_memo(compiled: Arc<Compiled>, bytes: usize) -> Self {
        Self {
            reporters: Reporters::of(&compiled.rows),
            ends: Ends::of(compiled.classes.len()),
            compiled,
            neighbours: Neighbours::of(bytes / PAIRS),
            memo: Memo::of(bytes),
            sets: Sets::new(),
            limit: bytes,
        }
    }

    /// What was compiled.
    #[must_use]
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// What memo, ends and sets occupy, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.memo.size() + self.neighbours.size() + self.ends.size() + self.sets.size()
    }

    /// The reporter of tuples of this cluster and cgroup.
    pub fn reporter(&mut self, cluster: &str, cgroup: Option<&str>) -> Reporter {
        Reporter(self.reporters.of_names(cluster, cgroup))
    }

    /// What a tuple fits.
    pub fn find(&mut self, tuple: &Tuple<'_>) -> Found<'_> {
        let Tuple { cluster, node: _, cgroup, direction, local, remote, port, protocol } = *tuple;
        let reporter = self.reporter(cluster, cgroup);
        let question = Question { reporter, direction, local, remote, port, protocol };
        self.make_room();
        let set = self.set(&question);
        self.sets.found(set)
    }

    fn set(&mut self, question: &Question) -> SetId {
        let classes = self.classes(question);
        match self.memo.find(self.key(question, classes)) {
            UNKNOWN_SET => self.find_out(question, classes),
            known => known,
        }
    }

    /// Answers each question, in their order.
    pub fn find_each(&mut self, questions: &[Question], mut answer: impl FnMut(usize, Found<'_>)) {
        let (batches, rest) = questions.as_chunks::<LANES>();
        for (batch, questions) in batches.iter().enumerate() {
            self.make_room();
            let sets = self.known_each(questions);
            for (lane, question) in questions.iter().enumerate() {
                let set = match sets[lane] {
                    UNKNOWN_SET => self.find_out(question, self.classes(question)),
                    known => known,
                };
                answer(batch * LANES + lane, self.sets.found(set));
            }
        }
        for (lane, question) in rest.iter().enumerate() {
            self.make_room();
            let set = self.set(question);
            answer(batches.len() * LANES + lane, self.sets.found(set));
        }
    }

    /// What was asked before of several, [`UNKNOWN_SET`] otherwise. Each of these loops has nothing to wait for within itself:
    /// the processor asks memory for all lanes at once.
    #[inline]
    fn known_each(&self, questions: &[Question; LANES]) -> [SetId; LANES] {
        let table = &self.compiled.table;
        let locals: [ClassId; LANES] = table.classes(|lane| &questions[lane].local);
        let remotes: [ClassId; LANES] = table.classes(|lane| &questions[lane].remote);
        let mut keys = [Key::NOTHING; LANES];
        for (lane, key) in keys.iter_mut().enumerate() {
            *key = self.key(&questions[lane], [locals[lane], remotes[lane]]);
        }
        let mut sets = [UNKNOWN_SET; LANES];
        for (set, key) in sets.iter_mut().zip(&keys) {
            *set = self.memo.find(*key);
        }
        sets
    }

    /// Forgets all when there is too much of it. Nobody holds a set now.
    fn make_room(&mut self) {
        if self.ends.size() + self.sets.size() > self.limit || self.ends.are_full() {
            self.ends = Ends::of(self.compiled.classes.len());
            self.neighbours = Neighbours::of(self.limit / PAIRS);
            self.memo = Memo::of(self.limit);
            self.sets = Sets::new();
        }
    }

    /// The classes of the reporter's own address and of his peer's.
    #[inline]
    fn classes(&self, question: &Question) -> [ClassId; 2] {
        let table = &self.compiled.table;
        [table.class(&question.local), table.class(&question.remote)]
    }

    #[inline]
    fn key(&self, question: &Question, classes: [ClassId; 2]) -> Key {
        self.key_of(question, classes, self.ends.find(question.view(), classes))
    }

    #[inline]
    fn key_of(&self, question: &Question, [own, peers]: [ClassId; 2], ends: [EndId; 2]) -> Key {
        let Question { local, remote, port, protocol, .. } = question;
        // One address has one class; most have two.
        let is_own = own == peers && local == remote;
        Key::new(ends, self.neighbours.mask(ends), *protocol, self.compiled.ports.class(*port), is_own)
    }

    /// Asks the rules of two ends, unless the answer is merely not where it is looked for first.
    #[cold]
    fn find_out(&mut self, question: &Question, classes: [ClassId; 2]) -> SetId {
        let far = self.memo.find_far(self.key(question, classes));
        if far != UNKNOWN_SET {
            return far;
        }
        let compiled = Arc::clone(&self.compiled);
        let Question { reporter: Reporter(reporter), direction, local, remote, port, protocol } = *question;
        let (cluster, cgroup) = self.reporters.names(reporter);
        let (cluster, cgroup) = (cluster.to_owned(), cgroup.map(str::to_owned));
        let (cluster, cgroup) = (cluster.as_str(), cgroup.as_deref());
        let tuple = Tuple { cluster, node: "", cgroup, direction, local, remote, port, protocol };
        let reach = compiled.rows.reach(&tuple);
        let ends = self.ends(reach, question.view(), classes);
        let key = self.key_of(question, classes, ends);
        // Another question of this batch may have asked meanwhile, and of an end that no cell has it is always known.
        let known = self.memo.find_far(key);
        if known != UNKNOWN_SET {
            return known;
        }
        let set = self.ask(reach, ends);
        self.memo.put(key, set);
        set
    }

    /// Asks the rules of each cell between two ends, the reporter's own and his peer's.
    fn ask(&mut self, reach: Reach<'_>, ends: [EndId; 2]) -> SetId {
        let [own, peers] = ends.map(|end| self.ends.end(end));
        let (client, server) = if reach.tuple.client().local { (own, peers) } else { (peers, own) };
        let Compiled { rows, index, .. } = &*self.compiled;
        let cells = index.cells(client, server);
        let fits = cells.into_iter().filter_map(|cell| {
            let cell = cell as usize;
            let (leg, source_hidden) = leg::fit(reach, &rows.cells[cell])?;
            Some(Match { cell, leg, source_hidden })
        });
        let fitting: Vec<Match> = fits.collect();
        self.sets.add(rows, &fitting)
    }

    /// The numbers of the reporter's own end and of his peer's, worked out where nobody asked for them yet.
    fn ends(&mut self, reach: Reach<'_>, view: View, classes: [ClassId; 2]) -> [EndId; 2] {
        let mut ends = self.ends.find(view, classes);
        for ((end, class), whose) in ends.iter_mut().zip(classes).zip([Whose::Own, Whose::Peers]) {
            if *end == ends::UNKNOWN {
                let (client, server) = (reach.tuple.client(), reach.tuple.server());
                let side = if client.local == (whose == Whose::Own) { client } else { server };
                let index = &self.compiled.index;
                let found = index.end(reach, side, &self.compiled.classes[class as usize]);
                let neighbours = &mut self.neighbours;
                let announce = |id, end: &End| neighbours.add(index, view, id, side.client, end);
                *end = self.ends.put(view, whose, class, found, announce);
            }
        }
        ends
    }
}

impl Question {
    #[inline]
    fn view(&self) -> View {
        let Reporter(reporter) = self.reporter;
        View::new(reporter, self.direction == Direction::Inbound)
    }
}
