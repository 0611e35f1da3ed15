//! Tells systemd how far the process is (sd_notify(3)), where `NOTIFY_SOCKET` asks for it; elsewhere
//! nothing.

use std::env;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use ap2ap_tokio::CarrierId;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

/// Where systemd listens: the path of a datagram socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Nobody waits longer for a systemd that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Follows a carrier: there is one while it is attached.
pub(crate) type Presence = watch::Receiver<Option<CarrierId>>;

/// Everything listens and is attached. From now on changes are told, and the watchdog is fed.
pub(crate) fn ready(carriers: Vec<Presence>) {
    if env::var_os(SOCKET).is_none() {
        return;
    }
    tell(&format!("READY=1\nSTATUS={}", status(&carriers)));
    let carriers: Arc<[Presence]> = carriers.into();
    for carrier in carriers.iter().cloned() {
        tokio::spawn(follow(carrier, Arc::clone(&carriers)));
    }
    tokio::spawn(feed_watchdog());
}

/// The end has begun.
pub(crate) fn stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

async fn follow(mut carrier: Presence, all: Arc<[Presence]>) {
    while carrier.changed().await.is_ok() {
        tell(&format!("STATUS={}", status(&all)));
    }
}

/// As long as tasks run and timers fire. Half the time systemd gives leaves room for a busy machine.
async fn feed_watchdog() {
    let Some(limit) = watchdog_limit() else { return };
    let mut ticks = interval(limit / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell("WATCHDOG=1");
    }
}

/// After which silence systemd takes us for hung, if it watches this very process.
fn watchdog_limit() -> Option<Duration> {
    let number = |variable| env::var(variable).ok()?.parse::<u64>().ok();
    let limit = Duration::from_micros(number("WATCHDOG_USEC")?);
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process::id()));
    (is_ours && !limit.is_zero()).then_some(limit)
}

fn status(carriers: &[Presence]) -> String {
    let attached = carriers.iter().filter(|carrier| carrier.borrow().is_some()).count();
    if attached == carriers.len() {
        return "attached".to_owned();
    }
    if attached == 0 {
        return "waiting for Skype".to_owned();
    }
    format!("attached to {attached} of {} overlays, waiting for Skype", carriers.len())
}

fn tell(news: &str) {
    if let Err(error) = send(news) {
        debug!(%error, "systemd cannot be told");
    }
}

fn send(news: &str) -> io::Result<()> {
    let Some(path) = env::var_os(SOCKET) else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.send_to(news.as_bytes(), path).map(|_| ())
}
