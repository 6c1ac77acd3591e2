//! What changes for what was observed when one generation of policies takes another's place.

use std::path::PathBuf;

use anyhow::Result;

use super::{
    Evidence, Exit,
    documents::{Documents, enforced},
};
use crate::{
    escape::text,
    judge::judge,
    policy::{
        Passage,
        language::{Enforced, Evaluator, Passing},
        passages, replayed,
    },
    wording::plural,
};

/// Tell which observed flows another generation of policies would cut or let through; ends with 1 when there are any
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The policies that are: a file, or a folder that holds a folder for each cluster
    old: PathBuf,
    /// The policies that will be, likewise
    new: PathBuf,
    /// The cluster of the policies that lie in no folder of a cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    #[command(flatten)]
    evidence: Evidence,
}

/// Reads both, and replays every flow through both.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let Arguments { old, new, cluster, evidence } = arguments;
    let read = evidence.read()?;
    let (case, world) = (read.case(), read.world());
    let generation = |path: &PathBuf| {
        let paths = std::slice::from_ref(path);
        enforced(&world, &Documents { paths, cluster: cluster.as_deref() }.load(&world)?)
    };
    let (old, new) = (generation(old)?, generation(new)?);
    let judgement = judge(&case).without_findings();
    let passes = |policies: &Enforced<'_>, passage: &Passage<'_>| policies.decide(passage).passing();
    let (mut all, mut changed) = (0, Vec::new());
    let both = |passage: &Passage<'_>| (passes(&old, passage), passes(&new, passage));
    for (passage, (passed, will)) in replayed(passages(&world, &judgement), both) {
        all += 1;
        if passed != will {
            changed.push((passage, passed, will));
        }
    }
    // What is cut comes first.
    changed.sort_by_key(|(_, passed, will)| will > passed);
    for (passage, passed, will) in &changed {
        println!("{}, and {}: {}", was(*passed), will_be(*will), text(&passage.to_string()));
    }
    println!("{} changed, of {all}", plural(changed.len() as u64, "flow end"));
    Ok(if changed.is_empty() { Exit::Conforms } else { Exit::Drift })
}

fn was(passing: Passing) -> &'static str {
    match passing {
        Passing::Never => "was cut",
        Passing::Partly => "was cut with some ports of its client",
        Passing::Always => "passed",
    }
}

fn will_be(passing: Passing) -> &'static str {
    match passing {
        Passing::Never => "will be cut",
        Passing::Partly => "will be cut with some ports of its client",
        Passing::Always => "will pass",
    }
}
