//! The kernel's ring buffer, read as programs usually do, with the kernel's own idea of when to wake its reader.
//!
//! What then becomes of a record is the same as in flowdrift, but nobody is asked for a verdict.

use std::{
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use flowdrift::{
    capture::decode::{Decoded, Words, decode},
    flow::FlowTable,
};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use probe_common::AttemptRecord;

use super::{
    drain::{Drained, FIRST, FLOWS, LARGE},
    made_up::{READER, WRITER, owner},
};
use crate::{
    kernel::synthetic::{KernelRing, Producer, waited_for},
    usage::{Thread, keep_on_cpu},
};

/// When the reader waits for the next record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waits {
    /// After each: one `epoll_wait` for each record.
    ForEach,
    /// After all that are there, in tokio's runtime: as aya's documentation has it.
    ForSome,
}

/// How long a reader waits for the next record, milliseconds: if none comes, and none is to come, it ends.
const WAIT: u16 = 50;

/// Writes so many records a second for a while; what becomes of them.
pub(super) fn drained(waits: Waits, rate: u64, duration: Duration) -> Result<Drained> {
    let mut producer = Producer::stock(FLOWS, owner()?, LARGE)?;
    let ring = producer.take_stock()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (tell, told) = mpsc::channel();
    let reader = thread::spawn(move || -> Result<FlowTable> {
        keep_on_cpu(0, READER)?;
        tell.send(Thread::this())?;
        let mut table = FlowTable::awaiting_snapshot(usize::MAX, false);
        table.merge_older(&[]);
        match waits {
            Waits::ForEach => read_each(ring, &mut table, &stopped)?,
            Waits::ForSome => read_some(ring, &mut table, &stopped)?,
        }
        Ok(table)
    });
    keep_on_cpu(0, WRITER)?;
    let thread = told.recv()?;
    let first = producer.pace(FIRST, Duration::from_secs_f64(FLOWS as f64 / FIRST as f64))?;
    let (lost_first, before) = (producer.lost_by_stock()?, thread.cpu_time()?);
    let written = producer.pace(rate, duration)?;
    let share = (thread.cpu_time()? - before).as_secs_f64() / written.took.as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let table = reader.join().map_err(|_| anyhow::anyhow!("the reader has panicked"))??;
    let lost = producer.lost_by_stock()?;
    ensure!(table.events() + lost == first.records + written.records, "{} read, {lost} lost", table.events());
    let (is_paced, lost) = (written.is_paced(rate), lost - lost_first);
    Ok(Drained { rate, is_paced, written: written.records, lost, folded: 0, share, memory: 0 })
}

fn read_each(mut ring: KernelRing, table: &mut FlowTable, stopped: &AtomicBool) -> Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    epoll.add(ring.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    let mut events = [EpollEvent::empty()];
    loop {
        let readable = epoll.wait(&mut events, WAIT)?;
        if readable == 0 && stopped.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some(item) = ring.next() {
            fold(table, &item);
        }
    }
}

fn read_some(ring: KernelRing, table: &mut FlowTable, stopped: &AtomicBool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ring = waited_for(ring)?;
        loop {
            let wait = Duration::from_millis(WAIT.into());
            let readable = tokio::time::timeout(wait, ring.readable_mut()).await;
            let Ok(guard) = readable else {
                if stopped.load(Ordering::Relaxed) {
                    return Ok(());
                }
                continue;
            };
            let mut guard = guard?;
            let ring = guard.get_inner_mut();
            while let Some(item) = ring.next() {
                fold(table, &item);
            }
            guard.clear_ready();
        }
    })
}

fn fold(table: &mut FlowTable, item: &[u8]) {
    let mut words: Words = [0; _];
    let (chunks, _) = item[..size_of::<AttemptRecord>()].as_chunks();
    words.iter_mut().zip(chunks).for_each(|(word, chunk)| *word = u64::from_ne_bytes(*chunk));
    if let Ok(Decoded::Fact(event)) = decode(&words) {
        table.observe(&event);
    }
}
