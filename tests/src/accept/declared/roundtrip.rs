//! Line 2: what is written is read back: random matrices as YAML and as Markdown.

use std::time::Duration;

use fastrand::Rng;
use flowdrift::{
    event::Protocol,
    matrix::{
        EndpointName, Expect, Matrix, PortSpec, Ports, Row, SourceLine,
        import::{Options, import},
        markdown, write,
    },
};
use serde_json::json;

use crate::accept::Line;

/// Writes and reads so many matrices.
#[must_use]
pub fn line(matrices: u64) -> Line {
    let wrong: Vec<String> = (0..matrices).filter_map(|seed| difference(seed).err()).take(5).collect();
    wrong.iter().for_each(|wrong| println!("  {wrong}"));
    println!("  {matrices} matrices, {} wrong", wrong.len());
    Line::tried("own forms", wrong.is_empty(), json!({ "matrices": matrices, "wrong": wrong }))
}

/// One matrix there and back.
///
/// # Errors
///
/// What came back otherwise.
pub fn difference(seed: u64) -> Result<(), String> {
    let matrix = matrix(&mut Rng::with_seed(seed));
    let yaml = write::yaml(&matrix).map_err(|error| format!("seed {seed}: {error}"))?;
    for (form, text) in [("YAML", yaml), ("Markdown", markdown(&matrix))] {
        let read = import(text.as_bytes(), "matrix", &Options::default());
        let rows = read.map_err(|faults| format!("seed {seed}: {form}: {faults}\n{text}"))?.rows;
        // A row's line is where it stands now.
        let rows: Vec<Row> = rows.into_iter().map(|row| Row { line: 0, ..row }).collect();
        let same = |(one, other): (&Row, &Row)| one == other && written(one) == written(other);
        if rows.len() != matrix.rows.len() || !rows.iter().zip(&matrix.rows).all(same) {
            return Err(format!("seed {seed}: {form}: {rows:#?}\ninstead of {:#?}\n{text}", matrix.rows));
        }
    }
    Ok(())
}

/// Names compare without case; here they must be the same letters.
fn written(row: &Row) -> Vec<&str> {
    row.from.iter().chain(&row.to).map(EndpointName::as_str).collect()
}

fn matrix(random: &mut Rng) -> Matrix {
    let rows = (0..random.usize(1..6)).map(|index| row(index, random)).collect();
    Matrix { name: text(random), file: "matrix".to_owned(), digest: String::new(), rows }
}

fn row(index: usize, random: &mut Rng) -> Row {
    let doubts = distinct(random, 0..3, text);
    let each_port = random.bool();
    let mut ports = distinct(random, 1..4, port);
    if each_port {
        ports.retain(|port| port.ports != Ports::Varies);
    }
    if ports.is_empty() {
        ports.push(PortSpec { ports: Ports::Any, protocol: Some(Protocol::Tcp) });
    }
    let names = |random: &mut Rng| {
        let mut names: Vec<EndpointName> = Vec::new();
        for name in distinct(random, 1..4, text) {
            let name = EndpointName::new(&name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    Row {
        id: format!("{}{index}", text(random)),
        component: maybe(random, text),
        components: distinct(random, 0..3, text),
        from: names(random),
        to: names(random),
        ports,
        each_port,
        app: maybe(random, text),
        expect: match random.u8(0..4) {
            0 => Expect::Required,
            1 => Expect::OnDeploy,
            2 => Expect::Periodic(Duration::from_secs(random.u64(1..10_000_000))),
            _ => Expect::Optional,
        },
        purpose: maybe(random, text),
        source: maybe(random, |random| SourceLine { file: text(random).into(), line: random.u32(1..) }),
        review: !doubts.is_empty() || random.bool(),
        doubts,
        notes: maybe(random, text),
        line: 0,
    }
}

fn maybe<T>(random: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    random.bool().then(|| make(random))
}

fn distinct<T: PartialEq>(
    random: &mut Rng,
    count: std::ops::Range<usize>,
    make: impl Fn(&mut Rng) -> T,
) -> Vec<T> {
    let mut items = Vec::new();
    for _ in 0..random.usize(count) {
        let item = make(random);
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}

fn port(random: &mut Rng) -> PortSpec {
    let protocol = Some([Protocol::Tcp, Protocol::Udp, Protocol::Sctp][random.usize(0..3)]);
    match random.u8(0..6) {
        0 => PortSpec { ports: Ports::Varies, protocol: None },
        1 => PortSpec { ports: Ports::None, protocol: Some(Protocol::Icmp) },
        2 => PortSpec { ports: Ports::Any, protocol },
        _ => {
            let first = random.u16(1..);
            PortSpec { ports: Ports::Range { first, last: random.u16(first..) }, protocol }
        }
    }
}

/// Text that is not blank, with what YAML and Markdown make something of.
fn text(random: &mut Rng) -> String {
    const PIECES: [&str; 44] = [
        "run",
        "View",
        "a",
        "0",
        "443",
        "|",
        "\\",
        "*",
        "**",
        "_",
        "`",
        "``",
        "[x](y)",
        "![",
        "<br>",
        "<b>",
        "</",
        "&",
        "&amp;",
        "&#10;",
        "#",
        "- ",
        "1. ",
        ": ",
        "? ",
        "! ",
        "~",
        "null",
        "true",
        "\"",
        "'",
        "\n",
        "  ",
        "\t",
        "é",
        "†",
        "שלום",
        "\u{202E}",
        "\u{A0}",
        "😀",
        "%",
        "{",
        "]",
        "http://a.example",
    ];
    loop {
        let text: String = (0..random.usize(1..6)).map(|_| PIECES[random.usize(0..PIECES.len())]).collect();
        let text = text.trim();
        if !text.is_empty() {
            return text.to_owned();
        }
    }
}
