//! What else is asked of the rules than which cells a tuple fits.
//!
//! The rules are those of [`Rows`], which asks of every cell; here only of those from a place of the client or to one of the
//! server. No other cell can be the answer.

use std::{iter, sync::Arc};

use super::{
    super::{
        near::{Field, NearMiss},
        reach::Reach,
        rows::Match,
        tuple::Tuple,
    },
    Compiled,
    ends::{End, EndId},
    question::Question,
    reader::Reader,
};
use crate::event::Protocol;

impl Reader {
    /// Clears `found`, and puts every cell that the tuple fits there, in their order.
    pub fn matches(&mut self, tuple: &Tuple<'_>, found: &mut Vec<Match>) {
        found.clear();
        found.extend_from_slice(self.find(tuple).all());
    }

    /// See [`Rows::in_scope`](super::super::Rows::in_scope).
    pub fn in_scope(&mut self, tuple: &Tuple<'_>) -> bool {
        let (compiled, names) = (Arc::clone(self.compiled()), Arc::clone(self.names()));
        let tuple = &tuple.with(&names);
        let is_spoken_of = compiled.rows.is_spoken_of(tuple, lazily(|| self.cells_to(&compiled, tuple)));
        is_spoken_of || !self.find(tuple).all().is_empty()
    }

    /// See [`Rows::unplaced_arrivals`](super::super::Rows::unplaced_arrivals).
    pub fn unplaced_arrivals(&mut self, tuple: &Tuple<'_>) -> Vec<usize> {
        let (compiled, names) = (Arc::clone(self.compiled()), Arc::clone(self.names()));
        let tuple = &tuple.with(&names);
        compiled.rows.unplaced_among(tuple, lazily(|| self.cells_to(&compiled, tuple)))
    }

    /// See [`Rows::unaddressed`](super::super::Rows::unaddressed).
    pub fn unaddressed(&mut self, tuple: &Tuple<'_>) -> Vec<usize> {
        let (compiled, names) = (Arc::clone(self.compiled()), Arc::clone(self.names()));
        let tuple = &tuple.with(&names);
        compiled.rows.unaddressed_among(tuple, lazily(|| self.cells_from(&compiled, tuple)))
    }

    /// See [`Rows::names_port_of_endpoint`](super::super::Rows::names_port_of_endpoint).
    pub fn names_port_of_endpoint(&mut self, tuple: &Tuple<'_>) -> bool {
        let (compiled, names) = (Arc::clone(self.compiled()), Arc::clone(self.names()));
        let tuple = &tuple.with(&names);
        compiled.rows.names_port_among(tuple, lazily(|| self.cells_to(&compiled, tuple)))
    }

    /// See [`Rows::nearest`](super::super::Rows::nearest).
    pub fn nearest(&mut self, tuple: &Tuple<'_>) -> Option<NearMiss> {
        let (compiled, names) = (Arc::clone(self.compiled()), Arc::clone(self.names()));
        let tuple = &tuple.with(&names);
        let (rows, index) = (&compiled.rows, &compiled.index);
        let ends = self.ends_of(&compiled, tuple);
        let [client, server] = ends.map(|end| self.end(end));
        // A cell that differs in one field has both ends, or the port and one of them. There may be thousands of those; they
        // are tried from the nearest on.
        let of_both = index.cells_of(client, server).filter_map(|cell| rows.near(tuple, cell)).min();
        let first = |cells: &[usize], field| {
            cells.iter().filter_map(|cell| rows.near(tuple, *cell)).find(|near| near.differs == field)
        };
        let [from, to] = Asked::of(ends, tuple);
        let Self { nearby: [of_clients, of_servers], ends: known, .. } = self;
        let of_client =
            of_clients.cells(from, || index.taking_from(known.end(from.end), tuple.port, tuple.protocol));
        let of_client = first(of_client, Field::Destination);
        let of_server = of_servers.cells(to, || {
            let mut cells = index.taking_to(known.end(to.end), tuple.port, tuple.protocol);
            cells.sort_by_key(|cell| rows.width(*cell).destination);
            cells
        });
        let of_server = first(of_server, Field::Source);
        let nearest = [of_both, of_client, of_server].into_iter().flatten().min()?;
        Some(rows.near_miss(tuple, nearest))
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
        self.ends_of(compiled, tuple).map(|end| self.end(end))
    }

    /// The client's end and the server's.
    fn ends_of(&mut self, compiled: &Compiled, tuple: &Tuple<'_>) -> [EndId; 2] {
        let reporter = self.reporter(tuple.cluster, tuple.cgroup);
        let question = Question::new(reporter, tuple);
        self.make_room();
        let reach: Reach<'_> = compiled.rows.reach(tuple);
        let [own, peers] = self.ends(reach, question.view(), self.classes(&question));
        if tuple.client().local { [own, peers] } else { [peers, own] }
    }
}

/// Cells that may be near what was asked for last: whoever has one undeclared flow at a port may have thousands.
#[derive(Debug, Default)]
pub(super) struct Nearby {
    asked: Option<Asked>,
    cells: Vec<usize>,
}

/// An end and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    end: EndId,
    port: u16,
    protocol: Protocol,
}

impl Asked {
    fn of(ends: [EndId; 2], tuple: &Tuple<'_>) -> [Self; 2] {
        ends.map(|end| Self { end, port: tuple.port, protocol: tuple.protocol })
    }
}

impl Nearby {
    /// What they occupy, bytes.
    pub(super) fn size(&self) -> usize {
        self.cells.capacity() * size_of::<usize>()
    }

    /// What the numbers of ends spoke of is forgotten.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn cells(&mut self, asked: Asked, find: impl FnOnce() -> Vec<usize>) -> &[usize] {
        if self.asked != Some(asked) {
            (self.asked, self.cells) = (Some(asked), find());
        }
        &self.cells
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
