//! A client or server in a process of its own (`bin/fdt-peer.rs`), in a cgroup and a namespace of the test.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use crate::{group::TestGroup, live::built, namespace::TestNamespace};

/// A listener in another process; it ends when dropped.
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

fn peer(group: &TestGroup, namespace: &TestNamespace) -> Command {
    let mut command = Command::new(built("fdt-peer"));
    command.arg(group.path()).arg(namespace.path());
    command
}

impl ServerProcess {
    /// Listens at any port of an address.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(group: &TestGroup, namespace: &TestNamespace, address: SocketAddr) -> Self {
        let mut child = peer(group, namespace)
            .args(["serve", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says its port");
        let port = line.trim().parse().expect("it says its port");
        Self { child, port }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Connects `count` times from another process, and waits for it.
///
/// # Panics
///
/// When a connection fails.
pub fn connect_from(group: &TestGroup, namespace: &TestNamespace, to: SocketAddr, count: usize) {
    let status = peer(group, namespace).args(["connect", &to.to_string(), &count.to_string()]).status();
    assert!(status.expect("it was built").success());
}
