//! A web server of bodies with a known hash: `GET /N` gives N octets.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Octets written at once.
const CHUNK: usize = 16 * 1024;

/// A request line and its headers are not longer.
const HEAD_MAX: u64 = 16 * 1024;

/// Serves on threads of its own until the process ends.
pub(crate) fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no web server")?;
    let addr = listener.local_addr().context("no web server")?;
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            // A client that goes away in the middle is its own affair.
            thread::spawn(move || answer(&tcp));
        }
    });
    Ok(addr)
}

fn answer(tcp: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(tcp.take(HEAD_MAX)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut out = BufWriter::with_capacity(CHUNK, tcp);
    match path.trim_start_matches('/').parse() {
        Ok(len) => {
            write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n")?;
            Body::new(len).write_to(&mut out)?;
        }
        Err(_) => {
            out.write_all(
                b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            )?;
        }
    }
    out.flush()
}

/// Octets with no short period, so that nothing that is lost, doubled or moved goes unseen.
struct Body {
    left: u64,
    state: u64,
}

impl Body {
    const fn new(len: u64) -> Self {
        Self { left: len, state: len }
    }

    fn write_to(mut self, out: &mut impl Write) -> io::Result<()> {
        while self.left > 0 {
            // Knuth's multiplier (MMIX); the high octets are the good ones.
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let octets = self.state.to_be_bytes();
            let len = usize::try_from(self.left.min(4)).unwrap_or(4);
            out.write_all(octets.get(..len).unwrap_or_default())?;
            self.left -= u64::try_from(len).unwrap_or(4);
        }
        Ok(())
    }
}

/// The hash of the body that `GET /len` gives.
pub(crate) fn hash_of_body(len: u64) -> Result<String> {
    let mut hash = Sha256::new();
    Body::new(len).write_to(&mut hash).context("hashing")?;
    Ok(hex(&hash.finalize()))
}

/// The hash of a file.
pub(crate) fn hash_of_file(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).context("cannot read what was fetched")?;
    io::copy(&mut file, &mut hash).context("cannot read what was fetched")?;
    Ok(hex(&hash.finalize()))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_length_and_its_own_octets() {
        for len in [0, 1, 5, 4096] {
            let mut body = Vec::new();
            Body::new(len).write_to(&mut body).unwrap();
            assert_eq!(u64::try_from(body.len()).unwrap(), len);
        }
        assert_ne!(hash_of_body(4096).unwrap(), hash_of_body(4097).unwrap());
    }
}
