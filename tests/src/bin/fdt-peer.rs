//! A client or server in a process of its own, for tests that need one in another cgroup:
//! `fdt-peer CGROUP-DIRECTORY NETNS serve ADDRESS:PORT` or `… connect ADDRESS:PORT COUNT`.

use std::{
    error::Error,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
};

use nix::sched::{CloneFlags, setns};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [group, netns, "serve", address] => {
            settle(group, netns)?;
            serve(address.parse()?)
        }
        [group, netns, "connect", address, count] => {
            settle(group, netns)?;
            connect(address.parse()?, count.parse()?)
        }
        _ => Err("usage: fdt-peer CGROUP NETNS (serve ADDRESS | connect ADDRESS COUNT)".into()),
    }
}

fn settle(group: &str, netns: &str) -> Result<(), Box<dyn Error>> {
    std::fs::write(Path::new(group).join("cgroup.procs"), "0")?;
    setns(std::fs::File::open(netns)?, CloneFlags::CLONE_NEWNET)?;
    Ok(())
}

/// Listens, says at which port, and never accepts: the kernel completes connections by itself. Ends with its
/// standard input.
fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn connect(address: SocketAddr, count: usize) -> Result<(), Box<dyn Error>> {
    let streams = (0..count).map(|_| TcpStream::connect(address)).collect::<Result<Vec<_>, _>>()?;
    drop(streams);
    Ok(())
}
