//! Which program goes where, and what is not seen where it cannot.

use std::{io, time::Duration};

use aya::{
    Btf, Ebpf,
    programs::{BtfTracePoint, CgroupAttachMode, CgroupSockAddr, Program, ProgramError},
};

use super::{cgroups::CgroupTree, error::StartError};

/// The tracepoint's programs, in the order of their attachment (`probe-ebpf/src/rescue.rs`).
pub(super) const TCP_PROGRAMS: [&str; 2] = ["tcp_state", "tcp_rescue"];
const TCP_HOOK: &str = "inet_sock_set_state";
const CONNECT_HOOKS: [&str; 2] = ["connect4", "connect6"];
const CONNECT_COST: &str =
    "attempts that die on their route (no route, prohibit, blackhole, a cgroup program that refuses)";

/// One hook and whether it is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// Attach point and program.
    pub name: String,
    /// `None` when attached, otherwise why not.
    pub absent: Option<String>,
    /// What is not seen while it is absent.
    pub cost: String,
}

/// Attaches everything; the tracepoint first, so that no SYN goes past the slot that a connect hook has filled.
pub(super) fn attach_all(
    ebpf: &mut Ebpf,
    tree: Result<&CgroupTree, &io::Error>,
) -> Result<Vec<HookState>, StartError> {
    let mut hooks = Vec::new();
    for program in TCP_PROGRAMS {
        hooks.push(attach_tcp(ebpf, program)?);
    }
    hooks.extend(CONNECT_HOOKS.map(|name| attach_connect(ebpf, name, tree)));
    Ok(hooks)
}

/// Detaches everything in the reverse order: a `connect()` that a hook has noted must still show its SYN, and the
/// second program must not be there without the first.
pub(super) fn detach_all(ebpf: &mut Ebpf) {
    /// From the connect hook to the SYN is one system call.
    const UNDER_WAY: Duration = Duration::from_millis(20);
    for name in CONNECT_HOOKS {
        unload::<CgroupSockAddr>(ebpf, name, CgroupSockAddr::unload);
    }
    std::thread::sleep(UNDER_WAY);
    for name in TCP_PROGRAMS.iter().rev() {
        unload::<BtfTracePoint>(ebpf, name, BtfTracePoint::unload);
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

fn attach_tcp(ebpf: &mut Ebpf, name: &'static str) -> Result<HookState, StartError> {
    let refused = |cause| StartError::Program { program: name, cause: Box::new(cause) };
    let program: &mut BtfTracePoint =
        ebpf.program_mut(name).ok_or(StartError::Object(name))?.try_into().map_err(refused)?;
    let btf = Btf::from_sys_fs().map_err(|cause| StartError::Load(Box::new(cause.into())))?;
    program.load(TCP_HOOK, &btf).map_err(refused)?;
    program.attach().map_err(refused)?;
    Ok(HookState { name: format!("tp_btf/{TCP_HOOK} ({name})"), absent: None, cost: "all TCP".to_owned() })
}

fn attach_connect(ebpf: &mut Ebpf, name: &'static str, tree: Result<&CgroupTree, &io::Error>) -> HookState {
    let absent = match tree {
        Ok(tree) => try_attach_connect(ebpf, name, tree).err(),
        Err(cause) => Some(format!("no cgroup-v2 tree: {cause}")),
    };
    let family = if name == "connect4" { "IPv4" } else { "IPv6" };
    HookState { name: format!("cgroup/{name}"), absent, cost: format!("{family} {CONNECT_COST}") }
}

fn try_attach_connect(ebpf: &mut Ebpf, name: &str, tree: &CgroupTree) -> Result<(), String> {
    let program = ebpf.program_mut(name).ok_or("not in the embedded probe")?;
    let program: &mut CgroupSockAddr = program.try_into().map_err(in_words)?;
    program.load().map_err(in_words)?;
    let root = tree.open_root().map_err(|cause| cause.to_string())?;
    program.attach(root, CgroupAttachMode::Single).map_err(in_words)?;
    Ok(())
}

fn in_words(error: ProgramError) -> String {
    let error = anyhow::Error::from(error);
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}
