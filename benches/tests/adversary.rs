//! Who chooses what to drop does little more harm than chance, and who repeats or makes up, none.

use benches::adversary::{Choice, Deed, costs};
use benches::{Load, Run};
use relay_sim::{Loss, scenario};

#[test]
fn who_repeats_or_adds_datagrams_costs_nothing_and_who_drops_acknowledgements_next_to_nothing() {
    let scenario = scenario::by_name("S3").expect("a named scenario");
    let mut run = Run::new(scenario.a_to_b, Load::Interactive);
    run.down = scenario.b_to_a;
    (run.up.spec.loss, run.down.spec.loss) = (Loss::None, Loss::None);
    let share = 0.05;
    let of_all = costs(&run, &[share], 2);
    for cost in &of_all {
        let bound = match (cost.adversary.choice, cost.adversary.deed) {
            (_, Deed::Replay | Deed::Inject) => 0.01,
            (Choice::Acks | Choice::Down, Deed::Drop) | (_, Deed::Delay) => 0.02,
            (Choice::InBursts, Deed::Drop) => 0.2,
            (_, Deed::Drop) => 1.5 * share,
        };
        assert!(cost.cost <= bound, "{:?}: {} > {bound}", cost.adversary, cost.cost);
        assert!(cost.p99_ms <= 1000.0, "{:?}: {} ms", cost.adversary, cost.p99_ms);
    }
    // What is dropped is missing: else nobody was there.
    assert!(of_all.iter().any(|cost| cost.cost > 0.9 * share), "{of_all:?}");
}
