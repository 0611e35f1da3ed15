//! What any text file here keeps to: a purpose first, no white space last.

/// Says so if a Rust file does not open with what it does, or with the page that does.
pub(super) fn without_purpose(content: &str) -> Option<String> {
    let first = content.lines().next().unwrap_or_default();
    let purpose = first.strip_prefix("//! ").is_some_and(|purpose| !purpose.trim().is_empty());
    let front_page = first.starts_with("#![doc = include_str!(");
    (!purpose && !front_page)
        .then(|| "1: say what the file does in a first line `//! ...`".to_owned())
}

/// Every line that ends in white space, and a last line that does not end.
pub(super) fn untidy(content: &str) -> impl Iterator<Item = String> {
    let trailing = content
        .split('\n')
        .zip(1..)
        .filter(|(line, _)| line.ends_with(char::is_whitespace))
        .map(|(_, number)| format!("{number}: remove the white space at the end of the line"));
    let endless = !content.is_empty() && !content.ends_with('\n');
    let last = content.split('\n').count();
    trailing.chain(endless.then(|| format!("{last}: end the last line with a newline")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_its_purpose_first() {
        assert_eq!(without_purpose("//! Does one thing.\nfn f() {}\n"), None);
        assert_eq!(without_purpose("#![doc = include_str!(\"../README.md\")]\n"), None);
        for content in
            ["", "fn f() {}\n", "\n//! Late.\n", "//!\n//! Late.\n", "//! \n", "// No.\n"]
        {
            assert!(without_purpose(content).is_some(), "{content:?}");
        }
    }

    #[test]
    fn lines_end_where_their_text_ends() {
        assert_eq!(untidy("a\n\nb\n").count(), 0);
        assert_eq!(untidy("").count(), 0);
        for content in ["a \n", "a\t\nb\n", "a\r\n", "a", "a\n  \n", "a\n "] {
            assert!(untidy(content).count() > 0, "{content:?}");
        }
        assert!(untidy("a\nb \n").eq(["2: remove the white space at the end of the line"]));
    }
}
