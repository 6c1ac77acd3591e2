//! Asking the compiled matrix.

use std::{net::IpAddr, sync::Arc};

use super::{
    super::{
        leg,
        reach::Reach,
        rows::Match,
        tuple::{Side, Tuple},
    },
    Compiled, Found,
    classes::ClassId,
    ends::{self, EndId, Ends},
    memo::{Key, Memo},
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
    memo: Memo,
    sets: Sets,
    /// What the memo may occupy, and what ends and sets may until all is forgotten, bytes.
    limit: usize,
    reporters: Reporters,
}

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
        self.memo.size() + self.ends.size() + self.sets.size()
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
        match self.known(question, classes) {
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

    /// [`Self::known`] for several. Each of these loops has nothing to wait for within itself: the processor asks memory for
    /// all lanes at once.
    #[inline]
    fn known_each(&self, questions: &[Question; LANES]) -> [SetId; LANES] {
        let table = &self.compiled.table;
        let locals: [ClassId; LANES] = table.classes(|lane| &questions[lane].local);
        let remotes: [ClassId; LANES] = table.classes(|lane| &questions[lane].remote);
        let mut keys = [Key::NOTHING; LANES];
        for (lane, key) in keys.iter_mut().enumerate() {
            *key = self.key(&questions[lane], (locals[lane], remotes[lane]));
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
            self.memo = Memo::of(self.limit);
            self.sets = Sets::new();
        }
    }

    #[inline]
    fn classes(&self, question: &Question) -> (ClassId, ClassId) {
        let table = &self.compiled.table;
        (table.class(&question.local), table.class(&question.remote))
    }

    /// What needs no asking, or was asked before; [`UNKNOWN_SET`] otherwise.
    #[inline]
    fn known(&self, question: &Question, classes: (ClassId, ClassId)) -> SetId {
        self.memo.find(self.key(question, classes))
    }

    #[inline]
    fn key(&self, question: &Question, classes: (ClassId, ClassId)) -> Key {
        let ends = views(question, classes).map(|(view, class)| self.ends.find(view, class));
        self.key_of(question, classes, ends)
    }

    #[inline]
    fn key_of(
        &self,
        question: &Question,
        (of_local, of_remote): (ClassId, ClassId),
        ends: [EndId; 2],
    ) -> Key {
        let Question { local, remote, port, protocol, .. } = question;
        // One address has one class; most have two.
        let is_own = of_local == of_remote && local == remote;
        Key::new(ends, *protocol, self.compiled.ports.class(*port), is_own)
    }

    /// Asks the rules of two ends, unless the answer is merely not where it is looked for first.
    #[cold]
    fn find_out(&mut self, question: &Question, classes: (ClassId, ClassId)) -> SetId {
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
        let [client, server] = views(question, classes);
        let ends = [self.end(reach, tuple.client(), client), self.end(reach, tuple.server(), server)];
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

    /// Asks the rules of each cell between two ends.
    fn ask(&mut self, reach: Reach<'_>, ends: [EndId; 2]) -> SetId {
        let [client, server] = ends.map(|end| self.ends.end(end));
        let Compiled { rows, index, .. } = &*self.compiled;
        let cells = index.cells(reach, &client.places, &server.places);
        let fits = cells.into_iter().filter_map(|cell| {
            let cell = cell as usize;
            let (leg, source_hidden) = leg::fit(reach, &rows.cells[cell])?;
            Some(Match { cell, leg, source_hidden })
        });
        let fitting: Vec<Match> = fits.collect();
        self.sets.add(rows, &fitting)
    }

    fn end(&mut self, reach: Reach<'_>, side: Side, (view, class): (usize, ClassId)) -> EndId {
        match self.ends.find(view, class) {
            ends::UNKNOWN => {
                let end = self.compiled.index.end(reach, side, &self.compiled.classes[class as usize]);
                self.ends.put(view, class, end)
            }
            known => known,
        }
    }
}

/// As whom the two ends are shown, the client first, and the class of each.
#[inline]
fn views(question: &Question, (local, remote): (ClassId, ClassId)) -> [(usize, ClassId); 2] {
    let Reporter(reporter) = question.reporter;
    let is_inbound = question.direction == Direction::Inbound;
    let (client, server) = if is_inbound { (remote, local) } else { (local, remote) };
    [(ends::view(reporter, !is_inbound, true), client), (ends::view(reporter, is_inbound, false), server)]
}
