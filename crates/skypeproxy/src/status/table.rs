//! A status as text for people.

use std::fmt::Write;

use tunnel::status::{
    LossKind, PathState, PathStatus, Role, RouteStatus, RouteVerdict, SessionState, SessionStatus,
    Status, Totals,
};

/// What stands above the columns of paths.
const HEADINGS: [&str; 11] = [
    "path",
    "carrier",
    "peer",
    "state",
    "B/s",
    "rtt ms",
    "loss",
    "switches",
    "shares",
    "age",
    "sent/received",
];

/// What stands above the columns of ways.
const ROUTE_HEADINGS: [&str; 7] =
    ["way", "carrier", "verdict", "paths", "refused/unanswered", "again in", "octets today"];

/// All of it, without an end of line.
pub(super) fn of(status: &Status) -> String {
    let mut text = String::new();
    let role = match status.role {
        Role::Client => "client",
        Role::Bridge => "bridge",
    };
    let Totals { sessions, streams, streams_open, octets_from_tcp, octets_to_tcp } = status.totals;
    let _ = write!(
        text,
        "{role}, up for {}: {} and {} so far, {streams_open} open;\n\
         of those that ended, {} octets from TCP and {} to TCP\n",
        age(status.uptime_s),
        counted(sessions, "session"),
        counted(streams, "stream"),
        grouped(octets_from_tcp),
        grouped(octets_to_tcp),
    );
    if status.sessions.is_empty() {
        text.push_str("no session\n");
    }
    status.sessions.iter().for_each(|session| add_session(&mut text, session));
    if !status.routes.is_empty() {
        text.push('\n');
        let rows = status.routes.iter().map(route_row);
        add_table(&mut text, &ROUTE_HEADINGS, rows);
    }
    text.truncate(text.trim_end().len());
    text
}

fn add_session(text: &mut String, session: &SessionStatus) {
    let state = match session.state {
        SessionState::Connecting => "connecting",
        SessionState::Up => "up",
    };
    let _ = writeln!(
        text,
        "\nsession {}: {state} for {}, {} open; {} octets sent and {} received, {} lost",
        session.id,
        age(session.age_s),
        counted(session.streams_open, "stream"),
        grouped(session.octets_sent),
        grouped(session.octets_received),
        counted(session.packets_lost, "packet"),
    );
    add_table(text, &HEADINGS, session.paths.iter().map(row));
}

/// Columns as wide as their widest cell.
fn add_table<const N: usize>(
    text: &mut String,
    headings: &[&str; N],
    cells: impl Iterator<Item = [String; N]>,
) {
    let mut rows = vec![headings.map(str::to_owned)];
    rows.extend(cells);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..N).filter_map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("  {cell:<width$}"));
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
}

fn row(path: &PathStatus) -> [String; HEADINGS.len()] {
    let state = match path.state {
        PathState::Opening => "opening",
        PathState::Asking => "asking",
        PathState::Answering => "answering",
        PathState::Silent => "silent",
        PathState::Over => "over",
    };
    let loss = match path.loss {
        LossKind::Untold => "-",
        LossKind::Chance => "chance",
        LossKind::Queue => "queue",
        LossKind::Policer => "policer",
    };
    [
        path.id.to_string(),
        printable(&path.carrier),
        path.peer.as_deref().map_or_else(none, printable),
        path.reason
            .as_ref()
            .map_or_else(|| state.to_owned(), |why| format!("{state}: {}", printable(why))),
        path.rate.map_or_else(none, grouped),
        path.rtt_ms.map_or_else(none, |rtt| format!("{rtt:.0}")),
        if path.chance > 0.0 {
            format!("{loss} {:.1} %", path.chance * 1e2)
        } else {
            loss.to_owned()
        },
        path.switches.map_or_else(none, |switches| switches.to_string()),
        path.bottleneck.as_deref().map_or_else(none, printable),
        age(path.age_s),
        format!("{} / {}", grouped(path.octets_sent), grouped(path.octets_received)),
    ]
}

fn route_row(route: &RouteStatus) -> [String; ROUTE_HEADINGS.len()] {
    let verdict = match route.verdict {
        RouteVerdict::Untold => "untold",
        RouteVerdict::Healthy => "healthy",
        RouteVerdict::Throttled => "throttled",
        RouteVerdict::Unreachable => "unreachable",
        RouteVerdict::Blocked => "blocked",
        RouteVerdict::Away => "carrier gone",
        RouteVerdict::Spent => "day used up",
    };
    [
        printable(&route.peer),
        route.carrier.as_deref().map_or_else(none, printable),
        verdict.to_owned(),
        route.paths.to_string(),
        format!("{} / {}", route.refused, route.unanswered),
        route.retry_in_s.map_or_else(none, age),
        format!(
            "{} in {}",
            grouped(route.octets_today),
            counted(route.openings_today.into(), "path")
        ),
    ]
}

fn none() -> String {
    "-".to_owned()
}

/// Names come from other people: nothing in them speaks to the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Whole seconds, minutes or hours.
fn age(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        120.0..7_200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3_600.0),
    }
}

/// So many of something.
fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// Thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_groups_and_ages_in_their_size() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2_000].map(|n| counted(n, "stream")), ["1 stream", "2,000 streams"]);
        assert_eq!([0.4, 119.0, 120.0, 9_000.0].map(age), ["0 s", "119 s", "2 min", "2 h"]);
    }

    #[test]
    fn a_peer_s_name_says_nothing_to_the_terminal() {
        assert_eq!(printable("skype:\u{1b}[2Jbob\n"), "skype:?[2Jbob?");
    }
}
