//! A window's recording: its flows at the end, or every connection as it comes.

use std::{
    io::{BufWriter, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use bytes::Bytes;

use super::output::Output;
use crate::{
    observe::{Closed, Settings},
    source::recording::{self, Writer},
};

/// Where every connection is written to.
type Pages = Writer<BufWriter<Box<dyn Write>>>;

/// A recording that is being made.
pub(super) struct Recorder {
    output: Output,
    /// If every connection is kept: as long as they could be written.
    pages: Option<Result<Pages>>,
}

impl Recorder {
    /// Begins one.
    pub(super) fn begin(mut output: Output, settings: &Settings) -> Self {
        let pages = settings.every_connection.then(|| pages(&mut output, settings));
        Self { output, pages }
    }

    /// Keeps pages of facts. Once that fails no more are kept, and [`Self::end`] tells why: the window goes on.
    pub(super) fn keep(&mut self, pages: &[Bytes]) {
        if let Some(kept) = &mut self.pages
            && let Ok(writer) = kept
            && let Err(error) = writer.keep(pages)
        {
            let error = Err(error).with_context(|| format!("writing {}", self.output));
            if let Err(error) = &error {
                eprintln!("flowdrift: warning: no connection is kept by itself any more: {error:#}");
            }
            *kept = error;
        }
    }

    /// The window is whole.
    pub(super) fn end(self, closed: &Closed) -> Result<()> {
        let Self { output, pages } = self;
        let (Some(pages), Some(facts)) = (pages, &closed.facts) else {
            return output.write(|sink| recording::write(&closed.window, sink));
        };
        let name = output.to_string();
        let written = pages?.end(&closed.window, facts).and_then(|_| output.end());
        written.with_context(|| format!("writing {name}"))
    }
}

fn pages(output: &mut Output, Settings { cluster, node, .. }: &Settings) -> Result<Pages> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    let begun = output.begin().and_then(|sink| Writer::begin(sink, cluster, node, start));
    begun.with_context(|| format!("writing {output}"))
}
