//! From what was written to what it means: every check that the form alone does not make.

use std::collections::{HashMap, hash_map::Entry};
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

use super::check::{Check, distinct, list, one, optional, required};
use super::faults::Fault;
use super::located::Located;
use super::model::{EndpointName, Expect, PortSpec, Ports, Row, SourceLine};
use super::pool::Pool;
use super::wire;

/// The name of a matrix. Where faults were noted nothing of it is to be used.
pub(super) fn name(written: wire::Matrix, faults: &mut Vec<Fault>) -> String {
    let wire::Matrix { api_version: _, kind: _, metadata, rows: _ } = written;
    metadata.value.map(|wire::Metadata { name }| required(&name, faults)).unwrap_or_default()
}

/// The rows of a matrix, one after the other: a large one does not fit into memory several times.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// Line of each id.
    ids: HashMap<String, u32>,
    pool: Pool,
}

impl Rows {
    /// Adds a row that stands on a line.
    pub(super) fn add(&mut self, line: u32, written: wire::Row, faults: &mut Vec<Fault>) {
        if let Some(text) = &written.id.value {
            match self.ids.entry(text.clone()) {
                Entry::Occupied(first) => {
                    let first = first.get();
                    let message = format!("id `{text}` is also the id of the row on line {first}");
                    faults.push(written.id.fault(message));
                }
                Entry::Vacant(place) => {
                    place.insert(written.id.line);
                }
            }
        }
        self.rows.push(convert_row(line, written, &mut self.pool, faults));
    }
}

fn convert_row(line: u32, written: wire::Row, pool: &mut Pool, faults: &mut Vec<Fault>) -> Row {
    let wire::Row {
        id,
        component,
        components,
        from,
        to,
        ports,
        app,
        expect,
        purpose,
        source,
        review,
        doubts,
        notes,
    } = written;
    let doubts = texts(doubts, faults);
    let (ports, each_port) = convert_ports(ports, faults);
    Row {
        id: required(&id, faults),
        component: optional(component, faults),
        components: texts(components, faults),
        from: names(&from, pool, faults),
        to: names(&to, pool, faults),
        ports,
        each_port,
        app: optional(app, faults),
        expect: expect.map(|expect| convert_expect(&expect, faults)).unwrap_or_default(),
        purpose: optional(purpose, faults),
        source: source.and_then(|source| source.value).map(|source| convert_source(source, pool, faults)),
        review: review.and_then(|review| review.value).unwrap_or_default() || !doubts.is_empty(),
        doubts,
        notes: optional(notes, faults),
        line,
    }
}

/// Texts that must not be blank.
fn texts(written: Option<Located<Vec<Located<String>>>>, faults: &mut Vec<Fault>) -> Vec<String> {
    let items = written.and_then(|written| written.value).unwrap_or_default();
    distinct(&items, faults, |text| match text.trim() {
        "" => Err("found empty text, expected some".to_owned()),
        text => Ok(text.to_owned()),
    })
}

fn names(
    written: &Located<Vec<Located<String>>>,
    pool: &mut Pool,
    faults: &mut Vec<Fault>,
) -> Vec<EndpointName> {
    list(written, "an endpoint name", faults, |name| match name.trim() {
        "" => Err("found an empty name, expected an endpoint name".to_owned()),
        name => Ok(pool.name(name)),
    })
}

fn convert_ports(written: Located<wire::PortList>, faults: &mut Vec<Fault>) -> (Vec<PortSpec>, bool) {
    let Located { line, path, value } = written;
    let (value, each) = match value {
        None => return (Vec::new(), false),
        Some(wire::PortList::Any(ports)) => (Some(ports), false),
        Some(wire::PortList::All(wire::AllPorts { all })) => (Some(all), true),
    };
    let path = if each { format!("{path}.all") } else { path };
    let ports = list(&Located { line, path, value }, "a port", faults, |text| {
        let spec: PortSpec = text.0.parse()?;
        match spec.ports {
            Ports::Varies if each => Err("`varies` names no port that must be seen".to_owned()),
            _ => Ok(spec),
        }
    });
    (ports, each)
}

fn convert_expect(written: &Located<wire::Expect>, faults: &mut Vec<Fault>) -> Expect {
    match &written.value {
        None | Some(wire::Expect::Optional) => Expect::Optional,
        Some(wire::Expect::Required) => Expect::Required,
        Some(wire::Expect::OnDeploy) => Expect::OnDeploy,
        Some(wire::Expect::Periodic(text)) => duration_of(text).map(Expect::Periodic).unwrap_or_else(|| {
            faults.push(written.fault(format!("found `{text}`, expected a positive duration such as `24h`")));
            Expect::Optional
        }),
    }
}

/// `90m`, `24h`, `7d` (a day is 24 hours) or their combination.
pub(super) fn duration_of(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero())
}

fn convert_source(written: wire::Source, pool: &mut Pool, faults: &mut Vec<Fault>) -> SourceLine {
    let wire::Source { file, line } = written;
    let line = one(&line, faults, |line| match line {
        0 => Err("found line 0, expected a line from 1".to_owned()),
        line => Ok(*line),
    });
    SourceLine { file: pool.file(&required(&file, faults)), line: line.unwrap_or_default() }
}
