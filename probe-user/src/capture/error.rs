//! Why the probe did not start. Each fault has its own words and names its remedy.

use thiserror::Error;

use super::btf::{BtfError, VMLINUX};

/// The probe cannot start, or cannot claim to be live.
#[derive(Debug, Error)]
pub enum StartError {
    /// The process lacks rights.
    #[error(
        "missing {missing}: the probe needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (run as root, or grant them)"
    )]
    Rights {
        /// The missing capabilities, comma-separated.
        missing: String,
    },
    /// The kernel publishes no types.
    #[error(
        "no kernel BTF at {VMLINUX} (CONFIG_DEBUG_INFO_BTF, Linux 5.4): struct offsets would be guesses, and flowdrift does not guess"
    )]
    NoBtf(#[source] BtfError),
    /// A field on which the tuple rests is not as expected.
    #[error("this kernel's sockets cannot be read")]
    Field(#[source] BtfError),
    /// The kernel has no BPF ring buffer.
    #[error(
        "this kernel has no BPF ring buffer (BPF_MAP_TYPE_RINGBUF, Linux 5.8): the probe carries its diagnostics in one"
    )]
    NoRingBuffer,
    /// Creating maps or loading the object failed.
    #[error("the probe does not load")]
    Load(#[source] Box<aya::EbpfError>),
    /// A program was refused.
    #[error("{program} does not load or attach")]
    Program {
        /// Program name.
        program: &'static str,
        /// aya's words, with the verifier's log where there is one.
        #[source]
        cause: Box<aya::programs::ProgramError>,
    },
    /// A map or program of the embedded object is not there.
    #[error("the embedded probe has no {0}: it was built from other sources (run `cargo xtask ebpf`)")]
    Object(&'static str),
    /// A map cannot be used.
    #[error("map {map} cannot be used")]
    Map {
        /// Map name.
        map: &'static str,
        /// aya's words.
        #[source]
        cause: Box<aya::maps::MapError>,
    },
    /// A namespace or cgroup that the user named cannot be resolved.
    #[error("{what}: {cause}")]
    Scope {
        /// What the user named.
        what: String,
        /// Why not.
        cause: String,
    },
    /// The probe's own diagnostics were asked for and cannot be read.
    #[error("the probe's diagnostics cannot be read")]
    Diagnostics(#[source] aya_log::Error),
    /// The known connection was not seen.
    #[error(
        "attached, but a known loopback connection was not seen in {0}: the probe refuses to call itself live"
    )]
    Deaf(String),
    /// The operating system refused something else.
    #[error("{doing}")]
    System {
        /// What was being done.
        doing: String,
        /// Its words.
        #[source]
        cause: std::io::Error,
    },
}

impl StartError {
    /// Wraps an operating system error with what was being done.
    pub(crate) fn system(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        |cause| Self::System { doing, cause }
    }
}
