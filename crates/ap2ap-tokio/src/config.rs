//! What an endpoint may use, each limit with its reason.

use std::time::Duration;

use ap2ap_stream::Config;

/// Connections of an endpoint unless configured otherwise: a busy bridge's, at some 8 KiB each
/// while they are idle with one stream open.
pub const CONNECTIONS_MAX: usize = 4096;

/// Connections whose client has not shown yet that it has the keys. Further first messages are
/// ignored, so that half-open handshakes cost bounded memory and work.
pub const UNCONFIRMED_MAX: usize = 1024;

/// Connections that wait to be accepted. Further first messages are ignored; their clients repeat
/// them.
pub const ACCEPT_QUEUE_MAX: usize = 128;

/// Paths on which nobody has shown that they know the bridge's key. The oldest makes way.
pub const STRANGERS_MAX: usize = 1024;

/// A stranger's path is kept this long: a client whose first message was lost or mangled repeats
/// it within. Closing it sooner would tell a prober that it was not understood.
pub(crate) const STRANGER_KEPT: Duration = Duration::from_secs(30);

/// Carriers of one endpoint: an overlay's client is one for each bridge that is reached through it.
pub const CARRIERS_MAX: usize = 256;

/// Events taken from the carrier before the driver lets other tasks run.
pub(crate) const EVENTS_PER_TURN: usize = 64;

/// Connections that send their quantum before the driver lets other tasks run, and looks again at
/// what has come meanwhile: some 64 long datagrams.
pub(crate) const CONNECTIONS_PER_TURN: usize = 32;

/// Octets that a connection sends before it is another one's turn: two full datagrams.
pub(crate) const QUANTUM_OCTETS: i64 = 2400;

/// A client's first message waits this long for the first write, so that it carries early data even
/// where a path opens at once. It does not wait once anything was written or is waited for.
pub(crate) const EARLY_DATA_HOLD: Duration = Duration::from_millis(5);

/// A connection that nobody holds any more lives this long for what was written and finished.
pub(crate) const LINGER_MAX: Duration = Duration::from_secs(30);

/// A closed connection answers stray datagrams by another close for two round trips, within these.
pub(crate) const DRAIN_MIN: Duration = Duration::from_millis(50);
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(1);

/// A client's connection that was asked so often in a row, about once a round trip, and gave no
/// answer, may get company on its path where an overlay has but one: the bridge may have forgotten
/// it. Not sooner, for if the newer one is answered first the older one ends: at 20 % loss in each
/// direction one silence in three thousand is as long by chance.
pub(crate) const SILENT_PROBES: u32 = 8;

/// `shutdown` ends after this long, whether every close could be said or not.
pub(crate) const SHUTDOWN_MAX: Duration = Duration::from_secs(3);

/// What a path that is not up yet may be trusted to carry, in octets: a first datagram came over
/// it, and every overlay in use carries as much.
pub(crate) const PAYLOAD_UNTIL_UP: usize = 512;

/// The limits of an endpoint and of each of its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// Each connection's.
    pub connection: Config,
    /// Connections at once, closing ones counted. A client is refused beyond it, a bridge ignores
    /// first messages.
    pub connections_max: usize,
    /// Connections that have lost their last path and are kept, in case their peers come back; the one that has
    /// waited longest makes way. 0: those that clients made end with their last path. How long they wait is
    /// [`Config::idle_timeout`]'s to say.
    pub lost_max: usize,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Config::default().into()
    }
}

impl From<Config> for EndpointConfig {
    fn from(connection: Config) -> Self {
        Self { connection, connections_max: CONNECTIONS_MAX, lost_max: 0 }
    }
}
