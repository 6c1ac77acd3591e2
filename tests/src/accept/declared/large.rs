//! Large documents of every kind: a table of 100,000 rows, and 10 MB.

use anyhow::Result;

use super::workbook;

const ROWS: usize = 100_000;
const BYTES: usize = 10 << 20;

/// A kind's name, what stands before and behind its rows, and how it writes a row of a number with its purpose.
type Kind = (&'static str, [&'static str; 2], fn(usize, &str) -> String);

/// Who connects to whom in a row, and to which port: few names and all ports, as in a large site's table.
pub(super) fn flow(row: usize) -> [usize; 3] {
    [row % 1_000, row % 777, row % 65_535 + 1]
}

const KINDS: [Kind; 9] = [
    (
        "markdown",
        ["| Source | Destination | Port | Protocol | Purpose |\n|---|---|---|---|---|\n", ""],
        |row, why| {
            let [from, to, port] = flow(row);
            format!("| node_{from} | service {to} (part) | {port} | TCP | {why} |\n")
        },
    ),
    ("csv", ["Source,Destination,Port,Protocol,Purpose\n", ""], |row, why| {
        let [from, to, port] = flow(row);
        format!("node-{from},\"service {to}\",{port},tcp,{why}\n")
    }),
    ("csv of strangers", ["Source,Destination,Port,Protocol,Purpose\n", ""], |row, why| {
        format!("client-{row},\"service {row}, backup {row}\",{},tcp,{why}\n", flow(row)[2])
    }),
    (
        "html",
        ["<table><tr><th>Source<th>Destination<th>Port<th>Protocol<th>Purpose</tr>\n", "</table>\n"],
        |row, why| {
            let [from, to, port] = flow(row);
            format!(
                "<tr><td>node-{from}</td><td>service {to}</td><td>{port}</td><td>TCP</td><td>{why}</td></tr>\n"
            )
        },
    ),
    ("text", ["Component Source Destination Port Protocol Description\n", ""], |row, why| {
        let [_, part, port] = flow(row);
        format!("Part {part} North,South East {port} tcp Words {why}\n")
    }),
    ("egress points", ["", ""], |row, why| {
        let [.., port] = flow(row);
        format!(
            "---\nkind: EgressPoint\nmetadata: {{name: p{row}}}\nspec:\n  \
             sourceRef: {{apiGroup: apps, kind: Deployment, name: d{row}}}\n  \
             targets: [{{hosts: [h{row}.example.com], port: {{number: {port}, protocol: HTTPS}}}}] # {why}\n"
        )
    }),
    ("network policies", ["", ""], |row, why| {
        let [from, to, port] = flow(row);
        format!(
            "---\nkind: NetworkPolicy\nmetadata: {{name: p{row}}}\nspec:\n  \
             podSelector: {{matchLabels: {{app: s{to}}}}}\n  \
             ingress: [{{from: [{{podSelector: {{matchLabels: {{app: n{from}}}}}}}], ports: [{{port: {port}}}]}}] # {why}\n"
        )
    }),
    ("commatrix", ["[", "]\n"], |row, why| {
        let [from, to, port] = flow(row);
        // The reader takes YAML's liberty of a comma before the end.
        format!(
            "{{\"direction\":\"Ingress\",\"protocol\":\"TCP\",\"port\":{port},\"namespace\":\"n{from}\",\"service\":\"s{to}\",\
             \"pod\":\"{why}\",\"container\":\"c\",\"nodeRole\":\"master\",\"optional\":false}},\n"
        )
    }),
    (
        "canonical",
        ["apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: m}\nrows:\n", ""],
        |row, why| {
            let [from, to, port] = flow(row);
            format!("- {{id: r{row}, from: [n{from}], to: [s{to}], ports: [{port}/tcp], purpose: '{why}'}}\n")
        },
    ),
];

/// Their names and bytes.
pub(super) fn all() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let long = "words that tell why it is there ".repeat(64);
    let mut all = vec![("workbook", workbook::of_rows(ROWS)?)];
    for (name, [header, footer], written) in KINDS {
        let mut rows = header.to_owned();
        rows.extend((0..ROWS).map(|row| written(row, "why")));
        rows += footer;
        all.push((name, rows.into_bytes()));
        let mut large = header.to_owned();
        for row in 0.. {
            if large.len() >= BYTES {
                break;
            }
            large += &written(row, &long);
        }
        large += footer;
        all.push((name, large.into_bytes()));
    }
    all.extend(greedy());
    Ok(all)
}

/// Documents that ask for far more than they are.
fn greedy() -> [(&'static str, Vec<u8>); 7] {
    let html = "<table><tr><th>Source<th>Destination<th>Port</tr>";
    let csv = "Source,Destination,Port\n";
    let list = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();
    let names = list(4_000).join(",") + "," + &"w ".repeat(6_000);
    let table = "\n| Source | Destination | Port |\n|---|---|---|\n| a | b | 1 |\n\n";
    let known: String = list(1_000).iter().map(|name| format!("{name},b,1\n")).collect();
    let reaching = "x".repeat(100_000);
    let below = "<tr><td>b<td>1</tr>".repeat(20_000);
    [
        ("cell over all rows", format!("{html}<tr><td rowspan=0>{reaching}<td>b<td>1</tr>{below}</table>")),
        ("heading over many tables", format!("# {}\n{}", "word ".repeat(20_000), table.repeat(20_000))),
        (
            "heading of fillers",
            format!("# inbound web {}\n\n| Source | Port |\n|---|---|\n| a | 1 |\n", "the ".repeat(200_000)),
        ),
        ("names and an ending", format!("{csv}{known}\"{names}\",b,1\n")),
        ("cell of names", format!("{csv}\"{}\",b,1\n", list(60_000).join(","))),
        ("cell of signs", format!("{csv}a,b,1\na,b,\"{}\"\n", "§1".repeat(200_000))),
        ("cell of brackets", format!("{csv}a,b,1\na,b,\"{}1\"\n", "tcp(".repeat(100_000))),
    ]
    .map(|(name, text)| (name, text.into_bytes()))
}
