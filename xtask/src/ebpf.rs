//! `cargo xtask ebpf`: builds the kernel side and keeps the object, with its provenance, in the repository.
//!
//! Users build flowdrift with a stable toolchain and embed that object; only whoever changes the probe needs
//! a toolchain for the BPF target.

mod compile;
mod digest;
mod linker;
mod provenance;
mod toolchain;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use compile::{Build, Programs, compile};
use provenance::Provenance;
use toolchain::Toolchain;

const PREBUILT: &str = "probe-ebpf/prebuilt";
const OBJECT: &str = "probe-ebpf/prebuilt/flowdrift-probe.bpf.o";
const SYNTHETIC: &str = "target/flowdrift-synthetic.bpf.o";

/// Arguments of `cargo xtask ebpf`.
#[derive(Args)]
pub(crate) struct Options {
    /// Build apart and fail if the object in the repository differs
    #[arg(long, conflicts_with = "stale")]
    check: bool,
    /// Only compare the sources with the digest that the object was built from
    #[arg(long)]
    stale: bool,
    /// Build the object with the programs that write made-up records into target: for measuring only
    #[arg(long, conflicts_with_all = ["check", "stale"])]
    synthetic: bool,
}

/// Builds, or checks, the object.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if options.stale {
        ensure_fresh(root)?;
        println!("{OBJECT} was built from these sources");
        return Ok(());
    }
    if options.synthetic {
        return synthetic(root);
    }
    if options.check { check(root) } else { build(root) }
}

/// Builds the object whose programs write made-up records.
pub(crate) fn synthetic(root: &Path) -> Result<()> {
    let (_, object) = compile_with(root, "target/ebpf", Programs::Synthetic)?;
    fs::write(root.join(SYNTHETIC), object).with_context(|| format!("cannot write {SYNTHETIC}"))?;
    println!("wrote {SYNTHETIC}");
    Ok(())
}

/// An error unless the object in the repository was built from the sources beside it.
pub(crate) fn ensure_fresh(root: &Path) -> Result<()> {
    let kept = Provenance::read(root)?;
    let object = fs::read(root.join(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
    ensure!(
        kept.object_sha256 == digest::of_bytes(&object),
        "{OBJECT} is not the object that build.json describes: run `cargo xtask ebpf`"
    );
    ensure!(
        kept.source_sha256 == digest::of_sources(root)?,
        "{OBJECT} is older than its sources: run `cargo xtask ebpf`"
    );
    Ok(())
}

fn build(root: &Path) -> Result<()> {
    let (object, provenance) = compile_apart(root, "target/ebpf")?;
    fs::create_dir_all(root.join(PREBUILT))?;
    fs::write(root.join(OBJECT), &object).with_context(|| format!("cannot write {OBJECT}"))?;
    provenance.write(root)?;
    println!("wrote {OBJECT} ({} bytes, {})", object.len(), provenance.compilers());
    Ok(())
}

fn check(root: &Path) -> Result<()> {
    ensure_fresh(root)?;
    let kept = Provenance::read(root)?;
    let directory = format!("target/ebpf-check-{}", std::process::id());
    let rebuilt = compile_apart(root, &directory);
    fs::remove_dir_all(root.join(&directory)).ok();
    let (_, fresh) = rebuilt?;
    if fresh.compilers() != kept.compilers() {
        println!(
            "the rebuilt object cannot be compared: kept {}, here {}",
            kept.compilers(),
            fresh.compilers()
        );
        return Ok(());
    }
    if fresh.object_sha256 != kept.object_sha256 {
        bail!("{OBJECT} differs from a rebuild with the same compilers ({})", kept.compilers());
    }
    println!("{OBJECT} is what these sources compile to ({})", kept.compilers());
    Ok(())
}

fn compile_apart(root: &Path, directory: &str) -> Result<(Vec<u8>, Provenance)> {
    let (toolchain, object) = compile_with(root, directory, Programs::Hooks)?;
    let provenance = Provenance {
        source_sha256: digest::of_sources(root)?,
        object_sha256: digest::of_bytes(&object),
        rustc: toolchain.rustc.clone(),
        llvm: toolchain.llvm.clone(),
        bpf_linker: linker::VERSION.to_owned(),
    };
    Ok((object, provenance))
}

fn compile_with(root: &Path, directory: &str, programs: Programs) -> Result<(Toolchain, Vec<u8>)> {
    let toolchain = Toolchain::find()?;
    eprintln!("building the probe with {}", toolchain.description());
    let linker = linker::find_or_install(root, &toolchain)?;
    let path = compile(&Build { root, toolchain: &toolchain, linker: &linker, directory, programs })?;
    let object = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((toolchain, object))
}
