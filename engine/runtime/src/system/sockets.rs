//! Making listening sockets, and the calls on sockets that do not wait.

use std::io;
use std::net::{Shutdown, SocketAddr};

use rustix::net::SendFlags;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps until they are accepted.
const LISTEN_BACKLOG: i32 = 1024;

/// Opens a listening socket; returns the address it got.
pub(crate) fn listen(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it a restart waits for the kernel to forget the last process's connections.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    let address = ip_address(&socket.local_addr()?)?;
    Ok((socket, address))
}

pub(crate) fn ip_address(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| io::Error::other("a TCP socket has an address that is not IP"))
}

/// Sends what the kernel takes without waiting; nothing on any error.
pub(crate) fn send_now(socket: &Socket, bytes: &[u8]) -> usize {
    rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).unwrap_or(0)
}

pub(crate) fn shutdown_send(socket: &Socket) -> io::Result<()> {
    match socket.shutdown(Shutdown::Write) {
        // The peer was faster, which is what the caller wanted.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}
