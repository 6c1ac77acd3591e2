//! Writing recordings.

use std::io::{self, Write};

use bytes::Bytes;

use super::{
    BATCH, COVERAGE, END, End, EndOfFacts, FACTS, FLOWS, HEADER, Header, KEYS, MAGIC, OF_FACTS, OF_FLOWS,
    frame,
};
use crate::flow::{FlowKey, Window};

/// Writes a window's flows.
///
/// # Errors
///
/// What the sink returns.
pub fn write(window: &Window, mut sink: impl Write) -> io::Result<()> {
    let Window { cluster, node, start, end, coverage, flows } = window;
    begin(&mut sink, OF_FLOWS, (cluster, node), *start)?;
    frame::write(&mut sink, COVERAGE, coverage)?;
    for batch in flows.chunks(BATCH) {
        frame::write(&mut sink, FLOWS, batch)?;
    }
    frame::write(&mut sink, END, &End { end: *end, flows: flows.len() as u64, facts: None })?;
    sink.flush()
}

fn begin(sink: &mut impl Write, version: u16, (cluster, node): (&str, &str), start: i64) -> io::Result<()> {
    sink.write_all(&MAGIC)?;
    sink.write_all(&version.to_le_bytes())?;
    let written_by = env!("CARGO_PKG_VERSION").to_owned();
    frame::write(
        sink,
        HEADER,
        &Header { cluster: cluster.to_owned(), node: node.to_owned(), written_by, start },
    )
}

/// What a window leaves of the facts that were kept one by one.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Pages that were not taken before.
    pub pages: Vec<Bytes>,
    /// The keys of the flows, by their numbers.
    pub keys: Vec<FlowKey>,
    /// How many facts there were, those taken before among them.
    pub count: u64,
    /// The window's end on `CLOCK_BOOTTIME`, nanoseconds.
    pub closed: u64,
}

/// Writes every connection, as they come.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
}

impl<W: Write> Writer<W> {
    /// Begins a recording of a node of a cluster; `start` as far as it is known, nanoseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// What the sink returns.
    pub fn begin(mut sink: W, cluster: &str, node: &str, start: i64) -> io::Result<Self> {
        begin(&mut sink, OF_FACTS, (cluster, node), start)?;
        Ok(Self { sink })
    }

    /// Writes pages of a [`crate::flow::Ledger`].
    ///
    /// # Errors
    ///
    /// What the sink returns.
    pub fn keep(&mut self, pages: &[Bytes]) -> io::Result<()> {
        pages.iter().try_for_each(|page| frame::write_bytes(&mut self.sink, FACTS, page))
    }

    /// Ends the recording of a window; what it says of flows is what the facts give.
    ///
    /// # Errors
    ///
    /// What the sink returns.
    pub fn end(mut self, window: &Window, facts: &Facts) -> io::Result<W> {
        self.keep(&facts.pages)?;
        let Self { mut sink } = self;
        frame::write(&mut sink, COVERAGE, &window.coverage)?;
        for batch in facts.keys.chunks(BATCH) {
            frame::write(&mut sink, KEYS, batch)?;
        }
        let of_facts = EndOfFacts { start: window.start, closed: facts.closed, facts: facts.count };
        let flows = facts.keys.len() as u64;
        frame::write(&mut sink, END, &End { end: window.end, flows, facts: Some(of_facts) })?;
        sink.flush()?;
        Ok(sink)
    }
}
