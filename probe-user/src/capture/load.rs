//! The embedded object, loaded with the running kernel's offsets and the user's limits.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    path::PathBuf,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, Map, MapError},
};

use super::{
    attach::Datagrams, cgroups::CgroupTree, error::StartError, fields, namespaces::Namespace, object::object,
    probe::Options, shape::Shape,
};

/// The user's limits as the kernel side takes them.
pub(super) struct Scope {
    namespaces: Vec<u64>,
    cgroups: Vec<(u64, u32)>,
    /// Our own, where the known connection is made; 0 unless groups are limited.
    own_group: u64,
}

impl Scope {
    pub(super) fn resolve(options: &Options, tree: Option<&CgroupTree>) -> Result<Self, StartError> {
        let fault =
            |what: String| move |cause: io::Error| StartError::Scope { what, cause: cause.to_string() };
        let cookie = |namespace: &Namespace| {
            namespace.cookie().map_err(fault(format!("network namespace {}", namespace.label())))
        };
        let group = |path: &PathBuf| {
            let what = format!("cgroup {}", path.display());
            let none = || io::Error::other("there is no cgroup-v2 tree");
            tree.ok_or_else(none)
                .and_then(|tree| tree.group(path))
                .and_then(not_too_deep)
                .map_err(fault(what))
        };
        let cgroups = options.cgroups.iter().map(group).collect::<Result<Vec<_>, _>>()?;
        let own_group = match tree {
            Some(tree) if !cgroups.is_empty() => {
                tree.own_group().map_err(fault("the own cgroup".to_owned()))?.0
            }
            _ => 0,
        };
        let namespaces = options.namespaces.iter().map(cookie).collect::<Result<_, _>>()?;
        Ok(Self { namespaces, cgroups, own_group })
    }

    /// Bit `n` for a group at level `n` (`probe-ebpf/src/scope.rs`).
    fn levels(&self) -> u32 {
        self.cgroups.iter().fold(0, |levels, (_, level)| levels | 1 << level.min(&31))
    }

    /// Tells the kernel side.
    pub(super) fn apply(&self, ebpf: &mut Ebpf) -> Result<(), StartError> {
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

/// The kernel side looks at so many ancestors of a socket's group (`LEVELS` in `probe-ebpf/src/scope.rs`).
fn not_too_deep((id, level): (u64, u32)) -> io::Result<(u64, u32)> {
    const LEVELS: u32 = 8;
    if level < LEVELS {
        return Ok((id, level));
    }
    Err(io::Error::other(format!(
        "it lies {level} levels below the root, and {} is the deepest that can be watched",
        LEVELS - 1
    )))
}

/// Whether this processor keeps stores in order (`probe-ebpf/src/atomics.rs`); Intel's and AMD's manuals promise it.
const STORES_IN_ORDER: u8 = cfg!(any(target_arch = "x86_64", target_arch = "x86")) as u8;

/// Loads the object; nothing is attached yet.
pub(super) fn load(
    options: &Options,
    (shape, sets): (Shape, u32),
    (datagrams, peers_are_chosen): (Datagrams, bool),
    offsets: &[fields::Offset],
    scope: &Scope,
) -> Result<Ebpf, StartError> {
    let limit_netns = u8::from(!scope.namespaces.is_empty());
    let levels = scope.levels();
    let (last_common_ring, last_place) = (shape.common - 1, shape.places - 1);
    let last_spill_set = sets - 1;
    let udp_by_packets = u8::from(datagrams == Datagrams::Packets);
    let peers_are_chosen = u8::from(peers_are_chosen);
    // Nobody can foresee it, and make exchanges share a slot.
    let hash_seed = RandomState::new().hash_one(());
    // Level 0 removes the diagnostics from the loaded programs: the verifier sees a constant.
    let log_level = if options.diagnostics { 5u8 } else { 0u8 };
    let mut loader = EbpfLoader::new();
    for offset in offsets {
        loader.override_global(offset.global, &offset.value, true);
    }
    loader
        .override_global("LIMIT_NETNS", &limit_netns, true)
        .override_global("LIMIT_CGROUP_LEVELS", &levels, true)
        .override_global("OWN_CGROUP", &scope.own_group, true)
        .override_global("AYA_LOG_LEVEL", &log_level, true)
        .override_global("UDP_BY_PACKETS", &udp_by_packets, true)
        .override_global("PEERS_ARE_CHOSEN", &peers_are_chosen, true)
        .override_global("HASH_SEED", &hash_seed, true)
        .override_global("STORES_IN_ORDER", &STORES_IN_ORDER, true)
        .override_global("LAST_COMMON_RING", &last_common_ring, true)
        .override_global("FIRST_COMMON_RING", &shape.cpus, true)
        .override_global("LAST_PLACE", &last_place, true)
        .override_global("LAST_SPILL_SET", &last_spill_set, true)
        .map_max_entries("SPILL", sets)
        .map_max_entries("RINGS", shape.states())
        .map_max_entries("PLACES", shape.all_places());
    loader.load(object()).map_err(|cause| StartError::Load(Box::new(cause)))
}

/// A map of the object.
pub(super) fn map<'a>(ebpf: &'a Ebpf, map: &'static str) -> Result<&'a Map, StartError> {
    ebpf.map(map).ok_or(StartError::Object(map))
}

/// For `map_err`.
fn unusable(map: &'static str) -> impl FnOnce(MapError) -> StartError {
    move |cause| StartError::Map { map, cause: Box::new(cause) }
}
