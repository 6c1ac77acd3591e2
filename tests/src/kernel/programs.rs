//! The BPF programs of a process, as the kernel shows them to anybody with rights.

use std::{collections::BTreeMap, fs, io, mem::offset_of, os::fd::OwnedFd};

use aya::{
    maps::{Array, Map, MapData, MapInfo},
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};
use probe_common::RingState;
use serde::Serialize;

/// Names of the probe's programs, as the kernel keeps them.
pub const OURS: [&str; 14] = [
    "tcp_state",
    "tcp_rescue",
    "flowdrift_conn4",
    "flowdrift_conn6",
    "flowdrift_send4",
    "flowdrift_send6",
    "flowdrift_name4",
    "flowdrift_name6",
    "recvmsg4",
    "recvmsg6",
    "udp_sent",
    "udp_received",
    "udp_left",
    "udp_arrived",
];

/// Those of them that every recorder has.
pub const ALWAYS: [&str; 6] =
    ["tcp_state", "tcp_rescue", "flowdrift_conn4", "flowdrift_conn6", "flowdrift_send4", "flowdrift_send6"];

/// What the kernel says of one program (kernel/bpf/syscall.c, bpf_prog_show_fdinfo).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The kernel's id.
    pub id: u32,
    /// Its name, cut at 15 bytes.
    pub name: String,
    /// Invocations while statistics were on.
    pub runs: u64,
    /// Their time together, nanoseconds.
    pub nanoseconds: u64,
    /// Invocations that were skipped because it ran on that CPU already.
    pub recursion_misses: u64,
    /// Instructions that the verifier walked.
    pub verified_instructions: u64,
}

/// Lets the kernel measure run times until the descriptor is closed.
///
/// # Errors
///
/// When the kernel is older than 5.8.
pub fn statistics() -> io::Result<OwnedFd> {
    enable_stats(Stats::RunTime).map_err(io::Error::other)
}

/// The programs that a process holds, by id.
///
/// # Errors
///
/// When the process is gone.
pub fn of_process(process: u32) -> io::Result<Vec<Reading>> {
    let names = names();
    let mut found = BTreeMap::new();
    for text in descriptors(process)? {
        let number = |key: &str| field(&text, key).unwrap_or(0);
        let Some(id) = field(&text, "prog_id").filter(|_| text.contains("verified_insns")) else { continue };
        let id = u32::try_from(id).map_err(io::Error::other)?;
        let reading = Reading {
            id,
            name: names.get(&id).cloned().unwrap_or_default(),
            runs: number("run_cnt"),
            nanoseconds: number("run_time_ns"),
            recursion_misses: number("recursion_misses"),
            verified_instructions: number("verified_insns"),
        };
        found.insert(id, reading);
    }
    Ok(found.into_values().collect())
}

/// Ids of all loaded programs with our names.
#[must_use]
pub fn loaded() -> Vec<u32> {
    names().into_iter().filter(|(_, name)| OURS.contains(&name.as_str())).map(|(id, _)| id).collect()
}

/// Ids of loaded programs with our names that no process holds a descriptor or link of: what a killed recorder
/// would have left behind.
///
/// # Errors
///
/// When /proc is not readable.
pub fn orphans() -> io::Result<Vec<u32>> {
    let mut ours = loaded();
    // Listed first, held second: a program that came in between is not among them.
    for process in processes()? {
        for text in descriptors(process).unwrap_or_default() {
            let held = field(&text, "prog_id");
            ours.retain(|id| held != Some(u64::from(*id)));
        }
    }
    let still = names();
    ours.retain(|id| still.contains_key(id));
    Ok(ours)
}

/// The maps that a process holds.
///
/// # Errors
///
/// When the process is gone.
pub fn maps_of(process: u32) -> io::Result<Vec<MapInfo>> {
    let texts = descriptors(process)?;
    let ids = texts.iter().filter_map(|text| field(text, "map_id").and_then(|id| u32::try_from(id).ok()));
    Ok(ids.filter_map(|id| MapInfo::from_id(id).ok()).collect())
}

/// How many state changes the second TCP program of a recorder took, because the first was interrupted.
///
/// # Errors
///
/// When the process is gone, or is no recorder.
pub fn rescued(process: u32) -> io::Result<u64> {
    for info in maps_of(process)? {
        if info.name_as_str() == Some("RINGS") {
            let map = MapData::from_id(info.id()).and_then(Map::from_map_data).map_err(io::Error::other)?;
            let rings = Array::<_, [u8; size_of::<RingState>()]>::try_from(map).map_err(io::Error::other)?;
            let rescued = |state: [u8; size_of::<RingState>()]| {
                let from = offset_of!(RingState, cpu.rescued);
                state[from..from + 8].try_into().map_or(0, u64::from_ne_bytes)
            };
            return rings.iter().map(|state| state.map(rescued).map_err(io::Error::other)).sum();
        }
    }
    Err(io::Error::other("the process holds no map RINGS"))
}

fn names() -> BTreeMap<u32, String> {
    let name = |info: aya::programs::ProgramInfo| Some((info.id(), info.name_as_str()?.to_owned()));
    loaded_programs().filter_map(|info| name(info.ok()?)).collect()
}

fn processes() -> io::Result<Vec<u32>> {
    Ok(fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// The fdinfo of everything that a process holds of BPF.
fn descriptors(process: u32) -> io::Result<Vec<String>> {
    let texts = fs::read_dir(format!("/proc/{process}/fdinfo"))?
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok());
    Ok(texts.filter(|text| text.contains("prog_id:") || text.contains("map_id:")).collect())
}

fn field(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok())
}
