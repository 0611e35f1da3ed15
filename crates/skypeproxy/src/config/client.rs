//! A client's settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ap2ap_stream::PublicKey;
use carrier::PeerId;
use tunnel::{Policy, TcpBuffers};

use super::paths::{self, PathSettings};
use super::print::Printer;
use super::problem::Origin;
use super::sources::{Key, Missing, Setting, Sources};
use super::table::Table;
use super::value::{Value, listed};
use super::{
    CARRIER, CARRIERS_MAX, Kind, NO_CARRIER, SANDBOX, STATUS_SOCKET, Settings, TCP_BUFFERS,
};
use crate::args::{ClientArgs, FileArgs};
use crate::carriers::CarrierSpec;
use crate::sandbox::Mode;

/// A bridge is reached at no more addresses: each is tried in turn, and minutes would pass.
const BRIDGES_MAX: usize = 64;

/// A client knows no more bridges: through each Skype it attaches once for each.
const BRIDGE_TABLES_MAX: usize = 16;

/// Where a client listens unless told otherwise: SOCKS's own port, this machine only.
pub(crate) const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1080);

const BRIDGE: Key = Key { name: "bridge", flag: "--bridge", variable: "SKYPEPROXY_BRIDGE" };
const BRIDGE_KEY: Key =
    Key { name: "bridge_key", flag: "--bridge-key", variable: "SKYPEPROXY_BRIDGE_KEY" };
const CLIENT_KEY: Key =
    Key { name: "client_key", flag: "--client-key", variable: "SKYPEPROXY_CLIENT_KEY" };
const STATE: Key = Key { name: "state", flag: "--state", variable: "SKYPEPROXY_STATE" };
const LISTEN: Key = Key { name: "listen", flag: "--listen", variable: "SKYPEPROXY_LISTEN" };

const NO_BRIDGE: Missing = Missing {
    key: &BRIDGE,
    remedy: "no bridge: name one with --bridge skype:LOGIN or --bridge udp:IP:PORT",
};
const NO_BRIDGE_KEY: Missing =
    Missing { key: &BRIDGE_KEY, remedy: "no key: give the bridge's public key with --bridge-key" };

/// What may stand at the top of a client's file.
pub(super) const KEYS: [&str; 11] = [
    STATE.name,
    CARRIER.name,
    BRIDGE.name,
    BRIDGE_KEY.name,
    CLIENT_KEY.name,
    LISTEN.name,
    TCP_BUFFERS.name,
    STATUS_SOCKET.name,
    SANDBOX.name,
    paths::KEYS[0],
    paths::KEYS[1],
];

/// A bridge: its addresses, and its key.
#[derive(Clone, Debug)]
pub(crate) struct BridgeTable {
    pub(crate) peers: Vec<PeerId>,
    pub(crate) key: PublicKey,
    /// The file of the client's own key, for a bridge that asks for one.
    pub(crate) client_key: Option<PathBuf>,
}

/// What a client does.
#[derive(Debug)]
pub(crate) struct ClientSettings {
    pub(crate) carriers: Option<Setting<Vec<CarrierSpec>>>,
    pub(crate) bridges: Option<Setting<Vec<PeerId>>>,
    pub(crate) bridge_key: Option<Setting<PublicKey>>,
    /// The file of the client's own key, for a bridge that asks for one.
    pub(crate) client_key: Option<Setting<PathBuf>>,
    /// Bridges with a table each; there are none if the command line or the environment names one.
    tables: Vec<BridgeTable>,
    tables_origin: Origin,
    paths: PathSettings,
    /// Where to keep what the next process is to know.
    pub(crate) state: Option<Setting<PathBuf>>,
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
        let carriers = sources.list(&CARRIER, args.carriers, CARRIERS_MAX);
        let (tables, tables_origin) = tables(sources);
        let bridges = sources.list(&BRIDGE, args.bridges, BRIDGES_MAX);
        let settings = Self {
            carriers,
            tables: if bridges.is_some() { Vec::new() } else { tables },
            tables_origin,
            bridges,
            bridge_key: sources.value(&BRIDGE_KEY, args.bridge_key),
            client_key: sources.value(&CLIENT_KEY, args.client_key),
            listen: sources.value(&LISTEN, args.listen).unwrap_or(Setting::default(LISTEN_DEFAULT)),
            tcp_buffers: super::tcp_buffers(args.tcp_buffers, sources),
            status_socket: sources.value(&STATUS_SOCKET, args.status_socket),
            sandbox: super::sandbox(&args.sandbox, sources),
            state: sources.value(&STATE, args.state),
            paths: PathSettings::resolve(args.paths, sources),
        };
        settings.check_reach(sources);
        settings.check_tables(sources);
        settings
    }

    fn missing(&self) -> Vec<Missing> {
        let has_tables = !self.tables.is_empty();
        let all = [
            (self.carriers.is_some(), NO_CARRIER),
            (self.bridges.is_some() || has_tables, NO_BRIDGE),
            (self.bridge_key.is_some() || has_tables, NO_BRIDGE_KEY),
        ];
        all.into_iter().filter(|(is_set, _)| !is_set).map(|(_, missing)| missing).collect()
    }

    fn print(&self, printer: &mut Printer) {
        printer.list(&CARRIER, self.carriers.as_ref());
        if self.tables.is_empty() {
            printer.list(&BRIDGE, self.bridges.as_ref());
            printer.value(&BRIDGE_KEY, self.bridge_key.as_ref());
        }
        printer.value(&CLIENT_KEY, self.client_key.as_ref());
        printer.value(&LISTEN, Some(&self.listen));
        printer.value(&TCP_BUFFERS, Some(&self.tcp_buffers));
        printer.value(&STATUS_SOCKET, self.status_socket.as_ref());
        printer.value(&SANDBOX, Some(&self.sandbox));
        printer.value(&STATE, self.state.as_ref());
        self.paths.print(printer);
        self.paths.print_table(printer);
        for table in &self.tables {
            let origin = &self.tables_origin;
            printer.line(&format!("\n[[{}]]  # {origin}", BRIDGE.name));
            printer.pair("peers", listed(&table.peers), origin);
            printer.pair("key", table.key.to_toml(), origin);
            if let Some(file) = &table.client_key {
                printer.pair("client_key", file.to_toml(), origin);
            }
        }
    }
}

impl ClientSettings {
    /// All bridges, in the order in which they are tried; none if something is missing.
    pub(crate) fn bridge_list(&self) -> Vec<BridgeTable> {
        let (Some(peers), Some(key)) = (&self.bridges, &self.bridge_key) else {
            return self.tables.clone();
        };
        let client_key = self.client_key.as_ref().map(|file| file.value.clone());
        vec![BridgeTable { peers: peers.value.clone(), key: key.value, client_key }]
    }

    /// How paths are kept.
    pub(crate) const fn policy(&self) -> Policy {
        self.paths.policy
    }

    /// Every address of a bridge needs a carrier of its kind.
    fn check_reach(&self, sources: &mut Sources<'_>) {
        let Some(carriers) = &self.carriers else { return };
        let reaches =
            |peer: &&PeerId| carriers.value.iter().any(|one| one.scheme() == peer.scheme());
        let named = self.bridges.iter().map(|bridges| (&bridges.value, &bridges.origin));
        let tabled = self.tables.iter().map(|table| (&table.peers, &self.tables_origin));
        for (peers, origin) in named.chain(tabled) {
            if let Some(peer) = peers.iter().find(|peer| !reaches(peer)) {
                let scheme = peer.scheme();
                let what = format!("no carrier reaches {scheme} peers: add --carrier {scheme}:...");
                sources.problem(origin.clone(), what);
                return;
            }
        }
    }

    /// What is said of one bridge says nothing where there are several.
    fn check_tables(&self, sources: &mut Sources<'_>) {
        if self.tables.is_empty() {
            return;
        }
        let lone = [
            self.bridge_key.as_ref().map(|key| (BRIDGE_KEY.name, "key", &key.origin)),
            self.client_key.as_ref().map(|key| (CLIENT_KEY.name, "client_key", &key.origin)),
        ];
        for (name, within, origin) in lone.into_iter().flatten() {
            let what = format!("`{name}` has no place beside [[bridge]]: say `{within}` in each");
            sources.problem(origin.clone(), what);
        }
    }
}

/// The bridges that have a table each, and where the first one stands.
fn tables(sources: &mut Sources<'_>) -> (Vec<BridgeTable>, Origin) {
    let Some(table) = sources.table().filter(|table| table.has_tables(BRIDGE.name)) else {
        return (Vec::new(), Origin::Default);
    };
    let tables = table.tables(BRIDGE.name, BRIDGE_TABLES_MAX, bridge_table);
    (tables, table.origin(BRIDGE.name).unwrap_or(Origin::Default))
}

fn bridge_table(table: &mut Table<'_>) -> Option<BridgeTable> {
    let peers: Option<Vec<PeerId>> = table.list("peers", BRIDGES_MAX);
    let key = table.required("key");
    let client_key = table.value("client_key");
    let peers = peers.filter(|peers| !peers.is_empty());
    if peers.is_none() && !table.has_problems() {
        let what = "a bridge needs `peers`: expected a list of skype:LOGIN and udp:IP:PORT";
        table.problem_at("", what.to_owned());
    }
    Some(BridgeTable { peers: peers?, key: key?, client_key })
}
