//! The running probe: load, attach, drain, count.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
    path::PathBuf,
};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{HashMap, MapData, MapType, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, CgroupAttachMode, CgroupSockAddr},
};
use aya_log::EbpfLogger;
use probe_common::Loss;

use super::{
    btf::KernelTypes,
    cgroups::CgroupTree,
    decode::decode,
    diagnostics::Diagnostics,
    error::StartError,
    fields::{self, MissingField},
    namespaces::Namespace,
    object::object,
    rights::Rights,
    unrouted::Unrouted,
};
use crate::event::{Event, Kind};

/// The tracepoint's programs, in the order of their attachment (`probe-ebpf/src/rescue.rs`).
const TCP_PROGRAMS: [&str; 2] = ["tcp_state", "tcp_rescue"];
const TCP_HOOK: &str = "inet_sock_set_state";
const CONNECT_HOOKS: [&str; 2] = ["connect4", "connect6"];
const CONNECT_COST: &str = "attempts that die on their route (no route, prohibit, blackhole, local policy)";

/// What to watch, and with how much memory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of the ring, bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Only these namespaces, when there are any.
    pub namespaces: Vec<Namespace>,
    /// Only these cgroups and what is below, when there are any; paths below the cgroup-v2 root.
    pub cgroups: Vec<PathBuf>,
    /// Let the probe write its own diagnostics (aya-log).
    pub diagnostics: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { ring_bytes: 16 << 20, namespaces: Vec::new(), cgroups: Vec::new(), diagnostics: false }
    }
}

/// One hook and whether it is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// Attach point and program.
    pub name: String,
    /// `None` when attached, otherwise why not.
    pub absent: Option<String>,
    /// What is not seen while it is absent.
    pub cost: String,
}

/// What the kernel says of one program (`/proc/PID/fdinfo`, kernel/bpf/syscall.c, bpf_prog_show_fdinfo).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProgramStatistics {
    /// The program.
    pub name: String,
    /// Invocations, counted while `kernel.bpf_stats_enabled` is 1.
    pub runs: u64,
    /// Their time together, nanoseconds.
    pub nanoseconds: u64,
    /// Invocations that the kernel skipped because the program ran on that CPU already.
    pub recursion_misses: u64,
    /// Instructions that the verifier walked (Linux 5.16).
    pub verified_instructions: u64,
}

/// An attached probe. Dropping it detaches everything.
pub struct Probe {
    ring: RingBuf<MapData>,
    losses: PerCpuArray<MapData, u64>,
    rescued: PerCpuArray<MapData, u64>,
    unrouted: Unrouted,
    undecodable: u64,
    hooks: Vec<HookState>,
    missing_fields: Vec<MissingField>,
    programs: Vec<(String, File)>,
    logger: Option<EbpfLogger<Diagnostics>>,
    /// Holds the links; gone once detached.
    ebpf: Option<Ebpf>,
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
        let mut ebpf = load(options, &offsets, &scope, tree.is_ok())?;
        scope.apply(&mut ebpf)?;
        let logger =
            options.diagnostics.then(|| EbpfLogger::init_with_logger(&mut ebpf, Diagnostics).ok()).flatten();
        let mut hooks = Vec::new();
        for program in TCP_PROGRAMS {
            hooks.push(attach_tcp(&mut ebpf, program)?);
        }
        hooks.extend(CONNECT_HOOKS.map(|name| attach_connect(&mut ebpf, name, tree)));
        Ok(Self {
            ring: RingBuf::try_from(take(&mut ebpf, "EVENTS")?).map_err(unusable("EVENTS"))?,
            losses: PerCpuArray::try_from(take(&mut ebpf, "LOSSES")?).map_err(unusable("LOSSES"))?,
            rescued: PerCpuArray::try_from(take(&mut ebpf, "RESCUED")?).map_err(unusable("RESCUED"))?,
            unrouted: Unrouted::new(
                PerCpuArray::try_from(take(&mut ebpf, "PENDING")?).map_err(unusable("PENDING"))?,
                HashMap::try_from(take(&mut ebpf, "UNPAIRED")?).map_err(unusable("UNPAIRED"))?,
            ),
            undecodable: 0,
            programs: program_files(&ebpf)?,
            hooks,
            missing_fields,
            logger,
            ebpf: Some(ebpf),
        })
    }

    /// Gives every record that the ring holds, in order, and returns how many there were.
    ///
    /// Attempts that died on their route are held back until [`Self::settle`] knows that they did.
    pub fn drain(&mut self, mut take: impl FnMut(Event)) -> usize {
        let mut count = 0;
        while let Some(record) = self.ring.next() {
            count += 1;
            match decode(&record) {
                Ok(event) if event.kind == Kind::Unrouted => self.unrouted.suspect(event),
                Ok(event) => take(event),
                Err(_) => self.undecodable += 1,
            }
        }
        count
    }

    /// Gives the attempts that died on their route, as far as that is certain at `now` (`CLOCK_BOOTTIME`,
    /// nanoseconds); to be called about once a second.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub fn settle(&mut self, now: u64, take: impl FnMut(Event)) -> io::Result<()> {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        self.unrouted.settle(now, take)
    }

    /// Detaches every hook; what the ring still holds can be drained.
    pub fn detach(&mut self) {
        self.ebpf = None;
    }

    /// Whether an attempt is held back until [`Self::settle`] can tell.
    ///
    /// # Errors
    ///
    /// When a map cannot be read.
    pub fn is_unsettled(&self) -> io::Result<bool> {
        self.unrouted.is_unsettled()
    }

    /// What did not arrive, by reason; reasons that did not occur are left out.
    ///
    /// # Errors
    ///
    /// When the counters cannot be read.
    pub fn losses(&self) -> io::Result<BTreeMap<String, u64>> {
        let mut losses = BTreeMap::new();
        for loss in Loss::ALL {
            losses.insert(loss.name().to_owned(), sum(&self.losses, loss as u32)?);
        }
        losses.insert("undecodable".to_owned(), self.undecodable);
        losses.retain(|_, count| *count > 0);
        Ok(losses)
    }

    /// State changes that neither TCP program was run for, because both were interrupted on that CPU; few of
    /// them would have been a fact. `repetitions` are the records that user space dropped as said twice.
    ///
    /// # Errors
    ///
    /// When a counter cannot be read.
    pub fn recursion_losses(&self, repetitions: u64) -> io::Result<u64> {
        let statistics = self.statistics()?;
        let first = statistics.iter().find(|program| program.name == TCP_PROGRAMS[0]);
        let missed = first.map_or(0, |program| program.recursion_misses);
        let rescued = sum(&self.rescued, 0)?.saturating_sub(repetitions);
        Ok(missed.saturating_sub(rescued))
    }

    /// The kernel's statistics of every program.
    ///
    /// # Errors
    ///
    /// When /proc is not readable.
    pub fn statistics(&self) -> io::Result<Vec<ProgramStatistics>> {
        self.programs.iter().map(|(name, file)| statistics(name, file)).collect()
    }

    /// Every hook, attached or not.
    #[must_use]
    pub fn hooks(&self) -> &[HookState] {
        &self.hooks
    }

    /// Fields that this kernel lacks.
    #[must_use]
    pub fn missing_fields(&self) -> &[MissingField] {
        &self.missing_fields
    }
}

fn sum(counters: &PerCpuArray<MapData, u64>, slot: u32) -> io::Result<u64> {
    Ok(counters.get(&slot, 0).map_err(io::Error::other)?.iter().sum())
}

/// The user's limits as the kernel side takes them.
struct Scope {
    namespaces: Vec<u64>,
    cgroups: Vec<(u64, u32)>,
}

impl Scope {
    fn resolve(options: &Options, tree: Option<&CgroupTree>) -> Result<Self, StartError> {
        let fault =
            |what: String| move |cause: io::Error| StartError::Scope { what, cause: cause.to_string() };
        let cookie = |namespace: &Namespace| {
            namespace.cookie().map_err(fault(format!("network namespace {}", namespace.label())))
        };
        let group = |path: &PathBuf| {
            let what = format!("cgroup {}", path.display());
            let none = || io::Error::other("there is no cgroup-v2 tree");
            tree.ok_or_else(none).and_then(|tree| tree.group(path)).map_err(fault(what))
        };
        let mut cgroups = options.cgroups.iter().map(group).collect::<Result<Vec<_>, _>>()?;
        if let (false, Some(tree)) = (cgroups.is_empty(), tree) {
            // The known connection is made in our own group; user space takes out what else comes from there.
            cgroups.push(tree.own_group().map_err(fault("the own cgroup".to_owned()))?);
        }
        let namespaces = options.namespaces.iter().map(cookie).collect::<Result<_, _>>()?;
        Ok(Self { namespaces, cgroups })
    }

    /// Bit `n` for a group at level `n` (`probe-ebpf/src/scope.rs`).
    fn levels(&self) -> u32 {
        self.cgroups.iter().fold(0, |levels, (_, level)| levels | 1 << level.min(&31))
    }

    fn apply(&self, ebpf: &mut Ebpf) -> Result<(), StartError> {
        fill(ebpf, "WATCHED_NETNS", self.namespaces.iter().copied())?;
        fill(ebpf, "WATCHED_CGROUPS", self.cgroups.iter().map(|(id, _)| *id))
    }
}

fn fill(ebpf: &mut Ebpf, map: &'static str, keys: impl Iterator<Item = u64>) -> Result<(), StartError> {
    let mut set: HashMap<_, u64, u8> =
        HashMap::try_from(ebpf.map_mut(map).ok_or(StartError::Object(map))?).map_err(unusable(map))?;
    for key in keys {
        set.insert(key, 1, 0).map_err(unusable(map))?;
    }
    Ok(())
}

fn load(
    options: &Options,
    offsets: &[fields::Offset],
    scope: &Scope,
    with_connect_hooks: bool,
) -> Result<Ebpf, StartError> {
    let limit_netns = u8::from(!scope.namespaces.is_empty());
    let levels = scope.levels();
    let connect_hooks = u8::from(with_connect_hooks);
    // Level 0 removes the diagnostics from the loaded programs: the verifier sees a constant.
    let log_level = if options.diagnostics { 5u8 } else { 0u8 };
    let mut loader = EbpfLoader::new();
    for offset in offsets {
        loader.override_global(offset.global, &offset.value, true);
    }
    loader
        .override_global("LIMIT_NETNS", &limit_netns, true)
        .override_global("LIMIT_CGROUP_LEVELS", &levels, true)
        .override_global("CONNECT_HOOKS", &connect_hooks, true)
        .override_global("AYA_LOG_LEVEL", &log_level, true)
        .map_max_entries("EVENTS", options.ring_bytes);
    loader.load(object()).map_err(|cause| StartError::Load(Box::new(cause)))
}

fn take(ebpf: &mut Ebpf, map: &'static str) -> Result<aya::maps::Map, StartError> {
    ebpf.take_map(map).ok_or(StartError::Object(map))
}

fn unusable(map: &'static str) -> impl FnOnce(aya::maps::MapError) -> StartError {
    move |cause| StartError::Map { map, cause: Box::new(cause) }
}

fn attach_tcp(ebpf: &mut Ebpf, name: &'static str) -> Result<HookState, StartError> {
    let refused = |cause| StartError::Program { program: name, cause: Box::new(cause) };
    let program: &mut BtfTracePoint =
        ebpf.program_mut(name).ok_or(StartError::Object(name))?.try_into().map_err(refused)?;
    let btf = Btf::from_sys_fs().map_err(|cause| StartError::Load(Box::new(cause.into())))?;
    program.load(TCP_HOOK, &btf).map_err(refused)?;
    program.attach().map_err(refused)?;
    Ok(HookState { name: format!("tp_btf/{TCP_HOOK} ({name})"), absent: None, cost: "all TCP".to_owned() })
}

fn attach_connect(ebpf: &mut Ebpf, name: &'static str, tree: Result<&CgroupTree, &io::Error>) -> HookState {
    let absent = match tree {
        Ok(tree) => try_attach_connect(ebpf, name, tree).err(),
        Err(cause) => Some(format!("no cgroup-v2 tree: {cause}")),
    };
    let family = if name == "connect4" { "IPv4" } else { "IPv6" };
    HookState { name: format!("cgroup/{name}"), absent, cost: format!("{family} {CONNECT_COST}") }
}

fn try_attach_connect(ebpf: &mut Ebpf, name: &str, tree: &CgroupTree) -> Result<(), String> {
    let program = ebpf.program_mut(name).ok_or("not in the embedded probe")?;
    let program: &mut CgroupSockAddr = program.try_into().map_err(in_words)?;
    program.load().map_err(in_words)?;
    let root = tree.open_root().map_err(|cause| cause.to_string())?;
    program.attach(root, CgroupAttachMode::Single).map_err(in_words)?;
    Ok(())
}

fn in_words(error: aya::programs::ProgramError) -> String {
    let error = anyhow::Error::from(error);
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

fn program_files(ebpf: &Ebpf) -> Result<Vec<(String, File)>, StartError> {
    let clone = |(name, program): (&str, &aya::programs::Program)| {
        let file = program.fd().ok()?.as_fd().try_clone_to_owned();
        Some(file.map(|file| (name.to_owned(), File::from(file))))
    };
    let mut files = ebpf
        .programs()
        .filter_map(clone)
        .collect::<io::Result<Vec<_>>>()
        .map_err(StartError::system("dup"))?;
    files.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(files)
}

fn statistics(name: &str, file: &File) -> io::Result<ProgramStatistics> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let number = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    Ok(ProgramStatistics {
        name: name.to_owned(),
        runs: number("run_cnt"),
        nanoseconds: number("run_time_ns"),
        recursion_misses: number("recursion_misses"),
        verified_instructions: number("verified_insns"),
    })
}
