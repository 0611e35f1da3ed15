//! `skypeproxy overlay`: an emulated Skype for other processes to attach to.

use anyhow::Context;
use serde_json::json;
use skype_emu::{BindError, Running, ServeError};
use tokio::signal::unix::SignalKind;

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
    let mut asked = signals::listen_for(SignalKind::user_defined1(), "SIGUSR1")?;
    let config = loaded.settings.config;
    limits::raise(limits::overlay(config.logins.len()));
    let running = skype_emu::serve(&config)
        .await
        .map_err(|error| coded(exit_of(&error), error))
        .context("cannot run the overlay")?;
    for login in &config.logins {
        log::give(&format!("login {} at skype:unix:{}", login.name, login.socket.display()));
        if let Some(bus) = &login.dbus {
            log::give(&format!("login {} at skype:dbus:{bus}", login.name));
        }
        if let Some(display) = &login.x11 {
            log::give(&format!("login {} at skype:x11:{display}", login.name));
        }
    }
    loop {
        tokio::select! {
            _ = asked.recv() => log::give(&figures(&running)),
            () = stop.cancelled() => break,
        }
    }
    log::give(&figures(&running));
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

/// What crossed the links so far, as one line: `stats` and a JSON object.
fn figures(running: &Running) -> String {
    let routes: Vec<_> = running
        .stats()
        .iter()
        .map(|route| {
            json!({
                "from": route.from.to_string(),
                "to": route.to.to_string(),
                "datagrams_in": route.datagrams_in,
                "datagrams_out": route.datagrams_out,
                "datagrams_lost": route.datagrams_lost,
                "octets_in": route.octets_in,
                "octets_out": route.octets_out,
            })
        })
        .collect();
    let relays = running.relay_stats();
    let relays = json!({
        "up": relays.up,
        "used": relays.used,
        "given": relays.given,
        "switched": relays.switched,
    });
    format!("stats {}", json!({ "routes": routes, "relays": relays }))
}
