//! `connect()` by io_uring.

use std::{io, os::fd::AsRawFd};

use io_uring::{IoUring, opcode::Connect, types::Fd};
use socket2::{SockAddr, Socket};

/// Connects and waits.
///
/// # Errors
///
/// When there is no io_uring, and the connection's own.
pub fn connect(socket: &Socket, to: &SockAddr) -> io::Result<()> {
    let mut ring = IoUring::new(2)?;
    let entry = Connect::new(Fd(socket.as_raw_fd()), to.as_ptr().cast(), to.len()).build();
    #[expect(unsafe_code, reason = "io_uring takes raw entries")]
    // SAFETY: socket and address outlive the wait below.
    unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
    ring.submit_and_wait(1)?;
    let done = ring.completion().next().ok_or_else(|| io::Error::other("one was waited for"))?;
    if done.result() < 0 { Err(io::Error::from_raw_os_error(-done.result())) } else { Ok(()) }
}
