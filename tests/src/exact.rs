//! Exactness: per end, outcomes in flows + outcomes lost = connections that the generator counted.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use flowdrift::flow::{Direction, Flow, Window};
use nix::sys::signal::Signal;
use probe_common::Loss;
use serde::Serialize;

use crate::{
    generator::{Ending, Generated, Server, Target, closed_loop, open_loop},
    kernel::programs,
    namespace::TestNamespace,
    recorder::{Recorder, outcomes},
};

/// How connections are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Load {
    /// One after the other, closed by RST.
    ClosedByReset,
    /// One after the other, closed by FIN.
    ClosedByFinish,
    /// Without ever waiting for an answer.
    Open,
}

/// What the recorder may use, KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Of all rings together.
    pub ring: u32,
    /// Of the spill.
    pub spill: u32,
}

/// One run of the generator.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Run {
    /// How.
    pub load: Load,
    /// Over IPv6 instead of IPv4.
    pub v6: bool,
    /// How many.
    pub connections: u64,
    /// Clients that make them side by side.
    pub clients: u64,
    /// How many addresses of the server they dial in turn, each another flow; one unless over IPv4.
    pub addresses: u32,
}

/// What one end shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct End {
    /// By the generator's count.
    pub generated: u64,
    /// Outcomes in flows.
    pub seen: u64,
    /// Outcomes in the loss counters.
    pub lost: u64,
    /// Generated less the two; 0 is exact.
    pub difference: i64,
}

impl End {
    fn new(generated: u64, seen: u64, lost: u64) -> Self {
        let difference = generated.cast_signed() - (seen + lost).cast_signed();
        Self { generated, seen, lost, difference }
    }
}

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// What was run.
    pub run: Run,
    /// The generator's own count.
    pub generated: Generated,
    /// The end that connects.
    pub client: End,
    /// The end that accepts.
    pub server: End,
    /// The loss counters.
    pub lost: BTreeMap<String, u64>,
    /// Facts that were folded because the rings were full.
    pub folded: u64,
    /// State changes that neither program was run for.
    pub recursion_misses: u64,
    /// State changes that the second program took.
    pub rescued: u64,
    /// Connections per second while they were made.
    pub rate: u64,
}

impl Figures {
    /// Whether both ends add up.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.client.difference == 0 && self.server.difference == 0
    }

    /// Whether nothing at all was lost.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.lost.values().sum::<u64>() + self.recursion_misses == 0
    }
}

impl Run {
    fn address(self) -> IpAddr {
        match (self.v6, self.addresses) {
            (true, _) => Ipv6Addr::LOCALHOST.into(),
            (false, 1) => Ipv4Addr::LOCALHOST.into(),
            (false, _) => Ipv4Addr::UNSPECIFIED.into(),
        }
    }

    fn generate(self, server: SocketAddr) -> Generated {
        let mut sum = Generated::default();
        std::thread::scope(|scope| {
            let clients: Vec<_> =
                (0..self.clients).map(|_| scope.spawn(move || self.client(server))).collect();
            for client in clients {
                sum.add(&client.join().expect("a client does not panic"));
            }
        });
        sum
    }

    fn client(self, server: SocketAddr) -> Generated {
        let count = self.connections / self.clients;
        let target = match self.addresses {
            1 => Target::One(server),
            addresses => Target::Many(server.port(), addresses),
        };
        let done = match self.load {
            Load::ClosedByReset => closed_loop(target, count, Ending::Reset),
            Load::ClosedByFinish => closed_loop(target, count, Ending::Finish),
            Load::Open => open_loop(target, count),
        };
        done.expect("sockets can be made")
    }

    /// With the default ring and the whole node watched.
    ///
    /// # Panics
    ///
    /// When the recorder fails.
    #[must_use]
    pub fn with_default_ring(self) -> Figures {
        let server = Server::start(self.address(), self.clients).expect("loopback is up");
        let port = server.address().port();
        let recorder = Recorder::start(&[]);
        let (generated, rate) = self.timed(server);
        let rescued = programs::rescued(recorder.id()).expect("it runs");
        self.figures(&recorder.finish(), port, generated, (rescued, rate))
    }

    /// With so much memory, and the recorder stopped by SIGSTOP for `pause` as soon as it is live.
    ///
    /// # Panics
    ///
    /// When the recorder fails.
    #[must_use]
    pub fn with_stopped_consumer(self, memory: Memory, pause: Duration) -> Figures {
        self.with(memory, |recorder, generate| {
            recorder.signal(Signal::SIGSTOP);
            let began = Instant::now();
            let generated = generate();
            std::thread::sleep(pause.saturating_sub(began.elapsed()));
            recorder.signal(Signal::SIGCONT);
            generated
        })
    }

    /// With a single ring of 4 KiB that all CPUs share and that overflows all the time while it is being read, and so
    /// many KiB of spill.
    ///
    /// # Panics
    ///
    /// When the recorder fails.
    #[must_use]
    pub fn with_overrun_consumer(self, spill: u32) -> Figures {
        self.with(Memory { ring: 4, spill }, |_, generate| generate())
    }

    /// Losses are counted per node, so this watches a namespace of its own, where nobody else connects.
    fn with(
        self,
        Memory { ring, spill }: Memory,
        run: impl FnOnce(&Recorder, &dyn Fn() -> (u16, (Generated, u64))) -> (u16, (Generated, u64)),
    ) -> Figures {
        let namespace = TestNamespace::new("small-ring");
        let path = namespace.path().display().to_string();
        let recorder =
            Recorder::start(&["--ring", &ring.to_string(), "--spill", &spill.to_string(), "--netns", &path]);
        let generate = || {
            namespace.run(|| {
                let server = Server::start(self.address(), self.clients).expect("loopback is up");
                (server.address().port(), self.timed(server))
            })
        };
        let (port, (generated, rate)) = run(&recorder, &generate);
        let rescued = programs::rescued(recorder.id()).expect("it runs");
        self.figures(&recorder.finish(), port, generated, (rescued, rate))
    }

    fn timed(self, server: Server) -> (Generated, u64) {
        let began = Instant::now();
        let mut generated = self.generate(server.address());
        let rate = self.connections as f64 / began.elapsed().as_secs_f64();
        server.finish(&mut generated);
        (generated, rate as u64)
    }

    fn figures(self, window: &Window, port: u16, generated: Generated, measured: (u64, u64)) -> Figures {
        let end = |direction| {
            outcomes(window, |flow: &Flow| flow.key.port == port && flow.key.direction == direction)
        };
        let (client, server) = (end(Direction::Outbound), end(Direction::Inbound));
        let counted = |reason: &str| window.coverage.lost.get(reason).copied().unwrap_or(0);
        let lost = |loss: Loss| counted(loss.name());
        // A lost attempt costs the outcome its process, not the outcome.
        let client_lost = lost(Loss::Connected) + lost(Loss::Failed) + counted("outcome-unseen");
        let client_seen = client.succeeded() + client.unsuccessful();
        Figures {
            run: self,
            client: End::new(generated.attempted, client_seen, client_lost),
            server: End::new(generated.accepted, server.accepted, lost(Loss::Accepted)),
            generated,
            lost: window.coverage.lost.clone(),
            folded: window.coverage.folded,
            recursion_misses: window.coverage.recursion_misses,
            rescued: measured.0,
            rate: measured.1,
        }
    }
}
