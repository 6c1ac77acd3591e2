//! Which kind of document it is.

use super::{commatrix, delimited, flattened, pipes, text};

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// flowdrift's own YAML or JSON
    Canonical,
    /// Tables whose cells are parted by `|`: Markdown, or a page that kept the pipes
    Markdown,
    /// A table that was flattened into lines of words
    Text,
    /// HTML
    Html,
    /// CSV, TSV and their relatives
    Csv,
    /// OpenShift's communication matrix as JSON; its CSV is found out
    Commatrix,
    /// Excel workbooks
    Xlsx,
    /// EgressPoint and NetworkPolicy resources
    Kubernetes,
}

/// The kind by what stands in the document.
pub(super) fn detect(document: &str) -> Option<Kind> {
    let begins = document.trim_start();
    match () {
        () if is_page(begins) || (begins.starts_with('<') && !pipes::is(document)) => Some(Kind::Html),
        () if commatrix::is_json(document) => Some(Kind::Commatrix),
        () if begins.starts_with(['{', '[']) || has_kind(document) => Some(declared(document)),
        () if pipes::is(document) => Some(Kind::Markdown),
        () if has_tag(document) => Some(Kind::Html),
        () if delimited::delimiter(document).is_some() => Some(Kind::Csv),
        () if flattened::is(document) => Some(Kind::Text),
        () => None,
    }
}

/// Documents of our own name our version.
fn declared(document: &str) -> Kind {
    let is_ours = document.contains("flowdrift/v1") || document.contains("FlowMatrix");
    if is_ours { Kind::Canonical } else { Kind::Kubernetes }
}

/// Whether an HTML table stands somewhere.
pub(super) fn has_tag(document: &str) -> bool {
    document.contains("<table") || document.contains("<TABLE")
}

/// Whether it is HTML as a whole; Markdown may begin with a tag or a comment.
fn is_page(begins: &str) -> bool {
    let begins = begins.get(..15).unwrap_or(begins).to_ascii_lowercase();
    begins.starts_with("<!doctype html") || begins.starts_with("<html")
}

/// A key of its own at the beginning of a line, as every Kubernetes document has it.
fn has_kind(document: &str) -> bool {
    text::lines(document).any(|(_, line)| line.starts_with("kind:") || line.starts_with("apiVersion:"))
}
