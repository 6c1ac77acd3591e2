//! On what a rule rests, while what passed is gathered: what is seen a million times is noted once.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    generalise::Aliases,
    passage::{Passage, Standing},
    rule::{Evidence, RowRef},
    world::Party,
};
use crate::{
    judge::{Case, Judgement},
    matching::Matcher,
    workload,
};

/// Of one rule.
#[derive(Default)]
pub(super) struct Grounds<'a> {
    standings: BTreeSet<Standing>,
    /// Cells of the declared rows.
    cells: BTreeSet<usize>,
    /// Rows of the baseline, or indices of exceptions.
    excuses: BTreeSet<(Standing, usize)>,
    connections: u64,
    addresses: BTreeSet<IpAddr>,
    ports: BTreeSet<u16>,
    dialled: BTreeSet<(IpAddr, u16)>,
    groups: BTreeSet<&'a str>,
    processes: BTreeSet<&'a str>,
    seen: Option<(i64, i64)>,
    pub(super) aliases: Aliases,
}

impl<'a> Grounds<'a> {
    /// Adds what passed.
    pub(super) fn add(&mut self, judgement: &Judgement<'a>, passage: &Passage<'a>) {
        let observation = &judgement.observations[passage.observation];
        self.standings.insert(passage.standing);
        self.cells.extend(&passage.cells);
        self.excuses.extend(passage.excuse.map(|excuse| (passage.standing, excuse)));
        self.connections = self.connections.saturating_add(passage.connections);
        self.addresses.insert(passage.peer.address());
        self.ports.insert(passage.port);
        self.dialled.extend(passage.dialled);
        let clients = || observation.clients.iter().map(|end| end.flow);
        // A pod's group says no more than the pod.
        let client = if passage.is_egress { &passage.party } else { &passage.peer };
        if !matches!(client, Party::Pod { .. }) {
            self.groups.extend(clients().filter_map(|flow| flow.key.workload.cgroup.as_deref()));
        }
        self.processes
            .extend(clients().flat_map(|flow| &flow.processes).map(|process| process.command.as_str()));
        let (first, last) = observation.seen();
        let seen = self.seen.get_or_insert((first, last));
        *seen = (seen.0.min(first), seen.1.max(last));
    }

    /// As a rule has it.
    pub(super) fn evidence(self, case: &Case<'_>) -> Evidence {
        let rows = case.rows();
        let declared: BTreeSet<usize> = self.cells.iter().map(|cell| rows.cells()[*cell].row).collect();
        let declared = declared.into_iter().map(|row| RowRef::new(rows, row, Standing::Declared));
        let excused =
            |by| self.excuses.iter().filter(move |(standing, _)| *standing == by).map(|(_, excuse)| *excuse);
        let baseline =
            excused(Standing::Baseline).map(|row| RowRef::new(case.baseline.rows(), row, Standing::Baseline));
        let exceptions = excused(Standing::Exempt)
            .filter_map(|index| case.exceptions?.exceptions.get(index))
            .map(|exception| exception.id.clone());
        Evidence {
            rows: declared.chain(baseline).collect(),
            exceptions: exceptions.collect(),
            standings: self.standings,
            connections: self.connections,
            addresses: self.addresses,
            ports: self.ports,
            dialled: self.dialled,
            groups: self.groups.into_iter().map(workload::stable_name).collect(),
            processes: self.processes.into_iter().map(str::to_owned).collect(),
            seen: self.seen,
            aliases: self.aliases,
        }
    }
}
