//! The first process of an emulated machine (`cargo xtask vm`): makes it usable, runs the tests that `/script` names one
//! after the other, tells how each ended, and switches the machine off.

use std::{
    error::Error,
    ffi::CString,
    fs::{self, File},
    process::{Command, ExitCode},
};

use nix::{
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        resource::{Resource, setrlimit},
    },
};

/// What `xtask/src/vm/boot.rs` listens for.
const MARK: &str = "::vm ";

/// Where `xtask/src/vm/image.rs` puts what tests call.
const PATH: &str = "/bin";

const OPEN_FILES: u64 = 1 << 19;

/// Filesystems that every machine has.
const MOUNTS: [(&str, &str); 6] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("bpf", "/sys/fs/bpf"),
];

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("this is the first process of an emulated machine, and switches it off");
        return ExitCode::FAILURE;
    }
    if let Err(fault) = run() {
        println!("{MARK}fault {fault}");
    }
    println!("{MARK}done");
    // It returns only when it fails; then the kernel panics, which ends the machine too.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    for (kind, place) in MOUNTS {
        fs::create_dir_all(place)?;
        mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>)
            .map_err(|fault| format!("mounting {place}: {fault}"))?;
    }
    // Not a filesystem of its own: the project may have been cloned there, and then its files are there, too.
    fs::create_dir_all("/tmp")?;
    // As much as a service manager allows (`man 5 systemd.exec`, LimitNOFILE): some tests hold thousands of sockets.
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)?;
    let script = fs::read_to_string("/script")?;
    for line in script.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["module", file] => load(file)?,
            ["test", program, arguments @ ..] => test(program, arguments)?,
            ["show", file] => show(file)?,
            _ => return Err(format!("/script: {line}").into()),
        }
    }
    Ok(())
}

fn load(file: &str) -> Result<(), Box<dyn Error>> {
    match finit_module(File::open(file)?, &CString::default(), ModuleInitFlags::empty()) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(()),
        Err(fault) => Err(format!("{file}: {fault}").into()),
    }
}

fn test(program: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    if !fs::read_to_string("/sys/class/net/lo/flags")?.trim().ends_with('9') {
        Command::new("/bin/ip").args(["link", "set", "lo", "up"]).status()?;
    }
    let status = Command::new(program).args(arguments).env("PATH", PATH).status()?;
    let code = status.code().map_or_else(|| status.to_string().replace(' ', "-"), |code| code.to_string());
    println!("{MARK}ended {} {code}", program.rsplit('/').next().unwrap_or(program));
    Ok(())
}

fn show(file: &str) -> Result<(), Box<dyn Error>> {
    println!("{MARK}show");
    print!("{}", fs::read_to_string(file)?);
    println!("{MARK}shown");
    Ok(())
}
