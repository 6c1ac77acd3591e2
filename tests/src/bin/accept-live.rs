//! `accept-live [--full] [--json PATH] [LINE…]`: lines 2 to 8 of the live audit's acceptance, at full counts or about a
//! twentieth of them, with their figures as JSON; exit code 1 if one fails.

use std::{error::Error, path::Path, process::Command, process::ExitCode};

use flowdrift_tests::accept::{Line, Scale, cost, exactness, programme, replay, suites};

fn run(line: u8, scale: &Scale, root: &Path) -> Line {
    match line {
        2 => suites::line("ends and legs", root, &["audit", "cases", "identity"]),
        3 => suites::line(
            "direction and identity",
            root,
            &["accepts", "crowds", "failures", "identity", "older", "unroutable"],
        ),
        4 => exactness::line(scale),
        5 => cost::line(scale, root),
        6 => replay::line(root),
        7 => suites::line("lifecycle", root, &["lifecycle"]),
        _ => suites::line("faults", root, &["faults"]),
    }
}

/// Builds what the lines run, in the profile of this binary and in the one of the test executables.
fn build(root: &Path) -> Result<(), Box<dyn Error>> {
    let profiles: &[&[&str]] = if cfg!(debug_assertions) { &[&[]] } else { &[&[], &["--release"]] };
    for profile in profiles {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(root).args(["build", "--quiet", "-p", "flowdrift", "-p", "flowdrift-tests"]);
        if !command.args(*profile).status()?.success() {
            return Err("the project does not build".into());
        }
    }
    Ok(())
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = programme::arguments(2..=8)?;
    let scale = if arguments.full { Scale::FULL } else { Scale::REDUCED };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    build(root)?;
    programme::report(&arguments, |line| run(line, &scale, root))
}
