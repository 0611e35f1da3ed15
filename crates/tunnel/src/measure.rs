//! Measures a path between a client and its bridge, in both directions, by trains of unreliable datagrams.
//!
//! ```text
//!   client                                             bridge
//!   Prober up    ── Sender: probes ──────────────────► notes what came
//!                ◄────── heard, on the stream ────────
//!   Prober down  ── ask, on the stream ──────────────► Sender
//!                ◄────────────────────── probes ──────
//! ```
//!
//! The client decides everything; the bridge sends what was asked for, within limits, and tells what came.

mod serve;
mod unpaced;

use std::future::pending;
use std::io;
use std::time::Duration;

use ap2ap_tokio::{Connection, ConnectionError, ReadHalf, Stream, WriteHalf};
use relay_probe::wire::{self, Clocks, HEARD_LEN};
use relay_probe::{Estimate, Prober, Sender, Sizes, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};
use tunnel_proto::{Answer, Cause, Opening};

pub(crate) use serve::{MEASUREMENTS_MAX, serve};

use unpaced::unpaced;

/// What goes around a probe in its datagram, in octets: header, frame type and tag, at the most.
const AROUND: usize = 1 + 4 + 1 + 16;

/// Longer probes would be the only such datagrams that Skype sees.
const PROBE_OCTETS_MAX: usize = 1_000;

/// A probe that was not sent when it is so late measures nothing any more.
const STALE: Duration = Duration::from_millis(500);

/// What was found of a path.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the client to the bridge.
    pub up: Estimate,
    /// From the bridge to the client.
    pub down: Estimate,
    /// The least round trip, once known.
    pub round_trip: Option<Duration>,
    /// How long it took.
    pub took: Duration,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// There is no connection, or it was lost.
    #[error("the connection was lost")]
    Connection(#[from] ConnectionError),
    /// The bridge said no.
    #[error("the bridge does not measure: {0}")]
    Refused(Cause),
    /// The bridge does not know what was asked, or gave up.
    #[error("the bridge ended the measurement: it may be too old for it")]
    Ended,
}

/// Measures the paths of `connection` for so long. Nothing else should use it meanwhile, or ever: its pacing is gone.
///
/// # Errors
/// [`MeasureError`] if the bridge refuses, or the connection ends before anything is known.
pub async fn measure(connection: &Connection, length: Duration) -> Result<Measured, MeasureError> {
    connection.ready().await?;
    let mut stream = connection.open_stream().await?;
    let ahead = open(&mut stream).await?;
    connection.set_congestion(unpaced());
    let began = Instant::now();
    let mut client = Client::new(connection, began, ahead);
    client.run(&mut stream.into_split(), began + length).await?;
    let paths = connection.paths();
    let round_trips = paths.iter().filter_map(|path| path.stats.as_ref()?.rtt_min);
    Ok(Measured {
        up: client.up.estimate(),
        down: client.down.estimate(),
        round_trip: round_trips.min(),
        took: began.elapsed(),
    })
}

/// Asks to measure; the answer's end may be the beginning of the next message.
async fn open(stream: &mut Stream) -> Result<Vec<u8>, MeasureError> {
    let mut opening = Vec::new();
    Opening::Measure.encode(&mut opening);
    stream.write_all(&opening).await.map_err(|_| MeasureError::Ended)?;
    let mut input = Vec::new();
    loop {
        match Answer::decode(&input) {
            Ok(Some((answer, used))) if answer.cause == Cause::Connected => {
                return Ok(input.split_off(used));
            }
            Ok(Some((answer, _))) => return Err(MeasureError::Refused(answer.cause)),
            Ok(None) => {}
            Err(_) => return Err(MeasureError::Ended),
        }
        if stream.read_buf(&mut input).await.map_err(|_| MeasureError::Ended)? == 0 {
            return Err(MeasureError::Ended);
        }
    }
}

/// Sends what is due of a train, and says when more is.
fn send_due(connection: &Connection, sender: &mut Sender, began: Instant) -> Option<Instant> {
    let now = Instant::now();
    while let Some((train, number)) = sender.poll(now.into_std()) {
        let mut probe = Vec::new();
        let sent = wire::ticks(began.elapsed());
        let octets = usize::from(train.octets).saturating_sub(AROUND);
        wire::encode_probe(train.id, number, sent, octets, &mut probe);
        // A path that has become too narrow loses it: a probe that is lost is a result.
        let _ = connection.send_datagram(probe, Some(STALE));
    }
    sender.next_at().map(Instant::from_std)
}

struct Client<'a> {
    connection: &'a Connection,
    began: Instant,
    up: Prober,
    up_clocks: Clocks,
    sender: Sender,
    down: Prober,
    down_clocks: Clocks,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl<'a> Client<'a> {
    fn new(connection: &'a Connection, began: Instant, input: Vec<u8>) -> Self {
        let (least, most) = (AROUND + wire::PROBE_LEN, connection.datagram_max() + AROUND);
        let octets = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        let sizes = Sizes { min: octets(least), max: octets(most.min(PROBE_OCTETS_MAX)) };
        let prober = || Prober::new(began.into_std(), sizes);
        Self {
            connection,
            began,
            up: prober(),
            up_clocks: Clocks::default(),
            sender: Sender::default(),
            down: prober(),
            down_clocks: Clocks::default(),
            input,
            output: Vec::new(),
        }
    }

    async fn run(
        &mut self,
        (read, write): &mut (ReadHalf, WriteHalf),
        until: Instant,
    ) -> Result<(), MeasureError> {
        // What the bridge heard comes back the other way: one direction after the other, as long as they flood.
        let halfway = self.began + (until - self.began) / 2;
        while Instant::now() < until {
            self.take_heard();
            let mut wake = until.min(self.plan_up());
            if self.up.is_known() || Instant::now() >= halfway {
                wake = wake.min(self.plan_down());
            } else {
                wake = wake.min(halfway);
            }
            if let Some(at) = send_due(self.connection, &mut self.sender, self.began) {
                wake = wake.min(at);
            }
            tokio::select! {
                read = read.read_buf(&mut self.input) => {
                    if read.map_err(|_| MeasureError::Ended)? == 0 {
                        return Err(MeasureError::Ended);
                    }
                }
                probe = self.connection.recv_datagram() => self.take_probe(&probe?),
                flushed = flush(write, &mut self.output) => {
                    flushed.map_err(|_| MeasureError::Ended)?;
                }
                () = sleep_until(wake) => {}
            }
        }
        Ok(())
    }

    fn plan_up(&mut self) -> Instant {
        let now = Instant::now().into_std();
        match self.up.poll(now) {
            Step::Send(train) => {
                self.sender.start(now, train);
                Instant::from_std(now)
            }
            Step::Wait(at) => Instant::from_std(at),
        }
    }

    fn plan_down(&mut self) -> Instant {
        let now = Instant::now().into_std();
        match self.down.poll(now) {
            Step::Send(train) => {
                wire::encode_ask(&train, &mut self.output);
                Instant::from_std(now)
            }
            Step::Wait(at) => Instant::from_std(at),
        }
    }

    fn take_heard(&mut self) {
        let (heard, _) = self.input.as_chunks::<HEARD_LEN>();
        let used = heard.len() * HEARD_LEN;
        for heard in heard {
            let (probe, at) = wire::decode_heard(heard);
            let arrival = self.up_clocks.arrival(probe, at);
            self.up.on_arrival(Instant::now().into_std(), arrival);
        }
        self.input.drain(..used);
    }

    fn take_probe(&mut self, octets: &[u8]) {
        let Some(probe) = wire::decode_probe(octets) else { return };
        let at = wire::ticks(self.began.elapsed());
        let arrival = self.down_clocks.arrival(probe, at);
        self.down.on_arrival(Instant::now().into_std(), arrival);
    }
}

/// Writes some of what is to be written; never ends if that is nothing. It may be dropped at any time.
async fn flush(stream: &mut WriteHalf, output: &mut Vec<u8>) -> io::Result<()> {
    if output.is_empty() {
        return pending().await;
    }
    let written = stream.write(output).await?;
    output.drain(..written);
    Ok(())
}
