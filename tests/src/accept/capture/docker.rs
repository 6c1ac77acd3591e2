//! Line 6: real containers. What Docker publishes is translated to the container, and what leaves a container is
//! masqueraded; connect on one side and accept on the other are one flow.
//!
//! The daemon runs in a namespace of its own, which plays the node, and speaks to another over a veth pair.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{
    accept::Line,
    live::{Live, binary},
    namespace::{TestNamespace, join},
};
use nix::sys::signal::{Signal, kill};

const NODE: &str = "10.77.0.1";
const FAR: &str = "10.77.0.2";
const PUBLISHED: u16 = 8_080;
const SERVED: u16 = 9_000;
const PATIENCE: Duration = Duration::from_secs(60);

const INVENTORY: &str = "\
apiVersion: flowdrift/v1
kind: Inventory
clusters:
  far: {role: run, nodes: {far-1: 10.77.0.2}, pods: [192.168.0.0/16], services: [10.96.0.0/16]}
  node: {role: view, nodes: {node-1: 10.77.0.1}, pods: [172.17.0.0/16], services: [10.97.0.0/16]}
";
const MATRIX: &str = "\
apiVersion: flowdrift/v1
kind: FlowMatrix
metadata: {name: docker}
rows:
  - {id: published, from: [far], to: [node], ports: [8080/tcp], expect: required}
  - {id: masqueraded, from: [node], to: [far], ports: [9000/tcp], expect: required}
";

/// Runs it, where Docker and a static BusyBox are installed.
#[must_use]
pub fn line() -> Line {
    const WHAT: &str = "translation of Docker's containers";
    for tool in ["dockerd", "docker", "busybox", "nsenter"] {
        let found =
            Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            return Line::skipped(WHAT, format!("{tool} is not installed (docker.io, busybox-static)"));
        }
    }
    match run() {
        Ok((pass, figures)) => Line::tried(WHAT, pass, figures),
        Err(error) => Line::failed(WHAT, &error),
    }
}

fn run() -> Result<(bool, Value)> {
    let [node, far] = ["docker-node", "docker-far"].map(TestNamespace::new);
    join("v0", (&node, &format!("{NODE}/24")), (&far, &format!("{FAR}/24")));
    let daemon = Daemon::start(&node)?;
    daemon.import()?;
    let published = format!("{PUBLISHED}:80");
    let serve = ["run", "--detach", "--name", "web", "--publish", &published, IMAGE];
    daemon.docker(&[&serve[..], &["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]].concat())?;
    let process = daemon.docker(&["inspect", "--format", "{{.State.Pid}}", "web"])?;
    let www = daemon.folder.join("image/www").display().to_string();
    let server = Server(
        in_namespace(&far, &["busybox", "httpd", "-f", "-p", &SERVED.to_string(), "-h", &www])
            .spawn()
            .context("busybox")?,
    );
    let file = |name: &str| daemon.folder.join(name).display().to_string();
    let record = |cluster: &str, node: &str, namespaces: &[&str]| {
        let file = file(&format!("{node}.fdr"));
        let fixed = ["record", "--cluster", cluster, "--node", node, "-o", &file];
        let limits = namespaces.iter().flat_map(|one| ["--netns", one]);
        Live::start(fixed.into_iter().chain(limits))
    };
    let container = format!("/proc/{process}/ns/net");
    let [at_node, at_far] = [&node, &far].map(|one| one.path().display().to_string());
    let mut recorders =
        [record("node", "node-1", &[&at_node, &container]), record("far", "far-1", &[&at_far])];
    let from_far = output(&mut in_namespace(&far, &["busybox", "wget", "-qO-", &url(NODE, PUBLISHED)]))?;
    let from_container =
        daemon.docker(&["exec", "web", "/bin/busybox", "wget", "-q", "-O", "-", &url(FAR, SERVED)])?;
    for recorder in &mut recorders {
        let (status, said) = recorder.end(Signal::SIGINT);
        ensure!(status.success(), "the recorder: {said}");
    }
    drop(server);
    fs::write(file("inventory.yaml"), INVENTORY)?;
    fs::write(file("matrix.yaml"), MATRIX)?;
    let audit = Command::new(binary())
        .args(["audit", "--format", "json", "--matrix", &file("matrix.yaml")])
        .args([
            "--inventory",
            &file("inventory.yaml"),
            "--from",
            &file("node-1.fdr"),
            "--from",
            &file("far-1.fdr"),
        ])
        .output()?;
    let report: Value = serde_json::from_slice(&audit.stdout)
        .with_context(|| String::from_utf8_lossy(&audit.stderr).into_owned())?;
    let rows = report["rows"].as_array().cloned().unwrap_or_default();
    let evidence = |id: &str| {
        let row = rows.iter().find(|row| row["id"] == id);
        row.map(|row| row["cells"][0]["evidence"].clone()).unwrap_or_default()
    };
    let [published, masqueraded] = ["published", "masqueraded"].map(evidence);
    let is_one = |one: &Value| one["connections"] == 1 && one["both_ends"] == true;
    let both_addresses = format!("{NODE}:{PUBLISHED} is translated to 172.17.0.");
    let is_told =
        published["translations"][0].as_str().is_some_and(|words| words.starts_with(&both_addresses));
    let pass = audit.status.success()
        && [&published, &masqueraded].iter().all(|one| is_one(one))
        && is_told
        && [&from_far, &from_container].iter().all(|page| page.as_str() == PAGE);
    Ok((pass, json!({ "published": published, "masqueraded": masqueraded, "exit": audit.status.code() })))
}

const IMAGE: &str = "fdt-busybox";
const PAGE: &str = "a page";

fn url(address: &str, port: u16) -> String {
    format!("http://{address}:{port}/")
}

/// Unlike `ip netns exec`, it leaves /sys with its cgroups as it is.
fn in_namespace(namespace: &TestNamespace, words: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", namespace.path().display())).args(words);
    command
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Docker of our own; its containers and files go with it.
struct Daemon {
    child: Child,
    folder: PathBuf,
}

impl Daemon {
    fn start(node: &TestNamespace) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("flowdrift-docker-{}", std::process::id()));
        fs::create_dir_all(folder.join("image/bin"))?;
        let at = |name: &str| folder.join(name).display().to_string();
        let log = fs::File::create(at("log"))?;
        let child = in_namespace(node, &["dockerd", "--storage-driver=vfs", "--userland-proxy=false"])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["--host", &format!("unix://{}", at("socket"))])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("dockerd")?;
        let daemon = Self { child, folder };
        let began = Instant::now();
        while daemon.docker(&["info"]).is_err() {
            ensure!(
                began.elapsed() < PATIENCE,
                "dockerd: {}",
                fs::read_to_string(daemon.folder.join("log"))?
            );
            thread::sleep(Duration::from_millis(200));
        }
        Ok(daemon)
    }

    fn docker(&self, words: &[&str]) -> Result<String> {
        let socket = format!("unix://{}", self.folder.join("socket").display());
        output(Command::new("docker").args(["--host", &socket]).args(words))
    }

    /// An image of nothing but BusyBox and a page.
    fn import(&self) -> Result<()> {
        let image = self.folder.join("image");
        fs::create_dir_all(image.join("www"))?;
        fs::write(image.join("www/index.html"), PAGE)?;
        let busybox = output(Command::new("sh").args(["-c", "readlink -f \"$(command -v busybox)\""]))?;
        fs::copy(busybox, image.join("bin/busybox"))?;
        let archive = self.folder.join("image.tar").display().to_string();
        output(Command::new("tar").args(["-C", &image.display().to_string(), "-cf", &archive, "."]))?;
        self.docker(&["import", &archive, IMAGE]).map(drop)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.docker(&["rm", "--force", "web"]);
        if let Ok(process) = i32::try_from(self.child.id()) {
            let _ = kill(nix::unistd::Pid::from_raw(process), Signal::SIGTERM);
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
