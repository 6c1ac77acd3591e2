//! Another witness of what sockets do: ftrace, which the kernel asks beside the tracing programs and apart from them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Room for the changes of a crowd, on each CPU.
const BUFFER_KIB: u32 = 4_096;
/// Those that the probe reports: SYN_SENT begins, ESTABLISHED and SYN_SENT → CLOSE end an attempt.
const FILTER: &str = "protocol == 6 && (newstate == 1 || newstate == 2 || (oldstate == 2 && newstate == 7))";

/// An instance of ftrace's buffers with the changes of TCP states. Goes when it is dropped.
pub struct Witness {
    /// Where a tracefs of its own is mounted.
    mounted: PathBuf,
    instance: PathBuf,
}

impl Witness {
    /// Looks from now on.
    ///
    /// # Errors
    ///
    /// Without root, or where the kernel has no ftrace.
    pub fn watch() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("flowdrift-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mounted = std::env::temp_dir().join(&name);
        fs::create_dir(&mounted)?;
        let nothing: Option<&str> = None;
        if let Err(error) = mount(Some("tracefs"), &mounted, Some("tracefs"), MsFlags::empty(), nothing) {
            fs::remove_dir(&mounted)?;
            return Err(error.into());
        }
        let witness = Self { instance: mounted.join("instances").join(name), mounted };
        fs::create_dir(&witness.instance)?;
        let event = witness.instance.join("events/sock/inet_sock_set_state");
        fs::write(witness.instance.join("buffer_size_kb"), BUFFER_KIB.to_string())?;
        fs::write(event.join("filter"), FILTER)?;
        fs::write(event.join("enable"), "1")?;
        Ok(witness)
    }

    /// Changes of the connections to or from a port, as far as they came while a task was current that is one of process 1.
    ///
    /// # Errors
    ///
    /// When the buffers cannot be read.
    pub fn during_process_one(&self, port: u16) -> io::Result<usize> {
        let ends = [format!(" sport={port} "), format!(" dport={port} ")];
        let text = fs::read(self.instance.join("trace"))?;
        let text = String::from_utf8_lossy(&text);
        let changes = text.lines().filter(|line| ends.iter().any(|end| line.contains(end)));
        Ok(changes.filter_map(task).filter(|task| Path::new("/proc/1/task").join(task).exists()).count())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.instance);
        let _ = umount2(&self.mounted, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.mounted);
    }
}

/// The thread id of `   name with spaces-24796   [001] ..s2. 25111.561780: …`.
fn task(line: &str) -> Option<&str> {
    let (task, _) = line.split_once(" [")?;
    Some(task.trim().rsplit_once('-')?.1)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::needs;

    #[test]
    fn it_sees_a_connection_and_whose_time_it_came_in() {
        if !needs::root("witness") {
            return;
        }
        let witness = Witness::watch().expect("root, and a kernel with ftrace");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let to = listener.local_addr().expect("it is bound");
        let _both = (TcpStream::connect(to).expect("somebody listens"), listener.accept().expect("it came"));
        let text = fs::read_to_string(witness.instance.join("trace")).expect("readable");
        let changes: Vec<&str> = text.lines().filter(|line| line.contains(&to.port().to_string())).collect();
        assert_eq!(changes.len(), 3, "{text}");
        assert!(changes.iter().all(|line| task(line).is_some_and(|task| task.parse::<u32>().is_ok())));
        assert!(witness.during_process_one(to.port()).expect("readable") <= changes.len());
        let (mounted, instance) = (witness.mounted.clone(), witness.instance.clone());
        drop(witness);
        assert!(!mounted.exists() && !instance.exists());
    }
}
