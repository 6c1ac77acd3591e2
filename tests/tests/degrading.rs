//! Machines that lack something: what goes on all the same, and what is told.

use std::{fs, net::SocketAddr, process::Command};

use flowdrift::flow::Outcomes;
use flowdrift_tests::{
    dial,
    folder::Folder,
    group,
    live::{Live, binary},
    namespace::TestNamespace,
    needs,
};
use nix::{libc, sys::signal::Signal};

/// As on a node with the first version of cgroups alone: the hooks attach to a mount that nobody else sees.
#[test]
fn without_a_mounted_cgroup_tree_one_is_mounted_for_the_process_alone() {
    const TEST: &str = "without_a_mounted_cgroup_tree_one_is_mounted_for_the_process_alone";
    if !needs::root(TEST) || !needs::tool(TEST, "unshare") {
        return;
    }
    let (folder, client) = (Folder::new("mount"), TestNamespace::new("client"));
    client.ip(&["route", "add", "prohibit", "192.0.2.0/24"]);
    let file = folder.path().join("window.fdr");
    let script = "umount -l \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh", &group::root().display().to_string()])
        .arg(binary())
        .args(["record", "--cluster", "test", "--node", "here", "--netns"])
        .arg(client.path())
        .arg("-o")
        .arg(&file);
    let mut live = Live::of(&mut command);
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", live.id())).expect("it lives");
    assert!(!mounts.contains(" - cgroup2 "), "{mounts}");
    // Only a connect hook sees such an attempt.
    let to: SocketAddr = "192.0.2.7:443".parse().expect("an address");
    let error = client.run(|| dial::connect(to)).err().and_then(|error| error.raw_os_error());
    assert_eq!(error, Some(libc::EACCES));
    let (status, said) = live.end(Signal::SIGINT);
    assert!(status.success(), "{said}");
    let file = fs::File::open(&file).expect("it has written its recording");
    let window = flowdrift::source::recording::read("window.fdr", file).expect("it is whole").window;
    assert_eq!(window.coverage.gaps(), Vec::new());
    assert_eq!(window.flows.len(), 1, "{:#?}", window.flows);
    assert_eq!(window.flows[0].outcomes, Outcomes { unrouted: 1, ..Outcomes::default() });
}
