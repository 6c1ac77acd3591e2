//! `flowdrift doctor`: what this kernel and these rights allow, and what each gap costs.

use anyhow::Result;

use super::Exit;
use crate::{
    capture::{CgroupTree, Options, Probe, StartError, rights::Rights},
    observe::{Settings, Watch},
};

/// Tell what this kernel and these rights allow, and what each gap costs
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Loads and attaches everything for a moment, and says how it went.
pub(super) fn run(_: &Arguments) -> Result<Exit> {
    say("kernel", &kernel());
    let rights = Rights::of_this_process();
    match rights.missing().as_slice() {
        [] => say("rights", "all that loading and attaching needs"),
        missing => say("rights", &format!("missing {}: the probe cannot start", missing.join(", "))),
    }
    if !rights.can_enter_namespaces() {
        say(
            "rights",
            "no CAP_SYS_ADMIN and CAP_SYS_PTRACE: sockets of other namespaces that are older than the audit stay unknown",
        );
    }
    match CgroupTree::find() {
        Ok(_) => say("cgroups", "cgroup v2 found"),
        Err(cause) => say(
            "cgroups",
            &format!("no cgroup-v2 tree ({cause}): attempts that die on their route stay unseen"),
        ),
    }
    match try_probe() {
        Ok(()) => Ok(Exit::Conforms),
        Err(error) => {
            say("probe", &format!("{:#}", anyhow::Error::from(error)));
            Ok(Exit::Usage)
        }
    }
}

fn try_probe() -> Result<(), StartError> {
    let tree = CgroupTree::find();
    let probe = Probe::start(&Options::default(), tree.as_ref())?;
    for hook in probe.hooks() {
        match &hook.absent {
            None => say("hook", &format!("{} attached", hook.name)),
            Some(why) => say(
                "hook",
                &format!("{} not attached ({why}); not seen without it: {}", hook.name, hook.cost),
            ),
        }
    }
    for field in probe.missing_fields() {
        say("field", &format!("{}; lost without it: {}", field.cause, field.loses));
    }
    for program in probe.statistics().unwrap_or_default() {
        say("program", &format!("{}: {} verified instructions", program.name, program.verified_instructions));
    }
    drop(probe);
    let settings = Settings {
        cluster: String::new(),
        node: String::new(),
        probe: Options::default(),
        flows: 1,
        every_connection: false,
    };
    let watch = Watch::start(settings)?;
    say(
        "probe",
        &format!("live: a known connection was seen; {} connections are older", watch.older_connections()),
    );
    watch.translations().iter().for_each(|words| say("conntrack", words));
    say("blind", &crate::observe::BLIND.join("; "));
    Ok(())
}

fn say(subject: &str, words: &str) {
    println!("{subject:<10}{words}");
}

fn kernel() -> String {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{file}")).unwrap_or_default();
    format!("{} {}", read("ostype").trim(), read("osrelease").trim())
}
