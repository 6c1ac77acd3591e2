//! What was counted last, for telling a repetition.

/// The sockets of the latest outcomes: a repetition follows within one softirq's work.
#[derive(Debug)]
pub(super) struct Latest {
    sockets: Box<[u64; Self::LENGTH]>,
    next: usize,
}

impl Latest {
    /// How many are remembered.
    const LENGTH: usize = 4_096;

    /// Remembers one, and forgets the oldest.
    pub(super) fn push(&mut self, socket: u64) {
        self.sockets[self.next % Self::LENGTH] = socket;
        self.next = self.next.wrapping_add(1);
    }

    /// Whether it is among them.
    pub(super) fn contains(&self, socket: u64) -> bool {
        self.sockets.contains(&socket)
    }
}

impl Default for Latest {
    fn default() -> Self {
        Self { sockets: Box::new([0; Self::LENGTH]), next: 0 }
    }
}
