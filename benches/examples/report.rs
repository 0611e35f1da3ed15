//! Measures every line and writes the tables: `cargo xtask report`.
#![expect(clippy::print_stdout, reason = "telling what was measured is its job")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

use benches::Stack;
use benches::lines::{self, Drawn, Line, Measured};

/// Seeds of the whole report, and of a check.
const SEEDS: u64 = 20;
const SEEDS_OF_CHECK: u64 = 5;
/// Links drawn at random.
const LINKS: u64 = 200;

/// What is wanted.
#[derive(Debug, Default)]
struct Wanted {
    markdown: Option<PathBuf>,
    json: Option<PathBuf>,
    check: bool,
}

fn main() -> io::Result<ExitCode> {
    let mut wanted = Wanted::default();
    let mut words = env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--markdown") => wanted.markdown = words.next().map(PathBuf::from),
            Some("--json") => wanted.json = words.next().map(PathBuf::from),
            Some("--check") => wanted.check = true,
            _ => {
                eprintln_usage();
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    let lines = lines::lines();
    let measured =
        lines::measure(&lines, Stack::Ours, if wanted.check { SEEDS_OF_CHECK } else { SEEDS });
    let table = table(&lines, &measured);
    println!("{table}");
    if wanted.check {
        let worse = worse(&lines, &measured);
        worse.iter().for_each(|what| println!("worse than it was: {what}"));
        return Ok(if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let links = lines::draw(LINKS);
    let summary = summary(&links);
    println!("{summary}");
    if let Some(path) = wanted.markdown {
        fs::write(path, page(&table, &summary))?;
    }
    if let Some(path) = wanted.json {
        fs::write(path, json(&lines, &measured, &links))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "a wrong word is told where errors go")]
fn eprintln_usage() {
    eprintln!("error: expected --markdown FILE, --json FILE or --check");
}

/// A figure as the tables show it.
fn shown(value: f64) -> String {
    if value.is_infinite() {
        "never".to_owned()
    } else if value.abs() < 20.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.0}")
    }
}

/// All bounds of all lines with their medians and worst seeds.
fn figures<'a>(
    lines: &'a [Line],
    measured: &'a [Measured],
) -> impl Iterator<Item = (&'a Line, lines::Bound, f64, f64)> {
    lines.iter().zip(measured).flat_map(|(line, measured)| {
        line.bounds.iter().enumerate().map(move |(index, bound)| {
            let (median, worst) = measured.median_and_worst(*bound, index);
            (line, *bound, median, worst)
        })
    })
}

/// Whether somebody asks for anything.
const fn is_asked(bound: lines::Bound) -> bool {
    bound.asked.is_finite() && bound.asked != 0.0
}

fn table(lines: &[Line], measured: &[Measured]) -> String {
    let mut out = String::from(
        "| relay, work | figure | asked | median | worst seed | met |\n|---|---|---|---|---|---|\n",
    );
    for (line, bound, median, worst) in figures(lines, measured) {
        let (asked, met) = if is_asked(bound) {
            let met = if bound.meets(median, bound.asked) { "yes" } else { "no" };
            (shown(bound.asked), met)
        } else {
            (String::new(), "")
        };
        let (name, figure) = (line.name, bound.figure.name());
        let _ = writeln!(
            out,
            "| {name} | {figure} | {asked} | {} | {} | {met} |",
            shown(median),
            shown(worst)
        );
    }
    out
}

fn worse(lines: &[Line], measured: &[Measured]) -> Vec<String> {
    figures(lines, measured)
        .filter(|(_, bound, median, _)| !bound.meets(*median, bound.guard))
        .map(|(line, bound, median, _)| {
            let (name, figure) = (line.name, bound.figure.name());
            format!("{name}: {figure} is {}, was {}", shown(median), shown(bound.guard))
        })
        .collect()
}

/// The value that this share of the values does not exceed.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = f64::from(u32::try_from(values.len().saturating_sub(1)).unwrap_or(0));
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index between 0 and the last"
    )]
    values.get((share * last).round() as usize).copied().unwrap_or(f64::NAN)
}

fn summary(links: &[Drawn]) -> String {
    let mut out = String::from(
        "| links | how many | utilisation: median | worst tenth | least | p95 / round trip: median | worst tenth |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let slow = |link: &&Drawn| link.rate < 20_000.0;
    let sets: [(&str, Vec<&Drawn>); 4] = [
        ("all", links.iter().collect()),
        ("shapers", links.iter().filter(|link| !link.is_policed).collect()),
        ("policers", links.iter().filter(|link| link.is_policed).collect()),
        ("below 20 KB/s", links.iter().filter(slow).collect()),
    ];
    for (name, set) in sets {
        let of = |figure: fn(&Drawn) -> f64| set.iter().map(|link| figure(link)).collect();
        let (shares, delays): (Vec<f64>, Vec<f64>) =
            (of(|link| link.utilisation), of(|link| link.p95));
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            set.len(),
            shown(quantile(shares.clone(), 0.5)),
            shown(quantile(shares.clone(), 0.1)),
            shown(quantile(shares, 0.0)),
            shown(quantile(delays.clone(), 0.5)),
            shown(quantile(delays, 0.9)),
        );
    }
    out
}

fn page(table: &str, summary: &str) -> String {
    format!(
        "# Measurements\n\n\
         Written by `cargo xtask report`, in virtual time: the same on every machine. Runs over real tors are in \
         [Measurements with tor](measurements-tor.md).\n\n\
         ## Relays\n\n\
         `ap2ap-stream` over the relays that `relay-sim` names, {SEEDS} seeds, runs of 60 s (S4 and S5: 30 s). I: one bulk \
         upload beside a request of 100 octets and its echo each half second, whether answered or not. B: the upload \
         alone. D: bulk both ways. Nothing marks a stream as interactive; nobody tells a rate. Utilisation: bulk payload / what the \
         relay carries after random loss and outside outages, handshake included. Wire / payload: all octets of the client's \
         datagrams / bulk and requests. Recovery: the longest time after a change or an outage until two seconds carry \
         80 % of what they could. \"Asked\" is what the project wants of itself.\n\n\
         {table}\n\
         ## Links drawn at random\n\n\
         {LINKS} links, log-uniform from 500 bytes/s to 10 MB/s, round trips of 10 to 600 ms, 0 to 15 % loss each way, half of them \
         policers (bucket of 1.5 to 8 KB) and half shapers (bucket of 1.5 KB, queue of 1.5 to 64 KB); I, 60 s. A link whose queue is \
         shorter than a datagram passes none that waits.\n\n\
         {summary}"
    )
}

fn json(lines: &[Line], measured: &[Measured], links: &[Drawn]) -> String {
    let number =
        |value: f64| if value.is_finite() { format!("{value:.6}") } else { "null".to_owned() };
    let mut acceptance = Vec::new();
    let mut all = Vec::new();
    for (line, bound, median, worst) in figures(lines, measured) {
        let name = format!("{} {}", line.name, bound.figure.name());
        all.push(format!(
            "{{\"name\":\"{name}\",\"median\":{},\"worst\":{}}}",
            number(median),
            number(worst)
        ));
        if is_asked(bound) {
            let (value, asked) = (number(median), number(bound.asked));
            let met = bound.meets(median, bound.asked);
            acceptance.push(format!(
                "{{\"name\":\"{name}\",\"value\":{value},\"bound\":{asked},\"met\":{met}}}"
            ));
        }
    }
    let links: Vec<String> = links
        .iter()
        .map(|link| {
            format!(
                "{{\"rate\":{},\"round_trip_ms\":{},\"loss\":{},\"policed\":{},\"utilisation\":{},\"p95_round_trips\":{}}}",
                number(link.rate),
                number(link.round_trip_ms),
                number(link.loss),
                link.is_policed,
                number(link.utilisation),
                number(link.p95)
            )
        })
        .collect();
    format!(
        "{{\"acceptance\":[{}],\n\"figures\":[{}],\n\"links\":[{}]}}\n",
        acceptance.join(",\n"),
        all.join(",\n"),
        links.join(",\n")
    )
}
