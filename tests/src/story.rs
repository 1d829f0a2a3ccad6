//! The main story: two people pair with a box by its links, make contact, and exchange texts and a file.
//! Told against any server that can show links: the daemon alone, or a card image in QEMU.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use test_support::Random;

use crate::delta_chat::Person;

/// The attachment's size, in bytes.
pub const FILE_BYTES: usize = 5_000_000;

/// The time limits of the steps; an emulated Pi moves a tenth of a megabyte a second.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a text or a step of making contact.
    pub text: Duration,
    /// For the file, up and down.
    pub file: Duration,
}

impl Limits {
    /// For the daemon on this machine.
    pub const NATIVE: Self = Self { text: Duration::from_secs(60), file: Duration::from_secs(120) };
    /// For a guest with a fast network card.
    pub const VIRT: Self = Self { text: Duration::from_secs(120), file: Duration::from_secs(300) };
    /// For an emulated Pi, whose USB network moves 0.1 MB a second.
    pub const RASPI3B: Self = Self { text: Duration::from_secs(300), file: Duration::from_secs(900) };
}

/// Makes contact between two paired people and lets them talk both ways; gives their chats.
pub fn make_contact(anna: &Person, ben: &Person, limits: Limits) -> Result<(u64, u64)> {
    let bens_chat = ben
        .join(&anna.invite()?, limits.text)
        .with_context(|| format!("Ben scans Anna's code; Anna: {}", anna.last_errors()))?;
    ben.send(bens_chat, "Hello Anna")?;
    let hello = anna.wait_for_message(limits.text, |message| message.text == "Hello Anna")?;
    ensure!(hello.encrypted, "Anna's message shows no padlock");
    anna.send(hello.chat, "Hello Ben")?;
    let answer = ben.wait_for_message(limits.text, |message| message.text == "Hello Ben")?;
    ensure!(answer.encrypted, "Ben's message shows no padlock");
    Ok((hello.chat, bens_chat))
}

/// Sends a file that does not compress from one to the other.
pub fn send_file(from: &Person, chat: u64, to: &Person, limits: Limits) -> Result<()> {
    send_film(from, chat, to, FILE_BYTES, limits)
}

/// The same with a file of this many bytes.
pub fn send_film(from: &Person, chat: u64, to: &Person, bytes: usize, limits: Limits) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("film.bin");
    std::fs::write(&file, Random::new(0).bytes(bytes))?;
    let sent = from.send_file(chat, &file)?;
    from.wait_until_sent(sent, limits.file)?;
    let bytes = u64::try_from(bytes)?;
    to.wait_for_message(limits.file, |message| message.complete && message.file_bytes == bytes)?;
    Ok(())
}

/// One writes to the other, sees that it is read, and deletes it for both.
pub fn read_and_delete(anna: &Person, ben: &Person, chat: u64, limits: Limits) -> Result<()> {
    let sent = anna.send(chat, "Did you read this?")?;
    let received = ben.wait_for_message(limits.text, |message| message.text == "Did you read this?")?;
    ben.read(received.id)?;
    anna.wait_for(limits.text, "MsgRead", |event| (event["msgId"] == sent).then_some(()))?;
    anna.delete_for_all(sent)?;
    ben.wait_for(limits.text, "MsgDeleted", |event| (event["msgId"] == received.id).then_some(()))
}
