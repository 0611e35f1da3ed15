//! With no file descriptors left, new clients are closed and not left hanging, and life goes on after.
#![cfg(unix)]

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use socks_front::{Acceptor, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Set in the child, whose limit is low.
const CHILD: &str = "SOCKS_FRONT_FEW_DESCRIPTORS";

/// The limit belongs to the process, so the test runs itself again in one of its own.
#[test]
fn a_shortage_of_descriptors_closes_new_clients_and_passes() {
    if std::env::var_os(CHILD).is_some() {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(async { timeout(Duration::from_secs(60), run_short()).await })
            .expect("nobody is left hanging");
        return;
    }
    let script =
        "ulimit -n 64 && exec \"$0\" a_shortage_of_descriptors_closes_new_clients_and_passes";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().expect("our own path"))
        .env(CHILD, "1")
        .output()
        .expect("a shell");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

async fn run_short() {
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut acceptor = Acceptor::bind(addr, Config::default()).await.expect("a free port");
    let mut held: Vec<File> =
        std::iter::from_fn(|| File::open("/dev/null").ok()).take(1000).collect();
    assert!(held.len() < 64, "the limit is low");

    // Each client takes the descriptor that one file gives up, and leaves none for our end.
    for _ in 0..3 {
        held.pop();
        let mut client =
            TcpStream::connect(acceptor.local_addr()).await.expect("the backlog takes it");
        held.extend(File::open("/dev/null"));
        tokio::select! {
            _ = acceptor.accept() => panic!("there is no descriptor for a request"),
            octets = client.read_u8() => assert!(octets.is_err(), "closed without a word"),
        }
        held.push(
            File::open("/dev/null")
                .or_else(|_| {
                    drop(client);
                    File::open("/dev/null")
                })
                .expect("the client's descriptor"),
        );
    }

    held.clear();
    let mut client = TcpStream::connect(acceptor.local_addr()).await.expect("connected");
    client.write_all(b"\x04\x01\0\x50\x7f\0\0\x01\0").await.expect("sent");
    let request = acceptor.accept().await;
    assert_eq!(request.address().to_string(), "127.0.0.1:80");
}
