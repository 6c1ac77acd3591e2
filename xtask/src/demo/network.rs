//! Makes the lab's network namespaces and takes them away again, with iproute2.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::namespace;
use super::topology::{self, BLOCKS, POD_LINK, ROUTER, SITES, Site};
use crate::apt;

/// The lab while it stands; dropping it removes every namespace.
pub(super) struct Network(());

impl Network {
    /// Removes what an earlier lab left behind, then lays out a new one.
    pub(super) fn make() -> Result<Self> {
        apt::ensure_iproute2("making the lab's network")?;
        remove_all()?;
        // From here on a failure half-way is cleaned up as well.
        let network = Self(());
        ip(&[], &joined_sites())?;
        SITES.iter().try_for_each(address_site)?;
        address_router()?;
        namespace::run(ROUTER, "sysctl", become_router)??;
        Ok(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Err(error) = remove_all() {
            eprintln!("the lab was not removed: {error:#}");
        }
    }
}

fn sites() -> impl Iterator<Item = &'static str> {
    SITES.iter().map(|site| site.name).chain([ROUTER])
}

fn remove_all() -> Result<()> {
    let mut script = String::new();
    for name in sites().map(topology::namespace).filter(|name| path_of(name).exists()) {
        writeln!(script, "netns delete {name}")?;
    }
    if script.is_empty() { Ok(()) } else { ip(&[], &script) }
}

fn path_of(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

/// Namespaces, and a veth pair from each to the router; there the interface has the site's name.
fn joined_sites() -> String {
    let mut script = String::new();
    for name in sites() {
        script += &format!("netns add {}\n", topology::namespace(name));
    }
    let router = topology::namespace(ROUTER);
    for Site { name, .. } in SITES {
        let site = topology::namespace(name);
        script += &format!("link add uplink netns {site} type veth peer name {name} netns {router}\n");
    }
    let [left, right] = POD_LINK.ends.map(topology::namespace);
    script += &format!("link add pods netns {left} type veth peer name pods netns {right}\n");
    script
}

fn address_site(site: &Site) -> Result<()> {
    let mut script = String::from("link set lo up\nlink set uplink up\n");
    writeln!(script, "addr add {}/24 dev uplink", site.address)?;
    for front in site.fronts {
        writeln!(script, "addr add {front}/24 dev uplink")?;
    }
    for pod in site.pods {
        writeln!(script, "addr add {pod}/32 dev lo")?;
    }
    writeln!(script, "route add default via {} src {}", gateway(site), site.address)?;
    if let Some(end) = POD_LINK.ends.iter().position(|name| *name == site.name) {
        writeln!(script, "link set pods up\nroute add {} dev pods", POD_LINK.blocks[1 - end])?;
    }
    ip(&["-n", &topology::namespace(site.name)], &script)
}

fn address_router() -> Result<()> {
    let mut script = String::from("link set lo up\n");
    for site in SITES {
        writeln!(script, "link set {0} up\naddr add {1}/24 dev {0}", site.name, gateway(site))?;
    }
    for block in BLOCKS {
        let topology::Block { from, to, port, action } = block;
        writeln!(script, "rule add from {from} to {to} ipproto tcp dport {port} {action} pref 100")?;
    }
    ip(&["-n", &topology::namespace(ROUTER)], &script)
}

fn gateway(site: &Site) -> std::net::Ipv4Addr {
    let [first, second, third, _] = site.address.octets();
    std::net::Ipv4Addr::new(first, second, third, 1)
}

/// Without the limit, an ICMP answer may be held back and the client would see silence instead.
fn become_router() -> Result<()> {
    for (name, value) in [("ip_forward", "1"), ("icmp_ratelimit", "0")] {
        fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
            .with_context(|| format!("cannot set {name}"))?;
    }
    Ok(())
}

/// One `ip -batch` for many lines: it stops at the first that fails and names it.
fn ip(options: &[&str], script: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(options).args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start ip")?;
    let mut input = child.stdin.take().context("ip has no input")?;
    input.write_all(script.as_bytes()).context("ip does not take its script")?;
    drop(input);
    let output = child.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {} failed: {}", options.join(" "), complaint.trim());
    Ok(())
}
