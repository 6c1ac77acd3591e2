//! What policies would do with what was observed, whoever made them.

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
        Passage, Proof,
        openness::{Openness, openness},
        passages, prove,
    },
    wording::plural,
};

/// Say what policies would do with what was observed; ends with 1 when they cut what somebody answers for, or let through what
/// nobody does
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files, or folders that hold a folder for each cluster
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<PathBuf>,
    /// The cluster of the policies that lie in no folder of a cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    #[command(flatten)]
    evidence: Evidence,
}

/// Reads both, and replays every flow.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    let Arguments { policies, cluster, evidence } = arguments;
    let read = evidence.read()?;
    let (case, world) = (read.case(), read.world());
    let documents = Documents { paths: policies, cluster: cluster.as_deref() }.load(&world)?;
    let policies = enforced(&world, &documents)?;
    let judgement = judge(&case).without_findings();
    let proof = prove(&policies, passages(&world, &judgement));
    say(&proof);
    openness(&world, &case, &judgement, &documents, &policies).iter().for_each(say_open);
    Ok(if proof.cut.is_empty() && proof.leaked.is_empty() { Exit::Conforms } else { Exit::Drift })
}

fn say(proof: &Proof<'_>) {
    let Proof { allowed, cut, stopped, leaked, beyond, partly, ungoverned, slack } = proof;
    let lists: [(&str, usize, &[Passage<'_>]); 6] = [
        ("allowed: declared, of the baseline, or exempt", *allowed, &[]),
        ("DENIED, though declared, of the baseline, or exempt", cut.len(), cut),
        ("denied: undeclared, or out of scope", *stopped, &[]),
        ("ALLOWED, though undeclared, or out of scope", leaked.len(), leaked),
        ("that no policy of this kind can deny, undeclared or out of scope", beyond.len(), beyond),
        ("governed by no policy", *ungoverned, &[]),
    ];
    for (words, count, listed) in lists {
        println!("{} {words}", plural(count as u64, "flow end"));
        listed.iter().for_each(|passage| println!("  {}", text(&passage.to_string())));
    }
    if *partly > 0 {
        let ends = plural(*partly as u64, "flow end");
        println!("{ends} of these so with some ports of the client, and not with others");
    }
    println!("{} without which as much would pass", plural(slack.len() as u64, "rule"));
    for rule in slack {
        let direction = if rule.is_egress { "egress" } else { "ingress" };
        println!("  {}", text(&format!("{} {direction}[{}]", rule.document, rule.index)));
    }
}

/// How tight they are, beside what they might be.
fn say_open(openness: &Openness) {
    let Openness { cluster, policies, ungoverned, declared, namespaces, asked, workloads } = openness;
    let some = if asked < workloads {
        format!(" (asked of {asked} of {workloads} workloads)")
    } else {
        String::new()
    };
    println!(
        "{}",
        text(&format!(
            "{cluster}: {} of who might reach whom on what is open, {} since no policy governs either end; {} is declared, and {} would be open if namespaces were let through whole and governed whole{some}",
            percent(*policies),
            percent(*ungoverned),
            percent(*declared),
            percent(*namespaces)
        ))
    );
}

/// Little is not nothing.
fn percent(share: f64) -> String {
    const LEAST: f64 = 0.001;
    let percent = share * 100.0;
    if percent > 0.0 && percent < LEAST { format!("less than {LEAST} %") } else { format!("{percent:.3} %") }
}
