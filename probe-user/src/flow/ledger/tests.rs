//! Facts are read as they were written, and nothing else is.

use bytes::Bytes;

use super::*;

fn facts() -> Vec<(u32, Fact<'static>)> {
    let process = |name: &[u8; COMMAND_LENGTH], id| Some(Process { id, command: Command::new(*name) });
    let all: [Outcome<'static>; 9] = [
        Outcome::Connected,
        Outcome::Accepted,
        Outcome::Older,
        Outcome::Failed(u16::MAX),
        Outcome::Unanswered,
        Outcome::Pending,
        Outcome::Unrouted,
        Outcome::Silent,
        Outcome::Caller,
    ];
    let mut facts = Vec::new();
    for (number, outcome) in (0_u32..).zip(all) {
        let first = 1_000_000_000_000 - u64::from(number) * 7;
        facts.push((number, Fact { first, last: first, process: None, outcome }));
        let with = process(b"any \xff bytes\0\0\0\0\0", u32::MAX);
        facts.push((u32::MAX, Fact { first: 0, last: u64::MAX, process: with, outcome }));
    }
    facts
}

fn read(pages: &[Bytes]) -> Vec<(u32, Fact<'static>)> {
    let mut found = Vec::new();
    for page in pages {
        let give = |flow, fact: &Fact<'_>| {
            let Fact { first, last, process, outcome } = *fact;
            let of_several = || match outcome {
                Outcome::Counted(counts, folded) => {
                    Outcome::Counted(Box::leak(Box::new(counts.clone())), folded)
                }
                single => panic!("{single:?} borrows nothing"),
            };
            let owned = fact.of_one();
            found.push((flow, owned.unwrap_or_else(|| Fact { first, last, process, outcome: of_several() })));
        };
        read_page(page, give).expect("well-formed");
    }
    found
}

fn written(facts: &[(u32, Fact<'_>)]) -> Vec<Bytes> {
    let mut ledger = Ledger::default();
    facts.iter().for_each(|(flow, fact)| ledger.note(*flow, fact));
    let mut pages = ledger.take();
    pages.append(&mut ledger.into_pages());
    pages
}

#[test]
fn every_fact_is_read_as_it_was_written() {
    let facts = facts();
    assert_eq!(read(&written(&facts)), facts);
    let outcomes: &'static Outcomes = Box::leak(Box::new(Outcomes {
        connected: 1,
        unreplied: u64::MAX,
        datagrams_received: 3,
        failed: [(111, 2), (0, 1)].into(),
        ..Outcomes::default()
    }));
    for outcome in [Outcome::Counted(outcomes, 0), Outcome::Counted(outcomes, u64::MAX)] {
        let facts = [(3, Fact { first: 5, last: 9, process: None, outcome })];
        assert_eq!(read(&written(&facts)), facts);
    }
}

#[test]
fn more_facts_and_commands_than_a_page_holds_are_on_several() {
    let facts: Vec<(u32, Fact<'static>)> = (0..100_000_u32)
        .map(|number| {
            let mut name = [b'x'; COMMAND_LENGTH];
            name[..4].copy_from_slice(&(number % 1_000).to_le_bytes().map(|byte| byte | 0x40));
            let process = Some(Process { id: number, command: Command::new(name) });
            let time = u64::from(number) * 1_000;
            (number % 77, Fact { first: time, last: time + 5, process, outcome: Outcome::Connected })
        })
        .collect();
    let pages = written(&facts);
    assert!(pages.len() > 8, "{}", pages.len());
    assert_eq!(read(&pages), facts);
}

#[test]
fn a_page_that_is_cut_off_or_changed_is_told_and_never_panics() {
    let [page] = <[Bytes; 1]>::try_from(written(&facts())).expect("one page");
    let ends: Vec<usize> =
        (0..page.len()).filter(|end| read_page(&page[..*end], |_, _| {}).is_ok()).collect();
    // Only between two facts, and behind the commands: the frame's length tells.
    assert!(ends.len() <= facts().len(), "{ends:?}");
    for at in 0..page.len() {
        for byte in [0, 0x7f, 0x80, 0xff] {
            let mut changed = page.to_vec();
            changed[at] = byte;
            let _ = read_page(&changed, |_, _| {});
        }
    }
    let kind = [&[0; 8][..], &[0, 10, 0, 0]].concat();
    assert_eq!(read_page(&kind, |_, _| {}), Err(LedgerFault::Kind(10)));
    let command = [&[0; 8][..], &[0, kind::WITH_CALLER, 0, 0, 0, 0]].concat();
    assert_eq!(read_page(&command, |_, _| {}), Err(LedgerFault::Command { found: 0, count: 0 }));
}
