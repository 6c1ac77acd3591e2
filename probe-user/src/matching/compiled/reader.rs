//! Asking the compiled matrix.

use std::{net::IpAddr, sync::Arc};

use super::{
    super::{leg, names::Names, reach::Reach, rows::Match, tuple::Tuple},
    Compiled, Found,
    classes::ClassId,
    ends::{self, End, EndId, Ends, View, Whose},
    further::Nearby,
    hot::Hot,
    learnt::Learnt,
    memo::{Key, Memo},
    neighbours::{Neighbours, Pair},
    question::Question,
    reporters::{Reporter, Reporters},
    sets::{SetId, Sets, UNKNOWN_SET},
    table::of_address,
};

/// Asks one compiled matrix, and remembers what it was told.
#[derive(Debug)]
pub struct Reader {
    compiled: Arc<Compiled>,
    pub(super) ends: Ends,
    pub(super) learnt: Learnt,
    hot: Hot,
    neighbours: Neighbours,
    memo: Memo,
    sets: Sets,
    /// What the memo may occupy, what sets may, and what ends and their pairs may, until they are forgotten, bytes.
    limit: usize,
    reporters: Reporters,
    /// Of clients and of servers.
    pub(super) nearby: [Nearby; 2],
}

/// Pairs of ends may occupy one of so many parts of what the memo may.
const PAIRS: usize = 8;

/// Questions of late may occupy one of so many.
const HOT: usize = 4;

/// So many questions are worked on together: their look-ups wait for memory at the same time.
pub(super) const LANES: usize = 64;

impl Reader {
    /// What the memo of [`Self::new`] may occupy, bytes.
    pub const MEMO: usize = 16 << 20;

    /// One with a memo of the usual bound.
    #[must_use]
    pub fn new(compiled: Arc<Compiled>) -> Self {
        Self::with_memo(compiled, Self::MEMO)
    }

    /// One whose memo occupies at most so many bytes, the sets that its entries speak of as many, the ends as many, and the
    /// questions of late a quarter.
    #[must_use]
    pub fn with_memo(compiled: Arc<Compiled>, bytes: usize) -> Self {
        Self {
            reporters: Reporters::of(&compiled.rows),
            ends: Ends::of(compiled.classes.len()),
            learnt: Learnt::nothing(compiled.classes.len()),
            compiled,
            hot: Hot::of(bytes / HOT),
            neighbours: Neighbours::of(bytes / PAIRS),
            memo: Memo::of(bytes),
            sets: Sets::new(),
            limit: bytes,
            nearby: Default::default(),
        }
    }

    /// What was compiled.
    #[must_use]
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// What all that it remembers occupies, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let nearby: usize = self.nearby.iter().map(Nearby::size).sum();
        let known = self.memo.size() + self.neighbours.size() + self.ends.size() + self.sets.size();
        self.hot.size() + self.learnt.size() + known + nearby
    }

    /// The reporter of tuples of this cluster and cgroup.
    pub fn reporter(&mut self, cluster: &str, cgroup: Option<&str>) -> Reporter {
        self.reporters.of_names(cluster, cgroup)
    }

    /// Takes the endpoints that addresses were seen to be in place of those that were told before. Nothing is compiled, and only
    /// what was known of addresses whose endpoints have changed is forgotten.
    pub fn learn(&mut self, names: &Arc<Names>) {
        if self.learnt.is_used_up() {
            self.forget_ends();
            self.learnt = Learnt::nothing(self.compiled.classes.len());
        }
        let Compiled { index, table, classes, .. } = &*self.compiled;
        let of_table = |address: IpAddr| {
            let class = table.class(of_address(address), address.is_ipv6());
            &classes[class as usize]
        };
        let changed = self.learnt.replace(names, index, of_table);
        self.ends.widen(self.learnt.classes());
        changed.iter().filter_map(|(_, class)| *class).for_each(|class| self.ends.forget_class(class));
        let addresses = changed.iter().map(|(address, _)| (of_address(*address), address.is_ipv6()));
        self.hot.forget(&addresses.collect());
    }

    /// What was learnt last.
    pub(super) fn names(&self) -> &Arc<Names> {
        self.learnt.names()
    }

    /// What a tuple fits, whatever it says of names: those that were learnt count.
    pub fn find(&mut self, tuple: &Tuple<'_>) -> Found<'_> {
        let reporter = self.reporter(tuple.cluster, tuple.cgroup);
        let question = Question::new(reporter, tuple);
        self.make_room();
        let set = self.set(&question);
        self.sets.found(set)
    }

    fn set(&mut self, question: &Question) -> SetId {
        self.find_further(question, self.key(question))
    }

    /// What the memo knows anywhere, or else the rules.
    #[inline(never)]
    fn find_further(&mut self, question: &Question, key: Key) -> SetId {
        match self.memo.find(key) {
            UNKNOWN_SET => self.find_out(question),
            known => known,
        }
    }

    /// Answers each question, in their order.
    pub fn find_each(&mut self, questions: &[Question], mut answer: impl FnMut(usize, Found<'_>)) {
        let (batches, rest) = questions.as_chunks::<LANES>();
        let mut index = 0;
        for batch in batches {
            self.make_room();
            let sets = if self.hot.is_awake() { self.sets_of_late(batch) } else { self.sets_of(batch) };
            for set in sets {
                answer(index, self.sets.found(set));
                index += 1;
            }
        }
        for question in rest {
            self.make_room();
            let set = self.set(question);
            answer(index, self.sets.found(set));
            index += 1;
        }
    }

    /// The sets of several questions, of which most were asked of late.
    fn sets_of_late(&mut self, questions: &[Question; LANES]) -> [SetId; LANES] {
        /// For more than so many it is sooner to ask for all together.
        const SEVERAL: usize = LANES / 4;
        let (mut sets, missing) = self.hot.find(questions);
        if missing == 0 {
            return sets;
        }
        let all = (missing > SEVERAL).then(|| self.sets_of(questions));
        for (lane, question) in questions.iter().enumerate() {
            if sets[lane] == UNKNOWN_SET {
                sets[lane] = all.map_or_else(|| self.set(question), |all| all[lane]);
                self.hot.put(question, sets[lane]);
            }
        }
        sets
    }

    /// The sets of several questions.
    fn sets_of(&mut self, questions: &[Question; LANES]) -> [SetId; LANES] {
        let keys = self.keys(questions);
        let mut sets = [UNKNOWN_SET; LANES];
        let mut are_known = true;
        for (set, Placed { key, bucket }) in sets.iter_mut().zip(&keys) {
            *set = self.memo.find_in(*bucket, *key);
            if *set == UNKNOWN_SET {
                self.memo.ask_far_ahead(*key);
                are_known = false;
            }
        }
        if are_known {
            return sets;
        }
        for (lane, set) in sets.iter_mut().enumerate() {
            if *set == UNKNOWN_SET {
                *set = self.find_further(&questions[lane], keys[lane].key);
            }
        }
        sets
    }

    /// The keys of several questions. Memory is asked for what a step needs before the step before it is made for all others, so
    /// that nobody has to wait.
    #[inline]
    fn keys(&self, questions: &[Question; LANES]) -> [Placed; LANES] {
        let table = &self.compiled.table;
        let of_v6: u32 = questions.iter().map(|question| u32::from(question.of_v6())).sum();
        if of_v6 == 0 {
            let mut at = [[0; 2]; LANES];
            for (at, question) in at.iter_mut().zip(questions) {
                let [[_, own], [_, peers]] = *question.ends();
                *at = [table.v4.first_steps(own as u32), table.v4.first_steps(peers as u32)];
            }
            self.keys_of(questions, |lane| [table.v4.last_step(at[lane][0]), table.v4.last_step(at[lane][1])])
        } else if of_v6 == u32::from(Question::BOTH) * LANES as u32 {
            let own = table.v6.classes::<LANES>(|lane| questions[lane].ends()[0]);
            let peers = table.v6.classes::<LANES>(|lane| questions[lane].ends()[1]);
            self.keys_of(questions, |lane| [own[lane], peers[lane]])
        } else {
            self.keys_of(questions, |lane| self.classes(&questions[lane]))
        }
    }

    #[inline]
    fn keys_of(
        &self,
        questions: &[Question; LANES],
        classes: impl Fn(usize) -> [ClassId; 2],
    ) -> [Placed; LANES] {
        let mut found = [([ends::UNKNOWN; 2], Pair::default()); LANES];
        for (lane, (ends, pair)) in found.iter_mut().enumerate() {
            let classes = self.learnt.over(&questions[lane], classes(lane));
            *ends = self.ends.find(questions[lane].view(), classes);
            *pair = self.neighbours.ask_ahead(*ends);
        }
        let mut placed = [Placed { key: Key::NOTHING, bucket: 0 }; LANES];
        for (lane, Placed { key, bucket }) in placed.iter_mut().enumerate() {
            let (ends, pair) = found[lane];
            *key = self.key_of(&questions[lane], ends, self.neighbours.are_some(pair));
            *bucket = self.memo.ask_ahead(*key);
        }
        placed
    }

    /// Forgets what there is too much of: sets, or ends with all that speaks of them. Nobody holds a set now.
    pub(super) fn make_room(&mut self) {
        let are_many = self.ends.spare() + self.neighbours.size() > self.limit || self.ends.are_full();
        if are_many {
            self.forget_ends();
        } else if self.sets.size() > self.limit {
            self.forget_sets();
        }
    }

    /// Forgets ends with all that speaks of them.
    fn forget_ends(&mut self) {
        self.ends.forget();
        self.neighbours = Neighbours::of(self.limit / PAIRS);
        self.nearby.iter_mut().for_each(Nearby::forget);
        self.forget_sets();
    }

    fn forget_sets(&mut self) {
        self.hot = Hot::of(self.limit / HOT);
        self.memo = Memo::of(self.limit);
        self.sets = Sets::new();
    }

    /// The classes of the reporter's own address and of his peer's.
    #[inline]
    pub(super) fn classes(&self, question: &Question) -> [ClassId; 2] {
        let [own, peers] = *question.ends();
        let [own_is_v6, peers_is_v6] = question.are_v6();
        let table = &self.compiled.table;
        self.learnt.over(question, [table.class(own, own_is_v6), table.class(peers, peers_is_v6)])
    }

    #[inline]
    fn key(&self, question: &Question) -> Key {
        let ends = self.ends.find(question.view(), self.classes(question));
        self.key_of(question, ends, self.neighbours.are_some(Pair::of(ends)))
    }

    #[inline]
    fn key_of(&self, question: &Question, ends: [EndId; 2], may_fit: u32) -> Key {
        Key::new(ends, may_fit, question.kind(), self.compiled.ports.class(question.port()))
    }

    /// Asks the rules of two ends.
    #[cold]
    fn find_out(&mut self, question: &Question) -> SetId {
        let compiled = Arc::clone(&self.compiled);
        let (cluster, cgroup) = self.reporters.names(question.view().reporter());
        let (cluster, cgroup) = (cluster.to_owned(), cgroup.map(str::to_owned));
        let (cluster, cgroup) = (cluster.as_str(), cgroup.as_deref());
        let names = Arc::clone(self.names());
        let tuple = question.tuple(cluster, cgroup, &names);
        let reach = compiled.rows.reach(&tuple);
        let ends = self.ends(reach, question.view(), self.classes(question));
        let key = self.key_of(question, ends, self.neighbours.are_some(Pair::of(ends)));
        // Another question of this batch may have asked meanwhile, and of an end that no cell has it is always known.
        let known = self.memo.find(key);
        if known != UNKNOWN_SET {
            return known;
        }
        let set = self.ask(reach, ends);
        self.memo.put(key, set);
        set
    }

    pub(super) fn end(&self, end: EndId) -> &End {
        self.ends.end(end)
    }

    /// Asks the rules of each cell between two ends, the reporter's own and his peer's.
    fn ask(&mut self, reach: Reach<'_>, ends: [EndId; 2]) -> SetId {
        let [own, peers] = ends.map(|end| self.ends.end(end));
        let (client, server) = if reach.tuple.client().local { (own, peers) } else { (peers, own) };
        let Compiled { rows, index, .. } = &*self.compiled;
        let cells = index.cells(client, server, reach.tuple.port, reach.tuple.protocol);
        let fits = cells.into_iter().filter_map(|cell| {
            let cell = cell as usize;
            let (leg, source_hidden) = leg::fit(reach, &rows.cells[cell])?;
            Some(Match::new(cell, leg, source_hidden))
        });
        let fitting: Vec<Match> = fits.collect();
        self.sets.add(rows, &fitting)
    }

    /// The numbers of the reporter's own end and of his peer's, worked out where nobody asked for them yet.
    pub(super) fn ends(&mut self, reach: Reach<'_>, view: View, classes: [ClassId; 2]) -> [EndId; 2] {
        let mut ends = self.ends.find(view, classes);
        for ((end, class), whose) in ends.iter_mut().zip(classes).zip([Whose::Own, Whose::Peers]) {
            if *end == ends::UNKNOWN {
                let (client, server) = (reach.tuple.client(), reach.tuple.server());
                let side = if client.local == (whose == Whose::Own) { client } else { server };
                let index = &self.compiled.index;
                let (known, learnt) = match self.learnt.known(class) {
                    Some(known) => (&known.class, &*known.places),
                    None => (&self.compiled.classes[class as usize], &[][..]),
                };
                let found = index.end(reach, side, known, learnt);
                let neighbours = &mut self.neighbours;
                let announce = |id, end: &End| neighbours.add(index, view, id, side.client, end);
                *end = self.ends.put(view, whose, class, found, announce);
            }
        }
        ends
    }
}

/// A key, and the bucket of the memo where it is looked for first.
#[derive(Clone, Copy, Debug)]
struct Placed {
    key: Key,
    bucket: u32,
}
