//! Every fact by itself, as bytes: what a recording of every connection holds.
//!
//! ```text
//! page     base u64 (little-endian), commands (number of them, 16 bytes each), fact*
//! fact     kind u8, flow, time since the fact before, [lasts], [command u8, process id], [errno | counts]
//! counts   which u16, one number for each that is there, failures (number of them, errno and count each), folded
//! ```
//!
//! Numbers without a size are varints (LEB128), those that may be negative in zigzag. Flows are known by their numbers, which
//! count up from 0 as they appear; whose they are is told when their names are known, at the end. A page stands by itself.

use std::mem;

use bytes::{BufMut, Bytes, BytesMut};
use integer_encoding::VarInt;
use probe_common::COMMAND_LENGTH;

use super::{
    Outcomes,
    fact::{Fact, Outcome},
};
use crate::event::{Command, Process};

/// A page is turned when its facts are so long, bytes.
const PAGE: usize = 64 << 10;

/// So many commands are told apart on one page.
const COMMANDS: usize = 1 << u8::BITS;

/// Facts that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Ledger {
    full: Vec<Bytes>,
    /// The time of the page's first fact.
    base: u64,
    /// That of the latest one.
    previous: u64,
    commands: Vec<Command>,
    facts: BytesMut,
    count: u64,
}

/// In a fact's first byte.
mod kind {
    pub(super) const CONNECTED: u8 = 0;
    pub(super) const ACCEPTED: u8 = 1;
    pub(super) const OLDER: u8 = 2;
    pub(super) const FAILED: u8 = 3;
    pub(super) const UNANSWERED: u8 = 4;
    pub(super) const PENDING: u8 = 5;
    pub(super) const UNROUTED: u8 = 6;
    pub(super) const SILENT: u8 = 7;
    pub(super) const CALLER: u8 = 8;
    pub(super) const COUNTED: u8 = 9;
    /// The bits of one of these; the others are added.
    pub(super) const BASIC: u8 = 0x0f;
    /// It has a caller.
    pub(super) const WITH_CALLER: u8 = 0x10;
    /// Its end is not its beginning.
    pub(super) const LASTS: u8 = 0x20;
}

impl Ledger {
    /// Adds a fact of a flow.
    #[inline]
    pub fn note(&mut self, flow: u32, fact: &Fact<'_>) {
        if self.facts.len() >= PAGE {
            self.turn();
        }
        let Fact { first, last, process, outcome } = fact;
        let command = process.map(|process| self.command(process.command));
        if self.facts.is_empty() {
            (self.base, self.previous) = (*first, *first);
        }
        let basic = match outcome {
            Outcome::Connected => kind::CONNECTED,
            Outcome::Accepted => kind::ACCEPTED,
            Outcome::Older => kind::OLDER,
            Outcome::Failed(_) => kind::FAILED,
            Outcome::Unanswered => kind::UNANSWERED,
            Outcome::Pending => kind::PENDING,
            Outcome::Unrouted => kind::UNROUTED,
            Outcome::Silent => kind::SILENT,
            Outcome::Caller => kind::CALLER,
            Outcome::Counted(..) => kind::COUNTED,
        };
        let with_caller = if process.is_some() { kind::WITH_CALLER } else { 0 };
        let lasts = if last == first { 0 } else { kind::LASTS };
        self.count += 1;
        self.facts.put_u8(basic | with_caller | lasts);
        self.put(flow);
        self.put(first.wrapping_sub(self.previous).cast_signed());
        self.previous = *first;
        if last != first {
            self.put(last.wrapping_sub(*first).cast_signed());
        }
        if let Some((process, command)) = process.as_ref().zip(command) {
            self.facts.put_u8(command);
            self.put(process.id);
        }
        match outcome {
            Outcome::Failed(error) => self.put(*error),
            Outcome::Counted(outcomes, folded) => self.put_counts(outcomes, *folded),
            _ => {}
        }
    }

    fn put(&mut self, number: impl VarInt) {
        let mut bytes = [0; 10];
        let length = number.encode_var(&mut bytes);
        self.facts.put_slice(&bytes[..length]);
    }

    fn put_counts(&mut self, outcomes: &Outcomes, folded: u64) {
        let mut outcomes = outcomes.clone();
        let failed = mem::take(&mut outcomes.failed);
        let counts = counts(&mut outcomes).map(|count| *count);
        let which = counts.iter().enumerate().map(|(bit, count)| u16::from(*count > 0) << bit).sum::<u16>();
        self.facts.put_u16_le(which);
        counts.into_iter().filter(|count| *count > 0).for_each(|count| self.put(count));
        self.put(failed.len());
        for (error, count) in failed {
            self.put(error);
            self.put(count);
        }
        self.put(folded);
    }

    /// A command's number on this page.
    fn command(&mut self, command: Command) -> u8 {
        if let Some(known) = self.commands.iter().rposition(|known| *known == command) {
            return known as u8;
        }
        if self.commands.len() == COMMANDS {
            self.turn();
        }
        self.commands.push(command);
        (self.commands.len() - 1) as u8
    }

    fn turn(&mut self) {
        let commands = mem::take(&mut self.commands);
        let mut page = BytesMut::with_capacity(16 + commands.len() * COMMAND_LENGTH + self.facts.len());
        page.put_u64_le(self.base);
        page.put_slice(&commands.len().encode_var_vec());
        commands.iter().for_each(|command| page.put_slice(command.bytes()));
        page.put_slice(&self.facts);
        // The next page's facts go where these were.
        self.facts.clear();
        self.full.push(page.freeze());
    }

    /// How many facts there were, those that were taken among them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The pages that are full.
    pub fn take(&mut self) -> Vec<Bytes> {
        mem::take(&mut self.full)
    }

    /// All that nobody has taken yet.
    #[must_use]
    pub fn into_pages(mut self) -> Vec<Bytes> {
        if !self.facts.is_empty() {
            self.turn();
        }
        self.full
    }
}

/// All counts but those of failures, in an order that is never changed.
fn counts(outcomes: &mut Outcomes) -> [&mut u64; 10] {
    let Outcomes {
        connected,
        accepted,
        older,
        failed: _,
        unanswered,
        pending,
        unrouted,
        unreplied,
        silent,
        datagrams_sent,
        datagrams_received,
    } = outcomes;
    [
        connected,
        accepted,
        older,
        unanswered,
        pending,
        unrouted,
        unreplied,
        silent,
        datagrams_sent,
        datagrams_received,
    ]
}

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFault {
    /// It ends too early.
    #[error("a page of facts ends inside of one")]
    CutOff,
    /// A number is longer than it can be.
    #[error("byte {0} of a page of facts: not the number that is expected")]
    Number(usize),
    /// A kind of fact that this build does not know.
    #[error("a fact of kind {0}, expected at most {max}", max = kind::COUNTED)]
    Kind(u8),
    /// A command that is not on the page.
    #[error("a fact of command {found}, the page has {count}")]
    Command {
        /// Its number.
        found: u8,
        /// How many there are.
        count: usize,
    },
}

/// Gives every fact of a page, with the number of its flow.
///
/// # Errors
///
/// The first fault; the facts before it were given.
pub fn read_page(page: &[u8], mut give: impl FnMut(u32, &Fact<'_>)) -> Result<(), LedgerFault> {
    let (base, rest) = page.split_first_chunk().ok_or(LedgerFault::CutOff)?;
    let mut rest = Rest { page, bytes: rest };
    let mut previous = u64::from_le_bytes(*base);
    let commands: usize = rest.number()?;
    let commands = rest.take(commands.checked_mul(COMMAND_LENGTH).ok_or(LedgerFault::CutOff)?)?;
    let (commands, _) = commands.as_chunks::<COMMAND_LENGTH>();
    let commands: Vec<Command> = commands.iter().map(|command| Command::new(*command)).collect();
    let mut counted = Outcomes::default();
    while !rest.bytes.is_empty() {
        let [tag] = *rest.array()?;
        let flow = rest.number()?;
        let first = previous.wrapping_add_signed(rest.number()?);
        previous = first;
        let last = if tag & kind::LASTS == 0 { first } else { first.wrapping_add_signed(rest.number()?) };
        let process = if tag & kind::WITH_CALLER == 0 { None } else { Some(rest.process(&commands)?) };
        let outcome = match tag & kind::BASIC {
            kind::CONNECTED => Outcome::Connected,
            kind::ACCEPTED => Outcome::Accepted,
            kind::OLDER => Outcome::Older,
            kind::FAILED => Outcome::Failed(rest.number()?),
            kind::UNANSWERED => Outcome::Unanswered,
            kind::PENDING => Outcome::Pending,
            kind::UNROUTED => Outcome::Unrouted,
            kind::SILENT => Outcome::Silent,
            kind::CALLER => Outcome::Caller,
            kind::COUNTED => {
                let folded = rest.counts(&mut counted)?;
                Outcome::Counted(&counted, folded)
            }
            unknown => return Err(LedgerFault::Kind(unknown)),
        };
        if tag & !(kind::BASIC | kind::LASTS | kind::WITH_CALLER) != 0 {
            return Err(LedgerFault::Kind(tag));
        }
        give(flow, &Fact { first, last, process, outcome });
    }
    Ok(())
}

/// What is left of a page.
struct Rest<'a> {
    page: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], LedgerFault> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(LedgerFault::CutOff)?;
        self.bytes = rest;
        Ok(array)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], LedgerFault> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(LedgerFault::CutOff)?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    fn number<N: VarInt>(&mut self) -> Result<N, LedgerFault> {
        let Some((number, length)) = N::decode_var(self.bytes) else {
            let has_end = self.bytes.iter().any(|byte| byte & 0x80 == 0);
            let at = self.page.len() - self.bytes.len();
            return Err(if has_end { LedgerFault::Number(at) } else { LedgerFault::CutOff });
        };
        self.bytes = &self.bytes[length..];
        Ok(number)
    }

    fn process(&mut self, commands: &[Command]) -> Result<Process, LedgerFault> {
        let [found] = *self.array()?;
        let command = commands.get(usize::from(found)).copied();
        let command = command.ok_or(LedgerFault::Command { found, count: commands.len() })?;
        Ok(Process { id: self.number()?, command })
    }

    /// How many were folded.
    fn counts(&mut self, into: &mut Outcomes) -> Result<u64, LedgerFault> {
        *into = Outcomes::default();
        let which = u16::from_le_bytes(*self.array()?);
        for (bit, count) in counts(into).into_iter().enumerate() {
            if which >> bit & 1 == 1 {
                *count = self.number()?;
            }
        }
        for _ in 0..self.number::<u32>()? {
            let error = self.number()?;
            into.failed.insert(error, self.number()?);
        }
        self.number()
    }
}

#[cfg(test)]
mod tests;
