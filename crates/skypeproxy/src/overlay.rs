//! `skypeproxy overlay`: an emulated Skype for other processes to attach to.

use anyhow::Context;
use skype_emu::OverlayConfig;

use crate::args::OverlayArgs;
use crate::{config, limits, log, signals};

pub(crate) async fn run(args: OverlayArgs) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    let config: OverlayConfig = config::read(&args.config)?;
    limits::raise(limits::overlay(config.logins.len()));
    let running = skype_emu::serve(&config)
        .await
        .with_context(|| format!("cannot run the overlay of {}", args.config.display()))?;
    for login in &config.logins {
        log::give(&format!("login {} at skype:unix:{}", login.name, login.socket.display()));
    }
    stop.cancelled().await;
    running.shutdown().await;
    Ok(())
}
