//! Documents that mean harm, or come from strange programs: each gets its rows or a clear error.

use std::{
    fs::{self, File},
    io::{Cursor, Write},
    path::PathBuf,
    process::{Command, Output},
};

use flowdrift::matrix::import::{Import, Options, import};
use flowdrift_tests::{documents, folder::Folder, live::binary};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

const TABLE: &str = "Source,Destination,Port,Protocol\nrun,view,443,https\n";

fn read(bytes: &[u8]) -> Result<Import, String> {
    import(bytes, "document", &Options::default()).map_err(|faults| faults.to_string())
}

fn rows(bytes: &[u8]) -> Vec<(u32, String)> {
    let import = read(bytes).expect("it declares flows");
    let rows = import.rows.iter();
    rows.map(|row| (row.line, format!("{} {} {}", row.from[0], row.to[0], row.ports[0]))).collect()
}

fn fault(bytes: &[u8]) -> String {
    read(bytes).expect_err("it declares nothing that can be read")
}

/// `flowdrift matrix import` on a file of the test.
fn run(name: &str, fill: impl FnOnce(File)) -> Output {
    let folder = Folder::new("hostile");
    let path = folder.at(name);
    fill(File::create(&path).expect("the folder is writable"));
    Command::new(binary()).args(["matrix", "import"]).arg(&path).output().expect("the binary runs")
}

#[test]
fn a_yaml_bomb_does_not_grow() {
    let mut bomb =
        "apiVersion: flowdrift/v1\nkind: FlowMatrix\na: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ('b'..='z').zip('a'..='y') {
        bomb += &format!("{name}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]\n");
    }
    let said = fault(bomb.as_bytes());
    assert!(said.contains("rows"), "{said}");
    let kubernetes = bomb.replace("flowdrift/v1", "v1").replace("FlowMatrix", "ConfigMap");
    assert!(fault(kubernetes.as_bytes()).contains("declares no flows"));
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_unpacked() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let workbook = fs::read(root.join("documents/workbook/input.xlsx")).expect("the fixture is there");
    let mut archive = ZipArchive::new(Cursor::new(&workbook)).expect("it is a workbook");
    let mut bomb = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let entry = archive.by_index(index).expect("it is there");
        let is_strings = entry.name().is_ok_and(|name| name.ends_with("sharedStrings.xml"));
        if is_strings {
            let name = entry.name().expect("it has one").into_owned();
            drop(entry);
            bomb.start_file(name, SimpleFileOptions::default()).expect("a new entry");
            bomb.write_all(b"<sst xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">")
                .expect("memory");
            let filling = b"<si><t>boom</t></si>".repeat(1 << 16);
            (0..128).for_each(|_| bomb.write_all(&filling).expect("memory"));
            bomb.write_all(b"</sst>").expect("memory");
        } else {
            bomb.raw_copy_file(entry).expect("a copy");
        }
    }
    let bomb = bomb.finish().expect("an archive").into_inner();
    assert!(bomb.len() < 1 << 20, "it is small: {}", bomb.len());
    assert!(fault(&bomb).contains("unpacks to far more"));
    assert!(fault(b"PK\x03\x04 and nothing else").contains("is no workbook"));
}

#[test]
fn scripts_in_html_are_not_read() {
    let page = "<script>var t = '<table><tr><th>Source<th>Destination<th>Port</tr><tr><td>a<td>b<td>1</table>'</script>\
                <table><tr><th>Source<th>Destination<th>Port<th>Protocol</tr>\n\
                <tr><td onclick='x()'>run<script>alert(1)</script><td>view<td>443<td>tcp</table>";
    assert_eq!(rows(page.as_bytes()), [(2, "run view 443/tcp".to_owned())]);
}

#[test]
fn a_huge_file_is_refused_unread() {
    let output = run("sparse.csv", |file| file.set_len(1 << 30).expect("a sparse file"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is larger than 64 MiB"), "{said}");
}

#[test]
fn encodings_and_line_ends_are_read() {
    let little: Vec<u8> = TABLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let expected = [(2, "run view 443/tcp".to_owned())];
    for bytes in [
        [&[0xFF, 0xFE][..], &little].concat(),
        little,
        format!("\u{FEFF}{TABLE}").into_bytes(),
        TABLE.replace('\n', "\r\n").into_bytes(),
        TABLE.replace('\n', "\r").into_bytes(),
    ] {
        assert_eq!(rows(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
    }
    assert!(
        fault(b"Source,Destination,Port\nr\xE9seau,view,443\n").contains("document:2: found the byte 0xe9")
    );
}

#[test]
fn right_to_left_text_names_what_it_names() {
    let table = "Source,Destination,Port,Protocol\n\u{202B}שרת\u{202C},\u{200F}view\u{200F},443,tcp\n";
    let import = read(table.as_bytes()).expect("a table");
    assert_eq!((import.rows[0].from[0].as_str(), import.rows[0].to[0].as_str()), ("שרת", "view"));
}

#[test]
fn nothing_at_all_is_told() {
    for bytes in [&b""[..], b"\n\n", b"words that declare nothing", b"{}", b"[]", b"<html></html>"] {
        let said = fault(bytes);
        assert!(said.contains("declares no flows") || said.contains("expected"), "{said}");
    }
    let output = run("empty.csv", drop);
    assert_eq!(output.status.code(), Some(2));
}

/// Whoever reads the document with `audit` has the rows that `matrix import` shows, or is told what cannot be read.
#[test]
fn audit_reads_every_document_itself() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let recording = root.join("policies/lab-recordings/view-1.fdr");
    let folder = Folder::new("audited");
    for document in documents::all(&root).expect("the fixtures are there") {
        let import = import(&document.bytes, &document.file, &Options::default()).expect("it declares flows");
        let mut names: Vec<&str> = import
            .rows
            .iter()
            .flat_map(|row| row.from.iter().chain(&row.to))
            .map(|name| name.key())
            .collect();
        names.sort_unstable();
        names.dedup();
        let endpoint = |(number, name): (usize, &&str)| {
            format!("  {name:?}: {{cidrs: [203.0.113.{number}/32], acknowledged: elsewhere}}\n")
        };
        let named = names
            .iter()
            .filter(|name| !["any", "view"].contains(name))
            .enumerate()
            .map(endpoint)
            .collect::<String>();
        let text = format!(
            "apiVersion: flowdrift/v1\nkind: Inventory\nclusters: {{view: {{role: lab-view, nodes: {{view-1: 10.10.0.11}}}}}}\nendpoints:\n{named}"
        );
        folder.write("inventory.yaml", text);
        let output = Command::new(binary())
            .args(["audit", "--format", "json", "--matrix"])
            .arg(document.folder.join(&document.file))
            .arg("--inventory")
            .arg(folder.at("inventory.yaml"))
            .arg("--from")
            .arg(&recording)
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let name = document.folder.display();
        if import.refused().next().is_some() {
            assert_eq!(output.status.code(), Some(2), "{name}: {said}");
            for refused in import.refused() {
                assert!(said.contains(&refused.message), "{name}: {said}");
            }
        } else {
            assert_ne!(output.status.code(), Some(2), "{name}: {said}");
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
            assert_eq!(report["rows"].as_array().map(Vec::len), Some(import.rows.len()), "{name}");
        }
    }
}
