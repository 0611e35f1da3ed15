//! `skypeproxy bridge`: takes connections from clients and forwards them.

use tracing::info;
use tunnel::{Bridge, Ended, ForwardList};

use crate::args::BridgeArgs;
use crate::config::{self, BridgeSettings};
use crate::{carriers, key_file, limits, log, signals};

pub(crate) async fn run(args: BridgeArgs) -> anyhow::Result<()> {
    let print_only = args.file.print_config;
    let loaded = config::load::<BridgeSettings>(args)?;
    if print_only {
        return loaded.print();
    }
    let incomplete = loaded.incomplete();
    let BridgeSettings { carriers: Some(carriers), key: Some(key), forwards: Some(forwards) } =
        loaded.settings
    else {
        return Err(incomplete);
    };
    let stop = signals::stop_token()?;
    let key = key_file::read(&key.value)?;
    limits::raise(limits::BRIDGE);
    let mut attachments = Vec::new();
    for spec in &carriers.value {
        attachments.push(carriers::attach_bridge(spec, &key).await?);
    }
    log::say(&format!("this bridge's public key: {}", key.public()));
    info!(carriers = attachments.len(), targets = forwards.value.len(), "the bridge is up");
    log::give("ready");
    match Bridge::new(attachments, ForwardList::new(forwards.value)).run(stop).await {
        Ended::Stopped => Ok(()),
        Ended::CarriersGone(refusal) => Err(carriers::gone(refusal)),
    }
}
