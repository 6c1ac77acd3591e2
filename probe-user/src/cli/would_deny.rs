//! What policies would have cut of what an audit saw.

use std::path::PathBuf;

use anyhow::Result;

use super::{declared::Declared, policy::Documents};
use crate::{
    judge::Judgement,
    policy::{
        Passage, World,
        language::{Decision, Evaluator},
        passages,
    },
    report::model::{DeniedFlow, WouldDeny},
};

/// Replays what passed through the policies in files and folders.
pub(super) fn would_deny(
    paths: &[PathBuf],
    declared: &Declared,
    judgement: &Judgement<'_>,
) -> Result<WouldDeny> {
    let world = World::new(declared.rows.rows().inventory(), &declared.clusters);
    let policies = Documents { paths, cluster: None }.read(&world)?;
    let mut found = WouldDeny::default();
    for passage in passages(&world, judgement) {
        match policies.decide(&passage) {
            Decision::NotGoverned => found.not_governed += 1,
            Decision::Allowed(_) | Decision::AllowedInTurn(_) | Decision::BeyondPolicies => {
                found.allowed += 1
            }
            Decision::Denied => found.denied.push(denied(&passage)),
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
