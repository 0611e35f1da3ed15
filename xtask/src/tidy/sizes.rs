//! Sizes of files and functions; reported, for a rule about them is no law.

/// A file fits a head.
const FILE_LINES_MAX: usize = 500;

/// A function fits a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Everything in a Rust file that is larger than it should be.
pub(super) fn large(content: &str) -> impl Iterator<Item = String> {
    let lines = content.lines().count();
    let file = (lines > FILE_LINES_MAX)
        .then(|| format!("1: {lines} lines in a file, {FILE_LINES_MAX} fit a head"));
    file.into_iter().chain(
        functions(content).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX).map(
            |(at, lines)| {
                format!("{at}: {lines} lines in a function, {FUNCTION_LINES_MAX} fit a screen")
            },
        ),
    )
}

/// The first line and the number of lines of each function. rustfmt sees to it that a function's
/// last line is its closing brace at the indentation of its first.
fn functions(content: &str) -> Vec<(usize, usize)> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut found = Vec::new();
    for (line, number) in content.lines().zip(1..) {
        let text = line.trim_start();
        let (indent, _) = line.split_at(line.len() - text.len());
        if starts_function(text) && !text.ends_with(';') && !text.ends_with('}') {
            open.push((number, indent));
        } else if text == "}" && open.last().is_some_and(|(_, opened)| *opened == indent) {
            found.extend(open.pop().map(|(start, _)| (start, number - start + 1)));
        } else if text == ");" || text.starts_with(") ->") && text.ends_with(';') {
            // A signature over several lines that has no body after all.
            open.pop_if(|(_, opened)| *opened == indent);
        }
    }
    found
}

fn starts_function(text: &str) -> bool {
    let signature = text.split('(').next().unwrap_or_default();
    let mut words = signature.split_whitespace().skip_while(|word| {
        matches!(*word, "pub" | "const" | "async" | "unsafe" | "extern" | "\"C\"")
    });
    // `pub(crate)` has ended the signature above at its parenthesis.
    words.next() == Some("fn")
        || text.strip_prefix("pub(").is_some_and(|rest| {
            rest.split_once(") ").is_some_and(|(_, rest)| starts_function(rest))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_functions_and_their_lengths() {
        let content = "\
impl A {
    pub(crate) const fn f(
        self,
    ) -> u8 {
        if self {
        }
        1
    }
}
fn g() {
}
fn h() {}
trait T {
    fn no_body(&self);
    fn body(&self) {
    }
}
";
        assert_eq!(functions(content), [(2, 7), (10, 2), (15, 2)]);
    }

    #[test]
    fn reports_what_is_too_large() {
        let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(69));
        assert!(
            large(&long).next().is_some_and(|size| size.starts_with("1: 71 lines in a function"))
        );
        assert_eq!(large(&long.replacen("    g();\n", "", 1)).count(), 0);
        assert_eq!(large(&"\n".repeat(501)).count(), 1);
    }
}
