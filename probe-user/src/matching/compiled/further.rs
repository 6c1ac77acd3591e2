//! What else is asked of the rules than which cells a tuple fits.
//!
//! The rules are those of [`Rows`], which asks of every cell; here only of those from a place of the client or to one of the
//! server. No other cell can be the answer.

use std::{iter, sync::Arc};

use super::{
    super::{near::NearMiss, reach::Reach, rows::Match, tuple::Tuple},
    Compiled,
    ends::End,
    question::Question,
    reader::Reader,
};

impl Reader {
    /// Clears `found`, and puts every cell that the tuple fits there, in their order.
    pub fn matches(&mut self, tuple: &Tuple<'_>, found: &mut Vec<Match>) {
        found.clear();
        found.extend_from_slice(self.find(tuple).all());
    }

    /// See [`Rows::in_scope`](super::super::Rows::in_scope).
    pub fn in_scope(&mut self, tuple: &Tuple<'_>) -> bool {
        let compiled = Arc::clone(self.compiled());
        let is_spoken_of = compiled.rows.is_spoken_of(tuple, lazily(|| self.cells_to(&compiled, tuple)));
        is_spoken_of || !self.find(tuple).all().is_empty()
    }

    /// See [`Rows::unplaced_arrivals`](super::super::Rows::unplaced_arrivals).
    pub fn unplaced_arrivals(&mut self, tuple: &Tuple<'_>) -> Vec<usize> {
        let compiled = Arc::clone(self.compiled());
        compiled.rows.unplaced_among(tuple, lazily(|| self.cells_to(&compiled, tuple)))
    }

    /// See [`Rows::unaddressed`](super::super::Rows::unaddressed).
    pub fn unaddressed(&mut self, tuple: &Tuple<'_>) -> Vec<usize> {
        let compiled = Arc::clone(self.compiled());
        compiled.rows.unaddressed_among(tuple, lazily(|| self.cells_from(&compiled, tuple)))
    }

    /// See [`Rows::names_port_of_endpoint`](super::super::Rows::names_port_of_endpoint).
    pub fn names_port_of_endpoint(&mut self, tuple: &Tuple<'_>) -> bool {
        let compiled = Arc::clone(self.compiled());
        compiled.rows.names_port_among(tuple, lazily(|| self.cells_to(&compiled, tuple)))
    }

    /// See [`Rows::nearest`](super::super::Rows::nearest).
    pub fn nearest(&mut self, tuple: &Tuple<'_>) -> Option<NearMiss> {
        let compiled = Arc::clone(self.compiled());
        // A cell that differs in one field has one end, or both.
        let mut cells = self.cells_from(&compiled, tuple);
        cells.append(&mut self.cells_to(&compiled, tuple));
        cells.sort_unstable();
        cells.dedup();
        compiled.rows.nearest_among(tuple, cells.into_iter())
    }

    fn cells_from(&mut self, compiled: &Compiled, tuple: &Tuple<'_>) -> Vec<usize> {
        let [client, _] = self.client_and_server(compiled, tuple);
        sorted(compiled.index.cells_from(client))
    }

    fn cells_to(&mut self, compiled: &Compiled, tuple: &Tuple<'_>) -> Vec<usize> {
        let [_, server] = self.client_and_server(compiled, tuple);
        sorted(compiled.index.cells_to(server))
    }

    fn client_and_server(&mut self, compiled: &Compiled, tuple: &Tuple<'_>) -> [&End; 2] {
        let reporter = self.reporter(tuple.cluster, tuple.cgroup);
        let question = Question::new(reporter, tuple);
        self.make_room();
        let reach: Reach<'_> = compiled.rows.reach(tuple);
        let ends = self.ends(reach, question.view(), self.classes(&question));
        let [own, peers] = ends.map(|end| self.end(end));
        if tuple.client().local { [own, peers] } else { [peers, own] }
    }
}

fn sorted(cells: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut cells: Vec<usize> = cells.collect();
    cells.sort_unstable();
    cells
}

/// Most questions are answered before any candidate is looked at.
fn lazily(find: impl FnOnce() -> Vec<usize>) -> impl Iterator<Item = usize> {
    iter::once_with(find).flatten()
}
