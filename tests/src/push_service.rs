//! Stands in for the push service: takes what is posted, and answers what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

/// Longer than any token, in bytes.
const BODY_LIMIT: u64 = 64 * 1024;

/// A service on the loopback that ends with the test's process.
pub struct PushService {
    port: u16,
    status: Arc<AtomicU16>,
    posted: Mutex<Receiver<String>>,
}

impl PushService {
    /// One that takes everything (200).
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let status = Arc::new(AtomicU16::new(200));
        let (sender, posted) = channel();
        let answer = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, sender) = (Arc::clone(&answer), sender.clone());
                std::thread::spawn(move || serve(stream, &answer, &sender));
            }
        });
        Ok(Self { port, status, posted: Mutex::new(posted) })
    }

    /// The part of a daemon's configuration that names this service.
    #[must_use]
    pub fn configuration(&self) -> String {
        format!("[push]\nurl = \"http://127.0.0.1:{}/notify\"", self.port)
    }

    /// Answers this status from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next token that is posted.
    pub fn next(&self, limit: Duration) -> Result<String> {
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        posted.recv_timeout(limit).with_context(|| format!("no notification within {} s", limit.as_secs()))
    }

    /// Forgets what was posted so far.
    pub fn forget(&self) {
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        while posted.try_recv().is_ok() {}
    }
}

/// Requests of one connection until the other side has enough of it.
fn serve(stream: TcpStream, status: &AtomicU16, sender: &Sender<String>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = String::new();
        reader.by_ref().take(BODY_LIMIT.min(length)).read_to_string(&mut body).ok()?;
        // The status first: whoever hears of the token may change what later ones are answered with.
        let status = status.load(Ordering::SeqCst);
        sender.send(body).ok()?;
        write!(writer, "HTTP/1.1 {status} as told\r\nContent-Length: 2\r\n\r\nok").ok()?;
    }
}
