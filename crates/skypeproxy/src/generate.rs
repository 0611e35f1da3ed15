//! Completions and man pages, from the definitions of the command line itself.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::args::Args;
use crate::exit::{Exit, OrExit};
use crate::log;

const NAME: &str = "skypeproxy";

/// Prints what a shell needs to complete our words.
///
/// # Errors
/// Nobody takes the text.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), NAME, &mut script);
    log::print(&String::from_utf8_lossy(&script))
}

/// Writes the completions of all shells to `completions/` in a directory, and a man page for each
/// command to `man/`. The same program writes the same octets.
///
/// # Errors
/// A file or directory cannot be made.
pub(crate) fn all(out: &Path) -> anyhow::Result<()> {
    write_all(out)
        .with_context(|| format!("cannot write to {}", out.display()))
        .or_exit(Exit::CannotCreate)
}

fn write_all(out: &Path) -> io::Result<()> {
    let (completions, man) = (out.join("completions"), out.join("man"));
    fs::create_dir_all(&completions)?;
    fs::create_dir_all(&man)?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut Args::command(), NAME, &completions)?;
    }
    let mut program = Args::command().disable_help_subcommand(true);
    program.build();
    write_pages(&program, &man)
}

/// The page of a command, and those of the commands below it.
fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below, dir)?;
    }
    let name = command.get_display_name().unwrap_or(NAME);
    fs::write(dir.join(format!("{name}.1")), page(command)?)
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let extra = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let plain = command.clone().after_long_help(None::<&str>);
    let source = concat!("skypeproxy ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(plain).source(source).manual("User Commands");
    let mut page = Vec::new();
    man.render(&mut page)?;
    sections(&extra).to_writer(&mut page)?;
    Ok(page)
}

/// What the help says after the flags, each heading as a section, and lines as they stand.
fn sections(extra: &str) -> Roff {
    let mut roff = Roff::new();
    let mut is_open = false;
    for line in extra.lines() {
        if let Some(heading) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            if is_open {
                roff.control("fi", []);
            }
            roff.control("SH", [heading.to_uppercase().as_str()]);
            roff.control("nf", []);
            is_open = true;
        } else if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
    }
    if is_open {
        roff.control("fi", []);
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_sections_and_lines_stay() {
        let roff = sections("Files:\n  .one   two\n\n  three\n\nExit status:\n    0  done\n");
        let text = roff.to_roff();
        for part in [".SH FILES\n.nf\n", "\\&.one   two\n", ".sp\nthree\n", ".SH \"EXIT STATUS\"\n"]
        {
            assert!(text.contains(part), "{part:?} in {text:?}");
        }
        assert_eq!(text.matches(".nf").count(), text.matches(".fi").count());
    }
}
