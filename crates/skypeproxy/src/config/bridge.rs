//! A bridge's settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use tunnel::TcpBuffers;

use super::print::Printer;
use super::sources::{Key, Setting, Sources};
use super::{CARRIER, CARRIERS_MAX, Kind, SANDBOX, Settings, TCP_BUFFERS};
use crate::args::{BridgeArgs, FileArgs};
use crate::carriers::CarrierSpec;
use crate::sandbox::Mode;

/// A bridge has no more targets: each request is looked up among them.
const FORWARDS_MAX: usize = 1024;

const KEY: Key = Key {
    name: "key",
    flag: "--key",
    variable: "SKYPEPROXY_KEY",
    remedy: "no key: name its file with --key; `skypeproxy keygen` makes one",
};
const FORWARD: Key = Key {
    name: "forward",
    flag: "--forward",
    variable: "SKYPEPROXY_FORWARD",
    remedy: "no target: name where connections may go with --forward IP:PORT",
};

/// What may stand at the top of a bridge's file.
pub(super) const KEYS: [&str; 5] =
    [CARRIER.name, KEY.name, FORWARD.name, TCP_BUFFERS.name, SANDBOX.name];

/// What a bridge does.
#[derive(Debug)]
pub(crate) struct BridgeSettings {
    pub(crate) carriers: Option<Setting<Vec<CarrierSpec>>>,
    pub(crate) key: Option<Setting<PathBuf>>,
    pub(crate) forwards: Option<Setting<Vec<SocketAddr>>>,
    pub(crate) tcp_buffers: Setting<TcpBuffers>,
    pub(crate) sandbox: Setting<Mode>,
}

impl Settings for BridgeSettings {
    type Args = BridgeArgs;
    const KIND: Kind = Kind::Bridge;

    fn file(args: &BridgeArgs) -> &FileArgs {
        &args.file
    }

    fn resolve(args: BridgeArgs, sources: &mut Sources<'_>) -> Self {
        Self {
            carriers: sources.list(&CARRIER, args.carriers, CARRIERS_MAX),
            key: sources.value(&KEY, args.key),
            forwards: sources.list(&FORWARD, args.forwards, FORWARDS_MAX),
            tcp_buffers: super::tcp_buffers(args.tcp_buffers, sources),
            sandbox: super::sandbox(&args.sandbox, sources),
        }
    }

    fn missing(&self) -> Vec<&'static Key> {
        let all = [
            (&CARRIER, self.carriers.is_some()),
            (&KEY, self.key.is_some()),
            (&FORWARD, self.forwards.is_some()),
        ];
        all.into_iter().filter(|(_, is_set)| !is_set).map(|(key, _)| key).collect()
    }

    fn print(&self, printer: &mut Printer) {
        printer.list(&CARRIER, self.carriers.as_ref());
        printer.value(&KEY, self.key.as_ref());
        printer.list(&FORWARD, self.forwards.as_ref());
        printer.value(&TCP_BUFFERS, Some(&self.tcp_buffers));
        printer.value(&SANDBOX, Some(&self.sandbox));
    }
}
