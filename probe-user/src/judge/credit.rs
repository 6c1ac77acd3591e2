//! Which cells an observation proves, and which it only shares (invariant 3).

use std::collections::BTreeSet;

use super::{
    Case, Readers,
    evidence::Evidence,
    exempt,
    join::{Observation, ObservedEnd},
    verdict::FlowVerdict,
};
use crate::{
    flow::Direction,
    matching::{Leg, Match, Matcher, Reader},
    matrix::Ports,
};

/// Credits an observation to the cells that it proves, and says what it is.
pub(super) fn give(
    case: &Case<'_>,
    readers: &mut Readers,
    observation: &Observation<'_>,
    evidence: &mut [Evidence],
) -> FlowVerdict {
    let Weighed { shown, hidden, credited, verdict } = weigh(case, readers, observation);
    doubt(&mut readers.declared, observation, &hidden, evidence);
    let cells: BTreeSet<usize> = credited.iter().map(|one| one.cell()).collect();
    let rows: BTreeSet<usize> = cells.iter().map(|cell| case.rows().cells()[*cell].row).collect();
    for one in &credited {
        evidence[one.cell()].note(observation, one.leg(), (&cells, &rows));
    }
    let ceding: Vec<Match> = shown.into_iter().filter(|one| !cells.contains(&one.cell())).collect();
    cede(observation, &ceding, &rows, evidence);
    verdict
}

/// What an observation fits, and what it is.
pub(super) struct Weighed {
    /// What it fits with its source in the open.
    shown: Vec<Match>,
    /// What it fits if its source is the row's.
    hidden: Vec<Match>,
    /// Which of the shown it fits most narrowly, unless it is the baseline's.
    credited: Vec<Match>,
    pub(super) verdict: FlowVerdict,
}

/// Weighs what an observation fits.
pub(super) fn weigh(case: &Case<'_>, readers: &mut Readers, observation: &Observation<'_>) -> Weighed {
    let declared = case.rows();
    let found = matches(&mut readers.declared, observation);
    let (hidden, shown): (Vec<Match>, Vec<Match>) = found.into_iter().partition(|one| one.source_hidden());
    let mut credited = shown.clone();
    declared.credit(&mut credited);
    // A row as wide as the Internet is no reason to take from the baseline what every cluster does by itself.
    let is_wide = |one: &Match| declared.is_wide_destination(one.cell());
    let by_baseline = credited.iter().all(is_wide).then(|| baseline(readers, observation)).flatten();
    let cells = |matches: &[Match]| {
        let cells: BTreeSet<usize> = matches.iter().map(|one| one.cell()).collect();
        cells.into_iter().collect()
    };
    let verdict = match by_baseline {
        Some(row) => {
            credited.clear();
            FlowVerdict::Baseline(row)
        }
        None if !credited.is_empty() => {
            FlowVerdict::Declared { cells: cells(&credited), source_hidden: false }
        }
        None if !hidden.is_empty() => FlowVerdict::Declared { cells: cells(&hidden), source_hidden: true },
        None => undeclared(case, readers, observation),
    };
    Weighed { shown, hidden, credited, verdict }
}

/// What fits these cells, and these rows better.
fn cede(observation: &Observation<'_>, ceding: &[Match], rows: &BTreeSet<usize>, evidence: &mut [Evidence]) {
    ceding.iter().for_each(|one| evidence[one.cell()].cede(observation, rows));
}

/// Notes what may have been a cell's, so that nobody says of it that nothing was.
fn doubt(reader: &mut Reader, observation: &Observation<'_>, hidden: &[Match], evidence: &mut [Evidence]) {
    let tried = observation.client_outcomes();
    for end in &observation.clients {
        for cell in reader.unaddressed(&end.tuple()) {
            evidence[cell].unaddressed += end.flow.outcomes.passed() + end.flow.outcomes.unsuccessful();
        }
    }
    for one in hidden {
        let evidence = &mut evidence[one.cell()];
        match one.leg() {
            Leg::Direct | Leg::ClientToFront if !observation.clients.is_empty() => {
                evidence.unattributed += tried.passed() + tried.unsuccessful();
            }
            _ => evidence.hidden += observation.succeeded(),
        }
    }
    if let (true, Some(end)) = (observation.clients.is_empty(), observation.servers.first()) {
        let is_known = |cell: &usize| hidden.iter().any(|one| one.cell() == *cell);
        for cell in
            reader.unplaced_arrivals(&end.as_its_client_came()).into_iter().filter(|cell| !is_known(cell))
        {
            evidence[cell].unplaced += observation.succeeded();
        }
    }
}

/// The cells that the tuple of either end fits: each end knows of itself what the other cannot. A cell appears
/// once, with its source in the open if one end shows it. Whom translation hides from the listening end, the
/// connecting end knows.
fn matches(reader: &mut Reader, observation: &Observation<'_>) -> Vec<Match> {
    let (mut found, mut of_end) = (Vec::new(), Vec::new());
    for end in observation.ends() {
        reader.matches(&end.tuple(), &mut of_end);
        let mut beyond = Vec::new();
        for tuple in end.beyond() {
            reader.matches(&tuple, &mut beyond);
            // Whoever is known on one side is hidden on neither.
            of_end.extend(beyond.drain(..).filter(|one| !one.source_hidden()));
        }
        let is_answered = end.flow.key.direction == Direction::Inbound && !observation.clients.is_empty();
        of_end.retain(|one| !(is_answered && one.source_hidden() && one.leg() == Leg::Direct));
        found.append(&mut of_end);
    }
    found.sort_by_key(|one: &Match| (one.cell(), one.source_hidden()));
    found.dedup_by_key(|one| one.cell());
    found
}

/// The row of the baseline that covers it. A row that takes any port does not speak for one that a declared row
/// names of an endpoint: a node that talks to the database is no probe of its kubelet.
fn baseline(readers: &mut Readers, observation: &Observation<'_>) -> Option<usize> {
    let Readers { declared, baseline } = readers;
    let found = matches(baseline, observation);
    let cells = baseline.compiled().rows().cells();
    let mut is_named = || {
        let mut tuples = observation.ends().flat_map(ObservedEnd::tuples);
        tuples.any(|tuple| declared.names_port_of_endpoint(&tuple))
    };
    let mut covers =
        |one: &Match| !one.source_hidden() && (cells[one.cell()].port.ports != Ports::Any || !is_named());
    found.iter().find(|one| covers(one)).map(|one| cells[one.cell()].row)
}

fn undeclared(case: &Case<'_>, readers: &mut Readers, observation: &Observation<'_>) -> FlowVerdict {
    if let Some((exception, expired)) = exempt::covering(case, observation) {
        return FlowVerdict::Exempt { exception, expired };
    }
    // A socket that is connected and silent has sent nothing.
    if observation.is_silent() {
        return FlowVerdict::OutOfScope;
    }
    // Whom nobody saw may be anybody whom a row allows.
    if !observation.clients.is_empty() && observation.ends().all(|end| end.flow.key.remote.is_unspecified()) {
        return FlowVerdict::OutOfScope;
    }
    let mut tuples = observation.ends().flat_map(ObservedEnd::tuples);
    if tuples.any(|tuple| readers.declared.in_scope(&tuple)) {
        FlowVerdict::Undeclared
    } else {
        FlowVerdict::OutOfScope
    }
}
