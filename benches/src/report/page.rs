//! The report for people.

use std::fmt::Write as _;

use super::side_by_side::beginnings;
use super::{Acceptance, LINKS, LINKS_COMPARED, Report, SEEDS, SEEDS_OF_PEERS, shown};
use crate::adversary::{Choice, Cost, Deed};
use crate::figure::quantile;
use crate::random::Drawn;

impl Report {
    /// The page, in Markdown.
    #[must_use]
    pub fn page(&self) -> String {
        let parts = [
            INTRODUCTION.to_owned(),
            format!("## What is asked, and what there is\n\n{}\n\n{}", about_asked(), self.asked()),
            format!("## Side by side\n\n{}\n\n{}", about_stacks(), self.stacks.tables()),
            format!("## By rate\n\n{BY_RATE}"),
            format!("## To begin\n\n{BEGINNING}\n\n{}", beginnings(&self.beginnings)),
            format!("## Other relays\n\n{OTHERS}\n\n{}", self.others()),
            format!("## Links drawn at random\n\n{}\n\n{}", about_links(), self.link_rows()),
            format!("## Two flows, one relay\n\n{SHARED}\n\n{}", self.share_rows()),
            format!("## Somebody on the way\n\n{ADVERSARY}\n\n{}", self.adversary_rows()),
        ];
        parts.join("\n\n") + "\n"
    }

    fn asked(&self) -> String {
        let mut out = table(&["what", "asked", "median", "worst seed", "oracle", "met"]);
        for line in self.acceptance() {
            let Acceptance { name, value, bound, met, oracle, worst } = line;
            let shown_or = |value: Option<f64>| value.map(shown).unwrap_or_default();
            let met = if met { "yes" } else { "**no**" };
            row(
                &mut out,
                [name, shown(bound), shown(value), shown_or(worst), shown_or(oracle), met.into()],
            );
        }
        out
    }

    fn others(&self) -> String {
        let mut out = table(&["relay, work", "figure", "median", "worst seed", "oracle"]);
        for ((line, ours), oracle) in self.lines.iter().zip(&self.ours).zip(&self.oracle) {
            for (index, bound) in line.bounds.iter().enumerate() {
                if bound.asked.is_some() {
                    continue;
                }
                let (median, worst) = ours.median_and_worst(*bound, index);
                let (oracle, _) = oracle.median_and_worst(*bound, index);
                let names = [line.name, bound.figure.name()].map(str::to_owned);
                row(&mut out, names.into_iter().chain([median, worst, oracle].map(shown)));
            }
        }
        out
    }

    fn link_rows(&self) -> String {
        let mut out = table(&[
            "links",
            "how many",
            "goodput / oracle's: median",
            "worst tenth",
            "utilisation: median",
            "worst tenth",
            "least",
            "p95 / round trip: median",
            "worst tenth",
        ]);
        let compared = || self.links.iter().filter(|link| link.oracle.is_some());
        let sets: [(&str, Vec<&Drawn>); 7] = [
            ("compared with the oracle", compared().collect()),
            ("shapers", compared().filter(|link| !link.is_policed).collect()),
            ("policers", compared().filter(|link| link.is_policed).collect()),
            ("below 20 KB/s", compared().filter(|link| link.rate < 2e4).collect()),
            (
                "20 KB/s to 1 MB/s",
                compared().filter(|link| (2e4..1e6).contains(&link.rate)).collect(),
            ),
            ("above 1 MB/s", compared().filter(|link| link.rate >= 1e6).collect()),
            ("all", self.links.iter().collect()),
        ];
        for (name, set) in sets {
            let of = |figure: fn(&Drawn) -> f64| -> Vec<f64> {
                set.iter().map(|link| figure(link)).collect()
            };
            let relative: Vec<f64> = set.iter().filter_map(|link| link.relative()).collect();
            let relative = if relative.len() == set.len() { relative } else { Vec::new() };
            let (shares, delays) = (of(|link| link.utilisation), of(|link| link.p95));
            let figures = [
                quantile(&relative, 0.5),
                quantile(&relative, 0.1),
                quantile(&shares, 0.5),
                quantile(&shares, 0.1),
                quantile(&shares, 0.0),
                quantile(&delays, 0.5),
                quantile(&delays, 0.9),
            ];
            let names = [name.to_owned(), set.len().to_string()];
            row(&mut out, names.into_iter().chain(figures.map(shown)));
        }
        out
    }

    fn share_rows(&self) -> String {
        let mut out = table(&["flows", "first: median", "least", "second: median", "least"]);
        let sets = [
            ("two of ours at once", &self.twins),
            ("two of ours, the second 10 s later", &self.latecomers),
            ("one of ours, one TCP with CUBIC", &self.beside_tcp),
        ];
        for (name, shares) in sets {
            let first: Vec<f64> = shares.iter().map(|both| both.first).collect();
            let second: Vec<f64> = shares.iter().map(|both| both.second).collect();
            let figures = [(&first, 0.5), (&first, 0.0), (&second, 0.5), (&second, 0.0)];
            let figures = figures.map(|(of, share)| shown(quantile(of, share)));
            row(&mut out, [name.to_owned()].into_iter().chain(figures));
        }
        out
    }

    fn adversary_rows(&self) -> String {
        let mut out = table(&["relay", "share", "what he does", "cost", "/ at random", "p99, ms"]);
        for (relay, costs) in &self.costs {
            for cost in costs {
                let is_chance = |other: &&Cost| {
                    super::is_close(other.adversary.share, cost.adversary.share)
                        && other.adversary.choice == Choice::AtRandom
                        && other.adversary.deed == Deed::Drop
                };
                let chance = costs.iter().find(is_chance).map_or(f64::NAN, |chance| chance.cost);
                let share = format!("{:.0} %", 100.0 * cost.adversary.share);
                let deed = deed(cost.adversary.choice, cost.adversary.deed);
                let ratio = format!("{:.2}", cost.cost / chance);
                let figures = [format!("{:.3}", cost.cost), ratio, shown(cost.p99_ms)];
                let names = [(*relay).to_owned(), share, deed.to_owned()];
                row(&mut out, names.into_iter().chain(figures));
            }
        }
        out
    }
}

const fn deed(choice: Choice, deed: Deed) -> &'static str {
    match (deed, choice) {
        (Deed::Replay, _) => "repeats any, 0.7 s later",
        (Deed::Delay, _) => "delays any by up to a round trip",
        (Deed::Inject, _) => "adds noise as long as any",
        (Deed::Drop, Choice::AtRandom) => "drops at random",
        (Deed::Drop, Choice::Largest) => "drops the largest",
        (Deed::Drop, Choice::Smallest) => "drops the smallest",
        (Deed::Drop, Choice::Up) => "drops the client's",
        (Deed::Drop, Choice::Down) => "drops the bridge's",
        (Deed::Drop, Choice::InBursts) => "drops all for a round trip, then none for long",
        (Deed::Drop, Choice::Acks) => "drops acknowledgements, with both ways' share",
    }
}

pub(super) fn table(heads: &[&str]) -> String {
    format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()))
}

pub(super) fn row(out: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

const INTRODUCTION: &str = "\
# Measurements

Written by `cargo xtask report`, in virtual time: the same on every machine. `cargo xtask report --json FILE` writes \
all of it for programs. Sessions over many relays are in [Many relays, one session](measurements-many.md), days behind censors and what \
`measure` finds in [Open questions](open-questions.md), runs over real tors, one relay or eight, in [Measurements with tor](measurements-tor.md).

I: one bulk upload beside a request of 100 octets and its echo each half second, whether answered or not; B: the upload alone; \
D: bulk both ways. Nothing marks a stream as interactive; nobody tells a rate. Runs of 60 s (S4-B and S5-B: 30 s); the relays are \
those of [`relay-sim`](../crates/relay-sim/README.md).

Utilisation: bulk payload / what the relay carries after random loss and outside outages, handshake included. Wire / payload: all \
octets of the client's datagrams / bulk and answered requests. Recovery: the longest time after a change or an outage until two \
seconds carry 80 % of what they could. A request that is never answered counts with its age.

The oracle is a small transport without handshake that is told each relay's rate and loss, and sends a little slower than that: \
as good as can be.";

const BY_RATE: &str = "\
Bulk beside requests over shapers that differ in nothing but their rate (200 ms, a bucket of 1,500 octets, a queue of 16 KB or half a \
second, no loss).

![Goodput by rate](plots/goodput.svg)

![The 95th percentile of requests by rate](plots/ping.svg)";

const BEGINNING: &str = "\
Datagram octets that both ends had sent, and the time, when the first request of 100 octets was answered. Early data: what a client \
sends with its first message; a bridge refuses it for two minutes after a start without state.";

const OTHERS: &str = "Figures of which nothing is asked.";

const SHARED: &str = "\
Bulk uploads through one S3 relay (64 KB/s, a queue of 64 KB), as shares of its capacity over 60 s with both; beside TCP without random loss. The TCP \
is a model: CUBIC, selective acknowledgements, no pacing.";

const ADVERSARY: &str = "\
A relay, or somebody beside it, who does his worst to a share of the datagrams of each way, from 2 s on. Cost: 1 - bulk delivered / bulk delivered \
without him; S1 and S3 without random loss, I, each the mean of 20 seeds. He sees sizes, ways and times. Drops fall behind the throttle: each costs link \
time.";

fn about_asked() -> String {
    format!("The median of {SEEDS} seeds (the oracle's: of {SEEDS_OF_PEERS}).")
}

fn about_stacks() -> String {
    format!(
        "The same work over the same relays in the same run, driven without sockets; medians of {SEEDS_OF_PEERS} seeds, I, 60 s. \
         quinn-proto 0.11 with datagrams of 1,200 octets, its requests on a stream of higher priority; kcp 0.6 with a window of \
         256 segments, its requests in a conversation of their own, unencrypted."
    )
}

fn about_links() -> String {
    format!(
        "{LINKS} links, log-uniform from 500 bytes/s to 10 MB/s, round trips of 10 to 600 ms, 0 to 15 % loss each way, half of them \
         policers (bucket of 1.5 to 8 KB) and half shapers (bucket of 1.5 KB, queue of 1.5 to 64 KB); I, 60 s. The oracle ran over \
         the first {LINKS_COMPARED}.\n\n![Goodput over random links](plots/links.svg)"
    )
}
