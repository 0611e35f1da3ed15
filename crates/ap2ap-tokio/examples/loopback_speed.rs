//! Prints how fast one stream is between two endpoints in one process, over memory and over UDP.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement, printed")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use ap2ap_tokio::{
    BridgeIdentity, Config, Endpoint, ErrorCode, PeerId, PublicKey, SecretKey, wall_time,
};
use carrier::MemoryCarrier;
use carrier_udp::UdpCarrier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1024 * 1024;
const MIBS: usize = 32;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = SecretKey::from_octets([7; 32]);
    let key = secret.public();
    let identity = BridgeIdentity::new(secret, wall_time());
    let (here, there) = MemoryCarrier::pair();
    let client = Endpoint::client(here, Config::default());
    let bridge = Endpoint::bridge(there, identity.clone(), Config::default());
    run("memory", client, bridge, "memory:bridge".parse()?, key).await?;

    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (here, there) = (UdpCarrier::bind(local)?, UdpCarrier::bind(local)?);
    let peer = format!("udp:{}", there.local_addr()).parse()?;
    let client = Endpoint::client(here, Config::default());
    let bridge = Endpoint::bridge(there, identity, Config::default());
    run("udp", client, bridge, peer, key).await
}

async fn run(
    name: &str,
    client: Endpoint,
    bridge: Endpoint,
    peer: PeerId,
    key: PublicKey,
) -> Result<(), Box<dyn Error>> {
    let connection = client.connect(peer, key)?;
    let mut stream = connection.open_stream().await?;
    stream.write_all(b"!").await?;
    let remote = bridge.accept().await.ok_or("no connection came")?;
    let mut sink = remote.accept_stream().await.ok_or("no stream came")?;

    let started = Instant::now();
    let writer = tokio::spawn(async move {
        let octets = vec![0; MIB];
        for _ in 0..MIBS {
            stream.write_all(&octets).await?;
        }
        stream.shutdown().await?;
        std::io::Result::Ok(())
    });
    let mut buf = vec![0; 64 * 1024];
    let mut received: usize = 0;
    loop {
        let len = sink.read(&mut buf).await?;
        if len == 0 {
            break;
        }
        received = received.saturating_add(len);
    }
    writer.await??;
    let seconds = started.elapsed().as_secs_f64();
    let mib = f64::from(u32::try_from(received / MIB)?);
    println!("{name:8} {:8.1} MiB/s   {:?}", mib / seconds, connection.stats());
    client.shutdown(ErrorCode(0), "").await;
    Ok(())
}
