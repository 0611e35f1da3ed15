//! `skypeproxy client`: a SOCKS proxy whose connections come out at a bridge.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use ap2ap_stream::PublicKey;
use ap2ap_tokio::Endpoint;
use carrier::PeerId;
use socks_front::{Acceptor, Config};
use tracing::info;
use tunnel::{Client, Ended, Session};

use crate::args::{ClientArgs, LISTEN_DEFAULT};
use crate::carriers::CarrierSpec;
use crate::config::{self, ClientFile};
use crate::{carriers, limits, log, signals};

pub(crate) async fn run(args: ClientArgs) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let file: ClientFile = config::read_or_default(args.config.as_deref())?;
    let specs = if args.carriers.is_empty() { file.carriers()? } else { args.carriers };
    let peers = if args.bridges.is_empty() { file.bridges()? } else { args.bridges };
    let Some(key) = args.bridge_key.or(file.bridge_key()?) else {
        bail!("no key: give the bridge's public key with --bridge-key");
    };
    if specs.is_empty() {
        bail!("no carrier: name one with --carrier skype:unix:PATH or --carrier udp:IP:PORT");
    }
    if peers.is_empty() {
        bail!("no bridge: name one with --bridge skype:LOGIN or --bridge udp:IP:PORT");
    }
    let listen = match args.listen.or(file.listen) {
        Some(listen) => listen,
        None => {
            log::say(&format!("listening on the default, {LISTEN_DEFAULT}"));
            LISTEN_DEFAULT.parse().context("the default address")?
        }
    };
    limits::raise(limits::CLIENT);
    let front = listen_socks(listen).await?;
    let session = session(&specs, peers, key).await?;
    info!(carriers = specs.len(), "the client is up");
    log::give(&format!("listening on {}", front.local_addr()));
    match Client::new(session).run(front, stop).await {
        Ended::Stopped => Ok(()),
        Ended::CarriersGone => bail!("{}", carriers::GONE),
    }
}

/// Listens for SOCKS clients.
pub(crate) async fn listen_socks(listen: SocketAddr) -> anyhow::Result<Acceptor> {
    Acceptor::bind(listen, Config::default()).await.context("no SOCKS proxy")
}

async fn session(
    specs: &[CarrierSpec],
    peers: Vec<PeerId>,
    key: PublicKey,
) -> anyhow::Result<Session> {
    let mut endpoints: Vec<(String, Endpoint)> = Vec::new();
    for spec in specs {
        let endpoint = carriers::client_endpoint(spec, &key).await?;
        endpoints.push((spec.scheme().to_owned(), endpoint));
    }
    Session::new(endpoints, peers, key).context("no session")
}
