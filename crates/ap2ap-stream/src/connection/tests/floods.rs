//! A peer that has the keys and says too much, absurd numbers or nothing: work and memory stay bounded.

use super::*;
use crate::wire::varint::VARINT_MAX;

impl Forger {
    /// Sends frames as the client might: how many datagrams the bridge answers with, and its events.
    fn provoke(&mut self, frames: &[Frame<'_>]) -> (usize, Vec<Event>) {
        let mut plain = [0; DATAGRAM_MAX - 32];
        let mut writer = Writer::new(&mut plain);
        frames.iter().for_each(|frame| frame.write(&mut writer));
        let len = writer.len();
        let packet = self.seal(&plain[..len]);
        self.bridge.handle_datagram(self.now, PATH, &packet);
        let (datagrams, events) = drain(&mut self.bridge, self.now);
        (datagrams.len(), events)
    }
}

/// AP-90, AP-92
#[test]
fn numbers_near_the_largest_end_the_connection() {
    let past_window = "more stream data than allowed";
    let reset = Frame::Reset { id: id(0), code: CODE, final_size: VARINT_MAX };
    Forger::new().assert_ends(&[reset], past_window);
    Forger::new().assert_ends(&piece(0, VARINT_MAX - 1, b"x", false), past_window);
    let last_stream = piece(VARINT_MAX >> 1, 0, b"x", false);
    Forger::new().assert_ends(&last_stream, "more streams than allowed");
}

/// AP-93: a smaller limit than one before comes late, and means nothing.
#[test]
fn limits_that_shrink_take_nothing_back() {
    let mut forger = Forger::new();
    let own = forger.bridge.open().unwrap();
    for max in [VARINT_MAX, 0, 1] {
        forger.send(&[
            Frame::MaxData(max),
            Frame::MaxStreamData { id: own, max },
            Frame::MaxStreams(max),
        ]);
        assert_eq!(forger.bridge.streams.send_credit(), VARINT_MAX);
    }
    assert!((0..2_000).all(|_| forger.bridge.open().is_ok()));
    assert_eq!(forger.bridge.stream(own).unwrap().write(b"goes on"), Ok(7));
    assert!(!forger.bridge.is_closed());
}

#[test]
fn a_datagram_of_pings_has_one_answer_at_most() {
    let mut forger = Forger::new();
    let pings = vec![Frame::Ping; 1_000];
    let mut answers = 0;
    for _ in 0..5_000 {
        let (datagrams, events) = forger.provoke(&pings);
        assert!(datagrams <= 2, "{datagrams} answers to one datagram");
        assert_eq!(events.len(), 0);
        answers += datagrams;
    }
    assert!(answers <= 5_001, "{answers}: the bridge's first flight and one for each");
    assert!(!forger.bridge.is_closed());
}

/// AP-92
#[test]
fn a_flood_of_opened_streams_ends_at_the_limit() {
    let mut forger = Forger::new();
    let limit = u64::from(Config::default().streams_max);
    for first in (0..limit).step_by(128) {
        let opened: Vec<_> =
            (first..first + 128).flat_map(|index| piece(index, 0, b"", false)).collect();
        let (datagrams, events) = forger.provoke(&opened);
        assert!(datagrams <= 2, "{datagrams} answers to one datagram");
        assert!(events.len() <= 128 + 1, "{} events", events.len());
    }
    assert_eq!(forger.bridge.streams_open(), usize::try_from(limit).unwrap());
    forger.assert_ends(&piece(limit, 0, b"", false), "more streams than allowed");
}

/// AP-113: being heard is no excuse for never acknowledging.
#[test]
fn a_peer_that_talks_and_never_acknowledges_gets_little() {
    let mut forger = Forger::new();
    let own = forger.bridge.open().unwrap();
    let (mut written, mut sent, mut ends) = (0, 0, Vec::new());
    for _ in 0..600 {
        while let Some(Ok(taken)) = forger.bridge.stream(own).map(|mut it| it.write(&[1; 1024])) {
            written += taken;
        }
        let (datagrams, events) = forger.provoke(&[Frame::Ping]);
        sent += datagrams;
        ends.extend(events.into_iter().filter(|event| matches!(event, Event::Closed(_))));
        forger.now += Duration::from_millis(100);
    }
    assert!(written <= 64 * 1024, "{written}");
    // An acknowledgement for each ping, and what is sent without having heard of any that arrived.
    assert!(sent <= 600 + 60, "{sent}");
    assert_eq!(ends, [Event::Closed(CloseReason::TimedOut)]);
}

/// A caller whose clock is set back has broken the rule that time goes on: nothing panics or is lost.
#[test]
fn a_time_that_goes_back_loses_nothing() {
    let mut forger = Forger::new();
    let id = forger.client.open().unwrap();
    let began = forger.now;
    let mut read = 0;
    for step in 0..400_u32 {
        // Forward by 30 ms a step, and every third back by most of a second.
        let back = if step % 3 == 0 { 900 } else { 0 };
        let now = began + Duration::from_millis(1_000 + u64::from(30 * step) - back);
        if step < 50 {
            assert_eq!(forger.client.stream(id).unwrap().write(&[1; 100]), Ok(100));
        }
        for packet in drain(&mut forger.client, now).0 {
            forger.bridge.handle_datagram(now, PATH, &packet);
        }
        if let Some(mut stream) = forger.bridge.stream(id)
            && let Ok(Some(octets)) = stream.read(10_000)
        {
            read += octets.len();
        }
        for packet in drain(&mut forger.bridge, now).0 {
            forger.client.handle_datagram(now, PATH, &packet);
        }
    }
    assert_eq!(read, 50 * 100);
    assert!(!forger.client.is_closed() && !forger.bridge.is_closed());
}

/// AP-113
#[test]
fn a_clock_that_jumps_by_hours_ends_the_connection_for_the_time_that_passed() {
    for hours in [1, 24, 24 * 365] {
        let mut forger = Forger::new();
        forger.send(&[Frame::Ping]);
        let own = forger.bridge.open().unwrap();
        forger.bridge.stream(own).unwrap().write(b"anybody?").unwrap();
        drain(&mut forger.bridge, forger.now);
        forger.now += Duration::from_hours(hours);
        let (datagrams, events) = drain(&mut forger.bridge, forger.now);
        assert!(datagrams.len() <= 2, "{} probes at once", datagrams.len());
        assert_eq!(events, [Event::Closed(CloseReason::TimedOut)]);
    }
}
