//! DNS and NTP, as far as noise needs them: real messages, one exchange each.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::namespace;
use super::topology;

const PATIENCE: Duration = Duration::from_secs(3);
const DNS_HEADER: usize = 12;
const NTP_LENGTH: usize = 48;

/// A protocol with its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The address of `git.lab.example`.
    Dns,
    /// The time, which nobody sets.
    Ntp,
}

impl Service {
    fn question(self) -> Vec<u8> {
        match self {
            // One question with recursion desired: git.lab.example, A, IN (RFC 1035, 4.1).
            Self::Dns => [
                &[0xf1, 0x0d, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..],
                b"\x03git\x03lab\x07example\x00\x00\x01\x00\x01",
            ]
            .concat(),
            // Version 4, client (RFC 5905, 7.3).
            Self::Ntp => [&[0x23][..], &[0; NTP_LENGTH - 1]].concat(),
        }
    }

    /// The answer to a question; one that is too short comes back as it was.
    pub(super) fn answer(self, question: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        match self {
            Self::Dns if question.len() > DNS_HEADER => {
                answer[2] |= 0x80;
                answer[7] = 1;
                // A pointer to the name in the question, A, IN, 60 s, four bytes.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend(topology::GIT.octets());
            }
            // Version 4, server, stratum 1.
            Self::Ntp if question.len() >= NTP_LENGTH => answer[..2].copy_from_slice(&[0x24, 1]),
            Self::Dns | Self::Ntp => {}
        }
        answer
    }
}

/// One question from a site to the resolver or the time server.
#[derive(Clone, Copy)]
pub(super) struct Exchange {
    pub(super) site: &'static str,
    pub(super) process: &'static str,
    pub(super) to: SocketAddrV4,
    pub(super) service: Service,
}

impl Exchange {
    /// Plays it in a thread of its own namespace.
    pub(super) fn start(self) -> Result<JoinHandle<Result<Result<()>>>> {
        namespace::spawn(self.site, self.process, move || self.play())
    }

    /// Unconnected, as musl's resolver does it.
    fn play(self) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let question = self.service.question();
        socket.send_to(&question, self.to)?;
        let mut answer = [0; 512];
        let (length, _) =
            socket.recv_from(&mut answer).with_context(|| format!("no answer from {}", self.to))?;
        ensure!(answer[..length] == self.service.answer(&question), "a wrong answer from {}", self.to);
        Ok(())
    }
}
