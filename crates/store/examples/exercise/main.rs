//! `exercise`: a deterministic, endless, mail-like load on a store, and the check of what is left of it, for harnesses
//! that kill the process, cut the power or fill the disk.
//!
//! ```text
//! exercise write DIR SEED        three streams of changes; prints `found STREAM SEQUENCE` for where each goes on, which
//!                                opening has made durable, and `ack STREAM SEQUENCE` after each durable commit
//! exercise check DIR SEED ACKS   for each stream: acknowledged <= found <= acknowledged + 1, and the whole content
//!                                equals the model at that point
//! ```
//!
//! `write` goes on where it finds the streams. It ends with 3 when the store refuses a change.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal or a harness")]

mod compare;
mod model;
mod steps;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use store::{Options, Store};

use crate::model::Model;

/// Streams of changes, each with accounts of its own.
const STREAMS: u32 = 3;
/// Further than any harness gets.
const SEARCH_LIMIT: u64 = 10_000_000;

/// Small, so that a few seconds see many checkpoints; nothing in reserve, so that a full disk is really full.
const OPTIONS: Options =
    Options { checkpoint_bytes: 256 << 10, inline_limit: 16 << 10, reserve_bytes: 0, list_bytes: 16 << 20 };

type Trouble = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["write", directory, seed] => parse(seed).and_then(|seed| write(Path::new(directory), seed)),
        ["check", directory, seed, acks] => {
            parse(seed).and_then(|seed| check(Path::new(directory), seed, Path::new(acks)))
        }
        _ => {
            eprintln!("usage: exercise write DIR SEED | exercise check DIR SEED FILE_WITH_ACKS");
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("exercise: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn parse(seed: &str) -> Result<u64, Trouble> {
    Ok(seed.parse()?)
}

fn write(directory: &Path, seed: u64) -> Result<ExitCode, Trouble> {
    let (store, report) = Store::open_with(directory, OPTIONS)?;
    eprintln!("opened: {report:?}");
    let output = Mutex::new(std::io::stdout());
    let say = |what: &str, stream: u32, sequence: u64| {
        let mut output = output.lock().map_err(|_| "another stream panicked")?;
        writeln!(output, "{what} {stream} {sequence}")?;
        Ok::<(), Trouble>(output.flush()?)
    };
    let results: Vec<Result<(), Trouble>> = std::thread::scope(|scope| {
        let spawn = |stream| {
            let (store, say) = (&store, &say);
            scope.spawn(move || run_stream(store, seed, stream, say))
        };
        let streams: Vec<_> = (0..STREAMS).map(spawn).collect();
        let join = |stream: std::thread::ScopedJoinHandle<'_, _>| stream.join();
        streams.into_iter().map(|stream| join(stream).unwrap_or(Err("a stream panicked".into()))).collect()
    });
    for (stream, result) in results.iter().enumerate() {
        if let Err(trouble) = result {
            println!("refused {stream} {trouble}");
        }
    }
    Ok(ExitCode::from(3))
}

fn run_stream(
    store: &Store,
    seed: u64,
    stream: u32,
    say: &(impl Fn(&str, u32, u64) -> Result<(), Trouble> + Sync),
) -> Result<(), Trouble> {
    let mut model = Model::new(seed, stream);
    while !compare::probably_equals(&model, store)? {
        if model.sequence() >= SEARCH_LIMIT {
            return Err("the store holds nothing that this stream could have written".into());
        }
        model.step();
    }
    say("found", stream, model.sequence())?;
    loop {
        let step = model.step();
        steps::perform(store, &model, &step)?;
        say("ack", stream, model.sequence())?;
    }
}

fn check(directory: &Path, seed: u64, acks: &Path) -> Result<ExitCode, Trouble> {
    let acknowledged = read_acks(&std::fs::read_to_string(acks)?);
    let (store, report) = Store::open_with(directory, OPTIONS)?;
    println!("opened: {report:?}");
    let mut sound = report.damage.is_empty();
    for stream in 0..STREAMS {
        let acknowledged = acknowledged.get(&stream).copied().unwrap_or(0);
        let mut model = Model::new(seed, stream);
        while model.sequence() < acknowledged {
            model.step();
        }
        let mut difference = compare::difference(&model, &store)?;
        if let Some(first) = difference.take() {
            model.step();
            difference = compare::difference(&model, &store)?.map(|second| format!("{first}; or {second}"));
        }
        match difference {
            None => println!("stream {stream}: acknowledged {acknowledged}, found {}", model.sequence()),
            Some(difference) => {
                sound = false;
                println!(
                    "stream {stream}: acknowledged {acknowledged}, found neither it nor the next: {difference}"
                );
            }
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The last acknowledged sequence of each stream. A line that a kill cut short is none.
fn read_acks(text: &str) -> BTreeMap<u32, u64> {
    let mut acks = BTreeMap::new();
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["ack", stream, sequence] = words.as_slice()
            && let (Ok(stream), Ok(sequence)) = (stream.parse(), sequence.parse())
        {
            acks.insert(stream, sequence);
        }
    }
    acks
}
