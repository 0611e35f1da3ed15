//! Reads the numbers of the rules out of a document that numbers them.

/// How a rule's paragraph begins, and how its row of a table does; the number follows.
const BEGINNINGS: [&str; 2] = ["**AP-", "| AP-"];

/// The rules of a document, in its order; one that is given twice comes twice.
pub(super) fn rules(document: &str) -> Vec<u32> {
    document.lines().filter_map(rule).collect()
}

fn rule(line: &str) -> Option<u32> {
    let rest = BEGINNINGS.iter().find_map(|beginning| line.strip_prefix(beginning))?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = rest.split_at(end);
    (rest.starts_with("**") || rest.starts_with(" |")).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_paragraphs_and_rows_and_nothing_that_only_mentions_a_rule() {
        let document = "**AP-1** First.\n\nAs AP-2 says, **AP-3** and\n| AP-112 | 20 s |\n\
                        | rule | AP-4 |\n**AP-n** none\n**AP-1** again\n";
        assert_eq!(rules(document), [1, 112, 1]);
    }
}
