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

/// Where there are several paths, the time in which the slowest should answer, in its probe time-outs: it does
/// not, is asked again, and others carry what it did not.
const ANSWERS: f64 = 4.0;

/// A stream never keeps less, sent and unsent, in octets.
const HELD_MIN: usize = 16 * 1024;

impl Connection {
    /// What a stream's send buffer may hold: about one round trip's worth that is not yet sent, and
    /// enough beside that to go on sending while what was lost is sent again.
    pub(super) fn send_limit(&self) -> SendLimit {
        let most = usize::try_from(self.config.send_buffer_max).unwrap_or(usize::MAX);
        let octets = |octets: f64| num::to_usize(num::to_u64(octets));
        let carriers = self.carriers();
        let (mut rate, mut window, mut time) = (0.0, 0.0, UNSENT_TIME_MIN.as_secs_f64());
        let (mut answer, mut sought) = (0.0_f64, 0);
        for path in carriers.iter().filter_map(|index| self.paths.get(index)) {
            answer = answer.max(path.rtt.probe_timeout().as_secs_f64());
            let Some(its_rate) = path.controller.rate() else {
                sought = UNSENT_AT_FIRST;
                continue;
            };
            rate += its_rate;
            window += path.controller.window();
            // Of several paths the slowest one's datagram should not be the last.
            let transfer = path.controller.datagram_octets() / its_rate.max(1.0);
            let transfer = if carriers.len() > 1 { transfer } else { 0.0 };
            time = time.max(path.rtt.least().as_secs_f64() + transfer);
        }
        if rate <= 0.0 {
            return SendLimit { held: most, unsent: UNSENT_AT_FIRST.min(most) };
        }
        let share = f64::from(self.config.unsent_percent) / 100.0;
        let unsent = octets(share * rate * time).max(UNSENT_MIN).saturating_add(sought).min(most);
        // What fast paths deliver is kept until a slow one, or others in its place, delivered what is before it.
        let ahead = if carriers.len() > 1 { ANSWERS * answer * rate } else { 0.0 };
        let in_flight = octets(FLIGHTS * window + ahead);
        SendLimit { held: in_flight.saturating_add(unsent).max(HELD_MIN).min(most), unsent }
    }
}
