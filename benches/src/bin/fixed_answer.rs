//! The yardstick of the HTTP measurements: hyper on tokio, answering every request with the same bytes.
//!
//! It reads the whole body and answers with the headers and the length of a GetItem's answer, and does nothing else.
//! What a server takes beyond this is its own doing.

use std::{net::SocketAddr, time::Duration};

use basalt_benches::test_item::TestItems;
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// A listener that has no descriptor for a connection looks again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers every HTTP request with the same bytes, as fast as hyper can.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8001")]
    listen: SocketAddr,
    /// Threads; the machine's cores, if it is not said.
    #[arg(long)]
    threads: Option<usize>,
    /// Whose answer it is: an item's of so many bytes (GetItem), or with 0 an empty object (PutItem).
    #[arg(long, default_value_t = 300)]
    item_bytes: usize,
}

fn main() -> Result<(), String> {
    let options = Options::parse();
    let body = body(options.item_bytes)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        builder.worker_threads(threads);
    }
    let runtime = builder.enable_io().enable_time().build().map_err(|error| error.to_string())?;
    runtime.block_on(accept_all(options.listen, body))
}

fn body(item_bytes: usize) -> Result<Bytes, String> {
    let mut body = Vec::new();
    if item_bytes == 0 {
        body.extend_from_slice(b"{}");
    } else {
        body.extend_from_slice(b"{\"Item\":");
        TestItems::of_size(item_bytes)?.write_json(0, 0, &mut body);
        body.push(b'}');
    }
    Ok(body.into())
}

async fn accept_all(address: SocketAddr, body: Bytes) -> Result<(), String> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                tokio::spawn(serve(stream, body.clone()));
            }
            Err(_no_room) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, body: Bytes) {
    // A peer that is gone, or sends no HTTP, ends its own connection only.
    let _peer_gone = stream.set_nodelay(true);
    let service = service_fn(|request| answer(request, body.clone()));
    let _peer_gone = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, body: Bytes) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    let response = Response::builder()
        .header("x-amzn-requestid", "0123456789ABCDEFGHIJKLMNOPQRSTUV0123456789ABCDEFGHIJ")
        .header("x-amz-crc32", "2745614147")
        .header("content-type", "application/x-amz-json-1.0")
        .body(Full::new(body))
        .expect("the headers are plain text");
    Ok(response)
}
