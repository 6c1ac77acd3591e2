//! Asking the compiled matrix.

use std::{net::IpAddr, sync::Arc};

use hashbrown::HashMap;

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
    index::bound_ports,
    memo::{Key, Memo},
    program::{NEVER, ProgramId, Programs, Span},
    reporters::Reporters,
};
use crate::{event::Protocol, flow::Direction, matrix::Ports};

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
    programs: Programs,
    /// What the memo may occupy, and what ends and programs may until all is forgotten, bytes.
    limit: usize,
    reporters: Reporters,
    /// By cell, the ports of `bound_ports`.
    bound: HashMap<u32, Box<[u16]>>,
}

/// So many questions are worked on together: their look-ups wait for memory at the same time.
const LANES: usize = 16;

/// So many cells are remembered with their ports.
const REMEMBERED: usize = 1 << 15;

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
            programs: Programs::new(),
            limit: bytes,
            bound: HashMap::new(),
        }
    }

    /// What was compiled.
    #[must_use]
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// What memo, ends and programs occupy, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.memo.size() + self.ends.size() + self.programs.size()
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
        let (local, remote) = self.classes(&question);
        let program = self.program(&question, local, remote);
        self.programs.found(self.programs.set_at(program, port))
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
            let mut keys = [None; LANES];
            for ((key, (local, remote)), question) in keys.iter_mut().zip(classes).zip(questions) {
                *key = self.key(question, local, remote);
            }
            let mut programs = [None; LANES];
            for (program, key) in programs.iter_mut().zip(&keys) {
                *program = key.and_then(|key| self.remembered(key));
            }
            let mut sets = [0; LANES];
            for (lane, question) in questions.iter().enumerate() {
                let (local, remote) = classes[lane];
                let program = programs[lane].unwrap_or_else(|| self.program(question, local, remote));
                sets[lane] = self.programs.set_at(program, question.port);
            }
            for (lane, set) in sets.iter().take(questions.len()).enumerate() {
                answer(chunk * LANES + lane, self.programs.found(*set));
            }
        }
    }

    /// Forgets all when there is too much of it. Nobody holds a program now.
    fn make_room(&mut self) {
        if self.ends.size() + self.programs.size() > self.limit {
            self.ends = Ends::of(self.compiled.classes.len());
            self.memo = Memo::of(self.limit);
            self.programs = Programs::new();
        }
    }

    #[inline]
    fn classes(&self, question: &Question) -> (ClassId, ClassId) {
        let table = &self.compiled.table;
        (table.class(question.local), table.class(question.remote))
    }

    /// `None` when nobody asked for one of the ends yet.
    #[inline]
    fn key(&self, question: &Question, local: ClassId, remote: ClassId) -> Option<Key> {
        let [client, server] = views(question, local, remote);
        let client = self.ends.find(client.0, client.1)?;
        let server = self.ends.find(server.0, server.1)?;
        Some(Key { context: context(question), client, server })
    }

    /// What the memo says, or what needs no memo.
    #[inline]
    fn remembered(&self, key: Key) -> Option<ProgramId> {
        if key.client == ends::NOTHING || key.server == ends::NOTHING {
            return Some(NEVER);
        }
        self.memo.program(self.memo.bucket(key), key)
    }

    fn program(&mut self, question: &Question, local: ClassId, remote: ClassId) -> ProgramId {
        let known = self.key(question, local, remote).and_then(|key| self.remembered(key));
        known.unwrap_or_else(|| self.find_out(question, local, remote))
    }

    /// Asks the rules of two ends.
    #[cold]
    fn find_out(&mut self, question: &Question, local: ClassId, remote: ClassId) -> ProgramId {
        let compiled = Arc::clone(&self.compiled);
        let Question { reporter: Reporter(reporter), direction, local: own, remote: peer, port, protocol } =
            *question;
        let (cluster, cgroup) = self.reporters.names(reporter);
        let (cluster, cgroup) = (cluster.to_owned(), cgroup.map(str::to_owned));
        let (cluster, cgroup) = (cluster.as_str(), cgroup.as_deref());
        let tuple = Tuple { cluster, node: "", cgroup, direction, local: own, remote: peer, port, protocol };
        let reach = compiled.rows.reach(&tuple);
        let [client, server] = views(question, local, remote);
        let client = self.end(reach, tuple.client(), client);
        let server = self.end(reach, tuple.server(), server);
        let key = Key { context: context(question), client, server };
        if let Some(program) = self.remembered(key) {
            return program;
        }
        let (client, server) = (self.ends.end(client), self.ends.end(server));
        let cells = compiled.index.cells(reach, &client.places, &server.places);
        let mut spans = Vec::new();
        for cell in cells {
            self.spans(cell as usize, tuple, &mut spans);
        }
        let program = self.programs.add(&compiled.rows, &spans);
        self.memo.put(key, program);
        program
    }

    fn end(&mut self, reach: Reach<'_>, side: Side, (view, class): (usize, ClassId)) -> EndId {
        self.ends.find(view, class).unwrap_or_else(|| {
            let end = self.compiled.index.end(reach, side, &self.compiled.classes[class as usize]);
            self.ends.put(view, class, end)
        })
    }

    /// At which ports a cell fits the tuple, whatever port the tuple has.
    fn spans(&mut self, cell: usize, tuple: Tuple<'_>, spans: &mut Vec<Span>) {
        let compiled = Arc::clone(&self.compiled);
        let declared = &compiled.rows.cells[cell];
        if self.bound.len() >= REMEMBERED {
            self.bound.clear();
        }
        let bound = self
            .bound
            .entry(cell as u32)
            .or_insert_with(|| bound_ports(compiled.rows.inventory(), declared).into());
        let fits_at = |port| {
            let tuple = Tuple { port, ..tuple };
            let (leg, source_hidden) = leg::fit(compiled.rows.reach(&tuple), declared)?;
            Some(Match { cell, leg, source_hidden })
        };
        // At the ports that it names, but for those that the inventory speaks of, it always fits alike.
        let (first, last) = match declared.port.ports {
            Ports::Range { first, last } => (first, last),
            Ports::Any | Ports::None => (0, u16::MAX),
            Ports::Varies => (1, 0),
        };
        let mut free = u32::from(first);
        let inner = bound.iter().filter(|port| (first..=last).contains(port)).map(|port| u32::from(*port));
        let mut gaps = Vec::new();
        for port in inner.chain([u32::from(last) + 1]) {
            if free < port {
                gaps.push((free as u16, (port - 1) as u16));
            }
            free = port + 1;
        }
        let common = gaps.first().and_then(|(port, _)| fits_at(*port));
        if let Some(fits) = common {
            spans.extend(gaps.into_iter().map(|(first, last)| Span { first, last, fits }));
        }
        let alone =
            bound.iter().filter_map(|port| Some(Span { first: *port, last: *port, fits: fits_at(*port)? }));
        spans.extend(alone);
    }
}

/// As whom the two ends are shown, the client first, and the class of each.
#[inline]
fn views(question: &Question, local: ClassId, remote: ClassId) -> [(usize, ClassId); 2] {
    let Reporter(reporter) = question.reporter;
    if question.direction == Direction::Inbound {
        [(ends::view(reporter, false, true), remote), (ends::view(reporter, true, false), local)]
    } else {
        [(ends::view(reporter, true, true), local), (ends::view(reporter, false, false), remote)]
    }
}

/// What else the rules ask: who reports, of which end, over which transport, and whether both ends have one address.
#[inline]
fn context(question: &Question) -> u32 {
    let Question { reporter: Reporter(reporter), direction, local, remote, protocol, port: _ } = *question;
    let protocol = match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => 1,
        Protocol::Sctp => 2,
        Protocol::Icmp => 3,
    };
    reporter << 4
        | protocol << 2
        | u32::from(direction == Direction::Inbound) << 1
        | u32::from(local == remote)
}
