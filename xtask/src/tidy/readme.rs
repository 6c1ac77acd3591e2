//! The README names only paths, tasks and flags that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::CommandFactory;

use super::Fault;
use super::source::Tree;
use crate::Arguments;

const README: &str = "README.md";
/// Files whose clap definitions make up the command lines that the README may show.
const DEFINITIONS: [&str; 3] = ["probe-user/src/main.rs", "probe-user/src/cli", "tests/src"];

/// What exists.
struct Known<'known> {
    root: &'known Path,
    tasks: BTreeSet<String>,
    flags: BTreeSet<String>,
}

pub(super) fn check_file(root: &Path, tree: &Tree) -> Result<Vec<Fault>> {
    if !root.join(README).is_file() {
        return Ok(vec![Fault::new(README, 0, "there is no README")]);
    }
    let tasks = Arguments::command();
    let mut flags: BTreeSet<_> = ["--help", "--version"].map(str::to_owned).into();
    flags.extend(tasks.get_subcommands().flat_map(|task| task.get_arguments().filter_map(flag_of)));
    let defining =
        tree.texts.iter().filter(|(path, _)| DEFINITIONS.iter().any(|place| path.starts_with(place)));
    flags.extend(defining.flat_map(|(_, text)| flags_defined(text)));
    let tasks = tasks.get_subcommands().map(|task| task.get_name().to_owned()).collect();
    Ok(check(&fs::read_to_string(root.join(README))?, &Known { root, tasks, flags }))
}

fn flag_of(argument: &clap::Arg) -> Option<String> {
    Some(format!("--{}", argument.get_long()?))
}

/// Flags of clap's derive: `#[arg(long)]` takes the field's name, `#[arg(long = "name")]` its own.
fn flags_defined(text: &str) -> Vec<String> {
    let mut flags = Vec::new();
    for attribute in text.split("#[arg(").skip(1) {
        let Some((inside, after)) = attribute.split_once(")]") else { continue };
        let named = inside.split("long = \"").nth(1).and_then(|rest| rest.split('"').next());
        let bare = inside.split([',', ' ']).any(|word| word == "long");
        let field = bare.then(|| field_name(after)).flatten();
        flags.extend(named.map(str::to_owned).or(field).map(|name| format!("--{}", name.replace('_', "-"))));
    }
    flags
}

/// The name before the colon, past further attributes, comments and visibility.
fn field_name(after: &str) -> Option<String> {
    let is_field = |line: &&str| !line.is_empty() && !line.starts_with("#[") && !line.starts_with("//");
    let line = after.lines().map(str::trim).find(is_field)?;
    Some(line.split(':').next()?.split_whitespace().last()?.to_owned())
}

fn check(text: &str, known: &Known<'_>) -> Vec<Fault> {
    let spans = code_spans(text);
    spans
        .iter()
        .flat_map(|(line, span)| {
            faults_in(span, known).into_iter().map(|what| Fault::new(README, *line, what))
        })
        .collect()
}

fn faults_in(span: &str, known: &Known<'_>) -> Vec<String> {
    let words: Vec<_> =
        span.split_whitespace().map(|word| word.trim_matches(|end| "[](),;:…".contains(end))).collect();
    let ours = span.starts_with("--") || words.contains(&"flowdrift") || words.contains(&"xtask");
    let mut faults = Vec::new();
    for pair in words.windows(2).filter(|pair| pair[0] == "xtask" && !known.tasks.contains(pair[1])) {
        faults.push(format!("there is no task {}", pair[1]));
    }
    for word in &words {
        let flag = word.split(['=', '|']).next().unwrap_or(word);
        if ours && flag.len() > 2 && flag.starts_with("--") && !known.flags.contains(flag) {
            faults.push(format!("there is no flag {flag}"));
        }
        if is_path(word, known.root) && !known.root.join(word).exists() {
            faults.push(format!("there is no {word}"));
        }
    }
    faults
}

/// A path of this repository: below an entry of its top level, or with a file's ending. `target` is made.
fn is_path(word: &str, root: &Path) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let Some((first, _)) = word.split_once('/') else { return false };
    if first.is_empty() || first == "target" || !word.chars().all(plain) {
        return false;
    }
    let ending = word.rsplit('/').next().and_then(|file| file.rsplit_once('.'));
    let is_file =
        ending.is_some_and(|(_, ending)| ["rs", "md", "yaml", "toml", "json", "o"].contains(&ending));
    root.join(first).exists() || is_file
}

/// What stands in backticks or in fenced blocks, by line.
fn code_spans(text: &str) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            spans.push((index + 1, line.trim().to_owned()));
        } else {
            spans.extend(line.split('`').skip(1).step_by(2).map(|span| (index + 1, span.to_owned())));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let root = crate::workspace::root().expect("tests run in the workspace");
        let known =
            Known { root: &root, tasks: ["demo".to_owned()].into(), flags: ["--matrix".to_owned()].into() };
        check(text, &known).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn names_that_exist_pass() {
        assert_eq!(
            faults(
                "`cargo xtask demo`, `xtask/src/main.rs`, `443/tcp`\n```\nflowdrift audit --matrix M\n```"
            ),
            [""; 0]
        );
    }

    #[test]
    fn names_that_do_not_exist_are_faults() {
        let text = "`cargo xtask fly` `xtask/src/fly.rs` `--fly` `docs/fly.md`";
        let what = [
            "there is no task fly",
            "there is no xtask/src/fly.rs",
            "there is no flag --fly",
            "there is no docs/fly.md",
        ];
        assert_eq!(faults(text), what);
    }

    #[test]
    fn another_program_s_flags_are_its_own() {
        assert_eq!(faults("`cargo install --locked`"), [""; 0]);
    }

    #[test]
    fn flags_are_read_from_clap_definitions() {
        let text = "#[arg(long, default_value = \"x\")]\n    /// Doc\n    pub dry_run: bool,\n#[arg(long = \"from\")]\nf: X";
        assert_eq!(flags_defined(text), ["--dry-run", "--from"]);
    }
}
