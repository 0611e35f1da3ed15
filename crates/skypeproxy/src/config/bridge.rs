//! A bridge's settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use ap2ap_stream::PublicKey;
use tunnel::TcpBuffers;

use super::print::Printer;
use super::sources::{Key, Missing, Setting, Sources};
use super::{
    CARRIER, CARRIERS_MAX, Kind, NO_CARRIER, SANDBOX, STATUS_SOCKET, Settings, TCP_BUFFERS,
};
use crate::args::{BridgeArgs, FileArgs};
use crate::carriers::CarrierSpec;
use crate::sandbox::Mode;

/// A bridge has no more targets: each request is looked up among them.
const FORWARDS_MAX: usize = 1024;

/// A bridge lets in no more clients by name: each first message is looked up among them.
const ALLOWED_MAX: usize = 1024;

const KEY: Key = Key { name: "key", flag: "--key", variable: "SKYPEPROXY_KEY" };
const ALLOW: Key = Key { name: "allow", flag: "--allow", variable: "SKYPEPROXY_ALLOW" };
const FORWARD: Key = Key { name: "forward", flag: "--forward", variable: "SKYPEPROXY_FORWARD" };

const KEEP_LOST: Key =
    Key { name: "keep_lost", flag: "--keep-lost", variable: "SKYPEPROXY_KEEP_LOST" };

const MEASURE: Key = Key { name: "measure", flag: "--measure", variable: "SKYPEPROXY_MEASURE" };

/// A session holds memory for as long as it is kept: a day is enough for any laptop.
const KEEP_LOST_MAX_S: u64 = 86_400;

const NO_KEY: Missing = Missing {
    key: &KEY,
    remedy: "no key: name its file with --key; `skypeproxy keygen` makes one",
};
const NO_FORWARD: Missing = Missing {
    key: &FORWARD,
    remedy: "no target: name where connections may go with --forward IP:PORT",
};

/// What may stand at the top of a bridge's file.
pub(super) const KEYS: [&str; 9] = [
    CARRIER.name,
    KEY.name,
    ALLOW.name,
    FORWARD.name,
    TCP_BUFFERS.name,
    STATUS_SOCKET.name,
    KEEP_LOST.name,
    MEASURE.name,
    SANDBOX.name,
];

/// What a bridge does.
#[derive(Debug)]
pub(crate) struct BridgeSettings {
    pub(crate) carriers: Option<Setting<Vec<CarrierSpec>>>,
    pub(crate) key: Option<Setting<PathBuf>>,
    /// Only clients with one of these keys are let in; everybody is if there is no list.
    pub(crate) allow: Option<Setting<Vec<PublicKey>>>,
    pub(crate) forwards: Option<Setting<Vec<SocketAddr>>>,
    pub(crate) tcp_buffers: Setting<TcpBuffers>,
    pub(crate) status_socket: Option<Setting<PathBuf>>,
    /// For how many seconds a session without a path is kept.
    pub(crate) keep_lost: Setting<u64>,
    /// Whether clients may measure their paths.
    pub(crate) measure: Setting<bool>,
    pub(crate) sandbox: Setting<Mode>,
}

impl Settings for BridgeSettings {
    type Args = BridgeArgs;
    const KIND: Kind = Kind::Bridge;

    fn file(args: &BridgeArgs) -> &FileArgs {
        &args.file
    }

    fn resolve(args: BridgeArgs, sources: &mut Sources<'_>) -> Self {
        let settings = Self {
            carriers: sources.list(&CARRIER, args.carriers, CARRIERS_MAX),
            key: sources.value(&KEY, args.key),
            allow: sources.list(&ALLOW, args.allow, ALLOWED_MAX),
            forwards: sources.list(&FORWARD, args.forwards, FORWARDS_MAX),
            tcp_buffers: super::tcp_buffers(args.tcp_buffers, sources),
            status_socket: sources.value(&STATUS_SOCKET, args.status_socket),
            keep_lost: sources
                .value(&KEEP_LOST, args.keep_lost)
                .unwrap_or(Setting::default(tunnel::LOST_KEPT.as_secs())),
            measure: sources.value(&MEASURE, args.measure).unwrap_or(Setting::default(true)),
            sandbox: super::sandbox(&args.sandbox, sources),
        };
        settings.check_keep_lost(sources);
        settings.check_ports(sources);
        settings.check_allow(sources);
        settings
    }

    fn missing(&self) -> Vec<Missing> {
        let all = [
            (self.carriers.is_some(), NO_CARRIER),
            (self.key.is_some(), NO_KEY),
            (self.forwards.is_some(), NO_FORWARD),
        ];
        all.into_iter().filter(|(is_set, _)| !is_set).map(|(_, missing)| missing).collect()
    }

    fn print(&self, printer: &mut Printer) {
        printer.list(&CARRIER, self.carriers.as_ref());
        printer.value(&KEY, self.key.as_ref());
        printer.list(&ALLOW, self.allow.as_ref());
        printer.list(&FORWARD, self.forwards.as_ref());
        printer.value(&TCP_BUFFERS, Some(&self.tcp_buffers));
        printer.value(&STATUS_SOCKET, self.status_socket.as_ref());
        printer.value(&KEEP_LOST, Some(&self.keep_lost));
        printer.value(&MEASURE, Some(&self.measure));
        printer.value(&SANDBOX, Some(&self.sandbox));
    }
}

impl BridgeSettings {
    /// An empty list says nothing elsewhere. Here it would let everybody in where nobody is meant.
    fn check_allow(&self, sources: &mut Sources<'_>) {
        let Some(table) = sources.table().filter(|table| !table.has_problems()) else { return };
        let Some(origin) = table.origin(ALLOW.name).filter(|_| self.allow.is_none()) else {
            return;
        };
        let what = "expected at least one client's key in `allow`, found none; leave it out to let \
                    everybody in who knows the bridge's key";
        sources.problem(origin, what.to_owned());
    }

    fn check_keep_lost(&self, sources: &mut Sources<'_>) {
        let seconds = self.keep_lost.value;
        if seconds > KEEP_LOST_MAX_S {
            let what = format!("expected at most {KEEP_LOST_MAX_S} seconds, found {seconds}");
            sources.problem(self.keep_lost.origin.clone(), what);
        }
    }

    /// Port 0 is where nobody can be.
    fn check_ports(&self, sources: &mut Sources<'_>) {
        let Some(forwards) = &self.forwards else { return };
        if let Some(nowhere) = forwards.value.iter().find(|target| target.port() == 0) {
            let what = format!("expected targets with a port other than 0, found {nowhere}");
            sources.problem(forwards.origin.clone(), what);
        }
    }
}
