//! A carrier that is lost is attached to again, in virtual time.

#![expect(clippy::as_conversions, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ap2ap_stream::{Config, SecretKey};
use ap2ap_tokio::{BridgeIdentity, Endpoint};
use carrier::{Carrier, CarrierEvent, CarrierPath, OpenError, PeerId, SendError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tunnel::{Attach, AttachError, Attaching, Attachment, Bridge, Ended, ForwardList};

fn endpoint() -> Endpoint {
    let key = SecretKey::from_octets([7; 32]);
    Endpoint::bridge_of_many(BridgeIdentity::new(key, Duration::ZERO), Config::default())
}

/// A carrier that does nothing until it ends.
#[derive(Clone, Default)]
struct Mortal(Arc<Mutex<(bool, Option<Waker>)>>);

impl Mortal {
    fn die(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        state.1.take().into_iter().for_each(Waker::wake);
    }
}

impl Carrier for Mortal {
    fn open(&mut self, _: std::time::Instant, _: &PeerId) -> Result<CarrierPath, OpenError> {
        Err(OpenError::Closed { why: "it does nothing".to_owned() })
    }
    fn accept(&mut self, _: std::time::Instant, _: CarrierPath) {}
    fn reject(&mut self, _: std::time::Instant, _: CarrierPath) {}
    fn close(&mut self, _: std::time::Instant, _: CarrierPath) {}
    fn try_send(
        &mut self,
        _: std::time::Instant,
        _: CarrierPath,
        _: &[u8],
    ) -> Result<(), SendError> {
        Err(SendError::Gone)
    }
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        _: std::time::Instant,
        _: &mut [u8],
    ) -> Poll<CarrierEvent> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            return Poll::Ready(CarrierEvent::Closed { why: "it died".to_owned() });
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What an overlay that is attached to answers next; after the last one it is away for good.
#[derive(Clone, Copy, Debug)]
enum Answer {
    There,
    Away,
    Refuses,
}

/// An overlay that answers by a script, and notes when it was asked.
#[derive(Clone)]
struct Scripted(Arc<Mutex<State>>);

struct State {
    script: VecDeque<Answer>,
    asked: Vec<Instant>,
    carrier: Option<Mortal>,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let script = script.into_iter().collect();
        Self(Arc::new(Mutex::new(State { script, asked: Vec::new(), carrier: None })))
    }

    /// A bridge over it.
    async fn bridge(&self) -> (JoinHandle<Ended>, CancellationToken) {
        let endpoint = endpoint();
        let attachment = Attachment::new(&endpoint, self.clone()).await.unwrap();
        let stop = CancellationToken::new();
        let bridge = Bridge::new(endpoint, vec![attachment], ForwardList::default());
        (tokio::spawn(bridge.run(stop.clone())), stop)
    }

    fn dies(&self) {
        self.0.lock().unwrap().carrier.take().unwrap().die();
    }

    fn asked(&self) -> Vec<Instant> {
        self.0.lock().unwrap().asked.clone()
    }
}

impl Attach for Scripted {
    fn name(&self) -> &str {
        "the test"
    }

    fn attach(&self) -> Attaching<'_> {
        Box::pin(async {
            let mut state = self.0.lock().unwrap();
            state.asked.push(Instant::now());
            match state.script.pop_front() {
                Some(Answer::There) => {
                    let carrier = Mortal::default();
                    state.carrier = Some(carrier.clone());
                    Ok(Box::new(carrier) as Box<dyn Carrier>)
                }
                Some(Answer::Away) | None => Err(AttachError::Away("not there".into())),
                Some(Answer::Refuses) => Err(AttachError::Refused("no".into())),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_at_first_is_said_at_once() {
    let overlay = Scripted::new([Answer::Away, Answer::There]);
    let attached = Attachment::new(&endpoint(), overlay.clone()).await;
    assert!(matches!(attached, Err(AttachError::Away(_))));
    assert_eq!(overlay.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_is_lost_is_asked_for_ever_more_rarely_until_it_is_back() {
    let script = [Answer::There].into_iter().chain([Answer::Away; 20]).chain([Answer::There]);
    let overlay = Scripted::new(script);
    let (bridge, stop) = overlay.bridge().await;
    let lost_at = Instant::now();
    overlay.dies();
    sleep(Duration::from_secs(300)).await;
    let asked = overlay.asked();
    assert_eq!(asked.len(), 22);
    assert!(asked[1] - lost_at <= Duration::from_millis(250));
    let waits: Vec<Duration> = asked[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(10)), "{waits:?}");
    assert!(waits[10..].iter().all(|wait| *wait >= Duration::from_secs(5)), "{waits:?}");
    // Back, and lost again after a while.
    overlay.dies();
    sleep(Duration::from_secs(20)).await;
    assert!(overlay.asked()[22] - asked[21] > Duration::from_secs(10));
    assert!(!bridge.is_finished());
    stop.cancel();
    assert!(matches!(bridge.await.unwrap(), Ended::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_end_and_is_not_asked_about_again() {
    let overlay = Scripted::new([Answer::There, Answer::Away, Answer::Refuses, Answer::There]);
    let (bridge, _stop) = overlay.bridge().await;
    overlay.dies();
    let ended = bridge.await.unwrap();
    let Ended::CarriersGone(Some(AttachError::Refused(why))) = ended else { panic!("{ended:?}") };
    assert_eq!(why.to_string(), "no");
    assert_eq!(overlay.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_carrier() {
    let overlay = Scripted::new([Answer::There]);
    let (bridge, stop) = overlay.bridge().await;
    overlay.dies();
    sleep(Duration::from_secs(60)).await;
    let began = Instant::now();
    stop.cancel();
    assert!(matches!(bridge.await.unwrap(), Ended::Stopped));
    assert_eq!(began.elapsed(), Duration::ZERO);
}
