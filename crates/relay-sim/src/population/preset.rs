//! Populations with a name, each figure with its source or marked as a guess.

use std::time::Duration;

use super::spec::{
    Class, ClassSpec, Diurnal, Lifetime, MassFailure, PopulationSpec, Returns, RoundTrip,
};
use crate::spec::{Loss, Throttle};

/// Supernodes before the spring of 2012 (Kortchinsky, cited by Ars Technica, 1 May 2012). How many
/// ordinary clients were relays at one time is not published.
const RELAYS: u32 = 48_000;

/// Relays seen in some 18,000 calls from March to July 2007 were up for 3.5 h (median) and 42.5 days
/// (longest): Kho, Baset, Schulzrinne 2008. The spread is ours: with 1.5, one in a thousand lasts for
/// more than 15 days, and one in 13,000 for more than 42.
const VOLUNTEER: Lifetime = Lifetime { median: Duration::from_mins(210), sigma: 1.5 };

/// What a bucket lets through at once: a guess, one AP2AP datagram and a bit.
const BURST_OCTETS: u64 = 1_500;

/// The figure that this project was started with: "about 3 KB/s" for a relayed AP2AP stream.
const AP2AP: Throttle = Throttle::Shaper { rate: 3_000, burst: BURST_OCTETS };

/// A relay with these lifetimes, always as many on average, all of them 3 KB/s and 200 ms: what the
/// censors are measured against. No address comes back.
#[must_use]
pub fn constant() -> PopulationSpec {
    PopulationSpec {
        relays: RELAYS,
        classes: vec![ClassSpec {
            class: Class::Passing,
            share: 1.0,
            session: VOLUNTEER,
            returns: None,
        }],
        throttles: vec![(1.0, AP2AP)],
        round_trip: RoundTrip::of_all(Duration::from_millis(200)),
        loss: Loss::None,
        diurnal: None,
        failure: None,
    }
}

/// As [`constant`], but addresses are of two kinds: 40 % of supernodes were seen in one session only,
/// the others came back, and were still used for 67.5 days on average (Bremler-Barr et al., TMA 2011).
/// That the 40 % hold for relays that are up at once, and how long the others stay away (12 h), are guesses.
#[must_use]
pub fn two_classes() -> PopulationSpec {
    let returns =
        Returns { absence: Duration::from_hours(12), residual_life: Duration::from_hours(1_620) };
    let of = |class, share, returns| ClassSpec { class, share, session: VOLUNTEER, returns };
    PopulationSpec {
        classes: vec![of(Class::Passing, 0.4, None), of(Class::Returning, 0.6, Some(returns))],
        ..constant()
    }
}

/// As [`two_classes`], with the throttles that were published: file transfer 500 B/s (Skype's FAQ of
/// 2004), voice 4 and video 10 KB/s (administrators' guide, cited by Kho 2008), beside 3 KB/s. How many
/// relays gave which is not published: as many each is a guess. Round trips of 80 to 500 ms, and 1 % of
/// loss, are guesses too.
#[must_use]
pub fn mixed() -> PopulationSpec {
    let shaper = |rate| (1.0, Throttle::Shaper { rate, burst: BURST_OCTETS });
    PopulationSpec {
        throttles: [500, 3_000, 4_000, 10_000].map(shaper).to_vec(),
        round_trip: RoundTrip {
            median: Duration::from_millis(200),
            sigma: 0.47,
            min: Duration::from_millis(80),
            max: Duration::from_millis(500),
        },
        loss: Loss::Bernoulli { probability: 0.01 },
        ..two_classes()
    }
}

/// As [`constant`], with the hours of the day: "population stable, diurnal" (Guha, Daswani, Jain 2006; so
/// is Kho 2008). The amplitude is a guess: arrivals go up and down by 80 %, so that at the day's highest half
/// as many relays again are up as at its lowest.
#[must_use]
pub fn diurnal() -> PopulationSpec {
    let diurnal = Diurnal { amplitude: 0.8, peak: Duration::from_hours(12) };
    PopulationSpec { diurnal: Some(diurnal), ..constant() }
}

/// As [`constant`] until `at`, then 22 December 2010: 25 to 30 % of supernodes crashed, those that were
/// left had a hundred times their load, and Skype was out for about 24 h (Skype's account, cited by the
/// press of the time). That a relay under a hundred times the load gives a hundredth to each is a guess.
#[must_use]
pub fn failure_of_2010(at: Duration) -> PopulationSpec {
    let failure =
        MassFailure { at, share: 0.275, length: Duration::from_hours(24), rate_left: 0.01 };
    PopulationSpec { failure: Some(failure), ..constant() }
}

/// Since the spring of 2012: 10,000 machines of Microsoft's, and no user's machine becomes one
/// (Kortchinsky, cited by Ars Technica, 1 May 2012). That such a machine is up for a month is a guess.
/// Microsoft said that calls do not pass through them, so a relay there is itself an assumption.
#[must_use]
pub fn concentration_of_2012() -> PopulationSpec {
    let session = Lifetime { median: Duration::from_hours(24 * 30), sigma: 1.0 };
    let returns =
        Returns { absence: Duration::from_hours(1), residual_life: Duration::from_hours(24 * 365) };
    PopulationSpec {
        relays: 10_000,
        classes: vec![ClassSpec {
            class: Class::Hosted,
            share: 1.0,
            session,
            returns: Some(returns),
        }],
        ..constant()
    }
}

impl Default for PopulationSpec {
    fn default() -> Self {
        constant()
    }
}
