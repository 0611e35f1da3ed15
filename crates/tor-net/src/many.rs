//! `tor-net many`: bootstrap and fetches over one relay and over several, as a table.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::client::{Client, Over};
use crate::fetch::fetch;
use crate::network::Network;
use crate::priorities::percentile;
use crate::relay::Plan;
use crate::{namespaces, stop, web};

/// What `many` is told beside the link.
#[derive(Debug, Args)]
pub(crate) struct ManyArgs {
    #[command(flatten)]
    link: crate::LinkArgs,
    /// Over how many relays, one number after the other; the first is what the others are compared with.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1,4,8",
          value_parser = clap::value_parser!(u8).range(crate::RELAYS))]
    relays: Vec<u8>,
    /// How often for each number, each time with a client, an overlay and a bridge that know nothing yet.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// What is fetched, in octets.
    #[arg(long, value_name = "BYTES", default_value_t = 300_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,
    /// How often in each run, one fetch after the other.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=20))]
    fetches: u8,
}

/// What one client took, in seconds.
#[derive(Debug)]
struct Run {
    bootstrap_s: f64,
    fetches_s: Vec<f64>,
    /// Octets that came out of relays, in both directions, for each octet fetched.
    carried: f64,
}

/// All runs over so many relays.
#[derive(Debug)]
struct Row {
    relays: u8,
    runs: Vec<Run>,
}

/// Measures all and prints the table.
pub(crate) fn run(args: &ManyArgs) -> Result<()> {
    let dir = namespaces::furnish(&args.link.tcp)?;
    let web = web::serve()?;
    let network = Network::start(&dir).context("no network of tors")?;
    let mut rows: Vec<Row> = Vec::new();
    for &relays in &args.relays {
        let plan = args.link.plan(Some(relays))?;
        let mut runs = Vec::new();
        for number in 1..=args.runs {
            let dir = dir.join(format!("relays{}-{number}", rows.len()));
            let run = one(args, &plan, &network, web, &dir)
                .with_context(|| format!("{relays} relays, run {number}"))?;
            eprintln!(
                "{relays} relays, run {number}: bootstrap {:.1} s, fetches {:.1?} s",
                run.bootstrap_s, run.fetches_s
            );
            runs.push(run);
            if stop::is_asked_for() {
                bail!("interrupted");
            }
        }
        rows.push(Row { relays, runs });
    }
    print!("{}", table(&rows, args.size));
    Ok(())
}

fn one(
    args: &ManyArgs,
    plan: &Plan,
    network: &Network,
    web: SocketAddr,
    dir: &Path,
) -> Result<Run> {
    let mut client = Client::start(network, Over::Skypeproxy, plan, dir).context("no bootstrap")?;
    let before = client.octets()?;
    let fetches_s = (0..args.fetches)
        .map(|_| Ok(fetch(&client.place(), dir, web, args.size.into())?.total_s))
        .collect::<Result<Vec<_>>>()
        .context("no fetch")?;
    let carried = u32::try_from((client.octets()? - before).sum()).context("too much to count")?;
    let fetched = f64::from(args.size) * f64::from(args.fetches);
    ensure!(client.leaks().is_empty(), "something escaped: {:?}", client.leaks());
    client.check()?;
    let carried = f64::from(carried) / fetched;
    Ok(Run { bootstrap_s: client.bootstrap_s, fetches_s, carried })
}

/// A row for each number of relays and each fetch of a run.
fn table(rows: &[Row], size: u32) -> String {
    let mut text = String::from(
        "| relays | runs | bootstrap s, median (worst) | fetch | s, median (worst) | octets/s | times the first row \
         | relay octets per octet fetched |\n|---|---|---|---|---|---|---|---|\n",
    );
    for Row { relays, runs } in rows {
        let bootstrap = Spread::of(runs.iter().map(|run| run.bootstrap_s));
        let carried = Spread::of(runs.iter().map(|run| run.carried)).median;
        let fetches = runs.first().map_or(0, |run| run.fetches_s.len());
        for index in 0..fetches {
            let took = fetch_spread(runs, index);
            let compared = rows.first().map_or(took, |first| fetch_spread(&first.runs, index));
            text.push_str(&format!(
                "| {relays} | {} | {bootstrap} | {} | {took} | {:.0} | {:.2} | {carried:.2} |\n",
                runs.len(),
                index + 1,
                f64::from(size) / took.median,
                compared.median / took.median,
            ));
        }
    }
    text
}

fn fetch_spread(runs: &[Run], index: usize) -> Spread {
    Spread::of(runs.iter().filter_map(|run| run.fetches_s.get(index).copied()))
}

/// The middle of several figures (nearest rank), and the greatest.
#[derive(Clone, Copy, Debug)]
struct Spread {
    median: f64,
    worst: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        Self { median: percentile(&sorted, 50), worst: percentile(&sorted, 100) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} ({:.1})", self.median, self.worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bootstrap_s: f64, fetches_s: &[f64]) -> Run {
        Run { bootstrap_s, fetches_s: fetches_s.to_vec(), carried: 1.5 }
    }

    #[test]
    fn a_table_has_medians_worsts_and_what_the_first_row_took_in_the_same_fetch() {
        let one =
            vec![run(12.0, &[150.0, 120.0]), run(11.0, &[100.0, 130.0]), run(20.0, &[90.0, 110.0])];
        let eight = vec![run(5.0, &[40.0, 20.0])];
        let rows = [Row { relays: 1, runs: one }, Row { relays: 8, runs: eight }];
        let text = table(&rows, 300_000);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| 1 | 3 | 12.0 (20.0) | 1 | 100.0 (150.0) | 3000 | 1.00 | 1.50 |",
                "| 1 | 3 | 12.0 (20.0) | 2 | 120.0 (130.0) | 2500 | 1.00 | 1.50 |",
                "| 8 | 1 | 5.0 (5.0) | 1 | 40.0 (40.0) | 7500 | 2.50 | 1.50 |",
                "| 8 | 1 | 5.0 (5.0) | 2 | 20.0 (20.0) | 15000 | 6.00 | 1.50 |",
            ]
        );
    }
}
