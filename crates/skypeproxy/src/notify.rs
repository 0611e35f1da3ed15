//! Tells systemd how far the process is, where `NOTIFY_SOCKET` asks for it; elsewhere nothing.

use std::env;
use std::sync::Arc;

use ap2ap_tokio::Endpoint;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

/// Follows a carrier: there is an endpoint while it is attached.
pub(crate) type Presence = watch::Receiver<Option<Endpoint>>;

/// Everything listens and is attached. From now on changes are told, and the watchdog is fed.
pub(crate) fn ready(carriers: Vec<Presence>) {
    if env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    tell(&[NotifyState::Ready, NotifyState::Status(&status(&carriers))]);
    let carriers: Arc<[Presence]> = carriers.into();
    for carrier in carriers.iter().cloned() {
        tokio::spawn(follow(carrier, Arc::clone(&carriers)));
    }
    tokio::spawn(feed_watchdog());
}

/// The end has begun.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

async fn follow(mut carrier: Presence, all: Arc<[Presence]>) {
    while carrier.changed().await.is_ok() {
        tell(&[NotifyState::Status(&status(&all))]);
    }
}

/// As long as tasks run and timers fire. Half the time systemd gives leaves room for a busy machine.
async fn feed_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return;
    };
    let mut ticks = interval(limit / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
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

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd cannot be told");
    }
}
