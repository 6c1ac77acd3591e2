//! A client or server in a process of its own, for tests that need one in another cgroup:
//! `fdt-peer CGROUP-DIRECTORY NETNS` and then `serve ADDRESS:PORT`, `connect ADDRESS:PORT COUNT`, `take`, which accepts and
//! closes all that comes to any address, or `dial PORT FIRST COUNT PAUSE`, which connects to `COUNT` addresses of the
//! loopback from number `FIRST` on, `PAUSE` milliseconds after each other.

use std::{
    error::Error,
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::Duration,
};

use flowdrift_tests::dial;
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
        [group, netns, "take"] => {
            settle(group, netns)?;
            take()
        }
        [group, netns, "dial", port, first, count, pause] => {
            settle(group, netns)?;
            dial_many(port.parse()?, first.parse()?, count.parse()?, pause.parse()?)
        }
        _ => Err("usage: fdt-peer CGROUP NETNS (serve ADDRESS | connect ADDRESS COUNT | take | dial PORT FIRST COUNT PAUSE)".into()),
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

/// Says at which port. Ends with its standard input.
fn take() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(4096)?)?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(move || while listener.accept().is_ok() {});
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Closes each by RST, so that ports never run out.
fn dial_many(port: u16, first: u32, count: u32, pause: u64) -> Result<(), Box<dyn Error>> {
    for number in first..first + count {
        let socket = dial::connect((dial::loopback(number), port).into())?;
        socket.set_linger(Some(Duration::ZERO))?;
        std::thread::sleep(Duration::from_millis(pause));
    }
    Ok(())
}
