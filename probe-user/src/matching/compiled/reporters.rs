//! Who reports, as far as rules can tell: a cluster, and which endpoints a workload belongs to.

use hashbrown::{Equivalent, HashMap};

use super::super::{reach::is_below, rows::Rows};

/// Who reports: a cluster and a workload, as far as rules can tell workloads apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reporter(pub(super) u32);

/// A cluster and a cgroup, to be looked for.
#[derive(Hash)]
struct Names<'a> {
    cluster: &'a str,
    cgroup: Option<&'a str>,
}

impl Equivalent<(String, Option<String>)> for Names<'_> {
    fn equivalent(&self, (cluster, cgroup): &(String, Option<String>)) -> bool {
        self.cluster == cluster && self.cgroup == cgroup.as_deref()
    }
}

/// So many cgroups are remembered with their reporters.
const REMEMBERED: usize = 1 << 15;

/// Reporters by number.
#[derive(Debug)]
pub(super) struct Reporters {
    /// Endpoints that cgroups bind, by their place among all: the prefixes.
    prefixes: Vec<Vec<String>>,
    /// By cluster, and by which of the prefixes hold the cgroup, if it is known.
    known: HashMap<(String, Option<Vec<u32>>), Reporter>,
    /// One cluster and cgroup of each.
    names: Vec<(String, Option<String>)>,
    /// Cgroups that were asked for lately.
    lately: HashMap<(String, Option<String>), Reporter>,
}

impl Reporters {
    pub(super) fn of(rows: &Rows) -> Self {
        let endpoints = rows.inventory().endpoints.values();
        let prefixes = endpoints
            .filter(|endpoint| !endpoint.cgroups.is_empty())
            .map(|endpoint| endpoint.cgroups.clone());
        Self {
            prefixes: prefixes.collect(),
            known: HashMap::new(),
            names: Vec::new(),
            lately: HashMap::new(),
        }
    }

    pub(super) fn names(&self, Reporter(reporter): Reporter) -> (&str, Option<&str>) {
        let (cluster, cgroup) = &self.names[reporter as usize];
        (cluster, cgroup.as_deref())
    }

    pub(super) fn of_names(&mut self, cluster: &str, cgroup: Option<&str>) -> Reporter {
        if let Some(reporter) = self.lately.get(&Names { cluster, cgroup }) {
            return *reporter;
        }
        let asked = (cluster.to_owned(), cgroup.map(str::to_owned));
        let holding = |cgroup: &str| {
            let prefixes = (0..).zip(&self.prefixes);
            prefixes.filter(|(_, prefixes)| is_below(cgroup, prefixes)).map(|(index, _)| index).collect()
        };
        let next = Reporter(self.names.len() as u32);
        let known = self.known.entry((cluster.to_owned(), cgroup.map(holding)));
        let reporter = *known.or_insert_with(|| {
            self.names.push(asked.clone());
            next
        });
        if self.lately.len() >= REMEMBERED {
            self.lately.clear();
        }
        self.lately.insert(asked, reporter);
        reporter
    }
}
