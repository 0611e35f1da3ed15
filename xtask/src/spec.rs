//! `cargo xtask spec`: fails when a rule of docs/wire.md has no code or no test, or a citation no rule.

mod citations;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use crate::{Outcome, tree};
use citations::{Kind, citations, test_modules};

/// The document that has the rules, from the root.
const RULES: &str = "docs/wire.md";

/// Where a rule is cited: file and line.
type Places = BTreeMap<u32, Vec<String>>;

/// Reads the rules and all that cites them, and prints what does not fit together.
pub(crate) fn run(root: &Path) -> Result<Outcome> {
    let rules = rules::rules(&tree::read(&root.join(RULES))?);
    let cited = cited(root)?;
    let problems = compare(&rules, &cited);
    for problem in &problems {
        println!("error: {problem}");
    }
    println!("spec: {} rules, {} to mend", rules.len(), problems.len());
    Ok(if problems.is_empty() { Outcome::Clean } else { Outcome::Failed })
}

/// All citations, those of code apart from those of tests.
#[derive(Debug, Default)]
struct Cited {
    code: Places,
    tests: Places,
}

impl Cited {
    fn add(&mut self, file: &str, content: &str, whole: Option<Kind>) {
        for (rule, line, kind) in citations(content, whole) {
            let places = match kind {
                Kind::Code => &mut self.code,
                Kind::Test => &mut self.tests,
            };
            places.entry(rule).or_default().push(format!("{file}:{line}"));
        }
    }
}

fn cited(root: &Path) -> Result<Cited> {
    let mut files = Vec::new();
    for path in tree::files(root, &["rs"])? {
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if let Some(kind) = kind_of(&shown) {
            files.push((shown, tree::read(&path)?, kind));
        }
    }
    let modules: BTreeSet<String> =
        files.iter().flat_map(|(file, content, _)| test_modules(file, content)).collect();
    let mut cited = Cited::default();
    for (file, content, kind) in &files {
        let is_test = *kind == Kind::Test || is_below(file, &modules);
        cited.add(file, content, is_test.then_some(Kind::Test));
    }
    Ok(cited)
}

/// What a file is by its place in the tree, if it can cite rules at all. The chores enforce none of
/// them, and what is written as one here is made up.
fn kind_of(file: &str) -> Option<Kind> {
    let mut parts = file.split('/');
    match parts.next()? {
        "crates" => match parts.nth(1)? {
            "src" if file.ends_with("/tests.rs") => Some(Kind::Test),
            "src" => Some(Kind::Code),
            "tests" | "benches" => Some(Kind::Test),
            _ => None,
        },
        "benches" | "fuzz" => Some(Kind::Test),
        _ => None,
    }
}

/// Whether the file is one of these modules, or a part of one.
fn is_below(file: &str, modules: &BTreeSet<String>) -> bool {
    modules.iter().any(|module| {
        file.strip_prefix(module.as_str())
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}

/// Everything that does not fit together. `rules` may name one more than once.
fn compare(rules: &[u32], cited: &Cited) -> Vec<String> {
    let mut problems = Vec::new();
    let mut known = BTreeSet::new();
    for rule in rules {
        if !known.insert(*rule) {
            problems.push(format!("{RULES}: rule {rule} is given twice, number one anew"));
        }
    }
    for rule in &known {
        if !cited.code.contains_key(rule) {
            problems.push(format!("rule {rule} has no code: cite it where it is enforced"));
        }
        if !cited.tests.contains_key(rule) {
            problems.push(format!("rule {rule} has no test: cite it at one that fails without it"));
        }
    }
    for (rule, places) in cited.code.iter().chain(&cited.tests) {
        if !known.contains(rule) {
            let places = places.join(", ");
            problems.push(format!("{places}: rule {rule} is not in {RULES}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(rules: &[u32], code: &str, test: &str) -> Vec<String> {
        let mut cited = Cited::default();
        cited.add("a.rs", code, None);
        cited.add("b.rs", test, Some(Kind::Test));
        compare(rules, &cited)
    }

    #[test]
    fn a_rule_with_code_and_a_test_is_well() {
        assert_eq!(problems(&[1, 2], "// AP-1, AP-2\n", "/// AP-2 and AP-1\n"), [""; 0]);
    }

    #[test]
    fn reports_rules_without_code_or_test_or_given_twice() {
        assert_eq!(problems(&[1], "", "// AP-1\n").len(), 1);
        assert_eq!(problems(&[1], "// AP-1\n", "").len(), 1);
        assert_eq!(problems(&[1, 1], "// AP-1\n", "// AP-1\n").len(), 1);
    }

    #[test]
    fn reports_citations_of_no_rule_with_their_places() {
        let problems = problems(&[], "\n// AP-7\n", "");
        assert_eq!(problems, ["a.rs:2: rule 7 is not in docs/wire.md"]);
    }

    #[test]
    fn a_file_is_what_its_place_says() {
        assert_eq!(kind_of("crates/armour/src/lib.rs"), Some(Kind::Code));
        assert_eq!(kind_of("crates/armour/src/pack/tests.rs"), Some(Kind::Test));
        assert_eq!(kind_of("crates/armour/tests/pack.rs"), Some(Kind::Test));
        assert_eq!(kind_of("fuzz/targets/src/lib.rs"), Some(Kind::Test));
        assert_eq!(kind_of("xtask/src/spec.rs"), None);
        assert_eq!(kind_of("docs/examples/one/src/main.rs"), None);
    }

    #[test]
    fn parts_of_a_test_module_are_tests() {
        let modules = BTreeSet::from(["crates/a/src/b/x".to_owned()]);
        assert!(is_below("crates/a/src/b/x.rs", &modules));
        assert!(is_below("crates/a/src/b/x/y.rs", &modules));
        assert!(!is_below("crates/a/src/b/xy.rs", &modules));
    }
}
