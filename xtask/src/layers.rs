//! The layers of docs/architecture.md: which row each crate stands in, and who may import whom.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::tree;

/// A crate's row. It may import crates of lower rows only, never of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    /// No clock, socket, file, entropy or runtime, but behind a feature that adds it.
    Pure,
    /// One outside world each.
    Outside,
    /// Both ends of the tunnel.
    Ends,
    /// Arguments, configuration, composition.
    Binary,
    /// Chores and measurements: they import whom they like, and nobody imports them.
    Around,
}

/// The one place where a crate gets its row.
const ROWS: &[(&str, Row)] = &[
    ("armour", Row::Pure),
    ("carrier", Row::Pure),
    ("relay-probe", Row::Pure),
    ("relay-sim", Row::Pure),
    ("path-manager", Row::Pure),
    ("skype-api", Row::Pure),
    ("socks-front", Row::Pure),
    ("tunnel-proto", Row::Pure),
    ("ap2ap-stream", Row::Pure),
    ("ap2ap-tokio", Row::Outside),
    ("carrier-udp", Row::Outside),
    ("carrier-skype", Row::Outside),
    ("skype-emu", Row::Outside),
    ("tunnel", Row::Ends),
    ("skypeproxy", Row::Binary),
    ("benches", Row::Around),
    ("fuzz-targets", Row::Around),
    ("tor-net", Row::Around),
    ("xtask", Row::Around),
];

/// Others' crates that bring an outside world along: a pure crate has them behind a feature or not at all.
const IMPURE: &[&str] =
    &["tokio", "tokio-util", "getrandom", "rustix", "tempfile", "tracing-subscriber"];

/// The names of the pure crates.
pub(crate) fn pure() -> impl Iterator<Item = &'static str> {
    ROWS.iter().filter(|(_, row)| *row == Row::Pure).map(|(name, _)| *name)
}

/// Every broken arrow of the workspace, each with what to do about it.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let workspace = tree::manifest(&root.join("Cargo.toml"))?;
    let members = workspace
        .get("workspace")
        .and_then(|table| table.get("members"))
        .and_then(Value::as_array)
        .context("Cargo.toml lists no workspace members")?;
    let mut problems = Vec::new();
    let mut row_above = Row::Pure;
    for member in members {
        let member = member.as_str().context("a workspace member is not a string")?;
        let manifest = tree::manifest(&root.join(member).join("Cargo.toml"))?;
        let Some(name) = package_name(&manifest) else { continue };
        let Some(row) = row_of(name) else {
            problems
                .push(format!("{member}: `{name}` has no row, give it one in xtask/src/layers.rs"));
            continue;
        };
        if row < row_above {
            problems.push(format!("Cargo.toml: move `{member}` up, members stand bottom-up"));
        }
        row_above = row_above.max(row);
        let broken =
            dependencies(&manifest).filter_map(|(import, value)| judge(row, import, value));
        problems.extend(broken.map(|why| format!("{member}/Cargo.toml: {why}")));
    }
    Ok(problems)
}

/// What is wrong with importing `import`, if anything is.
fn judge(row: Row, import: &str, value: &Value) -> Option<String> {
    let Some(imported) = row_of(import) else {
        let optional = value.get("optional").and_then(Value::as_bool).unwrap_or(false);
        return (row == Row::Pure && IMPURE.contains(&import) && !optional).then(|| {
            format!(
                "a pure crate may have `{import}` only as an optional dependency behind a feature"
            )
        });
    };
    (row != Row::Around && imported >= row).then(|| {
        format!(
            "`{import}` ({imported:?}) does not stand below ({row:?}): move the shared part to a lower row, \
             or import it under [dev-dependencies]"
        )
    })
}

fn row_of(name: &str) -> Option<Row> {
    ROWS.iter().find(|(known, _)| *known == name).map(|(_, row)| *row)
}

fn package_name(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// All that is linked into the crate, by the name of the package and not the one it is given here.
fn dependencies(manifest: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let per_target =
        targets.into_iter().flat_map(|table| table.values().filter_map(Value::as_table));
    std::iter::once(manifest)
        .chain(per_target)
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .flatten()
        .filter_map(Value::as_table)
        .flatten()
        .map(|(name, value)| {
            let package = value.get("package").and_then(Value::as_str);
            (package.unwrap_or(name), value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(row: Row, manifest: &str) -> Vec<String> {
        let manifest: Table = manifest.parse().expect("TOML");
        dependencies(&manifest).filter_map(|(import, value)| judge(row, import, value)).collect()
    }

    #[test]
    fn imports_go_down() {
        let manifest = "[dependencies]\narmour.workspace = true\ncarrier.workspace = true\n";
        assert_eq!(problems(Row::Outside, manifest), [""; 0]);
        assert_eq!(problems(Row::Pure, manifest).len(), 2, "same row");
        assert_eq!(problems(Row::Pure, "dependencies.tunnel.workspace = true").len(), 1, "upward");
    }

    #[test]
    fn dev_dependencies_are_free() {
        assert_eq!(problems(Row::Pure, "dev-dependencies.tunnel.workspace = true"), [""; 0]);
        assert_eq!(problems(Row::Around, "dependencies.tunnel.workspace = true"), [""; 0]);
    }

    #[test]
    fn a_new_name_or_a_target_hides_nothing() {
        assert_eq!(
            problems(Row::Pure, "dependencies.x = { package = 'tunnel', path = '' }").len(),
            1
        );
        assert_eq!(
            problems(Row::Pure, "target.'cfg(unix)'.dependencies.tunnel.path = ''").len(),
            1
        );
        assert_eq!(problems(Row::Pure, "build-dependencies.tunnel.path = ''").len(), 1);
    }

    #[test]
    fn pure_crates_have_a_runtime_behind_a_feature_only() {
        assert_eq!(problems(Row::Pure, "dependencies.tokio.workspace = true").len(), 1);
        let optional = "dependencies.tokio = { workspace = true, optional = true }";
        assert_eq!(problems(Row::Pure, optional), [""; 0]);
        assert_eq!(problems(Row::Outside, "dependencies.tokio.workspace = true"), [""; 0]);
    }
}
