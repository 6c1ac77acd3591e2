//! The recording format (`.fdr`): what one node saw, for an audit later and elsewhere.
//!
//! ```text
//! magic    89 46 44 52 0d 0a 1a 0a      (the line ends catch a transfer in text mode, as PNG's do)
//! version  u16
//! frame*   kind u8, length u32, payload, crc32 u32 over kind, length and payload
//! ```
//!
//! Numbers are little-endian; payloads are CBOR (RFC 8949), but for pages of facts (`flow/ledger.rs`). A file begins with a
//! header frame and ends with an end frame that counts what is in between: one that was cut off anywhere is recognised. A
//! reader refuses a version that it does not know, and an unknown frame, since skipping either could hide a loss.
//!
//! In version 2 a window's coverage and its flows follow the header. In version 3 every connection is there by itself: first
//! come the facts, as they were seen, then the coverage, and then whose they are.

mod frame;
mod read;
mod write;

use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::flow::Window;

pub use read::read;
pub use write::{Facts, Writer, write};

const MAGIC: [u8; 8] = *b"\x89FDR\r\n\x1a\n";
/// Of flows.
const OF_FLOWS: u16 = 2;
/// Of every connection.
const OF_FACTS: u16 = 3;
/// The latest version that this build writes, and the last that it reads.
pub const VERSION: u16 = OF_FACTS;
/// Flows, or keys of flows, in one frame.
const BATCH: usize = 256;

const HEADER: u8 = 1;
const COVERAGE: u8 = 2;
const FLOWS: u8 = 3;
const END: u8 = 4;
const FACTS: u8 = 5;
const KEYS: u8 = 6;

#[derive(Serialize, Deserialize)]
struct Header {
    cluster: String,
    node: String,
    /// Version of the flowdrift that wrote it.
    written_by: String,
    /// Nanoseconds since the Unix epoch; of facts, as it seemed when the recording began.
    start: i64,
}

#[derive(Serialize, Deserialize)]
struct End {
    /// Nanoseconds since the Unix epoch.
    end: i64,
    flows: u64,
    /// Of a recording of facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts: Option<EndOfFacts>,
}

#[derive(Serialize, Deserialize)]
struct EndOfFacts {
    /// When the window began, nanoseconds since the Unix epoch, by the clock at the end.
    start: i64,
    /// The window's end on `CLOCK_BOOTTIME`, which the facts carry, nanoseconds.
    closed: u64,
    facts: u64,
}

/// A recording that was read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where it came from.
    pub file: String,
    /// SHA-256 of its bytes, hex.
    pub digest: String,
    /// What it holds.
    pub window: Window,
}

/// What is wrong with a recording.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("{file}: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// The operating system's words.
        cause: io::Error,
    },
    /// The bytes are not what they should be.
    #[error("{file}: byte {offset}: {fault}")]
    Malformed {
        /// The file.
        file: String,
        /// Where.
        offset: u64,
        /// What was found and what was expected.
        fault: Fault,
    },
}

/// What is wrong at one place of a recording.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// Another kind of file.
    #[error("not a flowdrift recording (no .fdr magic)")]
    Magic,
    /// A version that this build does not know.
    #[error("recording version {0}, this flowdrift reads {OF_FLOWS} and {VERSION}")]
    Version(u16),
    /// The file ends inside of a frame, or without its end frame.
    #[error("the recording is truncated: {0}")]
    Truncated(&'static str),
    /// The checksum is wrong.
    #[error("checksum mismatch in a frame of {0} bytes: the recording is damaged")]
    Checksum(u32),
    /// A frame that no writer makes this long.
    #[error("frame of {0} bytes, expected at most {longest}", longest = frame::LONGEST)]
    Long(u32),
    /// A kind of frame that this build does not know, or one out of order.
    #[error("frame of kind {found}, expected {expected}")]
    Kind {
        /// The kind.
        found: u8,
        /// What should be there.
        expected: &'static str,
    },
    /// A payload that does not decode.
    #[error("{0}")]
    Payload(String),
    /// The end frame counts something else.
    #[error("{found} {what}, but the end frame counts {expected}")]
    Count {
        /// Flows or facts.
        what: &'static str,
        /// How many were read.
        found: u64,
        /// How many were written.
        expected: u64,
    },
    /// Something follows the end frame.
    #[error("data after the end frame")]
    Trailing,
}

#[cfg(test)]
mod tests;
