//! A carrier of an endpoint, which is made again when it is lost.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use ap2ap_tokio::{CarrierId, Endpoint};
use carrier::Carrier;
use path_manager::LoginId;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tracing::{Span, debug, info, warn};

use crate::backoff::Backoff;

/// While an overlay is gone it is looked for at least this often.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A carrier that was lost sooner than this after it came back was hardly back: the waits go on
/// growing.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// What [`Attach::attach`] returns.
pub type Attaching<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn Carrier>, AttachError>> + Send + 'a>>;

/// How a carrier comes to be: attaches to an overlay's client, binds a socket.
pub trait Attach: Send + Sync + 'static {
    /// What people call the other side: "Skype".
    fn name(&self) -> &str;

    /// Attaches once. It may be dropped at any time, and be called again as long as it does not fail
    /// with [`AttachError::Refused`].
    fn attach(&self) -> Attaching<'_>;

    /// Where what the next carrier logs is to stand.
    fn span(&self) -> Span {
        Span::current()
    }
}

/// Why there is no carrier. Its text is the cause's, which names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It is not there, or not ready: another attempt may succeed.
    #[error(transparent)]
    Away(Box<dyn Error + Send + Sync>),
    /// Somebody said no: another attempt would only annoy.
    #[error(transparent)]
    Refused(Box<dyn Error + Send + Sync>),
}

/// A carrier of an endpoint's, and the way to another one when it is lost.
pub struct Attachment {
    /// `None`: the endpoint came with its carrier, and there will be no other.
    attach: Option<Box<dyn Attach>>,
    endpoint: Endpoint,
    /// Whose budget its paths use.
    login: LoginId,
    /// `None` while it is gone.
    carrier: watch::Sender<Option<CarrierId>>,
}

impl Attachment {
    /// Attaches for the first time, and gives the carrier to the endpoint.
    ///
    /// # Errors
    /// [`AttachError`] at once: what is not there when a program begins is more likely misspelt
    /// than gone for a moment.
    pub async fn new(endpoint: &Endpoint, attach: impl Attach) -> Result<Self, AttachError> {
        let carrier = attach_once(endpoint, &attach).await?;
        Ok(Self {
            attach: Some(Box::new(attach)),
            endpoint: endpoint.clone(),
            login: next_login(),
            carrier: watch::Sender::new(Some(carrier)),
        })
    }

    /// The same login as another attachment's, which is for another bridge: they share a budget.
    #[must_use]
    pub fn of_login(self, login: LoginId) -> Self {
        Self { login, ..self }
    }

    /// Whose budget its paths use.
    #[must_use]
    pub const fn login(&self) -> LoginId {
        self.login
    }

    /// The carrier, unless it is gone.
    #[must_use]
    pub fn carrier(&self) -> Option<CarrierId> {
        *self.carrier.borrow()
    }

    /// Follows the carrier through its losses: there is none while it is gone.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<CarrierId>> {
        self.carrier.subscribe()
    }

    /// Attaches again whenever the carrier is lost, and tells `back` so. Ends when there is no hope:
    /// with the refusal, or with nothing where there is no other endpoint.
    pub(crate) async fn keep(&self, back: &Notify) -> Option<AttachError> {
        let mut backoff = Backoff::up_to(RETRY_MAX);
        while let Some(carrier) = self.carrier() {
            let since = Instant::now();
            let reason = self.endpoint.carrier_ended(carrier).await;
            self.carrier.send_replace(None);
            let attach = self.attach.as_deref()?;
            warn!(%reason, "{} is gone: waiting for it to come back", attach.name());
            if since.elapsed() >= STABLE_AFTER {
                backoff.reset();
            }
            match again(&self.endpoint, attach, &mut backoff).await {
                Ok(carrier) => self.carrier.send_replace(Some(carrier)),
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
async fn again(
    endpoint: &Endpoint,
    attach: &dyn Attach,
    backoff: &mut Backoff,
) -> Result<CarrierId, AttachError> {
    loop {
        sleep(backoff.wait()).await;
        match attach_once(endpoint, attach).await {
            Err(AttachError::Away(error)) => debug!(%error, "{} is still gone", attach.name()),
            done => return done,
        }
    }
}

/// Each attachment is a login by itself unless it is said to be another's.
fn next_login() -> LoginId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    LoginId(NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn attach_once(
    endpoint: &Endpoint,
    attach: &(impl Attach + ?Sized),
) -> Result<CarrierId, AttachError> {
    let carrier = attach.attach().await?;
    let _in = attach.span().entered();
    endpoint.add_carrier(carrier).map_err(|error| AttachError::Away(Box::new(error)))
}

impl From<Endpoint> for Attachment {
    /// The carrier that an endpoint was made with, which has no successor.
    fn from(endpoint: Endpoint) -> Self {
        let carrier = watch::Sender::new(Some(CarrierId::FIRST));
        Self { attach: None, endpoint, login: next_login(), carrier }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.attach.as_deref().map(Attach::name);
        f.debug_struct("Attachment").field("name", &name).finish_non_exhaustive()
    }
}
