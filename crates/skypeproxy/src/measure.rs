//! `skypeproxy measure`: what relays grant between here and a bridge, in both directions.

mod picture;
mod report;

use std::time::Duration;

use anyhow::{Context, anyhow};
use ap2ap_stream::Credentials;
use ap2ap_tokio::Endpoint;
use carrier::PeerId;
use tokio::time::timeout;
use tunnel::{MeasureError, Measured};

use crate::args::MeasureArgs;
use crate::carriers::{self, Ways};
use crate::exit::{Exit, OrExit, coded};
use crate::{key_file, log};

/// An overlay needs seconds to set a path up, and a lost first message some more.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: MeasureArgs) -> anyhow::Result<()> {
    let credentials = Credentials::new(args.bridge_key);
    let credentials = match &args.client_key {
        Some(file) => credentials.with_client_key(key_file::read(file)?),
        None => credentials,
    };
    let endpoint = Endpoint::client_of_many(tunnel::endpoint_config(Duration::ZERO));
    let ways = carriers::attach_client(&endpoint, &args.carriers, &[args.bridge_key]).await?;
    let ways = ways.into_iter().next().unwrap_or_default();
    let mut all = Vec::new();
    for peer in &args.bridges {
        log::say(&format!("measuring for {} s", args.seconds));
        let length = Duration::from_secs(args.seconds);
        all.push(one(&endpoint, (&ways, peer), credentials.clone(), length).await?);
    }
    if let Some(path) = &args.svg {
        let drawn = std::fs::write(path, picture::of(&all));
        drawn.with_context(|| format!("cannot write {}", path.display())).or_exit(Exit::Io)?;
    }
    log::give(&if args.json { report::json(&all)? } else { report::table(&all) });
    Ok(())
}

/// Measures the path to one peer.
async fn one(
    endpoint: &Endpoint,
    (ways, peer): (&Ways, &PeerId),
    credentials: Credentials,
    length: Duration,
) -> anyhow::Result<Measured> {
    let way = ways.iter().find(|(scheme, _)| scheme == peer.scheme());
    let carrier = way.and_then(|(_, attachment)| attachment.carrier()).ok_or_else(|| {
        let scheme = peer.scheme();
        coded(Exit::Usage, anyhow!("no carrier reaches {scheme} peers: add --carrier {scheme}:..."))
    })?;
    let connection = endpoint.connect_later(credentials).or_exit(Exit::Os)?;
    connection.open_path(carrier, peer.clone()).or_exit(Exit::Unavailable)?;
    let ready = timeout(CONNECT_TIMEOUT, connection.ready()).await;
    let ready =
        ready.context("the bridge does not answer: do its name and its key belong together?");
    ready.or_exit(Exit::Unavailable)?.or_exit(Exit::Unavailable)?;
    let measured = tunnel::measure(&connection, length).await;
    connection.close(tunnel::code::STOPPING, "measured");
    measured.map_err(|error| {
        let is_refused = matches!(error, MeasureError::Refused(_));
        let exit = if is_refused { Exit::NoPermission } else { Exit::Unavailable };
        coded(exit, anyhow::Error::new(error))
    })
}
