//! `cargo xtask vm`: the kernel tests on other kernels than this machine's.
//!
//! Debian's kernels are downloaded and unpacked, never installed; each boots under emulation from an image that holds the
//! tests, statically linked, what they run, and a first process (`fdt-init`) that runs one after the other. Emulation
//! shows what is right, never what is fast.

mod boot;
mod image;
mod kernel;
mod modules;
mod programs;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::apt;
use boot::Outcome;
use kernel::Kernel;
use programs::Program;

/// The series of kernels that this machine's own does not stand for.
const SERIES: [&str; 2] = ["6.1", "6.12"];

/// The tests whose rules hold on every kernel: they load and attach everything, make each kind of connection, and hold
/// what was recorded against it.
const TESTS: [&str; 12] = [
    "baseline",
    "accepts",
    "balancers",
    "coverage",
    "crowds",
    "datagrams",
    "failures",
    "golden",
    "identity",
    "older",
    "translations",
    "unroutable",
];

/// Arguments of `cargo xtask vm`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these series of kernels
    #[arg(long, value_name = "SERIES")]
    kernel: Vec<String>,
    /// Only tests whose name has this in it; the baseline is held all the same
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// Only the tests over veth pairs, as CI does
    #[arg(long, conflicts_with = "only")]
    reduced: bool,
    /// Only these test files
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// Take what the kernels need for the programs as the new baseline
    #[arg(long)]
    bless: bool,
}

impl Options {
    fn series(&self) -> Vec<&str> {
        if self.kernel.is_empty() {
            SERIES.to_vec()
        } else {
            self.kernel.iter().map(String::as_str).collect()
        }
    }

    fn only(&self) -> Option<&str> {
        if self.reduced { Some("over_veth") } else { self.only.as_deref() }
    }

    fn tests(&self) -> Vec<&str> {
        if self.test.is_empty() { TESTS.to_vec() } else { self.test.iter().map(String::as_str).collect() }
    }
}

/// Boots each kernel and runs the tests there.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "the kernel matrix is for x86-64 machines");
    let folder = root.join("target/vm");
    std::fs::create_dir_all(&folder)?;
    apt::ensure_programs(
        &[
            ("qemu-system-x86_64", "qemu-system-x86"),
            ("xz", "xz-utils"),
            ("ip", "iproute2"),
            ("nft", "nftables"),
        ],
        "booting other kernels",
    )?;
    let kernels = options
        .series()
        .into_iter()
        .map(|series| Kernel::fetch(&folder, series))
        .collect::<Result<Vec<_>>>()?;
    let programs = programs::build(root, &options.tests())?;
    // Each takes one processor. What one has blessed must be in the next one's image, though.
    let at_once = if options.bless { 1 } else { std::thread::available_parallelism()?.get() };
    let mut failed = Vec::new();
    for kernels in kernels.chunks(at_once) {
        let outcomes = std::thread::scope(|scope| {
            let machines: Vec<_> = kernels
                .iter()
                .map(|kernel| scope.spawn(|| test_on(root, &folder, kernel, &programs, options)))
                .collect();
            machines.into_iter().map(|machine| machine.join().expect("it does not panic")).collect::<Vec<_>>()
        });
        for (kernel, outcome) in kernels.iter().zip(outcomes) {
            let outcome = outcome.with_context(|| format!("on Linux {}", kernel.release()))?;
            println!("== Linux {}: {}", kernel.release(), outcome.in_words());
            failed.extend(outcome.failed().map(|test| format!("{test} on {}", kernel.release())));
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn test_on(
    root: &Path,
    folder: &Path,
    kernel: &Kernel,
    programs: &[Program],
    options: &Options,
) -> Result<Outcome> {
    println!("== Linux {}", kernel.release());
    let image = image::write(root, folder, kernel, programs, options.only())?;
    let outcome = boot::boot(kernel, &image, options.bless)?;
    if let (true, Some(baseline)) = (options.bless, &outcome.baseline) {
        std::fs::write(root.join(image::BASELINE), baseline)?;
    }
    Ok(outcome)
}
