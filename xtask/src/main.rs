//! `cargo xtask`: the list of tasks.

mod accept;
mod apt;
mod bench;
mod demo;
mod ebpf;
mod leash;
mod process;
mod test;
mod tidy;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// flowdrift's tasks.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make the lab, play the declared traffic and the planted drift, audit it and check the findings
    Demo(demo::Options),
    /// Run the tests, after a check that the embedded probe was built from these sources
    Test(test::Options),
    /// Build the kernel side into probe-ebpf/prebuilt
    Ebpf(ebpf::Options),
    /// Check what the compiler cannot: imports between rooms, I/O in pure rooms, names in the README
    Tidy,
    /// Boot other kernels under emulation and run the kernel tests there
    Vm(vm::Options),
    /// Run an acceptance programme at full counts and write its figures
    Accept(accept::Options),
    /// Count the instructions of the hot paths and hold them against their baseline
    Bench(bench::Options),
    /// Run a program that gets SIGINT when the task that started it dies
    #[command(hide = true)]
    Leashed(leash::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let root = workspace::root()?;
    match task {
        Task::Demo(options) => demo::run(&root, &options),
        Task::Test(options) => test::run(&root, &options),
        Task::Ebpf(options) => ebpf::run(&root, &options),
        Task::Tidy => tidy::run(&root),
        Task::Vm(options) => vm::run(&root, &options),
        Task::Accept(options) => accept::run(&root, &options),
        Task::Bench(options) => bench::run(&root, &options),
        Task::Leashed(options) => leash::run(&options),
    }
}
