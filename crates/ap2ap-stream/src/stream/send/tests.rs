//! What a stream sends, what it keeps, and when it is done.

use proptest::prelude::*;

use super::*;

const fn within(octets: usize) -> SendLimit {
    SendLimit { held: octets, unsent: octets }
}

fn octets(half: &SendHalf, piece: &Piece) -> Vec<u8> {
    let mut out = vec![0; (piece.range.end - piece.range.start) as usize];
    half.copy(&piece.range, &mut out);
    out
}

#[test]
fn a_lost_piece_goes_first_and_only_what_is_missing() {
    let mut half = SendHalf::new(100);
    half.write(b"abcdefgh", within(100)).unwrap();
    let piece = half.next_piece(6, 100).unwrap();
    half.sent(&piece);
    half.acked(2..4, false);
    half.lost(0..6, false);
    let again = half.next_piece(10, 100).unwrap();
    assert_eq!((octets(&half, &again), again.again), (b"ab".to_vec(), true));
    half.sent(&again);
    let again = half.next_piece(10, 100).unwrap();
    assert_eq!(octets(&half, &again), b"ef");
    half.sent(&again);
    assert_eq!(octets(&half, &half.next_piece(10, 100).unwrap()), b"gh");
}

#[test]
fn the_fin_rides_on_the_last_piece_and_goes_again_when_lost() {
    let mut half = SendHalf::new(100);
    half.write(b"ab", within(100)).unwrap();
    half.finish().unwrap();
    let piece = half.next_piece(10, 100).unwrap();
    assert!(piece.fin);
    half.sent(&piece);
    assert_eq!(half.next_piece(10, 100), None);
    half.acked(0..2, false);
    half.lost(0..2, true);
    let piece = half.next_piece(10, 100).unwrap();
    assert_eq!((piece.range.clone(), piece.fin), (2..2, true));
    half.sent(&piece);
    half.acked(2..2, true);
    assert!(half.is_done());
}

#[test]
fn credit_and_window_hold_new_octets_back_but_not_lost_ones() {
    let mut half = SendHalf::new(4);
    half.write(b"abcdef", within(100)).unwrap();
    assert_eq!(half.next_piece(10, 3).unwrap().range, 0..3);
    let piece = half.next_piece(10, 100).unwrap();
    assert_eq!(piece.range, 0..4);
    half.sent(&piece);
    assert_eq!(half.next_piece(10, 100), None);
    half.lost(0..4, false);
    assert_eq!(half.next_piece(10, 0).unwrap().range, 0..4);
    half.raise_max(6);
}

#[test]
fn a_full_buffer_blocks_and_a_reset_says_how_far_it_came() {
    let mut half = SendHalf::new(100);
    assert_eq!(half.write(b"abcdef", within(4)), Ok(4));
    assert_eq!(half.write(b"ef", within(4)), Err(WriteError::Blocked));
    let piece = half.next_piece(3, 100).unwrap();
    half.sent(&piece);
    half.reset(ErrorCode(9));
    assert_eq!(half.write(b"x", within(4)), Err(WriteError::Finished));
    assert_eq!(half.take_reset(), Some((ErrorCode(9), 3)));
    assert_eq!(half.take_reset(), None);
    half.reset_lost();
    assert!(half.take_reset().is_some());
    half.reset_acked();
    assert!(half.is_done());
}

#[test]
fn a_stopped_writer_is_told_before_the_stream_is_done() {
    let mut half = SendHalf::new(100);
    half.write(b"ab", within(4)).unwrap();
    assert!(half.stopped(ErrorCode(9)));
    half.take_reset().unwrap();
    half.reset_acked();
    assert!(!half.is_done());
    assert_eq!(half.write(b"c", within(4)), Err(WriteError::Stopped(ErrorCode(9))));
    assert!(half.is_done());
}

proptest! {
    /// AP-53: whatever is lost and acknowledged in whatever order, a receiver gets every octet.
    #[test]
    fn every_octet_arrives(steps in prop::collection::vec((1..30_usize, any::<bool>()), 60)) {
        let source: Vec<u8> = (0..=255).collect();
        let mut half = SendHalf::new(1 << 20);
        half.write(&source, within(1 << 20)).unwrap();
        half.finish().unwrap();
        let mut got = vec![None; 256];
        let steps = steps.into_iter().chain(std::iter::repeat((64, true)));
        for (len, arrives) in steps {
            let Some(piece) = half.next_piece(len, 1 << 20) else { break };
            let data = octets(&half, &piece);
            half.sent(&piece);
            let start = piece.range.start as usize;
            if arrives {
                for (place, octet) in got[start..].iter_mut().zip(data) {
                    *place = Some(octet);
                }
                half.acked(piece.range, piece.fin);
            } else {
                half.lost(piece.range, piece.fin);
            }
        }
        prop_assert!(half.is_done());
        prop_assert_eq!(got.into_iter().flatten().collect::<Vec<u8>>(), source);
    }
}

#[test]
fn the_backlog_is_what_was_never_sent_and_what_was_lost() {
    let mut half = SendHalf::new(100);
    half.write(&[1; 30], within(100)).unwrap();
    half.sent(&half.next_piece(20, 100).unwrap());
    half.lost(0..5, false);
    half.lost(8..10, false);
    assert!(half.has_backlog_within(17));
    assert!(!half.has_backlog_within(16));
    half.acked(0..20, false);
    assert!(half.has_backlog_within(10));
    assert!(!half.has_backlog_within(9));
}
