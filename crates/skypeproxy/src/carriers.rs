//! From `skype:unix:PATH` and `udp:IP:PORT` to endpoints.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, anyhow};
use ap2ap_stream::{Config, PublicKey, SecretKey};
use ap2ap_tokio::Endpoint;
use carrier::Carrier;
use carrier_skype::{AttachError, Refusal, SkypeCarrier, app_name};
use carrier_udp::UdpCarrier;
use tracing::{Span, error_span};

use crate::exit::{Exit, coded};
use crate::log;

/// What ends a process when nothing is left to be carried by.
pub(crate) fn gone() -> anyhow::Error {
    let error = anyhow!("every carrier is gone: start the overlay again, then this");
    coded(Exit::Unavailable, error)
}

/// A carrier as it is written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CarrierSpec {
    /// `skype:unix:PATH`: a Skype's API on a Unix socket.
    SkypeUnix(PathBuf),
    /// `udp:IP:PORT`: a local address to bind.
    Udp(SocketAddr),
}

impl CarrierSpec {
    /// The scheme of the peers that the carrier reaches.
    pub(crate) const fn scheme(&self) -> &'static str {
        match self {
            Self::SkypeUnix(_) => "skype",
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
        let addr = text.strip_prefix("udp:").ok_or(ParseCarrierError::Unknown)?;
        addr.parse().map(Self::Udp).map_err(|_| ParseCarrierError::Address)
    }
}

impl fmt::Display for CarrierSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SkypeUnix(path) => write!(f, "skype:unix:{}", path.display()),
            Self::Udp(addr) => write!(f, "udp:{addr}"),
        }
    }
}

/// Why a text names no carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseCarrierError {
    #[error("a carrier is skype:unix:PATH or udp:IP:PORT")]
    Unknown,
    #[error("skype:unix: is followed by the path of Skype's socket")]
    NoPath,
    #[error("udp: is followed by the local IP:PORT to bind")]
    Address,
}

/// Opens a bridge's endpoint on a carrier.
pub(crate) async fn bridge_endpoint(
    spec: &CarrierSpec,
    key: &SecretKey,
) -> anyhow::Result<Endpoint> {
    let carrier = open(spec, &key.public()).await?;
    let _in = span(spec).entered();
    Ok(Endpoint::bridge(carrier, key.clone(), Config::default()))
}

/// Opens a client's endpoint on a carrier.
pub(crate) async fn client_endpoint(
    spec: &CarrierSpec,
    bridge: &PublicKey,
) -> anyhow::Result<Endpoint> {
    let carrier = open(spec, bridge).await?;
    let _in = span(spec).entered();
    Ok(Endpoint::client(carrier, Config::default()))
}

/// `carrier{id, scheme}`: connections are numbered within their carrier.
fn span(spec: &CarrierSpec) -> Span {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    error_span!(parent: None, "carrier", id, scheme = spec.scheme())
}

async fn open(spec: &CarrierSpec, bridge: &PublicKey) -> anyhow::Result<Box<dyn Carrier>> {
    match spec {
        CarrierSpec::SkypeUnix(path) => {
            let app = app_name(bridge.octets());
            let attached = SkypeCarrier::attach_unix(path, app).await;
            let carrier = attached
                .map_err(|error| coded(exit_of(&error), error))
                .with_context(|| format!("cannot attach to Skype at {spec}"))?;
            Ok(Box::new(carrier))
        }
        CarrierSpec::Udp(addr) => {
            let carrier = UdpCarrier::bind(*addr)
                .map_err(|error| coded(Exit::of_io(&error, Exit::Os), error))
                .with_context(|| format!("cannot bind {spec}: is the port in use?"))?;
            log::give(&format!("carrier udp:{}", carrier.local_addr()));
            Ok(Box::new(carrier))
        }
    }
}

fn exit_of(error: &AttachError) -> Exit {
    match error {
        AttachError::NoAccess { .. } | AttachError::Refused(Refusal::Consent) => Exit::NoPermission,
        AttachError::Timeout { .. } => Exit::Temporary,
        AttachError::Missing { .. }
        | AttachError::NobodyListens { .. }
        | AttachError::Connect { .. }
        | AttachError::Refused(_)
        | AttachError::Lost { .. }
        // Whatever else may come: there is no Skype to be used.
        | _ => Exit::Unavailable,
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
