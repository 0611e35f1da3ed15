//! `skypeproxy bridge`: takes connections from clients and forwards them.

use std::net::SocketAddr;

use tracing::info;
use tunnel::{Attachment, Bridge, Ended, ForwardList};

use crate::args::BridgeArgs;
use crate::carriers::CarrierSpec;
use crate::config::{self, BridgeSettings};
use crate::exit::{Exit, OrExit};
use crate::replay_mark::ReplayMark;
use crate::sandbox::{self, Reach};
use crate::{block_on, carriers, key_file, limits, log, notify, signals};

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
        sandbox,
    } = loaded.settings
    else {
        return Err(incomplete);
    };
    let (key, _lock) = key_file::read_and_lock(&key_file.value)?;
    let mark = ReplayMark::begin(&key_file.value, key).allowing(allow.map(|allow| allow.value));
    limits::raise(limits::BRIDGE);
    let reach = Reach::of_bridge(forwards.value.iter().map(SocketAddr::port));
    sandbox::enter(sandbox.value, &reach).or_exit(Exit::Os)?;
    let forwards = ForwardList::new(forwards.value).with_tcp_buffers(tcp_buffers.value);
    block_on(serve(&carriers.value, mark, forwards))
}

async fn serve(
    carriers: &[CarrierSpec],
    mark: ReplayMark,
    forwards: ForwardList,
) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let mut attachments = Vec::new();
    for spec in carriers {
        attachments.push(carriers::attach_bridge(spec, mark.identity()).await?);
    }
    log::say(&format!("this bridge's public key: {}", mark.identity().public_key()));
    info!(carriers = attachments.len(), targets = forwards.len(), "the bridge is up");
    log::give("ready");
    notify::ready(attachments.iter().map(Attachment::watch).collect());
    let ended = tokio::select! {
        ended = Bridge::new(attachments, forwards).run(stop) => ended,
        never = mark.keep() => match never {},
    };
    match ended {
        Ended::Stopped => Ok(()),
        Ended::CarriersGone(refusal) => Err(carriers::gone(refusal)),
    }
}
