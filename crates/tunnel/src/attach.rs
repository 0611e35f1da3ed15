//! An endpoint that is made again when its carrier is lost.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ap2ap_tokio::Endpoint;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::backoff::Backoff;

/// While an overlay is gone it is looked for at least this often.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A carrier that was lost sooner than this after it came back was hardly back: the waits go on
/// growing.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// What [`Attach::attach`] returns.
pub type Attaching<'a> = Pin<Box<dyn Future<Output = Result<Endpoint, AttachError>> + Send + 'a>>;

/// How an endpoint comes to be: attaches to an overlay's client, binds a socket.
pub trait Attach: Send + Sync + 'static {
    /// What people call the other side: "Skype".
    fn name(&self) -> &str;

    /// Attaches once. It may be dropped at any time, and be called again as long as it does not fail
    /// with [`AttachError::Refused`].
    fn attach(&self) -> Attaching<'_>;
}

/// Why there is no endpoint. Its text is the cause's, which names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It is not there, or not ready: another attempt may succeed.
    #[error(transparent)]
    Away(Box<dyn Error + Send + Sync>),
    /// Somebody said no: another attempt would only annoy.
    #[error(transparent)]
    Refused(Box<dyn Error + Send + Sync>),
}

/// An endpoint, and the way to another one when its carrier is lost.
pub struct Attachment {
    /// `None`: the endpoint was given, and there will be no other.
    attach: Option<Box<dyn Attach>>,
    /// `None` while the carrier is gone.
    endpoint: watch::Sender<Option<Endpoint>>,
}

impl Attachment {
    /// Attaches for the first time.
    ///
    /// # Errors
    /// [`AttachError`] at once: what is not there when a program begins is more likely misspelt
    /// than gone for a moment.
    pub async fn new(attach: impl Attach) -> Result<Self, AttachError> {
        let endpoint = attach.attach().await?;
        Ok(Self { attach: Some(Box::new(attach)), ..Self::from(endpoint) })
    }

    /// The endpoint, unless its carrier is gone.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.borrow().clone()
    }

    /// Follows the endpoint through its losses: there is none while the carrier is gone.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Endpoint>> {
        self.endpoint.subscribe()
    }

    /// Attaches again whenever the carrier is lost, and tells `back` so. Ends when there is no hope:
    /// with the refusal, or with nothing where there is no other endpoint.
    pub(crate) async fn keep(&self, back: &Notify) -> Option<AttachError> {
        let mut backoff = Backoff::up_to(RETRY_MAX);
        while let Some(endpoint) = self.endpoint() {
            let since = Instant::now();
            let reason = endpoint.ended().await;
            drop(endpoint);
            self.endpoint.send_replace(None);
            let attach = self.attach.as_deref()?;
            warn!(%reason, "{} is gone: waiting for it to come back", attach.name());
            if since.elapsed() >= STABLE_AFTER {
                backoff.reset();
            }
            match again(attach, &mut backoff).await {
                Ok(endpoint) => self.endpoint.send_replace(Some(endpoint)),
                Err(error) => {
                    warn!(%error, "{} is not waited for any longer", attach.name());
                    return Some(error);
                }
            };
            info!("{} is back", attach.name());
            back.notify_one();
        }
        None
    }

    /// Says goodbye to whoever is connected.
    pub(crate) async fn shutdown(&self, reason: &str) {
        if let Some(endpoint) = self.endpoint() {
            endpoint.shutdown(crate::code::STOPPING, reason).await;
        }
    }
}

/// Keeps several: ends when there is no hope for any of them, with the last refusal.
pub(crate) async fn keep_all(
    attachments: impl Iterator<Item = &Attachment>,
    back: &Notify,
) -> Option<AttachError> {
    let mut keeping: Vec<_> = attachments.map(|one| Box::pin(one.keep(back))).collect();
    let mut refusal = None;
    poll_fn(|cx| {
        keeping.retain_mut(|keep| match keep.as_mut().poll(cx) {
            Poll::Ready(None) => false,
            Poll::Ready(error) => {
                refusal = error;
                false
            }
            Poll::Pending => true,
        });
        if keeping.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    refusal
}

/// Attaches until it succeeds or is refused.
async fn again(attach: &dyn Attach, backoff: &mut Backoff) -> Result<Endpoint, AttachError> {
    loop {
        sleep(backoff.wait()).await;
        match attach.attach().await {
            Err(AttachError::Away(error)) => debug!(%error, "{} is still gone", attach.name()),
            done => return done,
        }
    }
}

impl From<Endpoint> for Attachment {
    /// An endpoint that has no successor.
    fn from(endpoint: Endpoint) -> Self {
        Self { attach: None, endpoint: watch::Sender::new(Some(endpoint)) }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.attach.as_deref().map(Attach::name);
        f.debug_struct("Attachment").field("name", &name).finish_non_exhaustive()
    }
}
