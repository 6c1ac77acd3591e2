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

    /// Asks for each connection by the number of its flow. Those of flows that it has not learnt are left out.
    pub fn ask_each(&mut self, connections: &[u32]) -> Asked {
        let known = connections.iter().filter_map(|flow| self.questions.get(*flow as usize));
        let questions: Vec<Question> = known.copied().collect();
        let mut asked = Asked { connections: questions.len() as u64, fitting: 0 };
        self.readers.declared.find_each(&questions, |_, found| {
            asked.fitting += u64::from(!found.all().is_empty());
        });
        asked
    }
}
