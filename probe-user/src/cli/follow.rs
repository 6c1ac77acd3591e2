//! `audit --follow`: what nothing declares is said as soon as it appears, by the declaration as it is then.
//!
//! The declaration is watched, read and compiled beside the drain, and asked there for every flow that is known already: when
//! it takes over nobody waits for it, and it has been asked for whatever comes again.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::mpsc::{self, Receiver, SyncSender, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{
    declared::{Declared, DeclaredFiles, Stamps},
    recordings,
};
use crate::{
    flow::Window,
    judge::{Asked, Finding, Lookout},
    observe::Watch,
    report,
    wording::plural,
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// So many flows are taken at once: the rings wait meanwhile.
const AT_ONCE: usize = 256;
/// So many findings are said in full in one second; of the others, how many they are. The report has them all.
const AT_MOST: usize = 50;

/// Follows a window.
pub(super) struct Follower {
    files: Files,
    declared: Declared,
    lookout: Lookout,
    /// So many flows it was asked for.
    asked_for: usize,
    /// Those connections that were asked for by themselves, if they are.
    connections: Option<Asked>,
    /// By their flows' numbers, those that are to be asked for when their flow is known.
    unasked: Vec<u32>,
    /// Findings that were said, by their ids.
    said: HashSet<String>,
    pace: Pace,
    reading: Option<Reading>,
}

/// What is watched, and for whom.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) declared: DeclaredFiles,
    /// As they were before they were read.
    pub(super) stamps: Stamps,
    pub(super) cluster: String,
    pub(super) node: String,
}

impl Files {
    /// Reads what they say now, unless it knows nothing of this node.
    fn read(&self) -> Result<Declared> {
        let declared = self.declared.read()?;
        recordings::known(&self.cluster, &self.node, declared.rows.rows().inventory())?;
        Ok(declared)
    }
}

/// The thread beside, as the drain sees it.
struct Reading {
    news: Receiver<News>,
    flows: SyncSender<Window>,
    /// How many flows the next declaration was given, while it wants some.
    given: Option<usize>,
}

/// What the thread beside has to say.
enum News {
    /// The files cannot be read as they are now.
    Faulty(String),
    /// There is another declaration, and it wants to be asked for all flows.
    Read,
    /// It was.
    Ready(Box<Next>),
}

/// A declaration that takes over.
struct Next {
    declared: Declared,
    /// What its files were like before they were read.
    stamps: Stamps,
    lookout: Lookout,
    /// So many flows it was asked for.
    asked_for: usize,
    /// What is found of them.
    findings: HashMap<String, Finding>,
}

impl Follower {
    pub(super) fn new(files: Files, declared: &Declared, every_connection: bool) -> Self {
        Self {
            files,
            lookout: lookout(declared),
            declared: declared.clone(),
            asked_for: 0,
            connections: every_connection.then(Asked::default),
            unasked: Vec::new(),
            said: HashSet::new(),
            pace: Pace::default(),
            reading: None,
        }
    }

    /// Begins to watch the files, with no more rights than this thread has by now.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.files.declared.is_piped() {
            eprintln!("flowdrift: a declaration from standard input is not read again");
            return Ok(());
        }
        let (files, learns) = (self.files.clone(), self.connections.is_some());
        let (say, news) = mpsc::sync_channel(1);
        let (flows, given) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("declaration".to_owned())
            .spawn(move || watch_files(files, learns, (&say, &given)))?;
        self.reading = Some(Reading { news, flows, given: None });
        Ok(())
    }

    /// Asks for what has come since the last time; whether there is more.
    pub(super) fn look(&mut self, watch: &mut Watch) -> io::Result<bool> {
        self.hear();
        self.give(watch)?;
        if watch.flows() > self.asked_for {
            let appeared = watch.flows_after(self.asked_for, AT_ONCE)?;
            self.asked_for += appeared.flows.len();
            if self.connections.is_some() {
                self.lookout.learn(&appeared);
            }
            let (findings, others) = self.lookout.undeclared(&appeared, self.pace.left());
            self.pace.unsaid += others;
            findings.into_iter().for_each(|finding| self.say(finding));
        }
        if let Some(sum) = &mut self.connections {
            self.unasked.append(&mut watch.take_latest());
            let asked = self.lookout.ask_each(&mut self.unasked);
            sum.connections += asked.connections;
            sum.fitting += asked.fitting;
        }
        self.pace.tell();
        let is_given = self.reading.as_ref().is_some_and(|reading| reading.given.is_some());
        Ok(is_given || watch.flows() > self.asked_for)
    }

    /// The declaration as it is by now: what has changed of late is read here.
    pub(super) fn end(mut self) -> Declared {
        if self.reading.take().is_some() && self.files.declared.stamps() != self.files.stamps {
            match self.files.read() {
                Ok(declared) => {
                    eprintln!("read the declaration again, as it is at the end");
                    self.declared = declared;
                }
                Err(why) => eprintln!("flowdrift: the report is of the declaration as it was: {why:#}"),
            }
        }
        self.pace.tell_at_last();
        if let Some(Asked { connections, fitting }) = self.connections {
            eprintln!("asked for {connections} connections one by one: {fitting} fitted a declared row");
            if !self.unasked.is_empty() {
                eprintln!("the last {} were not asked for: their flows had not been", self.unasked.len());
            }
        }
        self.declared
    }

    fn say(&mut self, finding: Finding) {
        if self.said.insert(finding.id.clone()) && self.pace.may_say() {
            eprint!("{}", report::undeclared(self.declared.rows.rows(), finding));
        }
    }

    fn hear(&mut self) {
        let Some(reading) = &mut self.reading else { return };
        match reading.news.try_recv() {
            Ok(News::Faulty(why)) => {
                eprintln!("flowdrift: the declaration stays as it was: {why}");
            }
            Ok(News::Read) => reading.given = Some(0),
            Ok(News::Ready(next)) => self.take_over(*next),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                eprintln!("flowdrift: the declaration is not read again any more");
                self.reading = None;
            }
        }
    }

    /// Gives the next declaration the flows that it wants to be asked for.
    fn give(&mut self, watch: &Watch) -> io::Result<()> {
        let Some(Reading { flows, given: Some(given), .. }) = &mut self.reading else { return Ok(()) };
        let window = watch.flows_after(*given, AT_ONCE)?;
        let (count, is_all) = (window.flows.len(), window.flows.len() < AT_ONCE);
        // While it is busy with some there is no place for more.
        if flows.try_send(window).is_ok() {
            *given += count;
            if is_all && let Some(reading) = &mut self.reading {
                reading.given = None;
            }
        }
        Ok(())
    }

    fn take_over(&mut self, next: Next) {
        let Next { declared, stamps, lookout, asked_for, findings } = next;
        self.files.stamps = stamps;
        let gone = self.said.iter().filter(|id| !findings.contains_key(*id)).count();
        (self.declared, self.lookout, self.asked_for) = (declared, lookout, asked_for);
        let new = findings.keys().filter(|id| !self.said.contains(*id)).count();
        eprintln!("read the declaration again: {} more, {gone} fewer", plural(new as u64, "finding"));
        self.said.retain(|id| findings.contains_key(id));
        let mut findings: Vec<Finding> = findings.into_values().collect();
        findings.sort_by(|left, right| left.id.cmp(&right.id));
        findings.into_iter().for_each(|finding| self.say(finding));
    }
}

fn lookout(Declared { rows, baseline, exceptions, clusters: _ }: &Declared) -> Lookout {
    Lookout::new(rows, baseline, exceptions.clone())
}

/// Reads the declaration whenever its files have changed; ends with the window.
fn watch_files(mut files: Files, learns: bool, (say, given): (&SyncSender<News>, &Receiver<Window>)) {
    let mut before = files.stamps.clone();
    loop {
        thread::sleep(LOOK);
        let now = files.declared.stamps();
        // Whoever is still writing is waited for.
        let is_settled = now == before;
        before.clone_from(&now);
        if !is_settled || now == files.stamps {
            continue;
        }
        files.stamps = now;
        let news = match files.read() {
            Ok(declared) => {
                if say.send(News::Read).is_err() {
                    return;
                }
                let stamps = files.stamps.clone();
                let Some(next) = asked(declared, stamps, learns, given) else { return };
                News::Ready(Box::new(next))
            }
            Err(why) => News::Faulty(format!("{why:#}")),
        };
        if say.send(news).is_err() {
            return;
        }
    }
}

/// A declaration that was asked for all flows; nothing if the window has ended meanwhile.
fn asked(declared: Declared, stamps: Stamps, learns: bool, given: &Receiver<Window>) -> Option<Next> {
    let lookout = lookout(&declared);
    let mut next = Next { lookout, declared, stamps, asked_for: 0, findings: HashMap::new() };
    loop {
        let window = given.recv().ok()?;
        next.asked_for += window.flows.len();
        if learns {
            next.lookout.learn(&window);
        }
        let (findings, _) = next.lookout.undeclared(&window, usize::MAX);
        next.findings.extend(findings.into_iter().map(|finding| (finding.id.clone(), finding)));
        if window.flows.len() < AT_ONCE {
            return Some(next);
        }
    }
}

/// How fast findings are said.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    said: usize,
    unsaid: usize,
}

impl Pace {
    /// How many may be said now.
    fn left(&self) -> usize {
        AT_MOST.saturating_sub(self.said)
    }

    /// Whether one more may be said now.
    fn may_say(&mut self) -> bool {
        let may_say = self.left() > 0;
        self.said += usize::from(may_say);
        self.unsaid += usize::from(!may_say);
        may_say
    }

    /// Tells once a second how many were not said.
    fn tell(&mut self) {
        if self.said + self.unsaid > 0
            && self.since.get_or_insert_with(Instant::now).elapsed() >= Duration::from_secs(1)
        {
            self.tell_at_last();
        }
    }

    fn tell_at_last(&mut self) {
        if self.unsaid > 0 {
            eprintln!("and {} more: the report has them all", plural(self.unsaid as u64, "undeclared flow"));
        }
        *self = Self::default();
    }
}
