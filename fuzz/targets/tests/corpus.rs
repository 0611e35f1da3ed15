//! Every input that is kept, through its target: what was found once stays found.

use std::fs;
use std::path::Path;

use fuzz_targets::TARGETS;

#[test]
fn every_input_that_is_kept_passes_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for (name, target) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "no input for {name}");
    }
}

#[test]
fn there_is_a_target_for_every_directory_of_inputs() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for entry in fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{}", name.display());
    }
}
