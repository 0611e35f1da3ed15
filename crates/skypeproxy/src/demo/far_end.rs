//! What stands behind the demo's bridge: a small web page, and an echo.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::body::Body;

/// Connections served at once at each of the two; more wait.
const CONNECTIONS_MAX: usize = 64;
/// A request's head is no longer, in octets, and takes no longer.
const HEAD_OCTETS_MAX: usize = 8 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// No body is longer, in octets.
const BODY_OCTETS_MAX: u64 = 10_000_000_000;

const PAGE: &str = "<!doctype html>\n<title>skypeproxy demo</title>\n\
<h1>It works</h1>\n\
<p>This page came through an emulated Skype: from a web server on this machine to a bridge, as\n\
datagrams of AP2AP text through a throttled relay to the client, and out of its SOCKS proxy.</p>\n\
<p>More to fetch: <a href=\"/body/100000\">/body/100000</a>, any number of octets.</p>\n";

/// The page and the echo, each on a free port of this machine. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct FarEnd {
    pub(crate) page: SocketAddr,
    pub(crate) echo: SocketAddr,
    _tasks: JoinSet<()>,
}

impl FarEnd {
    pub(crate) async fn start(seed: u64) -> anyhow::Result<Self> {
        let page = listen().await?;
        let echo = listen().await?;
        let (page_addr, echo_addr) = (page.local_addr()?, echo.local_addr()?);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(page, move |tcp| serve_page(tcp, seed)));
        tasks.spawn(serve(echo, serve_echo));
        Ok(Self { page: page_addr, echo: echo_addr, _tasks: tasks })
    }
}

async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await.context("no free port on 127.0.0.1")
}

async fn serve<F, S>(listener: TcpListener, serve_one: F)
where
    F: Fn(TcpStream) -> S,
    S: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut tasks = JoinSet::new();
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        while tasks.try_join_next().is_some() {}
        let served = serve_one(tcp);
        tasks.spawn(async move {
            // A visitor who leaves early is no fault of anybody's.
            let _ = served.await;
            drop(slot);
        });
    }
}

async fn serve_page(mut tcp: TcpStream, seed: u64) -> std::io::Result<()> {
    let Ok(head) = timeout(HEAD_TIMEOUT, read_head(&mut tcp)).await else { return Ok(()) };
    let path = head?.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let octets = path.strip_prefix("/body/").and_then(|octets| octets.parse().ok());
    match octets {
        Some(octets) if octets <= BODY_OCTETS_MAX => serve_body(&mut tcp, seed, octets).await?,
        None if path == "/" => {
            answer(&mut tcp, "200 OK", "text/html; charset=utf-8", PAGE).await?;
        }
        Some(_) | None => {
            answer(&mut tcp, "404 Not Found", "text/plain", "There is / and /body/OCTETS.\n")
                .await?;
        }
    }
    tcp.shutdown().await
}

async fn read_head(tcp: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_OCTETS_MAX {
        if tcp.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn answer(tcp: &mut TcpStream, status: &str, kind: &str, text: &str) -> std::io::Result<()> {
    let len = text.len();
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
    );
    tcp.write_all(head.as_bytes()).await?;
    tcp.write_all(text.as_bytes()).await
}

async fn serve_body(tcp: &mut TcpStream, seed: u64, octets: u64) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {octets}\r\nConnection: close\r\n\r\n"
    );
    tcp.write_all(head.as_bytes()).await?;
    let mut chunk = Vec::new();
    for block in Body::new(seed, octets) {
        chunk.extend_from_slice(&block);
        if chunk.len() >= HEAD_OCTETS_MAX {
            tcp.write_all(&chunk).await?;
            chunk.clear();
        }
    }
    tcp.write_all(&chunk).await
}

async fn serve_echo(mut tcp: TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let (mut read, mut write) = tcp.split();
    tokio::io::copy(&mut read, &mut write).await.map(|_| ())
}
