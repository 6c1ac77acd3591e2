//! The sockets that exist now, in every watched namespace.

use std::{collections::HashSet, io};

use crate::{
    capture::{
        Namespace,
        namespaces::current_cookie,
        sockets::{ListedSocket, Listing, State},
    },
    flow::{Direction, Older},
};

/// A socket that sock_diag shows.
pub(super) struct Found {
    pub(super) older: Older,
    pub(super) state: State,
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

/// Lists the sockets of every namespace; `time` is now, on `CLOCK_BOOTTIME`.
pub(super) fn read(namespaces: &[Namespace], time: u64) -> Read {
    let mut read = Read::default();
    for namespace in namespaces {
        match namespace.enter(|| Ok((current_cookie()?, Listing::of_current_namespace()?))) {
            Ok((cookie, listing)) => {
                read.cookies.insert(cookie);
                read.found.extend(listing.sockets.iter().map(|one| found(one, &listing, (cookie, time))));
            }
            // A namespace that went meanwhile took its sockets along.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => read.unread.push(format!("{}: {cause}", namespace.label())),
        }
    }
    read
}

fn found(socket: &ListedSocket, listing: &Listing, (cookie, time): (u64, u64)) -> Found {
    let direction = match socket.state {
        State::SynSent => Direction::Outbound,
        _ if listing.is_listening(socket) => Direction::Inbound,
        _ => Direction::Unknown,
    };
    let older = Older {
        socket: socket.socket,
        cgroup: socket.cgroup,
        netns: Some(cookie),
        local: socket.local,
        remote: socket.remote,
        direction,
        time,
    };
    Found { older, state: socket.state }
}
