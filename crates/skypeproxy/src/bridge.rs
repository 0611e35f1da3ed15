//! `skypeproxy bridge`: takes connections from clients and forwards them.

use std::net::SocketAddr;

use ap2ap_stream::BridgeIdentity;
use ap2ap_tokio::wall_time;
use tracing::info;
use tunnel::{Attachment, Bridge, Ended, ForwardList};

use crate::args::BridgeArgs;
use crate::carriers::CarrierSpec;
use crate::config::{self, BridgeSettings};
use crate::exit::{Exit, OrExit};
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
        key: Some(key),
        forwards: Some(forwards),
        tcp_buffers,
        sandbox,
    } = loaded.settings
    else {
        return Err(incomplete);
    };
    let key = key_file::read(&key.value)?;
    let identity = BridgeIdentity::new(key, wall_time());
    limits::raise(limits::BRIDGE);
    let reach = Reach::of_bridge(forwards.value.iter().map(SocketAddr::port));
    sandbox::enter(sandbox.value, &reach).or_exit(Exit::Os)?;
    let forwards = ForwardList::new(forwards.value).with_tcp_buffers(tcp_buffers.value);
    block_on(serve(&carriers.value, &identity, forwards))
}

async fn serve(
    carriers: &[CarrierSpec],
    identity: &BridgeIdentity,
    forwards: ForwardList,
) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let mut attachments = Vec::new();
    for spec in carriers {
        attachments.push(carriers::attach_bridge(spec, identity).await?);
    }
    log::say(&format!("this bridge's public key: {}", identity.public_key()));
    info!(carriers = attachments.len(), targets = forwards.len(), "the bridge is up");
    log::give("ready");
    notify::ready(attachments.iter().map(Attachment::watch).collect());
    match Bridge::new(attachments, forwards).run(stop).await {
        Ended::Stopped => Ok(()),
        Ended::CarriersGone(refusal) => Err(carriers::gone(refusal)),
    }
}
