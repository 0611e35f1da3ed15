//! What it costs to begin: octets and time until the first request is answered.

use std::time::Duration;

use relay_sim::{LinkSpec, Scenario, scenario};

use crate::jobs::in_parallel;
use crate::{Load, Run, Stack};

/// The beginning of one connection.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Over which relay.
    pub relay: &'static str,
    /// Whose.
    pub name: &'static str,
    /// Octets of datagrams that both ends had sent when the answer was there: by the client, by the bridge.
    pub octets: (u64, u64),
    /// From opening to the whole answer; none within ten seconds.
    pub took: Option<Duration>,
}

/// All beginnings: of ours with early data taken and refused, and of the peers.
#[must_use]
pub fn beginnings() -> Vec<Beginning> {
    let jobs = [
        ("ap2ap-stream", Stack::Ours, true),
        ("ap2ap-stream, early data refused", Stack::Ours, false),
        ("quinn", Stack::QuinnCubic, true),
        ("kcp (neither handshake nor keys)", Stack::KcpDefault, true),
    ];
    let relays = ["clean", "S1"];
    let jobs: Vec<_> = relays.iter().flat_map(|relay| jobs.map(|job| (*relay, job))).collect();
    in_parallel(&jobs, |(relay, (name, stack, takes_early_data))| {
        let mut run = over(relay);
        (run.stack, run.takes_early_data) = (*stack, *takes_early_data);
        begin(&run, relay, name)
    })
}

/// Nothing but delay, or a named relay.
fn over(relay: &str) -> Run {
    if let Some(Scenario { a_to_b, b_to_a, .. }) = scenario::by_name(relay) {
        let mut run = Run::new(a_to_b, Load::Requests);
        run.down = b_to_a;
        return run;
    }
    let clean = LinkSpec { delay: Duration::from_millis(100), ..LinkSpec::default() };
    Run::new(clean, Load::Requests)
}

fn begin(run: &Run, relay: &'static str, name: &'static str) -> Beginning {
    let mut pair = run.pair();
    let start = pair.now();
    let is_answered = |end: &dyn crate::End| {
        end.pings().first().and_then(|ping| ping.answered).map(|at| at.duration_since(start))
    };
    pair.run_while(start + Duration::from_secs(10), |pair| is_answered(&*pair.a).is_none());
    assert_eq!(pair.a.fault(), None, "{name} over {relay}");
    let octets = (pair.a_to_b().stats().entered.octets, pair.b_to_a().stats().entered.octets);
    Beginning { relay, name, octets, took: is_answered(&*pair.a) }
}
