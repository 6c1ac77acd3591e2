//! Counts of instructions, by benchmark.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::runner;
use crate::process;

const PATH: &str = "tests/baseline/instructions.json";
/// By so many hundredths a count may grow.
const GROWTH: u64 = 3;
/// And where another compiler counts than that of the baseline.
const GROWTH_OF_OTHERS: u64 = 15;

/// What was counted.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Counts {
    /// The compiler: of another one's counts less can be said.
    rustc: String,
    /// By benchmark.
    instructions: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts.
    pub(super) fn of_this_tree(root: &Path) -> Result<Self> {
        let runner = runner::find_or_install(root)?;
        let mut bench = process::cargo();
        bench.current_dir(root).env("GUNGRAUN_RUNNER", runner);
        bench.args(["bench", "-p", "flowdrift-tests", "--bench", "instructions", "--"]);
        let said = process::read(bench.arg("--output-format=json"))?;
        let summaries = serde_json::Deserializer::from_str(&said).into_iter::<Value>();
        let counted = summaries.map(|summary| {
            let summary = summary.context("gungraun's runner writes one JSON document for each benchmark")?;
            count(&summary).with_context(|| format!("no count of instructions in {summary}"))
        });
        let instructions: BTreeMap<String, u64> = counted.collect::<Result<_>>()?;
        ensure!(!instructions.is_empty(), "nothing was counted");
        Ok(Self { rustc: process::read(process::outside_cargo("rustc").arg("--version"))?, instructions })
    }

    /// The baseline.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(PATH))
            .with_context(|| format!("cannot read {PATH}: `cargo xtask bench --bless` writes it"))?;
        serde_json::from_str(&text).with_context(|| format!("{PATH} is not what `cargo xtask bench` writes"))
    }

    /// Makes these the baseline.
    pub(super) fn bless(&self, root: &Path) -> Result<()> {
        self.write(&root.join(PATH))?;
        println!("wrote {PATH}");
        Ok(())
    }

    /// Writes them to a file, and makes its folder.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// An error for what has grown by more than it may, or is not there any more.
    pub(super) fn hold_against(&self, baseline: &Self) -> Result<()> {
        let is_same = self.rustc == baseline.rustc;
        let growth = if is_same { GROWTH } else { GROWTH_OF_OTHERS };
        if !is_same {
            println!(
                "the baseline is of {}, this is {}: counts may be {growth} % higher",
                baseline.rustc, self.rustc
            );
        }
        let mut faults = Vec::new();
        for (name, before) in &baseline.instructions {
            match self.instructions.get(name) {
                Some(now) => {
                    let change = *now as f64 / *before as f64 - 1.0;
                    println!("{name}: {now} instructions, {:+.1} %", 100.0 * change);
                    if now * 100 > before * (100 + growth) {
                        faults.push(format!("{name} has grown from {before} to {now}"));
                    }
                }
                None => faults.push(format!("{name} is not counted any more")),
            }
        }
        for name in self.instructions.keys().filter(|name| !baseline.instructions.contains_key(*name)) {
            faults.push(format!("{name} has no baseline"));
        }
        if !faults.is_empty() {
            bail!(
                "{}\nif that is meant, `cargo xtask bench --bless` makes it the baseline",
                faults.join("\n")
            );
        }
        Ok(())
    }
}

/// A benchmark's name and its instructions (`Ir`), of a summary of gungraun's.
fn count(summary: &Value) -> Option<(String, u64)> {
    let module = summary["module_path"].as_str()?;
    let name = match summary["id"].as_str() {
        Some(id) => format!("{module}::{id}"),
        None => module.to_owned(),
    };
    let total = summary["profiles"].as_array()?.iter().map(|profile| &profile["data"]["total"]);
    let counted = total.filter_map(|total| first_number(find(total, "Ir")?)).next()?;
    Some((name, counted))
}

/// The value of a key, at any depth.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => {
            fields.get(key).or_else(|| fields.values().find_map(|value| find(value, key)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

/// The new count: an older one, where there is any, comes after it.
fn first_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::Object(fields) => {
            fields.get("new").map_or_else(|| fields.values().find_map(first_number), first_number)
        }
        Value::Array(values) => values.iter().find_map(first_number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rustc: &str, instructions: &[(&str, u64)]) -> Counts {
        let instructions = instructions.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { rustc: rustc.to_owned(), instructions }
    }

    #[test]
    fn what_grows_by_more_than_three_percent_is_told() {
        let baseline = counts("rustc 1", &[("one", 1_000), ("other", 1_000)]);
        let held = |rustc, one, other| {
            counts(rustc, &[("one", one), ("other", other)])
                .hold_against(&baseline)
                .map_err(|fault| fault.to_string())
        };
        assert_eq!(held("rustc 1", 1_030, 10), Ok(()));
        let fault = held("rustc 1", 1_031, 1_000).expect_err("it has grown");
        assert!(fault.contains("one has grown from 1000 to 1031") && !fault.contains("other"), "{fault}");
        assert_eq!(held("rustc 2", 1_150, 1_150), Ok(()), "another compiler");
        assert!(held("rustc 2", 1_151, 1_000).is_err(), "even of another compiler");
        let gone = counts("rustc 1", &[("one", 1_000), ("new", 1)]).hold_against(&baseline);
        let gone = gone.expect_err("one is gone, one is new").to_string();
        assert!(gone.contains("other is not counted") && gone.contains("new has no baseline"), "{gone}");
    }

    #[test]
    fn the_new_count_of_a_summary_is_taken() {
        let text = r#"{"module_path": "a::b", "id": "c", "profiles": [{"data": {"parts": [], "total": {"metrics":
            {"Callgrind": {"Ir": {"change": null, "values": {"old": {"Int": 5}, "new": {"Int": 7}}}}}}}}]}"#;
        let summary = serde_json::from_str(text).expect("JSON");
        assert_eq!(count(&summary), Some(("a::b::c".to_owned(), 7)));
    }
}
