#![doc = include_str!("../README.md")]

mod config;
mod overlay;
mod server;
mod socket;

pub use config::{
    BURST_DEFAULT, ConfigError, Consent, LOGINS_MAX, LinkBetween, LinkConfig, LoginConfig,
    OverlayConfig, ThrottleKind,
};
pub use overlay::{
    APPS_PER_LOGIN_MAX, AttachError, CLIENTS_PER_LOGIN_MAX, ClientId, Output, Overlay,
    PROTOCOL_MAX, RouteStats, STREAM_IDLE, STREAMS_PER_APP_MAX,
};
pub use server::{Running, ServeError, serve};
pub use socket::BindError;
