//! `skypeproxy overlay`: an emulated Skype for other processes to attach to.

use anyhow::Context;
use skype_emu::{BindError, ServeError};

use crate::args::OverlayArgs;
use crate::config::{self, OverlaySettings, Settings};
use crate::exit::{Exit, coded};
use crate::{limits, log, signals};

pub(crate) async fn run(args: OverlayArgs) -> anyhow::Result<()> {
    let print_only = args.file.print_config;
    let loaded = config::load::<OverlaySettings>(args)?;
    if !loaded.settings.missing().is_empty() {
        return Err(loaded.incomplete());
    }
    if print_only {
        return loaded.print();
    }
    let stop = signals::stop_token()?;
    let config = loaded.settings.config;
    limits::raise(limits::overlay(config.logins.len()));
    let running = skype_emu::serve(&config)
        .await
        .map_err(|error| coded(exit_of(&error), error))
        .context("cannot run the overlay")?;
    for login in &config.logins {
        log::give(&format!("login {} at skype:unix:{}", login.name, login.socket.display()));
    }
    stop.cancelled().await;
    running.shutdown().await;
    Ok(())
}

fn exit_of(error: &ServeError) -> Exit {
    match error {
        ServeError::Config(_) => Exit::Config,
        ServeError::Bind(BindError::Io { source, .. }) => Exit::of_io(source, Exit::CannotCreate),
        ServeError::Bind(_) | _ => Exit::CannotCreate,
    }
}
