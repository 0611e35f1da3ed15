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
//! processes. Refusing costs a round trip, so in doubt it is refused. What was refused once is not
//! taken later: its client has sent the same octets again, and they have taken effect.
//!
//! AP-14: what was seen before is not even answered. An answer would tell whoever recorded a first
//! message that there is a bridge.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::wire::handshake::MAC_LEN;

/// A first message's early data is taken if its wall time is at most this far from the bridge's.
/// Whoever repeats it later has no effect.
pub const REPLAY_WINDOW: Duration = Duration::from_secs(120);

/// A client is answered if its clock is at most this far off. Later, a recorded first message is as
/// good as none: a clock that is further off does not get through Tor's own handshakes either.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(2 * 3600);

/// First messages remembered, 32 octets each. When there are more the one with the oldest time is
/// forgotten, and no early data as old as that is taken any more, which costs a round trip.
pub const REPLAY_CACHE_MAX: usize = 65_536;

/// First messages from clocks that are ahead, remembered beside them; further ones get no answer.
const AHEAD_MAX: usize = 8192;

/// What a bridge does about a first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Answer, and take its early data.
    Take,
    /// Answer, and let the client send its early data again.
    Refuse,
    /// Say nothing: it was here before, or its time is out of all bounds.
    Silence,
}

/// The first messages of the last hours and the next, by time and MAC.
#[derive(Debug)]
pub(crate) struct ReplayCache {
    seen: BTreeSet<(Duration, [u8; MAC_LEN])>,
    /// Those of clients whose clocks were ahead by more than the window: apart, so that they cannot
    /// drive the others out.
    ahead: BTreeSet<(Duration, [u8; MAC_LEN])>,
    /// Messages made before this have been forgotten. It stays when the wall clock goes back:
    /// what was forgotten once is never new again.
    forgotten: Duration,
    /// What was made until then is never taken: an earlier process may have, or there was no room to
    /// remember it.
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
            ahead: BTreeSet::new(),
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

    /// What to do about a first message that was made at `made_at` and comes at `wall`.
    pub(crate) fn judge(
        &mut self,
        wall: Duration,
        made_at: Duration,
        mac: &[u8; MAC_LEN],
    ) -> Verdict {
        self.forget(wall.saturating_sub(CLOCK_TOLERANCE));
        let is_tolerable = made_at >= self.forgotten && made_at.abs_diff(wall) <= CLOCK_TOLERANCE;
        let message = (made_at, *mac);
        if !is_tolerable || self.seen.contains(&message) || self.ahead.contains(&message) {
            return Verdict::Silence;
        }
        if made_at > wall.saturating_add(REPLAY_WINDOW) {
            let has_room = self.ahead.len() < AHEAD_MAX;
            return if has_room && self.ahead.insert(message) {
                Verdict::Refuse
            } else {
                Verdict::Silence
            };
        }
        self.seen.insert(message);
        if self.seen.len() > REPLAY_CACHE_MAX
            && let Some((forgotten, _)) = self.seen.pop_first()
        {
            self.bound = self.bound.max(forgotten);
        }
        let is_timely = made_at.abs_diff(wall) <= REPLAY_WINDOW;
        let is_promised = self.durable_until.is_none_or(|until| made_at <= until);
        if is_timely && is_promised && made_at > self.bound {
            Verdict::Take
        } else {
            Verdict::Refuse
        }
    }

    fn forget(&mut self, before: Duration) {
        self.forgotten = self.forgotten.max(before);
        for seen in [&mut self.seen, &mut self.ahead] {
            while seen.first().is_some_and(|(at, _)| *at < self.forgotten) {
                seen.pop_first();
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len().saturating_add(self.ahead.len())
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

    /// AP-14, AP-15
    #[test]
    fn a_first_message_is_taken_once_and_only_in_its_time() {
        let mut cache = cache();
        assert_eq!(cache.judge(WALL, WALL, &[1; 16]), Verdict::Take);
        assert_eq!(cache.judge(WALL, WALL, &[1; 16]), Verdict::Silence);
        assert_eq!(cache.judge(WALL, WALL, &[2; 16]), Verdict::Take);
        let late = WALL + REPLAY_WINDOW + SECOND;
        assert_eq!(cache.judge(late, WALL, &[3; 16]), Verdict::Refuse);
        assert_eq!(cache.judge(late, WALL, &[1; 16]), Verdict::Silence, "it is remembered");
        let out_of_bounds = WALL + CLOCK_TOLERANCE + SECOND;
        assert_eq!(cache.judge(out_of_bounds, WALL, &[4; 16]), Verdict::Silence);
        assert!(cache.seen.is_empty(), "what its time alone silences needs no room");
    }

    #[test]
    fn a_wall_clock_that_goes_back_opens_no_window_for_replays() {
        let mut cache = cache();
        assert_eq!(cache.judge(WALL, WALL, &[1; 16]), Verdict::Take);
        assert_eq!(cache.judge(WALL + 2 * CLOCK_TOLERANCE, WALL, &[1; 16]), Verdict::Silence);
        assert_eq!(cache.judge(WALL, WALL, &[1; 16]), Verdict::Silence);
    }

    /// AP-15
    #[test]
    fn with_a_full_cache_nothing_as_old_as_what_was_forgotten_is_taken() {
        let mut cache = cache();
        for number in 0..REPLAY_CACHE_MAX as u128 {
            assert_eq!(cache.judge(WALL, WALL, &number.to_be_bytes()), Verdict::Take);
        }
        assert_eq!(cache.judge(WALL, WALL, &[0xff; 16]), Verdict::Refuse);
        assert_eq!(cache.judge(WALL, WALL, &[0; 16]), Verdict::Refuse, "forgotten, not taken");
        assert_eq!(cache.judge(WALL, WALL + SECOND, &[0xff; 16]), Verdict::Take);
        assert_eq!(cache.len(), REPLAY_CACHE_MAX);
    }

    /// AP-15: its client has sent it again by other means.
    #[test]
    fn what_was_refused_once_is_never_taken() {
        let mut cache = cache();
        let ahead = WALL + CLOCK_TOLERANCE / 2;
        assert_eq!(cache.judge(WALL, ahead, &[1; 16]), Verdict::Refuse, "a clock that is ahead");
        assert_eq!(cache.judge(ahead, ahead, &[1; 16]), Verdict::Silence, "its time has come");
        cache.resume_from(Duration::ZERO);
        cache.promise_until(ahead);
        let beyond = ahead + SECOND;
        assert_eq!(cache.judge(ahead, beyond, &[2; 16]), Verdict::Refuse, "beyond the mark");
        cache.promise_until(beyond);
        assert_eq!(cache.judge(ahead, beyond, &[2; 16]), Verdict::Silence, "the mark has moved");
    }

    #[test]
    fn messages_from_ahead_drive_no_others_out() {
        let mut cache = cache();
        for number in 0..2 * AHEAD_MAX as u128 {
            let ahead = WALL + CLOCK_TOLERANCE;
            let verdict = cache.judge(WALL, ahead, &number.to_be_bytes());
            let has_room = number < AHEAD_MAX as u128;
            assert_eq!(verdict, if has_room { Verdict::Refuse } else { Verdict::Silence });
        }
        assert_eq!(cache.judge(WALL, WALL, &[0xfe; 16]), Verdict::Take);
        assert_eq!(cache.len(), AHEAD_MAX + 1);
    }

    /// AP-16
    #[test]
    fn what_a_process_before_this_one_may_have_taken_is_not_fresh() {
        let mut cache = ReplayCache::new(WALL);
        let ahead = WALL + REPLAY_WINDOW;
        assert_eq!(
            cache.judge(WALL, ahead, &[1; 16]),
            Verdict::Refuse,
            "by a client whose clock is ahead"
        );
        assert_eq!(cache.judge(ahead, ahead, &[2; 16]), Verdict::Refuse);
        assert_eq!(cache.judge(ahead, ahead + SECOND, &[2; 16]), Verdict::Take);
    }

    /// AP-16
    #[test]
    fn a_mark_holds_where_the_clock_went_back_over_the_restart() {
        let mut cache = ReplayCache::new(WALL - HOUR);
        cache.resume_from(WALL);
        cache.promise_until(WALL + HOUR);
        assert_eq!(cache.judge(WALL, WALL, &[1; 16]), Verdict::Refuse);
        assert_eq!(cache.judge(WALL, WALL + SECOND, &[2; 16]), Verdict::Take);
    }

    /// AP-16
    #[test]
    fn nothing_is_taken_beyond_the_mark_that_the_next_process_will_find() {
        let mut cache = cache();
        cache.resume_from(Duration::ZERO);
        assert_eq!(cache.judge(WALL, WALL, &[1; 16]), Verdict::Refuse, "no mark was written yet");
        cache.promise_until(WALL);
        assert_eq!(cache.judge(WALL, WALL, &[2; 16]), Verdict::Take);
        assert_eq!(cache.judge(WALL, WALL + SECOND, &[3; 16]), Verdict::Refuse);
        cache.promise_until(WALL - SECOND);
        assert_eq!(
            cache.judge(WALL, WALL, &[4; 16]),
            Verdict::Take,
            "a promise is never taken back"
        );
    }
}
