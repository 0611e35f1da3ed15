//! What all streams of a connection together may carry in each direction.

use super::recv::Violation;
use crate::config::Config;

/// AP-93: until the peer says more, octets that all streams may carry.
const INITIAL_CONNECTION_WINDOW: u64 = 256 * 1024;

/// What all streams together may carry in each direction.
#[derive(Debug)]
pub(super) struct Credit {
    sent: u64,
    sent_max: u64,
    received: u64,
    consumed: u64,
    /// What the peer has been told it may send up to, and the time before.
    received_max: u64,
    received_max_before: u64,
    /// The window that `received_max` was granted for.
    granted: u64,
    window: u64,
    window_max: u64,
    /// The peer has used all of the window, and not because readers are slow.
    is_exhausted: bool,
    tell: bool,
}

impl Credit {
    pub(super) fn new(config: &Config) -> Self {
        let window = u64::from(config.connection_window).max(INITIAL_CONNECTION_WINDOW);
        Self {
            sent: 0,
            sent_max: INITIAL_CONNECTION_WINDOW,
            received: 0,
            consumed: 0,
            received_max: window,
            received_max_before: window,
            granted: window,
            window,
            window_max: u64::from(config.connection_window_max).max(window),
            is_exhausted: false,
            tell: window > INITIAL_CONNECTION_WINDOW,
        }
    }

    /// Octets never sent before went out.
    pub(super) const fn send(&mut self, octets: u64) {
        self.sent = self.sent.saturating_add(octets);
    }

    /// The peer allows more.
    pub(super) fn raise(&mut self, max: u64) {
        self.sent_max = self.sent_max.max(max);
    }

    pub(super) fn receive(&mut self, octets: u64) -> Result<(), Violation> {
        if octets > self.room() {
            return Err(Violation("more data than allowed for all streams"));
        }
        self.received = self.received.saturating_add(octets);
        let unread = self.received.saturating_sub(self.consumed);
        let is_stop = self.room() == 0 || self.received == self.received_max_before;
        self.is_exhausted |= is_stop && unread <= self.granted / 2;
        Ok(())
    }

    /// Octets were read; more is granted once half the window is used up.
    pub(super) fn consume(&mut self, octets: u64) {
        self.consumed = self.consumed.saturating_add(octets);
        let ahead = self.received_max.saturating_sub(self.consumed);
        if ahead < self.granted / 2 {
            if std::mem::take(&mut self.is_exhausted) {
                self.window = self.window.saturating_mul(2).min(self.window_max);
            }
            self.received_max_before = self.received_max;
            self.received_max = self.consumed.saturating_add(self.window);
            self.granted = self.window;
            self.tell = true;
        }
    }

    /// The new maximum to tell the peer, if one is due; [`max_lost`](Self::max_lost) asks again.
    pub(super) fn take_max(&mut self) -> Option<u64> {
        std::mem::take(&mut self.tell).then_some(self.received_max)
    }

    pub(super) const fn max_lost(&mut self) {
        self.tell = true;
    }

    pub(super) const fn wants_max(&self) -> bool {
        self.tell
    }

    /// Octets never sent before that may go now.
    pub(super) const fn sent_room(&self) -> u64 {
        self.sent_max.saturating_sub(self.sent)
    }

    /// Octets that the peer may send beyond what it has sent.
    pub(super) const fn room(&self) -> u64 {
        self.received_max.saturating_sub(self.received)
    }
}
