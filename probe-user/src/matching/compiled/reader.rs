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
    sets::{NO_MATCH, SetId, Sets},
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
        let classes = self.classes(&question);
        let set = self.known(&question, classes).unwrap_or_else(|| self.find_out(&question, classes));
        self.sets.found(set)
    }

    /// Answers each question, in their order.
    pub fn find_each(&mut self, questions: &[Question], mut answer: impl FnMut(usize, Found<'_>)) {
        for (chunk, questions) in questions.chunks(LANES).enumerate() {
            self.make_room();
            // Each of these loops has nothing to wait for within itself: the processor asks memory for all lanes at once.
            let mut classes = [(0, 0); LANES];
            for (classes, question) in classes.iter_mut().zip(questions) {
                *classes = self.classes(question);
            }
            let mut sets = [None; LANES];
            for ((set, classes), question) in sets.iter_mut().zip(classes).zip(questions) {
                *set = self.known(question, classes);
            }
            for (lane, question) in questions.iter().enumerate() {
                let set = sets[lane].unwrap_or_else(|| self.find_out(question, classes[lane]));
                answer(chunk * LANES + lane, self.sets.found(set));
            }
        }
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
        (table.class(question.local), table.class(question.remote))
    }

    /// What needs no asking, or was asked before.
    #[inline]
    fn known(&self, question: &Question, classes: (ClassId, ClassId)) -> Option<SetId> {
        let ends = views(question, classes).map(|(view, class)| self.ends.find(view, class));
        let found = self.memo.find(self.key(question, ends));
        if ends.contains(&ends::NOTHING) { Some(NO_MATCH) } else { found }
    }

    #[inline]
    fn key(&self, question: &Question, ends: [EndId; 2]) -> Key {
        let Question { local, remote, port, protocol, .. } = *question;
        Key::new(ends, protocol, self.compiled.ports.class(port), local == remote)
    }

    /// Asks the rules of two ends.
    #[cold]
    fn find_out(&mut self, question: &Question, classes: (ClassId, ClassId)) -> SetId {
        let compiled = Arc::clone(&self.compiled);
        let Question { reporter: Reporter(reporter), direction, local, remote, port, protocol } = *question;
        let (cluster, cgroup) = self.reporters.names(reporter);
        let (cluster, cgroup) = (cluster.to_owned(), cgroup.map(str::to_owned));
        let (cluster, cgroup) = (cluster.as_str(), cgroup.as_deref());
        let tuple = Tuple { cluster, node: "", cgroup, direction, local, remote, port, protocol };
        let reach = compiled.rows.reach(&tuple);
        let [client, server] = views(question, classes);
        let ends = [self.end(reach, tuple.client(), client), self.end(reach, tuple.server(), server)];
        // Another question of this batch may have asked meanwhile.
        if let Some(set) = self.known(question, classes) {
            return set;
        }
        let [client, server] = ends.map(|end| self.ends.end(end));
        let cells = compiled.index.cells(reach, &client.places, &server.places);
        let fits = cells.into_iter().filter_map(|cell| {
            let cell = cell as usize;
            let (leg, source_hidden) = leg::fit(reach, &compiled.rows.cells[cell])?;
            Some(Match { cell, leg, source_hidden })
        });
        let fitting: Vec<Match> = fits.collect();
        let set = self.sets.add(&compiled.rows, &fitting);
        self.memo.put(self.key(question, ends), set);
        set
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
