//! Figures of a bench for programs: the file that `-- --json FILE` asks for.

use std::{env, fs, io};

use serde_json::Value;

/// Writes `figures` to the file that follows `--json` on the command line, if one does. Cargo runs benches in the
/// folder of their package: a relative path starts there.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(figures: &Value) -> io::Result<()> {
    let mut words = env::args_os().skip_while(|word| word != "--json").skip(1);
    words.next().map_or(Ok(()), |path| fs::write(path, format!("{figures:#}\n")))
}
