//! What can be said of flows as soon as they appear: that nothing declares them.
//!
//! It is what the judgement of the whole window says of them, as far as they are known by then, under the same ids. That a row
//! is missing can only be said at the end.

use std::sync::Arc;

use super::{Case, Finding, Readers, credit, finding, join, verdict::FlowVerdict};
use crate::{
    flow::Window,
    matching::{Compiled, Question, Tuple},
    matrix::Exceptions,
};

/// Asks of each flow as it appears.
pub struct Lookout {
    declared: Arc<Compiled>,
    baseline: Arc<Compiled>,
    exceptions: Option<Arc<Exceptions>>,
    readers: Readers,
    /// What is asked for each connection of a flow, by the flow's number.
    questions: Vec<Question>,
}

/// What connections fitted, one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// All of them.
    pub connections: u64,
    /// Those that fitted a declared row.
    pub fitting: u64,
}

impl Lookout {
    /// One for a declaration and a baseline with the same inventory.
    #[must_use]
    pub fn new(
        declared: &Arc<Compiled>,
        baseline: &Arc<Compiled>,
        exceptions: Option<Arc<Exceptions>>,
    ) -> Self {
        Self {
            readers: Readers::new(declared, baseline),
            declared: Arc::clone(declared),
            baseline: Arc::clone(baseline),
            exceptions,
            questions: Vec::new(),
        }
    }

    /// What is found of the flows that have appeared, of at most so many that nothing declares, and how many others there are.
    /// Each flow is asked for once.
    pub fn undeclared(&mut self, appeared: &Window, most: usize) -> (Vec<Finding>, usize) {
        let Self { declared, baseline, exceptions, readers, .. } = self;
        let case = Case {
            declared,
            baseline,
            exceptions: exceptions.as_deref(),
            windows: std::slice::from_ref(appeared),
            strict: false,
        };
        let rows = case.rows();
        let mut observations = join::observations(case.windows, rows.inventory());
        observations.retain(|observation| {
            credit::weigh(&case, readers, observation).verdict == FlowVerdict::Undeclared
        });
        let others = observations.len().saturating_sub(most);
        observations.truncate(most);
        let verdicts = vec![FlowVerdict::Undeclared; observations.len()];
        (finding::of_flows(rows, &mut readers.declared, &observations, &verdicts), others)
    }

    /// Learns the flows that have appeared, for [`Self::ask_each`]: in the order of their numbers, without a gap.
    pub fn learn(&mut self, appeared: &Window) {
        for flow in &appeared.flows {
            let tuple = Tuple::of(appeared, flow);
            let reporter = self.readers.declared.reporter(tuple.cluster, tuple.cgroup);
            self.questions.push(Question::new(reporter, &tuple));
        }
    }

    /// Asks for each connection by the number of its flow, and takes it from there. Those of flows that it has not learnt stay.
    pub fn ask_each(&mut self, connections: &mut Vec<u32>) -> Asked {
        let known = connections.iter().filter_map(|flow| self.questions.get(*flow as usize));
        let questions: Vec<Question> = known.copied().collect();
        connections.retain(|flow| *flow as usize >= self.questions.len());
        let mut asked = Asked { connections: questions.len() as u64, fitting: 0 };
        self.readers.declared.find_each(&questions, |_, found| {
            asked.fitting += u64::from(!found.all().is_empty());
        });
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Protocol,
        flow::{Coverage, Direction, Flow, FlowKey, Outcomes, Workload},
        matching::Rows,
        matrix::{read_inventory, read_matrix},
    };

    fn lookout() -> Lookout {
        const MATRIX: &str = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n\
            \x20 - {id: r, from: [here], to: [database], ports: [443/tcp]}\n";
        const INVENTORY: &str = "apiVersion: flowdrift/v1\nkind: Inventory\nclusters:\n  here: {nodes: {n: 10.0.0.1}}\n\
            endpoints:\n  database: {cidrs: [10.0.0.2/32]}\n";
        let inventory = read_inventory(INVENTORY, "inventory.yaml").expect("an inventory");
        let matrix = read_matrix(MATRIX, "matrix.yaml").expect("a matrix");
        let compiled =
            |rows: &[_]| Arc::new(Compiled::new(Rows::new(rows, &inventory)).expect("few classes"));
        Lookout::new(&compiled(&[matrix]), &compiled(&[]), None)
    }

    /// A window of connections to these ports.
    fn appeared(ports: &[u16]) -> Window {
        let flow = |port: &u16| Flow {
            key: FlowKey {
                workload: Workload::default(),
                direction: Direction::Outbound,
                local: [10, 0, 0, 1].into(),
                remote: [10, 0, 0, 2].into(),
                port: *port,
                protocol: Protocol::Tcp,
                translated: None,
            },
            outcomes: Outcomes { connected: 1, ..Outcomes::default() },
            first_seen: 0,
            last_seen: 0,
            processes: Vec::new(),
            folded: 0,
        };
        let (cluster, node) = ("here".to_owned(), "n".to_owned());
        let flows = ports.iter().map(flow).collect();
        Window { cluster, node, start: 0, end: 0, coverage: Coverage::default(), flows }
    }

    #[test]
    fn connections_of_flows_that_are_learnt_later_are_asked_for_then() {
        let mut lookout = lookout();
        lookout.learn(&appeared(&[443, 444]));
        let mut connections = vec![0, 2, 1, 0, 2];
        let asked = lookout.ask_each(&mut connections);
        assert_eq!((asked, connections.as_slice()), (Asked { connections: 3, fitting: 2 }, &[2, 2][..]));
        lookout.learn(&appeared(&[443]));
        let asked = lookout.ask_each(&mut connections);
        assert_eq!((asked, connections.as_slice()), (Asked { connections: 2, fitting: 2 }, &[][..]));
    }
}
