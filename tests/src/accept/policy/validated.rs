//! Line 1: what is written in Kubernetes' own language, held against Kubernetes' own schemas by a program that is not ours.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use flowdrift::policy::{Include, Settings, Tightness, language::Language};
use serde_json::{Value, json};

use crate::{accept::Line, case, folder::Folder, policies::make, schemas::Schemas};

/// `kubernetes-validate` of PyPI, which has the schemas of the Kubernetes of its own version.
const VERSION: &str = "1.37.0";

/// Every NetworkPolicy of every case, with unknown fields refused.
#[must_use]
pub fn line(root: &Path) -> Line {
    const WHAT: &str = "accepted by kubernetes-validate";
    if Schemas::beside().is_none() {
        return Line::skipped(WHAT, "the schemas of custom resources are not beside the project".to_owned());
    }
    Line::of(WHAT, measure(root))
}

fn measure(root: &Path) -> Result<(bool, Value)> {
    let program = installed(&root.join(format!("target/kubernetes-validate-{VERSION}")))?;
    let folder = Folder::new("validated");
    let mut files = Vec::new();
    for (path, case) in case::of_policies() {
        for tightness in [Tightness::Exact, Tightness::Inventory, Tightness::Declared] {
            let include = Include { declared: true, observed: tightness == Tightness::Declared };
            let made = make(&case, &Settings { tightness, include, ..Settings::default() });
            for file in made.written(Language::NetworkPolicy).files {
                let name = format!("{}.yaml", files.len());
                folder.write(&name, &file.text);
                files.push((folder.at(&name), format!("{} {}", path.display(), file.name)));
            }
        }
    }
    let mut refused = Vec::new();
    for (file, name) in &files {
        if !accepts(&program, file)? {
            refused.push(name.clone());
        }
    }
    // A validator that takes everything would prove nothing.
    let spoilt = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}, engress: []}\n";
    folder.write("spoilt.yaml", spoilt);
    ensure!(!accepts(&program, &folder.at("spoilt.yaml"))?, "kubernetes-validate takes an unknown field");
    let figures = json!({ "version": VERSION, "policies": files.len(), "refused": refused });
    println!("  kubernetes-validate {VERSION}: {} NetworkPolicies, refused: {refused:?}", files.len());
    Ok((refused.is_empty() && files.len() >= 30, figures))
}

fn accepts(program: &Path, file: &str) -> Result<bool> {
    let output = Command::new(program).args(["--strict", "--quiet", file]).output()?;
    if !output.status.success() {
        println!("  {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    Ok(output.status.success())
}

/// Installs it where it is not yet.
fn installed(place: &Path) -> Result<PathBuf> {
    let program = place.join("bin/kubernetes-validate");
    if !program.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(place))
            .context("kubernetes-validate needs python3 with venv")?;
        let package = format!("kubernetes-validate=={VERSION}");
        run(Command::new(place.join("bin/pip")).args(["install", "--quiet", &package]))?;
    }
    Ok(program)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
