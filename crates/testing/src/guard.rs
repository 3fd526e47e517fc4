//! A folder and a program that runs in it; both are removed when this process ends, even if it is killed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::user::User;

/// The watchdog's script: waits for the end of the pipe from this process, which the kernel closes even after
/// a SIGKILL, then stops the program whose process id is in the file `pid`, and removes the folder.
const WATCH: &str = r#"
cat > /dev/null
if [ -s "$0/pid" ]; then
    pid=$(cat "$0/pid")
    kill -QUIT "$pid" 2> /dev/null
    left=100
    while [ "$left" -gt 0 ] && kill -0 "$pid" 2> /dev/null; do left=$((left - 1)); sleep 0.1; done
    kill -KILL "$pid" 2> /dev/null
fi
rm -rf "$0" || { sleep 1; rm -rf "$0"; }
"#;

/// A script that writes its process id and then becomes the program, so that the watchdog always knows the
/// id. Core dumps are turned off for programs that do not handle the signal that ends them.
const RUN: &str = r#"ulimit -c 0; echo $$ > "$0/pid" && exec "$@""#;

/// How often, and at which interval, killed processes are polled: for about twenty seconds.
const POLLS_AFTER_KILL: u32 = 1_000;
const POLL: Duration = Duration::from_millis(20);

/// The folder, the program in it, and the watchdog over both.
#[derive(Debug)]
pub(crate) struct Guard {
    folder: PathBuf,
    user: User,
    program: Option<Child>,
    watchdog: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Creates a folder that belongs to `user`, and starts its watchdog.
    pub(crate) fn new(user: User) -> Self {
        // The prefix is short because the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new()
            .prefix("ctx-")
            .tempdir()
            .expect("a temporary folder can be created")
            .keep();
        user.own(&folder);
        let mut watchdog = user
            .command(Path::new("/bin/sh"), Path::new("/"))
            .args(["-c", WATCH])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let pipe = watchdog.stdin.take();
        Self { folder, user, program: None, watchdog, pipe }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn user(&self) -> User {
        self.user
    }

    /// Returns what the program has printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Starts the program; its output is written to the file `log`.
    pub(crate) fn start_program(&mut self, program: &Path, arguments: &[String]) {
        let log =
            fs::File::create(self.folder.join("log")).expect("a file can be created in the server's folder");
        let errors = log.try_clone().expect("a file can be opened twice");
        let child = self
            .user
            .command(Path::new("/bin/sh"), &self.folder)
            .args(["-c", RUN])
            .arg(&self.folder)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        self.program = Some(child);
    }

    /// Returns the process id of the program.
    pub(crate) fn pid(&self) -> u32 {
        self.program.as_ref().expect("the program was started").id()
    }

    /// Whether the program has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        let program = self.program.as_mut().expect("the program was started");
        program.try_wait().expect("the program can be waited for").is_some()
    }

    /// Sends a signal to the program, and waits until it has ended.
    pub(crate) fn end(&mut self, signal: &str) {
        let Some(mut program) = self.program.take() else { return };
        send(signal, &[program.id()]);
        self.await_end(&mut program);
    }

    /// Kills the program with its child processes, and waits until all have ended.
    pub(crate) fn kill(&mut self) {
        let Some(mut program) = self.program.take() else { return };
        let pid = program.id();
        // A stopped program cannot start more children before it is killed.
        send("-STOP", &[pid]);
        let children = children_of(pid);
        send("-KILL", &children);
        send("-KILL", &[pid]);
        self.await_end(&mut program);
        for _ in 0..POLLS_AFTER_KILL {
            if children.iter().all(|child| has_ended(*child)) {
                return;
            }
            thread::sleep(POLL);
        }
        panic!("some of the processes {children:?} do not end after SIGKILL");
    }

    fn await_end(&self, program: &mut Child) {
        program.wait().expect("the program can be waited for");
        remove_file(&self.folder.join("pid"));
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end("-QUIT");
        drop(self.pipe.take());
        // The watchdog has removed the folder when this returns; if waiting fails, it still removes it.
        self.watchdog.wait().ok();
    }
}

fn remove_file(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => panic!("cannot remove {}: {error}", path.display()),
    }
}

/// Sends a signal to processes; one that has ended already is not an error.
fn send(signal: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    let sent =
        Command::new("/bin/sh").args(["-c", r#"kill "$0" "$@" 2> /dev/null"#, signal]).args(pids).status();
    sent.expect("sh runs");
}

/// Whether a process has ended. It may not be a child of this one, so it cannot be waited for; a zombie has
/// ended.
fn has_ended(pid: u32) -> bool {
    if Path::new("/proc/self/status").exists() {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return true };
        return status.lines().any(|line| line.starts_with("State:\tZ"));
    }
    let state =
        Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().expect("ps runs").stdout;
    let state = String::from_utf8_lossy(&state);
    state.trim().is_empty() || state.trim().starts_with('Z')
}

fn children_of(parent: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return listed_children_of(parent) };
    processes
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Lists the children of a process on systems without `/proc`.
fn listed_children_of(parent: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-A", "-o", "ppid=,pid="]).output().expect("ps runs");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .filter(|(above, _)| above.parse() == Ok(parent))
        .filter_map(|(_, pid)| pid.trim().parse().ok())
        .collect()
}
