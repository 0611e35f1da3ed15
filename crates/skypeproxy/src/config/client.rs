//! A client's settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ap2ap_stream::PublicKey;
use carrier::PeerId;
use tunnel::TcpBuffers;

use super::print::Printer;
use super::sources::{Key, Missing, Setting, Sources};
use super::{
    CARRIER, CARRIERS_MAX, Kind, NO_CARRIER, SANDBOX, STATUS_SOCKET, Settings, TCP_BUFFERS,
};
use crate::args::{ClientArgs, FileArgs};
use crate::carriers::CarrierSpec;
use crate::sandbox::Mode;

/// A bridge is reached at no more addresses: each is tried in turn, and minutes would pass.
const BRIDGES_MAX: usize = 64;

/// Where a client listens unless told otherwise: SOCKS's own port, this machine only.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1080);

const BRIDGE: Key = Key { name: "bridge", flag: "--bridge", variable: "SKYPEPROXY_BRIDGE" };
const BRIDGE_KEY: Key =
    Key { name: "bridge_key", flag: "--bridge-key", variable: "SKYPEPROXY_BRIDGE_KEY" };
const CLIENT_KEY: Key =
    Key { name: "client_key", flag: "--client-key", variable: "SKYPEPROXY_CLIENT_KEY" };
const LISTEN: Key = Key { name: "listen", flag: "--listen", variable: "SKYPEPROXY_LISTEN" };

const NO_BRIDGE: Missing = Missing {
    key: &BRIDGE,
    remedy: "no bridge: name one with --bridge skype:LOGIN or --bridge udp:IP:PORT",
};
const NO_BRIDGE_KEY: Missing =
    Missing { key: &BRIDGE_KEY, remedy: "no key: give the bridge's public key with --bridge-key" };

/// What may stand at the top of a client's file.
pub(super) const KEYS: [&str; 8] = [
    CARRIER.name,
    BRIDGE.name,
    BRIDGE_KEY.name,
    CLIENT_KEY.name,
    LISTEN.name,
    TCP_BUFFERS.name,
    STATUS_SOCKET.name,
    SANDBOX.name,
];

/// What a client does.
#[derive(Debug)]
pub(crate) struct ClientSettings {
    pub(crate) carriers: Option<Setting<Vec<CarrierSpec>>>,
    pub(crate) bridges: Option<Setting<Vec<PeerId>>>,
    pub(crate) bridge_key: Option<Setting<PublicKey>>,
    /// The file of the client's own key, for a bridge that asks for one.
    pub(crate) client_key: Option<Setting<PathBuf>>,
    pub(crate) listen: Setting<SocketAddr>,
    pub(crate) tcp_buffers: Setting<TcpBuffers>,
    pub(crate) status_socket: Option<Setting<PathBuf>>,
    pub(crate) sandbox: Setting<Mode>,
}

impl Settings for ClientSettings {
    type Args = ClientArgs;
    const KIND: Kind = Kind::Client;

    fn file(args: &ClientArgs) -> &FileArgs {
        &args.file
    }

    fn resolve(args: ClientArgs, sources: &mut Sources<'_>) -> Self {
        let settings = Self {
            carriers: sources.list(&CARRIER, args.carriers, CARRIERS_MAX),
            bridges: sources.list(&BRIDGE, args.bridges, BRIDGES_MAX),
            bridge_key: sources.value(&BRIDGE_KEY, args.bridge_key),
            client_key: sources.value(&CLIENT_KEY, args.client_key),
            listen: sources.value(&LISTEN, args.listen).unwrap_or(Setting::default(LISTEN_DEFAULT)),
            tcp_buffers: super::tcp_buffers(args.tcp_buffers, sources),
            status_socket: sources.value(&STATUS_SOCKET, args.status_socket),
            sandbox: super::sandbox(&args.sandbox, sources),
        };
        settings.check_reach(sources);
        settings
    }

    fn missing(&self) -> Vec<Missing> {
        let all = [
            (self.carriers.is_some(), NO_CARRIER),
            (self.bridges.is_some(), NO_BRIDGE),
            (self.bridge_key.is_some(), NO_BRIDGE_KEY),
        ];
        all.into_iter().filter(|(is_set, _)| !is_set).map(|(_, missing)| missing).collect()
    }

    fn print(&self, printer: &mut Printer) {
        printer.list(&CARRIER, self.carriers.as_ref());
        printer.list(&BRIDGE, self.bridges.as_ref());
        printer.value(&BRIDGE_KEY, self.bridge_key.as_ref());
        printer.value(&CLIENT_KEY, self.client_key.as_ref());
        printer.value(&LISTEN, Some(&self.listen));
        printer.value(&TCP_BUFFERS, Some(&self.tcp_buffers));
        printer.value(&STATUS_SOCKET, self.status_socket.as_ref());
        printer.value(&SANDBOX, Some(&self.sandbox));
    }
}

impl ClientSettings {
    /// Every address of the bridge needs a carrier of its kind.
    fn check_reach(&self, sources: &mut Sources<'_>) {
        let (Some(carriers), Some(bridges)) = (&self.carriers, &self.bridges) else { return };
        let reaches =
            |peer: &&PeerId| carriers.value.iter().any(|one| one.scheme() == peer.scheme());
        if let Some(peer) = bridges.value.iter().find(|peer| !reaches(peer)) {
            let scheme = peer.scheme();
            let what = format!("no carrier reaches {scheme} peers: add --carrier {scheme}:...");
            sources.problem(bridges.origin.clone(), what);
        }
    }
}
