//! A request that holds its client's connection until it is answered.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Address, Connect, Credentials, Reply, Version};

/// How much payload a client may send ahead of the reply before we stop reading, in octets: a TLS hello with
/// room to spare. The kernel holds what comes after.
const AHEAD_LEN_MAX: usize = 16 * 1024;

/// How long a refused client has to take note and close. See [`close_gently`].
const LINGER: Duration = Duration::from_secs(1);

/// How much a refused client may still send, in octets.
const LINGER_LEN_MAX: usize = 64 * 1024;

/// A client that has said where it wants to go and waits for the reply.
///
/// [`Request::accept`] or [`Request::refuse`] it; dropped, it is closed without a word.
#[derive(Debug)]
#[must_use = "a client waits for its reply: accept or refuse the request"]
pub struct Request {
    stream: TcpStream,
    connect: Connect,
    /// Payload that came ahead of the reply. Rarely above [`AHEAD_LEN_MAX`], and then by less than a read.
    ahead: Vec<u8>,
    half_closed: bool,
}

impl Request {
    pub(crate) const fn new(stream: TcpStream, connect: Connect, ahead: Vec<u8>) -> Self {
        Self { stream, connect, ahead, half_closed: false }
    }

    /// Tells the client it is connected, through the far end's address `bound`, and hands over its
    /// connection and the payload it sent ahead.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn accept(mut self, bound: Option<SocketAddr>) -> io::Result<(TcpStream, Vec<u8>)> {
        let reply = Reply::Succeeded.encode(self.connect.version, bound);
        self.stream.write_all(&reply).await?;
        Ok((self.stream, self.ahead))
    }

    /// Tells the client why it is not connected and closes, which may take a second.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn refuse(self, cause: Reply) -> io::Result<()> {
        debug_assert_ne!(cause, Reply::Succeeded, "a success is accepted, not refused");
        close_gently(self.stream, &cause.encode(self.connect.version, None)).await
    }

    /// Completes when the client has left and nobody waits for the reply any more. Meant to be selected
    /// against the connecting; it may be dropped and called again at any time.
    ///
    /// A reset is a leave. An end of its data is one if it sent no payload ahead: a client that
    /// was killed leaves so. Behind payload it is a half-close, and the client waits for what comes back.
    pub async fn client_gone(&mut self) {
        while !self.half_closed && self.ahead.len() < AHEAD_LEN_MAX {
            if self.stream.readable().await.is_err() {
                return;
            }
            match self.read_ahead() {
                Ok(0) if self.ahead.is_empty() => return,
                Ok(0) => self.half_closed = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
        // Only a reset is of interest now, whether it can be waited for or not.
        let _ = self.stream.ready(Interest::ERROR).await;
    }

    /// Where the client wants to go.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.connect.address
    }

    /// What the client said about itself.
    #[must_use]
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.connect.credentials.as_ref()
    }

    /// Which protocol the client speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.connect.version
    }

    fn read_ahead(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 2048];
        let len = self.stream.try_read(&mut chunk)?;
        self.ahead.extend(chunk.iter().take(len));
        Ok(len)
    }
}

/// Sends the last `octets` and closes so that they arrive.
///
/// If we closed while the client's octets lie unread, the kernel would send a reset, and a reset overtakes
/// what we have just sent. So we end our side and read the client's to its end, within limits.
pub(crate) async fn close_gently(mut stream: TcpStream, octets: &[u8]) -> io::Result<()> {
    stream.write_all(octets).await?;
    stream.shutdown().await?;
    let drain = async {
        let mut chunk = [0; 2048];
        let mut drained = 0;
        while drained < LINGER_LEN_MAX {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(len) => drained += len,
            }
        }
    };
    // Out of time is as good as drained: the limit is for those who never close.
    let _ = timeout(LINGER, drain).await;
    Ok(())
}
