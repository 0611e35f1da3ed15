//! What is worth remembering of a path, for the next connection over it: a value, and its text.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Octets a second: below, a datagram takes seconds; above, no path of this project's is remembered.
const RATES: (u64, u64) = (100, 1_000_000_000);
/// Octets: one, and more than any relay's bucket that was measured.
const BURSTS: (u32, u32) = (1, 1_000_000);
/// Microseconds: the clock's grain here, and a minute, after which no answer is waited for.
const ROUND_TRIPS_US: (u32, u32) = (1, 60_000_000);
/// All of it.
const MILLION: u32 = 1_000_000;
/// The longest text, in octets; whoever reads a file need not look at more.
const TEXT_MAX: usize = 128;

/// How a path answers who sends more than it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossClass {
    /// It was not seen yet.
    #[default]
    Untold,
    /// It was not seen, and some datagrams are lost whatever is sent.
    Chance,
    /// By a queue: datagrams are late, and lost when it is full.
    Queue,
    /// By dropping at once what is above the rate.
    Policer,
}

/// What is lost on a path, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathLoss {
    /// How it answers too much.
    pub class: LossClass,
    /// Of a million datagrams, how many chance takes whatever is sent.
    pub chance_ppm: u32,
}

/// What was learned of a path: a plain value that a caller may keep, in memory or as one line of text in a
/// file, and give back with [`PathEvent::Remembered`](crate::PathEvent).
///
/// It holds no time and no name, so it is for the caller to say which path it belongs to, and when it is too
/// old. A wrong one does little harm: it is a first guess, and is proved before it is trusted.
///
/// ```
/// use ap2ap_stream::PathMemory;
///
/// let line = "rate=3000 burst=1500 rtt_us=200000 loss=queue chance_ppm=10000";
/// let memory: PathMemory = line.parse()?;
/// assert_eq!(memory.rate(), 3000);
/// assert_eq!(memory.to_string(), line);
/// # Ok::<(), ap2ap_stream::PathMemoryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathMemory {
    rate: u64,
    burst: u32,
    round_trip_us: u32,
    loss: PathLoss,
}

/// Why something is no memory of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathMemoryError {
    /// The text is not as [`PathMemory`] writes it.
    #[error("not a path memory: expected rate=N burst=N rtt_us=N loss=CLASS chance_ppm=N")]
    Malformed,
    /// The rate is not within 100 octets a second and 1,000,000,000.
    #[error("the remembered rate is not within 100 and 1000000000 octets a second")]
    Rate,
    /// The burst is not within 1 octet and 1,000,000.
    #[error("the remembered burst is not within 1 and 1000000 octets")]
    Burst,
    /// The round trip is not within 1 µs and 60 s.
    #[error("the remembered round trip is not within 1 microsecond and 60 seconds")]
    RoundTrip,
    /// Chance takes more than all.
    #[error("the remembered share of losses is above 1000000 in a million")]
    Chance,
}

impl PathMemory {
    /// A memory of a path that carries `rate` octets a second and, after a pause, `burst` octets at once; its
    /// least round trip is rounded down to microseconds.
    ///
    /// # Errors
    /// [`PathMemoryError`] names the first value that no path has.
    pub fn new(
        rate: u64,
        burst: u32,
        round_trip: Duration,
        loss: PathLoss,
    ) -> Result<Self, PathMemoryError> {
        let round_trip_us =
            u32::try_from(round_trip.as_micros()).map_err(|_| PathMemoryError::RoundTrip)?;
        let memory = Self { rate, burst, round_trip_us, loss };
        memory.check()
    }

    /// Octets a second.
    #[must_use]
    pub const fn rate(&self) -> u64 {
        self.rate
    }

    /// Octets that went through at once after a pause, at least.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The least round trip.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip_us.into())
    }

    /// What was lost, and how.
    #[must_use]
    pub const fn loss(&self) -> PathLoss {
        self.loss
    }

    const fn check(self) -> Result<Self, PathMemoryError> {
        if self.rate < RATES.0 || self.rate > RATES.1 {
            return Err(PathMemoryError::Rate);
        }
        if self.burst < BURSTS.0 || self.burst > BURSTS.1 {
            return Err(PathMemoryError::Burst);
        }
        if self.round_trip_us < ROUND_TRIPS_US.0 || self.round_trip_us > ROUND_TRIPS_US.1 {
            return Err(PathMemoryError::RoundTrip);
        }
        if self.loss.chance_ppm > MILLION {
            return Err(PathMemoryError::Chance);
        }
        Ok(self)
    }
}

impl LossClass {
    const ALL: [Self; 4] = [Self::Untold, Self::Chance, Self::Queue, Self::Policer];

    /// One word of lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untold => "untold",
            Self::Chance => "chance",
            Self::Queue => "queue",
            Self::Policer => "policer",
        }
    }
}

impl fmt::Display for LossClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One line without its end; [`FromStr`] reads exactly what this writes.
impl fmt::Display for PathMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, burst, round_trip_us, loss: PathLoss { class, chance_ppm } } = self;
        write!(
            f,
            "rate={rate} burst={burst} rtt_us={round_trip_us} loss={class} chance_ppm={chance_ppm}"
        )
    }
}

impl FromStr for PathMemory {
    type Err = PathMemoryError;

    /// Strict: every value once, in order, one space between them, numbers as they are written here.
    fn from_str(text: &str) -> Result<Self, PathMemoryError> {
        let read = || {
            let mut words = Some(text).filter(|text| text.len() <= TEXT_MAX)?.split(' ');
            let mut value = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=');
            let memory = Self {
                rate: value("rate")?.parse().ok()?,
                burst: value("burst")?.parse().ok()?,
                round_trip_us: value("rtt_us")?.parse().ok()?,
                loss: PathLoss {
                    class: class_of(value("loss")?)?,
                    chance_ppm: value("chance_ppm")?.parse().ok()?,
                },
            };
            // A sign, a leading zero, a word too many: it would not be written like that.
            (memory.to_string() == text).then_some(memory)
        };
        read().ok_or(PathMemoryError::Malformed)?.check()
    }
}

fn class_of(word: &str) -> Option<LossClass> {
    LossClass::ALL.into_iter().find(|class| class.as_str() == word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memories() -> impl Strategy<Value = PathMemory> {
        let class = prop::sample::select(LossClass::ALL.to_vec());
        let loss =
            (class, 0..=MILLION).prop_map(|(class, chance_ppm)| PathLoss { class, chance_ppm });
        let round_trips = ROUND_TRIPS_US.0..=ROUND_TRIPS_US.1;
        (RATES.0..=RATES.1, BURSTS.0..=BURSTS.1, round_trips, loss).prop_map(
            |(rate, burst, round_trip_us, loss)| {
                let round_trip = Duration::from_micros(round_trip_us.into());
                PathMemory::new(rate, burst, round_trip, loss).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(memory in memories()) {
            let text = memory.to_string();
            prop_assert!(text.len() <= TEXT_MAX && !text.contains('\n'));
            prop_assert_eq!(text.parse(), Ok(memory));
        }

        /// One octet changed, left out or added: another memory, or none, but never one that is written
        /// differently.
        #[test]
        fn only_what_is_written_is_read(
            memory in memories(), place in 0..80_usize, octet in " =0123456789aqr+-\n", cut in 0..2_usize,
        ) {
            let mut text = memory.to_string();
            let place = place.min(text.len());
            text.replace_range(place..(place + cut).min(text.len()), &octet);
            if let Ok(read) = text.parse::<PathMemory>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            if let Ok(read) = text.parse::<PathMemory>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }

    #[test]
    fn refuses_what_no_path_has() {
        let new = |rate, burst, millis, chance_ppm| {
            let loss = PathLoss { class: LossClass::Queue, chance_ppm };
            PathMemory::new(rate, burst, Duration::from_millis(millis), loss).unwrap_err()
        };
        assert_eq!(new(99, 1500, 200, 0), PathMemoryError::Rate);
        assert_eq!(new(RATES.1 + 1, 1500, 200, 0), PathMemoryError::Rate);
        assert_eq!(new(3000, 0, 200, 0), PathMemoryError::Burst);
        assert_eq!(new(3000, 1500, 0, 0), PathMemoryError::RoundTrip);
        assert_eq!(new(3000, 1500, 60_001, 0), PathMemoryError::RoundTrip);
        assert_eq!(new(3000, 1500, u64::MAX, 0), PathMemoryError::RoundTrip);
        assert_eq!(new(3000, 1500, 200, MILLION + 1), PathMemoryError::Chance);
    }

    #[test]
    fn refuses_a_text_that_is_almost_one() {
        let good = "rate=3000 burst=1500 rtt_us=200000 loss=queue chance_ppm=0";
        assert!(good.parse::<PathMemory>().is_ok());
        for bad in [
            "",
            "rate=3000",
            "rate=+3000 burst=1500 rtt_us=200000 loss=queue chance_ppm=0",
            "rate=03000 burst=1500 rtt_us=200000 loss=queue chance_ppm=0",
            "rate=3000  burst=1500 rtt_us=200000 loss=queue chance_ppm=0",
            "burst=1500 rate=3000 rtt_us=200000 loss=queue chance_ppm=0",
            "rate=3000 burst=1500 rtt_us=200000 loss=Queue chance_ppm=0",
            "rate=3000 burst=1500 rtt_us=200000 loss=queue chance_ppm=0\n",
            "rate=3000 burst=1500 rtt_us=200000 loss=queue chance_ppm=0 more=1",
            "rate=99999999999999999999 burst=1500 rtt_us=200000 loss=queue chance_ppm=0",
        ] {
            assert_eq!(bad.parse::<PathMemory>(), Err(PathMemoryError::Malformed), "{bad:?}");
        }
        let wrong = good.replace("rate=3000", "rate=1");
        assert_eq!(wrong.parse::<PathMemory>(), Err(PathMemoryError::Rate));
    }
}
