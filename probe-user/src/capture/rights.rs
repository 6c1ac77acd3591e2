//! The capabilities that the probe needs, and which of them this process has.

/// Numbers of capabilities (include/uapi/linux/capability.h; CAP_BPF and CAP_PERFMON since Linux 5.8).
const CAPABILITIES: [(&str, u32); 3] = [("CAP_BPF", 39), ("CAP_PERFMON", 38), ("CAP_NET_ADMIN", 12)];
const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_PTRACE: u32 = 19;

/// The effective capabilities of this process.
#[derive(Clone, Copy, Debug)]
pub struct Rights(u64);

impl Rights {
    /// Reads them from /proc/self/status; none where that is not readable.
    #[must_use]
    pub fn of_this_process() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        Self(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0))
    }

    fn has(self, number: u32) -> bool {
        self.0 & (1 << number) != 0
    }

    /// What loading and attaching needs and is not there. CAP_SYS_ADMIN stands in for CAP_BPF and
    /// CAP_PERFMON (`man 7 capabilities`).
    #[must_use]
    pub fn missing(self) -> Vec<&'static str> {
        let stands_in = |number| number != 12 && self.has(CAP_SYS_ADMIN);
        CAPABILITIES
            .iter()
            .filter(|(_, number)| !self.has(*number) && !stands_in(*number))
            .map(|(name, _)| *name)
            .collect()
    }

    /// Whether other namespaces can be entered (for the sockets that are older than the audit).
    #[must_use]
    pub fn can_enter_namespaces(self) -> bool {
        self.has(CAP_SYS_ADMIN) && self.has(CAP_SYS_PTRACE)
    }
}
