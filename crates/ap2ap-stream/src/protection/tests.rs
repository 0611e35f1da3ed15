//! Packets through the protection: opened by the peer alone, and no octet of them may change.

#![expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]

use super::*;
use crate::path::DATAGRAM_MAX;
use crate::wire::writer::Writer;

const KEEP: Duration = Duration::from_secs(3);
const FRAMES: &[u8] = b"frames";

fn ends() -> (Protection, Protection) {
    let end = |side| Protection::new(side, Secret::new([1; 32]), Secret::new([2; 32]));
    (end(Side::Client), end(Side::Bridge))
}

fn sealed(by: &mut Protection, place: Place, id: &[u8]) -> Vec<u8> {
    let mut packet = [0; DATAGRAM_MAX];
    let mut writer = Writer::new(&mut packet);
    writer.octets(id);
    let phase = by.generation() & 1 == 1;
    let header = Header { phase, ack_now: true, ..Header::shortest(place.number, 0) };
    header.write(&mut writer);
    writer.octets(FRAMES);
    let len = by.seal(place, (id.len(), header.len), FRAMES.len(), &mut packet).unwrap();
    packet[..len].to_vec()
}

fn opened(by: &mut Protection, now: Instant, epoch: u32, id_len: usize, packet: &[u8]) -> bool {
    let mut packet = packet.to_vec();
    let opened = by.open((now, KEEP), (epoch, 0), id_len, &mut packet);
    opened.is_some_and(|opened| opened.ack_now && packet[opened.frames] == *FRAMES)
}

fn place(epoch: u32, number: u64) -> Place {
    Place { epoch, number }
}

#[test]
fn the_peer_opens_a_packet_and_its_sender_does_not() {
    let now = Instant::now();
    for id_len in [0, CONNECTION_ID_LEN] {
        let (mut client, mut bridge) = ends();
        let id = client.id_to_send(3);
        assert_eq!(id, bridge.id_to_expect(3));
        let packet = sealed(&mut client, place(3, 100), &id[..id_len]);
        assert!(opened(&mut bridge, now, 3, id_len, &packet));
        assert!(!opened(&mut bridge, now, 4, id_len, &packet), "another epoch");
        assert!(!opened(&mut client, now, 3, id_len, &packet), "a reflection");
    }
}

/// AP-31: header and connection id are covered by the tag.
#[test]
fn no_bit_of_a_packet_may_change() {
    let now = Instant::now();
    let (mut client, mut bridge) = ends();
    let id = client.id_to_send(0);
    let packet = sealed(&mut client, place(0, 100), &id);
    for bit in 0..packet.len() * 8 {
        let mut changed = packet.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!opened(&mut bridge, now, 0, id.len(), &changed), "bit {bit}");
    }
    for len in 0..packet.len() {
        assert!(!opened(&mut bridge, now, 0, id.len(), &packet[..len]), "{len} octets");
    }
}

/// AP-40: whoever has no key sees no constant octet, not even in the same packet sealed again.
#[test]
fn headers_look_random() {
    let (mut client, _) = ends();
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..64 {
        seen.insert(sealed(&mut client, place(0, number), &[])[0]);
    }
    assert!(seen.len() > 40, "{} first octets", seen.len());
}

/// Chi-squared of an octet's value, over the places of ten thousand packets: the largest. All of them
/// say the same, with the numbers in turn.
fn largest_skew(by: &mut Protection) -> f64 {
    const PACKETS: u32 = 10_000;
    let mut counts = Vec::new();
    for number in 0..PACKETS {
        let number = u64::from(number);
        let mut packet = [0; DATAGRAM_MAX];
        let mut writer = Writer::new(&mut packet);
        let header = Header::shortest(number, number);
        header.write(&mut writer);
        writer.octets(FRAMES);
        let len = by.seal(place(0, number), (0, header.len), FRAMES.len(), &mut packet).unwrap();
        counts.resize(len, [0_u32; 256]);
        for (counts, octet) in counts.iter_mut().zip(packet) {
            counts[usize::from(octet)] += 1;
        }
    }
    let expected = f64::from(PACKETS) / 256.0;
    let skew = |counts: &[u32; 256]| -> f64 {
        counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
    };
    counts.iter().map(skew).fold(0.0, f64::max)
}

/// AP-1, AP-40: no octet of a packet is constant or leans to a value.
#[test]
fn every_octet_of_a_packet_looks_random() {
    // 255 degrees of freedom: the mean is 255, and this is eight standard deviations above it.
    const SKEW_MAX: f64 = 436.0;
    let (mut client, mut bridge) = ends();
    assert!(largest_skew(&mut client) < SKEW_MAX);
    assert!(largest_skew(&mut bridge) < SKEW_MAX);
    assert!(largest_skew(&mut Protection::CheckSum) > 100.0 * SKEW_MAX, "it would be seen");
}

/// AP-32: the sender goes on once its key is worn and known to the peer; the receiver follows, and
/// opens late packets of the previous key for a while.
#[test]
fn keys_are_updated_and_the_previous_one_is_forgotten_in_time() {
    let start = Instant::now();
    let (mut client, mut bridge) = ends();
    client.update_if_due(start);
    let late = [sealed(&mut client, place(0, 0), &[]), sealed(&mut client, place(0, 1), &[])];
    let worn = start + Duration::from_secs(600);
    client.update_if_due(worn);
    assert_eq!(client.generation(), 0, "the peer may not have the key");
    client.acknowledged(0);
    client.update_if_due(worn);
    assert_eq!(client.generation(), 1);
    let newer = sealed(&mut client, place(0, 2), &[]);
    assert!(opened(&mut bridge, worn, 0, 0, &newer));
    assert!(opened(&mut bridge, worn, 0, 0, &late[0]));
    assert!(!opened(&mut bridge, worn + KEEP, 0, 0, &late[1]), "forgotten");
    client.acknowledged(1);
    client.update_if_due(worn + Duration::from_secs(600));
    let newest = sealed(&mut client, place(0, 3), &[]);
    assert_ne!(newest, newer);
    assert!(opened(&mut bridge, worn, 0, 0, &newest), "while the previous key is kept");
    assert!(opened(&mut bridge, worn, 0, 0, &newer));
}

#[test]
fn a_worn_key_is_replaced_after_so_many_packets() {
    let start = Instant::now();
    let (mut client, _) = ends();
    client.update_if_due(start);
    let Protection::Keys(keys) = &mut client else { panic!("no keys") };
    for number in 0..1 << 24 {
        keys.send.note(place(0, number));
    }
    client.acknowledged(0);
    client.update_if_due(start);
    assert_eq!(client.generation(), 1);
}

/// Every epoch's id is another, in each direction.
#[test]
fn connection_ids_show_no_kinship() {
    let (client, bridge) = ends();
    let ids: std::collections::BTreeSet<_> =
        (0..1000).flat_map(|epoch| [client.id_to_send(epoch), bridge.id_to_send(epoch)]).collect();
    assert_eq!(ids.len(), 2000);
}

/// AP-120: what broke by itself is found; nothing is hidden.
#[test]
fn a_check_sum_finds_every_single_change() {
    let now = Instant::now();
    let (mut left, mut right) = (Protection::CheckSum, Protection::CheckSum);
    let packet = sealed(&mut left, place(0, 7), &[]);
    assert!(packet.windows(FRAMES.len()).any(|window| window == FRAMES));
    assert!(opened(&mut right, now, 0, 0, &packet));
    assert!(!opened(&mut right, now, 1, 0, &packet), "another epoch");
    for bit in 0..packet.len() * 8 {
        let mut changed = packet.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!opened(&mut right, now, 0, 0, &changed), "bit {bit}");
    }
}
