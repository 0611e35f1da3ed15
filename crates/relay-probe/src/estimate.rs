//! What a measurement of one direction found.

/// What holds the traffic down, as far as trains show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Not yet known.
    #[default]
    Untold,
    /// Everything sent got through without waiting: the rate is only what was tried.
    Unthrottled,
    /// What finds no tokens waits.
    Shaper,
    /// What finds no tokens is dropped.
    Policer,
    /// So much in each window of time, the rest is dropped.
    WindowPolicer,
    /// Read in bursts, with pauses between; the rest waits.
    PausingReader,
}

impl Kind {
    /// The name that tables and machine-readable output have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Untold => "untold",
            Self::Unthrottled => "unthrottled",
            Self::Shaper => "shaper",
            Self::Policer => "policer",
            Self::WindowPolicer => "window-policer",
            Self::PausingReader => "pausing-reader",
        }
    }
}

/// How much waits before a throttle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// The most that was seen to wait, in octets.
    pub octets: f64,
    /// It was full then: something was dropped behind it. Otherwise it may hold more.
    pub is_full: bool,
}

/// The relay, or what it grants, is another than before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// When it was seen, in seconds since the measurement began.
    pub seen_at: f64,
    /// How much longer a datagram is under way than before, in seconds, if that is what changed.
    pub delay_step: Option<f64>,
    /// The rates before and after, in octets a second, if that is what changed.
    pub rate: Option<(f64, f64)>,
}

/// One direction of a path, as measured. Octets are those of the carrier's datagrams.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    /// What throttles.
    pub kind: Kind,
    /// Octets a second in the long run, once known.
    pub rate: Option<f64>,
    /// What a rested bucket lets through at once, in octets; a shaper or a policer has one.
    pub burst: Option<f64>,
    /// What was seen to wait.
    pub queue: Option<Queue>,
    /// The length of the window of a window policer, or from one reading to the next, in seconds.
    pub window: Option<f64>,
    /// How much longer than the shortest nine of ten sparse probes take at most, in seconds.
    pub jitter: Option<f64>,
    /// The share of sparse probes that was lost: sparse enough that no throttle drops them.
    pub loss: Option<f64>,
    /// Changes, in the order in which they were seen.
    pub changes: Vec<Change>,
    /// What it cost, in octets.
    pub cost: u64,
}
