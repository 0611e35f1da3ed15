//! `skypeproxy client`: a SOCKS proxy whose connections come out at a bridge.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::Context;
use ap2ap_stream::{Credentials, PublicKey};
use carrier::PeerId;
use socks_front::{Acceptor, Config};
use tracing::info;
use tunnel::{Attachment, Client, Ended, Session, TcpBuffers};

use crate::args::ClientArgs;
use crate::carriers::CarrierSpec;
use crate::config::{self, ClientSettings, Origin};
use crate::exit::{Exit, OrExit};
use crate::sandbox::{self, Reach};
use crate::status::{Socket, SocketKind};
use crate::{block_on, carriers, key_file, limits, log, notify, signals, status};

pub(crate) fn run(args: ClientArgs) -> anyhow::Result<()> {
    let print_only = args.file.print_config;
    let loaded = config::load::<ClientSettings>(args)?;
    if print_only {
        return loaded.print();
    }
    let incomplete = loaded.incomplete();
    let ClientSettings {
        carriers: Some(carriers),
        bridges: Some(bridges),
        bridge_key: Some(key),
        client_key,
        listen,
        tcp_buffers,
        status_socket,
        sandbox,
    } = loaded.settings
    else {
        return Err(incomplete);
    };
    if listen.origin == Origin::Default {
        log::say(&format!("listening on the default, {}", listen.value));
    }
    let credentials = credentials(key.value, client_key.map(|file| file.value).as_deref())?;
    limits::raise(limits::CLIENT);
    let named = status_socket.map(|socket| socket.value);
    let socket = Socket::open(named.as_deref(), SocketKind::Client)?;
    let reach = Reach::of_client(listen.value.port());
    let reach = reach.and_removing_in(socket.as_ref().map(Socket::dir));
    sandbox::enter(sandbox.value, &reach).or_exit(Exit::Os)?;
    let plan = Plan {
        carriers: carriers.value,
        bridges: bridges.value,
        credentials,
        listen: listen.value,
        tcp_buffers: tcp_buffers.value,
    };
    let listener = socket.as_ref().map(Socket::listener).transpose().or_exit(Exit::Os)?;
    block_on(serve(plan, listener))
}

/// What a client needs to be told.
struct Plan {
    carriers: Vec<CarrierSpec>,
    bridges: Vec<PeerId>,
    credentials: Credentials,
    listen: SocketAddr,
    tcp_buffers: TcpBuffers,
}

/// What the client shows the bridge: nothing, or a key of its own.
fn credentials(bridge: PublicKey, client_key: Option<&Path>) -> anyhow::Result<Credentials> {
    let credentials = Credentials::new(bridge);
    let Some(file) = client_key else { return Ok(credentials) };
    Ok(credentials.with_client_key(key_file::read(file)?))
}

async fn serve(plan: Plan, status: Option<UnixListener>) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let front = listen_socks(plan.listen, plan.tcp_buffers)?;
    let attachments = attach(&plan.carriers, plan.credentials.bridge()).await?;
    let presence = attachments.iter().map(|(_, attachment)| attachment.watch()).collect();
    let session = Session::new(attachments, plan.bridges, plan.credentials);
    let session = session.context("no session").or_exit(Exit::Unavailable)?;
    info!(carriers = plan.carriers.len(), "the client is up");
    log::give(&format!("listening on {}", front.local_addr()));
    notify::ready(presence);
    let status = status::serve(status, session.roster().clone());
    let client = Client::new(session).with_tcp_buffers(plan.tcp_buffers);
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

/// Attaches to each carrier; the bridge's peers of its scheme are reached there.
async fn attach(
    specs: &[CarrierSpec],
    key: &PublicKey,
) -> anyhow::Result<Vec<(String, Attachment)>> {
    let mut attachments = Vec::new();
    for spec in specs {
        let attachment = carriers::attach_client(spec, key).await?;
        attachments.push((spec.scheme().to_owned(), attachment));
    }
    Ok(attachments)
}
