//! Reading a line word by word, and finding keywords in tables.

/// What is left of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// The next word; the one space after it is taken too. `""` at the end.
    pub(crate) fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start_matches(' ');
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        self.rest = rest;
        word
    }

    /// Everything not yet read, untouched: payload starts after exactly one space.
    pub(crate) const fn text(self) -> &'a str {
        self.rest
    }

    /// Everything not yet read without the blanks around it: for the last word of a command, where
    /// real Skype tolerates trailing blanks and a second word is a fault.
    pub(crate) fn last(self) -> &'a str {
        self.rest.trim_matches(' ')
    }
}

/// Finds `word` in `table` without regard to ASCII case.
pub(crate) fn keyword<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|&(_, value)| value)
}

/// The name `value` has in `table`.
pub(crate) fn name_of<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|&&(_, other)| other == value).map_or("", |&(name, _)| name)
}
