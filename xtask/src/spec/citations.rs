//! Finds what a file cites, and which of its lines are tests.
//!
//! It reads lines, not syntax: all code here is formatted, so an item that opens a brace ends at the
//! next line that begins with a closing one under the item's own indentation.

/// What cites a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    Test,
}

const TEST_ONLY: &str = "#[cfg(test)]";

/// Every rule cited with its line, counted from 1. `whole` says what the file is if it is one thing.
pub(super) fn citations(content: &str, whole: Option<Kind>) -> Vec<(u32, usize, Kind)> {
    let mut found = Vec::new();
    let mut test: Option<TestItem> = None;
    for (index, line) in content.lines().enumerate() {
        if line.trim() == TEST_ONLY && test.is_none() {
            test = Some(TestItem::new(line));
        }
        let kind = if test.is_some() { Kind::Test } else { Kind::Code };
        found.extend(cited(line).map(|rule| (rule, index + 1, whole.unwrap_or(kind))));
        if test.as_mut().is_some_and(|item| item.ends_with(line)) {
            test = None;
        }
    }
    found
}

/// The modules that are compiled for tests only and have a file of their own, each as the path of
/// that file without its extension.
pub(super) fn test_modules(file: &str, content: &str) -> Vec<String> {
    let Some((dir, name)) = file.rsplit_once('/') else { return Vec::new() };
    let dir = match name {
        "lib.rs" | "main.rs" => dir.to_owned(),
        _ => format!("{dir}/{}", name.trim_end_matches(".rs")),
    };
    let mut modules = Vec::new();
    let mut is_test = false;
    for line in content.lines().map(str::trim) {
        if line == TEST_ONLY {
            is_test = true;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            let module = line.strip_suffix(';').and_then(|item| item.rsplit_once("mod "));
            if let (true, Some((_, module))) = (is_test, module) {
                modules.push(format!("{dir}/{module}"));
            }
            is_test = false;
        }
    }
    modules
}

/// An item behind `#[cfg(test)]`, while its lines go by.
struct TestItem {
    /// A line that starts with this and a closing brace ends the item.
    indentation: String,
    is_open: bool,
}

impl TestItem {
    fn new(attribute: &str) -> Self {
        let text = attribute.trim_start();
        let indentation = attribute.strip_suffix(text).unwrap_or_default().to_owned();
        Self { indentation, is_open: false }
    }

    /// Takes the next line, and says whether the item ends with it.
    fn ends_with(&mut self, line: &str) -> bool {
        let Some(line) = line.strip_prefix(&self.indentation) else { return false };
        if line.starts_with('}') {
            return true;
        }
        if line.starts_with("#[") || line.starts_with("//") || line.starts_with(' ') {
            return false;
        }
        let is_whole = !self.is_open && (line.ends_with([';', ',']) || line.ends_with('}'));
        self.is_open = true;
        is_whole
    }
}

/// The rules that a line cites.
fn cited(line: &str) -> impl Iterator<Item = u32> {
    line.match_indices("AP-").filter_map(|(at, found)| {
        let before = line.get(..at)?.chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        let rest = line.get(at + found.len()..)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(content: &str) -> Vec<(u32, Kind)> {
        citations(content, None).into_iter().map(|(rule, _, kind)| (rule, kind)).collect()
    }

    #[test]
    fn reads_lists_and_not_other_words() {
        let found: Vec<_> = cited("/// AP-1, AP-22 (AP-3), AP2AP-4, AP-n, CAP-5").collect();
        assert_eq!(found, [1, 22, 3]);
    }

    #[test]
    fn what_stands_behind_cfg_test_is_a_test_until_its_item_ends() {
        let content = "// AP-1\n#[cfg(test)]\npub(crate) mod tests {\n    // AP-2\n}\n// AP-3\n";
        assert_eq!(kinds(content), [(1, Kind::Code), (2, Kind::Test), (3, Kind::Code)]);
        let content = "#[cfg(test)]\nmod tests;\n// AP-3\n";
        assert_eq!(kinds(content), [(3, Kind::Code)]);
        let content = "    #[cfg(test)]\n    // AP-1\n    fn a(\n        b: u8,\n    ) {\n        {\n        }\n\
                       \x20       // AP-2\n    }\n    // AP-3\n";
        assert_eq!(kinds(content), [(1, Kind::Test), (2, Kind::Test), (3, Kind::Code)]);
    }

    #[test]
    fn a_field_for_tests_ends_with_its_line() {
        let content = "struct A {\n    #[cfg(test)]\n    b: u8,\n    // AP-3\n    c: u8,\n}\n";
        assert_eq!(kinds(content), [(3, Kind::Code)]);
    }

    #[test]
    fn a_test_module_with_a_file_of_its_own_is_found_beside_its_parent() {
        let content =
            "mod code;\n#[cfg(test)]\npub(crate) mod x;\n#[cfg(test)]\nmod y {\n}\nmod z;\n";
        assert_eq!(test_modules("crates/a/src/b.rs", content), ["crates/a/src/b/x"]);
        assert_eq!(test_modules("crates/a/src/lib.rs", content), ["crates/a/src/x"]);
    }
}
