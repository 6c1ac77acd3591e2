//! `flowdrift policy` as its users call it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use flowdrift::{flow::Window, policy::language::Language, source::recording};
use flowdrift_tests::{folder::Folder, live::binary};

/// A case of `tests/policies`, with its windows as recordings.
struct Shop {
    folder: Folder,
    inputs: Vec<String>,
}

impl Shop {
    fn new() -> Self {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/a-shop");
        let folder = Folder::new("policy");
        let text = fs::read_to_string(case.join("windows.yaml")).expect("the case has windows");
        let windows: Vec<Window> = serde_saphyr::from_str(&text).expect("they are windows");
        let file = |name: &str| case.join(name).display().to_string();
        let mut inputs = vec![
            "--matrix".to_owned(),
            file("matrix.yaml"),
            "--inventory".to_owned(),
            file("inventory.yaml"),
        ];
        inputs.extend([
            "--kubernetes".to_owned(),
            format!("run={}", file("kubernetes-run.json")),
            "--from".to_owned(),
        ]);
        for window in windows {
            let path = folder.at(&format!("{}.fdr", window.node));
            let mut bytes = Vec::new();
            recording::write(&window, &mut bytes).expect("a vector takes all");
            fs::write(&path, bytes).expect("the folder is writable");
            inputs.push(path);
        }
        Self { folder, inputs }
    }

    fn run(&self, command: &[&str], options: &[&str]) -> Output {
        let output =
            Command::new(binary()).arg("policy").args(command).args(&self.inputs).args(options).output();
        output.expect("flowdrift runs")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn what_is_made_lets_through_what_it_should_and_is_never_written_over() {
    let shop = Shop::new();
    let made = shop.folder.at("made");
    let output = shop.run(&[], &["-o", &made]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("became no rule"), "{}", told(&output));
    let quarantine = fs::read_to_string(shop.path("made/quarantine.yaml")).expect("the attacker is there");
    assert!(quarantine.contains("4444/tcp"), "{quarantine}");
    let check = shop.run(&["check", &made], &[]);
    assert_eq!(check.status.code(), Some(0), "{}", told(&check));
    assert!(told(&check).contains("0 flow ends DENIED"), "{}", told(&check));

    let web = shop.path("made/run/shop/deployment-web.yaml");
    let before = fs::read_to_string(&web).expect("web has a policy");
    assert_eq!(
        shop.run(&[], &["-o", &made]).status.code(),
        Some(0),
        "what nobody changed may be written again"
    );
    assert_eq!(fs::read_to_string(&web).expect("still there"), before, "and is the same");
    let edited = before.replace("port: 6432", "port: 22");
    fs::write(&web, &edited).expect("the folder is writable");
    let refused = shop.run(&[], &["-o", &made]);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(told(&refused).contains("deployment-web.yaml"), "{}", told(&refused));
    assert_eq!(fs::read_to_string(&web).expect("still there"), edited);

    // By hand the database was cut off, and the attacker's way was opened.
    let check = shop.run(&["check", &made], &[]);
    assert_eq!(check.status.code(), Some(1), "{}", told(&check));
    let said = told(&check);
    let listed = |end: &str| said.lines().any(|line| line.trim_start().starts_with(end));
    assert!(listed("run/shop/web → run/shop/db 6432/tcp, declared"), "{said}");
    assert!(listed("run/shop/web → run/shop/db 22/tcp"), "{said}");
}

#[test]
fn what_is_made_in_any_language_passes_its_own_check() {
    let shop = Shop::new();
    for language in Language::ALL.into_iter().filter(|language| language.is_enforced()) {
        let made = shop.folder.at(language.name());
        let output = shop.run(&["--format", language.name()], &["-o", &made]);
        assert_eq!(output.status.code(), Some(0), "{}: {}", language.name(), told(&output));
        let check = shop.run(&["check", &made], &[]);
        assert_eq!(check.status.code(), Some(0), "{}: {}", language.name(), told(&check));
        assert!(told(&check).contains("0 flow ends DENIED"), "{}: {}", language.name(), told(&check));
    }
    // What is proposed beside what is enforced is one set of policies; another language beside it is none.
    let proposed = shop.folder.at(Language::CalicoStaged.name());
    let both = shop.run(&["check", &shop.folder.at(Language::Calico.name()), &proposed], &[]);
    assert_eq!(both.status.code(), Some(0), "{}", told(&both));
    let mixed = shop.run(&["check", &shop.folder.at(Language::NetworkPolicy.name()), &proposed], &[]);
    assert_eq!(mixed.status.code(), Some(2), "{}", told(&mixed));
    assert!(told(&mixed).contains("expected one language"), "{}", told(&mixed));
}

#[test]
fn what_nobody_enforces_is_no_policy() {
    let shop = Shop::new();
    for (language, file) in [(Language::Matrix, "matrix.yaml"), (Language::Markdown, "matrix.md")] {
        let made = shop.folder.at(language.name());
        let output = shop.run(&["--format", language.name()], &["-o", &made]);
        assert_eq!(output.status.code(), Some(0), "{}: {}", language.name(), told(&output));
        let path = Path::new(&made).join("run").join(file).display().to_string();
        let read = Command::new(binary()).args(["matrix", "show", &path]).output().expect("flowdrift runs");
        assert_eq!(read.status.code(), Some(0), "{}", told(&read));
        assert!(told(&read).contains("web-to-git"), "{}", told(&read));
        let check = shop.run(&["check", &path], &[]);
        assert_eq!(check.status.code(), Some(2), "{}", told(&check));
    }
}

#[test]
fn policies_are_read_wherever_they_lie_and_nothing_is_not_conforming() {
    let shop = Shop::new();
    let made = shop.folder.at("made");
    assert_eq!(shop.run(&[], &["-o", &made]).status.code(), Some(0));
    // Not below a folder of their cluster, as people have theirs.
    let flat = shop.path("flat");
    fs::create_dir(&flat).expect("the folder is writable");
    let namespaces = fs::read_dir(shop.path("made/run")).expect("it was made");
    for namespace in namespaces.map(|entry| entry.expect("it was made").path()) {
        for file in fs::read_dir(&namespace).expect("it was made") {
            let file = file.expect("it was made");
            fs::copy(file.path(), flat.join(file.file_name())).expect("the folder is writable");
        }
    }
    let summary = |output: &Output| {
        let lines = told(output).lines().map(str::to_owned).collect::<Vec<_>>();
        lines.into_iter().filter(|line| line.starts_with(char::is_numeric)).collect::<Vec<_>>()
    };
    let (nested, beside) =
        (shop.run(&["check", &made], &[]), shop.run(&["check", &flat.display().to_string()], &[]));
    assert_eq!((beside.status.code(), summary(&beside)), (nested.status.code(), summary(&nested)));
    fs::write(flat.join("broken.yaml"), "junk: 1\n").expect("the folder is writable");
    let refused = |path: &Path, words: &str| {
        let output = shop.run(&["check", &path.display().to_string()], &[]);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(words), "{}", told(&output));
    };
    refused(&flat, "broken.yaml");

    let empty = shop.path("empty/run");
    fs::create_dir_all(&empty).expect("the folder is writable");
    refused(&shop.path("empty"), "empty: found no policies");
    fs::write(empty.join("a.yaml"), "# nothing yet\n").expect("the folder is writable");
    refused(&shop.path("empty"), "a.yaml: found nothing that a cluster enforces");
    fs::remove_file(empty.join("a.yaml")).expect("it was there");
    fs::write(empty.join("n1.nft"), "table inet t {\n}\ninclude \"/etc/hostname\"\n")
        .expect("the folder is writable");
    refused(&shop.path("empty"), "n1.nft:3: found `include`");
}

#[test]
fn what_a_language_says_and_no_flow_tells_is_a_warning() {
    let shop = Shop::new();
    let made = shop.folder.at("made");
    let output = shop.run(&[], &["--format", "cilium", "-o", &made]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(
        told(&output).contains("warning: run: each policy for a node, of 1, needs the host firewall"),
        "{}",
        told(&output)
    );
    assert!(shop.path("made/run/node-n1.yaml").exists());
    let check = shop.run(&["check", &made], &[]);
    assert_eq!(check.status.code(), Some(0), "{}", told(&check));
    assert!(told(&check).contains("rules of layer 7 are not compared"), "{}", told(&check));
    assert!(told(&check).contains("0 flow ends DENIED"), "{}", told(&check));
}

#[test]
fn two_generations_differ_by_what_they_would_cut() {
    let shop = Shop::new();
    let [tight, open] = ["tight", "open"].map(|name| shop.folder.at(name));
    assert_eq!(shop.run(&[], &["-o", &tight]).status.code(), Some(0));
    assert_eq!(shop.run(&[], &["--include", "observed", "-o", &open]).status.code(), Some(0));
    let diff = shop.run(&["diff", &tight, &open], &[]);
    assert_eq!(diff.status.code(), Some(1), "{}", told(&diff));
    assert!(
        told(&diff).contains("was cut, and will pass: run/shop/web → 203.0.113.66 4444/tcp"),
        "{}",
        told(&diff)
    );
    assert!(!told(&diff).contains("will be cut"), "{}", told(&diff));
    let same = shop.run(&["diff", &tight, &tight], &[]);
    assert_eq!(same.status.code(), Some(0), "{}", told(&same));
}

#[test]
fn what_was_not_watched_whole_gets_no_policy_unless_that_is_accepted() {
    let mut shop = Shop::new();
    // Without the second node's recording.
    shop.inputs.pop();
    let made = shop.folder.at("made");
    let output = shop.run(&[], &["-o", &made]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("no recording from run/n2"), "{}", told(&output));
    assert!(!shop.path("made/run").exists());
    let accepted = shop.run(&[], &["--accept-incomplete", "-o", &made]);
    assert_eq!(accepted.status.code(), Some(0), "{}", told(&accepted));
    assert!(shop.path("made/run/shop/deployment-web.yaml").exists());
}
