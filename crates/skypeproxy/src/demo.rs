//! `skypeproxy demo`: overlay, bridge, client and a small web page in one process.
//!
//! ```text
//!   curl ─ SOCKS ─ client ─ Unix socket ─ Skype "demo.client"
//!                                              │ throttled relay
//!   page, echo ─ TCP ─ bridge ─ Unix socket ─ Skype "demo.bridge"
//! ```

mod body;
mod check;
mod far_end;
mod places;

use std::time::Duration;

use anyhow::{Context, ensure};
use ap2ap_stream::BridgeIdentity;
use ap2ap_tokio::Endpoint;
use skype_emu::{LinkConfig, LoginConfig, OverlayConfig, RelaysConfig, Running};
use tokio_util::sync::CancellationToken;
use tunnel::{Bridge, BridgeWays, Client, ForwardList, Policy, Session, TcpBuffers};

use crate::args::{AttachBy, DemoArgs};
use crate::carriers::{self, CarrierSpec};
use crate::exit::{Exit, OrExit};
use crate::{client, key_file, limits, log, signals};
use far_end::FarEnd;
use places::{Bus, Display};

/// The two logins of the demo.
const CLIENT: &str = "demo.client";
const BRIDGE: &str = "demo.bridge";

/// Runs the demo, or its check, which fails with one code whatever the reason: scripts ask no more.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let is_check = args.check;
    let ran = run_all(args).await;
    if is_check { ran.or_exit(Exit::CheckFailed) } else { ran }
}

async fn run_all(args: DemoArgs) -> anyhow::Result<()> {
    let stop = signals::stop_token()?;
    limits::raise(limits::DEMO);
    let front = client::listen_socks(args.listen, TcpBuffers::default())?;
    let socks = front.local_addr();
    let far_end = FarEnd::start(args.seed).await?;
    let dir = tempfile::tempdir().context("cannot make a directory for the sockets")?;
    let mut config = overlay_config(&args, dir.path());
    let places = start_places(&args, dir.path(), &mut config).await?;
    let overlay = skype_emu::serve(&config).await.context("cannot run the overlay")?;
    let (bridge, client) = join(&config, &far_end).await?;
    log::say(&format!(
        "relay {} bytes/s, round trip {} ms, loss {}, seed {}",
        args.relay_rate, args.rtt, args.loss, args.seed
    ));
    log::give(&format!("listening on {socks}"));

    let bridge = tokio::spawn(bridge.run(stop.clone()));
    let client = tokio::spawn(client.run(front, stop.clone()));
    let outcome = if args.check {
        run_check(&args, socks, &far_end, &overlay, &stop).await
    } else {
        let url = format!("http://{}/", far_end.page);
        log::say("try it:");
        log::give(&format!("curl --socks5-hostname {socks} {url}"));
        stop.cancelled().await;
        Ok(())
    };
    stop.cancel();
    client.await.context("the client failed")?;
    bridge.await.context("the bridge failed")?;
    overlay.shutdown().await;
    drop(places);
    outcome
}

async fn run_check(
    args: &DemoArgs,
    socks: std::net::SocketAddr,
    far_end: &FarEnd,
    overlay: &Running,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let plan = check::Plan { socks, page: far_end.page, echo: far_end.echo, args };
    let report = tokio::select! {
        report = check::run(&plan) => report,
        () = stop.cancelled() => anyhow::bail!("interrupted"),
    };
    let stats = overlay.stats();
    let lost = stats.iter().map(|route| route.datagrams_lost).sum();
    let carried = stats.iter().map(|route| route.datagrams_out).sum();
    let report = report?.with_datagrams(lost, carried);
    report.print(args.json)?;
    ensure!(report.ok, "the body is not the one that was sent");
    Ok(())
}

async fn join(config: &OverlayConfig, far_end: &FarEnd) -> anyhow::Result<(Bridge, Client)> {
    let key = key_file::random_key()?;
    // A key that no process had before this one: there is nothing that it might take twice.
    let identity = BridgeIdentity::new(key.clone(), Duration::ZERO);
    let mut specs = config.logins.iter().map(|login| match (&login.dbus, &login.x11) {
        (Some(address), _) => CarrierSpec::SkypeDbus(Some(address.clone())),
        (None, Some(display)) => CarrierSpec::SkypeX11(Some(display.clone())),
        (None, None) => CarrierSpec::SkypeUnix(login.socket.clone()),
    });
    let (client_spec, bridge_spec) =
        specs.next().zip(specs.next()).context("the demo has two logins")?;
    let (config, public) = (tunnel::endpoint_config(tunnel::LOST_KEPT), key.public());
    let far = Endpoint::bridge_of_many(identity, config.clone());
    let near = Endpoint::client_of_many(config);
    let bridge = carriers::attach_bridge(&far, &bridge_spec, &public).await?;
    let mut ways = carriers::attach_client(&near, &[client_spec], &[public]).await?;
    let ways = BridgeWays {
        credentials: public.into(),
        peers: vec![format!("skype:{BRIDGE}").parse().context("the demo's own login")?],
        attachments: ways.pop().unwrap_or_default(),
    };
    let session = Session::new(near, vec![ways], Policy::default())?;
    let forward = ForwardList::new([far_end.page, far_end.echo]);
    Ok((Bridge::new(far, vec![bridge], forward), Client::new(session)))
}

/// What a login is attached to by, if it is no socket.
#[derive(Debug)]
#[expect(dead_code, reason = "they are kept for what their end does")]
enum Place {
    Bus(Bus),
    Display(Display),
}

/// A bus or a display for each login, if they are to be attached to by one.
async fn start_places(
    args: &DemoArgs,
    dir: &std::path::Path,
    config: &mut OverlayConfig,
) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for login in &mut config.logins {
        match args.attach {
            AttachBy::Unix => {}
            AttachBy::Dbus => {
                let bus = Bus::start(&dir.join(format!("{}.bus", login.name))).await?;
                login.dbus = Some(bus.address.clone());
                places.push(Place::Bus(bus));
            }
            AttachBy::X11 => {
                let display = Display::start().await?;
                login.x11 = Some(display.name.clone());
                places.push(Place::Display(display));
            }
        }
    }
    Ok(places)
}

fn overlay_config(args: &DemoArgs, dir: &std::path::Path) -> OverlayConfig {
    let login = |name: &str| LoginConfig::new(name, dir.join(format!("{name}.sock")));
    let (rate, rtt_ms, loss) = (Some(args.relay_rate), Some(args.rtt), Some(args.loss));
    let relays = args.relays.map(|count| RelaysConfig {
        count: Some(count),
        rate,
        rtt_ms,
        loss,
        lifetime_s: Some(0.0),
        set_up_ms: Some(args.rtt),
        ..RelaysConfig::default()
    });
    let link = match relays {
        Some(_) => LinkConfig::default(),
        None => LinkConfig { rate, rtt_ms, loss, ..LinkConfig::default() },
    };
    let logins = vec![login(CLIENT), login(BRIDGE)];
    OverlayConfig { seed: args.seed, logins, link, relays, ..OverlayConfig::default() }
}
