//! From `skype:unix:PATH` and `udp:IP:PORT` to endpoints, as often as a carrier is lost.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, anyhow};
use ap2ap_stream::PublicKey;
use ap2ap_tokio::Endpoint;
use carrier::Carrier;
use carrier_skype::{AttachError as SkypeError, Refusal, SkypeCarrier, app_name};
use carrier_udp::UdpCarrier;
use tracing::{Span, error_span};
use tunnel::{Attach, AttachError, Attaching, Attachment};

use crate::exit::{Exit, coded};
use crate::log;

/// What ends a process when nothing is left to be carried by.
pub(crate) fn gone(refusal: Option<AttachError>) -> anyhow::Error {
    let what = "every carrier is gone for good";
    let Some(refusal) = refusal else { return coded(Exit::Unavailable, anyhow!(what)) };
    coded(exit_of(&refusal), anyhow::Error::from(refusal).context(what))
}

/// A carrier as it is written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CarrierSpec {
    /// `skype:unix:PATH`: a Skype's API on a Unix socket.
    SkypeUnix(PathBuf),
    /// `skype:dbus:ADDRESS`: the Skype on a bus, `skype:dbus:` on the session's.
    SkypeDbus(Option<String>),
    /// `skype:x11:DISPLAY`: the Skype on a display, `skype:x11:` on the environment's.
    SkypeX11(Option<String>),
    /// `udp:IP:PORT`: a local address to bind.
    Udp(SocketAddr),
}

impl CarrierSpec {
    /// The scheme of the peers that the carrier reaches.
    pub(crate) const fn scheme(&self) -> &'static str {
        match self {
            Self::SkypeUnix(_) | Self::SkypeDbus(_) | Self::SkypeX11(_) => "skype",
            Self::Udp(_) => "udp",
        }
    }
}

impl FromStr for CarrierSpec {
    type Err = ParseCarrierError;

    fn from_str(text: &str) -> Result<Self, ParseCarrierError> {
        if let Some(path) = text.strip_prefix("skype:unix:") {
            return if path.is_empty() {
                Err(ParseCarrierError::NoPath)
            } else {
                Ok(Self::SkypeUnix(path.into()))
            };
        }
        if let Some(address) = text.strip_prefix("skype:dbus:") {
            return match address {
                "" => Ok(Self::SkypeDbus(None)),
                // A bus's address names a way and its keys.
                _ if !address.contains(':') => Err(ParseCarrierError::Bus),
                _ => Ok(Self::SkypeDbus(Some(address.to_owned()))),
            };
        }
        if let Some(display) = text.strip_prefix("skype:x11:") {
            return match display {
                "" => Ok(Self::SkypeX11(None)),
                _ if !display.contains(':') => Err(ParseCarrierError::Display),
                _ => Ok(Self::SkypeX11(Some(display.to_owned()))),
            };
        }
        let addr = text.strip_prefix("udp:").ok_or(ParseCarrierError::Unknown)?;
        addr.parse().map(Self::Udp).map_err(|_| ParseCarrierError::Address)
    }
}

impl fmt::Display for CarrierSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SkypeUnix(path) => write!(f, "skype:unix:{}", path.display()),
            Self::SkypeDbus(address) => {
                write!(f, "skype:dbus:{}", address.as_deref().unwrap_or_default())
            }
            Self::SkypeX11(display) => {
                write!(f, "skype:x11:{}", display.as_deref().unwrap_or_default())
            }
            Self::Udp(addr) => write!(f, "udp:{addr}"),
        }
    }
}

/// Why a text names no carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseCarrierError {
    #[error(
        "a carrier is skype:unix:PATH, skype:dbus:[ADDRESS], skype:x11:[DISPLAY] or udp:IP:PORT"
    )]
    Unknown,
    #[error("skype:unix: is followed by the path of Skype's socket")]
    NoPath,
    #[error(
        "skype:dbus: is followed by a bus's address, such as unix:path=/run/bus, or by nothing"
    )]
    Bus,
    #[error("skype:x11: is followed by a display, such as :0, or by nothing")]
    Display,
    #[error("udp: is followed by the local IP:PORT to bind")]
    Address,
}

/// Attaches a bridge to a carrier. The error is an [`AttachError`] in a context.
pub(crate) async fn attach_bridge(
    endpoint: &Endpoint,
    spec: &CarrierSpec,
    bridge: &PublicKey,
) -> anyhow::Result<Attachment> {
    attach(endpoint, spec, bridge).await
}

/// Attaches a client to each of its carriers, for each bridge: two bridges' paths have nothing in common that Skype
/// could see. A UDP socket serves all of them. The error is an [`AttachError`] in a context.
pub(crate) async fn attach_client(
    endpoint: &Endpoint,
    specs: &[CarrierSpec],
    bridges: &[PublicKey],
) -> anyhow::Result<Vec<Ways>> {
    let mut ways: Vec<Ways> = bridges.iter().map(|_| Ways::new()).collect();
    for spec in specs {
        let mut first: Option<Arc<Attachment>> = None;
        for (key, ways) in bridges.iter().zip(&mut ways) {
            let attachment = match (&first, spec) {
                (Some(first), CarrierSpec::Udp(_)) => Arc::clone(first),
                (
                    Some(first),
                    CarrierSpec::SkypeUnix(_)
                    | CarrierSpec::SkypeDbus(_)
                    | CarrierSpec::SkypeX11(_),
                ) => Arc::new(attach(endpoint, spec, key).await?.of_login(first.login())),
                (None, _) => Arc::new(attach(endpoint, spec, key).await?),
            };
            first.get_or_insert_with(|| Arc::clone(&attachment));
            ways.push((spec.scheme().to_owned(), attachment));
        }
    }
    Ok(ways)
}

/// What a bridge is reached through, by the scheme of its peers.
pub(crate) type Ways = Vec<(String, Arc<Attachment>)>;

async fn attach(
    endpoint: &Endpoint,
    spec: &CarrierSpec,
    bridge: &PublicKey,
) -> anyhow::Result<Attachment> {
    let opener = Opener { spec: spec.clone(), bridge: *bridge, bound: OnceLock::new() };
    let attached = Attachment::new(endpoint, opener).await;
    attached.map_err(|error| coded(exit_of(&error), error)).with_context(|| match spec {
        CarrierSpec::SkypeUnix(_) | CarrierSpec::SkypeDbus(_) | CarrierSpec::SkypeX11(_) => {
            format!("cannot attach to Skype at {spec}")
        }
        CarrierSpec::Udp(_) => format!("cannot bind {spec}: is the port in use?"),
    })
}

/// `carrier{id, scheme}`.
fn span(spec: &CarrierSpec) -> Span {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    error_span!(parent: None, "carrier", id, scheme = spec.scheme())
}

/// Opens one carrier, as often as it is lost.
struct Opener {
    spec: CarrierSpec,
    /// Whose paths it is for.
    bridge: PublicKey,
    /// The address of the first UDP socket: peers know it, so later ones get it too.
    bound: OnceLock<SocketAddr>,
}

impl Opener {
    async fn open(&self) -> Result<Box<dyn Carrier>, AttachError> {
        Ok(match &self.spec {
            CarrierSpec::SkypeUnix(path) => {
                let app = app_name(self.bridge.octets());
                Box::new(SkypeCarrier::attach_unix(path, app).await.map_err(skype_error)?)
            }
            CarrierSpec::SkypeDbus(address) => {
                let app = app_name(self.bridge.octets());
                let attached = SkypeCarrier::attach_dbus(address.as_deref(), app).await;
                Box::new(attached.map_err(skype_error)?)
            }
            CarrierSpec::SkypeX11(display) => {
                let app = app_name(self.bridge.octets());
                let attached = SkypeCarrier::attach_x11(display.as_deref(), app).await;
                Box::new(attached.map_err(skype_error)?)
            }
            CarrierSpec::Udp(addr) => Box::new(self.bind(*addr)?),
        })
    }

    fn bind(&self, configured: SocketAddr) -> Result<UdpCarrier, AttachError> {
        let addr = self.bound.get().copied().unwrap_or(configured);
        let carrier = UdpCarrier::bind(addr).map_err(|error| AttachError::Away(Box::new(error)))?;
        if self.bound.set(carrier.local_addr()).is_ok() {
            log::give(&format!("carrier udp:{}", carrier.local_addr()));
        }
        Ok(carrier)
    }
}

impl Attach for Opener {
    fn name(&self) -> &str {
        match self.spec {
            CarrierSpec::SkypeUnix(_) | CarrierSpec::SkypeDbus(_) | CarrierSpec::SkypeX11(_) => {
                "Skype"
            }
            CarrierSpec::Udp(_) => "the UDP socket",
        }
    }

    fn attach(&self) -> Attaching<'_> {
        Box::pin(self.open())
    }

    fn span(&self) -> Span {
        span(&self.spec)
    }
}

/// Who was refused, by Skype's user or by the system, need not ask again.
fn skype_error(error: SkypeError) -> AttachError {
    if matches!(error, SkypeError::Refused(_) | SkypeError::NoAccess { .. }) {
        return AttachError::Refused(Box::new(error));
    }
    AttachError::Away(Box::new(error))
}

fn exit_of(error: &AttachError) -> Exit {
    let (AttachError::Away(cause) | AttachError::Refused(cause)) = error;
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return Exit::of_io(error, Exit::Os);
    }
    match cause.downcast_ref::<SkypeError>() {
        Some(SkypeError::NoAccess { .. } | SkypeError::Refused(Refusal::Consent)) => {
            Exit::NoPermission
        }
        Some(SkypeError::Timeout { .. }) => Exit::Temporary,
        // Whatever else there may be: there is no Skype to be used.
        Some(_) | None => Exit::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_round_trip() {
        for text in ["skype:unix:/run/a b.sock", "udp:127.0.0.1:0", "udp:[::1]:9"] {
            assert_eq!(text.parse::<CarrierSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refuse = |text: &str| text.parse::<CarrierSpec>().unwrap_err();
        assert_eq!(refuse("tox:abc"), ParseCarrierError::Unknown);
        assert_eq!(refuse("skype:unix:"), ParseCarrierError::NoPath);
        assert_eq!(refuse("udp:localhost:1"), ParseCarrierError::Address);
    }
}
