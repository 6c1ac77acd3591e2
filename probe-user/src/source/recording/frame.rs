//! Frames: what is between the magic and the end.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::Fault;

/// No frame that this build writes is longer, bytes.
pub(super) const LONGEST: u32 = 16 << 20;
/// Kind and length.
const HEAD: usize = 5;
const CHECKSUM: usize = 4;

/// Writes a value as a frame.
pub(super) fn write(sink: &mut impl Write, kind: u8, payload: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut bytes = Vec::new();
    ciborium::into_writer(payload, &mut bytes).map_err(io::Error::other)?;
    write_bytes(sink, kind, &bytes)
}

/// Writes bytes as a frame.
pub(super) fn write_bytes(sink: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let [first, second, third, fourth] = length.to_le_bytes();
    let head = [kind, first, second, third, fourth];
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&head);
    checksum.update(payload);
    sink.write_all(&head)?;
    sink.write_all(payload)?;
    sink.write_all(&checksum.finalize().to_le_bytes())
}

/// Why no frame could be read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The source's own.
    Unreadable(io::Error),
    /// What is wrong with the bytes.
    Fault(Fault),
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Self {
        Self::Unreadable(cause)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads frames one after the other, and hashes all that it reads.
pub(super) struct Frames<R> {
    source: R,
    digest: Sha256,
    /// The beginning of what is being read.
    at: u64,
    /// How far the source was read.
    read: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Frames<R> {
    pub(super) fn of(source: R) -> Self {
        Self { source, digest: Sha256::new(), at: 0, read: 0, buffer: Vec::new() }
    }

    /// The beginning of what is being read, or of what was read last.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// SHA-256 of all that was read, hex.
    pub(super) fn digest(self) -> String {
        self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As many bytes as there are, up to `length`, behind those of the buffer.
    fn fill(&mut self, length: usize) -> io::Result<&[u8]> {
        let before = self.buffer.len();
        self.source.by_ref().take(length as u64).read_to_end(&mut self.buffer)?;
        let found = &self.buffer[before..];
        self.read += found.len() as u64;
        self.digest.update(found);
        Ok(found)
    }

    /// What stands before the first frame.
    pub(super) fn preamble(&mut self, length: usize) -> io::Result<&[u8]> {
        self.buffer.clear();
        self.fill(length)
    }

    /// Kind and payload of the next frame; `missing` says what is not there if there is none.
    pub(super) fn next(&mut self, missing: &'static str) -> Result<(u8, &[u8]), Trouble> {
        self.at = self.read;
        self.buffer.clear();
        let length = match self.fill(HEAD)? {
            [] => return Err(Fault::Truncated(missing).into()),
            [_, length @ ..] => <[u8; HEAD - 1]>::try_from(length),
        };
        let length = length.map_err(|_| Fault::Truncated("a frame's head is cut off"))?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST {
            return Err(Fault::Long(length).into());
        }
        let end = HEAD + length as usize;
        if self.fill(end + CHECKSUM - HEAD)?.len() < end + CHECKSUM - HEAD {
            return Err(Fault::Truncated("a frame is cut off").into());
        }
        let (frame, checksum) = self.buffer.split_at(end);
        if crc32fast::hash(frame).to_le_bytes() != checksum {
            return Err(Fault::Checksum(length).into());
        }
        Ok((frame[0], &frame[HEAD..]))
    }

    /// The value of the next frame, which is of this kind.
    pub(super) fn expect<T: DeserializeOwned>(
        &mut self,
        kind: u8,
        expected: &'static str,
    ) -> Result<T, Trouble> {
        let (found, payload) = self.next(expected)?;
        if found != kind {
            return Err(Fault::Kind { found, expected }.into());
        }
        Ok(decode(payload)?)
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), Trouble> {
        self.at = self.read;
        self.buffer.clear();
        if self.fill(1)?.is_empty() { Ok(()) } else { Err(Fault::Trailing.into()) }
    }
}

/// The value of a payload.
pub(super) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Fault> {
    ciborium::from_reader(payload).map_err(|cause| Fault::Payload(cause.to_string()))
}
