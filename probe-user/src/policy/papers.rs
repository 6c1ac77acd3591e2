//! What goes with a policy for people to decide on, as matrices: flows that await approval, and rows that nobody uses.

use std::collections::BTreeSet;

use super::{
    gather::Policies,
    passage::{Passage, of_observation},
    world::{Party, World},
};
use crate::{
    judge::{Case, Judgement, Verdict},
    matching::draft::{Draft, called},
    matrix::{EndpointName, Matrix, Row},
};

/// Flows that became no rule. Whoever approves one moves its row into the declared matrix.
#[must_use]
pub fn quarantine(
    world: &World<'_>,
    case: &Case<'_>,
    judgement: &Judgement<'_>,
    policies: &Policies<'_>,
) -> Matrix {
    let mut draft = Draft::default();
    for index in policies.quarantine.observations() {
        let observation = &judgement.observations[index];
        // Both ends of a connection are one flow.
        let ends = if observation.clients.is_empty() { &observation.servers } else { &observation.clients };
        let passages = of_observation(world, judgement, index);
        let told = passages.iter().find(|passage| passage.party.subject_ref().is_some());
        let (Some(first), Some(passage)) = (ends.first(), told) else { continue };
        let placement = case.rows().place(&first.tuple());
        let named = [called(&placement.client, world.inventory), called(&placement.server, world.inventory)];
        let Passage { party, peer, is_egress, .. } = passage;
        let parties = if *is_egress { [party, peer] } else { [peer, party] };
        let is_named = [placement.client.endpoint().is_some(), placement.server.endpoint().is_some()];
        let mut names =
            named.into_iter().zip(parties).zip(is_named).map(|((name, party), is_named)| match party {
                Party::Pod { pod, .. } if !is_named => EndpointName::new(&pod.workload.to_string()),
                _ => name,
            });
        if let (Some(from), Some(to)) = (names.next(), names.next()) {
            ends.iter().for_each(|end| draft.add((from.clone(), to.clone()), end.flow));
        }
    }
    draft.list("quarantine")
}

/// Optional rows of which nothing was seen, where that is known, with the coverage behind it.
#[must_use]
pub fn removal_candidates(case: &Case<'_>, judgement: &Judgement<'_>) -> Matrix {
    let unused = judgement.rows.iter().filter_map(|result| {
        let Verdict::Unused(_) = &result.verdict else { return None };
        let claim = |cell: &crate::judge::CellResult| match &cell.verdict {
            Verdict::Unused(claim) => Some(claim.to_string()),
            _ => None,
        };
        let claims: BTreeSet<String> = result.cells.iter().filter_map(claim).collect();
        let row = case.rows().row(result.row);
        let because = format!("never seen: {}", claims.into_iter().collect::<Vec<_>>().join("; "));
        let notes = row.notes.iter().cloned().chain([because]).collect::<Vec<_>>().join("; ");
        Some(Row { notes: Some(notes), review: true, ..row.clone() })
    });
    Matrix {
        name: "removal-candidates".to_owned(),
        file: String::new(),
        digest: String::new(),
        rows: unused.collect(),
    }
}
