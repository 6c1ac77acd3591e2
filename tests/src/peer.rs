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
    /// Listens at any port of an address, and accepts nothing: the kernel completes connections by itself.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(group: &TestGroup, namespace: &TestNamespace, address: SocketAddr) -> Self {
        Self::of(peer(group, namespace).args(["serve", &address.to_string()]))
    }

    /// Accepts and closes whatever comes to any IPv4 address.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn that_takes_all(group: &TestGroup, namespace: &TestNamespace) -> Self {
        Self::of(peer(group, namespace).arg("take"))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was built");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says its port");
        let port = line.trim().parse().expect("it says its port");
        Self { child, port }
    }
}

/// A client in another process that connects to one address after the other; killed when dropped.
pub struct Dialler(Child);

impl Dialler {
    /// Connects to a port at `count` addresses of the loopback, from number `first` on, one every `pause` milliseconds.
    ///
    /// # Panics
    ///
    /// When it was not built.
    #[must_use]
    pub fn start(
        group: &TestGroup,
        namespace: &TestNamespace,
        (port, first): (u16, u32),
        (count, pause): (u32, u64),
    ) -> Self {
        let numbers = [u64::from(port), u64::from(first), u64::from(count), pause];
        let mut command = peer(group, namespace);
        command.arg("dial").args(numbers.map(|number| number.to_string()));
        Self(command.spawn().expect("it was built"))
    }

    /// Whether it has made all its connections.
    ///
    /// # Panics
    ///
    /// When one failed.
    pub fn is_done(&mut self) -> bool {
        let status = self.0.try_wait().expect("it is our child");
        status.map(|status| assert!(status.success(), "a connection failed: {status}")).is_some()
    }
}

impl Drop for Dialler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
