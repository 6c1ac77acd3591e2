//! Makes policies of recordings.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::{
    Dial, Evidence, Exit,
    documents::{folders, listed},
    folder::{Folder, PAPERS},
    format,
};
use crate::{
    escape::text,
    judge::{Judgement, judge},
    matrix::{self, Matrix},
    policy::{
        Include, Policies, PolicyFlow as Flow, Proof, Rule, Settings, World, gather,
        language::{Document, Enforced, File, Language},
        papers, passages, prove,
    },
    wording::plural,
};

#[derive(Debug, clap::Args)]
// Whether it was asked for is told by this one: clap does not look into groups of groups.
#[group(id = "generate", args = ["output"])]
pub(super) struct Generate {
    #[command(flatten)]
    evidence: Evidence,
    /// The language
    #[arg(long, value_name = "LANGUAGE", value_parser = format(), default_value = Language::NetworkPolicy.name())]
    format: Language,
    /// How wide rules may be
    #[arg(long, value_enum, default_value_t)]
    tightness: Dial,
    /// What becomes a rule beside what was declared and observed
    #[arg(long, value_enum, value_name = "WHAT")]
    include: Vec<Also>,
    /// Make rules also of clusters that were not watched whole, though what nobody saw would be cut off
    #[arg(long)]
    accept_incomplete: bool,
    /// The folder where the policies go
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Also {
    /// What was declared and nobody saw, for whoever is governed; each rule says so
    Declared,
    /// What was observed and nobody declared; each rule is marked
    Observed,
}

/// Reads, judges, makes rules and writes them.
pub(super) fn run(arguments: &Generate) -> Result<Exit> {
    let Generate { evidence, format, tightness, include, accept_incomplete, output } = arguments;
    let read = evidence.read()?;
    let (case, world) = (read.case(), read.world());
    let judgement = judge(&case).without_findings();
    let settings = Settings {
        tightness: (*tightness).into(),
        include: Include {
            declared: include.contains(&Also::Declared),
            observed: include.contains(&Also::Observed),
        },
        accept_incomplete: *accept_incomplete,
    };
    let policies = gather(&world, &case, &judgement, &settings);
    let written = format.write(&world, &policies).context("writing the policies")?;
    let documents = written.documents();
    let lost = format.lost(&world, &policies, &written);
    let mut files = written.files;
    let mut paper = |name: &str, matrix: &Matrix| -> Result<()> {
        if !matrix.rows.is_empty() {
            let text = matrix::write::yaml(matrix).with_context(|| format!("writing {name}"))?;
            files.push(File { name: name.to_owned(), cluster: None, text });
        }
        Ok(())
    };
    let [quarantine, removals] = PAPERS;
    paper(quarantine, &papers::quarantine(&world, &case, &judgement, &policies))?;
    paper(removals, &papers::removal_candidates(&case, &judgement))?;
    let folders = folders(&world)?;
    let made: BTreeSet<&str> = policies.subjects.iter().map(|policy| policy.subject.cluster()).collect();
    let made = folders.into_iter().filter(|(_, cluster)| made.contains(cluster));
    let made: BTreeSet<String> = made.map(|(folder, _)| folder).collect();
    let told = Folder::new(output).write(&files, &made)?;
    let left_out = policies.left_out.iter().map(|(subject, Rule { flow, evidence })| {
        let rows: Vec<String> = evidence.rows.iter().map(ToString::to_string).collect();
        let Flow { peer, ports } = flow;
        format!(
            "{subject}: {peer} {ports} of {} is no rule: it would let through what nobody answers for",
            rows.join(", ")
        )
    });
    let warnings: Vec<String> = written.warnings.iter().chain(&told).cloned().chain(left_out).collect();
    for warning in &warnings {
        eprintln!("flowdrift: warning: {}", text(warning));
    }
    println!("{} in {}", plural(files.len() as u64, "file"), output.display());
    let exit = say(&policies);
    // A replay of a million flows needs the room.
    drop((policies, files));
    for words in &lost {
        println!("{}", text(&format!("does NOT read back: {words}")));
    }
    let is_proven =
        lost.is_empty() && (settings.include.observed || prove_own(&world, &judgement, documents)?);
    Ok(if is_proven { exit } else { Exit::Drift })
}

/// Reads back what was written, and replays what was seen: whether it passes, and nothing else does. Labels and addresses may
/// be those of others, too, which nobody sees in a rule alone.
fn prove_own(world: &World<'_>, judgement: &Judgement<'_>, documents: Vec<Document>) -> Result<bool> {
    let back = || "reading back what was written";
    let enforced = Enforced::read(world, &listed(documents).with_context(back)?).with_context(back)?;
    let Proof { cut, leaked, .. } = prove(&enforced, passages(world, judgement));
    for passage in &cut {
        println!("{} would be CUT, though somebody answers for it", text(&passage.to_string()));
    }
    for passage in &leaked {
        println!(
            "{} PASSES, though nobody answers for it: nothing tells it from what may",
            text(&passage.to_string())
        );
    }
    Ok(cut.is_empty() && leaked.is_empty())
}

/// Tells what became no rule, and how that ends.
fn say(policies: &Policies<'_>) -> Exit {
    let (ends, connections) = policies.quarantine.count();
    if ends > 0 {
        println!(
            "{} with {} became no rule: nobody declared them",
            plural(ends as u64, "flow end"),
            plural(connections, "connection")
        );
    }
    for withheld in &policies.withheld {
        let gaps: Vec<String> = withheld.gaps.iter().map(ToString::to_string).collect();
        let cluster = &withheld.cluster;
        println!(
            "{}",
            text(&format!("no policy for {cluster}: it was not watched whole ({})", gaps.join("; ")))
        );
    }
    if policies.withheld.is_empty() { Exit::Conforms } else { Exit::Inconclusive }
}
