//! What policies would have cut of what an audit saw.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{
    declared::Declared,
    policy::{Documents, enforced},
};
use crate::{
    judge::Judgement,
    policy::{
        Passage, World,
        language::{Decision, Document, Enforced, Evaluator},
        passages, replayed,
    },
    report::model::{DeniedFlow, WouldDeny},
};

/// Reads policies from files and folders, those that no folder gives to a cluster for this one; says what of them is not compared.
///
/// # Errors
/// Nobody could enforce them.
pub(super) fn load(paths: &[PathBuf], cluster: Option<&str>, declared: &Declared) -> Result<Vec<Document>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let world = World::new(declared.rows.rows().inventory(), &declared.clusters);
    let documents = Documents { paths, cluster }.load(&world)?;
    enforced(&world, &documents)?;
    Ok(documents)
}

/// Replays what passed through them.
///
/// # Errors
/// What is declared by now makes them policies of nobody.
pub(super) fn would_deny(
    policies: &[Document],
    declared: &Declared,
    judgement: &Judgement<'_>,
) -> Result<WouldDeny> {
    let world = World::new(declared.rows.rows().inventory(), &declared.clusters);
    let policies = Enforced::read(&world, policies).context("judging by the policies")?;
    let mut found = WouldDeny::default();
    for (passage, decision) in replayed(passages(&world, judgement), |passage| policies.decide(passage)) {
        match decision {
            Decision::NotGoverned => found.not_governed += 1,
            Decision::Allowed(_) | Decision::AllowedInTurn(_) | Decision::BeyondPolicies => {
                found.allowed += 1
            }
            Decision::Denied | Decision::Partly => found.denied.push(denied(&passage)),
        }
    }
    found.denied.sort();
    Ok(found)
}

fn denied(passage: &Passage<'_>) -> DeniedFlow {
    let Passage { party, peer, is_egress, port, protocol, standing, connections, .. } = passage;
    DeniedFlow {
        subject: party.to_string(),
        direction: if *is_egress { "egress" } else { "ingress" }.to_owned(),
        peer: peer.to_string(),
        address: peer.address(),
        port: format!("{port}/{protocol}"),
        standing: standing.word().to_owned(),
        connections: *connections,
    }
}
