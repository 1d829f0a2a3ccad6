//! The sink's SMTP (RFC 5321), as large servers speak it: STARTTLS, and replies to pipelined commands in one packet.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::taken::Taken;

const GREETING: &[u8] = b"220 sink.test ESMTP\r\n";
const EXTENSIONS: &str = "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 31457280\r\n250-8BITMIME\r\n";

/// The end of a dialogue.
#[derive(PartialEq, Eq)]
enum End {
    StartTls,
    Quit,
}

/// A connection at one stage: in clear text, or encrypted.
struct Dialogue<'a, S> {
    stream: BufReader<S>,
    replies: Vec<u8>,
    /// The last line of the reply to EHLO.
    last_extension: &'a str,
    recipients: usize,
    taken: &'a Taken,
}

/// Serves one connection until its end.
pub(super) async fn serve(mut stream: TcpStream, acceptor: &TlsAcceptor, taken: &Taken) -> io::Result<()> {
    stream.write_all(GREETING).await?;
    let mut clear = Dialogue::new(stream, "250 STARTTLS\r\n", taken);
    if clear.run().await? == End::StartTls {
        let stream = acceptor.accept(clear.stream.into_inner()).await?;
        Dialogue::new(stream, "250 SMTPUTF8\r\n", taken).run().await?;
    }
    Ok(())
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Dialogue<'a, S> {
    fn new(stream: S, last_extension: &'a str, taken: &'a Taken) -> Self {
        let stream = BufReader::with_capacity(32 * 1024, stream);
        Self { stream, replies: Vec::new(), last_extension, recipients: 0, taken }
    }

    async fn run(&mut self) -> io::Result<End> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Ok(End::Quit);
            }
            let verb: String = line.chars().take(4).collect::<String>().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let reply = [EXTENSIONS, self.last_extension].concat();
                    self.reply(&reply).await?;
                }
                "STAR" => {
                    self.reply("220 2.0.0 go ahead\r\n").await?;
                    return Ok(End::StartTls);
                }
                "DATA" => self.message().await?,
                "QUIT" => {
                    self.reply("221 2.0.0 bye\r\n").await?;
                    return Ok(End::Quit);
                }
                verb => {
                    self.recipients += usize::from(verb == "RCPT");
                    self.reply("250 2.1.0 fine\r\n").await?;
                }
            }
        }
    }

    async fn message(&mut self) -> io::Result<()> {
        self.reply("354 go ahead\r\n").await?;
        let mut line = Vec::new();
        while line != b".\r\n" {
            line.clear();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let recipients = std::mem::take(&mut self.recipients);
        self.reply("250 2.0.0 taken\r\n").await?;
        self.taken.add(recipients);
        Ok(())
    }

    /// Replies leave once no further command is there.
    async fn reply(&mut self, reply: &str) -> io::Result<()> {
        self.replies.extend_from_slice(reply.as_bytes());
        if self.stream.buffer().is_empty() {
            self.stream.get_mut().write_all(&self.replies).await?;
            self.stream.get_mut().flush().await?;
            self.replies.clear();
        }
        Ok(())
    }
}
