//! `demo --check`: a body of known hash through the proxy, beside a request every half second.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval_at};

use super::body::Body;
use crate::args::DemoArgs;
use crate::log;

/// A request, in octets, and how often one is sent whether or not the last was answered.
const PING_OCTETS: usize = 100;
const PING_EVERY: Duration = Duration::from_millis(500);

/// The answer's head is no longer, in octets.
const HEAD_OCTETS_MAX: usize = 8 * 1024;

/// What to check, and through what.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) socks: SocketAddr,
    pub(crate) page: SocketAddr,
    pub(crate) echo: SocketAddr,
    pub(crate) args: &'a DemoArgs,
}

/// The figures of a check; the names are what scripts rely on.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    bytes: u64,
    seconds: f64,
    goodput_bytes_per_s: f64,
    relay_rate_bytes_per_s: u64,
    /// Payload octets a second / the relay's octets of AP2AP text a second: at most about 0.86.
    share_of_relay: f64,
    ping_ms: Percentiles,
    base_rtt_ms: u64,
    datagrams_lost: u64,
    /// What came out of the overlay in either direction, while the body was fetched.
    datagrams_per_s: f64,
    seed: u64,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
    p99: f64,
}

/// Requests so far: when each was sent, and how long its echo took.
type Pings = Arc<Mutex<Vec<(Instant, Option<Duration>)>>>;

/// Fetches the body and measures.
pub(crate) async fn run(plan: &Plan<'_>) -> anyhow::Result<Report> {
    let args = plan.args;
    let pings = Pings::default();
    let pinger = tokio::spawn(ping(plan.socks, plan.echo, Arc::clone(&pings)));
    let began = Instant::now();
    let fetched = fetch(plan).await;
    let seconds = began.elapsed().as_secs_f64();
    pinger.abort();
    let (bytes, hash) = fetched?;
    let is_right = hash == Body::hash(args.seed, args.size) && bytes == args.size;
    let goodput = float(bytes) / seconds;
    Ok(Report {
        ok: is_right,
        bytes,
        seconds: rounded(seconds, 3),
        goodput_bytes_per_s: rounded(goodput, 1),
        relay_rate_bytes_per_s: args.relay_rate,
        share_of_relay: rounded(goodput / float(args.relay_rate), 4),
        ping_ms: percentiles(&pings),
        base_rtt_ms: args.rtt,
        datagrams_lost: 0,
        datagrams_per_s: 0.0,
        seed: args.seed,
    })
}

impl Report {
    /// The report with what the relay lost and what it carried.
    pub(crate) fn with_datagrams(mut self, lost: u64, carried: u64) -> Self {
        self.datagrams_lost = lost;
        self.datagrams_per_s = rounded(float(carried) / self.seconds, 1);
        self
    }

    /// Prints a table for people, or an object for programs.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            log::give(&serde_json::to_string(self).context("the report")?);
            return Ok(());
        }
        let verdict = if self.ok { "ok, hash equal" } else { "FAILED" };
        let Percentiles { p50, p95, p99 } = self.ping_ms;
        log::give(&format!("result          {verdict}"));
        log::give(&format!("body            {} bytes in {:.1} s", self.bytes, self.seconds));
        log::give(&format!(
            "goodput         {:.0} bytes/s, {:.1} % of the relay's {}",
            self.goodput_bytes_per_s,
            100.0 * self.share_of_relay,
            self.relay_rate_bytes_per_s
        ));
        log::give(&format!(
            "requests        p50 {p50:.0} ms, p95 {p95:.0} ms, p99 {p99:.0} ms; round trip {} ms",
            self.base_rtt_ms
        ));
        log::give(&format!(
            "datagrams       {:.0} a second, {} lost",
            self.datagrams_per_s, self.datagrams_lost
        ));
        Ok(())
    }
}

async fn fetch(plan: &Plan<'_>) -> anyhow::Result<(u64, [u8; 32])> {
    let mut tcp = connect(plan.socks, plan.page).await.context("cannot reach the page")?;
    let request = format!("GET /body/{} HTTP/1.0\r\n\r\n", plan.args.size);
    tcp.write_all(request.as_bytes()).await?;
    let mut input = Vec::new();
    let head_len = loop {
        if let Some(at) = input.windows(4).position(|end| end == b"\r\n\r\n") {
            break at.saturating_add(4);
        }
        if tcp.read_buf(&mut input).await? == 0 || input.len() > HEAD_OCTETS_MAX {
            bail!("the page gave no answer");
        }
    };
    let bar = progress_bar(plan.args);
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    let mut chunk = input.split_off(head_len);
    loop {
        hash.update(&chunk);
        bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        bar.set_position(bytes);
        chunk.clear();
        if tcp.read_buf(&mut chunk).await.context("the body broke off")? == 0 {
            break;
        }
    }
    bar.finish_and_clear();
    Ok((bytes, hash.finalize().into()))
}

fn progress_bar(args: &DemoArgs) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}");
    let bar = ProgressBar::new(args.size);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Sends a request every [`PING_EVERY`], the first at once, and notes when the echoes come.
async fn ping(socks: SocketAddr, echo: SocketAddr, pings: Pings) -> anyhow::Result<()> {
    let tcp = connect(socks, echo).await?;
    tcp.set_nodelay(true)?;
    let (mut read, mut write) = tcp.into_split();
    let asking = async {
        let mut ticks = interval_at(Instant::now(), PING_EVERY);
        loop {
            let due = ticks.tick().await;
            lock(&pings).push((due, None));
            if let Err(error) = write.write_all(&[b'?'; PING_OCTETS]).await {
                break Err(error);
            }
        }
    };
    let hearing = async {
        let mut heard = 0_usize;
        let mut buf = [0; PING_OCTETS];
        loop {
            if let Err(error) = read.read_exact(&mut buf).await {
                break Err(error);
            }
            if let Some((asked, took)) = lock(&pings).get_mut(heard) {
                *took = Some(asked.elapsed());
            }
            heard = heard.saturating_add(1);
        }
    };
    tokio::select! {
        broke = asking => broke.context("the requests broke off"),
        broke = hearing => broke.context("the echoes broke off"),
    }
}

/// Connects to `target` through the SOCKS 5 proxy (RFC 1928).
async fn connect(socks: SocketAddr, target: SocketAddr) -> anyhow::Result<TcpStream> {
    let SocketAddr::V4(target) = target else { bail!("the demo's targets are IPv4") };
    let mut tcp = TcpStream::connect(socks).await.context("the SOCKS port")?;
    tcp.write_all(&[5, 1, 0]).await?;
    let mut method = [0; 2];
    tcp.read_exact(&mut method).await?;
    let mut request = vec![5, 1, 0, 1];
    request.extend_from_slice(&target.ip().octets());
    request.extend_from_slice(&target.port().to_be_bytes());
    tcp.write_all(&request).await?;
    let mut reply = [0; 10];
    tcp.read_exact(&mut reply).await?;
    match reply {
        [5, 0, ..] => Ok(tcp),
        [_, code, ..] => bail!("the proxy refused with SOCKS code {code}"),
    }
}

fn percentiles(pings: &Pings) -> Percentiles {
    let mut took_ms: Vec<f64> = lock(pings)
        .iter()
        .map(|(asked, took)| took.unwrap_or_else(|| asked.elapsed()).as_secs_f64() * 1000.0)
        .collect();
    took_ms.sort_by(f64::total_cmp);
    let at = |share: usize| {
        let index = took_ms.len().saturating_sub(1).saturating_mul(share).div_ceil(100);
        rounded(took_ms.get(index).copied().unwrap_or(0.0), 1)
    };
    Percentiles { p50: at(50), p95: at(95), p99: at(99) }
}

fn lock(pings: &Pings) -> std::sync::MutexGuard<'_, Vec<(Instant, Option<Duration>)>> {
    pings.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::as_conversions, reason = "octet counts are far below 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}
