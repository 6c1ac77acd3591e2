//! The sockets that exist now, in every watched namespace.

use std::{
    collections::{BTreeSet, HashSet},
    io,
};

use crate::{
    capture::{
        Namespace,
        namespaces::current_cookie,
        owners,
        rights::Rights,
        sockets::{Inquiry, ListedSocket, Listing, State},
    },
    flow::{Direction, Older},
};

/// A socket that sock_diag shows.
pub(super) struct Found {
    pub(super) older: Older,
    pub(super) state: State,
    inode: u32,
}

/// What could be read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) found: Vec<Found>,
    /// Cookies of the namespaces that were read.
    pub(super) cookies: HashSet<u64>,
    /// Namespaces that could not be read, with the reason.
    pub(super) unread: Vec<String>,
}

impl Read {
    /// UDP ports where anybody may send to a socket that no process is known to have: the kernel's own. A socket that `again`
    /// does not show any more was about to be closed.
    fn kernel_ports(&self, again: impl FnOnce() -> Self) -> BTreeSet<u16> {
        let of_datagrams = self.found.iter().filter(|one| one.state == State::Datagram);
        let is_open = |one: &&Found| one.older.remote.port == 0 && one.older.local.port != 0;
        let open: Vec<&Found> = of_datagrams.filter(is_open).collect();
        if open.is_empty() {
            return BTreeSet::new();
        }
        let held = owners::held_by_processes();
        let unheld: Vec<&Found> = open.into_iter().filter(|one| !held.contains(&one.inode)).collect();
        if unheld.is_empty() {
            return BTreeSet::new();
        }
        let again: HashSet<u64> = again().found.iter().map(|one| one.older.socket).collect();
        let stays = |one: &&Found| again.contains(&one.older.socket);
        unheld.into_iter().filter(stays).map(|one| one.older.local.port).collect()
    }
}

/// Ways to ask each namespace for its sockets.
#[derive(Default)]
pub(super) struct Inquiries {
    /// With the cookie and the name of the namespace.
    open: Vec<(u64, String, Inquiry)>,
    /// Namespaces that cannot be asked, with the reason.
    closed: Vec<String>,
}

impl Inquiries {
    /// Opens one in every namespace. Whoever may not look into other processes does not even know of all of them, unless
    /// they were `named`.
    pub(super) fn open(namespaces: &[Namespace], are_named: bool) -> Self {
        let mut inquiries = Self::default();
        if !are_named && !Rights::of_this_process().can_enter_namespaces() {
            let needed = "finding and entering them needs CAP_SYS_PTRACE and CAP_SYS_ADMIN";
            inquiries.closed.push(format!("other namespaces: {needed}"));
        }
        for namespace in namespaces {
            match namespace.enter(|| Ok((current_cookie()?, Inquiry::open()?))) {
                Ok((cookie, inquiry)) => inquiries.open.push((cookie, namespace.label(), inquiry)),
                // A namespace that went meanwhile took its sockets along.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                // It is one of those that are told already.
                Err(cause)
                    if cause.kind() == io::ErrorKind::PermissionDenied && !inquiries.closed.is_empty() => {}
                Err(cause) => inquiries.closed.push(format!("{}: {cause}", namespace.label())),
            }
        }
        inquiries
    }

    /// UDP ports of the kernel's own sockets, among what was `read`.
    pub(super) fn kernel_ports(&self, read: &Read) -> BTreeSet<u16> {
        read.kernel_ports(|| self.read(0))
    }

    /// Lists the sockets of every namespace; `time` is now, on `CLOCK_BOOTTIME`.
    pub(super) fn read(&self, time: u64) -> Read {
        let mut read = Read { unread: self.closed.clone(), ..Read::default() };
        for (cookie, label, inquiry) in &self.open {
            match Listing::of(inquiry) {
                Ok(listing) => {
                    read.cookies.insert(*cookie);
                    read.found
                        .extend(listing.sockets.iter().map(|one| found(one, &listing, (*cookie, time))));
                }
                Err(cause) => read.unread.push(format!("{label}: {cause}")),
            }
        }
        read
    }
}

fn found(socket: &ListedSocket, listing: &Listing, (cookie, time): (u64, u64)) -> Found {
    let direction = match socket.state {
        State::SynSent => Direction::Outbound,
        // It is its own listener, and may be a client as well.
        State::Datagram if socket.remote.port == 0 => Direction::Unknown,
        _ if listing.is_listening(socket) => Direction::Inbound,
        _ => Direction::Unknown,
    };
    let older = Older {
        translated: None,
        socket: socket.socket,
        cgroup: socket.cgroup,
        netns: Some(cookie),
        local: socket.local,
        remote: socket.remote,
        direction,
        time,
    };
    Found { older, state: socket.state, inode: socket.inode }
}
