//! Which lines are shown: `RUST_LOG` if it can be understood, else `-v`.

use std::ffi::OsStr;

use tracing_subscriber::EnvFilter;

/// What a near miss of a level's name is, in slips of the finger.
const SLIPS_MAX: usize = 2;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter, and why it is not what `RUST_LOG` says.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) filter: EnvFilter,
    pub(crate) problem: Option<String>,
}

/// Chooses by `RUST_LOG`'s value, or by how often `-v` was given.
pub(crate) fn choose(verbose: u8, rust_log: Option<&OsStr>) -> Chosen {
    match rust_log.filter(|value| !value.is_empty()).map(parse) {
        Some(Ok(filter)) => Chosen { filter, problem: None },
        Some(Err(problem)) => Chosen { filter: by_count(verbose), problem: Some(problem) },
        None => Chosen { filter: by_count(verbose), problem: None },
    }
}

fn by_count(verbose: u8) -> EnvFilter {
    EnvFilter::new(match verbose {
        0 => "warn,skypeproxy=info,tunnel=info",
        1 => "info",
        2 => "debug",
        _ => "trace",
    })
}

fn parse(value: &OsStr) -> Result<EnvFilter, String> {
    let text = value.to_str().ok_or("it is not UTF-8")?;
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        near_miss(part)?;
        EnvFilter::builder().parse(part).map_err(|error| format!("{part:?}: {error}"))?;
    }
    // Without a level for all that is not named, the spans of the others would be lost as well, and
    // with them the ids of the lines that are shown.
    EnvFilter::builder().parse(format!("error,{text}")).map_err(|error| error.to_string())
}

/// A word alone that is no level is a target: `inof` would hide everything but a crate of that name.
fn near_miss(word: &str) -> Result<(), String> {
    let word = word.to_ascii_lowercase();
    if !word.bytes().all(|octet| octet.is_ascii_alphabetic()) || LEVELS.contains(&word.as_str()) {
        return Ok(());
    }
    let is_near = |level: &&&str| {
        word.starts_with(**level) || strsim::damerau_levenshtein(&word, level) <= SLIPS_MAX
    };
    LEVELS
        .iter()
        .find(is_near)
        .map_or(Ok(()), |level| Err(format!("{word:?} is no level; did you mean {level:?}?")))
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::*;

    fn with(rust_log: &str) -> Chosen {
        choose(0, Some(OsStr::new(rust_log)))
    }

    #[test]
    fn what_is_understood_is_taken() {
        for (text, level) in [
            ("debug", LevelFilter::DEBUG),
            ("3", LevelFilter::INFO),
            ("tunnel=trace", LevelFilter::TRACE),
            ("warn,carrier_skype=info", LevelFilter::INFO),
        ] {
            let chosen = with(text);
            assert_eq!(chosen.problem, None, "{text}");
            assert_eq!(chosen.filter.max_level_hint(), Some(level), "{text}");
        }
        assert_eq!(with("warn,[stream{id=1}]=trace").problem, None);
    }

    #[test]
    fn a_filter_for_one_crate_keeps_the_spans_of_the_others() {
        assert!(with("tunnel=debug").filter.to_string().contains("error"));
    }

    #[test]
    fn what_is_not_understood_is_told_and_does_not_silence() {
        for (text, told) in [
            ("inof", "did you mean \"info\""),
            ("tunnel=debug, WARNING", "did you mean \"warn\""),
            ("debug,tunnel=loud", "\"tunnel=loud\": error parsing level"),
            ("tunnel=[", "\"tunnel=[\": "),
        ] {
            let chosen = with(text);
            let problem = chosen.problem.unwrap_or_default();
            assert!(problem.contains(told), "{text}: {problem}");
            assert_eq!(chosen.filter.max_level_hint(), Some(LevelFilter::INFO), "{text}");
        }
    }

    #[test]
    fn an_empty_variable_is_none() {
        assert_eq!(with("").problem, None);
        assert_eq!(with("").filter.max_level_hint(), Some(LevelFilter::INFO));
        assert_eq!(choose(2, None).filter.max_level_hint(), Some(LevelFilter::DEBUG));
    }
}
