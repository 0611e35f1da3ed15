//! Whatever happens to tor-net, nothing of what it started goes on.
#![expect(clippy::unwrap_used, reason = "a test that is wrong may panic")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// What every process of a run has in its environment.
const MARK: &str = "TOR_NET_TEST";

/// tor-net ends so where the system refuses what it needs.
const SKIPPED: i32 = 77;

/// Looks, and the time between them: a minute in all, on a crowded machine.
const LOOKS: u32 = 600;
const BETWEEN: Duration = Duration::from_millis(100);

struct Run {
    child: Child,
    mark: String,
}

impl Run {
    /// Starts a network; gives nothing if the system refuses.
    fn start(name: &str) -> Option<Self> {
        let mark = format!("{name}-{}", std::process::id());
        let child = Command::new(env!("CARGO_BIN_EXE_tor-net"))
            .args(["check", "--skypeproxy", env!("CARGO_BIN_EXE_tor-net")])
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut run = Self { child, mark };
        for _ in 0..LOOKS {
            if run.tors() >= 3 {
                return Some(run);
            }
            if let Some(status) = run.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(SKIPPED), "ended early; is tor installed?");
                println!("skipped: this system gives no namespaces or no TUN device");
                return None;
            }
            thread::sleep(BETWEEN);
        }
        panic!("no tors were started");
    }

    /// All processes of the run, as directories of /proc.
    fn processes(&self) -> Vec<PathBuf> {
        let mark = format!("{MARK}={}", self.mark).into_bytes();
        let is_ours = |dir: &PathBuf| {
            let environment = fs::read(dir.join("environ")).unwrap_or_default();
            environment.split(|octet| *octet == 0).any(|variable| variable == mark)
        };
        let entries = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        entries.filter(is_ours).collect()
    }

    fn tors(&self) -> usize {
        let is_tor =
            |dir: &&PathBuf| fs::read_to_string(dir.join("comm")).is_ok_and(|it| it == "tor\n");
        self.processes().iter().filter(is_tor).count()
    }

    /// Sends a signal to tor-net itself, and waits until it and all the others are gone.
    fn ends_by(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        for _ in 0..LOOKS {
            if self.processes().is_empty() {
                return status;
            }
            thread::sleep(BETWEEN);
        }
        panic!("still there: {:?}", self.processes());
    }
}

#[test]
fn nothing_goes_on_after_a_crash() {
    let Some(run) = Run::start("crash") else { return };
    assert_eq!(run.ends_by("-KILL").signal(), Some(9));
}

#[test]
fn nothing_goes_on_after_the_first_process_inside_is_killed() {
    let Some(mut run) = Run::start("inside") else { return };
    let mut inside = run.processes();
    inside.retain(|dir| {
        let words = fs::read(dir.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("\0--inside\0check")
            && fs::read_to_string(dir.join("comm")).is_ok_and(|name| name == "tor-net\n")
    });
    let pid = inside.first().unwrap().file_name().unwrap().to_owned();
    assert!(Command::new("kill").arg("-KILL").arg(pid).status().unwrap().success());
    assert!(!run.child.wait().unwrap().success());
    for _ in 0..LOOKS {
        if run.processes().is_empty() {
            return;
        }
        thread::sleep(BETWEEN);
    }
    panic!("still there: {:?}", run.processes());
}

/// A supervisor sends SIGTERM to the process it started, and to no other.
#[test]
fn a_signal_to_the_program_ends_everything() {
    for signal in ["-TERM", "-INT"] {
        let Some(run) = Run::start("signal") else { return };
        assert_eq!(run.ends_by(signal).code(), Some(1), "interrupted");
    }
}
