//! What is told of what arrived, when, and what is kept of it.

use super::*;
use crate::recovery::numbers::RANGES_KEPT_MAX;

const SECOND: Duration = Duration::from_secs(1);

fn dice() -> Dice {
    Dice::new([1; 32])
}

fn receive(received: &mut Received, at_ms: u64, start: Instant, number: u64) {
    let now = start + Duration::from_millis(at_ms);
    received.record(&Clock::new(start), now, number, 1000, Asks::Ack);
}

#[test]
fn tells_repeats_and_acknowledges_ranges() {
    let (start, mut received) = (Instant::now(), Received::default());
    for number in [0, 1, 4, 3, 9] {
        assert!(received.is_new(number));
        receive(&mut received, 0, start, number);
        assert!(!received.is_new(number));
    }
    let ack = received.take_ack(&Clock::new(start), start, &mut dice()).unwrap().ack;
    assert_eq!(ack.ranges, [9..=9, 3..=4, 0..=1]);
    assert_eq!(ack.arrivals.first().unwrap().number, 9);
    assert!(!received.has_news());
}

/// AP-70: a carrier that refuses the datagram makes an acknowledgement due again, however often.
#[test]
fn an_acknowledgement_that_is_refused_for_long_still_has_a_range() {
    let (start, mut received) = (Instant::now(), Received::default());
    receive(&mut received, 0, start, 0);
    for _ in 0..=REPEATS {
        let ack = received.take_ack(&Clock::new(start), start, &mut dice()).unwrap().ack;
        assert_eq!(ack.ranges, [0..=0]);
        received.acknowledge_again(start);
    }
}

/// AP-72, AP-73: over a long time acknowledgements take their share of what arrives, or less; and
/// they leave neither at once nor with a period.
#[test]
fn acknowledgements_are_spaced_by_what_they_cost() {
    for (every_us, octets) in [(400_000, 1200), (19_000, 1200), (5_000, 1200)] {
        let (start, mut received) = (Instant::now(), Received::default());
        let (clock, mut dice) = (Clock::new(start), dice());
        let mut left = Vec::new();
        for number in 0..2000 {
            let now = start + Duration::from_micros(every_us * number);
            received.record(&clock, now, number, octets, Asks::Ack);
            let next = now + Duration::from_micros(every_us);
            if let Some(due) = received.due().filter(|due| *due < next) {
                received.take_ack(&clock, due, &mut dice).unwrap();
                left.push(due);
            }
        }
        let gaps: Vec<f64> =
            left.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        let count = f64::from(u32::try_from(gaps.len()).unwrap());
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        let share = received.cost / mean / (octets as f64 * 1e6 / every_us as f64);
        assert!(share < 0.037, "{every_us} us: {share}");
        assert!(variance.sqrt() / mean > 0.5, "{every_us} us: {}", variance.sqrt() / mean);
    }
}

/// AP-71.
#[test]
fn arrivals_are_thinned_evenly() {
    let (start, mut received) = (Instant::now(), Received::default());
    for number in 0..1000 {
        receive(&mut received, number, start, number);
    }
    let report = received.take_ack(&Clock::new(start), start + 2 * SECOND, &mut dice()).unwrap();
    let arrivals = report.ack.arrivals;
    assert_eq!(arrivals.len(), report.fresh);
    assert!(arrivals.len() <= ARRIVALS_MAX && arrivals.len() >= ARRIVALS_MAX / 2);
    assert_eq!(arrivals.first().unwrap().number, 999, "the newest is always timed");
    let steps: Vec<u64> =
        arrivals.windows(2).skip(1).map(|pair| pair[0].number - pair[1].number).collect();
    assert!(steps.iter().max().unwrap() <= &(steps.iter().min().unwrap() * 3));
}

/// AP-70: who lost an acknowledgement finds in the next one what it said.
#[test]
fn told_arrivals_are_told_again_behind_the_news() {
    let (start, mut received) = (Instant::now(), Received::default());
    for number in 0..5 {
        receive(&mut received, number, start, number);
    }
    received.take_ack(&Clock::new(start), start + SECOND, &mut dice()).unwrap();
    receive(&mut received, 1100, start, 5);
    let report = received.take_ack(&Clock::new(start), start + 2 * SECOND, &mut dice()).unwrap();
    let arrivals: Vec<(u64, u64)> =
        report.ack.arrivals.iter().map(|arrival| (arrival.number, arrival.age)).collect();
    assert_eq!(arrivals[..2], [(5, 9000), (4, 19_960)]);
    assert_eq!((report.fresh, arrivals.len()), (1, 6));
}

/// AP-43.
#[test]
fn what_is_asked_for_at_once_waits_for_nothing() {
    let (start, mut received) = (Instant::now(), Received::default());
    receive(&mut received, 0, start, 0);
    assert!(received.due().unwrap() > start);
    received.record(&Clock::new(start), start, 1, 1000, Asks::AckNow);
    assert_eq!(received.due(), Some(start));
}

#[test]
fn what_asks_for_nothing_is_no_news() {
    let (start, mut received) = (Instant::now(), Received::default());
    received.record(&Clock::new(start), start, 0, 40, Asks::Nothing);
    assert!(!received.has_news() && received.due().is_none());
    receive(&mut received, 0, start, 1);
    assert!(received.has_news());
    assert_eq!(
        received.take_ack(&Clock::new(start), start, &mut dice()).unwrap().ack.ranges,
        [0..=1]
    );
}

#[test]
fn memory_is_bounded_however_many_packets_are_missing() {
    let (start, mut received) = (Instant::now(), Received::default());
    for number in 0..2000 {
        receive(&mut received, 0, start, number * 2);
    }
    assert!(received.numbers.latest_first().count() <= RANGES_KEPT_MAX);
    assert!(received.arrivals.kept.len() <= ARRIVALS_MAX);
    assert!(received.is_new(1), "what is not acknowledged any more is taken all the same");
}
