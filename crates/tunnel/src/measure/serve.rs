//! The bridge's part of a measurement: sends the trains that are asked for, and tells which probes came.

use std::time::Duration;

use ap2ap_stream::congestion::Congestion;
use ap2ap_tokio::{Connection, Stream};
use relay_probe::Sender;
use relay_probe::wire::{self, ASK_LEN, WireError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};
use tunnel_proto::{Answer, Cause};

use super::unpaced::unpaced;
use super::{flush, send_due};

/// Clients that a bridge measures with at once: each may ask for floods.
pub(crate) const MEASUREMENTS_MAX: usize = 2;

/// The longest measurement.
const LENGTH_MAX: Duration = Duration::from_hours(3);

/// What a bridge sends for one measurement, in octets: some 20 trains at 1 MB/s.
const OCTETS_MAX: u64 = 250_000_000;

/// What came is told this often: more often would cost a datagram each.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What came and was not told yet, in octets: what is beyond counts as lost.
const UNTOLD_MAX: usize = 256 * 1024;

/// Measures as the client wishes, until it goes away or asks for too much.
pub(crate) async fn serve(mut stream: Stream, connection: &Connection, input: Vec<u8>) {
    let mut answer = Vec::new();
    Answer { cause: Cause::Connected, bound: None }.encode(&mut answer);
    if stream.write_all(&answer).await.is_err() {
        return;
    }
    info!("a client measures its path");
    connection.set_congestion(unpaced());
    let ended = run(connection, stream, input).await;
    connection.set_congestion(Congestion::default());
    debug!(why = %ended, "the measurement is over");
}

/// Why a measurement is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client is gone")]
    ClientGone,
    #[error("it took too long")]
    TooLong,
    #[error("the client asks for {0} octets, more than one measurement may cost")]
    TooMuch(u64),
    #[error("what was asked for is refused")]
    Refused(#[from] WireError),
}

async fn run(connection: &Connection, stream: Stream, mut input: Vec<u8>) -> Ended {
    let began = Instant::now();
    let (mut read, mut write) = stream.into_split();
    let (mut untold, mut output) = (Vec::new(), Vec::new());
    let (mut sender, mut cost) = (Sender::default(), 0_u64);
    let mut tell_at = began;
    while began.elapsed() < LENGTH_MAX {
        let asked = input.as_chunks::<ASK_LEN>().0.len() * ASK_LEN;
        for ask in input.as_chunks::<ASK_LEN>().0 {
            match wire::decode_ask(ask) {
                Ok(train) if cost.saturating_add(train.cost()) <= OCTETS_MAX => {
                    cost = cost.saturating_add(train.cost());
                    sender.start(Instant::now().into_std(), train);
                }
                Ok(train) => return Ended::TooMuch(cost.saturating_add(train.cost())),
                Err(error) => return error.into(),
            }
        }
        input.drain(..asked);
        let now = Instant::now();
        if now >= tell_at {
            output.append(&mut untold);
            tell_at = now + TELL_EVERY;
        }
        let wake = send_due(connection, &mut sender, began).map_or(tell_at, |at| at.min(tell_at));
        tokio::select! {
            asked = read.read_buf(&mut input) => {
                if !asked.is_ok_and(|octets| octets > 0) {
                    return Ended::ClientGone;
                }
            }
            probe = connection.recv_datagram() => {
                let Ok(probe) = probe else { return Ended::ClientGone };
                if let Some(probe) = wire::decode_probe(&probe)
                    && untold.len() + output.len() < UNTOLD_MAX
                {
                    wire::encode_heard(probe, wire::ticks(began.elapsed()), &mut untold);
                }
            }
            flushed = flush(&mut write, &mut output) => {
                if flushed.is_err() {
                    return Ended::ClientGone;
                }
            }
            () = sleep_until(wake) => {}
        }
    }
    Ended::TooLong
}
