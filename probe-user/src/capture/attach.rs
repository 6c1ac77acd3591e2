//! Which program goes where, and what is not seen where it cannot.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use aya::{
    Btf, Ebpf,
    programs::{
        BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr, Program,
        ProgramError,
    },
};

use super::{
    btf::KernelTypes,
    cgroups::CgroupTree,
    error::StartError,
    order::{Call, can_be_first, link_first},
};
use crate::event::Protocol;

/// The TCP tracepoint's programs, in the order of their attachment (`probe-ebpf/src/rescue.rs`).
pub(super) const TCP_PROGRAMS: [&str; 2] = ["tcp_state", "tcp_rescue"];

const SENT: &str = "sock_send_length";
const RECEIVED: &str = "sock_recv_length";

/// A program and its place.
struct Hook {
    program: &'static str,
    point: Point,
    protocol: Protocol,
    /// What is not seen without it; `None` where there is no probe without it.
    cost: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Point {
    /// A tracepoint of the kernel, by BTF.
    Tracepoint(&'static str),
    /// The root of the cgroup-v2 tree, for calls.
    Cgroup(Call),
    /// Likewise, as the first program there where the kernel can do that.
    First(Call),
    /// Likewise, for packets.
    Packets(CgroupSkbAttachType),
}

/// What shows the datagrams of UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datagrams {
    /// Tracepoints at the end of each call that sends or receives (Linux 6.3).
    Calls,
    /// Every packet that leaves or reaches a socket.
    Packets,
}

impl Datagrams {
    /// What this kernel has.
    pub(super) fn of(types: &KernelTypes) -> Self {
        match [SENT, RECEIVED].iter().all(|tracepoint| types.has_tracepoint(tracepoint)) {
            true => Self::Calls,
            false => Self::Packets,
        }
    }
}

const fn tcp_state(program: &'static str) -> Hook {
    let point = Point::Tracepoint("inet_sock_set_state");
    Hook { program, point, protocol: Protocol::Tcp, cost: None }
}

const fn udp(program: &'static str, point: Point, cost: &'static str) -> Hook {
    Hook { program, point, protocol: Protocol::Udp, cost: Some(cost) }
}

const fn connect(program: &'static str, call: Call, cost: &'static str) -> Hook {
    Hook { program, point: Point::First(call), protocol: Protocol::Tcp, cost: Some(cost) }
}

/// Only attached where other programs may choose peers, and never in their place.
const NAMED: [&str; 2] = ["flowdrift_name4", "flowdrift_name6"];

/// In the order of their attachment. TCP: the tracepoint first, so that no SYN goes past the slot that a connect hook has
/// filled. UDP: the tracepoints last, so that each finds the note that a cgroup hook has left. What sees the address that
/// an application named, or that a datagram came from, is ahead of all that changes it.
const HOOKS: [Hook; 14] = [
    tcp_state(TCP_PROGRAMS[0]),
    tcp_state(TCP_PROGRAMS[1]),
    connect(
        "flowdrift_conn4",
        Call::Connect4,
        "IPv4 attempts that die on their route (no route, prohibit, blackhole, a cgroup program that refuses)",
    ),
    connect(
        "flowdrift_conn6",
        Call::Connect6,
        "IPv6 attempts that die on their route (no route, prohibit, blackhole, a cgroup program that refuses)",
    ),
    udp(
        "flowdrift_send4",
        Point::Cgroup(Call::SendMessage4),
        "to whom unconnected UDP sockets send over IPv4",
    ),
    udp(
        "flowdrift_send6",
        Point::Cgroup(Call::SendMessage6),
        "to whom unconnected UDP sockets send over IPv6",
    ),
    udp(NAMED[0], Point::First(Call::SendMessage4), "which services unconnected UDP sockets name over IPv4"),
    udp(NAMED[1], Point::First(Call::SendMessage6), "which services unconnected UDP sockets name over IPv6"),
    udp("recvmsg4", Point::First(Call::ReceiveMessage4), "from whom unconnected IPv4 UDP sockets receive"),
    udp("recvmsg6", Point::First(Call::ReceiveMessage6), "from whom unconnected IPv6 UDP sockets receive"),
    udp("udp_sent", Point::Tracepoint(SENT), "all UDP that is sent"),
    udp("udp_received", Point::Tracepoint(RECEIVED), "all UDP that is received"),
    udp("udp_left", Point::Packets(CgroupSkbAttachType::Egress), "all UDP that is sent"),
    udp("udp_arrived", Point::Packets(CgroupSkbAttachType::Ingress), "all UDP that is received"),
];

impl Hook {
    /// Whether it is one of those that show datagrams so, or has nothing to do with them; and whether it is of use where
    /// others choose peers, or do not.
    fn serves(&self, datagrams: Datagrams, peers_are_chosen: bool) -> bool {
        // Behind the others it would see what they chose.
        if NAMED.contains(&self.program) && !(peers_are_chosen && can_be_first()) {
            return false;
        }
        match (self.protocol, self.point) {
            (Protocol::Udp, Point::Tracepoint(_)) => datagrams == Datagrams::Calls,
            (_, Point::Packets(_)) => datagrams == Datagrams::Packets,
            // A packet tells itself from whom it came.
            (_, Point::First(Call::ReceiveMessage4 | Call::ReceiveMessage6)) => datagrams == Datagrams::Calls,
            _ => true,
        }
    }
}

/// One hook and whether it is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// Attach point and program.
    pub name: String,
    /// The program alone.
    pub program: &'static str,
    /// Whose traffic it shows.
    pub protocol: Protocol,
    /// `None` when attached, otherwise why not.
    pub absent: Option<String>,
    /// What is not seen while it is absent.
    pub cost: String,
}

/// The links that aya does not hold, by program.
pub(super) type Links = HashMap<&'static str, OwnedFd>;

/// What is attached.
pub(super) struct Attached {
    pub(super) hooks: Vec<HookState>,
    pub(super) links: Links,
    /// Why a program that should be the first of its hook is not, where the kernel could do it.
    pub(super) not_first: Vec<String>,
}

/// Attaches everything.
pub(super) fn attach_all(
    ebpf: &mut Ebpf,
    (datagrams, peers_are_chosen): (Datagrams, bool),
    tree: Result<&CgroupTree, &io::Error>,
) -> Result<Attached, StartError> {
    let types = Btf::from_sys_fs().map_err(|cause| StartError::Load(Box::new(cause.into())))?;
    let mut attached = Attached { hooks: Vec::new(), links: Links::new(), not_first: Vec::new() };
    for hook in HOOKS.iter().filter(|hook| hook.serves(datagrams, peers_are_chosen)) {
        let result = hook.attach(ebpf, &types, tree);
        let result = result.map(|way| match way {
            Way::Aya => {}
            Way::First(link) => drop(attached.links.insert(hook.program, link)),
            Way::Behind(cause) if can_be_first() => {
                attached.not_first.push(format!("cgroup/{} is not the first: {cause}", hook.program));
            }
            Way::Behind(_) => {}
        });
        attached.hooks.push(hook.state(result)?);
    }
    Ok(attached)
}

/// How a program is attached.
enum Way {
    /// Aya holds the link.
    Aya,
    /// As the first of its hook, by this link.
    First(OwnedFd),
    /// Aya holds the link, behind all others for this reason.
    Behind(io::Error),
}

impl Hook {
    fn state(&self, attached: Result<(), Refusal>) -> Result<HookState, StartError> {
        let Self { program, point, protocol, cost } = *self;
        let name = match point {
            Point::Tracepoint(name) => format!("tp_btf/{name} ({program})"),
            Point::First(call) if NAMED.contains(&program) => format!("cgroup/{} ({program})", call.name()),
            Point::Cgroup(call) | Point::First(call) => format!("cgroup/{}", call.name()),
            Point::Packets(_) => format!("cgroup_skb ({program})"),
        };
        match (attached, cost) {
            (Err(refusal), None) => Err(refusal.fatal(program)),
            (attached, cost) => Ok(HookState {
                name,
                program,
                protocol,
                absent: attached.err().map(Refusal::in_words),
                cost: cost.unwrap_or("all TCP").to_owned(),
            }),
        }
    }
}

/// Why a program is not attached.
enum Refusal {
    NotInObject(&'static str),
    NoTree(String),
    Program(ProgramError),
}

impl From<ProgramError> for Refusal {
    fn from(cause: ProgramError) -> Self {
        Self::Program(cause)
    }
}

impl Refusal {
    fn fatal(self, program: &'static str) -> StartError {
        match self {
            Self::NotInObject(name) => StartError::Object(name),
            Self::NoTree(cause) => {
                StartError::System { doing: format!("attaching {program}"), cause: io::Error::other(cause) }
            }
            Self::Program(cause) => StartError::Program { program, cause: Box::new(cause) },
        }
    }

    fn in_words(self) -> String {
        match self {
            Self::NotInObject(_) => "not in the embedded probe".to_owned(),
            Self::NoTree(cause) => format!("no cgroup-v2 tree: {cause}"),
            Self::Program(cause) => told_by_verifier(&format!("{:#}", anyhow::Error::from(cause))),
        }
    }
}

/// The first line, and of a verifier's log that follows it the last before its statistics: there it says why.
fn told_by_verifier(words: &str) -> String {
    const STATISTICS: [&str; 3] = ["processed ", "verification time ", "stack depth "];
    let mut lines = words.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let Some((what, _)) = first.split_once(" Verifier output:") else { return first.to_owned() };
    let log = lines.take_while(|line| !STATISTICS.iter().any(|word| line.starts_with(word)));
    log.last().map_or_else(|| what.to_owned(), |why| format!("{what} {why}"))
}

/// Detaches everything in the reverse order: a `connect()` that a hook has noted must still show its SYN, and the
/// second program must not be there without the first.
pub(super) fn detach_all(ebpf: &mut Ebpf, mut links: Links) {
    /// From the connect hook to the SYN is one system call.
    const UNDER_WAY: Duration = Duration::from_millis(20);
    let is_state = |hook: &&Hook| TCP_PROGRAMS.contains(&hook.program);
    HOOKS.iter().rev().filter(|hook| !is_state(hook)).for_each(|hook| {
        links.remove(hook.program);
        hook.detach(ebpf);
    });
    std::thread::sleep(UNDER_WAY);
    HOOKS.iter().rev().filter(is_state).for_each(|hook| hook.detach(ebpf));
}

impl Hook {
    fn detach(&self, ebpf: &mut Ebpf) {
        match self.point {
            Point::Tracepoint(_) => unload::<BtfTracePoint>(ebpf, self.program, BtfTracePoint::unload),
            Point::Cgroup(_) | Point::First(_) => {
                unload::<CgroupSockAddr>(ebpf, self.program, CgroupSockAddr::unload)
            }
            Point::Packets(_) => unload::<CgroupSkb>(ebpf, self.program, CgroupSkb::unload),
        }
    }
}

fn unload<'a, Kind: 'a>(
    ebpf: &'a mut Ebpf,
    name: &str,
    unload: impl FnOnce(&mut Kind) -> Result<(), ProgramError>,
) where
    &'a mut Kind: TryFrom<&'a mut Program>,
{
    // One that was never loaded has nothing to detach; any other goes with the process at the latest.
    if let Some(Ok(program)) = ebpf.program_mut(name).map(TryInto::try_into) {
        let _ = unload(program);
    }
}

/// The program of a kind, to be loaded.
fn program<'a, Kind>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Kind, Refusal>
where
    &'a mut Kind: TryFrom<&'a mut Program, Error = ProgramError>,
{
    Ok(ebpf.program_mut(name).ok_or(Refusal::NotInObject(name))?.try_into()?)
}

/// The root of the cgroup-v2 tree.
fn root(tree: Result<&CgroupTree, &io::Error>) -> Result<File, Refusal> {
    let opened = tree
        .map_err(ToString::to_string)
        .and_then(|tree| tree.open_root().map_err(|cause| cause.to_string()));
    opened.map_err(Refusal::NoTree)
}

impl Hook {
    fn attach(
        &self,
        ebpf: &mut Ebpf,
        types: &Btf,
        tree: Result<&CgroupTree, &io::Error>,
    ) -> Result<Way, Refusal> {
        match self.point {
            Point::Tracepoint(name) => {
                let program: &mut BtfTracePoint = program(ebpf, self.program)?;
                program.load(name, types)?;
                program.attach()?;
            }
            Point::Cgroup(_) => {
                let root = root(tree)?;
                let program: &mut CgroupSockAddr = program(ebpf, self.program)?;
                program.load()?;
                program.attach(root, CgroupAttachMode::Single)?;
            }
            Point::First(call) => {
                let root = root(tree)?;
                let program: &mut CgroupSockAddr = program(ebpf, self.program)?;
                program.load()?;
                match link_first(program.fd()?.as_fd(), &root, call) {
                    Ok(link) => return Ok(Way::First(link)),
                    Err(cause) => {
                        program.attach(root, CgroupAttachMode::Single)?;
                        return Ok(Way::Behind(cause));
                    }
                }
            }
            Point::Packets(way) => {
                let root = root(tree)?;
                let program: &mut CgroupSkb = program(ebpf, self.program)?;
                program.load()?;
                program.attach(root, way, CgroupAttachMode::Single)?;
            }
        }
        Ok(Way::Aya)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_s_log_says_why_at_its_end() {
        let log = "the syscall returned EACCES. Verifier output: 0: R1=ctx()\n1: (71) r2 = *(u8 *)(r5 +0)\nR5 offset is outside of the packet\nverification time 358 usec\nprocessed 4 insns\n: EACCES";
        assert_eq!(told_by_verifier(log), "the syscall returned EACCES. R5 offset is outside of the packet");
        assert_eq!(told_by_verifier("no BTF\nat all"), "no BTF");
    }
}
