//! What was counted last, for telling what belongs to it.

/// The sockets of the latest outcomes.
#[derive(Debug)]
pub(super) struct Latest<const LENGTH: usize> {
    sockets: Box<[u64; LENGTH]>,
    next: usize,
}

impl<const LENGTH: usize> Latest<LENGTH> {
    /// Remembers one, and forgets the oldest.
    pub(super) fn push(&mut self, socket: u64) {
        self.sockets[self.next % LENGTH] = socket;
        self.next = self.next.wrapping_add(1);
    }

    /// Whether it is among them.
    pub(super) fn contains(&self, socket: u64) -> bool {
        self.sockets.contains(&socket)
    }
}

impl<const LENGTH: usize> Default for Latest<LENGTH> {
    fn default() -> Self {
        Self { sockets: Box::new([0; LENGTH]), next: 0 }
    }
}
