//! Whatever keeps flowdrift from its work is told in its own words, with exit code 2.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Output},
};

use flowdrift::{
    flow::{Coverage, Window},
    source::recording,
};
use flowdrift_tests::{folder::Folder, group::TestGroup, kernel::oldkernel, live::binary, needs};

fn output_of(folder: &Folder) -> String {
    folder.at("out.fdr")
}

fn audit(folder: &Folder) -> Output {
    Command::new(binary())
        .current_dir(folder.path())
        .args(["audit", "--matrix", "m.yaml", "--inventory", "i.yaml", "--from", "n.fdr"])
        .output()
        .expect("the binary runs")
}

const RECORD: [&str; 8] = ["record", "--cluster", "c", "--node", "n", "--duration", "1s", "-o"];

/// Exit code 2, nothing on standard output, and these words, but not those.
fn assert_told(output: &Output, words: &[&str], not: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
    for word in not {
        assert!(!said.contains(word), "`{word}` is in:\n{said}");
    }
}

fn assert_nothing_written(folder: &Folder) {
    assert!(!Path::new(&output_of(folder)).exists());
}

#[test]
fn not_root_is_told_with_every_capability_that_is_missing() {
    if !needs::root("not_root_is_told_with_every_capability_that_is_missing") {
        return;
    }
    let folder = Folder::new("user");
    let mut command = Command::new(folder.binary());
    let output = command.args(RECORD).arg(output_of(&folder)).uid(65_534).gid(65_534).output();
    let words = ["missing CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN: ", "run as root"];
    assert_told(&output.expect("it runs"), &words, &["BTF", "ring buffer"]);
    assert_nothing_written(&folder);
}

#[test]
fn a_missing_cap_bpf_is_told_by_its_name() {
    const TEST: &str = "a_missing_cap_bpf_is_told_by_its_name";
    if !needs::root(TEST) || !needs::tool(TEST, "setpriv") {
        return;
    }
    let folder = Folder::new("capability");
    // CAP_SYS_ADMIN stands in for it, so that must go as well.
    let output = Command::new("setpriv")
        .args(["--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-bpf,-sys_admin"])
        .arg(binary())
        .args(RECORD)
        .arg(output_of(&folder))
        .output();
    assert_told(&output.expect("setpriv runs"), &["missing CAP_BPF: "], &["BTF", "ring buffer", "PERFMON, "]);
    assert_nothing_written(&folder);
}

#[test]
fn a_kernel_without_btf_is_told() {
    const TEST: &str = "a_kernel_without_btf_is_told";
    if !needs::root(TEST) || !needs::tool(TEST, "unshare") {
        return;
    }
    let folder = Folder::new("btf");
    let script = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(binary())
        .args(RECORD)
        .arg(output_of(&folder))
        .output();
    let words = ["no kernel BTF at /sys/kernel/btf/vmlinux", "flowdrift does not guess"];
    assert_told(&output.expect("unshare runs"), &words, &["missing CAP", "ring buffer"]);
    assert_nothing_written(&folder);
}

/// In a cgroup namespace the tree's root is the group that the process was in.
#[test]
fn a_part_of_the_cgroup_tree_costs_the_connect_hooks_and_is_told() {
    const TEST: &str = "a_part_of_the_cgroup_tree_costs_the_connect_hooks_and_is_told";
    if !needs::root(TEST) || !needs::tool(TEST, "unshare") {
        return;
    }
    let group = TestGroup::new("part");
    let folder = Folder::new("part");
    let script = "echo $$ > \"$1/cgroup.procs\" && shift && exec unshare --cgroup --mount sh -c \
        'umount -l \"$1\" && mount -t cgroup2 none \"$1\" && shift && exec \"$@\"' sh \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(group.path())
        .arg(group.path().parent().expect("it is below the root"))
        .arg(binary())
        .args(RECORD)
        .arg(output_of(&folder))
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for hook in ["connect4", "connect6"] {
        let words = format!("cgroup/{hook} not attached (no cgroup-v2 tree: only a part of");
        assert!(said.contains(&words), "{said}");
    }
}

#[test]
fn a_file_that_is_no_namespace_is_told() {
    if !needs::root("a_file_that_is_no_namespace_is_told") {
        return;
    }
    let folder = Folder::new("namespace");
    folder.write("plain", "");
    let plain = folder.at("plain");
    let output =
        Command::new(binary()).args(RECORD).arg(output_of(&folder)).args(["--netns", &plain]).output();
    let place = format!("--netns {plain}: no network namespace there");
    assert_told(&output.expect("it runs"), &[&place, "this is a file, and no namespace"], &["missing CAP"]);
    assert_nothing_written(&folder);
}

#[test]
fn a_kernel_without_ring_buffers_is_told() {
    const TEST: &str = "a_kernel_without_ring_buffers_is_told";
    if !needs::root(TEST) || !oldkernel::can_be_played(TEST) {
        return;
    }
    let folder = Folder::new("ring");
    let mut command = Command::new(binary());
    let (output, refused) = oldkernel::without_ring_buffers(command.args(RECORD).arg(output_of(&folder)));
    assert!(refused > 0, "it never asked for a ring buffer");
    assert_told(&output, &["no BPF ring buffer", "Linux 5.8"], &["missing CAP", "BTF at"]);
    assert_nothing_written(&folder);
}

const MATRIX: &str = "\
apiVersion: flowdrift/v1
kind: FlowMatrix
metadata: {name: one-row}
rows:
  - {id: api, from: [run], to: [git-repository], ports: [443/tcp]}
";

const FIVE_FAULTS: &str = "\
apiVersion: flowdrift/v1
kind: FlowMatrix
metadata: {name: five-faults}
rows:
  - {id: port, from: [run], to: [run], ports: [70000/tcp]}
  - {id: protocol, from: [run], to: [run], ports: [443/quic]}
  - {id: nobody, from: [], to: [run], ports: [443/tcp]}
  - {id: expectation, from: [run], to: [run], ports: [443/tcp], expect: perhaps}
  - {id: port, from: [run], to: [run], ports: [80/tcp]}
";

const INVENTORY: &str = "\
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  run: {role: run, nodes: {n1: 10.0.0.1}}
endpoints:
  git-repository: {cidrs: [192.0.2.0/28]}
";

fn recorded() -> Vec<u8> {
    let window = Window {
        cluster: "run".into(),
        node: "n1".into(),
        start: 0,
        end: 1,
        coverage: Coverage::default(),
        flows: Vec::new(),
    };
    let mut bytes = Vec::new();
    recording::write(&window, &mut bytes).expect("memory takes it");
    bytes
}

/// Otherwise the tests below would show nothing.
#[test]
fn without_a_fault_the_audit_runs() {
    let folder = Folder::new("sound");
    folder.write("m.yaml", MATRIX).write("i.yaml", INVENTORY).write("n.fdr", recorded());
    let output = audit(&folder);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{:?}: {said}", output.status);
    assert!(!output.stdout.is_empty(), "a report");
}

#[test]
fn five_faults_of_a_matrix_are_told_at_once_each_with_its_place() {
    let folder = Folder::new("five");
    folder.write("m.yaml", FIVE_FAULTS).write("i.yaml", INVENTORY).write("n.fdr", recorded());
    let places = [
        "m.yaml:5: rows[0].ports[0]: port 70000 is above 65535",
        "m.yaml:6: rows[1].ports[0]: unknown transport `quic`",
        "m.yaml:7: rows[2].from: ",
        "m.yaml:8: rows[3].expect: found `perhaps`",
        "m.yaml:9: rows[4].id: id `port` is also the id of the row on line 5",
    ];
    let output = audit(&folder);
    assert_told(&output, &places, &["i.yaml:", "n.fdr"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().filter(|line| line.starts_with("m.yaml:")).count(), 5, "{said}");
}

#[test]
fn an_endpoint_that_the_inventory_lacks_is_named() {
    let folder = Folder::new("lacking");
    let inventory = INVENTORY.replace("git-repository", "some-repository");
    folder.write("m.yaml", MATRIX).write("i.yaml", inventory).write("n.fdr", recorded());
    let words = ["m.yaml:5: rows[0].to[0]: ", "endpoint `git-repository`", "i.yaml"];
    assert_told(&audit(&folder), &words, &["n.fdr"]);
}

/// Wherever it was cut off: in its magic, in a frame, or between two frames.
#[test]
fn a_truncated_recording_is_told_with_the_byte() {
    let whole = recorded();
    let folder = Folder::new("truncated");
    folder.write("m.yaml", MATRIX).write("i.yaml", INVENTORY);
    for length in 1..whole.len() {
        if length % 16 != 1 && length + 1 != whole.len() {
            continue;
        }
        folder.write("n.fdr", &whole[..length]);
        assert_told(&audit(&folder), &["n.fdr: byte ", "truncated"], &["m.yaml", "i.yaml"]);
    }
}
