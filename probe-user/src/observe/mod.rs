//! The running audit: attach, merge the older sockets, drain, close the window.
//!
//! What `audit` and `record` share. The order matters and is this: hooks first, then a known connection that
//! proves them, then the sockets that already existed, then everything as it comes; at the end the same
//! backwards.

mod alive;
mod names;
mod snapshot;
mod steady;

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hashbrown::HashSet;
use probe_common::Loss;

use crate::{
    capture::{
        CgroupTree, Drained, HookState, Namespace, Options, Perch, Probe, ProgramStatistics, Recursion,
        StartError, Translations, clock::Anchor, give_back_freed, namespaces, sockets::State,
    },
    event::{Event, Kind, Protocol, Spilled, TICKS},
    flow::{
        Coverage, Direction, FlowTable, Hook, Ledger, Older, Snapshot, Window, coverage::services_unknown,
    },
    source::recording::Facts,
};
use alive::CanaryWatch;
use names::NameBook;
use snapshot::{Found, Inquiries};
use steady::Steady;

/// How often the rings are drained under load.
const BUSY: Duration = Duration::from_millis(1);
/// The longest pause of an idle drain.
const IDLE: Duration = Duration::from_millis(50);
/// Records per millisecond that one CPU writes at the most (measured: 140,000 connections a second on two, both ends),
/// and as much again.
const FASTEST: u32 = 300;
/// How long what is folded in the kernel waits for more of it.
const FOLDING: Duration = Duration::from_millis(100);
/// How often what is only certain after a while is settled.
const SETTLE: Duration = Duration::from_secs(1);

/// What no socket hook of this probe can see; in every report's coverage.
pub(crate) const BLIND: [&str; 8] = [
    "ICMP",
    "tunnels of the kernel (VXLAN, Geneve, WireGuard), which send and receive UDP without a socket call",
    "raw and AF_PACKET sockets",
    "user-space network stacks",
    "sandboxed kernels (gVisor, Kata guests)",
    "forwarding without a socket (NodePort on a node that only forwards)",
    "connections reset before any byte count as connected",
    "attempts that a security module or seccomp refuses before any socket hook",
];

/// Whose window this is, and what to watch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the cluster in the inventory.
    pub cluster: String,
    /// Name of the node in the cluster's roster.
    pub node: String,
    /// What the probe watches.
    pub probe: Options,
    /// How many flows are told apart; of what comes beyond them, the peer is not known.
    pub flows: usize,
    /// Whether every connection is kept by itself, and not only in the flows: see [`Watch::take_pages`].
    pub every_connection: bool,
}

/// A window that was closed.
#[derive(Debug)]
pub struct Closed {
    /// The window.
    pub window: Window,
    /// What is left of the connections by themselves, if they were kept.
    pub facts: Option<Facts>,
}

/// A window that is open.
pub struct Watch {
    settings: Settings,
    probe: Probe,
    table: FlowTable,
    names: NameBook,
    inquiries: Inquiries,
    translations: Translations,
    snapshot: Snapshot,
    /// Connections older than the hooks whose client is here, as far as anybody knows.
    older_clients: u64,
    /// UDP ports that the kernel itself has.
    kernel_ports: BTreeSet<u16>,
    /// Where known connections are made.
    perches: Vec<Perch>,
    /// Connections of our own that are still under way.
    canaries: Vec<CanaryWatch>,
    /// Cookies of sockets of our own.
    own_sockets: HashSet<u64>,
    /// Transports of which a known exchange was not seen.
    deaf_to: BTreeSet<Protocol>,
    start: Anchor,
    last_settled: Anchor,
    last_emptied: Instant,
    /// Whether a part of the spill has been emptied, and the others have not.
    is_emptying: bool,
    /// Facts that were folded in the kernel.
    folded: u64,
    steady: Steady,
}

impl Watch {
    /// Attaches, proves the hooks by a known connection in every watched namespace, and merges the older
    /// sockets.
    ///
    /// # Errors
    ///
    /// When a right, a feature or a field is missing, or when the probe turns out to be deaf.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let tree = CgroupTree::find();
        let probe = Probe::start(&settings.probe, tree.as_ref())?;
        let start = Anchor::now().map_err(StartError::system("reading the clock"))?;
        let names =
            NameBook::new(tree.ok(), &settings.probe).map_err(StartError::system("naming namespaces"))?;
        let are_named = !settings.probe.namespaces.is_empty();
        let namespaces = watched_namespaces(&settings.probe)?;
        let inquiries = Inquiries::open(&namespaces, are_named);
        // After the hooks: what they see has its translation among the events, or in the dump.
        let translations = Translations::open(&namespaces);
        let perches = alive::perches(&settings.probe)?;
        let table = FlowTable::awaiting_snapshot(settings.flows, settings.every_connection);
        let mut watch = Self {
            settings,
            probe,
            table,
            names,
            inquiries,
            translations,
            snapshot: Snapshot::default(),
            older_clients: 0,
            kernel_ports: BTreeSet::new(),
            perches,
            canaries: Vec::new(),
            own_sockets: HashSet::new(),
            deaf_to: BTreeSet::new(),
            start,
            last_settled: start,
            last_emptied: Instant::now(),
            is_emptying: false,
            folded: 0,
            steady: Steady::since(start),
        };
        alive::prove(&mut watch)?;
        watch.take_snapshot()?;
        watch.start = Anchor::now().map_err(StartError::system("reading the clock"))?;
        watch.steady = Steady::since(watch.start);
        give_back_freed();
        Ok(watch)
    }

    /// Hooks that are not attached and fields that are missing, in words.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let absent = self.probe.hooks().iter().filter_map(|hook| {
            hook.absent.as_ref().map(|why| format!("{} not attached ({why}): {}", hook.name, hook.cost))
        });
        let fields =
            self.probe.missing_fields().iter().map(|field| format!("{} ({})", field.loses, field.cause));
        absent.chain(fields).collect()
    }

    /// How many hooks are attached.
    #[must_use]
    pub fn attached(&self) -> usize {
        self.probe.hooks().iter().filter(|hook| hook.absent.is_none()).count()
    }

    /// Connections that were open before the hooks were.
    #[must_use]
    pub fn older_connections(&self) -> u64 {
        self.snapshot.connections
    }

    /// Where translated addresses are known, or why they are not, in words.
    #[must_use]
    pub fn translations(&self) -> Vec<String> {
        let namespaces = match self.translations.namespaces() {
            0 => "no conntrack in this kernel: netfilter translates nothing".to_owned(),
            1 => "translated addresses are known in 1 namespace".to_owned(),
            many => format!("translated addresses are known in {many} namespaces"),
        };
        let gaps = self.translations.gaps().into_iter();
        let unknown = gaps.map(|gap| format!("{gap}; a service is known there by one address only"));
        let behind = self.services_unknown().into_iter();
        let behind = behind.map(|why| services_unknown(&why));
        std::iter::once(namespaces).chain(unknown).chain(behind).collect()
    }

    /// Why services may be known by their backends only, one phrase each.
    fn services_unknown(&self) -> Vec<String> {
        let chosen = self.probe.may_be_redirected();
        let older = (chosen && self.older_clients > 0)
            .then(|| format!("of {} connections older than the audit", self.older_clients));
        let folded = (chosen && self.folded > 0)
            .then(|| format!("of {} facts that were folded while the rings were full", self.folded));
        self.probe.services_unknown().into_iter().chain(older).chain(folded).collect()
    }

    /// The kernel's statistics of the probe's programs.
    ///
    /// # Errors
    ///
    /// When /proc is not readable.
    pub fn statistics(&self) -> io::Result<Vec<ProgramStatistics>> {
        self.probe.statistics()
    }

    /// Drains until `stop` is ready or `duration` has passed, and lets somebody look after each time, who says whether there
    /// is more to look at.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub async fn run(
        &mut self,
        duration: Option<Duration>,
        stop: impl Future<Output = ()>,
        mut look: impl FnMut(&mut Self) -> io::Result<bool>,
    ) -> io::Result<()> {
        let deadline = duration.map(|duration| tokio::time::Instant::now() + duration);
        // Load may begin at any moment of a pause, on one CPU alone.
        let idle = Duration::from_millis((self.probe.places() / FASTEST).into()).clamp(BUSY, IDLE);
        let mut pause = BUSY;
        tokio::pin!(stop);
        loop {
            let drained = self.tick()?;
            let is_more = look(self)?;
            pause = match drained {
                // So fast that the rings would be half full before the timer rings.
                many if many > self.probe.places() as usize / 8 => Duration::ZERO,
                0 if !is_more => (pause * 2).clamp(BUSY, idle),
                _ => BUSY,
            };
            let until_end = deadline.map(|end| end.saturating_duration_since(tokio::time::Instant::now()));
            if until_end == Some(Duration::ZERO) {
                return Ok(());
            }
            let rest = async {
                match until_end.map_or(pause, |left| left.min(pause)) {
                    // The timer would not let anybody see a signal.
                    Duration::ZERO => tokio::task::yield_now().await,
                    pause => tokio::time::sleep(pause).await,
                }
            };
            tokio::select! {
                () = &mut stop => return Ok(()),
                () = rest => {}
            }
        }
    }

    /// Drains once, and settles what is due; returns how many records there were.
    ///
    /// # Errors
    ///
    /// When a clock cannot be read.
    pub fn tick(&mut self) -> io::Result<usize> {
        // The clock first: what clears an attempt until then has been read afterwards.
        let now = Anchor::now()?;
        let drained = self.drain();
        let is_due = now.boot().saturating_sub(self.last_settled.boot()) >= SETTLE.as_nanos() as u64;
        if now.boot().saturating_sub(self.steady.last_look()) >= SETTLE.as_nanos() as u64 {
            self.steady.look(now);
        }
        if is_due && drained.is_all {
            self.last_settled = now;
            self.settle(now);
        }
        Ok(drained.records)
    }

    /// How many flows the window has so far.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.table.count()
    }

    /// Some flows of the window so far, from a number on: they count up from 0 in the order in which they came. As a window of
    /// its own, which covers nothing.
    ///
    /// # Errors
    ///
    /// When a clock cannot be read.
    pub fn flows_after(&self, number: usize, most: usize) -> io::Result<Window> {
        let Settings { cluster, node, .. } = &self.settings;
        let (cluster, node) = (cluster.clone(), node.clone());
        let end = Anchor::now()?.wall();
        let flows = self.table.flows_after(number, most, &self.names);
        Ok(Window { cluster, node, start: end, end, coverage: Coverage::default(), flows })
    }

    /// By their flows' numbers, the facts that came since the last time; nothing the first time.
    pub fn take_latest(&mut self) -> Vec<u32> {
        self.table.take_latest()
    }

    /// The pages of facts that are full, if every connection is kept by itself (`flow/ledger.rs`).
    pub fn take_pages(&mut self) -> Vec<Bytes> {
        self.table.ledger().map(Ledger::take).unwrap_or_default()
    }

    /// Closes the window: a last known connection, what still waits for an answer, and the counters.
    ///
    /// # Errors
    ///
    /// When a map or a clock cannot be read.
    pub fn close(mut self) -> io::Result<Closed> {
        // Before the proof, which could not come from them.
        if let Err(cause) = self.probe.notice_detached() {
            self.snapshot.unread.push(format!("whether every hook is still attached: {cause}"));
        }
        let canary = alive::prove(&mut self).is_ok();
        let (read, listed) = self.listed_now()?;
        let waiting: HashSet<u64> =
            read.found.iter().filter(|one| one.state == State::SynSent).map(|one| one.older.socket).collect();
        let found_waiting = self.adopt_waiting(&read);
        // While the programs go one by one, what one misses the other cannot take: the window has ended by then.
        let recursion = self.probe.recursion()?;
        let end = Anchor::now()?;
        self.steady.look(end);
        self.names.anchor(end);
        self.probe.detach();
        // Nothing comes any more: all that is there is taken.
        self.drain_all();
        self.settle_last()?;
        self.take_waiting()?;
        // No record says that an attempt ended; what began since, or where nobody could look, waits.
        let is_waiting = |attempt: &Event| {
            let was_looked_at = attempt.netns.is_some_and(|cookie| read.cookies.contains(&cookie));
            attempt.time + TICKS >= listed || !was_looked_at || waiting.contains(&attempt.socket)
        };
        let unconcluded = self.table.unconcluded(is_waiting);
        let mut coverage = self.coverage(canary, unconcluded, (recursion, found_waiting))?;
        // What may be younger than its time says is not yet unanswered.
        let table = self.table.close(end.boot().saturating_sub(TICKS), is_waiting, &self.names);
        let Settings { cluster, node, .. } = self.settings;
        // One clock for both: a window is as long as it was, whatever the wall clock was set to meanwhile.
        let start = end.wall_of(self.start.boot());
        coverage.beyond_flows = table.beyond;
        let facts = table.ledger.map(|(ledger, keys)| Facts {
            count: ledger.count(),
            pages: ledger.into_pages(),
            keys,
            closed: end.boot(),
        });
        let window = Window { cluster, node, start, end: end.wall(), coverage, flows: table.flows };
        Ok(Closed { window, facts })
    }

    /// Takes what the rings hold now.
    fn drain(&mut self) -> Drained {
        let Self { probe, table, names, canaries, own_sockets, translations, .. } = self;
        probe.look();
        // What the records tell has been translated before.
        translations.read();
        let drained = probe.drain(|event| take(event, table, (names, translations), (canaries, own_sockets)));
        table.settle();
        names.resolve_new();
        // Also when the rings fill up faster than they are read: others need their share of the spill.
        if self.is_emptying || self.probe.is_spill_filling() || self.last_emptied.elapsed() >= FOLDING {
            self.empty_spill(false);
        }
        drained
    }

    /// Takes what was folded while the rings were full: all of it, or a part.
    fn empty_spill(&mut self, whole: bool) {
        if !self.is_emptying {
            self.last_emptied = Instant::now();
        }
        let Self { probe, table, names, canaries, own_sockets, .. } = self;
        let folded = &mut self.folded;
        let take = |mut spilled: Spilled| {
            // A known connection has a port of its own, and is folded with none.
            let event = &mut spilled.event;
            let is_canary = canaries.iter_mut().fold(false, |is_one, canary| is_one | canary.takes(event));
            if is_canary || own_sockets.contains(&event.socket) || !names.note(event) {
                return;
            }
            names.place(event);
            *folded += spilled.count;
            table.observe_spilled(&spilled);
        };
        if whole {
            probe.empty_spill(take);
            self.is_emptying = false;
        } else {
            self.is_emptying = !probe.empty_some_spill(take);
        }
        names.resolve_new();
    }

    /// Takes all that the rings hold now, and waits for handlers that were interrupted while they wrote.
    fn drain_all(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let began = Instant::now();
        while !self.drain().is_all && began.elapsed() < PATIENCE {
            std::thread::sleep(BUSY);
        }
        self.empty_spill(true);
    }

    fn settle(&mut self, now: Anchor) {
        let Self { probe, table, names, canaries, own_sockets, translations, .. } = self;
        let names = (names, &*translations);
        probe.settle(now.boot(), |event| take(event, table, (names.0, names.1), (canaries, own_sockets)));
    }

    /// Settles what needs a moment to become certain.
    fn settle_last(&mut self) -> io::Result<()> {
        const STEP: Duration = Duration::from_millis(50);
        for _ in 0..(2 * SETTLE.as_millis() / STEP.as_millis()) {
            self.settle(Anchor::now()?);
            if !self.probe.is_unsettled() {
                return Ok(());
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Takes the attempts and exchanges that are still under way in the kernel.
    fn take_waiting(&mut self) -> io::Result<()> {
        self.table.read_slots();
        let Self { probe, table, names, canaries, own_sockets, translations, .. } = self;
        let under_way = probe.waiting().chain(probe.exchanges()?);
        let take = |mut event| take(&mut event, table, (names, translations), (canaries, own_sockets));
        under_way.for_each(take);
        names.resolve_new();
        Ok(())
    }

    fn take_snapshot(&mut self) -> Result<(), StartError> {
        let now = Anchor::now().map_err(StartError::system("reading the clock"))?;
        let read = self.inquiries.read(now.boot());
        // Whatever became established before it was listed has its record in a ring by now.
        self.drain_all();
        self.kernel_ports = self.inquiries.kernel_ports(&read);
        let names = &mut self.names;
        let in_scope = read.found.iter().filter(|one| {
            names.is_in_scope(one.older.cgroup) && !self.own_sockets.contains(&one.older.socket)
        });
        let in_scope: Vec<&Found> = in_scope.collect();
        let of = |state| in_scope.iter().filter(move |one| one.state == state).map(|one| one.older);
        of(State::SynSent).for_each(|one| self.table.adopt_attempt(&one));
        let translated = |older: Older, protocol| {
            let is_server = older.direction == Direction::Inbound;
            let translated = self.translations.of(protocol, (older.local, older.remote), is_server);
            Older { translated, ..older }
        };
        let standing: Vec<Older> = of(State::Established).map(|one| translated(one, Protocol::Tcp)).collect();
        let datagrams: Vec<Older> = of(State::Datagram).map(|one| translated(one, Protocol::Udp)).collect();
        let is_client = |older: &&Older| older.direction != Direction::Inbound && older.remote.port != 0;
        self.older_clients = standing.iter().chain(&datagrams).filter(is_client).count() as u64;
        let connected = self.table.merge_older(&standing);
        self.snapshot = Snapshot {
            namespaces: read.cookies.len() as u64,
            connections: connected + self.table.merge_older_udp(&datagrams),
            unread: read.unread,
        };
        Ok(())
    }

    /// The sockets that exist now, and when they were listed.
    fn listed_now(&self) -> io::Result<(snapshot::Read, u64)> {
        let listed = Anchor::now()?.boot();
        Ok((self.inquiries.read(listed), listed))
    }

    /// Of attempts that were lost, those that still wait are among the sockets. Returns whether all could be found.
    fn adopt_waiting(&mut self, read: &snapshot::Read) -> bool {
        if self.probe.losses(0, 0).contains_key(Loss::Attempt.name()) {
            for one in read.found.iter().filter(|one| one.state == State::SynSent) {
                if self.names.is_in_scope(one.older.cgroup) {
                    self.table.adopt_attempt(&one.older);
                }
            }
        }
        self.names.namespaces().all(|cookie| read.cookies.contains(&cookie))
    }

    fn coverage(
        &mut self,
        canary: bool,
        unconcluded: u64,
        (recursion, found_waiting): (Recursion, bool),
    ) -> io::Result<Coverage> {
        let mut lost = self.probe.losses(unconcluded, self.table.spilled_outcomes());
        // What waits was found elsewhere, and what has its outcome only lacks its process.
        let callers_lost = if found_waiting { lost.remove(Loss::Attempt.name()).unwrap_or(0) } else { 0 };
        let by_cgroup = self.probe.lost_by_cgroup();
        let lost_by_cgroup = by_cgroup.into_iter().map(|(id, count)| (self.names.group(id), count)).collect();
        let limits =
            self.settings.probe.namespaces.iter().map(|namespace| format!("netns {}", namespace.label()));
        let groups = self.settings.probe.cgroups.iter().map(|path| format!("cgroup {}", path.display()));
        let fields =
            self.probe.missing_fields().iter().map(|field| format!("{} ({})", field.loses, field.cause));
        Ok(Coverage {
            hooks: self.probe.hooks().iter().map(hook).collect(),
            lost,
            lost_by_cgroup,
            folded: self.folded,
            callers_lost,
            // Known when the table is closed.
            beyond_flows: 0,
            recursion_misses: recursion.lost(),
            events: self.table.events(),
            snapshot: Some(self.snapshot.clone()),
            canary,
            clock_steps: self.steady.clock_steps,
            clock_moved: self.steady.clock_moved,
            stood_still: self.steady.stood_still,
            deaf_to: self.deaf_to.iter().copied().collect(),
            untranslated: self.translations.gaps(),
            services_unknown: self.services_unknown(),
            kernel_ports: self.kernel_ports.iter().copied().collect(),
            limited_to: limits.chain(groups).collect(),
            blind: BLIND.iter().map(|&words| words.to_owned()).chain(fields).collect(),
        })
    }
}

fn hook(state: &HookState) -> Hook {
    let HookState { name, program: _, protocol, absent, cost } = state.clone();
    Hook { name, protocol, absent, cost }
}

/// Folds a fact, unless it is about a connection or socket of our own or lies outside of the user's cgroups.
#[inline]
fn take(
    event: &mut Event,
    table: &mut FlowTable,
    (names, translations): (&mut NameBook, &Translations),
    (canaries, own_sockets): (&mut [CanaryWatch], &HashSet<u64>),
) {
    let is_canary = canaries.iter_mut().fold(false, |is_one, canary| is_one | canary.takes(event));
    if is_canary || own_sockets.contains(&event.socket) {
        return;
    }
    if names.note(event) {
        // Its own end is no address of the socket's.
        if !matches!(event.kind, Kind::Named(_)) {
            names.place(event);
            translations.apply(event);
        }
        table.observe(event);
    }
}

fn watched_namespaces(options: &Options) -> Result<Vec<Namespace>, StartError> {
    if !options.namespaces.is_empty() {
        return Ok(options.namespaces.clone());
    }
    namespaces::all().map_err(StartError::system("listing network namespaces"))
}
