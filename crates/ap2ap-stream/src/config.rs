//! What a connection may use, each limit with the memory it bounds.

use std::time::Duration;

use crate::congestion::Congestion;

/// Which of several paths data is offered to first. Each takes bulk as fast as its controller lets it, whatever
/// this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheduler {
    /// The one that is expected to deliver it first: by round trip, rate, what stands before it, and loss. The end
    /// of a transfer is left to fast paths where a slow one would deliver it later. What this crate is made
    /// for.
    #[default]
    EarliestDelivery,
    /// The one with the least smoothed round trip: to compare with.
    LeastRoundTrip,
    /// The one that fewest packets went over: to compare with.
    RoundRobin,
}

/// The limits and times of a connection. Both ends may differ in all of them.
///
/// What a peer may do before it was told of any limit is fixed, so that a first message can carry
/// data: smaller windows than those named below count as these.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Streams that the peer may have open at once. Each costs at most
    /// [`stream_window`](Self::stream_window) octets of memory for what arrives. At least 64.
    pub streams_max: u16,
    /// Octets that one stream may send ahead of its reader, to begin with. At least 65,536.
    pub stream_window: u32,
    /// ... and at the most: the window is doubled while the peer has to stop for it though the reader keeps
    /// up, as on paths that hold more than it does.
    pub stream_window_max: u32,
    /// Octets that all streams together may send ahead of their readers, to begin with. It should be several times
    /// [`stream_window`](Self::stream_window): streams that nobody reads use it up, and when all of
    /// it is used the others stand still. At least 262,144.
    pub connection_window: u32,
    /// ... and at the most, as for a stream: the bound on the memory for what arrives, whatever the number
    /// of streams.
    pub connection_window_max: u32,
    /// Octets that one stream keeps of what was written and not yet acknowledged, at the most. It
    /// keeps less on slow paths: three congestion windows, and of what is not yet sent as
    /// much as [`unsent_percent`](Self::unsent_percent) says.
    pub send_buffer_max: u32,
    /// How much one stream takes that cannot be sent yet, in percent of what the path carries in a round trip
    /// (10 ms if that is shorter). More than 100 helps a writer that wakes late; less keeps the order of what
    /// is sent longer in the writer's hands. Two full datagrams are always taken, and 16 KiB while no
    /// rate is known. [`Stream::unsent`](crate::Stream::unsent) says how much it is.
    pub unsent_percent: u16,
    /// The connection ends when nothing authentic came for this long. `None`: never.
    pub idle_timeout: Option<Duration>,
    /// The connection ends when the peer owed an answer on every path for this long and gave none.
    pub answer_timeout: Duration,
    /// A path on which the peer owed an answer for this long is left, while there is another one.
    pub path_timeout: Duration,
    /// A client that heard nothing for this long asks whether the bridge is there. AP2AP drops a
    /// stream after 8 minutes without traffic.
    pub keep_alive: Option<Duration>,
    /// The connection ends when the handshake took longer than this.
    pub handshake_timeout: Duration,
    /// Which path carries what, where there are several.
    pub scheduler: Scheduler,
    /// What decides how fast this side sends on each path.
    pub congestion: Congestion,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            streams_max: 1024,
            stream_window: 512 * 1024,
            stream_window_max: 16 * 1024 * 1024,
            connection_window: 4 * 1024 * 1024,
            connection_window_max: 32 * 1024 * 1024,
            send_buffer_max: 16 * 1024 * 1024,
            unsent_percent: 100,
            idle_timeout: Some(Duration::from_secs(180)),
            answer_timeout: Duration::from_secs(30),
            path_timeout: Duration::from_secs(30),
            keep_alive: Some(Duration::from_secs(60)),
            handshake_timeout: Duration::from_secs(20),
            scheduler: Scheduler::default(),
            congestion: Congestion::default(),
        }
    }
}
