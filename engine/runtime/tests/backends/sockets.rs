//! Connections on every backend: bytes in order, ends, cancellation, and the move from one shard to another.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the clients are ordinary threads")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream as Client};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use crate::support::{Bench, every_backend, on_every_backend};
use basalt_runtime::{Either, IoChoice, ShardIndex, ShardSet, ShardSetOptions, TcpListener, race, timeout};

fn listen(bench: &Bench) -> TcpListener {
    bench.handle.listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free")
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 % 251) as u8).collect()
}

#[test]
fn megabytes_are_echoed_in_order() {
    const LENGTH: usize = 3_000_000;
    on_every_backend(|bench| async move {
        let listener = listen(&bench);
        let address = listener.local_addr();
        let client = thread::spawn(move || {
            let mut client = Client::connect(address).unwrap();
            let mut sender = client.try_clone().unwrap();
            let sending = thread::spawn(move || {
                sender.write_all(&bytes(LENGTH)).unwrap();
                sender.shutdown(Shutdown::Write).unwrap();
            });
            let mut echoed = Vec::new();
            client.read_to_end(&mut echoed).unwrap();
            sending.join().unwrap();
            echoed == bytes(LENGTH)
        });
        let (stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, stream.peer_addr());
        stream.set_nodelay(true).unwrap();
        loop {
            let (read, buffer) = stream.read(Vec::with_capacity(65_536)).await;
            if read.unwrap() == 0 {
                break;
            }
            stream.write_all(buffer).await.0.unwrap();
        }
        stream.shutdown().unwrap();
        drop(stream);
        assert!(client.join().unwrap(), "echoed as sent on {}", bench.backend);
    });
}

#[test]
fn received_bytes_are_appended_within_the_capacity() {
    on_every_backend(|bench| async move {
        let listener = listen(&bench);
        let mut client = Client::connect(listener.local_addr()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(b"0123456789").unwrap();
        let mut buffer = Vec::with_capacity(8);
        buffer.extend_from_slice(b"ab");
        let room = buffer.capacity() - buffer.len();
        let (read, buffer) = stream.read(buffer).await;
        let read = read.unwrap();
        assert!(read <= room);
        assert_eq!(buffer, [b"ab", &b"0123456789"[..read]].concat());
    });
}

#[test]
fn a_stopped_wait_loses_no_byte() {
    on_every_backend(|bench| async move {
        let listener = listen(&bench);
        let mut client = Client::connect(listener.local_addr()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream.start_receive(Vec::with_capacity(100));
        let waiting = std::future::poll_fn(|context| stream.poll_receive(context));
        assert!(timeout(&bench.handle, Duration::from_millis(1), waiting).await.is_none());
        assert!(stream.is_receiving(), "the receive belongs to the connection");
        client.write_all(b"late").unwrap();
        let (read, buffer) = std::future::poll_fn(|context| stream.poll_receive(context)).await;
        assert_eq!((read.unwrap(), &*buffer), (4, &b"late"[..]));
    });
}

#[test]
fn a_dropped_connection_is_closed_under_its_receive() {
    on_every_backend(|bench| async move {
        let listener = listen(&bench);
        let mut client = Client::connect(listener.local_addr()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream.start_receive(Vec::with_capacity(100));
        let pending = std::future::poll_fn(|context| {
            assert!(stream.poll_receive(context).is_pending());
            Poll::Ready(())
        });
        pending.await;
        drop(stream);
        let closed = thread::spawn(move || matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
        while !closed.is_finished() {
            bench.handle.sleep(Duration::from_millis(1)).await;
        }
        assert!(closed.join().unwrap());
    });
}

#[test]
fn a_peer_that_vanishes_fails_the_send_and_nothing_else() {
    on_every_backend(|bench| async move {
        let listener = listen(&bench);
        let client = Client::connect(listener.local_addr()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        drop(client);
        let mut buffer = vec![1; 1 << 20];
        loop {
            let (sent, returned) = stream.write_all(buffer).await;
            buffer = returned;
            if sent.is_err() {
                break;
            }
        }
        assert_eq!(buffer.len(), 1 << 20, "the buffer comes back also from a failure");
    });
}

#[test]
fn an_abandoned_accept_leaves_the_listener_whole() {
    on_every_backend(|bench| async move {
        let listener = listen(&bench);
        let raced = race(listener.accept(), bench.handle.sleep(Duration::from_millis(1))).await;
        assert!(matches!(raced, Either::Right(())));
        let clients: Vec<Client> = (0..20).map(|_| Client::connect(listener.local_addr()).unwrap()).collect();
        for _ in &clients {
            listener.accept().await.unwrap();
        }
    });
}

#[test]
fn a_connection_moves_to_another_shard() {
    for options in every_backend() {
        let options = ShardSetOptions { shard_count: 2, ..options };
        let set = ShardSet::start(options, |context| {
            Box::pin(async move {
                if context.handle.shard() == ShardIndex(1) {
                    // Lives until its job has ended it.
                    let (done, finished) = basalt_runtime::remote::oneshot();
                    DONE.with(|place| place.replace(Some(done)));
                    finished.await.unwrap();
                    return;
                }
                let handle = context.handle;
                let listener = handle.listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
                let mut client = Client::connect(listener.local_addr()).unwrap();
                let (stream, _) = listener.accept().await.unwrap();
                client.write_all(b"over there").unwrap();
                let moving = stream.detach().unwrap();
                let (reply, answer) = basalt_runtime::remote::oneshot();
                let job = move |handle: &basalt_runtime::Handle| {
                    let stream = moving.attach(handle).unwrap();
                    let task = handle.spawn(async move {
                        let (read, buffer) = stream.read(Vec::with_capacity(10)).await;
                        read.unwrap();
                        reply.send((basalt_runtime::current_shard(), buffer)).unwrap();
                        DONE.with(|place| place.take()).expect("shard 1 waits").send(()).unwrap();
                    });
                    task.detach();
                };
                context.remotes[1].send(Box::new(job)).await.unwrap();
                let (shard, buffer) = answer.await.unwrap();
                assert_eq!(shard, Some(ShardIndex(1)));
                assert_eq!(buffer, b"over there");
            })
        });
        set.unwrap().join();
    }
}

thread_local! {
    static DONE: std::cell::RefCell<Option<basalt_runtime::remote::Sender<()>>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn the_forced_backend_is_the_one_that_runs() {
    let options = ShardSetOptions { io: IoChoice::Portable, ..ShardSetOptions::default() };
    let set = ShardSet::start(options, |_| Box::pin(async {})).unwrap();
    assert_eq!(set.backend().name(), "portable");
    set.join();
}
