//! Documents that people have are read as a careful reader reads them. `FLOWDRIFT_BLESS=1` writes what is expected.

use std::{collections::BTreeMap, env, error::Error, fs, path::Path, process::Command};

use flowdrift::matrix::{
    import::{Options, import},
    inventory, read_inventory,
};
use flowdrift_tests::{accept::declared::roundtrip, documents, folder::Folder, live::binary};
use serde_json::Value;

#[test]
fn every_document_is_read_as_expected() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let mut wrong = Vec::new();
    for document in documents::all(root)? {
        let found = document.outcome();
        if env::var_os("FLOWDRIFT_BLESS").is_some() {
            fs::write(document.expected(), serde_json::to_string_pretty(&found)? + "\n")?;
        }
        let expected: Value = serde_json::from_slice(&fs::read(document.expected())?)?;
        if found != expected {
            wrong.push(format!("{}:\n{found:#}\ninstead of\n{expected:#}", document.folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

/// The matrices that ship.
#[test]
fn every_policy_is_read_and_has_its_rows() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    for (file, rows) in [
        ("tap-multi-cluster.yaml", 23),
        ("tas-routing.yaml", 39),
        ("tko-ports.yaml", 33),
        ("egress-points.yaml", 4),
        ("baseline.yaml", 7),
    ] {
        let bytes = fs::read(root.join("policies").join(file))?;
        let import = import(&bytes, file, &Options::default())?;
        assert_eq!((import.rows.len(), import.problems), (rows, Vec::new()), "{file}");
    }
    Ok(())
}

#[test]
fn what_is_written_is_read_back() {
    let wrong: Vec<String> = (0..300).filter_map(|seed| roundtrip::difference(seed).err()).take(1).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What clusters say of themselves becomes an inventory that reads, and whose remarks are notes at most.
#[test]
fn clusters_tell_their_inventory() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clusters");
    let told = inventory::from_kubernetes(&fs::read(folder.join("run-eu.json"))?, "run-eu.json")?;
    assert_eq!(told.notes.len(), 1, "no ServiceCIDR: {:?}", told.notes);
    let found = inventory::write::yaml(&BTreeMap::from([("run-eu".to_owned(), told)]))?;
    let golden = folder.join("run-eu.yaml");
    if env::var_os("FLOWDRIFT_BLESS").is_some() {
        fs::write(&golden, &found)?;
    }
    assert_eq!(found, fs::read_to_string(golden)?);
    let remarks = inventory::check(&read_inventory(&found, "run-eu.yaml")?);
    assert!(remarks.iter().all(|remark| !remark.is_warning), "{remarks:#?}");
    Ok(())
}

#[test]
fn what_no_cluster_says_is_told() {
    let fault =
        |text: &str| inventory::from_kubernetes(text.as_bytes(), "c.json").expect_err(text).to_string();
    assert!(fault("nodes").contains("c.json:1: expected"));
    assert!(fault("{\"items\": []}").contains("has no nodes"));
    let broken =
        "{\"items\": [{\"kind\": \"Node\", \"spec\": 5}, {\"kind\": \"Service\", \"spec\": {\"ports\": 1}}]}";
    let said = fault(broken);
    assert!(said.contains("items[0]: Node:") && said.contains("items[1]: Service:"), "{said}");
}

/// Whoever begins with a draft begins without a flood: nothing of the recordings is undeclared.
#[test]
fn a_draft_declares_what_it_was_drafted_from() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no project root")?;
    let mut recordings: Vec<_> = fs::read_dir(root.join("policies/lab-recordings"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    recordings.retain(|path| path.extension().is_some_and(|ending| ending == "fdr"));
    let folder = Folder::new("draft");
    let draft = folder.at("draft.yaml");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--inventory").arg(root.join("policies/lab-inventory.yaml"));
        command.arg("--from").args(&recordings).output()
    };
    let drafted = run(&["matrix", "draft", "-o", &draft])?;
    assert!(drafted.status.success(), "{}", String::from_utf8_lossy(&drafted.stderr));
    let rows = import(&fs::read(&draft)?, "draft.yaml", &Options::default())?.rows;
    assert!(!rows.is_empty() && rows.iter().all(|row| row.review), "every row is to be reviewed");
    let audited = run(&["audit", "--format", "json", "--matrix", &draft])?;
    let report: Value = serde_json::from_slice(&audited.stdout)?;
    let kinds: Vec<&Value> =
        report["findings"].as_array().into_iter().flatten().map(|one| &one["kind"]).collect();
    assert!(!kinds.iter().any(|kind| **kind == "undeclared"), "{kinds:?}");
    Ok(())
}
