//! The recording format (`.fdr`): what one node saw, for an audit later and elsewhere.
//!
//! ```text
//! magic    89 46 44 52 0d 0a 1a 0a      (the line ends catch a transfer in text mode, as PNG's do)
//! version  u16
//! frame*   kind u8, length u32, payload, crc32 u32 over kind, length and payload
//! ```
//!
//! Numbers are little-endian; payloads are CBOR (RFC 8949). A file begins with a header frame and ends with an
//! end frame that counts the flows: one that was cut off anywhere is recognised. A reader refuses a version
//! that it does not know, and an unknown frame, since skipping either could hide a loss.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::flow::{Coverage, Flow, Outcomes, Window};

const MAGIC: [u8; 8] = *b"\x89FDR\r\n\x1a\n";
/// The version that this build writes, and the only one it reads.
pub const VERSION: u16 = 2;
/// No frame that this build writes is longer, bytes.
const LONGEST: u32 = 16 << 20;
/// Flows in one frame.
const BATCH: usize = 256;

const HEADER: u8 = 1;
const COVERAGE: u8 = 2;
const FLOWS: u8 = 3;
const END: u8 = 4;

#[derive(Serialize, Deserialize)]
struct Header {
    cluster: String,
    node: String,
    /// Version of the flowdrift that wrote it.
    written_by: String,
    /// Nanoseconds since the Unix epoch.
    start: i64,
}

#[derive(Serialize, Deserialize)]
struct End {
    /// Nanoseconds since the Unix epoch.
    end: i64,
    flows: u64,
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
    #[error("recording version {0}, this flowdrift reads version {VERSION}")]
    Version(u16),
    /// The file ends inside of a frame, or without its end frame.
    #[error("the recording is truncated: {0}")]
    Truncated(&'static str),
    /// The checksum is wrong.
    #[error("checksum mismatch in a frame of {0} bytes: the recording is damaged")]
    Checksum(u32),
    /// A frame that no writer makes this long.
    #[error("frame of {0} bytes, expected at most {LONGEST}")]
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
    /// The end frame counts other flows.
    #[error("{found} flows, but the end frame counts {expected}")]
    Count {
        /// Flows read.
        found: u64,
        /// Flows written.
        expected: u64,
    },
    /// Something follows the end frame.
    #[error("data after the end frame")]
    Trailing,
}

/// Writes a window.
///
/// # Errors
///
/// What the sink returns.
pub fn write(window: &Window, mut sink: impl Write) -> io::Result<()> {
    let Window { cluster, node, start, end, coverage, flows } = window;
    sink.write_all(&MAGIC)?;
    sink.write_all(&VERSION.to_le_bytes())?;
    let written_by = env!("CARGO_PKG_VERSION").to_owned();
    let header = Header { cluster: cluster.clone(), node: node.clone(), written_by, start: *start };
    write_frame(&mut sink, HEADER, &header)?;
    write_frame(&mut sink, COVERAGE, coverage)?;
    for batch in flows.chunks(BATCH) {
        write_frame(&mut sink, FLOWS, batch)?;
    }
    write_frame(&mut sink, END, &End { end: *end, flows: flows.len() as u64 })?;
    sink.flush()
}

fn write_frame(sink: &mut impl Write, kind: u8, payload: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut bytes = vec![kind, 0, 0, 0, 0];
    ciborium::into_writer(payload, &mut bytes).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 5).map_err(io::Error::other)?;
    bytes[1..5].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32fast::hash(&bytes);
    sink.write_all(&bytes)?;
    sink.write_all(&checksum.to_le_bytes())
}

/// Reads a recording; `file` names it in errors and reports.
///
/// # Errors
///
/// When it cannot be read, is not a recording, is of another version, damaged or truncated: with the offset.
pub fn read(file: &str, mut source: impl Read) -> Result<Recording, RecordingError> {
    let mut bytes = Vec::new();
    source
        .read_to_end(&mut bytes)
        .map_err(|cause| RecordingError::Unreadable { file: file.to_owned(), cause })?;
    let mut reader = Reader { bytes: &bytes, at: 0 };
    let window = reader.window().map_err(|fault| RecordingError::Malformed {
        file: file.to_owned(),
        offset: reader.at as u64,
        fault,
    })?;
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Recording { file: file.to_owned(), digest, window })
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// Beginning of what is being read.
    at: usize,
}

impl Reader<'_> {
    fn window(&mut self) -> Result<Window, Fault> {
        self.preamble()?;
        let Header { cluster, node, start, .. } = self.expect(HEADER, "the header")?;
        let coverage: Coverage = self.expect(COVERAGE, "the coverage")?;
        let mut flows: Vec<Flow> = Vec::new();
        loop {
            let (kind, payload, next) = self.frame("no end frame")?;
            match kind {
                FLOWS => flows.extend(decode::<Vec<Flow>>(payload)?),
                END => {
                    let End { end, flows: expected } = decode(payload)?;
                    let found = flows.len() as u64;
                    if found != expected {
                        return Err(Fault::Count { found, expected });
                    }
                    self.at = next;
                    self.nothing_more()?;
                    let window = Window { cluster, node, start, end, coverage, flows };
                    return plausible(&window).map(|()| window);
                }
                found => return Err(Fault::Kind { found, expected: "flows or the end" }),
            }
            self.at = next;
        }
    }

    fn preamble(&mut self) -> Result<(), Fault> {
        let magic = self.bytes.get(..MAGIC.len()).unwrap_or(self.bytes);
        if !MAGIC.starts_with(magic) || magic.is_empty() {
            return Err(Fault::Magic);
        }
        let version = self.bytes.get(MAGIC.len()..MAGIC.len() + 2).ok_or(Fault::Truncated("no version"))?;
        let version = u16::from_le_bytes([version[0], version[1]]);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        self.at = MAGIC.len() + 2;
        Ok(())
    }

    fn expect<T: DeserializeOwned>(&mut self, kind: u8, expected: &'static str) -> Result<T, Fault> {
        let (found, payload, next) = self.frame(expected)?;
        if found != kind {
            return Err(Fault::Kind { found, expected });
        }
        let value = decode(payload)?;
        self.at = next;
        Ok(value)
    }

    /// Kind and payload of the frame here, and where the next one begins.
    fn frame(&self, missing: &'static str) -> Result<(u8, &[u8], usize), Fault> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Err(Fault::Truncated(missing));
        }
        let head = rest.get(..5).ok_or(Fault::Truncated("a frame's head is cut off"))?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        if length > LONGEST {
            return Err(Fault::Long(length));
        }
        let end = 5 + length as usize;
        let frame = rest.get(..end + 4).ok_or(Fault::Truncated("a frame is cut off"))?;
        if crc32fast::hash(&frame[..end]).to_le_bytes() != frame[end..] {
            return Err(Fault::Checksum(length));
        }
        Ok((head[0], &frame[5..end], self.at + end + 4))
    }

    fn nothing_more(&self) -> Result<(), Fault> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(Fault::Trailing) }
    }
}

/// What the checksum cannot tell: numbers that no node could have seen.
fn plausible(window: &Window) -> Result<(), Fault> {
    /// More connections than a node can make in a century.
    const MOST: u64 = 1 << 52;
    if window.start < 0 || window.end < window.start {
        return Err(Fault::Payload("the window ends before it begins, or before 1970".to_owned()));
    }
    let Coverage { lost, lost_by_cgroup, recursion_misses, events, folded, callers_lost, .. } =
        &window.coverage;
    let connections = window.coverage.snapshot.as_ref().map(|snapshot| &snapshot.connections);
    let counts = [recursion_misses, events, folded, callers_lost].into_iter().chain(connections);
    if counts.chain(lost.values()).chain(lost_by_cgroup.values()).any(|count| *count > MOST) {
        return Err(Fault::Payload("the coverage counts more facts than any node can see".to_owned()));
    }
    for flow in &window.flows {
        let Outcomes { pending, silent, datagrams_sent, datagrams_received, .. } = flow.outcomes;
        let of_udp = [silent, datagrams_sent, datagrams_received];
        let counts = [flow.outcomes.passed(), flow.outcomes.unsuccessful(), pending, flow.folded]
            .into_iter()
            .chain(of_udp);
        if counts.into_iter().any(|count| count > MOST) {
            return Err(Fault::Payload("a flow counts more connections than any node can make".to_owned()));
        }
        if flow.first_seen < 0 || flow.last_seen < flow.first_seen {
            return Err(Fault::Payload("a flow ends before it begins, or before 1970".to_owned()));
        }
    }
    Ok(())
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Fault> {
    ciborium::from_reader(payload).map_err(|cause| Fault::Payload(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Protocol,
        flow::{Direction, FlowKey, Outcomes, Workload},
    };

    fn window(flows: u16) -> Window {
        let flow = |port| Flow {
            key: FlowKey {
                translated: None,
                workload: Workload::default(),
                direction: Direction::Outbound,
                local: "10.0.0.1".parse().expect("address"),
                remote: "2001:db8::1".parse().expect("address"),
                port,
                protocol: Protocol::Tcp,
            },
            outcomes: Outcomes { connected: 3, ..Outcomes::default() },
            first_seen: 1,
            last_seen: 2,
            processes: Vec::new(),
            folded: 0,
        };
        Window {
            cluster: "run".into(),
            node: "run-1".into(),
            start: 1,
            end: 9,
            coverage: Coverage::default(),
            flows: (0..flows).map(flow).collect(),
        }
    }

    fn bytes(window: &Window) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(window, &mut bytes).expect("a vector takes all");
        bytes
    }

    fn fault(bytes: &[u8]) -> Fault {
        match read("x.fdr", bytes) {
            Err(RecordingError::Malformed { fault, .. }) => fault,
            other => panic!("expected a fault, found {other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let window = window(600);
        assert_eq!(read("x.fdr", bytes(&window).as_slice()).expect("well-formed").window, window);
    }

    #[test]
    fn a_recording_cut_off_anywhere_is_refused() {
        let whole = bytes(&window(2));
        assert_eq!(fault(&[]), Fault::Magic);
        for length in 1..whole.len() {
            assert!(matches!(fault(&whole[..length]), Fault::Truncated(_)), "cut at byte {length}");
        }
    }

    #[test]
    fn numbers_that_no_node_could_have_seen_are_refused() {
        let mut backwards = window(1);
        backwards.end = 0;
        assert!(matches!(fault(&bytes(&backwards)), Fault::Payload(_)));
        let mut countless = window(1);
        countless.flows[0].outcomes.connected = u64::MAX;
        assert!(matches!(fault(&bytes(&countless)), Fault::Payload(_)));
        let changes: [fn(&mut Window); 5] = [
            |window| window.flows[0].outcomes.unreplied = u64::MAX,
            |window| window.flows[0].folded = u64::MAX,
            |window| window.coverage.folded = u64::MAX,
            |window| window.coverage.lost = [("unread".into(), u64::MAX)].into(),
            |window| window.coverage.lost_by_cgroup = [("/".into(), u64::MAX)].into(),
        ];
        for change in changes {
            let mut countless = window(1);
            change(&mut countless);
            assert!(matches!(fault(&bytes(&countless)), Fault::Payload(_)), "{countless:?}");
        }
        let mut early = window(1);
        early.flows[0].first_seen = i64::MIN;
        assert!(matches!(fault(&bytes(&early)), Fault::Payload(_)));
    }

    #[test]
    fn damage_other_versions_and_trailing_data_are_refused() {
        let whole = bytes(&window(2));
        let mut damaged = whole.clone();
        damaged[20] ^= 1;
        assert!(matches!(fault(&damaged), Fault::Checksum(_)));
        let mut newer = whole.clone();
        newer[8] += 1;
        assert_eq!(fault(&newer), Fault::Version(VERSION + 1));
        assert_eq!(fault(&[whole, vec![0]].concat()), Fault::Trailing);
        assert_eq!(fault(b"apiVersion: flowdrift/v1"), Fault::Magic);
    }
}
