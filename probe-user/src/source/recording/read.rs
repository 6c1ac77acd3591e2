//! Reading recordings: whatever the bytes are, and in no more memory than the flows need.

use std::{io::Read, sync::Arc};

use hashbrown::HashSet;

use super::{
    COVERAGE, END, End, EndOfFacts, FACTS, FLOWS, Fault, HEADER, Header, KEYS, MAGIC, OF_FACTS, OF_FLOWS,
    Recording, RecordingError,
    frame::{Frames, Trouble, decode},
};
use crate::flow::{Coverage, Flow, FlowKey, Outcomes, Window, Workload, read_page, tally, tally::Tally};

/// Reads a recording; `file` names it in errors and reports.
///
/// # Errors
///
/// When it cannot be read, is not a recording, is of another version, damaged or truncated: with the offset.
pub fn read(file: &str, source: impl Read) -> Result<Recording, RecordingError> {
    let mut frames = Frames::of(source);
    let file = file.to_owned();
    match window(&mut frames) {
        Ok(window) => Ok(Recording { file, digest: frames.digest(), window }),
        Err(Trouble::Unreadable(cause)) => Err(RecordingError::Unreadable { file, cause }),
        Err(Trouble::Fault(fault)) => Err(RecordingError::Malformed { file, offset: frames.at(), fault }),
    }
}

fn window<R: Read>(frames: &mut Frames<R>) -> Result<Window, Trouble> {
    let version = version(frames)?;
    let header: Header = frames.expect(HEADER, "the header")?;
    let window = match version {
        OF_FLOWS => of_flows(frames, header)?,
        _ => of_facts(frames, header)?,
    };
    plausible(&window)?;
    Ok(window)
}

fn version<R: Read>(frames: &mut Frames<R>) -> Result<u16, Trouble> {
    let preamble = frames.preamble(MAGIC.len() + size_of::<u16>())?;
    let (magic, version) = preamble.split_at(preamble.len().min(MAGIC.len()));
    if !MAGIC.starts_with(magic) || magic.is_empty() {
        return Err(Fault::Magic.into());
    }
    let version = version.try_into().map_err(|_| Fault::Truncated("no version"))?;
    match u16::from_le_bytes(version) {
        known @ (OF_FLOWS | OF_FACTS) => Ok(known),
        unknown => Err(Fault::Version(unknown).into()),
    }
}

fn of_flows<R: Read>(frames: &mut Frames<R>, header: Header) -> Result<Window, Trouble> {
    let Header { cluster, node, start, .. } = header;
    let coverage: Coverage = frames.expect(COVERAGE, "the coverage")?;
    let (mut flows, mut names): (Vec<Flow>, Names) = (Vec::new(), Names::default());
    loop {
        let (kind, payload) = frames.next("no end frame")?;
        match kind {
            FLOWS => {
                let mut page: Vec<Flow> = decode(payload)?;
                page.iter_mut().for_each(|flow| names.share(&mut flow.key.workload));
                flows.append(&mut page);
            }
            END => {
                let End { end, flows: expected, facts: _ } = decode(payload)?;
                counted("flows", flows.len() as u64, expected)?;
                frames.end()?;
                // A fleet has hundreds of recordings, and they are kept.
                flows.shrink_to_fit();
                return Ok(Window { cluster, node, start, end, coverage, flows });
            }
            found => return Err(Fault::Kind { found, expected: "flows or the end" }.into()),
        }
    }
}

fn of_facts<R: Read>(frames: &mut Frames<R>, header: Header) -> Result<Window, Trouble> {
    let Header { cluster, node, .. } = header;
    let mut tallies: Vec<Tally> = Vec::new();
    let mut count = 0;
    let coverage: Coverage = loop {
        let (kind, payload) = frames.next("no end frame")?;
        match kind {
            FACTS => count += fold(payload, &mut tallies)?,
            COVERAGE => break decode(payload)?,
            found => return Err(Fault::Kind { found, expected: "facts or the coverage" }.into()),
        }
    };
    let (mut keys, mut names): (Vec<FlowKey>, Names) = (Vec::new(), Names::default());
    loop {
        let (kind, payload) = frames.next("no end frame")?;
        match kind {
            KEYS => {
                keys.reserve_exact(tallies.len().saturating_sub(keys.len()));
                let mut page: Vec<FlowKey> = decode(payload)?;
                page.iter_mut().for_each(|key| names.share(&mut key.workload));
                keys.append(&mut page);
            }
            END => {
                let End { end, flows, facts } = decode(payload)?;
                let facts =
                    facts.ok_or_else(|| Fault::Payload("the end frame counts no facts".to_owned()))?;
                let EndOfFacts { start, closed, facts } = facts;
                counted("facts", count, facts)?;
                counted("flows with facts", tallies.len() as u64, flows)?;
                counted("flows", keys.len() as u64, flows)?;
                frames.end()?;
                // As `Anchor::wall_of`, by the clock at the end.
                let nanoseconds = |boot: u64| i64::try_from(boot).unwrap_or(i64::MAX);
                let wall = |boot| end.saturating_add(nanoseconds(boot).saturating_sub(nanoseconds(closed)));
                let flows = tally::flows(keys.into_iter().zip(tallies), wall);
                return Ok(Window { cluster, node, start, end, coverage, flows });
            }
            found => return Err(Fault::Kind { found, expected: "keys of flows or the end" }.into()),
        }
    }
}

/// Names of a node's groups and namespaces, each kept once: a hundred thousand flows have a hundred of them.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn share(&mut self, workload: &mut Workload) {
        for name in [&mut workload.cgroup, &mut workload.netns].into_iter().flatten() {
            if let Some(known) = self.0.get(name) {
                *name = known.clone();
            } else {
                self.0.insert(name.clone());
            }
        }
    }
}

/// Counts a page of facts; how many there are.
fn fold(page: &[u8], tallies: &mut Vec<Tally>) -> Result<u64, Fault> {
    let (mut count, mut unknown) = (0, None);
    let read = read_page(page, |flow, fact| {
        count += 1;
        let next = tallies.len();
        match tallies.get_mut(flow as usize) {
            Some(tally) => tally.count(fact),
            // Numbers count up as flows appear.
            None if flow as usize == next => {
                let mut tally = Tally::default();
                tally.count(fact);
                tallies.push(tally);
            }
            None => unknown = unknown.or(Some((flow, next))),
        }
    });
    read.map_err(|fault| Fault::Payload(fault.to_string()))?;
    match unknown {
        Some((flow, next)) => {
            Err(Fault::Payload(format!("a fact of flow {flow}, where {next} is the next new one")))
        }
        None => Ok(count),
    }
}

fn counted(what: &'static str, found: u64, expected: u64) -> Result<(), Fault> {
    if found == expected { Ok(()) } else { Err(Fault::Count { what, found, expected }) }
}

/// What the checksum cannot tell: numbers that no node could have seen.
fn plausible(window: &Window) -> Result<(), Fault> {
    /// More connections than a node can make in a century.
    const MOST: u64 = 1 << 52;
    if window.start < 0 || window.end < window.start {
        return Err(Fault::Payload("the window ends before it begins, or before 1970".to_owned()));
    }
    let Coverage {
        lost, lost_by_cgroup, recursion_misses, events, folded, callers_lost, beyond_flows, ..
    } = &window.coverage;
    let connections = window.coverage.snapshot.as_ref().map(|snapshot| &snapshot.connections);
    let counts =
        [recursion_misses, events, folded, callers_lost, beyond_flows].into_iter().chain(connections);
    if counts.chain(lost.values()).chain(lost_by_cgroup.values()).any(|count| *count > MOST) {
        return Err(Fault::Payload("the coverage counts more facts than any node can see".to_owned()));
    }
    let mut all = 0_u64;
    for flow in &window.flows {
        let Outcomes { pending, silent, datagrams_sent, datagrams_received, .. } = flow.outcomes;
        let of_udp = [silent, datagrams_sent, datagrams_received];
        let counts = [flow.outcomes.passed(), flow.outcomes.unsuccessful(), pending, flow.folded]
            .into_iter()
            .chain(of_udp);
        let is_possible = |count: u64| {
            all = all.saturating_add(count);
            all <= MOST
        };
        if !counts.into_iter().all(is_possible) {
            return Err(Fault::Payload("its flows count more connections than any node can make".to_owned()));
        }
        if flow.first_seen < 0 || flow.last_seen < flow.first_seen {
            return Err(Fault::Payload("a flow ends before it begins, or before 1970".to_owned()));
        }
    }
    Ok(())
}
