//! The vectors as this crate reads them: from the file's octets to what the file says they are.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::{Vector, hex, yes};
use crate::credentials::Credentials;
use crate::id::Side;
use crate::identity::BridgeIdentity;
use crate::key::{PublicKey, SecretKey};
use crate::noise::Handshake;
use crate::outer::{first_mac, macs_equal, mask_ephemeral};
use crate::protection::{Opened, Protection, Secret};
use crate::wire::CONNECTION_ID_LEN;
use crate::wire::ack::Ack;
use crate::wire::frame::Frame;
use crate::wire::handshake::First;
use crate::wire::packet::Header;
use crate::wire::reader::{Malformed, Reader};

pub(super) fn check(vector: &Vector) {
    let name = &vector.name;
    match vector.kind.as_str() {
        "varint" | "long varint" => {
            let octets = vector.octets("octets");
            assert_eq!(Reader::new(&octets).varint(), Ok(vector.number("value")), "{name}");
        }
        "header" => {
            let number = vector.number("number");
            let header = Header::read(&vector.octets("octets"), number).unwrap();
            assert_eq!(header.number, number, "{name}");
            assert_eq!(yes(header.phase), vector.text("phase"), "{name}");
            assert_eq!(yes(header.ack_now), vector.text("ack now"), "{name}");
        }
        "number" => {
            let header = Header::read(&vector.octets("octets"), vector.number("expected"));
            assert_eq!(header.unwrap().number, vector.number("number"), "{name}");
        }
        "no header" => {
            let header = Header::read(&vector.octets("octets"), vector.number("expected"));
            assert_eq!(header, None, "{name}");
        }
        "frame" => check_frame(vector, true),
        "last frame" => check_frame(vector, false),
        "malformed frame" => {
            let octets = vector.octets("octets");
            assert_eq!(Frame::read(&mut Reader::new(&octets)), Err(Malformed), "{name}");
        }
        "key text" => {
            let key: PublicKey = vector.text("text").parse().unwrap();
            assert_eq!(key.octets()[..], vector.octets("key"), "{name}");
        }
        "mac" | "keys" => {} // Nothing to read: `made` and `second` have them.
        "mask" => {
            let mut message = vector.octets("masked");
            mask_ephemeral(&PublicKey::from_octets(vector.key("bridge key")), &mut message);
            assert_eq!(message, vector.octets("message"), "{name}");
        }
        "handshake" => check_handshake(vector),
        "packet" => check_packet(vector),
        "unauthenticated packet" => {
            let opened = open(vector, &mut Protection::CheckSum);
            assert!(opened.is_some(), "{name}");
        }
        kind => panic!("unknown kind of vector: {kind}"),
    }
}

/// AP-51: only a frame with a length is the same whatever follows; and none is a frame when it is cut.
fn check_frame(vector: &Vector, has_end: bool) {
    let mut octets = vector.octets("octets");
    let len = octets.len();
    if has_end {
        octets.extend_from_slice(&[0x01, 0x00]);
    }
    let mut reader = Reader::new(&octets);
    let frame = Frame::read(&mut reader).unwrap();
    assert_eq!(describe(&frame), vector.text("means"), "{}", vector.name);
    assert_eq!(reader.rest().len(), octets.len() - len, "{}", vector.name);
    if has_end {
        for cut in 0..len {
            let read = Frame::read(&mut Reader::new(&octets[..cut]));
            assert_eq!(read, Err(Malformed), "{} cut at {cut}", vector.name);
        }
    }
}

fn check_handshake(vector: &Vector) {
    let secret = SecretKey::from_octets(vector.key("bridge secret"));
    let mut identity = BridgeIdentity::new(secret.clone(), Duration::ZERO);
    let mut credentials = Credentials::new(secret.public());
    if vector.has("client secret") {
        let key = SecretKey::from_octets(vector.key("client secret"));
        identity = identity.allowing([key.public()]);
        credentials = credentials.with_client_key(key);
    }
    let datagram = vector.octets("first");
    let first = First::split(&datagram).unwrap();
    let mac = first_mac(credentials.bridge(), credentials.pattern(), first.noise);
    assert!(macs_equal(&mac, first.mac), "{}", vector.name);
    // The seeds that the file's ephemeral keys come from.
    let (mut client, mut bridge) =
        (Handshake::client(&credentials, [1; 32]), Handshake::bridge(&identity, [2; 32]));
    assert_eq!(bridge.read(first.noise).unwrap(), vector.octets("first payload"));
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    client.write(&vector.octets("first payload"), &mut sent).unwrap();
    bridge.write(&vector.octets("answer payload"), &mut answered).unwrap();
    assert_eq!(client.read(&vector.octets("answer")).unwrap(), vector.octets("answer payload"));
    // The secrets are taken out of both ends only as what follows from them.
    let of_file = protection(vector, Side::Client);
    for (handshake, side) in [(client, Side::Client), (bridge, Side::Bridge)] {
        let made = handshake.into_protection(side).unwrap();
        let ids = match side {
            Side::Client => (made.id_to_send(0), made.id_to_expect(0)),
            Side::Bridge => (made.id_to_expect(0), made.id_to_send(0)),
        };
        assert_eq!(ids, (of_file.id_to_send(0), of_file.id_to_expect(0)), "{}", vector.name);
    }
}

/// AP-31, AP-40: the peer opens it, and no octet of it may be another.
fn check_packet(vector: &Vector) {
    let side = if vector.text("from") == "client" { Side::Bridge } else { Side::Client };
    let ready = || {
        let mut protection = protection(vector, side);
        // A receiver gets to a generation by way of those before it.
        for generation in 1..vector.number("generation") {
            let mut between = sealed_in(vector, generation);
            assert!(open_octets(vector, &mut protection, 0, &mut between).is_some());
        }
        protection
    };
    assert!(open(vector, &mut ready()).is_some(), "{}", vector.name);
    let len = vector.octets("packet").len();
    for place in 0..len {
        let mut changed = vector.octets("packet");
        changed[place] ^= 0x20;
        let id_len = id_len(vector);
        assert!(open_octets(vector, &mut ready(), id_len, &mut changed).is_none(), "octet {place}");
    }
}

/// A packet of the generation, for a receiver that has not come that far.
#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
fn sealed_in(vector: &Vector, generation: u64) -> Vec<u8> {
    let side = if vector.text("from") == "client" { Side::Client } else { Side::Bridge };
    let mut by = protection(vector, side);
    let mut now = Instant::now();
    by.update_if_due(now);
    for before in 0..u32::try_from(generation).unwrap() {
        by.acknowledged(before);
        now += Duration::from_secs(600);
        by.update_if_due(now);
    }
    let number = vector.number("number") - 1;
    let phase = generation % 2 == 1;
    let header = Header { phase, ..Header::shortest(number, number) };
    let mut packet = vec![0; 64];
    header.write(&mut crate::wire::writer::Writer::new(&mut packet));
    let epoch = u32::try_from(vector.number("epoch")).unwrap();
    let place = crate::protection::Place { epoch, number };
    let len = by.seal(place, (0, header.len), 1, &mut packet).unwrap();
    packet.truncate(len);
    packet
}

fn protection(vector: &Vector, side: Side) -> Protection {
    let secret = |key| Secret::new(vector.key(key));
    Protection::new(side, secret("up secret"), secret("down secret"))
}

fn id_len(vector: &Vector) -> usize {
    if vector.is("connection id") { CONNECTION_ID_LEN } else { 0 }
}

fn open(vector: &Vector, by: &mut Protection) -> Option<Opened> {
    let epoch = u32::try_from(vector.number("epoch")).unwrap();
    let mut packet = vector.octets("packet");
    if vector.is("connection id") {
        assert_eq!(packet[..CONNECTION_ID_LEN], by.id_to_expect(epoch), "{}", vector.name);
    }
    let opened = open_octets(vector, by, id_len(vector), &mut packet)?;
    assert_eq!(opened.number, vector.number("number"), "{}", vector.name);
    assert_eq!(packet[opened.frames.clone()], vector.octets("frames"), "{}", vector.name);
    Some(opened)
}

#[expect(clippy::disallowed_methods, reason = "tests need some origin; its value is unused")]
fn open_octets(
    vector: &Vector,
    by: &mut Protection,
    id_len: usize,
    packet: &mut [u8],
) -> Option<Opened> {
    let epoch = u32::try_from(vector.number("epoch")).unwrap();
    let times = (Instant::now(), Duration::from_secs(3));
    by.open(times, (epoch, vector.number("number")), id_len, packet)
}

/// A frame in words, every field of it.
pub(super) fn describe(frame: &Frame<'_>) -> String {
    match frame {
        Frame::Padding => "padding".to_owned(),
        Frame::Ping => "ping".to_owned(),
        Frame::Ack(ack) => describe_ack(ack),
        Frame::Datagram(data) => format!("datagram, octets {}", hex(data)),
        Frame::Stream { id, offset, data, fin } => {
            let fin = if *fin { ", the end" } else { "" };
            format!("stream {}, offset {offset}{fin}, octets {}", id.to_wire(), hex(data))
                .trim_end()
                .to_owned()
        }
        Frame::Reset { id, code, final_size } => {
            format!("reset, stream {}, code {}, final size {final_size}", id.to_wire(), code.0)
        }
        Frame::Stop { id, code } => format!("stop, stream {}, code {}", id.to_wire(), code.0),
        Frame::MaxData(max) => format!("max data, octets {max}"),
        Frame::MaxStreamData { id, max } => {
            format!("max stream data, stream {}, octets {max}", id.to_wire())
        }
        Frame::MaxStreams(max) => format!("max streams, {max}"),
        Frame::PathLeave(epoch) => format!("path leave, epoch {epoch}"),
        Frame::Ticket { id, secret, lifetime_s } => {
            format!("ticket, name {}, secret {}, lifetime {lifetime_s} s", hex(*id), hex(*secret))
        }
        Frame::Close { code, reason } => {
            format!("close, code {}, reason {}", code.0, hex(reason)).trim_end().to_owned()
        }
    }
}

fn describe_ack(ack: &Ack) -> String {
    let mut text = "ack".to_owned();
    if let Some(epoch) = ack.epoch {
        write!(text, ", epoch {epoch}").unwrap();
    }
    write!(text, ", largest {}, written at {}, octets {}", ack.largest, ack.written_at, ack.octets)
        .unwrap();
    text.push_str(", ranges");
    for range in &ack.ranges {
        write!(text, " {}-{}", range.start(), range.end()).unwrap();
    }
    text.push_str(", arrivals and ages");
    for arrival in &ack.arrivals {
        write!(text, " {}/{}", arrival.number, arrival.age).unwrap();
    }
    text
}
