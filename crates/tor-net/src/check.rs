//! `tor-net check`: a client bootstraps and fetches over a relay, and nothing else leaves it.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::client::Client;
use crate::fetch::{fetch, leak};
use crate::network::{BRIDGE_PORT, Network};
use crate::relay::{Octets, Plan};
use crate::{clock, namespaces, stop, web};

/// A deliberate escape is seen within this.
const CAUGHT_AT_MOST: Duration = Duration::from_secs(10);

/// What escapes late has this long to show.
const SETTLE: Duration = Duration::from_millis(300);

/// The kinds of deliberate escapes; each must be seen.
const ESCAPES: [&str; 4] =
    ["connection to 127.0.0.1:", "198.51.100.7:9001", "[2001:db8::7]:9001", ":53"];

/// What `check` is told beside the link.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) link: crate::LinkArgs,
    #[command(flatten)]
    way: crate::WayArgs,
    /// What is fetched, in octets.
    #[arg(long, value_name = "BYTES", default_value_t = 1_000_000)]
    size: u64,
    /// How often, each time with a client, a relay and a bridge that know nothing yet.
    #[arg(long, value_name = "N", default_value_t = 1)]
    runs: u32,
    /// A run in which bootstrap and fetch together take longer has failed, in seconds.
    #[arg(long, value_name = "S")]
    at_most: Option<u32>,
    /// Print each run as a JSON object on a line of stdout.
    #[arg(long)]
    json: bool,
}

/// A run that went well.
#[derive(Debug)]
struct Run {
    bootstrap_s: f64,
    ttfb_s: f64,
    fetch_s: f64,
    bootstrap: Octets,
    fetch: Octets,
    /// TCP connections that were begun on the island (RFC 4022, `tcpActiveOpens`).
    connections: u64,
    leaks: Vec<String>,
    /// Deliberate escapes that were not seen.
    unseen: Vec<&'static str>,
}

impl Run {
    fn is_ok(&self, args: &CheckArgs) -> bool {
        let in_time = args
            .at_most
            .is_none_or(|at_most| self.bootstrap_s + self.fetch_s <= f64::from(at_most));
        self.leaks.is_empty() && self.unseen.is_empty() && in_time
    }
}

/// Runs all and says what came of each.
pub(crate) fn run(args: &CheckArgs) -> Result<bool> {
    let plan = args.link.plan(args.way.relays()?)?;
    let dir = namespaces::furnish(&args.link.tcp)?;
    let web = web::serve()?;
    let begun = clock::now();
    let network = Network::start(&dir).context("no network of tors")?;
    eprintln!("the network is up after {:.1} s", begun.elapsed().as_secs_f64());
    let mut ok = true;
    for number in 1..=args.runs {
        let run = one(args, &plan, &network, web, &dir.join(format!("run{number}")));
        match run {
            Ok(run) => {
                ok &= run.is_ok(args);
                tell(args, number, &run);
            }
            Err(error) => {
                ok = false;
                eprintln!("run {number} failed: {error:#}");
            }
        }
        if stop::is_asked_for() {
            bail!("interrupted");
        }
    }
    Ok(ok)
}

fn one(
    args: &CheckArgs,
    plan: &Plan,
    network: &Network,
    web: SocketAddr,
    dir: &Path,
) -> Result<Run> {
    let mut client = Client::start(network, args.way.over, plan, dir).context("no bootstrap")?;
    let bootstrap = client.octets()?;
    let fetched = fetch(&client.place(), dir, web, args.size).context("no fetch")?;
    let after = client.octets()?;
    thread::sleep(SETTLE);
    let connections = active_opens(&client)?;
    let leaks = client.leaks();
    let unseen = escape(&client)?;
    client.check()?;
    Ok(Run {
        bootstrap_s: client.bootstrap_s,
        ttfb_s: fetched.ttfb_s,
        fetch_s: fetched.total_s,
        bootstrap,
        fetch: after - bootstrap,
        connections,
        leaks,
        unseen,
    })
}

/// Escapes on purpose and gives the kinds that were not seen: a watch that sees nothing proves
/// nothing.
fn escape(client: &Client) -> Result<Vec<&'static str>> {
    if leak(&client.place(), BRIDGE_PORT)? {
        bail!("something outside answered: this is no island");
    }
    let unseen = || {
        let leaks = client.leaks();
        let unseen = |kind: &&str| !leaks.iter().any(|leak| leak.contains(*kind));
        ESCAPES.into_iter().filter(unseen).collect::<Vec<_>>()
    };
    let all = clock::wait_until("deliberate escapes to be seen", CAUGHT_AT_MOST, || {
        Ok(unseen().is_empty().then(Vec::new))
    });
    Ok(all.unwrap_or_else(|_| unseen()))
}

fn active_opens(client: &Client) -> Result<u64> {
    let output = client.place().command("cat").arg("/proc/self/net/snmp").output();
    let text = output.context("cannot read the island's counters")?.stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let names = lines.next().unwrap_or_default().split(' ');
    let values = lines.next().unwrap_or_default().split(' ');
    let found = names.zip(values).find(|(name, _)| *name == "ActiveOpens");
    found.and_then(|(_, value)| value.parse().ok()).context("no ActiveOpens in the counters")
}

fn tell(args: &CheckArgs, number: u32, run: &Run) {
    let per_octet = Ratio(run.fetch.sum(), args.size);
    if args.json {
        let object = json!({
            "run": number,
            "ok": run.is_ok(args),
            "bootstrap_s": run.bootstrap_s,
            "ttfb_s": run.ttfb_s,
            "fetch_s": run.fetch_s,
            "size": args.size,
            "bootstrap_octets": { "up": run.bootstrap.up, "down": run.bootstrap.down },
            "fetch_octets": { "up": run.fetch.up, "down": run.fetch.down },
            "octets_per_payload_octet": per_octet.value(),
            "connections": run.connections,
            "leaks": run.leaks,
            "escapes_unseen": run.unseen,
        });
        println!("{object}");
        return;
    }
    let word = if run.is_ok(args) { "ok" } else { "FAILED" };
    println!(
        "{word}  run {number}: bootstrap {:.1} s, fetch {:.1} s (first octet {:.1} s), hash equal; \
         {} leaks, {} of {} deliberate escapes seen",
        run.bootstrap_s,
        run.fetch_s,
        run.ttfb_s,
        run.leaks.len(),
        ESCAPES.len() - run.unseen.len(),
        ESCAPES.len(),
    );
    println!(
        "    relay octets up/down: bootstrap {}/{}, fetch {}/{}, {:.3} per octet fetched",
        run.bootstrap.up,
        run.bootstrap.down,
        run.fetch.up,
        run.fetch.down,
        per_octet.value(),
    );
    for leak in &run.leaks {
        println!("    leak: {leak}");
    }
    for kind in &run.unseen {
        println!("    a deliberate escape was not seen: {kind}");
    }
}

/// A quotient of counts.
struct Ratio(u64, u64);

impl Ratio {
    fn value(&self) -> f64 {
        let [above, below] =
            [self.0, self.1].map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        above / below.max(1.0)
    }
}
