//! Network namespaces of a test, gone with it.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use flowdrift::capture::Namespace;

/// A named network namespace with its loopback up; removed when dropped.
pub struct TestNamespace {
    name: String,
}

impl TestNamespace {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When `ip` fails: these tests ask for root and iproute2 first.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fdt-{}-{number}-{purpose}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bind mount.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// Runs `ip` inside of it; what it prints.
    ///
    /// # Panics
    ///
    /// When `ip` fails.
    pub fn ip(&self, arguments: &[&str]) -> String {
        ip(&[&["-n", &self.name], arguments].concat())
    }

    /// Runs many commands of `ip` inside of it, a line each.
    ///
    /// # Panics
    ///
    /// When `ip` fails.
    pub fn ip_batch(&self, commands: &str) {
        feed(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), commands);
    }

    /// Loads a script of nftables inside of it.
    ///
    /// # Panics
    ///
    /// When there is no `nft`, or when it refuses the script.
    pub fn nft(&self, script: &str) {
        feed(Command::new("ip").args(["netns", "exec", &self.name, "nft", "-f", "-"]), script);
    }

    /// Runs `work` on a thread inside of it.
    ///
    /// # Panics
    ///
    /// When the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = Namespace::at(&self.path()).expect("the namespace was made");
        namespace.enter(|| io::Result::Ok(work())).expect("root can enter it")
    }
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

/// Joins two namespaces by a veth pair with one address each (CIDR notation), interface `name` on both sides.
///
/// # Panics
///
/// When `ip` fails.
pub fn join(name: &str, left: (&TestNamespace, &str), right: (&TestNamespace, &str)) {
    let (from, to) = (left.0.name(), right.0.name());
    ip(&["-n", from, "link", "add", name, "type", "veth", "peer", "name", name, "netns", to]);
    for (namespace, address) in [left, right] {
        set_up(name, namespace, address);
    }
}

/// Likewise, with a bridge between them; the namespace that holds it.
///
/// # Panics
///
/// When `ip` fails.
#[must_use]
pub fn bridge(name: &str, left: (&TestNamespace, &str), right: (&TestNamespace, &str)) -> TestNamespace {
    let between = TestNamespace::new("bridge");
    between.ip(&["link", "add", "bridge", "type", "bridge"]);
    between.ip(&["link", "set", "bridge", "up"]);
    for ((namespace, address), port) in [left, right].into_iter().zip(["left", "right"]) {
        let (from, to) = (namespace.name(), between.name());
        ip(&["-n", from, "link", "add", name, "type", "veth", "peer", "name", port, "netns", to]);
        between.ip(&["link", "set", port, "master", "bridge", "up"]);
        set_up(name, namespace, address);
    }
    between
}

fn set_up(name: &str, namespace: &TestNamespace, address: &str) {
    // Without duplicate address detection an IPv6 address serves at once.
    let options: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
    namespace.ip(&[&["address", "add", address, "dev", name], options].concat());
    namespace.ip(&["link", "set", name, "up"]);
}

fn feed(command: &mut Command, script: &str) {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it is installed");
    child.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it is our child").success(), "{script}");
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {words}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
