//! A port that a thread listens on, until it is closed with all its connections.

use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

/// An open port; closed when dropped.
pub(super) struct Listener {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    closed: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl State {
    fn connections(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Opens a port; each connection is served on a thread of its own.
    pub(super) fn start(
        address: impl Into<IpAddr>,
        port: u16,
        serve: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> Result<Self> {
        let address = SocketAddr::new(address.into(), port);
        let listener = TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
        let state = Arc::new(State::default());
        let (shared, serve) = (Arc::clone(&state), Arc::new(serve));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                // Answers are small and none waits for another.
                let _ = stream.set_nodelay(true);
                shared.connections().extend(stream.try_clone());
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || {
                    let end = stream.try_clone();
                    serve(stream);
                    // The list above keeps the socket open.
                    let _ = end.map(|end| end.shutdown(Shutdown::Both));
                });
            }
        });
        Ok(Self { address, state, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        // The thread waits for a connection.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
        for connection in self.state.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
