//! `skypeproxy bridge`: takes connections from clients and forwards them.

use anyhow::bail;
use tracing::info;
use tunnel::{Bridge, Ended, ForwardList};

use crate::args::BridgeArgs;
use crate::config::{self, BridgeFile};
use crate::{carriers, key_file, limits, log, signals};

pub(crate) async fn run(args: BridgeArgs) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let file: BridgeFile = config::read_or_default(args.config.as_deref())?;
    let specs = if args.carriers.is_empty() { file.carriers()? } else { args.carriers };
    let forwards = if args.forwards.is_empty() { file.forward } else { args.forwards };
    let Some(key_path) = args.key.or(file.key) else {
        bail!("no key: name its file with --key; `skypeproxy keygen` makes one");
    };
    if specs.is_empty() {
        bail!("no carrier: name one with --carrier skype:unix:PATH or --carrier udp:IP:PORT");
    }
    if forwards.is_empty() {
        bail!("no target: name where connections may go with --forward IP:PORT");
    }
    let key = key_file::read(&key_path)?;
    limits::raise(limits::BRIDGE);
    let mut endpoints = Vec::new();
    for spec in &specs {
        endpoints.push(carriers::bridge_endpoint(spec, &key).await?);
    }
    log::say(&format!("this bridge's public key: {}", key.public()));
    info!(carriers = specs.len(), targets = forwards.len(), "the bridge is up");
    log::give("ready");
    match Bridge::new(endpoints, ForwardList::new(forwards)).run(stop).await {
        Ended::Stopped => Ok(()),
        Ended::CarriersGone => bail!("{}", carriers::GONE),
    }
}
