//! Links drawn at random: what nobody tuned for.

use std::time::Duration;

use relay_sim::{LinkSpec, Loss, Throttle};

use crate::figure::utilisation;
use crate::jobs::in_parallel;
use crate::luck::Luck;
use crate::{Load, Run, Stack};

/// A link drawn at random, and what was measured on it.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Octets a second.
    pub rate: f64,
    /// In milliseconds.
    pub round_trip_ms: f64,
    /// A share.
    pub loss: f64,
    /// A policer, not a shaper.
    pub is_policed: bool,
    /// Bulk payload of ours / what the link carries after random loss.
    pub utilisation: f64,
    /// The same of the oracle's, if it was asked.
    pub oracle: Option<f64>,
    /// 95 of 100 requests of ours take no longer, in round trips.
    pub p95: f64,
}

impl Drawn {
    /// What ours carries of what the oracle carries; all, where the oracle carries nothing.
    #[must_use]
    pub fn relative(&self) -> Option<f64> {
        self.oracle.map(|oracle| if oracle > 0.0 { self.utilisation / oracle } else { 1.0 })
    }
}

/// So many links, log-uniform from 500 B/s to 10 MB/s, 10 to 600 ms, 0 to 15 % loss, half of them policers
/// (bucket 1.5 to 8 KB), half shapers (bucket 1.5 KB, queue 1.5 to 64 KB): a minute of bulk beside requests.
///
/// The oracle is asked on the first `compared` of them.
#[must_use]
pub fn draw(count: u64, compared: u64) -> Vec<Drawn> {
    let seeds: Vec<u64> = (1..=count).collect();
    in_parallel(&seeds, |seed| measure(*seed, *seed <= compared))
}

fn measure(seed: u64, is_compared: bool) -> Drawn {
    let mut luck = Luck::new(seed);
    let rate = 500.0 * 20_000_f64.powf(luck.draw());
    let round_trip_ms = 10.0 + 590.0 * luck.draw();
    let (loss, is_policed, size) = (0.15 * luck.draw(), luck.draw() < 0.5, luck.draw());
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small positive figures"
    )]
    let whole = |octets: f64| octets as u64;
    let spec = LinkSpec {
        throttle: if is_policed {
            Throttle::Policer { rate: whole(rate), burst: whole(1500.0 + 6500.0 * size) }
        } else {
            Throttle::Shaper { rate: whole(rate), burst: 1500 }
        },
        delay: Duration::from_secs_f64(round_trip_ms / 2000.0),
        loss: Loss::Bernoulli { probability: loss },
        queue_octets: whole(1500.0 * (64.0_f64 / 1.5).powf(size)),
        ..LinkSpec::default()
    };
    let over = |stack| {
        let run = Run { stack, seed, ..Run::new(spec.clone(), Load::Interactive) };
        let outcome = run.run();
        assert_eq!(outcome.fault, None, "link {seed}");
        (utilisation(&run, &outcome), outcome.ping_ms(0.95) / round_trip_ms)
    };
    let (utilisation, p95) = over(Stack::Ours);
    let oracle = is_compared.then(|| over(Stack::Oracle).0);
    Drawn { rate, round_trip_ms, loss, is_policed, utilisation, oracle, p95 }
}
