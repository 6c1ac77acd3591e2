//! The image that a kernel boots from: the first process, the tests, and what they run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cpio::newc;

use super::kernel::Kernel;
use super::modules;
use super::programs::Program;
use crate::process;

/// What the tests hold the verifier's figures against.
pub(super) const BASELINE: &str = "tests/baseline/programs.json";

/// Programs of this machine that the tests call.
const TOOLS: [&str; 2] = ["ip", "nft"];

/// The test file with what may only run on a machine that is nobody's.
const CLOCK: &str = "coverage";
const CLOCK_TEST: &str = "a_clock_that_is_set";

/// Kinds of files (`man 7 inode`) with their permissions.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// Writes the image; its path.
pub(super) fn write(
    root: &Path,
    folder: &Path,
    kernel: &Kernel,
    programs: &[Program],
    only: Option<&str>,
) -> Result<PathBuf> {
    let path = folder.join(format!("{}.cpio", kernel.release()));
    let file = BufWriter::new(File::create(&path)?);
    let mut image = Image { file, folders: BTreeSet::new(), libraries: BTreeSet::new(), inode: 0 };
    let mut script = Vec::new();
    for module in modules::of(&kernel.modules())? {
        let place = format!("modules/{}.ko", module.name);
        image.add(&place, &module.bytes)?;
        script.push(format!("module /{place}"));
    }
    for program in programs {
        let place = match program.name.as_str() {
            "fdt-init" => "init".to_owned(),
            name => format!("flowdrift/{name}"),
        };
        image.add_libraries(&program.file)?;
        image.add(&place, &fs::read(&program.file)?)?;
        if program.is_test {
            let (only, how) = match program.name.as_str() {
                // Their names say nothing of links.
                "balancers" | "baseline" | "crowds" | "golden" | "translations" | "unroutable" => {
                    (None, "--test-threads=4")
                }
                // It sets the clock, which nothing else that runs beside it should see.
                CLOCK => (Some(CLOCK_TEST), "--ignored"),
                _ => (only, "--test-threads=4"),
            };
            let words = only.into_iter().chain([how]);
            script.push(format!("test /{place} {}", words.collect::<Vec<_>>().join(" ")));
        }
    }
    for tool in TOOLS {
        image.add_tool(tool)?;
    }
    // `ip` asks for protocols by their names (`man 5 protocols`).
    image.add("etc/protocols", b"icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\n")?;
    // Where the test was built to look for it.
    let baseline = root.join(BASELINE);
    image.add(&baseline.display().to_string(), &fs::read(&baseline)?)?;
    script.push(format!("show {}", baseline.display()));
    image.add("script", script.join("\n").as_bytes())?;
    image.finish()?;
    Ok(path)
}

struct Image {
    file: BufWriter<File>,
    folders: BTreeSet<String>,
    libraries: BTreeSet<String>,
    inode: u32,
}

impl Image {
    fn add(&mut self, place: &str, bytes: &[u8]) -> Result<()> {
        let place = place.trim_start_matches('/');
        let mut folders: Vec<&Path> = Path::new(place).ancestors().skip(1).collect();
        folders.reverse();
        for folder in folders {
            let name = folder.display().to_string();
            if !name.is_empty() && self.folders.insert(name.clone()) {
                self.entry(&name, FOLDER, &[])?;
            }
        }
        self.entry(place, PROGRAM, bytes)
    }

    fn entry(&mut self, name: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.inode += 1;
        let entry = newc::Builder::new(name).ino(self.inode).nlink(1).mode(mode);
        let mut writer = entry.write(&mut self.file, u32::try_from(bytes.len())?);
        writer.write_all(bytes)?;
        writer.finish()?;
        Ok(())
    }

    fn add_tool(&mut self, name: &str) -> Result<()> {
        let found = process::read(Command::new("sh").args(["-c", "command -v \"$0\"", name]))?;
        self.add_libraries(Path::new(&found))?;
        self.add(&format!("bin/{name}"), &fs::read(&found)?)
    }

    /// The libraries that a program of this machine asks for.
    fn add_libraries(&mut self, program: &Path) -> Result<()> {
        let libraries = process::read(Command::new("ldd").arg(program))?;
        // `name => /path (address)`, or the loader's path alone.
        let paths =
            libraries.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
        for path in paths {
            if self.libraries.insert(path.to_owned()) {
                self.add(path, &fs::read(path).with_context(|| path.to_owned())?)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        newc::trailer(&mut self.file)?;
        self.file.flush()?;
        Ok(())
    }
}
