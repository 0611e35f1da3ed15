//! Downloads: whole ones, and one that runs while a test does something to what is underneath.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Running, ask, curl};

/// No octet for so long, and a download hangs.
const HANG: Duration = Duration::from_secs(240);

/// Fetches a page and compares it, without showing it in a log.
pub(crate) fn fetch(socks: &str, web: SocketAddr, body: &[u8], logs: &[&Running]) {
    let (code, fetched, stderr) = curl(&["--socks5", socks, &format!("http://{web}/")]);
    let said = said(logs);
    assert_eq!(code, 0, "{stderr}\n{said}");
    assert!(fetched == body, "{} of {} octets, or others\n{said}", fetched.len(), body.len());
}

fn said(logs: &[&Running]) -> String {
    logs.iter().map(|one| one.stderr() + "\n").collect()
}

/// The time, for tests that print how long something took.
#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A download that is under way, and when its octets came.
pub(crate) struct Transfer {
    arrivals: Arc<Mutex<Vec<(Instant, usize)>>>,
    reading: JoinHandle<io::Result<Vec<u8>>>,
}

impl Transfer {
    /// Asks a web server for its page.
    pub(crate) fn begin(socks: &str, web: SocketAddr) -> Self {
        let mut tcp = ask(socks, web);
        tcp.set_read_timeout(Some(HANG)).unwrap();
        tcp.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrivals);
        let reading = thread::spawn(move || {
            let (mut all, mut buf) = (Vec::new(), [0; 4096]);
            loop {
                match tcp.read(&mut buf)? {
                    0 => return Ok(all),
                    len => {
                        all.extend_from_slice(buf.get(..len).unwrap_or_default());
                        noted.lock().unwrap().push((now(), all.len()));
                    }
                }
            }
        });
        Self { arrivals, reading }
    }

    /// Octets that had come by a moment, the answer's head among them.
    pub(crate) fn arrived_by(&self, moment: Instant) -> usize {
        let arrivals = self.arrivals.lock().unwrap();
        let by_then = arrivals.iter().rev().find(|(at, _)| *at <= moment);
        by_then.map_or(0, |(_, octets)| *octets)
    }

    /// Waits for its end, compares, and says how long after a moment the next octet came.
    #[track_caller]
    pub(crate) fn assert_whole(self, body: &[u8], since: Instant, logs: &[&Running]) -> Duration {
        let all = self.reading.join().unwrap();
        let all = all.unwrap_or_else(|error| panic!("{error}\n{}", said(logs)));
        assert!(
            all.ends_with(body),
            "{} of {} octets, or others\n{}",
            all.len(),
            body.len(),
            said(logs)
        );
        let arrivals = self.arrivals.lock().unwrap();
        let next = arrivals.iter().map(|(at, _)| *at).find(|at| *at >= since);
        next.expect("something came after it").duration_since(since)
    }
}

/// A target that reads each connection octet by octet and tells what each read gave.
pub(crate) fn reading_target() -> (SocketAddr, mpsc::Receiver<io::Result<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || {
                let mut goes_on = true;
                while goes_on {
                    let read = tcp.read(&mut [0]);
                    goes_on = matches!(read, Ok(1));
                    let _ = tell.send(read);
                }
            });
        }
    });
    (addr, told)
}
