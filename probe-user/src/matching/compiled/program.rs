//! What two ends mean at each port: intervals, and for each the cells that fit.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::super::rows::{Match, Rows};

/// Number of a set of matches.
pub(super) type SetId = u32;

/// The set of a tuple that fits nothing.
const NO_MATCH: SetId = 0;

/// Where a program begins among the steps.
pub(super) type ProgramId = u32;

/// The program of two ends that fit nothing at any port.
pub(super) const NEVER: ProgramId = 0;

/// One interval. A program's first begins at port 0, and has in `port` how many others follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Step {
    port: u32,
    set: SetId,
}

/// As many steps are looked at together, since how many lie before a port cannot be foretold. The others of a program are a
/// multiple of it.
const TOGETHER: usize = 4;

/// Fills a program up: no port is as high.
const FILLER: Step = Step { port: 1 << 16, set: NO_MATCH };

/// The cells that a tuple fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// All of them, in their order.
    pub all: &'a [Match],
    /// Those that are left with the credit (see [`Rows::credit`]).
    pub credited: &'a [Match],
}

/// One cell's ports, both included.
pub(super) struct Span {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) fits: Match,
}

/// Where a set's matches begin, where its credited ones do, and where those end. When all share the credit they stand there
/// once.
#[derive(Clone, Copy, Debug)]
struct Set {
    begin: u32,
    credited: u32,
    end: u32,
}

/// Programs and sets, each kept once.
#[derive(Debug)]
pub(super) struct Programs {
    steps: Vec<Step>,
    matches: Vec<Match>,
    sets: Vec<Set>,
    /// The programs, to be found by their steps.
    known: HashTable<ProgramId>,
    /// The sets, to be found by their matches.
    known_sets: HashTable<SetId>,
    hasher: DefaultHashBuilder,
}

impl Programs {
    pub(super) fn new() -> Self {
        let never = Step { port: 0, set: NO_MATCH };
        let mut programs = Self {
            steps: Vec::new(),
            matches: Vec::new(),
            sets: Vec::new(),
            known: HashTable::new(),
            known_sets: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        programs.sets.push(Set { begin: 0, credited: 0, end: 0 });
        let nothing = programs.hasher.hash_one::<&[Match]>(&[]);
        programs.known_sets.insert_unique(nothing, NO_MATCH, |_| nothing);
        programs.keep(vec![never]);
        programs
    }

    /// What they occupy, bytes.
    pub(super) fn size(&self) -> usize {
        let Self { steps, matches, sets, known, known_sets, hasher: _ } = self;
        steps.capacity() * size_of::<Step>()
            + matches.capacity() * size_of::<Match>()
            + sets.capacity() * size_of::<Set>()
            + known.allocation_size()
            + known_sets.allocation_size()
    }

    /// The program of what fits, in the order of the cells.
    pub(super) fn add(&mut self, rows: &Rows, spans: &[Span]) -> ProgramId {
        if spans.is_empty() {
            return NEVER;
        }
        let mut edges: Vec<u32> =
            spans.iter().flat_map(|span| [u32::from(span.first), u32::from(span.last) + 1]).collect();
        edges.push(0);
        edges.sort_unstable();
        edges.dedup();
        let mut steps: Vec<Step> = Vec::new();
        for port in edges.into_iter().filter_map(|edge| u16::try_from(edge).ok()) {
            let holds = |span: &&Span| (span.first..=span.last).contains(&port);
            let fitting: Vec<Match> = spans.iter().filter(holds).map(|span| span.fits).collect();
            let set = self.set(rows, &fitting);
            if steps.last().is_none_or(|step| step.set != set) {
                steps.push(Step { port: port.into(), set });
            }
        }
        steps.resize(1 + (steps.len() - 1).next_multiple_of(TOGETHER), FILLER);
        steps[0].port = (steps.len() - 1) as u32;
        self.keep(steps)
    }

    fn keep(&mut self, new: Vec<Step>) -> ProgramId {
        let Self { steps, known, hasher, .. } = self;
        let of = |program: ProgramId| {
            let begin = program as usize;
            &steps[begin..=begin + steps[begin].port as usize]
        };
        let hash = hasher.hash_one(new.as_slice());
        if let Some(program) = known.find(hash, |program| of(*program) == new) {
            return *program;
        }
        let next = steps.len() as ProgramId;
        known.insert_unique(hash, next, |program| hasher.hash_one(of(*program)));
        steps.extend(new);
        next
    }

    fn set(&mut self, rows: &Rows, fitting: &[Match]) -> SetId {
        let Self { matches, sets, known_sets, hasher, .. } = self;
        let of = |set: SetId| all(matches, sets[set as usize]);
        let hash = hasher.hash_one(fitting);
        if let Some(set) = known_sets.find(hash, |set| of(*set) == fitting) {
            return *set;
        }
        let next = sets.len() as SetId;
        known_sets.insert_unique(hash, next, |set| hasher.hash_one(of(*set)));
        let begin = matches.len();
        matches.extend_from_slice(fitting);
        let mut left = fitting.to_vec();
        rows.credit(&mut left);
        let is_shared = left.len() == fitting.len();
        let credited = if is_shared { begin } else { matches.len() };
        if !is_shared {
            matches.append(&mut left);
        }
        sets.push(Set { begin: begin as u32, credited: credited as u32, end: matches.len() as u32 });
        next
    }

    /// The set of a program at a port.
    #[inline]
    pub(super) fn set_at(&self, program: ProgramId, port: u16) -> SetId {
        /// Of so few, all are looked at.
        const FEW: usize = 4 * TOGETHER;
        let program = program as usize;
        let others = &self.steps[program + 1..][..self.steps[program].port as usize];
        let is_before = |step: &Step| step.port <= u32::from(port);
        let before = if others.len() <= FEW {
            let (chunks, _) = others.as_chunks::<TOGETHER>();
            chunks.iter().map(|steps| steps.iter().filter(|step| is_before(step)).count()).sum()
        } else {
            others.partition_point(is_before)
        };
        self.steps[program + before].set
    }

    #[inline]
    pub(super) fn found(&self, set: SetId) -> Found<'_> {
        let set = self.sets[set as usize];
        let credited = &self.matches[set.credited as usize..set.end as usize];
        Found { all: all(&self.matches, set), credited }
    }
}

#[inline]
fn all(matches: &[Match], Set { begin, credited, end }: Set) -> &[Match] {
    let end = if begin == credited { end } else { credited };
    &matches[begin as usize..end as usize]
}
