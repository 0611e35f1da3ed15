#![doc = include_str!("../README.md")]

#[cfg(feature = "dbus")]
mod bus;
mod config;
mod overlay;
#[cfg(feature = "x11")]
mod screens;
mod server;
mod socket;

pub use config::{
    BURST_DEFAULT, CensorConfig, ChoiceRule, Class, ConfigError, ConnectingEnd, Consent,
    ContactConfig, ContactRule, EVENTS_MAX, EventConfig, Happening, LOGINS_MAX, LinkBetween,
    LinkConfig, LoginConfig, Manner, OverlayConfig, Preset, RELAYS_MAX, RelaysConfig, SendingForm,
    SkypeConfig, ThrottleKind, WhenGone,
};
pub use overlay::{
    APPS_PER_LOGIN_MAX, AttachError, CLIENTS_PER_LOGIN_MAX, ClientId, Output, Overlay,
    PROTOCOL_MAX, RelayStats, RouteStats, STREAM_IDLE, STREAMS_PER_APP_MAX, StreamRoute,
};
pub use server::{Running, ServeError, serve};
pub use socket::BindError;
