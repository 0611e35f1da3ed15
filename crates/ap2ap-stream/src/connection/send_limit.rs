//! How much a stream takes from its writer: what waits to be sent stays small, so that whoever writes may
//! still change his mind about the order.

use std::time::Duration;

use super::Connection;
use crate::num;
use crate::stream::send::SendLimit;

/// Octets that a stream takes ahead of sending while the path's rate is not known yet: as many as
/// finding it out needs at once.
const UNSENT_AT_FIRST: usize = 16 * 1024;

/// Later, what this time carries, or a round trip if that is longer: a writer takes a while to wake.
const UNSENT_TIME_MIN: Duration = Duration::from_millis(10);

/// And never less: two of Tor's cells with what TLS adds fill a datagram.
const UNSENT_MIN: usize = 2 * 1200;

/// Congestion windows that a stream keeps of what is under way: what was lost is sent again within
/// two round trips, and lost again now and then.
const FLIGHTS: f64 = 3.0;

/// A stream never keeps less, sent and unsent, in octets.
const HELD_MIN: usize = 16 * 1024;

impl Connection {
    /// What a stream's send buffer may hold: about one round trip's worth that is not yet sent, and
    /// enough beside that to go on sending while what was lost is sent again.
    pub(super) fn send_limit(&self) -> SendLimit {
        let most = usize::try_from(self.config.send_buffer_max).unwrap_or(usize::MAX);
        let octets = |octets: f64| num::to_usize(num::to_u64(octets));
        let known = self.paths.active().and_then(|path| Some((path, path.controller.rate()?)));
        let Some((path, rate)) = known else {
            return SendLimit { held: most, unsent: UNSENT_AT_FIRST.min(most) };
        };
        let time = path.rtt.least().max(UNSENT_TIME_MIN).as_secs_f64();
        let share = f64::from(self.config.unsent_percent) / 100.0;
        let unsent = octets(share * rate * time).max(UNSENT_MIN).min(most);
        let in_flight = octets(FLIGHTS * path.controller.window());
        SendLimit { held: in_flight.saturating_add(unsent).max(HELD_MIN).min(most), unsent }
    }
}
