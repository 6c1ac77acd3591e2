//! Made-up records, for measuring the way from the rings to a verdict. The program that writes them
//! (`probe-ebpf/src/synthetic.rs`) and whoever counts what became of them agree on them here.

/// What the records are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow(u64);

impl Flow {
    /// How many there may be: as many as IPv4 addresses of the peers' block, 10.0.0.0/8.
    pub const MOST: u64 = 1 << 24;
    /// The first 32 bits of the peers' addresses' block where they are IPv6, host byte order; the last 32 count up.
    pub const PEERS_V6: u32 = 0xfd00_0002;
    /// Of their own addresses, likewise.
    pub const OWN_V6: u32 = 0xfd00_0001;
    /// The server's port.
    pub const PORT: u16 = 443;

    const PEERS_V4: u32 = 0x0a00_0000;
    const OWN_V4: u32 = 0xac10_0000;
    const HOSTS: u64 = 64;

    /// The flow of a record by its number, below 2^31, of so many flows: each comes once before any comes again, and none beside
    /// its neighbour.
    #[must_use]
    #[inline(always)]
    pub const fn of_record(number: u64, flows: u64) -> Self {
        /// A prime, larger than any number of flows.
        const STRIDE: u64 = 2_654_435_761;
        // No jump to a panic, which the verifier refuses.
        match number.wrapping_mul(STRIDE).checked_rem(flows) {
            Some(flow) => Self(flow),
            None => Self(0),
        }
    }

    /// The flow's number.
    #[must_use]
    #[inline(always)]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Whether it is IPv6: one in four.
    #[must_use]
    #[inline(always)]
    pub const fn is_v6(self) -> bool {
        self.0 & 3 == 3
    }

    /// Whether the socket is its server's: every second one.
    #[must_use]
    #[inline(always)]
    pub const fn is_server(self) -> bool {
        self.0 & 4 != 0
    }

    /// The socket's own address: IPv4, or the last 32 bits of an IPv6 one; host byte order.
    #[must_use]
    #[inline(always)]
    pub const fn own(self) -> u32 {
        let host = (self.0 >> 3) % Self::HOSTS;
        if self.is_v6() { host as u32 } else { Self::OWN_V4 | host as u32 }
    }

    /// The peer's address, likewise.
    #[must_use]
    #[inline(always)]
    pub const fn peer(self) -> u32 {
        if self.is_v6() { self.0 as u32 } else { Self::PEERS_V4 | self.0 as u32 }
    }
}
