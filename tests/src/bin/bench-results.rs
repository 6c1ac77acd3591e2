//! Writes what was measured as `target/bench/table.md` and `target/bench/index.html`, and the first into the README when it is
//! asked to with `--readme`.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{Context, Result};
use flowdrift_tests::results::{Results, curves};
use serde_json::Value;

/// Between these lines of the README stands the table.
const MARKS: [&str; 2] = ["<!-- written by `cargo xtask bench --readme` -->\n", "<!-- until here -->\n"];

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no project root")?;
    let results = Results {
        acceptance: read(&root.join("target/accept/rate.json"))?,
        instructions: read(&root.join("target/bench/instructions.json"))?["instructions"].take(),
        curves: curves(&root.join("target/criterion")).unwrap_or_default(),
    };
    let table = format!("{}\n\n{}", results.measured(), results.table());
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("table.md"), &table)?;
    fs::write(folder.join("index.html"), results.page())?;
    println!("wrote target/bench/index.html and target/bench/table.md");
    if std::env::args().skip(1).any(|argument| argument == "--readme") {
        results.publishable().map_err(anyhow::Error::msg)?;
        let path = root.join("README.md");
        let text = fs::read_to_string(&path)?;
        let [begin, end] = MARKS;
        let (before, rest) = text.split_once(begin).context("the README has no place for the table")?;
        let (_, after) = rest.split_once(end).context("the README does not say where the table ends")?;
        fs::write(path, format!("{before}{begin}{table}{end}{after}"))?;
        println!("wrote the table into README.md");
    }
    Ok(())
}

/// Nothing where it was not measured.
fn read(path: &Path) -> Result<Value> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display())),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Value::Null),
        Err(cause) => Err(cause).with_context(|| path.display().to_string()),
    }
}
