//! `skypeproxy bridge`: takes connections from clients and forwards them.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use anyhow::Context;
use ap2ap_tokio::Endpoint;
use tracing::info;
use tunnel::{Attachment, Bridge, Ended, ForwardList};

use crate::args::BridgeArgs;
use crate::carriers::CarrierSpec;
use crate::config::{self, BridgeSettings};
use crate::exit::{Exit, OrExit};
use crate::replay_mark::ReplayMark;
use crate::sandbox::{self, Reach};
use crate::status::{Socket, SocketKind};
use crate::{block_on, carriers, key_file, limits, log, notify, signals, status};

pub(crate) fn run(args: BridgeArgs) -> anyhow::Result<()> {
    let print_only = args.file.print_config;
    let loaded = config::load::<BridgeSettings>(args)?;
    if print_only {
        return loaded.print();
    }
    let incomplete = loaded.incomplete();
    let BridgeSettings {
        carriers: Some(carriers),
        key: Some(key_file),
        allow,
        forwards: Some(forwards),
        tcp_buffers,
        status_socket,
        keep_lost,
        measure,
        sandbox,
    } = loaded.settings
    else {
        return Err(incomplete);
    };
    let (key, _lock) = key_file::read_and_lock(&key_file.value)?;
    let mark = ReplayMark::begin(&key_file.value, key).allowing(allow.map(|allow| allow.value));
    limits::raise(limits::BRIDGE);
    let named = status_socket.map(|socket| socket.value);
    let socket = Socket::open(named.as_deref(), SocketKind::Bridge)?;
    let reach = Reach::of_bridge(forwards.value.iter().map(SocketAddr::port));
    let reach = reach.and_removing_in(socket.as_ref().map(Socket::dir));
    sandbox::enter(sandbox.value, &reach).or_exit(Exit::Os)?;
    let forwards = ForwardList::new(forwards.value).with_tcp_buffers(tcp_buffers.value);
    let listener = socket.as_ref().map(Socket::listener).transpose().or_exit(Exit::Os)?;
    let config = tunnel::endpoint_config(Duration::from_secs(keep_lost.value));
    let endpoint = |mark: &ReplayMark| Endpoint::bridge_of_many(mark.identity().clone(), config);
    let extras = Extras { measures: measure.value, status: listener };
    block_on(async { serve(&carriers.value, endpoint(&mark), mark, (forwards, extras)).await })
}

/// What a bridge does beside forwarding.
struct Extras {
    measures: bool,
    status: Option<UnixListener>,
}

async fn serve(
    carriers: &[CarrierSpec],
    endpoint: Endpoint,
    mark: ReplayMark,
    (forwards, extras): (ForwardList, Extras),
) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let key = mark.identity().public_key();
    let mut attachments = Vec::new();
    for spec in carriers {
        attachments.push(carriers::attach_bridge(&endpoint, spec, &key).await?);
    }
    log::say(&format!("this bridge's public key: {}", mark.identity().public_key()));
    info!(carriers = attachments.len(), targets = forwards.len(), "the bridge is up");
    log::give("ready");
    notify::ready(attachments.iter().map(Attachment::watch).collect());
    let bridge = Bridge::new(endpoint, attachments, forwards);
    let bridge = if extras.measures { bridge } else { bridge.without_measurements() };
    let roster = bridge.roster().clone();
    let status = status::serve(extras.status, move || roster.status());
    let ended = tokio::select! {
        ended = bridge.run(stop) => ended,
        failed = status => return failed.context("the status socket failed").or_exit(Exit::Os),
        never = mark.keep() => match never {},
    };
    match ended {
        Ended::Stopped => Ok(()),
        Ended::CarriersGone(refusal) => Err(carriers::gone(refusal)),
    }
}
