//! Large documents of every kind: a table of 100,000 rows, and 10 MB.

use std::fmt::Write;

use anyhow::Result;

use super::workbook;

const ROWS: usize = 100_000;
const BYTES: usize = 10 << 20;

/// A kind's name, its header, and how it writes a row with its purpose.
type Kind = (&'static str, &'static str, fn(&mut String, usize, &str));

/// Their names and bytes.
pub(super) fn all() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let kinds: [Kind; 6] = [
        (
            "markdown",
            "| Source | Destination | Port | Protocol | Purpose |\n|---|---|---|---|---|\n",
            |out, row, why| {
                let _ = writeln!(
                    out,
                    "| node_{} | service {} (part) | {} | TCP | {why} |",
                    row % 1_000,
                    row % 777,
                    row % 65_535 + 1
                );
            },
        ),
        ("csv", "Source,Destination,Port,Protocol,Purpose\n", |out, row, why| {
            let _ = writeln!(
                out,
                "node-{},\"service {}\",{},tcp,{why}",
                row % 1_000,
                row % 777,
                row % 65_535 + 1
            );
        }),
        (
            "html",
            "<table><tr><th>Source<th>Destination<th>Port<th>Protocol<th>Purpose</tr>\n",
            |out, row, why| {
                let _ = writeln!(
                    out,
                    "<tr><td>node-{}</td><td>service {}</td><td>{}</td><td>TCP</td><td>{why}</td></tr>",
                    row % 1_000,
                    row % 777,
                    row % 65_535 + 1
                );
            },
        ),
        ("text", "Component Source Destination Port Protocol Description\n", |out, row, why| {
            let _ = writeln!(out, "Part {} North,South East {} tcp Words {why}", row % 777, row % 65_535 + 1);
        }),
        ("egress points", "", |out, row, why| {
            let _ = writeln!(
                out,
                "---\nkind: EgressPoint\nmetadata: {{name: p{row}}}\nspec:\n  sourceRef: {{apiGroup: apps, kind: Deployment, name: d{row}}}\n  \
                 targets: [{{hosts: [h{row}.example.com], port: {{number: {}, protocol: HTTPS}}}}] # {why}",
                row % 65_535 + 1
            );
        }),
        (
            "canonical",
            "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n",
            |out, row, why| {
                let _ = writeln!(
                    out,
                    "- {{id: r{row}, from: [n{}], to: [s{}], ports: [{}/tcp], purpose: '{why}'}}",
                    row % 1_000,
                    row % 777,
                    row % 65_535 + 1
                );
            },
        ),
    ];
    let long = "words that tell why it is there ".repeat(64);
    let mut all = vec![("workbook", workbook::of_rows(ROWS)?)];
    for (name, header, write) in kinds {
        let mut rows = header.to_owned();
        (0..ROWS).for_each(|row| write(&mut rows, row, "why"));
        all.push((name, rows.into_bytes()));
        let mut large = header.to_owned();
        let mut row = 0;
        while large.len() < BYTES {
            write(&mut large, row, &long);
            row += 1;
        }
        all.push((name, large.into_bytes()));
    }
    Ok(all)
}
