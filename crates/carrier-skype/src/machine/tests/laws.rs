//! Laws that hold for any Skype and any owner.

use proptest::prelude::*;

use super::*;

/// What an owner and a Skype may do, in any order.
#[derive(Clone, Debug)]
enum Step {
    Hear(String),
    Open(String),
    Accept(u64),
    Close(u64),
    Send(u64, usize),
    Wait(u64),
    Poll,
}

fn step() -> impl Strategy<Value = Step> {
    let line = prop_oneof![
        "APPLICATION a STREAMS( [ab]:[1-3]){0,4} ?",
        "APPLICATION a CONNECTING( [ab])? ?",
        "APPLICATION a DATAGRAM [ab]:[1-3] [!-~]{0,4}",
        "#[0-9]{1,2} (OK|PROTOCOL 7|CREATE APPLICATION a|ERROR (68|541|548|551))",
        "#[0-9]{1,2} APPLICATION a STREAMS( [ab]:[1-3]){0,2}",
        "(CONNSTATUS|USERSTATUS) (ONLINE|OFFLINE|LOGGEDOUT)",
        "DELETE APPLICATION a",
        ".{0,40}",
    ];
    prop_oneof![
        4 => line.prop_map(Step::Hear),
        1 => "skype:[abc]".prop_map(Step::Open),
        1 => (0..9u64).prop_map(Step::Accept),
        1 => (0..9u64).prop_map(Step::Close),
        1 => (0..9u64, 0..1300usize).prop_map(|(path, len)| Step::Send(path, len)),
        1 => (0..40u64).prop_map(Step::Wait),
        1 => Just(Step::Poll),
    ]
}

fn take(bench: &mut Bench, step: Step) {
    match step {
        Step::Hear(line) => bench.hear(&line),
        Step::Open(peer) => drop(bench.machine.open(bench.now, &peer.parse().unwrap())),
        Step::Accept(path) => bench.machine.accept(CarrierPath(path)),
        Step::Close(path) => bench.close(CarrierPath(path)),
        Step::Send(path, len) => drop(bench.send(CarrierPath(path), &vec![7; len])),
        Step::Wait(seconds) => bench.wait(Duration::from_secs(seconds)),
        Step::Poll => bench.machine.handle_silence(),
    }
}

proptest! {
    /// A path is up at most once, and silent when it is down or closed; its number never returns.
    #[test]
    fn any_skype_and_any_owner_leave_the_order_of_events_intact(
        attached in any::<bool>(),
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut bench = if attached { Bench::attached() } else { Bench::new() };
        let (mut up, mut gone) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            if let Step::Close(path) = &step {
                up.remove(path);
                if bench.machine.paths.leg(CarrierPath(*path)).is_some() {
                    gone.insert(*path);
                }
            }
            take(&mut bench, step);
            bench.lines();
            for event in bench.events() {
                match event {
                    CarrierEvent::Up { path, .. } => {
                        prop_assert!(!gone.contains(&path.0) && up.insert(path.0));
                    }
                    CarrierEvent::Down { path, .. } => {
                        up.remove(&path.0);
                        prop_assert!(gone.insert(path.0));
                    }
                    CarrierEvent::Incoming { path, .. } => {
                        prop_assert!(!gone.contains(&path.0) && !up.contains(&path.0));
                    }
                    CarrierEvent::Datagram { path, .. } => prop_assert!(!gone.contains(&path.0)),
                    CarrierEvent::Writable { path } => prop_assert!(up.contains(&path.0)),
                    CarrierEvent::Closed { .. } => prop_assert!(up.is_empty()),
                    CarrierEvent::Changed { .. } | CarrierEvent::Hint { .. } => {
                        prop_assert!(false, "AP2AP tells neither");
                    }
                }
            }
        }
    }
}
