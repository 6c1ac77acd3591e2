//! `accept-live [--full] [--json PATH] [LINE…]`: lines 2 to 8 of the live audit's acceptance, at full counts or about a
//! twentieth of them, with their figures as JSON; exit code 1 if one fails.

use std::{collections::BTreeMap, error::Error, path::Path, process::Command, process::ExitCode};

use flowdrift_tests::accept::{Line, Scale, cost, exactness, replay, suites};

#[derive(Default)]
struct Arguments {
    full: bool,
    json: Option<String>,
    lines: Vec<u8>,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--full" => parsed.full = true,
            "--json" => parsed.json = Some(words.next().ok_or("--json needs a path")?),
            line => parsed.lines.push(line.parse().map_err(|_| format!("{line}: not a line from 2 to 8"))?),
        }
    }
    if parsed.lines.is_empty() {
        parsed.lines = (2..=8).collect();
    }
    Ok(parsed)
}

fn run(line: u8, scale: &Scale, root: &Path) -> Result<Line, Box<dyn Error>> {
    println!("line {line}");
    Ok(match line {
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
        8 => suites::line("faults", root, &["faults"]),
        _ => return Err(format!("line {line}: not a line from 2 to 8").into()),
    })
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
    let arguments = arguments()?;
    let scale = if arguments.full { Scale::FULL } else { Scale::REDUCED };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    build(root)?;
    let mut lines = BTreeMap::new();
    for number in arguments.lines {
        lines.insert(number, run(number, &scale, root)?);
    }
    let mut code = ExitCode::SUCCESS;
    for (number, line) in &lines {
        let result = match (&line.skipped, line.pass) {
            (Some(why), _) => format!("skipped: {why}"),
            (None, true) => "holds".to_owned(),
            (None, false) => "fails".to_owned(),
        };
        println!("line {number} ({}): {result}", line.what);
        if line.is_failure() {
            code = ExitCode::FAILURE;
        }
    }
    if let Some(path) = arguments.json {
        std::fs::write(&path, serde_json::to_vec_pretty(&lines)?)
            .map_err(|cause| format!("{path}: {cause}"))?;
    }
    Ok(code)
}
