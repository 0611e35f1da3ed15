//! The vectors as this crate writes them.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zerocopy::IntoBytes;
use zeroize::Zeroizing;

use super::noise::Transcript;
use super::read::describe;
use super::{Vector, yes};
use crate::credentials::Credentials;
use crate::id::{ErrorCode, Side, StreamId};
use crate::identity::BridgeIdentity;
use crate::key::SecretKey;
use crate::noise::Handshake;
use crate::outer::{Pattern, first_mac, mask_ephemeral};
use crate::protection::{Place, Protection, Secret};
use crate::ticket::{SALT_LEN, Ticket};
use crate::wire::ack::{Ack, Arrival};
use crate::wire::frame::Frame;
use crate::wire::handshake::{AnswerPayloadHeader, EarlyData, FirstPayloadHeader};
use crate::wire::packet::Header;
use crate::wire::writer::Writer;

/// More room than anything here takes.
const ROOM: usize = 512;

pub(super) fn all() -> Vec<Vector> {
    let mut all = varints();
    all.extend(headers());
    all.extend(frames());
    all.extend(bare_frames());
    all.extend(malformed());
    all.extend(key_texts());
    all.extend(outers());
    all.extend(handshakes());
    all.extend(derivations());
    all.extend(packets());
    all
}

fn written(room: usize, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buf = vec![0; room];
    let mut writer = Writer::new(&mut buf);
    write(&mut writer);
    let len = writer.len();
    buf.truncate(len);
    buf
}

fn varints() -> Vec<Vector> {
    let values =
        [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, 151_288_809_941_952_652, (1 << 62) - 1];
    let vector = |value: u64| {
        let octets = written(8, |writer| writer.varint(value));
        let name = format!("of {} octets", octets.len());
        Vector::new("varint", &name).with("value", value).with_octets("octets", &octets)
    };
    let long = Vector::new("long varint", "read as the number it is, never written");
    values
        .map(vector)
        .into_iter()
        .chain([long.with("value", 37).with_octets("octets", &[0x40, 0x25])])
        .collect()
}

fn headers() -> Vec<Vector> {
    let header = |name: &str, (number, unacked): (u64, u64), phase, ack_now| {
        let header = Header { phase, ack_now, ..Header::shortest(number, unacked) };
        Vector::new("header", name)
            .with("number", number)
            .with("acknowledged below", unacked)
            .with("phase", yes(phase))
            .with("ack now", yes(ack_now))
            .with_octets("octets", &written(ROOM, |writer| header.write(writer)))
    };
    let expand = |name: &str, octets: &[u8], expected: u64| {
        let number = Header::read(octets, expected).unwrap().number;
        Vector::new("number", name)
            .with_octets("octets", octets)
            .with("expected", expected)
            .with("number", number)
    };
    let bad = |name: &str, octets: &[u8], expected: u64| {
        Vector::new("no header", name).with_octets("octets", octets).with("expected", expected)
    };
    vec![
        header("the first packet", (0, 0), false, false),
        header("the last of one octet", (127, 0), false, false),
        header("the first of two octets", (128, 0), false, false),
        header("the first of three octets", (32_768, 0), false, false),
        header("the first of four octets", (8_388_608, 0), false, false),
        header("low octets only", (0xa8_2f30_eaff, 0xa8_2f30_eaf0), false, false),
        header("the odd phase", (5, 0), true, false),
        header("asks for an acknowledgement", (5, 0), false, true),
        header("both bits, the last number there is", ((1 << 40) - 1, (1 << 40) - 300), true, true),
        expand("the example of RFC 9000", &[0x01, 0x9b, 0x32], 0xa82f_30eb),
        expand("late, from before a carry", &[0x00, 0xff], 0x100),
        expand("early, from behind a carry", &[0x00, 0x00], 0xff),
        expand("the last one", &[0x00, 0xff], (1 << 40) - 1),
        bad("the upper bit is set", &[0x80, 0x00], 0),
        bad("the lowest bit without a meaning is set", &[0x10, 0x00], 0),
        bad("the number is cut", &[0x03, 0x01, 0x02, 0x03], 0),
        bad("nothing at all", &[], 0),
        bad("a number of 2^40 and more", &[0x00, 0x01], 1 << 40),
    ]
}

fn ack(epoch: Option<u32>, ranges: &[RangeInclusive<u64>], arrivals: &[(u64, u64)]) -> Ack {
    Ack {
        epoch,
        largest: *ranges[0].end(),
        written_at: 0x0a_0b0c,
        octets: 0xfffe_fdfc,
        ranges: ranges.to_vec(),
        arrivals: arrivals
            .iter()
            .map(|(number, age)| Arrival { number: *number, age: *age })
            .collect(),
    }
}

fn stream(id: u64, offset: u64, data: &'static [u8], fin: bool) -> Frame<'static> {
    Frame::Stream { id: StreamId::from_wire(id), offset, data, fin }
}

/// Frames with more behind them.
fn frames() -> Vec<Vector> {
    let id = StreamId::from_wire;
    let many: Vec<_> = (0..16).map(|n| 1000 - 10 * n - 4..=1000 - 10 * n).collect();
    let times: Vec<_> = (0..32).map(|n| (1000 - n, 3 * n)).collect();
    [
        ("padding", Frame::Padding),
        ("ping", Frame::Ping),
        ("ack of packet 0", Frame::Ack(ack(None, &[0..=0], &[]))),
        ("ack with its largest one's arrival", Frame::Ack(ack(None, &[90..=100], &[(100, 12)]))),
        ("ack with a gap of one", Frame::Ack(ack(None, &[99..=100, 0..=97], &[]))),
        (
            "ack with arrivals in turn",
            Frame::Ack(ack(None, &[90..=100], &[(100, 0), (99, 4), (98, 70)])),
        ),
        (
            "ack with one that was overtaken",
            Frame::Ack(ack(None, &[90..=100], &[(99, 0), (100, 5), (97, 6)])),
        ),
        ("ack with all the ranges there may be", Frame::Ack(ack(None, &many, &[]))),
        ("ack with all the arrivals there may be", Frame::Ack(ack(None, &[500..=1000], &times))),
        ("ack of another path", Frame::Ack(ack(Some(3), &[7..=9, 1..=2], &[(9, 1)]))),
        ("ack of the last path there may be", Frame::Ack(ack(Some((1 << 24) - 1), &[0..=0], &[]))),
        ("reset", Frame::Reset { id: id(6), code: ErrorCode(7), final_size: 100_000 }),
        ("stop", Frame::Stop { id: id(1), code: ErrorCode(u32::MAX) }),
        ("max data", Frame::MaxData(262_144)),
        ("max stream data", Frame::MaxStreamData { id: id(130), max: 65_536 }),
        ("max streams", Frame::MaxStreams(64)),
        ("close", Frame::Close { code: ErrorCode(1), reason: b"an octet past a limit" }),
        ("close without a reason", Frame::Close { code: ErrorCode(0), reason: b"" }),
        ("path leave", Frame::PathLeave(4)),
        ("datagram with length", Frame::Datagram(b"voice")),
        ("ticket", Frame::Ticket { id: &[0x11; 16], secret: &[0x22; 32], lifetime_s: 3600 }),
        ("stream, number direct, no offset", stream(0, 0, b"hello", false)),
        ("stream, the last number that is direct", stream(6, 0, b"hello", true)),
        ("stream, the first number that is a varint", stream(7, 0, b"hello", false)),
        ("stream, two octets of offset", stream(1, 65_535, b"hello", false)),
        ("stream, four octets of offset", stream(2, 65_536, b"hello", false)),
        (
            "stream, six octets of offset, at the end of all",
            stream(300, (1 << 48) - 6, b"hello", true),
        ),
        ("stream, an end without octets", stream(4, 1000, b"", true)),
    ]
    .map(|(name, frame)| {
        Vector::new("frame", name)
            .with("means", describe(&frame))
            .with_octets("octets", &written(ROOM, |writer| frame.write(writer)))
    })
    .into()
}

/// Frames that reach to their packet's end, and so have no length; the room is what they take.
fn bare_frames() -> Vec<Vector> {
    [
        ("datagram", 1 + 5, Frame::Datagram(b"voice")),
        ("stream, one octet of header", 1 + 5, stream(6, 0, b"hello", true)),
        (
            "stream, a varint of one octet and an offset of two",
            1 + 1 + 2 + 5,
            stream(9, 1, b"hello", false),
        ),
        ("stream, an offset of six octets", 1 + 6 + 5, stream(3, 1 << 32, b"hello", false)),
    ]
    .map(|(name, room, frame)| {
        Vector::new("last frame", name)
            .with("means", describe(&frame))
            .with_octets("octets", &written(room, |writer| frame.write(writer)))
    })
    .into()
}

/// AP-50: each ends the connection with code 1.
fn malformed() -> Vec<Vector> {
    let epoch_end = [0x81, 0x00, 0x00, 0x00];
    let code_end = [0xc0, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00];
    let fixed = [0, 0, 1, 0, 0, 0, 9];
    let cases: [(&str, Vec<u8>); 27] = [
        ("no type", vec![]),
        ("type 0x02", vec![0x02]),
        ("type 0x0f", vec![0x0f]),
        ("type 0x7f", vec![0x7f, 0x00]),
        ("ack, cut in its clock", vec![0x03, 0x00, 0x00, 0x00]),
        ("ack, cut before its counts", [&[0x03, 0x00][..], &fixed].concat()),
        ("ack, 17 ranges", [&[0x03, 0x3f][..], &fixed, &[0x44, 0x00], &[0; 33]].concat()),
        ("ack, 33 arrivals", [&[0x03, 0x00][..], &fixed, &[0x21, 0x00], &[0; 66]].concat()),
        ("ack, a range below 0", [&[0x03, 0x05][..], &fixed, &[0x00, 0x06]].concat()),
        (
            "ack, a gap below 0",
            [&[0x03, 0x05][..], &fixed, &[0x40, 0x40, 0x05, 0x00, 0x00]].concat(),
        ),
        (
            "ack, a range of 16,385",
            [&[0x03, 0x80, 0x01, 0, 0][..], &fixed, &[0x00, 0x80, 0x00, 0x40, 0x00]].concat(),
        ),
        (
            "ack, an arrival above the largest",
            [&[0x03, 0x05][..], &fixed, &[0x01, 0x00, 0x01, 0x00]].concat(),
        ),
        (
            "ack, an arrival 2^24 units ago",
            [&[0x03, 0x05][..], &fixed, &[0x01, 0x00, 0x00], &epoch_end].concat(),
        ),
        ("ack of epoch 2^24", [&[0x0b][..], &epoch_end, &[0x00], &fixed, &[0x00, 0x00]].concat()),
        ("reset without a size", vec![0x04, 0x06, 0x07]),
        ("reset with code 2^32", [&[0x04, 0x06][..], &code_end, &[0x00]].concat()),
        ("stop without a code", vec![0x05, 0x06]),
        ("max data, cut", vec![0x06, 0x80, 0x04, 0x00]),
        ("max stream data without a number", vec![0x07, 0x06]),
        ("max streams without a number", vec![0x08]),
        ("close, a reason that is cut", vec![0x09, 0x01, 0x02, b'a']),
        ("close, a reason of 101 octets", [&[0x09, 0x01, 0x40, 101][..], &[b'a'; 101]].concat()),
        ("path leave, epoch 2^24", [&[0x0a][..], &epoch_end].concat()),
        ("datagram with length, cut", vec![0x0d, 0x02, 0x00]),
        ("ticket, cut", [&[0x0e][..], &[0; 48]].concat()),
        ("stream, an offset that is cut", vec![0x98, 0, 0, 0, 0, 0]),
        ("stream, octets past 2^48", vec![0x98, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
    ];
    cases
        .map(|(name, octets)| Vector::new("malformed frame", name).with_octets("octets", &octets))
        .into()
}

fn key_texts() -> Vec<Vector> {
    let secret = SecretKey::from_octets([3; 32]);
    vec![
        Vector::new("key text", "a bridge's public key, of the secret key 03…")
            .with_octets("key", secret.public().octets())
            .with("text", secret.public()),
        Vector::new("key text", "its secret key, as in the key file")
            .with_octets("key", &[3; 32])
            .with("text", secret.to_file_text()),
    ]
}

fn outers() -> Vec<Vector> {
    let bridge = SecretKey::from_octets([3; 32]).public();
    let mac = |name: &str, pattern| {
        Vector::new("mac", name)
            .with_octets("bridge key", bridge.octets())
            .with_octets("covered", b"octets as they are sent")
            .with_octets("mac", &first_mac(&bridge, pattern, b"octets as they are sent"))
    };
    let plain: Vec<u8> = (0..64).collect();
    let mut masked = plain.clone();
    mask_ephemeral(&bridge, &mut masked);
    vec![
        mac("NK", Pattern::Nk),
        mac("IK", Pattern::Ik),
        Vector::new("mask", "over the first 32 octets, by the last 16")
            .with_octets("bridge key", bridge.octets())
            .with_octets("message", &plain)
            .with_octets("masked", &masked),
    ]
}

/// The secret of the ephemeral key that a seed gives.
fn ephemeral(seed: [u8; 32]) -> [u8; 32] {
    let mut secret = [0; 32];
    ChaCha20Rng::from_seed(seed).fill_bytes(&mut secret);
    secret
}

fn handshakes() -> Vec<Vector> {
    let secret = || SecretKey::from_octets([3; 32]);
    let client = SecretKey::from_octets([5; 32]);
    let open = BridgeIdentity::new(secret(), Duration::ZERO);
    let listed = BridgeIdentity::new(secret(), Duration::ZERO).allowing([client.public()]);
    let nobody = Credentials::new(open.public_key());
    let somebody = nobody.clone().with_client_key(client);
    let header = FirstPayloadHeader::new(Duration::from_millis(1_800_000_000_123), 1);
    let plain = [header.as_bytes(), &[0xc0], b"GET /"].concat();
    let ticket = Ticket::new([0x11; 16], Zeroizing::new([0x22; 32]), Duration::from_secs(3600));
    let mut ticketed = header.with_ticket().as_bytes().to_vec();
    ticket.seal([0x33; SALT_LEN], &[0xc0, b'G', b'E', b'T', b' ', b'/'], &mut ticketed);
    vec![
        handshake("NK", &open, &nobody, &plain),
        handshake("IK", &listed, &somebody, &plain),
        handshake("NK, frames under the ticket of the secret 22…", &open, &nobody, &ticketed)
            .with_octets("ticket secret", &[0x22; 32])
            .with_octets("ticket frames", b"\xc0GET /"),
    ]
}

fn handshake(
    name: &str,
    identity: &BridgeIdentity,
    credentials: &Credentials,
    payload: &[u8],
) -> Vector {
    let (mut client, mut bridge) =
        (Handshake::client(credentials, [1; 32]), Handshake::bridge(identity, [2; 32]));
    let (mut first, mut answer) = (Vec::new(), Vec::new());
    client.write(payload, &mut first).unwrap();
    bridge.read(&first).unwrap();
    let header = AnswerPayloadHeader::new(EarlyData::Taken, 1);
    let answer_payload = [header.as_bytes(), &[0x00, 0x00]].concat();
    bridge.write(&answer_payload, &mut answer).unwrap();
    first.extend_from_slice(&first_mac(credentials.bridge(), credentials.pattern(), &first));
    let mut vector = Vector::new("handshake", name).with_octets("bridge secret", &[3; 32]);
    if let Some(key) = credentials.client() {
        vector = vector.with_octets("client secret", key.octets());
    }
    vector = vector
        .with_octets("client ephemeral secret", &ephemeral([1; 32]))
        .with_octets("bridge ephemeral secret", &ephemeral([2; 32]))
        .with_octets("first payload", payload)
        .with_octets("first", &first)
        .with_octets("answer payload", &answer_payload)
        .with_octets("answer", &answer);
    let transcript = Transcript::new(&vector);
    vector.with_octets("up secret", &transcript.up).with_octets("down secret", &transcript.down)
}

/// What follows from a secret shows in the packets; the keys alone are derived in `second`.
fn derivations() -> Vec<Vector> {
    let secret = Secret::new([0x44; 32]);
    let protection = Protection::new(Side::Client, secret, Secret::new([0x55; 32]));
    let derived = super::second::derived;
    let mut vector = Vector::new("keys", "of a direction")
        .with_octets("secret", &[0x44; 32])
        .with_octets("traffic key", &derived(&[0x44; 32], b"ap2ap1ky", b""))
        .with_octets("next secret", &derived(&[0x44; 32], b"ap2ap1nx", b""))
        .with_octets("header key", &derived(&[0x44; 32], b"ap2ap1hp", b""));
    for epoch in [0, 1, (1 << 24) - 1] {
        let key = format!("connection id of epoch {epoch}");
        vector = vector.with_octets(&key, &protection.id_to_send(epoch));
    }
    vec![vector]
}

struct Sealed {
    side: Side,
    place: Place,
    with_id: bool,
    generation: u32,
}

fn packets() -> Vec<Vector> {
    let packet = |name: &str, (side, with_id, generation), (epoch, number): (u32, u64)| {
        let sealed = Sealed { side, place: Place { epoch, number }, with_id, generation };
        let by = Protection::new(side, Secret::new([0x44; 32]), Secret::new([0x55; 32]));
        seal("packet", name, by, &sealed)
            .with_octets("up secret", &[0x44; 32])
            .with_octets("down secret", &[0x55; 32])
    };
    let plain = |name: &str, with_id, (epoch, number): (u32, u64)| {
        let sealed =
            Sealed { side: Side::Client, place: Place { epoch, number }, with_id, generation: 0 };
        seal("unauthenticated packet", name, Protection::CheckSum, &sealed)
    };
    vec![
        packet("up, generation 0", (Side::Client, false, 0), (0, 0)),
        packet("down, generation 0", (Side::Bridge, false, 0), (0, 0)),
        packet("up, generation 1", (Side::Client, false, 1), (0, 1000)),
        packet("down, generation 1", (Side::Bridge, false, 1), (0, 1000)),
        packet("up, with connection id", (Side::Client, true, 0), (3, 0)),
        packet("down, with connection id, generation 2", (Side::Bridge, true, 2), (3, 70_000)),
        packet(
            "up, the last place there is",
            (Side::Client, true, 0),
            ((1 << 24) - 1, (1 << 40) - 1),
        ),
        plain("on the first path", false, (0, 7)),
        plain("with connection id", true, (5, 300)),
    ]
}

#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
fn seal(kind: &str, name: &str, mut by: Protection, sealed: &Sealed) -> Vector {
    let mut now = Instant::now();
    by.update_if_due(now);
    for generation in 0..sealed.generation {
        by.acknowledged(generation);
        now += Duration::from_secs(600);
        by.update_if_due(now);
    }
    assert_eq!(by.generation(), sealed.generation);
    let place = sealed.place;
    let phase = by.generation() & 1 == 1;
    let unacked = place.number.saturating_sub(40_000);
    let header = Header { phase, ack_now: true, ..Header::shortest(place.number, unacked) };
    let id = by.id_to_send(place.epoch);
    let id = if sealed.with_id { &id[..] } else { &[] };
    let frames = b"\x01\xc6hello";
    let mut packet = [0; ROOM];
    let mut writer = Writer::new(&mut packet);
    writer.octets(id);
    header.write(&mut writer);
    writer.octets(frames);
    let plain = packet[..id.len() + header.len].to_vec();
    let len = by.seal(place, (id.len(), header.len), frames.len(), &mut packet).unwrap();
    Vector::new(kind, name)
        .with("from", if sealed.side == Side::Client { "client" } else { "bridge" })
        .with("generation", sealed.generation)
        .with("epoch", place.epoch)
        .with("number", place.number)
        .with("connection id", yes(sealed.with_id))
        .with_octets("associated data", &plain)
        .with_octets("frames", frames)
        .with_octets("packet", &packet[..len])
}
