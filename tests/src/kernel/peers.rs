//! The fixed handlers that line 5 measures against: built, attached and drained.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use aya::{Btf, Ebpf, maps::RingBuf, programs::BtfTracePoint};

use super::instructions::{self, Attached};

const HOOK: &str = "inet_sock_set_state";
/// As the probe is built (`xtask/src/ebpf/compile.rs`): a comparison of two compilers' options would say nothing.
const FLAGS: [&str; 4] = [
    "-Cdebuginfo=2",
    "-Clink-arg=--btf",
    "-Clink-arg=--disable-expand-memcpy-in-order",
    "-Clinker=bpf-linker",
];
const MANIFEST: &str = r#"[package]
name = "peers"
version = "0.0.0"
edition = "2024"

[[bin]]
name = "peers"
path = "main.rs"

[dependencies]
aya-ebpf = "=0.2.1"

[profile.release]
debug = 2
codegen-units = 1

[workspace]
"#;

/// The source of the handlers, beside the project; `FLOWDRIFT_HANDLERS` names another place.
#[must_use]
pub fn source(root: &Path) -> PathBuf {
    std::env::var_os("FLOWDRIFT_HANDLERS")
        .map_or_else(|| root.join("../shared/peers/handlers.rs"), PathBuf::from)
}

/// Compiles the handlers below `target/peers`; the object file.
///
/// # Errors
///
/// When no toolchain here can build for BPF.
pub fn build(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/peers");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::copy(source(root), folder.join("main.rs")).context("copying the handlers")?;
    let tools = tools(root)?;
    let built = compile(Command::new("/usr/bin/cargo").env("PATH", &tools), &folder).or_else(|debian| {
        let nightly = compile(Command::new("cargo").arg("+nightly"), &folder);
        nightly.with_context(|| format!("Debian's cargo: {debian:#}"))
    });
    built.context("neither Debian's cargo nor a rustup nightly with rust-src builds for BPF")?;
    Ok(folder.join("target/bpfel-unknown-none/release/peers"))
}

/// Debian's compiler first, then wherever bpf-linker is: `cargo xtask ebpf` puts its own below `target`.
fn tools(root: &Path) -> Result<std::ffi::OsString> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let own = [PathBuf::from("/usr/bin"), root.join("target/tools/bin")];
    let paths = own.into_iter().chain(home.map(|home| home.join("bin")));
    let known = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(paths.chain(std::env::split_paths(&known)))?)
}

fn compile(command: &mut Command, folder: &Path) -> Result<()> {
    let output = command
        .args(["build", "--quiet", "--release", "--target", "bpfel-unknown-none", "-Z", "build-std=core"])
        .current_dir(folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// `empty`, attached.
pub struct Empty(#[expect(dead_code, reason = "attached as long as it lives")] Ebpf);

impl Empty {
    /// Attaches it after whatever is attached already.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach(object: &Path) -> Result<Self> {
        Self::attach_to(object, HOOK)
    }

    /// Attaches it to another tracepoint.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or has none of this name.
    pub fn attach_to(object: &Path, tracepoint: &str) -> Result<Self> {
        let mut ebpf = Ebpf::load_file(object)?;
        attach(&mut ebpf, "empty", tracepoint)?;
        Ok(Self(ebpf))
    }
}

/// A handler of the hooks for `sendmsg()` and `recvmsg()` over IPv4 that does nothing.
pub struct EmptyOfMessages {
    _attached: [Attached; 2],
}

impl EmptyOfMessages {
    /// Their name: a recorder knows it for another recorder's, which chooses no peers.
    pub const NAME: &str = "flowdrift_empty";

    /// Attaches both, the one for `sendmsg()` first, after whatever is attached already.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or there is no cgroup-v2 tree.
    pub fn attach() -> Result<Self> {
        let attach = |kind| instructions::attach(&instructions::ALLOW, Self::NAME, kind);
        Ok(Self { _attached: [attach(instructions::SEND[0])?, attach(instructions::RECEIVE[0])?] })
    }
}

/// `bare`, attached, with its ring drained.
pub struct Bare {
    _ebpf: Ebpf,
    stop: Arc<AtomicBool>,
    drained: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// Attaches it after whatever is attached already.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn attach(object: &Path) -> Result<Self> {
        let mut ebpf = Ebpf::load_file(object)?;
        attach(&mut ebpf, "bare", HOOK)?;
        let ring = RingBuf::try_from(ebpf.take_map("BARE").context("no ring")?)?;
        let stop = Arc::new(AtomicBool::new(false));
        let drained = Arc::new(AtomicU64::new(0));
        let thread = std::thread::spawn({
            let (stop, drained) = (Arc::clone(&stop), Arc::clone(&drained));
            move || drain(ring, &stop, &drained)
        });
        Ok(Self { _ebpf: ebpf, stop, drained, thread: Some(thread) })
    }

    /// Checks that every run of `bare` has written its record: a refused one would look cheap.
    ///
    /// # Errors
    ///
    /// When its ring was full.
    pub fn assert_drained(&self, runs: u64) -> Result<()> {
        std::thread::sleep(Duration::from_millis(20));
        let drained = self.drained.load(Ordering::Acquire);
        ensure!(drained >= runs, "bare ran {runs} times and wrote {drained} records");
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn attach(ebpf: &mut Ebpf, name: &str, tracepoint: &str) -> Result<()> {
    let program: &mut BtfTracePoint = ebpf.program_mut(name).context("no such handler")?.try_into()?;
    program.load(tracepoint, &Btf::from_sys_fs()?)?;
    program.attach()?;
    Ok(())
}

fn drain(mut ring: RingBuf<aya::maps::MapData>, stop: &AtomicBool, drained: &AtomicU64) {
    while !stop.load(Ordering::Acquire) {
        while ring.next().is_some() {
            drained.fetch_add(1, Ordering::Release);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
