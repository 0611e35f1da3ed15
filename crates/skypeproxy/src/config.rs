//! Configuration files: TOML with the names of the flags, each optional.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ap2ap_stream::PublicKey;
use carrier::PeerId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::carriers::CarrierSpec;

/// No configuration file is longer, in octets.
const LEN_MAX: u64 = 1024 * 1024;

/// A bridge's configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BridgeFile {
    #[serde(default)]
    carrier: Vec<String>,
    pub(crate) key: Option<PathBuf>,
    #[serde(default)]
    pub(crate) forward: Vec<SocketAddr>,
}

/// A client's configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientFile {
    #[serde(default)]
    carrier: Vec<String>,
    #[serde(default)]
    bridge: Vec<String>,
    bridge_key: Option<String>,
    pub(crate) listen: Option<SocketAddr>,
}

impl BridgeFile {
    pub(crate) fn carriers(&self) -> anyhow::Result<Vec<CarrierSpec>> {
        carriers(&self.carrier)
    }
}

impl ClientFile {
    pub(crate) fn carriers(&self) -> anyhow::Result<Vec<CarrierSpec>> {
        carriers(&self.carrier)
    }

    pub(crate) fn bridges(&self) -> anyhow::Result<Vec<PeerId>> {
        let parse = |text: &String| text.parse().with_context(|| format!("bridge = {text:?}"));
        self.bridge.iter().map(parse).collect()
    }

    pub(crate) fn bridge_key(&self) -> anyhow::Result<Option<PublicKey>> {
        self.bridge_key.as_ref().map(|text| text.parse().context("bridge_key")).transpose()
    }
}

/// Reads a file, or gives the empty one if there is none to read.
pub(crate) fn read_or_default<T: DeserializeOwned + Default>(
    path: Option<&Path>,
) -> anyhow::Result<T> {
    path.map_or_else(|| Ok(T::default()), read)
}

/// Reads a file. An error names the file and the line.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let name = path.display();
    let len = fs::metadata(path).with_context(|| format!("cannot read {name}"))?.len();
    if len > LEN_MAX {
        bail!("{name} is no configuration file: it is longer than {LEN_MAX} octets");
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    toml::from_str(&text).with_context(|| format!("{name} is not as it should be"))
}

fn carriers(texts: &[String]) -> anyhow::Result<Vec<CarrierSpec>> {
    let parse = |text: &String| text.parse().with_context(|| format!("carrier = {text:?}"));
    texts.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_client_s_file_is_read() {
        let file: ClientFile = read_text(
            "carrier = [\"skype:unix:/a\"]\nbridge = [\"skype:b\"]\nlisten = \"127.0.0.1:0\"\n",
        )
        .unwrap();
        assert_eq!(file.carriers().unwrap().len(), 1);
        assert_eq!(file.bridges().unwrap().len(), 1);
    }

    #[test]
    fn an_unknown_name_is_refused_with_its_line() {
        let error = read_text::<BridgeFile>("\nforwards = []\n").unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("line 2") && text.contains("`forward`"), "{text}");
    }
}
