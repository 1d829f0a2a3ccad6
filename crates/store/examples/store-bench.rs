//! `store-bench`: what deliveries cost on this machine's disk, beside a Maildir that syncs as it must.
//!
//! ```text
//! store-bench commits DIR WRITERS SECONDS [BYTES]   messages a second, each durable before the next of its writer
//! store-bench maildir DIR WRITERS SECONDS [BYTES]   the same into a Maildir: file, sync, rename, sync of the directory
//! store-bench churn DIR COUNT [BYTES]               deliver, fetch and delete one message after the other
//! store-bench fill DIR COUNT [BYTES]                16 writers deliver so many messages to 20 accounts
//! store-bench watched DIR COUNT [DELIVERIES]        processor time of a delivery to a mailbox of so many messages that one watches
//! store-bench neighbour DIR COUNT SECONDS WORK      times of a delivery to one account while another, with so many messages, makes
//!                                                   work without end: `checkpoints`, `flags` (of all messages) or `nothing`
//! store-bench open DIR                              seconds to open, to look at every mailbox, and the memory it takes
//! ```
//!
//! Bytes are what `/proc/self/io` says was sent to the disk, in whole pages.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mail_types::{Address, Flags, Secret, SystemFlag, UnixTime};
use store::{Announce, Delivered, FlagChange, FlagMode, MailboxId, Store, Target};

const NOW: UnixTime = UnixTime(1_800_000_000);

type Trouble = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("store-bench: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Trouble> {
    let number = |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse::<u64>());
    let directory = Path::new(arguments.get(1).ok_or("usage: store-bench COMMAND DIR ..., see the source")?);
    match arguments.first().copied() {
        Some("commits") => {
            let (store, inboxes) = prepare(directory, 16)?;
            let message = message(number(4, 10_000)?);
            race(number(2, 1)?, number(3, 5)?, |writer| {
                deliver(&store, &message, &inboxes, writer).map(|_| ())
            })
        }
        Some("maildir") => {
            fs::create_dir_all(directory.join("tmp"))?;
            fs::create_dir_all(directory.join("new"))?;
            let message = message(number(4, 10_000)?);
            let count = AtomicU64::new(0);
            race(number(2, 1)?, number(3, 5)?, |_| {
                maildir_deliver(directory, &message, count.fetch_add(1, Ordering::Relaxed))
            })
        }
        Some("churn") => churn(directory, number(2, 1_000)?, &message(number(3, 10_000)?)),
        Some("fill") => fill(directory, number(2, 100_000)?, &message(number(3, 1_000)?)),
        Some("watched") => watched(directory, number(2, 80_000)?, number(3, 2_000)?),
        Some("neighbour") => neighbour(
            directory,
            number(2, 80_000)?,
            number(3, 10)?,
            arguments.get(4).copied().unwrap_or_default(),
        ),
        Some("open") => open(directory),
        _ => Err("commands: commits, maildir, churn, fill, watched, neighbour, open".into()),
    }
}

/// Lets so many writers repeat something for so many seconds.
fn race(writers: u64, seconds: u64, once: impl Fn(u64) -> Result<(), Trouble> + Sync) -> Result<(), Trouble> {
    let (done, before, start) = (AtomicU64::new(0), written()?, Instant::now());
    let end = start + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        let writer = |writer| {
            let (once, done) = (&once, &done);
            scope.spawn(move || {
                while Instant::now() < end {
                    once(writer)?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Trouble>(())
            })
        };
        let writers: Vec<_> = (0..writers).map(writer).collect();
        writers.into_iter().try_for_each(|writer| writer.join().unwrap_or(Err("a writer panicked".into())))
    })?;
    let (done, elapsed) = (done.into_inner(), start.elapsed());
    println!(
        "{writers} writers: {:.0} messages/s, {} bytes written for each",
        per_second(done, elapsed),
        (written()? - before) / done.max(1)
    );
    Ok(())
}

fn churn(directory: &Path, count: u64, message: &[u8]) -> Result<(), Trouble> {
    let (store, inboxes) = prepare(directory, 1)?;
    let (before, start) = (written()?, Instant::now());
    for _ in 0..count {
        let (inbox, delivered) = deliver(&store, message, &inboxes, 0)?;
        let Delivered::Stored { uid, .. } = delivered else { return Err("the mailbox vanished".into()) };
        let mut read = Vec::new();
        store.body(inbox, uid)?.read_to_end(&mut read)?;
        store.expunge(inbox, &[uid])?;
    }
    let each = (written()? - before) / count.max(1);
    println!(
        "{:.0} messages/s delivered, fetched and deleted, {each} bytes written for each",
        per_second(count, start.elapsed())
    );
    drop(store);
    println!("{:?}", store::inspect::stats(directory)?);
    Ok(())
}

fn fill(directory: &Path, count: u64, message: &[u8]) -> Result<(), Trouble> {
    let (store, inboxes) = prepare(directory, 20)?;
    let (next, start) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        let writer = |_| {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<(), Trouble>(());
                    }
                    deliver(&store, message, &inboxes, number)?;
                }
            })
        };
        let writers: Vec<_> = (0..16).map(writer).collect();
        writers.into_iter().try_for_each(|writer| writer.join().unwrap_or(Err("a writer panicked".into())))
    })?;
    println!("{count} messages at {:.0}/s, {}", per_second(count, start.elapsed()), memory()?);
    // As a crash would leave it.
    std::process::exit(0)
}

/// Delivers to a mailbox of `count` messages, and asks for the changes after each delivery as a session in IDLE does.
fn watched(directory: &Path, count: u64, deliveries: u64) -> Result<(), Trouble> {
    let (store, inboxes) = prepare(directory, 1)?;
    let inbox = *inboxes.first().ok_or("no accounts")?;
    let message = message(1_000);
    stuff(&store, inbox, count, &message)?;
    let mut since = store.snapshot(inbox)?.highest_modseq;
    let before = processor_time()?;
    for _ in 0..deliveries {
        deliver(&store, &message, &inboxes, 0)?;
        let changes = store.changes_since(inbox, since)?;
        if changes.changed.len() != 1 {
            return Err("a delivery was not told".into());
        }
        since = changes.snapshot.highest_modseq;
    }
    let each = (processor_time()? - before) / u32::try_from(deliveries.max(1))?;
    println!("{count} messages: {each:?} of processor time for a delivery and its change, {}", memory()?);
    Ok(())
}

/// Delivers until a mailbox has so many messages.
fn stuff(store: &Store, mailbox: MailboxId, count: u64, message: &[u8]) -> Result<(), Trouble> {
    let mut left = count.saturating_sub(u64::try_from(store.snapshot(mailbox)?.messages.len())?);
    while left > 0 {
        let some = left.min(500);
        let spool = || -> Result<_, Trouble> {
            let mut spool = store.spool(1 << 30);
            spool.write_all(message)?;
            Ok(store::Submission { spool, targets: vec![target(mailbox)], outbound: Vec::new() })
        };
        store.submit_all((0..some).map(|_| spool()).collect::<Result<_, _>>()?)?;
        left -= some;
    }
    Ok(store.checkpoint()?)
}

fn neighbour(directory: &Path, count: u64, seconds: u64, work: &str) -> Result<(), Trouble> {
    let (store, inboxes) = prepare(directory, 2)?;
    let &[loud, _] = inboxes.as_slice() else { return Err("no accounts".into()) };
    let message = message(1_000);
    stuff(&store, loud, count, &message)?;
    let uids: Vec<_> = store.snapshot(loud)?.messages.iter().map(|message| message.uid).collect();
    let end = Instant::now() + Duration::from_secs(seconds);
    let make_work = || -> Result<(), Trouble> {
        for round in 0_u64.. {
            if Instant::now() > end {
                break;
            }
            match work {
                "checkpoints" => {
                    deliver(&store, &message, &inboxes, 0)?;
                    store.checkpoint()?;
                }
                "flags" => {
                    let mode = if round % 2 == 0 { FlagMode::Add } else { FlagMode::Remove };
                    let flags = [SystemFlag::Flagged].into_iter().collect();
                    store.change_flags(loud, &uids, &FlagChange { mode, flags, unchanged_since: None })?;
                }
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Ok(())
    };
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let worker = scope.spawn(make_work);
        while Instant::now() < end {
            let start = Instant::now();
            deliver(&store, &message, &inboxes, 1)?;
            times.push(start.elapsed());
        }
        worker.join().unwrap_or(Err("the worker panicked".into()))
    })?;
    times.sort_unstable();
    let share =
        |percent: usize| times.get(times.len() * percent / 100).or(times.last()).copied().unwrap_or_default();
    println!(
        "{work} beside {count} messages: {} deliveries, p50 {:?}, p95 {:?}, p99 {:?}, longest {:?}, {}",
        times.len(),
        share(50),
        share(95),
        share(99),
        share(100),
        memory()?
    );
    Ok(())
}

fn open(directory: &Path) -> Result<(), Trouble> {
    println!("before: {}", memory()?);
    let start = Instant::now();
    let (store, report) = Store::open(directory)?;
    println!("opened in {:?}: {report:?}, {}", start.elapsed(), memory()?);
    let start = Instant::now();
    let mut messages = 0;
    for account in store.accounts()? {
        for mailbox in store.mailboxes(&account.address)? {
            messages += store.snapshot(mailbox.id)?.messages.len();
        }
    }
    println!("{messages} messages listed in {:?}, {}", start.elapsed(), memory()?);
    Ok(())
}

fn prepare(directory: &Path, accounts: u32) -> Result<(Store, Vec<MailboxId>), Trouble> {
    let (store, _) = Store::open(directory)?;
    let mut inboxes = Vec::new();
    for account in 0..accounts {
        let address: Address = format!("account{account}@box.test").parse()?;
        if store.account(&address)?.is_none() {
            store.create_account(&address, Secret::new("hash"), NOW)?;
        }
        inboxes.push(store.inbox(&address)?);
    }
    Ok((store, inboxes))
}

fn deliver(
    store: &Store,
    message: &[u8],
    inboxes: &[MailboxId],
    number: u64,
) -> Result<(MailboxId, Delivered), Trouble> {
    let at = usize::try_from(number)? % inboxes.len();
    let mailbox = *inboxes.get(at).ok_or("no accounts")?;
    let mut spool = store.spool(1 << 30);
    spool.write_all(message)?;
    let delivered = store.deliver(spool, &[target(mailbox)])?;
    Ok((mailbox, *delivered.first().ok_or("nothing was delivered")?))
}

fn target(mailbox: MailboxId) -> Target {
    let (flags, announce) = (Flags::default(), Announce::ToNobody);
    Target { mailbox, flags, internal_date: NOW, arrived: NOW, announce }
}

fn maildir_deliver(directory: &Path, message: &[u8], number: u64) -> Result<(), Trouble> {
    let temporary = directory.join(format!("tmp/{number}"));
    let mut file = File::create(&temporary)?;
    file.write_all(message)?;
    file.sync_all()?;
    fs::rename(&temporary, directory.join(format!("new/{number}")))?;
    Ok(File::open(directory.join("new"))?.sync_all()?)
}

fn message(bytes: u64) -> Vec<u8> {
    (0..bytes)
        .map(|at| {
            b"abcdefghijklmnopqrstuvwxyz\r\n"
                .get(usize::try_from(at % 28).unwrap_or(0))
                .copied()
                .unwrap_or(b'x')
        })
        .collect()
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    // Counts here are far below the precision of a double.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / elapsed.as_secs_f64()
}

/// The processor time of this process so far, user and system.
fn processor_time() -> Result<Duration, Trouble> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::new(u64::try_from(used.tv_sec)?, u32::try_from(used.tv_nsec)?))
}

/// Bytes sent to the disk by this process so far.
fn written() -> Result<u64, Trouble> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).ok_or("no write_bytes")?;
    Ok(line.parse()?)
}

fn memory() -> Result<String, Trouble> {
    let status = fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    Ok(lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", "))
}
