//! `skypeproxy client`: a SOCKS proxy whose connections come out at a bridge.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use anyhow::Context;
use ap2ap_stream::{Credentials, PublicKey};
use ap2ap_tokio::Endpoint;
use carrier::PeerId;
use socks_front::{Acceptor, Config};
use tracing::info;
use tunnel::{BridgeWays, Client, Ended, Policy, Session, TcpBuffers};

use crate::args::ClientArgs;
use crate::carriers::CarrierSpec;
use crate::config::{self, BridgeTable, ClientSettings, Origin};
use crate::exit::{Exit, OrExit};
use crate::sandbox::{self, Reach};
use crate::state_file::StateFile;
use crate::status::{Socket, SocketKind};
use crate::{block_on, carriers, key_file, limits, log, notify, signals, status};

pub(crate) fn run(args: ClientArgs) -> anyhow::Result<()> {
    let print_only = args.file.print_config;
    let loaded = config::load::<ClientSettings>(args)?;
    if print_only {
        return loaded.print();
    }
    let incomplete = loaded.incomplete();
    let settings = loaded.settings;
    let (bridges, policy) = (settings.bridge_list(), settings.policy());
    let Some(carriers) = settings.carriers.filter(|_| !bridges.is_empty()) else {
        return Err(incomplete);
    };
    let listen = settings.listen;
    if listen.origin == Origin::Default {
        log::say(&format!("listening on the default, {}", listen.value));
    }
    let bridges = bridges.into_iter().map(Named::read).collect::<anyhow::Result<_>>()?;
    limits::raise(limits::CLIENT);
    let memory = settings.state.and_then(|file| StateFile::open(&file.value));
    let named = settings.status_socket.map(|socket| socket.value);
    let socket = Socket::open(named.as_deref(), SocketKind::Client)?;
    let reach = Reach::of_client(listen.value.port());
    let reach = reach.and_removing_in(socket.as_ref().map(Socket::dir));
    sandbox::enter(settings.sandbox.value, &reach).or_exit(Exit::Os)?;
    let plan = Plan {
        carriers: carriers.value,
        bridges,
        policy,
        memory,
        listen: listen.value,
        tcp_buffers: settings.tcp_buffers.value,
    };
    let listener = socket.as_ref().map(Socket::listener).transpose().or_exit(Exit::Os)?;
    block_on(serve(plan, listener))
}

/// What a client needs to be told.
struct Plan {
    carriers: Vec<CarrierSpec>,
    bridges: Vec<Named>,
    policy: Policy,
    memory: Option<StateFile>,
    listen: SocketAddr,
    tcp_buffers: TcpBuffers,
}

/// A bridge's names, its key, and what it is shown: nothing, or a key of the client's own.
struct Named {
    peers: Vec<PeerId>,
    credentials: Credentials,
}

impl Named {
    fn read(bridge: BridgeTable) -> anyhow::Result<Self> {
        let BridgeTable { peers, key, client_key } = bridge;
        let credentials = Credentials::new(key);
        let credentials = match client_key {
            Some(file) => credentials.with_client_key(key_file::read(&file)?),
            None => credentials,
        };
        Ok(Self { peers, credentials })
    }
}

async fn serve(plan: Plan, status: Option<UnixListener>) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let front = listen_socks(plan.listen, plan.tcp_buffers)?;
    let endpoint = Endpoint::client_of_many(tunnel::endpoint_config(tunnel::LOST_KEPT));
    let keys: Vec<PublicKey> = plan.bridges.iter().map(|it| *it.credentials.bridge()).collect();
    let ways = carriers::attach_client(&endpoint, &plan.carriers, &keys).await?;
    let presence = ways.iter().flatten().map(|(_, attachment)| attachment.watch()).collect();
    let bridges = plan.bridges.into_iter().zip(ways).map(|(bridge, attachments)| BridgeWays {
        credentials: bridge.credentials,
        peers: bridge.peers,
        attachments,
    });
    let session = Session::new(endpoint, bridges.collect(), plan.policy);
    let session = session.context("no session").or_exit(Exit::Unavailable)?;
    let session = match plan.memory {
        Some(memory) => session.with_memory(Arc::new(memory)),
        None => session,
    };
    info!(carriers = plan.carriers.len(), "the client is up");
    log::give(&format!("listening on {}", front.local_addr()));
    notify::ready(presence);
    let client = Client::new(session).with_tcp_buffers(plan.tcp_buffers);
    let session = client.session();
    let status = status::serve(status, move || session.status());
    let ended = tokio::select! {
        ended = client.run(front, stop) => ended,
        failed = status => return failed.context("the status socket failed").or_exit(Exit::Os),
    };
    match ended {
        Ended::Stopped => Ok(()),
        Ended::CarriersGone(refusal) => Err(carriers::gone(refusal)),
    }
}

/// Listens for SOCKS clients.
pub(crate) fn listen_socks(listen: SocketAddr, buffers: TcpBuffers) -> anyhow::Result<Acceptor> {
    let make = |addr| buffers.listen(addr);
    let bound = Acceptor::bind_with(listen, Config::default(), make);
    bound.context("no SOCKS proxy").or_exit(Exit::Os)
}
