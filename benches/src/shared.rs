//! Several flows through one relay: what each of them gets.

use std::time::{Duration, Instant};

use relay_sim::{Loss, Node, Pair, Scenario, scenario};

use crate::jobs::in_parallel;
use crate::peers::tcp::{TcpReceiver, TcpSender};
use crate::{End, Load, Run, Stack};

/// How long the flows are watched.
const TIME: Duration = Duration::from_secs(60);

/// Ends that share a relay; the first octet of each datagram says whose it is.
#[derive(Debug)]
struct Several {
    ends: Vec<(Instant, Box<dyn End>)>,
    /// Whose turn it is to send.
    turn: usize,
}

impl Several {
    /// Each with when it begins.
    const fn new(ends: Vec<(Instant, Box<dyn End>)>) -> Self {
        Self { ends, turn: 0 }
    }
}

impl Node for Several {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let Some((whose, octets)) = datagram.split_first() else { return };
        if let Some((_, end)) = self.ends.get_mut(usize::from(*whose)) {
            end.handle_datagram(now, octets);
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let count = self.ends.len();
        let mut octets = Vec::new();
        for step in 0..count {
            let whose = (self.turn + step) % count;
            let Some((begins, end)) = self.ends.get_mut(whose) else { continue };
            if *begins <= now && end.poll_transmit(now, &mut octets) {
                buf.extend(u8::try_from(whose));
                buf.append(&mut octets);
                self.turn = whose + 1;
                return true;
            }
        }
        false
    }

    fn next_at(&self) -> Option<Instant> {
        let next =
            |(begins, end): &(Instant, Box<dyn End>)| end.next_at().map(|at| at.max(*begins));
        self.ends.iter().filter_map(next).min()
    }
}

/// What each of two flows got.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Of the relay's capacity after random loss, while both were there.
    pub first: f64,
    /// The other's.
    pub second: f64,
}

impl Shares {
    /// Jain's index: 1 if both got the same, 1/2 if one got all.
    #[must_use]
    pub fn jain(self) -> f64 {
        let Self { first, second } = self;
        (first + second).powi(2) / (2.0 * (first.powi(2) + second.powi(2)))
    }
}

/// Two bulk uploads of ours through one S3 relay, the second so much later; one pair of shares for each seed.
#[must_use]
pub fn two_of_ours(later: Duration, seeds: u64) -> Vec<Shares> {
    let seeds: Vec<u64> = (1..=seeds).collect();
    in_parallel(&seeds, |seed| share(*seed, later, true, |run, start| run.ends(start)))
}

/// One of ours and one TCP with CUBIC through one S3 relay without random loss.
#[must_use]
pub fn beside_tcp(seeds: u64) -> Vec<Shares> {
    let seeds: Vec<u64> = (1..=seeds).collect();
    in_parallel(&seeds, |seed| {
        share(*seed, Duration::ZERO, false, |_, start| {
            (Box::new(TcpSender::new(start)), Box::new(TcpReceiver::default()))
        })
    })
}

/// One of ours beside `other`.
fn share(
    seed: u64,
    later: Duration,
    has_loss: bool,
    other: impl Fn(&Run, Instant) -> (Box<dyn End>, Box<dyn End>),
) -> Shares {
    let Scenario { a_to_b, b_to_a, .. } = scenario::by_name("S3").expect("a named scenario");
    let mut run = Run::new(a_to_b, Load::Bulk);
    (run.stack, run.down, run.seed) = (Stack::Ours, b_to_a, seed);
    if !has_loss {
        (run.up.spec.loss, run.down.spec.loss) = (Loss::None, Loss::None);
    }
    // Two that begin at the very same instant would be twins.
    let apart = later + Duration::from_millis(7) * u32::try_from(seed).unwrap_or(0);
    let start = run.pair().now();
    let second_start = start + apart;
    let (client, bridge) = run.ends(start);
    run.seed += 1000;
    let (other_client, other_bridge) = other(&run, second_start);
    let clients = Several::new(vec![(start, client), (second_start, other_client)]);
    let bridges = Several::new(vec![(start, bridge), (start, other_bridge)]);
    let links = (run.up.build(2 * seed, start), run.down.build(2 * seed + 1, start));
    let mut pair = Pair::new(start, clients, bridges, links.0, links.1);
    let end = second_start + TIME;
    pair.run_until(end);
    let capacity = run.up.spec.capacity().unwrap_or(f64::NAN) * TIME.as_secs_f64();
    let of = |index: usize| {
        let Some((_, bridge)) = pair.b.ends.get(index) else { return f64::NAN };
        assert_eq!(bridge.fault(), None, "flow {index} with seed {seed}");
        let both = bridge.delivered().iter().filter(|(at, _)| (second_start..end).contains(at));
        let octets: u64 = both.map(|(_, octets)| octets).sum();
        u32::try_from(octets).map_or(f64::NAN, f64::from) / capacity
    };
    Shares { first: of(0), second: of(1) }
}
