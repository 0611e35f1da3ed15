//! From a target that a client asks for to a TCP connection, if the bridge forwards there.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tunnel_proto::{Cause, Host, Target};

use crate::tcp::TcpBuffers;

/// How long a bridge waits for a target: some connect on the second attempt, after 3 seconds.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a bridge waits for a name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a bridge forwards to, and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardList {
    targets: BTreeSet<SocketAddr>,
    buffers: TcpBuffers,
}

impl ForwardList {
    /// The addresses to which connections are forwarded.
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { targets: targets.into_iter().collect(), buffers: TcpBuffers::default() }
    }

    /// How much may wait in the kernel for connections to the targets.
    #[must_use]
    pub const fn with_tcp_buffers(mut self, buffers: TcpBuffers) -> Self {
        self.buffers = buffers;
        self
    }

    pub(crate) const fn tcp_buffers(&self) -> TcpBuffers {
        self.buffers
    }

    /// How many targets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no target at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether connections to `addr` are forwarded.
    #[must_use]
    pub fn allows(&self, addr: &SocketAddr) -> bool {
        self.targets.contains(addr)
    }

    /// Connects to the target if it is in the list.
    ///
    /// # Errors
    /// The cause to tell the client. A name that resolves to nothing in the list is
    /// [`Cause::NotAllowed`] like any other, whether it exists or not: a bridge is no oracle for the
    /// names of its network.
    pub(crate) async fn dial(&self, target: &Target) -> Result<TcpStream, Cause> {
        let addr = self.resolve(target).await.ok_or(Cause::NotAllowed)?;
        let connected = timeout(DIAL_TIMEOUT, self.buffers.connect(addr)).await;
        let tcp = connected.map_err(|_| Cause::TimedOut)?.map_err(|error| cause(&error))?;
        // Small messages are waited for; if the peer is gone already, reading will say so.
        let _ = tcp.set_nodelay(true);
        Ok(tcp)
    }

    async fn resolve(&self, target: &Target) -> Option<SocketAddr> {
        if let Some(addr) = target.socket_addr() {
            return self.allows(&addr).then_some(addr);
        }
        let Host::Name(name) = &target.host else { return None };
        // A name is only looked up if some target has its port.
        if !self.targets.iter().any(|addr| addr.port() == target.port.get()) {
            return None;
        }
        let lookup = lookup_host((name.as_str(), target.port.get()));
        let mut found = timeout(LOOKUP_TIMEOUT, lookup).await.ok()?.ok()?;
        found.find(|addr| self.allows(addr))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system has forty kinds, SOCKS has five")]
fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::HostUnreachable => Cause::HostUnreachable,
        io::ErrorKind::NetworkUnreachable => Cause::NetworkUnreachable,
        io::ErrorKind::TimedOut => Cause::TimedOut,
        io::ErrorKind::PermissionDenied => Cause::NotAllowed,
        _ => Cause::BridgeFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(list: &ForwardList, target: &str) -> Cause {
        list.dial(&target.parse().unwrap()).await.unwrap_err()
    }

    #[tokio::test]
    async fn only_what_is_listed_is_dialled() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let list = ForwardList::new([addr]);
        assert!(list.dial(&addr.to_string().parse().unwrap()).await.is_ok());
        assert!(list.dial(&format!("localhost:{}", addr.port()).parse().unwrap()).await.is_ok());
        assert_eq!(refusal(&list, "127.0.0.1:1").await, Cause::NotAllowed);
        assert_eq!(refusal(&list, "127.0.0.2:80").await, Cause::NotAllowed);
        assert_eq!(refusal(&list, "example.invalid:1").await, Cause::NotAllowed);
    }

    #[tokio::test]
    async fn a_closed_port_is_refused_as_such() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(refusal(&ForwardList::new([addr]), &addr.to_string()).await, Cause::Refused);
    }
}
