//! Which first messages a bridge has seen, and which of those it cannot know it takes no data from.
//!
//! ```text
//!                  bound                 wall                    durable_until
//!   ─────────────────┼────────┬────────────┼────────────┬──────────────┼──────► made at
//!     maybe taken    │        └─ 120 s ────┴──── 120 s ─┘              │  not promised
//!     before the     │           taken if not seen                     │  to the next
//!     restart        │                                                 │  process
//! ```
//!
//! AP-15 and AP-16: no first message's early data takes effect twice, whatever happens to clocks and
//! processes. Refusing costs a round trip, so in doubt it is refused. What was refused once is refused
//! for ever: its client has sent the same octets again, and they have taken effect.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::wire::handshake::MAC_LEN;

/// A first message's early data is taken if its wall time is at most this far from the bridge's.
/// Whoever repeats it later has no effect.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(120);

/// First messages remembered, those with a time that is still to come included. With a full memory
/// early data is refused, which costs a round trip, and never taken unchecked. 32 octets each.
pub const REPLAY_CACHE_MAX: usize = 65_536;

/// The first messages of the last window and later, by time and MAC.
#[derive(Debug)]
pub(crate) struct ReplayCache {
    seen: BTreeSet<(Duration, [u8; MAC_LEN])>,
    /// Messages made before this have been forgotten. It stays when the wall clock goes back:
    /// what was forgotten once is never fresh again.
    forgotten: Duration,
    /// What was made until then is never fresh: an earlier process may have taken it, or there was no
    /// room to remember it.
    bound: Duration,
    /// The next process will refuse what was made until then, so nothing later may be taken.
    /// `None`: the caller keeps no mark.
    durable_until: Option<Duration>,
}

impl ReplayCache {
    /// The cache of a process that began at the wall time `started`. A client's clock may have been
    /// ahead of an earlier process's by a whole window.
    pub(crate) const fn new(started: Duration) -> Self {
        Self {
            seen: BTreeSet::new(),
            forgotten: Duration::ZERO,
            bound: started.saturating_add(REPLAY_WINDOW),
            durable_until: None,
        }
    }

    /// The last process took nothing that was made later than `mark`.
    pub(crate) fn resume_from(&mut self, mark: Duration) {
        self.bound = self.bound.max(mark);
        self.durable_until.get_or_insert(Duration::ZERO);
    }

    /// The next process will take nothing that was made until then.
    pub(crate) fn promise_until(&mut self, until: Duration) {
        self.durable_until = self.durable_until.max(Some(until));
    }

    /// Whether a message made at `made_at` is seen for the first time, as far as can be known.
    pub(crate) fn is_fresh(
        &mut self,
        wall: Duration,
        made_at: Duration,
        mac: &[u8; MAC_LEN],
    ) -> bool {
        self.forgotten = self.forgotten.max(wall.saturating_sub(REPLAY_WINDOW));
        self.forget();
        if self.is_too_old(made_at) {
            return false;
        }
        if self.seen.len() >= REPLAY_CACHE_MAX {
            self.bound = self.bound.max(made_at);
            self.forget();
            return false;
        }
        let is_new = self.seen.insert((made_at, *mac));
        let is_timely = made_at.abs_diff(wall) <= REPLAY_WINDOW;
        let is_promised = self.durable_until.is_none_or(|until| made_at <= until);
        is_new && is_timely && is_promised
    }

    /// Forgets what its time alone refuses.
    fn forget(&mut self) {
        while self.seen.first().is_some_and(|(at, _)| self.is_too_old(*at)) {
            self.seen.pop_first();
        }
    }

    fn is_too_old(&self, made_at: Duration) -> bool {
        made_at < self.forgotten || made_at <= self.bound
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "small counts in tests")]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1_000_000);
    const HOUR: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);

    /// One that has been up for an hour.
    fn cache() -> ReplayCache {
        ReplayCache::new(WALL - HOUR)
    }

    /// AP-15
    #[test]
    fn a_first_message_is_fresh_once_and_only_in_its_time() {
        let mut cache = cache();
        assert!(cache.is_fresh(WALL, WALL, &[1; 16]));
        assert!(!cache.is_fresh(WALL, WALL, &[1; 16]));
        assert!(cache.is_fresh(WALL, WALL, &[2; 16]));
        let late = WALL + REPLAY_WINDOW + SECOND;
        assert!(!cache.is_fresh(late, WALL, &[1; 16]), "forgotten, but out of its time");
        assert!(cache.seen.is_empty());
    }

    #[test]
    fn a_wall_clock_that_goes_back_opens_no_window_for_replays() {
        let mut cache = cache();
        assert!(cache.is_fresh(WALL, WALL, &[1; 16]));
        assert!(!cache.is_fresh(WALL + 2 * REPLAY_WINDOW, WALL, &[1; 16]));
        assert!(!cache.is_fresh(WALL, WALL, &[1; 16]));
    }

    /// AP-15
    #[test]
    fn a_full_cache_refuses() {
        let mut cache = cache();
        for number in 0..REPLAY_CACHE_MAX as u128 {
            assert!(cache.is_fresh(WALL, WALL, &number.to_be_bytes()));
        }
        let unknown = WALL + SECOND;
        assert!(!cache.is_fresh(WALL, unknown, &[0xff; 16]));
        assert!(!cache.is_fresh(WALL, unknown, &[0xff; 16]), "nor when there is room again");
        assert!(cache.is_fresh(WALL, unknown + SECOND, &[0xff; 16]));
        assert_eq!(cache.len(), 1, "what its time alone refuses needs no room");
    }

    /// AP-15: its client has sent it again by other means.
    #[test]
    fn what_was_refused_once_is_refused_for_ever() {
        let mut cache = cache();
        assert!(!cache.is_fresh(WALL, WALL + HOUR, &[1; 16]), "from a clock that is ahead");
        assert!(!cache.is_fresh(WALL + HOUR, WALL + HOUR, &[1; 16]), "when its time has come");
        cache.resume_from(Duration::ZERO);
        cache.promise_until(WALL + HOUR);
        let beyond = WALL + HOUR + SECOND;
        assert!(!cache.is_fresh(WALL + HOUR, beyond, &[2; 16]), "beyond the mark");
        cache.promise_until(beyond);
        assert!(!cache.is_fresh(WALL + HOUR, beyond, &[2; 16]), "when the mark has moved");
    }

    #[test]
    fn messages_from_far_ahead_can_use_the_memory_up_and_nothing_is_taken_then() {
        let mut cache = cache();
        for number in 0..REPLAY_CACHE_MAX as u128 {
            assert!(!cache.is_fresh(WALL, WALL + 9999 * HOUR, &number.to_be_bytes()));
        }
        assert!(!cache.is_fresh(WALL, WALL, &[0xff; 16]));
        assert!(!cache.is_fresh(WALL + HOUR, WALL + HOUR, &[0xff; 16]));
        assert_eq!(cache.len(), REPLAY_CACHE_MAX);
    }

    /// AP-16
    #[test]
    fn what_a_process_before_this_one_may_have_taken_is_not_fresh() {
        let mut cache = ReplayCache::new(WALL);
        let ahead = WALL + REPLAY_WINDOW;
        assert!(!cache.is_fresh(WALL, ahead, &[1; 16]), "by a client whose clock is ahead");
        assert!(!cache.is_fresh(ahead, ahead, &[1; 16]));
        assert!(cache.is_fresh(ahead, ahead + SECOND, &[2; 16]));
    }

    /// AP-16
    #[test]
    fn a_mark_holds_where_the_clock_went_back_over_the_restart() {
        let mut cache = ReplayCache::new(WALL - HOUR);
        cache.resume_from(WALL);
        cache.promise_until(WALL + HOUR);
        assert!(!cache.is_fresh(WALL, WALL, &[1; 16]));
        assert!(cache.is_fresh(WALL, WALL + SECOND, &[1; 16]));
    }

    /// AP-16
    #[test]
    fn nothing_is_taken_beyond_the_mark_that_the_next_process_will_find() {
        let mut cache = cache();
        cache.resume_from(Duration::ZERO);
        assert!(!cache.is_fresh(WALL, WALL, &[1; 16]), "no mark was written yet");
        cache.promise_until(WALL);
        assert!(cache.is_fresh(WALL, WALL, &[2; 16]));
        assert!(!cache.is_fresh(WALL, WALL + SECOND, &[3; 16]));
        cache.promise_until(WALL - SECOND);
        assert!(cache.is_fresh(WALL, WALL, &[4; 16]), "a promise is never taken back");
    }
}
