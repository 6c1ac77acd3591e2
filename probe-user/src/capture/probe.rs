//! The running probe: load, attach, drain, count.

use std::{collections::BTreeMap, fs::File, io, path::PathBuf};

use aya::{Ebpf, maps::MapType};
use aya_log::EbpfLogger;
use probe_common::Loss;

use super::{
    attach::{Attached, Datagrams, HookState, Links, TCP_PROGRAMS, attach_all, detach_all},
    btf::KernelTypes,
    cgroups::CgroupTree,
    decode::{Decoded, decode},
    diagnostics::Diagnostics,
    error::StartError,
    fields::{self, MissingField},
    links,
    load::{Scope, load, map},
    namespaces::Namespace,
    order::{Behind, Choosers, can_be_first},
    recursion::{Recursion, handlers_can_nest},
    rights::Rights,
    rings::{Drained, Rings},
    shape::Shape,
    slots::{ExchangeSlots, Slots},
    spill::{self, Spill},
    statistics::{ProgramStatistics, program_files, statistics},
    unrouted::{GRACE, Unrouted},
};
use crate::event::{Event, Kind, Protocol, Spilled};

/// What to watch, and with how much memory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of the rings together, bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Size of the spill, bytes: a power of two, at least 1,024.
    pub spill_bytes: u32,
    /// Only these namespaces, when there are any.
    pub namespaces: Vec<Namespace>,
    /// Only these cgroups and what is below, when there are any; paths below the cgroup-v2 root.
    pub cgroups: Vec<PathBuf>,
    /// Show UDP by its packets, also where the kernel shows the calls that send and receive.
    pub udp_by_packets: bool,
    /// Let the probe write its own diagnostics (aya-log).
    pub diagnostics: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_bytes: 16 << 20,
            spill_bytes: 8 << 20,
            namespaces: Vec::new(),
            cgroups: Vec::new(),
            udp_by_packets: false,
            diagnostics: false,
        }
    }
}

/// An attached probe. Dropping it detaches everything.
pub struct Probe {
    rings: Rings,
    spill: Spill,
    slots: Slots,
    exchanges: ExchangeSlots,
    unrouted: Unrouted,
    undecodable: u64,
    hooks: Vec<HookState>,
    missing_fields: Vec<MissingField>,
    programs: Vec<(String, File)>,
    logger: Option<EbpfLogger<Diagnostics>>,
    behind: Behind,
    /// Facts of which others have chosen the peer.
    redirected: u64,
    /// Holds the links; gone once detached.
    attached: Option<(Ebpf, Links)>,
}

impl Probe {
    /// Loads and attaches. The known connection that proves it alive is [`super::canary`]'s business.
    ///
    /// # Errors
    ///
    /// One [`StartError`] for each right, kernel feature or field that is missing.
    pub fn start(options: &Options, tree: Result<&CgroupTree, &io::Error>) -> Result<Self, StartError> {
        let missing = Rights::of_this_process().missing();
        if !missing.is_empty() {
            return Err(StartError::Rights { missing: missing.join(", ") });
        }
        let types = KernelTypes::of_running_kernel().map_err(StartError::NoBtf)?;
        if !aya::sys::is_map_supported(MapType::RingBuf).unwrap_or(false) {
            return Err(StartError::NoRingBuffer);
        }
        let (offsets, missing_fields) = fields::resolve(&types)?;
        let scope = Scope::resolve(options, tree.ok())?;
        let shape =
            Shape::of_this_machine(options.ring_bytes).map_err(StartError::system("counting CPUs"))?;
        let sets = spill::sets(options.spill_bytes);
        let choosers = tree.map_or_else(|_| Choosers::default(), Choosers::of);
        // Behind them the calls that send show a backend, and those that receive its service; packets show the backend.
        let by_packets = options.udp_by_packets || (choosers.may_be() && !can_be_first());
        let datagrams = if by_packets { Datagrams::Packets } else { Datagrams::of(&types) };
        let mut ebpf = load(options, (shape, sets), (datagrams, choosers.may_be()), &offsets, &scope)?;
        scope.apply(&mut ebpf)?;
        let logger = match options.diagnostics {
            true => {
                Some(EbpfLogger::init_with_logger(&mut ebpf, Diagnostics).map_err(StartError::Diagnostics)?)
            }
            false => None,
        };
        let rings = Rings::new(shape, map(&ebpf, "RINGS")?, map(&ebpf, "PLACES")?)
            .map_err(StartError::system("mapping the rings"))?;
        let spill = Spill::new(sets, map(&ebpf, "SPILL")?, map(&ebpf, "SPILL_STATE")?, map(&ebpf, "GROUPS")?)
            .map_err(StartError::system("mapping the spill"))?;
        let Attached { hooks, links, not_first } =
            attach_all(&mut ebpf, (datagrams, choosers.may_be()), tree)?;
        Ok(Self {
            rings,
            spill,
            slots: Slots::new(map(&ebpf, "ATTEMPTS")?).map_err(StartError::system("mapping the attempts"))?,
            exchanges: ExchangeSlots::new(map(&ebpf, "EXCHANGES")?)
                .map_err(StartError::system("mapping the exchanges"))?,
            unrouted: Unrouted::default(),
            undecodable: 0,
            programs: program_files(&ebpf)?,
            hooks,
            missing_fields,
            behind: Behind { choosers, not_first, by_packets: datagrams == Datagrams::Packets },
            redirected: 0,
            logger,
            attached: Some((ebpf, links)),
        })
    }

    /// Looks what the rings hold now, for [`Self::drain`] to give.
    pub fn look(&mut self) {
        self.rings.look();
    }

    /// Gives every record that the rings held at the last [`Self::look`].
    ///
    /// What happened on one CPU comes in order; an attempt that went to a ring by itself may come after its outcome, by
    /// another CPU's. Attempts that died on their route are held back until [`Self::settle`] knows that they did.
    pub fn drain(&mut self, mut take: impl FnMut(&mut Event)) -> Drained {
        let Self { rings, unrouted, undecodable, redirected, .. } = self;
        let mut take = |event: &mut Event| {
            *redirected += u64::from(event.translated.is_some() || matches!(event.kind, Kind::Named(_)));
            take(event);
        };
        rings.drain(|record| match &mut decode(record) {
            Err(_) => *undecodable += 1,
            Ok(Decoded::Begun(event)) => unrouted.suspect(event.clone()),
            Ok(Decoded::Fact(event)) if event.kind == Kind::Unrouted && unrouted.has_counted(event) => {}
            Ok(Decoded::Fact(event)) => {
                unrouted.clear(event);
                take(event);
            }
            Ok(Decoded::Sent(event)) => {
                unrouted.sent(event);
                take(event);
            }
        })
    }

    /// How many records wait in the fullest ring at most.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.rings.places()
    }

    /// Gives the attempts that died on their route, as far as that is certain at `now` (`CLOCK_BOOTTIME`,
    /// nanoseconds); to be called about once a second.
    pub fn settle(&mut self, now: u64, mut take: impl FnMut(&mut Event)) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        self.unrouted.settle(&self.slots, now, |mut event| take(&mut event));
        if self.spill.holds_begun() {
            let Self { spill, unrouted, .. } = self;
            spill.take_begun(now.saturating_sub(GRACE), |Spilled { event, count, .. }| {
                // Only the latest of a socket's can have been counted while it stood in its slot.
                let counted = u64::from(unrouted.has_counted(&event));
                (counted..count).for_each(|_| take(&mut event.clone()));
            });
        }
    }

    /// Gives what was folded while the rings were full.
    pub fn empty_spill(&mut self, take: impl FnMut(Spilled)) {
        if self.spill.used() > 0 {
            self.spill.empty(take);
        }
    }

    /// The same of a part, and of the next one the next time; whether it was the last.
    pub fn empty_some_spill(&mut self, take: impl FnMut(Spilled)) -> bool {
        self.spill.used() == 0 || self.spill.empty_some(take)
    }

    /// Whether the spill should be emptied at once, or may wait for others to fold.
    #[must_use]
    pub fn is_spill_filling(&self) -> bool {
        self.spill.is_filling()
    }

    /// Learns which hooks somebody else has detached; before [`Self::detach`].
    ///
    /// # Errors
    ///
    /// When /proc is not readable.
    pub fn notice_detached(&mut self) -> io::Result<()> {
        let detached = links::detached()?;
        for program in self.statistics()?.iter().filter(|program| detached.contains(&program.id)) {
            for hook in self.hooks.iter_mut().filter(|hook| hook.program == program.name) {
                hook.absent = Some("detached from outside while the window was open".to_owned());
            }
        }
        Ok(())
    }

    /// Detaches every hook; what the rings still hold can be drained.
    pub fn detach(&mut self) {
        if let Some((mut ebpf, links)) = self.attached.take() {
            detach_all(&mut ebpf, links);
        }
    }

    /// Whether an attempt is held back until [`Self::settle`] can tell.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.unrouted.is_unsettled(&self.slots) || self.spill.holds_begun()
    }

    /// The attempts whose outcome has not come, after [`Self::detach`].
    pub fn waiting(&self) -> impl Iterator<Item = Event> {
        self.slots.waiting()
    }

    /// The exchanges that are still in their slots, after [`Self::detach`]: what they counted since the last event of
    /// each.
    ///
    /// # Errors
    ///
    /// When there is no memory for them.
    pub fn exchanges(&self) -> io::Result<impl Iterator<Item = Event>> {
        self.exchanges.read()
    }

    /// What did not arrive, by reason; reasons that did not occur are left out. Certain after [`Self::detach`].
    /// `unconcluded` are the attempts whose outcome was missed: those that neither losses nor the `folded` outcomes explain
    /// are a reason of their own, so many at least.
    #[must_use]
    pub fn losses(&self, unconcluded: u64, folded: u64) -> BTreeMap<String, u64> {
        let mut losses = BTreeMap::new();
        for (loss, count) in self.spill.lost().into_values().flatten() {
            *losses.entry(loss.name().to_owned()).or_default() += count;
        }
        losses.insert("undecodable".to_owned(), self.undecodable + self.spill.undecodable());
        losses.insert("unread".to_owned(), self.rings.unread());
        let of = |loss: Loss| losses.get(loss.name()).copied().unwrap_or(0);
        let explained = of(Loss::Connected) + of(Loss::Failed) + folded;
        losses.insert("outcome-unseen".to_owned(), unconcluded.saturating_sub(explained));
        losses.retain(|_, count| *count > 0);
        losses
    }

    /// What the rings and the spill could not take, by cgroup; 0 where that is not known, or where there are too many.
    /// Attempts that cost an outcome no more than its process are left out.
    #[must_use]
    pub fn lost_by_cgroup(&self) -> BTreeMap<u64, u64> {
        let facts = |lost: BTreeMap<Loss, u64>| {
            lost.iter().filter(|(loss, _)| **loss != Loss::Attempt).map(|(_, count)| count).sum()
        };
        let groups = self.spill.lost().into_iter().map(|(group, lost)| (group, facts(lost)));
        groups.filter(|(_, count)| *count > 0).collect()
    }

    /// What the two TCP programs missed until now.
    ///
    /// # Errors
    ///
    /// When a counter cannot be read.
    pub fn recursion(&self) -> io::Result<Recursion> {
        let statistics = self.statistics()?;
        let [first, second] = TCP_PROGRAMS.map(|name| {
            let program = statistics.iter().find(|program| program.name == name);
            program.map_or(0, |program| program.recursion_misses)
        });
        Ok(Recursion { first, second, can_nest: handlers_can_nest() })
    }

    /// The kernel's statistics of every program.
    ///
    /// # Errors
    ///
    /// When /proc is not readable.
    pub fn statistics(&self) -> io::Result<Vec<ProgramStatistics>> {
        self.programs.iter().map(|(name, file)| statistics(name, file)).collect()
    }

    /// Whether every hook of a transport is attached.
    #[must_use]
    pub fn is_attached(&self, protocol: Protocol) -> bool {
        self.hooks.iter().all(|hook| hook.protocol != protocol || hook.absent.is_none())
    }

    /// Every hook, attached or not.
    #[must_use]
    pub fn hooks(&self) -> &[HookState] {
        &self.hooks
    }

    /// Whether others may choose the peers of calls.
    #[must_use]
    pub fn may_be_redirected(&self) -> bool {
        self.behind.choosers.may_be()
    }

    /// Why a service may be known by its backend only, one phrase each.
    #[must_use]
    pub fn services_unknown(&self) -> Vec<String> {
        const LATE: &str = "a program that chooses peers came while the window was open";
        let late = (self.redirected > 0 && !self.may_be_redirected()).then(|| LATE.to_owned());
        self.behind.in_words().into_iter().chain(late).collect()
    }

    /// Fields that this kernel lacks.
    #[must_use]
    pub fn missing_fields(&self) -> &[MissingField] {
        &self.missing_fields
    }
}
