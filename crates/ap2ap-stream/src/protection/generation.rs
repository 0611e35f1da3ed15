//! The generations of one direction's key: each follows from the one before, which is then forgotten.
//!
//! ```text
//!   sender     g ── 2^24 packets or 10 minutes, and one of g acknowledged ──► g + 1
//!   receiver   g ── a packet with the other phase opens with g + 1 ─────────► g + 1
//!                                                    (g is kept for what is still under way)
//! ```

use std::time::{Duration, Instant};

use ring::aead::LessSafeKey;

use super::derive::{Secret, next_secret, traffic_key};
use super::{Place, open_with};
use crate::path::DATAGRAM_MAX;

/// Packets sealed with one key: far below what ChaCha20-Poly1305 bears (RFC 9001 section 6.6 sets
/// no limit for it), and an hour of a fast path.
const PACKETS_MAX: u64 = 1 << 24;

/// A key is used no longer than this, so that whoever gets hold of one end's memory reads no more
/// than the last minutes.
const USED_MAX: Duration = Duration::from_secs(600);

fn is_worn(sealed: u64, used: Duration) -> bool {
    sealed >= PACKETS_MAX || used >= USED_MAX
}

struct Generation {
    number: u32,
    secret: Secret,
    key: LessSafeKey,
}

impl Generation {
    fn first(secret: Secret) -> Self {
        Self { number: 0, key: traffic_key(&secret), secret }
    }

    fn next(&self) -> Self {
        let secret = next_secret(&self.secret);
        Self { number: self.number.wrapping_add(1), key: traffic_key(&secret), secret }
    }

    const fn phase(&self) -> bool {
        self.number & 1 == 1
    }
}

/// The keys that this end seals with.
pub(super) struct Sending {
    generation: Generation,
    /// Packets sealed, and since when.
    sealed: u64,
    since: Option<Instant>,
    is_acknowledged: bool,
    /// The last packet of each path: no place comes twice.
    #[cfg(debug_assertions)]
    last: std::collections::BTreeMap<u32, u64>,
}

impl Sending {
    pub(super) fn new(secret: Secret) -> Self {
        Self {
            generation: Generation::first(secret),
            sealed: 0,
            since: None,
            is_acknowledged: false,
            #[cfg(debug_assertions)]
            last: std::collections::BTreeMap::new(),
        }
    }

    pub(super) const fn number(&self) -> u32 {
        self.generation.number
    }

    pub(super) const fn key(&self) -> &LessSafeKey {
        &self.generation.key
    }

    pub(super) const fn acknowledged(&mut self, generation: u32) {
        if generation == self.generation.number {
            self.is_acknowledged = true;
        }
    }

    pub(super) fn update_if_due(&mut self, now: Instant) {
        let since = self.since.get_or_insert(now);
        if self.is_acknowledged && is_worn(self.sealed, now.saturating_duration_since(*since)) {
            self.generation = self.generation.next();
            self.sealed = 0;
            self.since = Some(now);
            self.is_acknowledged = false;
        }
    }

    /// The key should be replaced, but nothing has shown that the peer has it.
    pub(super) fn lacks_acknowledgement(&self, now: Instant) -> bool {
        let used = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        !self.is_acknowledged && is_worn(self.sealed, used)
    }

    /// A packet is about to be sealed. In every build that checks assertions this asserts AP-30,
    /// whatever the run: no number of a path comes twice, in whatever generation.
    pub(super) fn note(&mut self, place: Place) {
        self.sealed = self.sealed.saturating_add(1);
        #[cfg(debug_assertions)]
        {
            let last = self.last.insert(place.epoch, place.number);
            assert!(last < Some(place.number), "{place:?} is sealed after {last:?}");
        }
        #[cfg(not(debug_assertions))]
        let _ = place;
    }
}

/// The keys that this end opens with.
pub(super) struct Receiving {
    current: Generation,
    /// The last one, and until when; boxed, for it is there for seconds of each ten minutes.
    previous: Option<Box<(LessSafeKey, Instant)>>,
    next: Generation,
}

impl Receiving {
    pub(super) fn new(secret: Secret) -> Self {
        let current = Generation::first(secret);
        let next = current.next();
        Self { current, previous: None, next }
    }

    /// Opens frames and tag in place, and goes on to the next key with the first packet that needs
    /// it.
    pub(super) fn open(
        &mut self,
        (now, keep_previous): (Instant, Duration),
        phase: bool,
        (place, aad): (Place, &[u8]),
        sealed: &mut [u8],
    ) -> Option<()> {
        self.previous.take_if(|previous| previous.1 <= now);
        if phase == self.current.phase() {
            return open_with(&self.current.key, place, aad, sealed).then_some(());
        }
        let Some(previous) = &self.previous else {
            open_with(&self.next.key, place, aad, sealed).then_some(())?;
            self.update(now + keep_previous);
            return Some(());
        };
        // The packet may be an old one or a new one, and a failure destroys it: keep a copy.
        let mut copy = [0; DATAGRAM_MAX];
        let copy = copy.get_mut(..sealed.len())?;
        copy.copy_from_slice(sealed);
        if open_with(&previous.0, place, aad, sealed) {
            return Some(());
        }
        open_with(&self.next.key, place, aad, copy).then_some(())?;
        sealed.copy_from_slice(copy);
        self.update(now + keep_previous);
        Some(())
    }

    fn update(&mut self, keep_until: Instant) {
        let after = self.next.next();
        let next = std::mem::replace(&mut self.next, after);
        let worn = std::mem::replace(&mut self.current, next);
        self.previous = Some(Box::new((worn.key, keep_until)));
    }
}
