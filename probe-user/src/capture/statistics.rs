//! What the kernel counts about our programs.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
};

use aya::{Ebpf, programs::Program};

use super::{error::StartError, fdinfo};

/// What the kernel says of one program (`/proc/PID/fdinfo`, kernel/bpf/syscall.c, bpf_prog_show_fdinfo).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ProgramStatistics {
    /// The program.
    pub name: String,
    /// The kernel's id.
    pub id: u64,
    /// Invocations, counted while `kernel.bpf_stats_enabled` is 1.
    pub runs: u64,
    /// Their time together, nanoseconds.
    pub nanoseconds: u64,
    /// Invocations that the kernel skipped because the program ran on that CPU already.
    pub recursion_misses: u64,
    /// Instructions that the verifier walked (Linux 5.16).
    pub verified_instructions: u64,
}

/// The loaded programs by name; they stay loaded while these are open.
pub(super) fn program_files(ebpf: &Ebpf) -> Result<Vec<(String, File)>, StartError> {
    let clone = |(name, program): (&str, &Program)| {
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

/// Reads the counters of one program.
pub(super) fn statistics(name: &str, file: &File) -> io::Result<ProgramStatistics> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let number = |key| fdinfo::number(&text, key).unwrap_or(0);
    Ok(ProgramStatistics {
        name: name.to_owned(),
        id: number("prog_id"),
        runs: number("run_cnt"),
        nanoseconds: number("run_time_ns"),
        recursion_misses: number("recursion_misses"),
        verified_instructions: number("verified_insns"),
    })
}
