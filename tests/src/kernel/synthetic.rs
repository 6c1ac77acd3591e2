//! Made-up records in the rings of a running recorder, as fast as wanted (`probe-ebpf/src/synthetic.rs`).
#![expect(unsafe_code, reason = "tokio waits for no descriptor that it is not promised")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, MapData, RingBuf},
    programs::{SchedClassifier, TestRun, TestRunOptions},
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use probe_common::RingState;
use tokio::io::unix::AsyncFd;

use super::programs;
use crate::folder::Folder;

/// A ring buffer of the kernel (`BPF_MAP_TYPE_RINGBUF`) with its only reader.
pub type KernelRing = RingBuf<MapData>;

/// The maps that it shares with the recorder.
const SHARED: [&str; 6] = ["RINGS", "PLACES", "SPILL", "SPILL_STATE", "GROUPS", "TOLD"];

/// What writes the records.
pub struct Producer {
    ebpf: Ebpf,
    program: &'static str,
}

/// More than any CPU's number here.
const CPUS: u32 = 1 << 10;

/// Where the records go.
enum Where<'a> {
    /// The maps of a recorder.
    Pinned(&'a Pinned),
    /// A ring buffer of the kernel, of so many bytes.
    Kernel(u32),
}

/// Whose all sockets are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owner {
    /// Cookie of their namespace.
    pub netns: u64,
    /// Id of their cgroup.
    pub cgroup: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// So many records.
    pub records: u64,
    /// In this time.
    pub took: Duration,
}

impl Written {
    /// Whether it was as fast as wanted, but for a hundredth.
    #[must_use]
    pub fn is_paced(&self, per_second: u64) -> bool {
        self.records as f64 / self.took.as_secs_f64() >= 0.99 * per_second as f64
    }
}

impl Producer {
    /// One that writes records of so many flows to the rings of a recorder.
    ///
    /// # Errors
    ///
    /// When the object has not been built (`cargo xtask ebpf --synthetic`), or does not load.
    pub fn beside(recorder: u32, flows: u64, owner: Owner) -> Result<Self> {
        let folder = Pinned::new()?;
        let mut sizes = [0; SHARED.len()];
        for map in programs::maps_of(recorder)? {
            let Some(place) = SHARED.iter().position(|name| map.name_as_str() == Some(name)) else {
                continue;
            };
            sizes[place] = map.max_entries();
            MapData::from_id(map.id())?.pin(folder.at(SHARED[place]))?;
        }
        ensure!(
            sizes.iter().all(|size| *size > 0),
            "{recorder} is no recorder: it holds {sizes:?} of {SHARED:?}"
        );
        let [states, places, sets, ..] = sizes;
        let cpus = number_of_cpus(&folder, states)?;
        let (common, own) = (states - cpus.possible, cpus.own);
        let shape = [
            ("FIRST_COMMON_RING", cpus.possible),
            ("LAST_COMMON_RING", common - 1),
            ("LAST_PLACE", places / (own + common) - 1),
            ("LAST_SPILL_SET", sets - 1),
        ];
        Self::load("synthetic", flows, owner, &shape, Where::Pinned(&folder))
    }

    /// One that writes them to a ring buffer of the kernel, of so many bytes: a power of two.
    ///
    /// # Errors
    ///
    /// As [`Self::beside`].
    pub fn stock(flows: u64, owner: Owner, bytes: u32) -> Result<Self> {
        Self::load("synthetic_stock", flows, owner, &[], Where::Kernel(bytes))
    }

    fn load(
        program: &'static str,
        flows: u64,
        owner: Owner,
        shape: &[(&'static str, u32)],
        place: Where<'_>,
    ) -> Result<Self> {
        let object = object();
        let bytes = fs::read(&object)
            .with_context(|| format!("{}: `cargo xtask ebpf --synthetic` builds it", object.display()))?;
        let stores_in_order = u8::from(cfg!(target_arch = "x86_64"));
        let mut loader = EbpfLoader::new();
        loader
            .override_global("SYNTHETIC_FLOWS", &flows, true)
            .override_global("SYNTHETIC_NETNS", &owner.netns, true)
            .override_global("SYNTHETIC_CGROUP", &owner.cgroup, true)
            .override_global("AYA_LOG_LEVEL", &0u8, true)
            .override_global("STORES_IN_ORDER", &stores_in_order, true);
        for (global, value) in shape {
            loader.override_global(global, value, true);
        }
        match place {
            Where::Pinned(pinned) => {
                for name in SHARED {
                    loader.map_pin_path(name, pinned.at(name));
                }
            }
            Where::Kernel(bytes) => {
                // Of the rings nothing but what each CPU keeps beside its own is needed: the clock.
                loader.map_max_entries("SYNTHETIC_STOCK", bytes).map_max_entries("RINGS", CPUS);
            }
        }
        let mut ebpf = loader.load(&bytes)?;
        let classifier: &mut SchedClassifier =
            ebpf.program_mut(program).context("the object has no such program")?.try_into()?;
        classifier.load()?;
        Ok(Self { ebpf, program })
    }

    /// Writes so many records.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn write(&mut self, records: u32) -> Result<()> {
        if records == 0 {
            return Ok(());
        }
        // An Ethernet frame of nothing: the program does not look at it.
        let frame = [0; 64];
        let program: &SchedClassifier =
            self.ebpf.program(self.program).context("it was loaded")?.try_into()?;
        let options = TestRunOptions { data_in: Some(&frame), repeat: records, ..TestRunOptions::new() };
        program.test_run(options)?;
        Ok(())
    }

    /// Writes so many records a second for a while: each as soon as it is due, as connections come, and never several at once
    /// that could have come one by one. This thread has no pause meanwhile.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn pace(&mut self, per_second: u64, duration: Duration) -> Result<Written> {
        let began = Instant::now();
        let all = (per_second as f64 * duration.as_secs_f64()) as u64;
        let mut written = 0;
        while written < all {
            let due = (began.elapsed().as_secs_f64() * per_second as f64) as u64;
            // Not more at once than a tick brings, or a producer that stood still would run the rings over.
            let now = due.min(all).saturating_sub(written).min(per_second / 500 + 1);
            self.write(now as u32)?;
            written += now;
        }
        Ok(Written { records: written, took: began.elapsed() })
    }

    /// How many records of those for the kernel's ring buffer did not fit.
    ///
    /// # Errors
    ///
    /// When the map cannot be read.
    pub fn lost_by_stock(&self) -> Result<u64> {
        let counts: Array<_, u64> =
            self.ebpf.map("SYNTHETIC_COUNTS").context("it has that map")?.try_into()?;
        Ok(counts.get(&1, 0)?)
    }

    /// The kernel's ring buffer, to be read.
    ///
    /// # Errors
    ///
    /// When it was taken.
    pub fn take_stock(&mut self) -> Result<KernelRing> {
        Ok(self.ebpf.take_map("SYNTHETIC_STOCK").context("it was taken")?.try_into()?)
    }
}

/// A ring buffer for whoever waits until it is readable; in a runtime.
///
/// # Errors
///
/// When it cannot be waited for.
pub fn waited_for(ring: KernelRing) -> Result<AsyncFd<KernelRing>> {
    // SAFETY: its descriptor is that of the map, which it holds until it is dropped, and nobody else has it.
    Ok(unsafe { AsyncFd::register(ring) }?)
}

fn object() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/flowdrift-synthetic.bpf.o")
}

struct Cpus {
    possible: u32,
    /// Those that have a ring of their own.
    own: u32,
}

fn number_of_cpus(pinned: &Pinned, states: u32) -> Result<Cpus> {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let last = text.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<u32>().ok());
    let possible = last.context("no list of CPUs")? + 1;
    ensure!(possible < states, "{states} rings for {possible} CPUs");
    let map = aya::maps::Map::from_map_data(MapData::from_pin(pinned.at("RINGS"))?)?;
    let rings = Array::<_, [u8; size_of::<RingState>()]>::try_from(map)?;
    let from = std::mem::offset_of!(RingState, first_place);
    let mut own = 0;
    for cpu in 0..possible {
        let state = rings.get(&cpu, 0)?;
        let first = u64::from_ne_bytes(state[from..from + 8].try_into()?);
        own += u32::from(first != RingState::NO_PLACES);
    }
    Ok(Cpus { possible, own })
}

/// A file system where maps have names, for as long as it takes to load a program.
struct Pinned(Folder);

impl Pinned {
    fn new() -> Result<Self> {
        let folder = Folder::new("pinned");
        mount(Some("bpf"), folder.path(), Some("bpf"), MsFlags::empty(), None::<&str>)
            .context("mounting a file system for BPF maps")?;
        Ok(Self(folder))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}
