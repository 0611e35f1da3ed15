//! A beginning costs one round trip where early data is taken, and two where it is refused.

use std::time::Duration;

use benches::handshake::beginnings;

#[test]
fn the_first_answer_is_there_after_one_round_trip_or_two() {
    let all = beginnings();
    let took = |relay: &str, name: &str| {
        let of = all.iter().find(|row| row.relay == relay && row.name == name);
        of.and_then(|row| row.took).expect("it is answered")
    };
    // The lines are for S1; both relays have round trips of 200 ms.
    for relay in ["clean", "S1"] {
        let taken = took(relay, "ap2ap-stream");
        let refused = took(relay, "ap2ap-stream, early data refused");
        assert!(taken <= Duration::from_millis(210), "{relay}: {taken:?}");
        assert!(refused > Duration::from_millis(350), "nothing was refused over {relay}");
        assert!(refused <= Duration::from_millis(450), "{relay}: {refused:?}");
        assert!(took(relay, "quinn") > taken, "{relay}");
    }
}
