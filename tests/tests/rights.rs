//! What a recorder may do: much while it starts, nothing after it.

use std::{fs, net::TcpListener, process::Command};

use flowdrift::{flow::Window, source::recording};
use flowdrift_tests::{
    dial,
    folder::Folder,
    live::Live,
    needs, nobody,
    recorder::Recorder,
    site::{Expected, Family, Link, Site},
};
use nix::{sys::signal::Signal, unistd::Pid};

/// The values of a key in the status of each of a process's threads.
fn of_threads(process: u32, key: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it lives");
    let statuses = threads.map(|thread| fs::read_to_string(thread.expect("a thread").path().join("status")));
    let value = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
        line.expect("the kernel tells").to_owned()
    };
    statuses.map(|status| value(status.expect("it lives"))).collect()
}

#[test]
fn after_the_start_no_thread_has_a_capability_or_a_way_to_one() {
    if !needs::root("after_the_start_no_thread_has_a_capability_or_a_way_to_one") {
        return;
    }
    let site = Site::new(Link::Veth, Family::V4);
    let recorder = site.record();
    for (key, expected) in [
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapInh", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
        // A filter (`man 5 proc_pid_status`).
        ("Seccomp", "2"),
    ] {
        let found = of_threads(recorder.id(), key);
        assert!(found.len() >= 3, "itself, and one in each namespace: {found:?}");
        assert!(found.iter().all(|value| value == expected), "{key}: {found:?}");
    }
    let (listener, port) = site.listen();
    let _connection = site.dial(|| dial::connect(site.to(port))).expect("it listens");
    drop(listener);
    site.check(recorder, port, &Expected::standing(1));
}

#[test]
fn nothing_of_it_listens() {
    if !needs::root("nothing_of_it_listens") {
        return;
    }
    let site = Site::new(Link::Veth, Family::V4);
    let recorder = site.record();
    let _control = (site.listen(), site.serve(), TcpListener::bind("127.0.0.1:0").expect("loopback is up"));
    let shown = |command: &mut Command| {
        let output = command.output().expect("iproute2 is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let inside = |name| shown(Command::new("ip").args(["netns", "exec", name, "ss", "-Hlntup"]));
    let of = |process: u32| format!("pid={process},");
    let everywhere = [
        inside(site.client().name()),
        inside(site.server().name()),
        shown(Command::new("ss").arg("-Hlntup")),
    ];
    for (index, listening) in everywhere.iter().enumerate() {
        assert!(!listening.contains(&of(recorder.id())), "{listening}");
        let is_control = index > 0;
        assert_eq!(
            listening.contains(&of(std::process::id())),
            is_control,
            "what listens is shown: {listening}"
        );
    }
    drop(recorder.finish());
}

#[test]
fn who_keeps_the_rights_has_them() {
    if !needs::root("who_keeps_the_rights_has_them") {
        return;
    }
    let recorder = Recorder::start(&["--keep-rights"]);
    let own = of_threads(recorder.id(), "CapEff");
    assert!(own.iter().any(|value| value != "0000000000000000"), "{own:?}");
    drop(recorder.finish());
}

fn read(path: &str) -> Window {
    let file = fs::File::open(path).expect("it was written");
    recording::read(path, file).expect("it is whole").window
}

#[test]
fn an_ordinary_user_with_three_capabilities_records_the_same() {
    if !nobody::can_be("an_ordinary_user_with_three_capabilities_records_the_same") {
        return;
    }
    let (site, public) = (Site::new(Link::Loopback, Family::V4), Folder::new("public"));
    let file = public.at("nobody.fdr");
    let mut user = Live::of(
        nobody::command(site.client(), &public.binary())
            .args(["record", "--cluster", "test", "--node", "here", "-o", &file])
            .args(["--netns", "/proc/self/ns/net"]),
    );
    let root = Recorder::of_namespace(&site.client().path());
    let (_listener, port) = site.listen();
    let (server, datagram_port) = site.serve();
    let _connections: Vec<_> =
        site.dial(|| (0..5).map(|_| dial::connect(site.to(port)).expect("it listens")).collect());
    let client = site.datagram_socket();
    for _ in 0..3 {
        site.dial(|| client.send_to(b"datagram", &site.to(datagram_port).into()).expect("it can be sent"));
        let (_, peer) = server.recv_from(&mut [std::mem::MaybeUninit::uninit(); 16]).expect("it comes");
        server.send_to(b"answer", &peer).expect("the client is there");
        client.recv_from(&mut [std::mem::MaybeUninit::uninit(); 16]).expect("it comes");
    }
    let (status, said) = user.end(Signal::SIGINT);
    assert!(status.success(), "{said}");
    let (by_user, by_root) = (read(&file), root.finish());
    assert_eq!(by_user.coverage.gaps(), Vec::new());
    // Each has seen the other's known connections, too.
    let facts = |window: &Window| -> Vec<_> {
        let ours = window.flows.iter().filter(|flow| [port, datagram_port].contains(&flow.key.port));
        ours.map(|flow| (flow.key.clone(), flow.outcomes.clone())).collect()
    };
    assert_eq!(facts(&by_user), facts(&by_root));
    assert_eq!(facts(&by_user).len(), 4, "both ends of a connection and of an exchange");
}

#[test]
fn whoever_may_not_look_into_other_namespaces_says_so() {
    if !nobody::can_be("whoever_may_not_look_into_other_namespaces_says_so") {
        return;
    }
    let (site, public) = (Site::new(Link::Loopback, Family::V4), Folder::new("public"));
    let file = public.at("blind.fdr");
    let mut user = Live::of(nobody::command(site.client(), &public.binary()).args([
        "record",
        "--cluster",
        "test",
        "--node",
        "here",
        "-o",
        &file,
    ]));
    let (status, said) = user.end(Signal::SIGINT);
    assert!(status.success(), "{said}");
    let gaps = read(&file).coverage.gaps();
    let [gap] = gaps.as_slice() else { panic!("one gap: {gaps:?}") };
    assert!(gap.words.contains("CAP_SYS_PTRACE and CAP_SYS_ADMIN"), "{gap:?}");
}

#[test]
fn root_s_recording_reaches_an_ordinary_user_s_folder() {
    if !needs::root("root_s_recording_reaches_an_ordinary_user_s_folder") {
        return;
    }
    let public = Folder::new("public");
    let own = public.path().join("own");
    fs::create_dir(&own).expect("a folder");
    let nobody = nobody::NOBODY.parse().expect("a number");
    std::os::unix::fs::chown(&own, Some(nobody), Some(nobody)).expect("root may");
    let file = own.join("root.fdr").display().to_string();
    // The second finds the first one's.
    for _ in 0..2 {
        let mut live = Live::start(["record", "--cluster", "test", "--node", "here", "-o", &file]);
        assert_ne!(Pid::from_raw(live.id().cast_signed()), Pid::this());
        let (status, said) = live.end(Signal::SIGINT);
        assert!(status.success(), "{said}");
        assert!(read(&file).coverage.canary);
        assert_eq!(fs::read_dir(&own).expect("it is there").count(), 1, "nothing else stays there");
    }
}
