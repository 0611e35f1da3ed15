//! `tor-net priorities`: how long a small request takes beside a bulk download, when both are one
//! TLS stream to everybody but tor.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;

use crate::client::Client;
use crate::fetch::Fetch;
use crate::network::Network;
use crate::{clock, namespaces, stop, web};

/// Between the begins of two requests.
const EVERY: Duration = Duration::from_secs(2);

/// A request, its headers included, and its answer's body, in octets.
const REQUEST: usize = 500;
const ANSWER: u64 = 500;

/// What curl sends of itself, in octets: filled up to [`REQUEST`].
const CURL_SENDS: usize = 110;

/// The bulk download has this long to fill every buffer there is, before it is measured against.
const FILL: Duration = Duration::from_secs(10);

/// What `priorities` is told beside the link.
#[derive(Debug, Args)]
pub(crate) struct PrioritiesArgs {
    #[command(flatten)]
    link: crate::LinkArgs,
    #[command(flatten)]
    way: crate::WayArgs,
    /// For how long requests are made, in seconds.
    #[arg(long, value_name = "S", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(10..=7200))]
    seconds: u64,
    /// A further line for the torrc of the bridge and the client.
    #[arg(long = "torrc", value_name = "LINE")]
    torrc: Vec<String>,
    /// Print the figures as a JSON object on the last line of stdout.
    #[arg(long)]
    json: bool,
}

/// Measures and tells.
pub(crate) fn run(args: &PrioritiesArgs) -> Result<()> {
    let plan = args.link.plan(args.way.relays()?)?;
    let dir = namespaces::furnish(&args.link.tcp)?;
    let web = web::serve()?;
    let torrc: String = args.torrc.iter().map(|line| format!("{line}\n")).collect();
    let network = Network::start_with(&dir, &torrc).context("no network of tors")?;
    let client = Client::start(&network, args.way.over, &plan, &dir.join("client1"))?;
    let place = client.place();

    let padding = "x".repeat(REQUEST.saturating_sub(CURL_SENDS));
    let url = format!("http://{web}/{ANSWER}");
    let request = || {
        let header = format!("X-Padding: {padding}");
        Fetch::start_with(&place, "request", &url, &dir.join("answer"), &["--header", &header])
    };
    // Builds the circuit.
    request()?.wait().context("the first request")?;

    let len = args.link.rate.saturating_mul(args.seconds.saturating_add(120));
    let body = dir.join("bulk");
    let mut bulk = Fetch::start(&place, "bulk", &format!("http://{web}/{len}"), &body)?;
    thread::sleep(FILL);
    let size = || std::fs::metadata(&body).map_or(0, |file| file.len());
    let (begun, size_then) = (clock::now(), size());
    let mut ttfb_ms = Vec::new();
    let mut due = begun;
    while begun.elapsed() < Duration::from_secs(args.seconds) {
        sleep_until(due)?;
        ttfb_ms.push(request()?.wait().context("a request")?.ttfb_s * 1000.0);
        due = (due + EVERY).max(clock::now());
        ensure!(bulk.is_running()?, "the bulk download ended early");
    }
    let rate = f64::from(u32::try_from(size() - size_then).unwrap_or(u32::MAX))
        / begun.elapsed().as_secs_f64();
    drop(bulk);
    ensure!(client.leaks().is_empty(), "something escaped: {:?}", client.leaks());

    ttfb_ms.sort_by(f64::total_cmp);
    let [p50, p95, most] = [50, 95, 100].map(|percent| percentile(&ttfb_ms, percent));
    if args.json {
        println!(
            "{}",
            json!({
                "rate": args.link.rate, "rtt_ms": args.link.rtt, "requests": ttfb_ms.len(),
                "ttfb_ms": { "p50": p50, "p95": p95, "max": most }, "bulk_octets_per_s": rate,
            })
        );
    } else {
        println!(
            "{} requests beside a download of {rate:.0} octets/s: first octet after {p50:.0} ms (p50), \
             {p95:.0} ms (p95), {most:.0} ms (max)",
            ttfb_ms.len(),
        );
    }
    Ok(())
}

fn sleep_until(due: Instant) -> Result<()> {
    thread::sleep(due.saturating_duration_since(clock::now()));
    if stop::is_asked_for() {
        bail!("interrupted");
    }
    Ok(())
}

/// The smallest value that `percent` of all do not exceed (nearest rank).
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<_> = (1..=20).map(f64::from).collect();
        let found = [50, 95, 100].map(|percent| percentile(&values, percent).to_string());
        assert_eq!(found, ["10", "19", "20"]);
        assert!(percentile(&[], 50).is_nan());
    }
}
