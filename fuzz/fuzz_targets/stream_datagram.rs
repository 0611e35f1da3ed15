//! A live connection is fed whatever comes: datagrams of any content, true ones cut and changed.
#![no_main]

use std::time::{Duration, Instant};

use ap2ap_stream::{Acceptor, BridgeIdentity, Config, Connection, Output, PathEvent, PathId, SecretKey};
use libfuzzer_sys::fuzz_target;

const PATH: PathId = PathId(0);
const WALL: Duration = Duration::from_secs(1_800_000_000);

fn drive(connection: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let (mut buf, mut datagrams) = ([0; 2048], Vec::new());
    loop {
        match connection.poll_output(now, &mut buf) {
            Output::Transmit { len, .. } => datagrams.push(buf[..len].to_vec()),
            Output::Event(_) => {}
            Output::Wait(at) => {
                assert!(at.is_none_or(|at| at > now));
                return datagrams;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut now = Instant::now();
    let key = SecretKey::from_octets([1; 32]);
    let mut client = Connection::connect(key.public(), Config::default(), [2; 32], WALL, now);
    let mut acceptor = Acceptor::new(BridgeIdentity::new(key, Duration::ZERO), Config::default(), [3; 32]);
    let id = client.open().expect("streams are allowed from the start");
    client.handle_path(now, PATH, PathEvent::Added { payload_max: 1200 });
    let first = drive(&mut client, now).remove(0);
    let mut bridge = acceptor.handle_first(now, WALL, (PATH, 1200), &first).expect("a good first");
    // Each piece: how long, what of the next true datagram to change, and what is forged.
    for piece in data.chunks(16) {
        now += Duration::from_millis(u64::from(piece[0]));
        let _ = client.stream(id).map(|mut stream| stream.write(piece));
        for mut datagram in drive(&mut client, now) {
            let place = usize::from(piece[piece.len() / 2]) % datagram.len();
            bridge.handle_datagram(now, PATH, &datagram[..place]);
            datagram[place] ^= piece[piece.len() - 1];
            bridge.handle_datagram(now, PATH, &datagram);
        }
        bridge.handle_datagram(now, PATH, piece);
        client.handle_datagram(now, PATH, piece);
        for datagram in drive(&mut bridge, now) {
            client.handle_datagram(now, PATH, &datagram);
        }
    }
});
