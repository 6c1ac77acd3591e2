//! A matrix as it is written: the way back from the model, as YAML, JSON values, or Markdown.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Serialize, Serializer};

use super::located::Located;
use super::model::{EndpointName, Expect, Matrix, PortSpec, Row, SourceLine};
use super::wire;

/// The canonical YAML.
///
/// # Errors
///
/// None that a valid matrix gives; what the writer says otherwise.
pub fn yaml(matrix: &Matrix) -> Result<String, serde_saphyr::SerializeError> {
    let Matrix { name, rows, .. } = matrix;
    serde_saphyr::to_string(&Document {
        api_version: wire::ApiVersion::V1,
        kind: wire::MatrixKind::FlowMatrix,
        metadata: wire::Metadata { name: name.clone().into() },
        rows: Rows(rows),
    })
}

/// A [`wire::Matrix`] whose rows are made as they are written: a quarantine may have a million.
#[derive(Serialize)]
struct Document<'m> {
    #[serde(rename = "apiVersion")]
    api_version: wire::ApiVersion,
    kind: wire::MatrixKind,
    metadata: wire::Metadata,
    rows: Rows<'m>,
}

struct Rows<'m>(&'m [Row]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(row_to_wire))
    }
}

fn row_to_wire(row: &Row) -> wire::Row {
    let Row {
        id,
        component,
        components,
        from,
        to,
        ports,
        each_port,
        app,
        expect,
        purpose,
        source,
        review,
        doubts,
        notes,
        line: _,
    } = row;
    let text = |text: &Option<String>| text.clone().map(Located::from);
    wire::Row {
        id: id.clone().into(),
        component: text(component),
        components: list(components),
        from: names(from),
        to: names(to),
        ports: port_list(ports, *each_port).into(),
        app: text(app),
        expect: (*expect != Expect::default()).then(|| expect_to_wire(*expect).into()),
        purpose: text(purpose),
        source: source.as_ref().map(|SourceLine { file, line }| {
            wire::Source { file: file.to_string().into(), line: (*line).into() }.into()
        }),
        review: review.then(|| true.into()),
        doubts: list(doubts),
        notes: text(notes),
    }
}

fn list(texts: &[String]) -> Option<Located<Vec<Located<String>>>> {
    (!texts.is_empty()).then(|| texts.iter().cloned().map(Located::from).collect::<Vec<_>>().into())
}

fn names(names: &[EndpointName]) -> Located<Vec<Located<String>>> {
    names.iter().map(|name| name.as_str().to_owned().into()).collect::<Vec<_>>().into()
}

fn port_list(ports: &[PortSpec], each: bool) -> wire::PortList {
    let ports = ports.iter().map(|port| wire::PortText(port.to_string()).into()).collect();
    if each { wire::PortList::All(wire::AllPorts { all: ports }) } else { wire::PortList::Any(ports) }
}

fn expect_to_wire(expect: Expect) -> wire::Expect {
    match expect {
        Expect::Required => wire::Expect::Required,
        Expect::Optional => wire::Expect::Optional,
        Expect::OnDeploy => wire::Expect::OnDeploy,
        Expect::Periodic(span) => wire::Expect::Periodic(duration(span)),
    }
}

/// `24h`, `1h 30m`.
fn duration(span: Duration) -> String {
    SignedDuration::try_from(span).map_or_else(|_| format!("{}s", span.as_secs()), |span| format!("{span:#}"))
}

/// A row for whoever reads JSON.
#[derive(Debug, Serialize)]
pub struct Shown<'m> {
    id: &'m str,
    component: Option<&'m str>,
    components: &'m [String],
    from: Vec<&'m str>,
    to: Vec<&'m str>,
    ports: Vec<String>,
    each_port: bool,
    app: Option<&'m str>,
    expect: wire::Expect,
    purpose: Option<&'m str>,
    review: bool,
    doubts: &'m [String],
    notes: Option<&'m str>,
    source: ShownSource<'m>,
}

impl Shown<'_> {
    /// What silence means, in words.
    #[must_use]
    pub fn expectation(&self) -> String {
        match &self.expect {
            wire::Expect::Required => "required".to_owned(),
            wire::Expect::Optional => "optional".to_owned(),
            wire::Expect::OnDeploy => "on deploy".to_owned(),
            wire::Expect::Periodic(span) => format!("every {span}"),
        }
    }
}

/// `id: view, run → registry 443/tcp`.
impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, from, to, ports, .. } = self;
        write!(formatter, "{id}: {} → {} {}", from.join(", "), to.join(", "), ports.join(", "))
    }
}

#[derive(Debug, Serialize)]
struct ShownSource<'m> {
    file: &'m str,
    line: u32,
}

impl<'m> Shown<'m> {
    /// The row; where it names no source of its own, its place in `file`.
    #[must_use]
    pub fn of(row: &'m Row, file: &'m str) -> Self {
        let names = |names: &'m [EndpointName]| names.iter().map(EndpointName::as_str).collect();
        let source = row.source.as_ref();
        Self {
            id: &row.id,
            component: row.component.as_deref(),
            components: &row.components,
            from: names(&row.from),
            to: names(&row.to),
            ports: row.ports.iter().map(ToString::to_string).collect(),
            each_port: row.each_port,
            app: row.app.as_deref(),
            expect: expect_to_wire(row.expect),
            purpose: row.purpose.as_deref(),
            review: row.review,
            doubts: &row.doubts,
            notes: row.notes.as_deref(),
            source: ShownSource {
                file: source.map_or(file, |source| &source.file),
                line: source.map_or(row.line, |source| source.line),
            },
        }
    }
}
